"""Intervals by machine: they must be wide where machines, not rows, are the evidence, and cover what they claim."""

import numpy as np
import pytest

from training import intervals, metrics


def test_resample_draws_as_many_machines_as_there_are_and_repeats_by_seed():
    weights = intervals.resample(30, 50, seed=1)
    assert weights.shape == (50, 30)
    assert (weights.sum(axis=1) == 30).all()
    assert np.array_equal(weights, intervals.resample(30, 50, seed=1))
    assert not np.array_equal(weights, intervals.resample(30, 50, seed=2))


def test_interval_knows_that_rows_of_one_machine_are_not_independent():
    random = np.random.default_rng(0)
    quality = random.random(20)
    machine = np.repeat(np.arange(20), 200).astype(np.int32)
    y = (random.random(4000) < quality[machine]).astype(float)
    rows, _ = metrics.ripe(machine, 20, y)
    share = metrics.observed_over_expected(rows, np.full(4000, 0.5))
    by_machine = intervals.draw(share, intervals.resample(20, 400, 1)).interval()
    alone, _ = metrics.ripe(np.arange(4000, dtype=np.int32), 4000, y)
    by_row = intervals.draw(
        metrics.observed_over_expected(alone, np.full(4000, 0.5)), intervals.resample(4000, 400, 1)
    ).interval()
    assert by_machine.high - by_machine.low > 4 * (by_row.high - by_row.low)


def test_paired_difference_is_narrower_than_the_two_intervals():
    random = np.random.default_rng(3)
    n, machines = 3000, 60
    machine = random.integers(0, machines, n).astype(np.int32)
    eta = random.normal(-2, 1.5, n) + random.normal(0, 1, machines)[machine]
    rows, _ = metrics.ripe(machine, machines, (random.random(n) < 1 / (1 + np.exp(-eta))).astype(float))
    weights = intervals.resample(machines, 300, 1)
    own = intervals.draw(metrics.ranking(rows, eta).auc(), weights)
    rival = intervals.draw(metrics.ranking(rows, eta + random.normal(0, 0.5, n)).auc(), weights)
    gain = own.minus(rival).interval()
    assert gain.value == pytest.approx(own.value - rival.value)
    assert 0 < gain.low < gain.value < gain.high
    assert gain.high - gain.low < 0.6 * (own.interval().high - own.interval().low)


def test_paired_difference_needs_the_same_resamples():
    with pytest.raises(ValueError, match="same resamples"):
        intervals.Draws(1.0, np.zeros(3)).minus(intervals.Draws(1.0, np.zeros(4)))


def test_figure_that_does_not_exist_in_most_resamples_has_no_interval():
    drawn = np.full(100, np.nan)
    drawn[:30] = 0.5
    assert np.isnan(intervals.percentile(0.5, drawn).low)


def test_band_covers_all_bins_at_once():
    """Of many worlds in which the truth is 0, about 95 % of the bands hold it in every bin; pointwise intervals would not."""
    random = np.random.default_rng(5)
    held = pointwise = 0
    for _ in range(200):
        value = random.normal(0, 1, 10)
        drawn = value + random.normal(0, 1, (400, 10))
        held += intervals.simultaneous(value, drawn).all_contain(0.0)
        pointwise += bool((np.abs(value) <= 1.96).all())
    assert 0.91 * 200 <= held <= 0.99 * 200
    assert pointwise < 0.75 * 200


def test_band_of_a_bin_without_spread_is_as_wide_as_chance():
    value, drawn = np.array([0.02, 0.0]), np.zeros((100, 2))
    drawn[:, 1] = np.random.default_rng(1).normal(0, 1, 100)
    assert not intervals.simultaneous(value, drawn).all_contain(0.0)
    assert intervals.simultaneous(value, drawn, np.array([0.03, 0.0])).all_contain(0.0)


def test_ratio_of_machine_totals():
    statistic = intervals.ratio(np.array([1.0, 2.0]), np.array([2.0, 2.0]))
    assert statistic(np.array([[1.0, 1.0], [2.0, 0.0]])).tolist() == [0.75, 0.5]
    assert np.isnan(intervals.ratio(np.zeros(2), np.zeros(2))(np.ones((1, 2))))[0]


def test_share_of_all_is_not_certain():
    all_of_30 = intervals.never_certain(intervals.Interval(1.0, 1.0, 1.0), 30)
    assert all_of_30.low == pytest.approx(0.025 ** (1 / 30)) and all_of_30.high == 1.0
    none_of_30 = intervals.never_certain(intervals.Interval(0.0, 0.0, 0.0), 30)
    assert none_of_30.high == pytest.approx(1 - all_of_30.low)
    some = intervals.Interval(0.5, 0.4, 0.6)
    assert intervals.never_certain(some, 30) is some
