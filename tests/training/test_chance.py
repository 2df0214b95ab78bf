"""The chance of any accident: effects are found, and the number agrees with it."""

import numpy as np
import pytest

from features.errors import BadInput
from training.chance import consistent, fit_chance


def test_effects_of_standardised_columns_are_found_and_shrunk() -> None:
    random = np.random.default_rng(0)
    columns = np.column_stack([random.normal(5, 2, 20_000), np.ones(20_000)])
    truth = 1 / (1 + np.exp(1.0 - 0.8 * (columns[:, 0] - 5) / 2))
    count = np.where(random.random(20_000) < truth, random.poisson(3, 20_000) + 1, 0).astype(float)
    found = fit_chance(columns, count, penalty=1.0)
    np.testing.assert_allclose(found.p_any(columns), truth, atol=0.02)
    assert abs(fit_chance(columns, count, penalty=1e5).effects[0]) < 0.1
    assert found.effects[1] == 0.0


def test_a_number_expected_is_never_below_the_chance_of_any() -> None:
    np.testing.assert_array_equal(consistent(np.array([0.1, 2.0]), np.array([0.3, 0.8])), [0.3, 2.0])


@pytest.mark.parametrize("count", [0.0, 1.0])
def test_all_or_none_is_told(count: float) -> None:
    with pytest.raises(BadInput, match="all had an accident, or none had"):
        fit_chance(np.ones((5, 1)), np.full(5, count))
