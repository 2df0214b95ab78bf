"""The oracle's ceiling: slope, bins and modes against a truth that is known, and nothing of it where none is."""

import numpy as np
import pandas as pd
import pytest

from tests.training import fleet
from training import ceiling, report, tables
from training.ceiling import bins_of, slope_against
from training.evaluation import Settings, evaluate
from training.intervals import resample
from training.report_words import Text, verdict
from training.truth import Truth

FEW = Settings(replicates=40)
SIGNS = {"belt": "windows", "motor": "windows", "drum": "order", "fuse": "none"}
WORDS = {"forewarn": Text("Forewarn", "本模型"), "oracle": Text("Oracle", "理想预测")}


def odds(p, slope=1.0, shift=0.0):
    eta = slope * np.log(p / (1 - p)) + shift
    return 1 / (1 + np.exp(-eta))


def by_machine(rows, machines=100):
    return (np.arange(len(rows)) % machines).astype(np.int32), resample(machines, 30, 0)


@pytest.fixture(scope="module")
def chances():
    return np.random.default_rng(3).beta(0.3, 6.0, 40_000).clip(1e-6, 0.999)


@pytest.mark.parametrize("slope", [0.8, 1.0, 1.25])
def test_slope_is_that_of_the_true_log_odds(chances, slope):
    found = slope_against(odds(chances, slope, -0.3), chances, *by_machine(chances))
    assert found.value == pytest.approx(slope, abs=0.005)
    assert found.low < found.value < found.high


def test_slope_has_no_luck_of_outcomes_in_it(chances):
    drawn = np.random.default_rng(0).random(len(chances)) < chances
    assert slope_against(chances, chances, *by_machine(chances)).value == pytest.approx(1.0, abs=1e-6)
    assert slope_against(drawn.astype(float), chances, *by_machine(chances)).value != pytest.approx(1.0, abs=1e-3)


def test_bins_hold_neighbours_and_drop_the_safest_rest():
    p = np.random.default_rng(1).permutation(np.arange(2350) / 10_000)
    bins = bins_of(p, p * 0.9, p * 1.1, p * 1.05)
    assert len(bins.true) == 2
    np.testing.assert_allclose(bins.predicted, [np.arange(350, 1350).mean() / 1e4, np.arange(1350, 2350).mean() / 1e4])
    assert bins.inside.all() and bins.coverage == 1.0
    assert bins_of(p, p * 0.9, p * 1.02, p * 1.05).coverage == 0.0
    assert np.isnan(bins_of(p[:999], p[:999], p[:999], p[:999]).coverage)


@pytest.fixture(scope="module")
def judged():
    """A model that is blind for drums, and an oracle that sees all."""
    table = fleet.frame(machines=120, days=50)
    truth = fleet.forecast(table)
    mode = np.random.default_rng(5).choice(list(SIGNS), len(table))
    # One mode for all rows before the same failure.
    when = (table.as_of.astype("int64") // 3_600_000_000 + table.hours_to_failure.round()).fillna(-1)
    mode = pd.Series(mode).groupby([table.machine_id, when]).transform("first")
    table["component"] = np.where(table.y72 == 1, mode, None)
    p = truth.copy()
    p[(table.component == "drum").to_numpy()] = 1e-4
    table["low72"], table["high72"] = p[:, 2] * 0.8, np.minimum(p[:, 2] * 1.25, 1.0)
    return table, evaluate(table, {"forewarn": p}, FEW, truth=Truth(truth, SIGNS))


def test_oracle_stands_among_the_forecasts_but_is_no_rival(judged):
    _, found = judged
    assert found.names == ("forewarn", "oracle") and found.rivals == ()
    assert found.horizon("72").figures["oracle"]["ap"].value > found.horizon("72").figures["forewarn"]["ap"].value
    assert "strongest rival" not in " ".join(sentence.en for sentence in verdict(found, WORDS))
    assert [row["forecast"] for row in tables.summary(found, WORDS)] == ["Forewarn", "Oracle"]


def test_each_mode_is_counted_apart(judged):
    table, found = judged
    modes = {one.name: one for one in found.ceiling.modes}
    assert sum(one.failures for one in modes.values()) == found.failures
    assert modes["drum"].signs == "order" and modes["drum"].model.value < 0.1 < modes["drum"].oracle.value
    for name in ("belt", "motor", "fuse"):
        assert modes[name].share > 0.95
    windows = found.ceiling.windows
    assert windows.failures == modes["belt"].failures + modes["motor"].failures
    total = sum(one.model.value * one.failures for one in modes.values()) / found.failures
    assert total == pytest.approx(found.budgets[0].figures["forewarn"]["event_recall"].value)
    assert len(table[table.component == "drum"]) >= modes["drum"].failures


def test_figures_reach_the_manifest_and_the_page(judged):
    _, found = judged
    flat = tables.flat(found)
    assert flat["true_slope_72h"] == found.ceiling.slopes["72"].value
    assert flat["share_of_oracle_recall"] == found.ceiling.windows.share
    assert "simulated, so the truth is known" in verdict(found, WORDS)[-1].en
    rows = report.mode_rows(found.ceiling, {"belt": Text("belt", "皮带")})
    assert [row["words"].en for row in rows[:2]] == ["belt", "motor"] and rows[-1]["sum"] and rows[-1]["mode"].name == "windows"
    assert report.truth_figure(found.ceiling)[0].count("<circle") == len(found.ceiling.bins.true)


def test_without_a_truth_there_is_no_word_of_it(judged):
    table, _ = judged
    plain = evaluate(table, {"forewarn": fleet.forecast(table)}, FEW)
    assert plain.ceiling is None and plain.names == ("forewarn",)
    assert not [name for name in tables.flat(plain) if "true" in name or "oracle" in name]
    assert not any("truth" in sentence.en for sentence in verdict(plain, WORDS))


def test_a_test_period_without_announced_failures_has_no_share(judged):
    table, _ = judged
    calm = table.assign(component=np.where(table.y72 == 1, "fuse", None))
    found = evaluate(calm, {"forewarn": fleet.forecast(table)}, FEW, truth=Truth(fleet.forecast(table), SIGNS)).ceiling
    assert found.windows is None and [one.name for one in found.modes] == ["fuse"]
    assert ceiling.BIN_ROWS == 1000
