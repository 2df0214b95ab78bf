"""The blend of count models: weights, level and slope."""

import numpy as np
import pytest

from tests.training.counting import world
from training.count_blend import CountBlend, fit_blend, fit_calibration


def test_two_halves_of_the_truth_make_it_whole() -> None:
    rows, truth = world(20_000)
    base = truth.sum() / rows.exposure.sum()
    first = rows.exposure * base * np.exp(0.5 * rows.x[:, 0])
    second = rows.exposure * base * np.where(rows.x[:, 2] == 3, 2.0, 1.0)
    noise = rows.exposure * base * np.exp(rows.x[:, 1])
    said = {"first": first, "second": second, "noise": noise}
    blend = fit_blend(said, rows.exposure, rows.count)
    assert blend.weights["noise"] < 0.02
    assert sum(blend.weights.values()) == pytest.approx(1.0)
    assert blend.slope == pytest.approx(2.0, abs=0.1)
    expected = blend.expected(said, rows.exposure)
    assert np.abs(np.log(expected / truth)).mean() < 0.05
    assert expected.sum() == pytest.approx(rows.count.sum(), rel=1e-4)


def test_calibration_mends_level_and_slope() -> None:
    rows, truth = world(20_000)
    base = truth.sum() / rows.exposure.sum()
    wrong = 3.0 * rows.exposure * base * (truth / rows.exposure / base) ** 2
    found = fit_calibration(wrong, rows.exposure, rows.count)
    assert found.slope == pytest.approx(0.5, abs=0.03)
    assert np.abs(np.log(found.expected({"model": wrong}, rows.exposure) / truth)).mean() < 0.05


def test_no_weight_is_below_zero_and_worthless_models_end_at_the_mean() -> None:
    rows, truth = world(2000)
    upside_down = rows.exposure**2 / truth
    found = fit_blend({"wrong": upside_down}, rows.exposure, rows.count)
    expected = found.expected({"wrong": upside_down}, rows.exposure)
    np.testing.assert_allclose(expected / rows.exposure, rows.count.sum() / rows.exposure.sum(), rtol=1e-2)


def test_few_rows_are_pulled_to_equal_weights() -> None:
    rows, truth = world(60)
    said = {"a": truth, "b": truth * np.exp(rows.x[:, 1])}
    pulled = fit_blend(said, rows.exposure, rows.count, pull=1e6)
    assert pulled.weights["a"] == pytest.approx(0.5, abs=0.01)
    assert pulled.slope == pytest.approx(1.0, abs=0.01)
    assert CountBlend.model_validate_json(pulled.model_dump_json()) == pulled
