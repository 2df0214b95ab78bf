"""Rolling origin of the enterprise scores: nothing later is seen, what was kept is taken, the page says what came of it."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from features.errors import BadInput
from tests.training.enterprise import planted
from training import splits
from training.backtest import KEPT
from training.enterprise import backtest, backtest_report, rivals
from training.enterprise.words import ALARM, PRICE

DAY = 86_400_000_000


@pytest.fixture(scope="module")
def cuts(past):
    return splits.cutoffs(past.as_of, count=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("parts")


@pytest.fixture(scope="module")
def run(past, cuts, folder):
    return backtest.rolling(past, planted.CONFIG, cuts, folder)


@pytest.fixture(scope="module")
def found(run, past):
    return backtest.judged(run, past, planted.CONFIG, replicates=50)


def test_every_later_row_is_told_once_by_every_forecast(past, run, cuts):
    assert sorted(run.rows) == np.flatnonzero(past.as_of >= cuts[0]).tolist()
    for said in run.said().values():
        assert said.shape == (len(run.rows), 3) and (said > 0).all()
    assert {PRICE, ALARM, KEPT, rivals.GLM, rivals.BOOSTED} <= set(run.said())
    assert np.array_equal(run.parts[0].said[KEPT], run.parts[0].said[PRICE])
    assert not np.array_equal(run.parts[1].said[KEPT], run.parts[1].said[PRICE])


def test_what_comes_after_a_cutoff_changes_nothing_said_there(past, run, cuts, tmp_path):
    """Accidents later than the first cut-off are taken away; what was said there stays to the last bit."""
    moments = past.accidents.column("recorded_at").cast("int64").to_numpy()
    blind = replace(past, accidents=past.accidents.filter(moments <= cuts[0]))
    plan = backtest.plan(blind, planted.CONFIG, cuts)
    learned = backtest._learnt(blind, planted.CONFIG, plan[0], lambda text: None)
    again = backtest._said(blind, planted.CONFIG, learned, learned)
    for name, said in run.parts[0].said.items():
        assert np.array_equal(again.said[name], said), name


def test_a_finished_cutoff_is_taken_from_where_it_was_kept(past, run, cuts, folder):
    said = []
    again = backtest.rolling(past, planted.CONFIG, cuts, folder, progress=said.append)
    assert again.id == run.id and all("kept from an earlier run" in text for text in said)
    assert np.array_equal(again.parts[1].said[ALARM], run.parts[1].said[ALARM])


def test_another_experiment_or_date_is_another_part(past, cuts):
    one, other = (backtest.plan(past, config, cuts)[0].digest for config in (
        planted.CONFIG, planted.CONFIG.model_copy(update={"seed": 8})))  # fmt: skip
    assert one != other
    assert (
        backtest.plan(past, planted.CONFIG, [cuts[0] - DAY, cuts[1]])[1].digest
        != backtest.plan(past, planted.CONFIG, cuts)[1].digest
    )


def test_too_early_a_cutoff_is_said_in_one_line(past, tmp_path):
    with pytest.raises(BadInput, match="cut-off 2024-0"):
        backtest.rolling(past, planted.CONFIG, [int(past.as_of.min()) + 40 * DAY], tmp_path)


def test_the_page_tells_figures_and_gains(run, found, tmp_path):
    path = backtest_report.write(
        run, found, {"Backtest 回测": run.id}, {"seed": "7"}, datetime(2026, 1, 1, tzinfo=UTC), tmp_path / "b.html"
    )
    text = path.read_text()
    for words in ("Verdict", "结论", "The first price score, kept", "GLM（含信度）", run.cutoffs[0].date):
        assert words in text, words
    assert text.count("<svg") == 6
    gain = found.together[-1].gains[(PRICE, rivals.RATE)]["deviance"]
    assert gain.low > 0  # the law is worth more than exposure alone
    assert any(one.tone == "good" and "Exposure × rate" in one.en for one in backtest_report.verdict(run, found))
