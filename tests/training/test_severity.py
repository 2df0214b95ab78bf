"""Losses: the family found, the level kept, grades by segment."""

import numpy as np
import pytest

from features.errors import BadInput
from tests.training.counting import world
from training import glm
from training.frequency import CountRows
from training.severity import GradeSeverity, LossDistribution, expected_loss, fit_distribution, fit_mean

GRADES = ("ordinary", "larger", "major", "especially_major")


def _drawn(one: LossDistribution, mean: float, count: int) -> np.ndarray:
    random = np.random.default_rng(0)
    if one.family == "gamma":
        return random.gamma(one.shape, mean / one.shape, count)
    return random.lognormal(np.log(mean) - one.shape**2 / 2, one.shape, count)


@pytest.mark.parametrize("one", [LossDistribution(family="gamma", shape=0.7), LossDistribution(family="lognormal", shape=1.1)])
def test_family_and_shape_are_found(one: LossDistribution) -> None:
    mean = np.repeat([1.0, 50.0], 3000)
    found = fit_distribution(_drawn(one, 1.0, 6000) * mean, mean)
    assert found.family == one.family
    assert found.shape == pytest.approx(one.shape, rel=0.06)


def test_mean_by_features_keeps_the_level() -> None:
    rows, _ = world(6000)
    random = np.random.default_rng(2)
    mean = 4000.0 * np.exp(0.4 * rows.x[:, 0])
    loss = np.array([random.gamma(2.0, one / 2.0, int(count)).sum() for one, count in zip(mean, rows.count, strict=True)])
    with_loss = CountRows(rows.x, rows.names, rows.categorical, rows.exposure, rows.count, rows.group, loss=loss)
    model = fit_mean(with_loss, glm.linear("risk", "noise"), (1e-2,))
    hurt = rows.count > 0
    assert (model.mean(rows.x)[hurt] * rows.count[hurt]).sum() == pytest.approx(loss.sum(), rel=1e-3)
    assert np.abs(np.log(model.mean(rows.x) / mean)).mean() < 0.08
    np.testing.assert_allclose(expected_loss(rows.count, model.mean(rows.x)), rows.count * model.mean(rows.x))


def test_grades_by_segment_shrink_to_their_kind() -> None:
    random = np.random.default_rng(0)
    segment = ["mining"] * 2000 + ["food"] * 2000 + ["fishery"] * 2
    grade = [str(one) for one in random.choice(GRADES[:2], 2000, p=[0.7, 0.3])]
    grade += [str(one) for one in random.choice(GRADES[:2], 2000, p=[0.98, 0.02])] + ["ordinary"] * 2
    loss = random.gamma(1.5, 1 / 1.5, 4002) * np.where(np.array(grade) == "larger", 50.0, 2.0)
    one = GradeSeverity.fit(loss, grade, segment, GRADES, alike=("mining", "fishery"))
    mining, food, fishery, unheard = one.mean(["mining", "food", "fishery", "unheard_of"])
    assert mining == pytest.approx(0.7 * 2 + 0.3 * 50, rel=0.1)
    assert food == pytest.approx(0.98 * 2 + 0.02 * 50, rel=0.25)
    assert food < unheard < fishery < 1.1 * mining  # two accidents move it only a little from what its kind has
    shares, _ = one.by_grade(["mining", "unheard_of"])
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    assert 0 < shares[0, 3] < 1e-3
    assert one.overall_means[2] == pytest.approx(10 * one.overall_means[1])
    assert GradeSeverity.model_validate_json(one.model_dump_json()) == one


@pytest.mark.parametrize("loss", [np.array([1.0]), np.array([1.0, -2.0]), np.array([1.0, np.nan])])
def test_bad_losses_are_one_clear_line(loss: np.ndarray) -> None:
    with pytest.raises(BadInput, match="loss"):
        fit_distribution(loss, np.ones(len(loss)))
