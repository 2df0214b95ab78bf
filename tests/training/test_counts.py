"""One distribution: 30, 90 and 365 days from the same number."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.counts import POISSON, CountDistribution, fit_dispersion

MEANS = np.array([1e-6, 0.01, 0.3, 2.0, 40.0])


@given(st.floats(0, 20), st.floats(1e-8, 1e3))
def test_chances_rise_with_days_and_never_pass_the_expected_number(dispersion: float, mean: float) -> None:
    one = CountDistribution(dispersion=dispersion)
    p30, p90, p365 = (float(one.p_any_days(np.array([mean]), days)[0]) for days in (30, 90, 365))
    assert 0 < p30 <= p90 <= p365 <= min(1.0, mean * (1 + 1e-9))
    assert p30 <= mean * 30 / 365 * (1 + 1e-9)


@pytest.mark.parametrize("dispersion", [0.0, 0.4, 3.0])
def test_any_is_one_less_none(dispersion: float) -> None:
    one = CountDistribution(dispersion=dispersion)
    np.testing.assert_allclose(one.p_any(MEANS), -np.expm1(one.log_likelihood(np.zeros(5), MEANS)), rtol=1e-6)
    np.testing.assert_allclose(one.p_any(MEANS), one.p_at_least(1, MEANS), rtol=1e-6)
    counts = np.arange(2000.0)
    for mean in MEANS[1:4]:
        p = np.exp(one.log_likelihood(counts, np.full(2000, mean)))
        assert p.sum() == pytest.approx(1.0, abs=1e-6)
        assert p @ counts == pytest.approx(mean, rel=1e-4)
        assert p @ counts**2 - mean**2 == pytest.approx(mean + dispersion * mean**2, rel=1e-3)


def test_parts_of_a_period_agree_by_simulation() -> None:
    random = np.random.default_rng(0)
    theta = random.gamma(2.0, 0.5, 400_000)  # dispersion 0.5
    came = random.poisson(3.0 * theta * 90 / 365) > 0
    assert CountDistribution(dispersion=0.5).p_any_days(np.array([3.0]), 90)[0] == pytest.approx(came.mean(), abs=0.003)


def test_dispersion_is_found_and_its_absence_too() -> None:
    random = np.random.default_rng(1)
    mean = np.exp(random.normal(size=8000))
    mixed = random.poisson(mean * random.gamma(1 / 0.7, 0.7, 8000)).astype(float)
    found = fit_dispersion(mixed, mean)
    assert found.distribution.dispersion == pytest.approx(0.7, rel=0.12)
    assert found.gain > 100
    calm = fit_dispersion(random.poisson(mean).astype(float), mean)
    assert calm.distribution.dispersion < 0.03
    assert fit_dispersion(np.round(mean), mean).distribution == POISSON


def test_the_poisson_limit_is_smooth() -> None:
    near = CountDistribution(dispersion=1.1e-6)
    np.testing.assert_allclose(near.p_any(MEANS), POISSON.p_any(MEANS), rtol=1e-4)
    np.testing.assert_allclose(
        near.log_likelihood(np.arange(5.0), MEANS), POISSON.log_likelihood(np.arange(5.0), MEANS), rtol=1e-3, atol=1e-3
    )  # fmt: skip
