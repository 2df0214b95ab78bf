"""Figures of counts against their definitions, and on resampled groups against copied rows."""

import numpy as np
import pytest
from sklearn.metrics import mean_poisson_deviance, roc_auc_score

from tests.training.counting import world
from training import count_metrics as cm
from training.count_metrics import Counted
from training.intervals import draw, resample
from training.metrics import Floats, Statistic, value


@pytest.fixture(scope="module")
def judged() -> tuple[Counted, Floats]:
    rows, truth = world(1200, dispersion=0.3)
    return Counted.of(rows.count, rows.exposure, rows.group), truth * np.exp(np.random.default_rng(0).normal(size=1200) * 0.3)


def _figures(rows: Counted, said: Floats) -> dict[str, Statistic]:
    return {
        "deviance": cm.deviance(rows, said), "A/E": cm.actual_over_expected(rows, said),
        "slope": cm.calibration_slope(rows, said), "auc": cm.any_auc(rows, said), "gini": cm.gini(rows, said),
        "top": cm.top_share(rows, said, 0.1), "visits": cm.top_share(rows, said, 0.1, per_exposure=False),
    }  # fmt: skip


def test_deviance_auc_and_level_by_scikit_learn(judged: tuple[Counted, Floats]) -> None:
    rows, said = judged
    figures = {name: value(one, rows.groups) for name, one in _figures(rows, said).items()}
    assert figures["deviance"] == pytest.approx(mean_poisson_deviance(rows.count, said))
    assert figures["auc"] == pytest.approx(roc_auc_score(rows.count > 0, said))
    assert figures["A/E"] == pytest.approx(rows.count.sum() / said.sum())


def test_gini_and_top_share_by_hand() -> None:
    rows = Counted.of(np.array([0.0, 1.0, 3.0]), np.array([2.0, 1.0, 1.0]), np.arange(3))
    said = np.array([0.2, 0.5, 2.0])
    # Lorenz points (0.5, 0), (0.75, 0.25), (1, 1): area below = 0.25 * 0.125 + 0.25 * 0.625
    assert value(cm.gini(rows, said), 3) == pytest.approx(1 - 2 * (0.25 * 0.125 + 0.25 * 0.625))
    assert value(cm.top_share(rows, said, 0.25), 3) == pytest.approx(0.75)
    assert value(cm.top_share(rows, said, 0.375), 3) == pytest.approx(0.75 + 0.125)
    assert value(cm.top_share(rows, said, 1 / 3, per_exposure=False), 3) == pytest.approx(0.75)


def test_size_alone_has_no_gini(judged: tuple[Counted, Floats]) -> None:
    rows, _ = judged
    assert value(cm.gini(rows, 0.3 * rows.exposure), rows.groups) == pytest.approx(0.0, abs=1e-12)
    assert value(cm.explained(rows, rows.exposure * rows.count.sum() / rows.exposure.sum()), rows.groups) == pytest.approx(0)


def test_resampled_groups_are_copies_of_their_rows(judged: tuple[Counted, Floats]) -> None:
    rows, said = judged
    weights = resample(rows.groups, 3, seed=1)
    for number in range(3):
        copied = np.repeat(np.arange(len(said)), weights[number, rows.group].astype(int))
        plain = Counted.of(rows.count[copied], rows.exposure[copied], rows.group[copied])
        for name, statistic in _figures(rows, said).items():
            if name != "slope":  # its cells are cut once, on all rows
                whole = value(_figures(plain, said[copied])[name], plain.groups)
                assert draw(statistic, weights).drawn[number] == pytest.approx(whole), name


def test_calibration_slope_finds_a_stretched_forecast() -> None:
    rows, truth = world(20_000)
    counted = Counted.of(rows.count, rows.exposure, rows.group)
    assert value(cm.calibration_slope(counted, truth), counted.groups) == pytest.approx(1.0, abs=0.05)
    mean = truth.sum() / rows.exposure.sum()
    wide = rows.exposure * mean * (truth / rows.exposure / mean) ** 2
    assert value(cm.calibration_slope(counted, wide), counted.groups) == pytest.approx(0.5, abs=0.03)


def test_bins_segments_and_double_lift(judged: tuple[Counted, Floats]) -> None:
    rows, said = judged
    bins = cm.deciles(rows, said)
    assert np.stack(bins).sum(axis=0).tolist() == [1] * len(said)
    np.testing.assert_allclose([said[one].sum() / said.sum() for one in bins], 0.1, atol=0.03)
    large = np.where(rows.exposure > 1, "large", "small")
    parts = cm.by_segment(rows, said, large)
    assert set(parts) == {"large", "small"}
    chosen = large == "large"
    assert value(parts["large"], rows.groups) == pytest.approx(rows.count[chosen].sum() / said[chosen].sum())
    lift = cm.double_lift(rows, said, 0.4 * rows.exposure)
    assert sum(one["rows"] for one in lift) == len(said)
    assert lift[-1]["rival"] > lift[0]["rival"]
    assert abs(np.log(lift[-1]["ours"])) < abs(np.log(lift[-1]["rival"]))
