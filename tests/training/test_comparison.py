"""Forecasts side by side: figures that can be worked out by hand, and gains on the same resamples."""

import numpy as np
import pytest

from tests.training import fleet
from training.comparison import compare


@pytest.fixture(scope="module")
def table():
    return fleet.frame(machines=40, days=60)


def column(table, noise=0.0):
    return fleet.forecast(table, noise)[:, 2]


def test_rows_failures_and_machines_are_those_that_are_ripe(table):
    found = compare(table, {"own": column(table)}, replicates=60)
    ripe = table[table.y72.notna()]
    near = ripe[ripe.y72 == 1]
    moments = (near.as_of + near.hours_to_failure.round(3).map(lambda h: np.timedelta64(round(h * 60), "m"))).dt.round("h")
    assert (found.rows, found.positive) == (len(ripe), len(near))
    assert found.failing == near.machine_id.nunique()
    assert found.failures == len({*zip(near.machine_id, moments, strict=True)})
    assert found.names == ("own",) and found.gains == {}


def test_a_blunter_forecast_loses_and_the_interval_shows_it(table):
    found = compare(table, {"own": column(table), "blunt": column(table, 3.0)}, replicates=100)
    gain = found.gains["blunt"]
    assert gain["log_loss"].high < 0 and gain["ap"].low > 0 and gain["event_recall"].low > 0
    assert found.figures["own"]["log_loss_skill"].value > found.figures["blunt"]["log_loss_skill"].value > 0
    assert gain["ap"].value == found.figures["own"]["ap"].value - found.figures["blunt"]["ap"].value


def test_the_same_forecast_gains_nothing(table):
    p = column(table)
    gains = compare(table, {"own": p, "again": p}, replicates=60).gains["again"]
    assert {(one.value, one.low, one.high) for one in gains.values()} == {(0.0, 0.0, 0.0)}


def test_halved_probabilities_show_in_observed_over_expected_alone(table):
    p = column(table)
    found = compare(table, {"own": p, "half": p / 2}, replicates=60).figures
    own, half = found["own"], found["half"]
    assert own["observed_over_expected"].value == pytest.approx(1.0, abs=0.02)
    assert half["observed_over_expected"].value == pytest.approx(2 * own["observed_over_expected"].value)
    assert half["ap"].value == own["ap"].value and half["event_recall"].value == own["event_recall"].value


def test_base_rate_has_no_skill(table):
    rate = np.full(len(table), table.y72.mean())
    found = compare(table, {"rate": rate}, replicates=60).figures["rate"]
    assert found["log_loss_skill"].value == pytest.approx(0.0, abs=1e-9)
    assert np.isnan(found["slope"].value)


def test_budget_holds_within_each_stretch(table):
    """Two stretches, one with far higher scores: over all rows it would take every alarm."""
    p = column(table) / 2
    stretch = (table.as_of >= table.as_of.median()).to_numpy().astype(np.int64)
    late = np.where(stretch == 1, 0.5 + p, p)
    at_once = compare(table, {"own": late}, budget=0.05, replicates=60).figures["own"]["event_recall"].value
    by_stretch = compare(table, {"own": late}, budget=0.05, replicates=60, stretch=stretch).figures["own"]["event_recall"].value
    first = compare(table[stretch == 0], {"own": late[stretch == 0]}, budget=0.05, replicates=60)
    assert first.figures["own"]["event_recall"].value > 0.2
    assert by_stretch > at_once


def test_stretch_without_a_failure_has_figures_where_it_can(table):
    quiet = table.assign(y24=0.0, y48=0.0, y72=0.0, hours_to_failure=np.nan).iloc[:200]
    found = compare(quiet, {"own": column(table)[:200]}, replicates=60)
    figures = found.figures["own"]
    assert found.failures == 0 and figures["observed_over_expected"].value == 0
    assert np.isfinite(figures["log_loss"].value)
    assert all(np.isnan(figures[name].value) for name in ("ap", "event_recall", "slope", "brier_skill", "log_loss_skill"))


def test_nothing_ripe_is_said(table):
    with pytest.raises(ValueError, match="no ripe"):
        compare(table.assign(y72=np.nan), {"own": column(table)})
