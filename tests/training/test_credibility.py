"""Credibility: the textbook's estimators, a record that only looks back, and the structure found again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import BadInput
from training.credibility import BuhlmannStraub, PoissonGamma, Record, earlier, fit_buhlmann_straub, fit_poisson_gamma, record


def test_estimators_by_hand() -> None:
    """Two entities, two periods each, weights 1, 3 and 2, 2: every sum written out."""
    entity, weight = np.array([0, 0, 1, 1]), np.array([1.0, 3.0, 2.0, 2.0])
    ratio = np.array([1.0, 2.0, 4.0, 6.0])
    found = fit_buhlmann_straub(entity, weight, ratio)
    within = (1 * 0.75**2 + 3 * 0.25**2 + 2 * 1 + 2 * 1) / 2
    spread = 2 * (0.5 * 1.625**2 + 0.5 * 1.625**2)  # I/(I-1) sum w_i/w (X_i - X)^2 with means 1.75, 5 about 3.375
    between = 0.5 / 0.5 * (spread - 2 * within / 8)
    assert found.within == pytest.approx(within)
    assert found.between == pytest.approx(between)
    assert found.level == pytest.approx(3.375)  # equal weights, so equal credibilities
    z = 4 / (4 + within / between)
    np.testing.assert_allclose(found.credibility(np.array([4.0, 0.0])), [z, 0.0])
    np.testing.assert_allclose(found.estimate(np.array([4.0, 0.0]), np.array([1.75, np.nan]))[0], z * 1.75 + (1 - z) * 3.375)


def test_finds_the_structure_it_was_drawn_from() -> None:
    random = np.random.default_rng(0)
    entity = np.repeat(np.arange(3000), 5)
    weight = random.uniform(0.5, 4.0, len(entity))
    theta = random.normal(2.0, 0.6, 3000)
    ratio = theta[entity] + random.normal(size=len(entity)) * np.sqrt(1.7 / weight)
    found = fit_buhlmann_straub(entity, weight, ratio)
    assert found.within == pytest.approx(1.7, rel=0.05)
    assert found.between == pytest.approx(0.36, rel=0.1)
    assert found.level == pytest.approx(2.0, abs=0.05)
    total, mean = record(entity, weight, ratio, 3000)
    error = [((guess - theta) ** 2).mean() for guess in (found.estimate(total, mean), mean, np.full(3000, 2.0))]
    assert error[0] < min(error[1:])


def test_alike_entities_get_the_collective_rate() -> None:
    entity, weight = np.repeat(np.arange(4), 2), np.ones(8)
    found = fit_buhlmann_straub(entity, weight, np.tile([0.0, 2.0], 4))
    assert found.between == 0.0
    np.testing.assert_allclose(found.estimate(np.array([2.0, 0.0]), np.array([9.0, 9.0])), 1.0)


def test_too_little_to_estimate_is_one_clear_line() -> None:
    for entity in (np.array([0, 0]), np.array([0, 1])):
        with pytest.raises(BadInput, match="two entities"):
            fit_buhlmann_straub(entity, np.ones(2), np.ones(2))


def _slow_earlier(entity: np.ndarray, period: np.ndarray, amount: np.ndarray, decay: float) -> np.ndarray:
    def of(row: int) -> float:
        before = np.flatnonzero((entity == entity[row]) & (period < period[row]))
        return float(sum(amount[one] * decay ** float(period[row] - period[one]) for one in before))

    return np.array([of(row) for row in range(len(entity))])


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 4)), min_size=1, max_size=25), st.floats(0.3, 1.0)
)
def test_a_record_is_the_sum_over_strictly_earlier_periods(rows: list[tuple[int, int, int]], decay: float) -> None:
    entity, period, count = (np.array(one) for one in zip(*rows, strict=True))
    own = earlier(entity, period.astype(float), count + 1.0, count.astype(float), decay)
    np.testing.assert_allclose(own.count, _slow_earlier(entity, period, count, decay), atol=1e-9)
    np.testing.assert_allclose(own.expected, _slow_earlier(entity, period, count + 1, decay), atol=1e-9)


def test_a_record_never_knows_its_own_or_a_later_outcome() -> None:
    entity, period = np.zeros(3, int), np.array([0.0, 1.0, 1.0])
    before = earlier(entity, period, np.ones(3), np.array([1.0, 5.0, 7.0]))
    after = earlier(entity, period, np.ones(3), np.array([1.0, 500.0, np.nan]))
    np.testing.assert_array_equal(before.count, after.count)
    np.testing.assert_array_equal(before.count, [0.0, 1.0, 1.0])


def test_poisson_gamma_finds_shape_and_decay() -> None:
    random = np.random.default_rng(3)
    entity, period = np.repeat(np.arange(1500), 6), np.tile(np.arange(6.0), 1500)
    expected = np.exp(random.normal(size=9000))
    theta = random.gamma(3.0, 1 / 3.0, 1500)
    count = random.poisson(expected * theta[entity]).astype(float)
    found = fit_poisson_gamma(entity, period, expected, count)
    assert found.shape == pytest.approx(3.0, rel=0.2)
    assert found.decay > 0.93
    fixed = fit_poisson_gamma(entity, period, expected, count, decaying=False)
    assert fixed.decay == 1.0
    of_ratios = fit_buhlmann_straub(entity, expected, count / expected, 1.0)
    assert of_ratios.within / of_ratios.between == pytest.approx(fixed.shape, rel=0.2)


def test_poisson_gamma_is_buhlmann_straub_on_top_of_an_expected_number() -> None:
    own = Record(np.array([0.0, 1.0, 8.0]), np.array([0.0, 3.0, 2.0]))
    gamma, straub = PoissonGamma(shape=2.0), BuhlmannStraub(level=1.0, within=1.0, between=0.5)
    ratio = np.divide(own.count, own.expected, out=np.zeros(3), where=own.expected > 0)
    np.testing.assert_allclose(gamma.factor(own), straub.estimate(own.expected, ratio))
    np.testing.assert_allclose(gamma.credibility(own), straub.credibility(own.expected))
    assert gamma.factor(own)[0] == 1.0
