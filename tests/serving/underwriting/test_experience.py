"""Actual over expected, loss ratios and relativities of a small book by hand."""

import numpy as np
import pytest

from serving.underwriting import experience
from serving.underwriting.experience import Experience


def told(charged, incurred, rated=None, claims=None) -> Experience:
    charged, incurred = np.array(charged, dtype=float), np.array(incurred, dtype=float)
    rated = charged if rated is None else np.array(rated, dtype=float)
    claims = (incurred > 0) * 1.0 if claims is None else np.array(claims, dtype=float)
    return Experience(charged, rated, claims, incurred, charged / 1000, rated / 2)


def test_a_segment_is_sums_over_sums() -> None:
    found = experience.segments(["b", "a", "b"], told([100, 200, 300], [50, 0, 10], [120, 200, 280]))
    a, b = found
    assert (a.level, a.policies, a.charged, a.incurred, a.by_charged.value) == ("a", 1, 200.0, 0.0, 0.0)
    assert b.by_charged.value == pytest.approx(60 / 400) and b.by_rated.value == pytest.approx(60 / 400)
    assert b.frequency.value == pytest.approx(2 / 0.4) and b.loss.value == pytest.approx(60 / 200)
    assert b.by_charged.low <= b.by_charged.value <= b.by_charged.high


def test_nothing_earned_gives_no_ratio() -> None:
    assert np.isnan(experience.ratio(np.ones(2), np.zeros(2)).value)


def test_an_interval_covers_the_truth_as_often_as_it_says() -> None:
    chance = np.random.default_rng(1)
    premium = chance.uniform(50, 150, 400)
    hits = 0
    for _ in range(300):
        found = experience.ratio(chance.poisson(0.2, 400) * chance.exponential(300, 400), premium)
        hits += found.low <= 0.2 * 300 / 100 <= found.high
    assert 0.90 <= hits / 300 <= 0.98


def test_a_level_with_twice_the_loss_ratio_has_twice_the_relativity_indicated() -> None:
    level = ["none", "1", "none", "1"]
    found = experience.levels(level, np.array([1.1, 0.8, 1.1, 0.8]), told([100] * 4, [60, 30, 60, 30]))
    assert [one.segment.level for one in found] == ["1", "none"]
    assert found[1].indicated.value / found[0].indicated.value == pytest.approx(2 * 1.1 / 0.8)
    assert found[0].indicated.value == pytest.approx(0.8 * 0.3 / 0.45)


def test_bands_are_in_order_and_name_what_is_not_known() -> None:
    assert experience.bands(np.array([5.0, 10.0, 99.0, np.nan]), [10, 50]) == ["1. < 10", "2. 10–50", "3. ≥ 50", "?"]


def test_bins_hold_equal_weight_and_keep_equals_together() -> None:
    bins = experience.quantile_bins(np.array([3.0, 1.0, 2.0, 2.0]), np.ones(4), 4)
    assert bins[2] == bins[3] and bins[1] < bins[2] < bins[0]
    many = experience.quantile_bins(np.random.default_rng(2).normal(size=1000), np.ones(1000), 5)
    assert np.bincount(many).tolist() == [200] * 5


def test_the_better_premium_is_flat_in_a_double_lift() -> None:
    chance = np.random.default_rng(3)
    true = chance.lognormal(0, 0.6, 5000) * 100
    found = experience.double_lift(np.full(5000, 100.0), true, told(np.full(5000, 100.0), true * 0.6, true))
    flat = [after.value for _, _, after in found]
    steep = [before.value for _, before, _ in found]
    assert max(flat) - min(flat) < 0.01 and steep == sorted(steep) and steep[-1] > 2 * steep[0]
