"""Boosters of counts: exposure, directions, folds."""

import lightgbm as lgb
import numpy as np
import pytest

from features.errors import BadInput
from tests.training.counting import world
from training.frequency import CountBoosterConfig, CountRows, fit_boosted, grouped, out_of_fold

TINY = CountBoosterConfig(rounds=40, num_leaves=6, learning_rate=0.15, members=2)


def test_learns_the_rate_and_scales_with_exposure() -> None:
    rows, truth = world(6000)
    model = fit_boosted(rows, TINY, seed=1)
    said = model.expected(rows.x, rows.exposure)
    assert np.corrcoef(np.log(said / rows.exposure), np.log(truth / rows.exposure))[0, 1] > 0.9
    assert said.sum() == pytest.approx(truth.sum(), rel=0.06)
    np.testing.assert_allclose(model.expected(rows.x, 3.0 * rows.exposure), 3.0 * said, rtol=1e-12)


def test_offset_and_weights_agree() -> None:
    """The golden rule of exposure: both ways of telling it give the same rates."""
    rows, _ = world()
    offset, weights = (
        fit_boosted(rows, TINY.model_copy(update={"exposure": how}), seed=1).expected(rows.x, rows.exposure)
        for how in ("offset", "weights")
    )
    np.testing.assert_allclose(offset, weights, rtol=1e-5)
    forgotten = CountRows(rows.x, rows.names, rows.categorical, np.ones(len(rows)), rows.count, rows.group)
    wrong = fit_boosted(forgotten, TINY, seed=1).expected(rows.x, rows.exposure)
    assert np.abs(np.log(wrong / offset)).max() > 0.1


def test_equals_lightgbm_itself_with_the_offset_added() -> None:
    """Booster.predict leaves the offset out: it must be added once, and once only."""
    rows, _ = world()
    one = TINY.model_copy(update={"members": 1, "bagging_fraction": 1.0, "feature_fraction": 1.0})
    ours = fit_boosted(rows, one, seed=0)
    data = lgb.Dataset(
        rows.x, rows.count, categorical_feature=[2], init_score=np.log(rows.exposure * rows.mean_rate),
        params={"min_data_in_bin": 3, "feature_pre_filter": False, "verbosity": -1},
    )  # fmt: skip
    params = {
        "objective": "poisson", "learning_rate": 0.15, "num_leaves": 6, "min_data_in_leaf": 20, "lambda_l2": 1.0,
        "boost_from_average": False, "num_threads": 1, "verbosity": -1, "deterministic": True, "force_col_wise": True,
        "max_delta_step": 1.0,
    }  # fmt: skip
    theirs = lgb.train(params, data, 40).predict(rows.x, raw_score=True)
    np.testing.assert_allclose(ours.expected(rows.x, rows.exposure), rows.exposure * rows.mean_rate * np.exp(theirs), rtol=1e-6)


@pytest.mark.parametrize("method", ["basic", "intermediate"])
def test_directions_hold_against_the_data(method: str) -> None:
    """The data say up, the table says down: then it never rises, wherever the other features are."""
    rows, _ = world(5000)
    model = fit_boosted(rows, TINY.model_copy(update={"monotone_method": method}), monotone={"risk": -1, "noise": 1}, seed=2)
    base = rows.x[:200]
    for column, sign in ((0, -1), (1, 1)):
        steps = np.repeat(base[:, None], 30, axis=1)
        steps[:, :, column] = np.linspace(-3, 3, 30)
        said = model.expected(steps.reshape(-1, 3), np.ones(6000)).reshape(200, 30)
        assert (sign * np.diff(said, axis=1) >= -1e-12).all()
    free = fit_boosted(rows, TINY, seed=2)
    assert free.expected(np.array([[2.0, 0, 0]], np.float32), np.ones(1)) > free.expected(base[:1] * 0 - 2, np.ones(1))


def test_a_direction_must_name_a_numeric_feature() -> None:
    rows, _ = world(500)
    for name in ("kind", "unheard_of"):
        with pytest.raises(ValueError, match=name):
            fit_boosted(rows, TINY, monotone={name: 1})


def test_same_seed_same_forest_on_any_number_of_threads() -> None:
    rows, _ = world(800)
    config = TINY.model_copy(update={"members": 3, "resample": True})
    first, again, other = (fit_boosted(rows, config, seed=seed, threads=threads) for seed, threads in ((5, 1), (5, 2), (6, 1)))
    assert first.forest.text == again.forest.text
    assert first.forest.text != other.forest.text
    said = first.log_rates(rows.x)
    assert said.shape == (800, 3)
    assert said.std(axis=1).min() > 0


def test_out_of_fold_never_saw_the_group() -> None:
    """A column that names the group must not help where groups are held out."""
    rows, _ = world(2000, dispersion=2.0)
    fold = grouped(rows.group, 4)
    for group in np.unique(rows.group)[:20]:
        assert len(np.unique(fold[rows.group == group])) == 1
    asked: list[set[int]] = []

    class Flat:
        def expected(self, x: np.ndarray, exposure: np.ndarray) -> np.ndarray:
            return exposure

    def fit(part: CountRows) -> Flat:
        asked.append(set(part.group.tolist()))
        return Flat()

    said = out_of_fold(fit, rows, np.where(fold == 3, -1, fold))
    assert np.isnan(said[fold == 3]).all() and np.isfinite(said[fold != 3]).all()
    for number, seen in enumerate(asked):
        assert not seen & set(rows.group[fold == number].tolist())
        assert seen >= set(rows.group[fold == 3].tolist())


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_bad_exposure_is_refused(bad: float) -> None:
    rows, _ = world(10)
    with pytest.raises(BadInput, match="exposure"):
        CountRows(rows.x, rows.names, rows.categorical, np.full(10, bad), rows.count, rows.group)


def test_no_accident_is_one_clear_line() -> None:
    rows, _ = world(50)
    calm = CountRows(rows.x, rows.names, rows.categorical, rows.exposure, np.zeros(50), rows.group)
    with pytest.raises(BadInput, match="not one accident"):
        fit_boosted(calm, TINY)
    with pytest.raises(BadInput, match="count"):
        CountRows(rows.x, rows.names, rows.categorical, rows.exposure, np.full(50, -1.0), rows.group)
