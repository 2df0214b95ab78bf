"""Gates: each passes and fails where it should, says its number, and too few failures are said to be too few."""

import numpy as np
import pytest

from features.errors import BadInput, NotFound
from tests.training import fleet
from training.comparison import compare
from training.gates import CHALLENGER, CHAMPION, AgainstChampion, Gates, JudgedOn, absolute, against, enough, load_gates


@pytest.fixture(scope="module")
def table():
    return fleet.frame(machines=60, days=60)


def compared(table, challenger, champion=None):
    said = {CHALLENGER: challenger} | ({} if champion is None else {CHAMPION: champion})
    return compare(table, said, replicates=80)


def column(table, noise=0.0):
    return fleet.forecast(table, noise)[:, 2]


def failed(verdicts):
    return [one.gate for one in verdicts if not one.passed]


def test_good_forecast_passes_every_absolute_gate(table):
    assert failed(absolute(compared(table, column(table)), 0.3, Gates())) == []


@pytest.mark.parametrize(
    ("spoilt", "gates"),
    [
        (lambda p: np.full(len(p), p.mean()), ["event_recall", "log_loss_skill", "slope"]),
        (lambda p: p / 2, ["observed_over_expected"]),
        (lambda p: p**3 / (p**3 + 7 * (1 - p) ** 3), ["slope"]),
    ],
)
def test_spoilt_forecast_fails_by_what_was_spoilt(table, spoilt, gates):
    verdicts = absolute(compared(table, spoilt(column(table))), 0.3, Gates())
    assert set(gates) <= set(failed(verdicts)) and "score_ms" not in failed(verdicts)
    told = next(one for one in verdicts if one.gate == gates[0])
    assert told.asked in told.en and told.zh != told.en


def test_slow_bundle_fails_on_time_alone(table):
    verdicts = absolute(compared(table, column(table)), 7.5, Gates())
    assert failed(verdicts) == ["score_ms"]
    assert verdicts[-1].en == "milliseconds for one score with its range 7.500, asked: at most 5"


def test_same_forecast_is_no_worse(table):
    p = column(table)
    assert failed(against(compared(table, p, p), Gates())) == []


def test_worse_challenger_fails_both_comparisons(table):
    verdicts = against(compared(table, column(table, 3.0), column(table)), Gates())
    assert failed(verdicts) == ["event_recall_against_champion", "log_loss_against_champion"]
    assert "too few failures" not in "".join(one.en for one in verdicts)
    assert all(one.value < 0 and one.high < 0 for one in verdicts)


def test_margin_is_of_the_champions_log_loss(table):
    found = compared(table, column(table, 0.7), column(table))
    lost = found.gains[CHAMPION]["log_loss"].value / found.figures[CHAMPION]["log_loss"].value
    assert lost > 0
    for margin, passes in ((lost * 1.01, True), (lost * 0.99, False)):
        bounds = Gates(against_champion=AgainstChampion(log_loss_may_lose=margin, shown_by="value"))
        told = against(found, bounds)[1]
        assert told.passed is passes and told.value == pytest.approx(-lost)


def test_wide_interval_says_how_many_failures_would_do(table):
    few = table[table.machine_id.isin(sorted(table.machine_id.unique())[:12])]
    found = compared(few, fleet.forecast(few, 1.0, seed=1)[:, 2], fleet.forecast(few, 1.0, seed=2)[:, 2])
    bounds = Gates(against_champion=AgainstChampion(event_recall_may_lose=0.05, log_loss_may_lose=0.05))
    gain = found.gains[CHAMPION]["event_recall"]
    assert gain.value >= -0.05 > gain.low  # what this test is about
    told = against(found, bounds)[0]
    needed = int(np.ceil(found.failures * ((gain.value - gain.low) / (gain.value + 0.05)) ** 2))
    assert not told.passed and f"about {needed:,} would do" in told.en and needed > found.failures


def test_too_few_failures_or_machines(table):
    found = compared(table, column(table))
    assert enough(found, JudgedOn(), "2024-03-01").passed
    told = enough(found, JudgedOn(least_failures=found.failures + 1), "2024-03-01")
    assert not told.passed and f"{found.failures} failures" in told.en and f"at least {found.failures + 1} failures" in told.en
    assert not enough(found, JudgedOn(least_machines=found.failing + 1), "2024-03-01").passed
    assert enough(None, JudgedOn(), "2024-03-01").value == 0


def test_shipped_gates_are_the_defaults():
    assert load_gates() == load_gates("gates") == Gates()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[absolute]\nrecall = 0.3", "absolute.recall: unknown key"),
        ("[absolute]\nslope_between = [1.2, 1.5]", "does not hold 1"),
        ("[judged_on]\ngap_hours = 24", "judged_on.gap_hours"),
        ("[against_champion]\nshown_by = 'faith'", "against_champion.shown_by"),
        ("[absolute", "not readable as TOML"),
    ],
)
def test_wrong_gates_are_named(tmp_path, text, line):
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(BadInput, match=r"own\.toml") as told:
        load_gates(path)
    assert line in str(told.value)


def test_missing_gates(tmp_path):
    with pytest.raises(NotFound, match="no such gates"):
        load_gates("strict")
    with pytest.raises(BadInput, match="no such file"):
        load_gates(tmp_path / "none.toml")
