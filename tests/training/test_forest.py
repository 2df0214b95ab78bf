"""The compiled forest against LightGBM itself: the same bits on any model and any row; damage is one line."""

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import BadInput
from training.forest import FEW, compiled
from training.trees import Forest, merge

ROWS = 400
SPECIAL = np.array(
    [np.nan, 0.0, -0.0, np.inf, -np.inf, 1e-35, -1e-35, 1e-36, -1e-36, 2e-35, 3.4e38, -3.4e38, -0.5, 0.5, 1e10, 2**31, 40]
)


def columns(rng: np.random.Generator, rows: int = ROWS) -> np.ndarray:
    """Numbers, numbers with holes, mostly zeros, tiny numbers, few categories, many categories."""
    x = rng.normal(size=(rows, 6)).astype(np.float32)
    x[rng.random(rows) < 0.3, 1] = np.nan
    x[rng.random(rows) < 0.7, 2] = 0.0
    x[:, 3] *= 1e-35
    x[:, 4] = rng.integers(0, 4, rows)
    x[:, 5] = rng.integers(0, 70, rows)
    x[rng.random(rows) < 0.1, 5] = np.nan
    return x


def fitted(rng: np.random.Generator, **params: object) -> str:
    x = columns(rng)
    effect = np.nan_to_num(x[:, 0]) + np.isnan(x[:, 1]) + (x[:, 2] == 0) + (x[:, 4] == 2) + np.isin(x[:, 5], [3, 33, 50, 69])
    y = (effect + rng.normal(size=ROWS) > 1.2).astype(float)
    told = {"objective": "binary", "num_iterations": 6, "min_data_in_leaf": 2, "min_data_per_group": 2, "cat_smooth": 1,
            "min_sum_hessian_in_leaf": 1e-3, "max_bin": 63, "verbosity": -1, "num_threads": 1, "seed": 3} | params  # fmt: skip
    data = lgb.Dataset(x, y, categorical_feature=[4, 5], params={"verbosity": -1, "max_bin": told["max_bin"], **params})
    return str(lgb.train(told, data).model_to_string())


def strange(rng: np.random.Generator, rows: int) -> np.ndarray:
    x = columns(rng, rows)
    places = rng.random(x.shape) < 0.3
    x[places] = rng.choice(SPECIAL, places.sum())
    return x.astype(np.float32)


def same(text: str, x: np.ndarray) -> None:
    expected = lgb.Booster(model_str=text).predict(x, raw_score=True, num_threads=1).reshape(len(x), -1)
    forest = compiled(text)
    np.testing.assert_array_equal(forest.raw(x), expected)
    np.testing.assert_array_equal(forest.raw(np.asfortranarray(x)), expected)
    np.testing.assert_array_equal(np.concatenate([forest.raw(x[i : i + 1]) for i in range(len(x))]), expected)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    leaves=st.sampled_from([2, 7, 31, 33, 64, 90]),
    missing=st.sampled_from([{}, {"use_missing": False}, {"zero_as_missing": True}]),
    onehot=st.sampled_from([1, 100]),
    rows=st.sampled_from([1, FEW, FEW + 1, 130, 300]),
)
def test_any_model_on_any_rows_is_lightgbms_to_the_bit(
    seed: int, leaves: int, missing: dict[str, bool], onehot: int, rows: int
) -> None:
    rng = np.random.default_rng(seed)
    text = fitted(rng, num_leaves=leaves, max_cat_to_onehot=onehot, **missing)
    same(text, strange(rng, rows))


def test_several_models_as_one_with_outputs_of_different_length() -> None:
    rng = np.random.default_rng(1)
    binary = fitted(rng, num_leaves=9)
    x = columns(rng)
    spread = lgb.train(
        {"objective": "multiclass", "num_class": 3, "num_iterations": 2, "verbosity": -1, "num_threads": 1},
        lgb.Dataset(x, rng.integers(0, 3, ROWS).astype(float), params={"verbosity": -1}),
    ).model_to_string()
    text = merge([binary, spread])
    assert compiled(text).outputs == 4
    same(text, strange(rng, 200))


def test_threads_change_nothing() -> None:
    rng = np.random.default_rng(2)
    forest, x = compiled(fitted(rng, num_leaves=12)), strange(rng, 1000)
    np.testing.assert_array_equal(forest.raw(x, threads=3), forest.raw(x))


def test_no_rows_and_a_wrong_number_of_columns() -> None:
    forest = compiled(fitted(np.random.default_rng(3)))
    assert forest.raw(np.empty((0, 6), dtype=np.float32)).shape == (0, 1)
    with pytest.raises(ValueError, match="6 columns"):
        forest.raw(np.zeros((1, 5), dtype=np.float32))


@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        ("threshold", "threshold=1 2", "too few or too many of threshold"),
        ("threshold", "threshold=a b c d e f g h", "could not convert|too few"),
        ("left_child", "left_child=0 0 0 0 0 0 0 0", "does not hang together"),
        ("left_child", "left_child=-99 1 2 3 4 5 6 7", "does not hang together"),
        ("split_feature", "split_feature=6 0 0 0 0 0 0 0", "a column that is not there"),
        ("decision_type", "decision_type=99 2 2 2 2 2 2 2", "a split that is none"),
        ("leaf_value", "leaf_value=nan 0 0 0 0 0 0 0 0", "without a finite value"),
        ("num_leaves", "num_leaves=8", "too few or too many"),
        ("is_linear", "is_linear=1", "linear trees"),
        ("num_tree_per_iteration", "num_tree_per_iteration=4", "6 trees for 4 outputs"),
        ("feature_names", "feature=", "no 'feature_names'"),
        ("cat_boundaries", "cat_boundaries=0 99", "categories that are not there"),
    ],
)
def test_a_damaged_text_is_refused_with_one_line(field: str, text: str, words: str) -> None:
    lines = fitted(np.random.default_rng(4), num_leaves=9).split("\n")
    at = next(number for number, line in enumerate(lines) if line.startswith(f"{field}="))
    lines[at] = text
    with pytest.raises(BadInput, match=words) as refused:
        Forest("\n".join(lines), where="members.txt")
    assert str(refused.value).startswith("members.txt: ")


def test_every_cut_of_a_text_is_refused_or_loses_nothing() -> None:
    rng = np.random.default_rng(5)
    text = fitted(rng, num_leaves=4, num_iterations=2)
    x = columns(rng, 20)
    whole, refused = compiled(text).raw(x), 0
    for end in range(0, text.index("end of trees"), 40):
        with pytest.raises(BadInput):
            compiled(text[:end])
        try:
            np.testing.assert_array_equal(compiled(text[:end] + "\nend of trees").raw(x), whole)
        except BadInput:
            refused += 1
    assert refused > 30


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    leaves=st.sampled_from([2, 7, 31, 90]),
    missing=st.sampled_from([{}, {"use_missing": False}, {"zero_as_missing": True}]),
    onehot=st.sampled_from([1, 100]),
)
def test_what_each_feature_adds_is_lightgbms_tree_shap(seed: int, leaves: int, missing: dict[str, bool], onehot: int) -> None:
    rng = np.random.default_rng(seed)
    text = merge([fitted(rng, num_leaves=leaves, max_cat_to_onehot=onehot, **missing), fitted(rng, num_iterations=2)])
    x = strange(rng, 30)
    said = lgb.Booster(model_str=text).predict(x, pred_contrib=True, num_threads=1).reshape(len(x), 2, -1)
    forest = Forest(text)
    np.testing.assert_allclose(forest.contributions(x, [0, 1], threads=2), said, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(forest.contributions(x, [1]), said[:, 1:], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(said.sum(axis=2), forest.raw(x), rtol=1e-9, atol=1e-9)


def test_gains_are_lightgbms() -> None:
    text = fitted(np.random.default_rng(6), num_leaves=12)
    expected = lgb.Booster(model_str=text).feature_importance("gain")
    np.testing.assert_allclose(Forest(text).gains(), expected, rtol=1e-6)


def test_a_tree_of_one_leaf_adds_its_value_to_what_is_expected() -> None:
    rng = np.random.default_rng(7)
    x = columns(rng)
    text = lgb.train(
        {"objective": "binary", "num_iterations": 2, "min_data_in_leaf": ROWS, "verbosity": -1, "num_threads": 1},
        lgb.Dataset(x, (rng.random(ROWS) < 0.2).astype(float), params={"verbosity": -1}),
    ).model_to_string()
    forest = Forest(text)
    found = forest.contributions(x[:3], [0])
    assert not found[:, :, :-1].any()
    np.testing.assert_allclose(found[:, 0, -1], forest.raw(x[:3])[:, 0], rtol=1e-12)


def test_a_text_without_the_counts_of_its_leaves_gives_scores_but_no_reasons() -> None:
    text = fitted(np.random.default_rng(8), num_leaves=5).replace("leaf_count=", "leaf_counts=")
    forest = Forest(text, where="members.txt")
    assert forest.raw(np.zeros((1, 6), dtype=np.float32)).shape == (1, 1)
    with pytest.raises(BadInput, match="no reasons without 'leaf_count'"):
        forest.contributions(np.zeros((1, 6), dtype=np.float32), [0])
