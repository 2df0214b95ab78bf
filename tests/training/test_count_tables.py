"""The table of count benchmarks: gains are paired, and said in words as they are."""

import numpy as np
import pytest

from tests.training.counting import world
from training import count_tables
from training.count_metrics import Counted
from training.intervals import Interval


def test_gains_are_paired_and_told_as_they_are() -> None:
    rows, truth = world(3000)
    judged = Counted.of(rows.count, rows.exposure, rows.group)
    flat = rows.exposure * rows.mean_rate
    found = count_tables.table(
        judged, {"flat": flat, "alike": truth * 1.0001, "own": truth}, "own", scale=100.0, replicates=100
    )
    by_name = {row["forecast"]: row for row in found}
    gain, alike = by_name["flat"]["gain in deviance"], by_name["alike"]["gain in deviance"]
    deviance = [by_name[name]["deviance x 100"] for name in ("flat", "own")]
    assert isinstance(gain, Interval) and isinstance(alike, Interval)
    assert isinstance(deviance[0], Interval) and isinstance(deviance[1], Interval)
    assert gain.value == pytest.approx(deviance[0].value - deviance[1].value)
    assert gain.low > 0
    assert gain.high - gain.low < deviance[0].high - deviance[0].low  # the pairs share their luck
    assert alike.high - alike.low < 0.1
    assert by_name["own"]["gain in deviance"] is None
    words = count_tables.verdict(found, "own")
    assert any(one.startswith("own is better than flat") for one in words)
    assert any(one.startswith("own is not told apart from alike") for one in words)


def test_calibration_by_decile_and_of_any() -> None:
    rows, truth = world(6000)
    judged = Counted.of(rows.count, rows.exposure, rows.group)
    facts = count_tables.calibration_facts(judged, truth, -np.expm1(-truth), replicates=100)
    for name in ("actual/expected by decile of rate", "actual/expected by decile of number"):
        bins = facts[name]
        assert isinstance(bins, list)
        assert sum(one.low <= 1.0 <= one.high for one in bins) >= len(bins) - 2
    anyone = facts["any, actual/expected"]
    assert isinstance(anyone, Interval)
    assert anyone.low < 1.0 < anyone.high
    too_high = count_tables.calibration_facts(judged, 2 * truth, np.ones(len(truth)), replicates=100)["any, actual/expected"]
    assert isinstance(too_high, Interval) and too_high.high < 1.0
