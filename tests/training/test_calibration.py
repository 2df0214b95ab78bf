"""The one monotone map: it recovers a known distortion, keeps order, and stays tame where failures are few."""

import numpy as np
import pytest

from training.calibration import IDENTITY, Calibration, fit
from training.config import CalibrationConfig
from training.hazard import Floats, cloglog, from_cloglog


def world(count: int, seed: int = 0) -> tuple[Floats, Floats]:
    """True cumulative scores [n, 3] and outcomes [n, 3] drawn from them."""
    rng = np.random.default_rng(seed)
    hazard = np.exp(rng.normal(-4.5, 1.5, count))
    scores = np.log(hazard[:, None] * np.array([1.0, 2.0, 3.0]))
    time = rng.exponential(1 / hazard)
    return scores, (time[:, None] <= np.array([1.0, 2.0, 3.0])).astype(float)


def each(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.int64)


def test_recovers_a_line() -> None:
    scores, outcomes = world(60_000)
    found = fit(scores / 0.7 + 0.5, outcomes, np.ones(60_000), each(60_000), CalibrationConfig(max_segments=1))
    np.testing.assert_allclose(found.slopes, 0.7, atol=0.02)
    usual = scores[:, 2] < 0
    np.testing.assert_allclose(found.apply(scores / 0.7 + 0.5)[usual], scores[usual], atol=0.1)


def test_recovers_a_bent_map_that_a_line_misses() -> None:
    scores, outcomes = world(60_000)
    bent = np.where(scores < -3, scores, -3 + 4 * (scores + 3))
    straight = fit(bent, outcomes, np.ones(60_000), each(60_000), CalibrationConfig(max_segments=1))
    flexible = fit(bent, outcomes, np.ones(60_000), each(60_000))
    top = bent[:, 2] > -1
    truth = from_cloglog(scores)[top].mean()
    assert abs(flexible.probability(bent)[top].mean() / truth - 1) < 0.04
    assert abs(straight.probability(bent)[top].mean() / truth - 1) > 0.04


def test_mean_calibrated_probability_is_the_observed_rate_at_each_horizon() -> None:
    scores, outcomes = world(40_000, seed=3)
    found = fit(scores * 1.4 + 1, outcomes, np.ones(40_000), each(40_000))
    np.testing.assert_allclose(found.probability(scores * 1.4 + 1).mean(axis=0), outcomes.mean(axis=0), rtol=0.05)


def test_weights_count_as_copies_and_unripe_outcomes_do_not_count() -> None:
    scores, outcomes = world(3_000, seed=1)
    twice = fit(np.repeat(scores, 2, axis=0), np.repeat(outcomes, 2, axis=0), np.ones(6_000), np.repeat(each(3_000), 2))
    weighted = fit(scores, outcomes, np.full(3_000, 2.0), each(3_000))
    np.testing.assert_allclose(twice.slopes, weighted.slopes, rtol=5e-3)
    unripe = np.concatenate([outcomes, np.full((500, 3), np.nan)])
    padded = fit(np.concatenate([scores, np.full((500, 3), 3.0)]), unripe, np.full(3_500, 2.0), each(3_500))
    np.testing.assert_allclose(padded.slopes, weighted.slopes, rtol=1e-6)


def test_few_failures_stay_near_the_identity_and_none_is_the_identity() -> None:
    rng = np.random.default_rng(0)
    scores = np.repeat(rng.normal(-5, 1, (400, 1)), 3, axis=1)
    assert fit(scores, np.zeros((400, 3)), np.ones(400), each(400)) == IDENTITY
    outcomes = np.zeros((400, 3))
    outcomes[np.argmax(scores[:, 0])] = 1.0
    one = fit(scores, outcomes, np.ones(400), each(400))
    assert all(0.3 < slope < 3 for slope in one.slopes)
    assert one.events == 1
    assert np.sqrt(one.variance(np.array([-5.0]))[0]) > 0.5  # and it knows that it does not know


def test_separated_outcomes_do_not_run_away() -> None:
    scores = np.concatenate([np.full((500, 3), -6.0), np.full((50, 3), 1.0)])
    outcomes = np.concatenate([np.zeros((500, 3)), np.ones((50, 3))])
    found = fit(scores, outcomes, np.ones(550), each(550))
    p = found.probability(np.array([-6.0, 1.0]))
    assert p[0] < 0.005 < 0.9 < p[1]
    assert np.isfinite(found.apply(np.array([-23.0, 3.5]))).all()


def test_uncertainty_counts_machines_not_rows() -> None:
    """Ten rows of each machine that fail or survive together carry the information of one."""
    scores, outcomes = world(2_000, seed=5)
    line = CalibrationConfig(max_segments=1)
    alone = fit(scores, outcomes, np.ones(2_000), each(2_000), line)
    crowd = fit(np.repeat(scores, 10, 0), np.repeat(outcomes, 10, 0), np.ones(20_000), np.repeat(each(2_000), 10), line)
    where = np.array([-4.0])
    assert crowd.variance(where)[0] > 0.5 * alone.variance(where)[0]


def test_the_stated_variance_is_that_of_repeated_samples() -> None:
    line = CalibrationConfig(max_segments=1)
    fits = [fit(*world(4_000, seed), np.ones(4_000), each(4_000), line) for seed in range(40)]
    where = np.array([-5.0, -3.0])
    spread = np.std([one.apply(where) for one in fits], axis=0)
    stated = np.sqrt(np.mean([one.variance(where) for one in fits], axis=0))
    np.testing.assert_allclose(stated / spread, 1.0, atol=0.4)


@pytest.mark.parametrize("seed", range(3))
def test_json_round_trip_is_exact(seed: int) -> None:
    scores, outcomes = world(5_000, seed)
    found = fit(scores, outcomes, np.ones(5_000), each(5_000))
    again = Calibration.model_validate_json(found.model_dump_json())
    np.testing.assert_array_equal(again.apply(scores), found.apply(scores))


def test_slope_is_the_derivative() -> None:
    bent = Calibration(knots=(-2.0, 0.0), level=-2.5, slopes=(0.5, 1.0, 2.0))
    where = np.array([[-4.0, -1.0], [0.7, -2.5]])
    np.testing.assert_allclose(bent.slope(where), (bent.g(where + 1e-6) - bent.g(where - 1e-6)) / 2e-6, rtol=1e-6)


def test_a_map_of_hazards_keeps_every_horizon_right_where_a_map_of_sums_cannot() -> None:
    """Planted: a model that shrinks each interval's hazard to the mean, as boosters do."""
    scores, outcomes = world(60_000, seed=2)
    hazard = np.log(np.diff(np.exp(scores), axis=1, prepend=0))
    shrunk = np.log(np.cumsum(np.exp(0.6 * (hazard + 4.5) - 4.5), axis=1))
    ratios = {}
    for on in ("hazards", "cumulative"):
        found = fit(shrunk, outcomes, np.ones(60_000), each(60_000), on=on)
        ratios[on] = found.probability(shrunk).mean(axis=0) / outcomes.mean(axis=0)
    assert (abs(ratios["hazards"] - 1) < 0.03).all()
    assert (abs(ratios["cumulative"] - 1) > 0.06).any()


def test_variance_of_a_map_of_hazards_is_that_of_repeated_samples() -> None:
    line = CalibrationConfig(max_segments=1)
    fits = [fit(*world(4_000, seed), np.ones(4_000), each(4_000), line, on="hazards") for seed in range(40)]
    where = np.array([[-5.0, -4.5, -4.2], [-3.0, -2.9, -2.0]])
    spread = np.std([one.apply(where) for one in fits], axis=0)
    stated = np.sqrt(np.mean([one.variance(where) for one in fits], axis=0))
    np.testing.assert_allclose(stated / spread, 1.0, atol=0.4)


def test_identity_changes_nothing() -> None:
    scores = np.linspace(-20, 3, 50)
    np.testing.assert_allclose(IDENTITY.apply(scores), scores)
    np.testing.assert_allclose(IDENTITY.probability(cloglog(np.array([0.25]))), 0.25)


def test_a_map_of_the_total_is_right_at_the_longest_horizon_and_keeps_the_shares_of_the_others() -> None:
    scores, outcomes = world(60_000, seed=4)
    shrunk = scores + (0.6 * (scores[:, -1:] + 4.5) - 4.5 - scores[:, -1:])
    found = fit(shrunk, outcomes, np.ones(60_000), each(60_000), on="total")
    mapped = found.apply(shrunk)
    usual = scores[:, 2] < 0
    np.testing.assert_allclose(mapped[usual], scores[usual], atol=0.2)
    np.testing.assert_allclose(np.diff(mapped[usual], axis=1), np.diff(scores[usual], axis=1), atol=1e-9)
    np.testing.assert_allclose(found.probability(shrunk).mean(axis=0), outcomes.mean(axis=0), rtol=0.05)
    spread = found.variance(shrunk[:50])
    np.testing.assert_allclose(spread, np.repeat(spread[:, -1:], 3, axis=1))
