"""Rivals: fitted on training rows only, each by its own rule, none of them a straw man."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from features.spec import FeatureSpec
from training import rivals

SPECS = (
    FeatureSpec("heat_last", "sensors", "readings", "last", "heat"),
    FeatureSpec("heat_slope", "sensors", "readings", "slope", "heat", 24),
    FeatureSpec("machine_age", "static", "machines", "age"),
    FeatureSpec("machine_model", "static", "machines", "model", categorical=True),
)
SMART = tuple(FeatureSpec(f"smart_{n}_last", "sensors", "readings", "value", f"smart_{n}") for n in (5, 9, 187, 197, 198))


def sample(n=1500, seed=0, specs=SPECS):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, len(specs))).astype(np.float32)
    x[:, 2] = random.uniform(0, 1000, n)
    x[:, 3] = random.integers(0, 3, n)
    eta = -2.5 + 1.5 * np.nan_to_num(x[:, 0]) + x[:, 1] + (x[:, 3] == 2)
    y = random.random(n) < 1 / (1 + np.exp(-eta))
    x[random.random(n) < 0.1, 0] = np.nan
    return rivals.Sample(x, y, np.ones(n), specs)


def labels(y):
    return pd.DataFrame(
        {"y24": (y & (np.arange(len(y)) % 2 == 0)).astype(float), "y48": y.astype(float), "y72": y.astype(float)}
    )


def test_every_rival_answers_each_horizon_and_never_falls():
    train, test = sample(), sample(seed=1)
    said = rivals.forecasts(train.x, labels(train.y), train.weight, test.x, SPECS)
    assert list(said) == ["lightgbm", "forest", "logistic", "rate"]
    for name, p in said.items():
        assert p.shape == (1500, 3)
        assert ((p >= 0) & (p <= 1)).all(), name
        assert (np.diff(p, axis=1) >= 0).all(), name
    for name, least in (("lightgbm", 0.7), ("forest", 0.78), ("logistic", 0.8), ("rate", 0.52)):
        assert roc_auc_score(test.y, said[name][:, 2]) > least, name


def test_rivals_are_repeatable():
    train = sample(n=400)
    first, again = (rivals.forecasts(train.x, labels(train.y), train.weight, train.x, SPECS, threads=t) for t in (1, 2))
    for name in first:
        assert np.array_equal(first[name], again[name]), name


def test_unripe_rows_do_not_reach_a_rival():
    train = sample(n=600)
    unripe = labels(train.y).astype(float)
    unripe.iloc[300:, 2] = np.nan
    seen = {}

    def spy(given):
        seen[len(given.y)] = given
        return lambda x: np.zeros(len(x))

    rivals.forecasts(train.x, unripe, train.weight, train.x, SPECS, rivals=[rivals.Rival("spy", rivals.Text("", ""), spy)])
    assert sorted(seen) == [300, 600]


@pytest.mark.parametrize("rival", rivals.RIVALS, ids=lambda one: one.name)
def test_weights_restore_the_prior(rival):
    train = sample(n=12_000, specs=SPECS if rival.name != "smart" else SMART)
    kept = train.y | (np.arange(12_000) % 4 == 0)
    weight = np.where(train.y[kept], 1.0, 4.0)
    p = rival.fit(rivals.Sample(train.x[kept], train.y[kept], weight, train.specs))(sample(n=3000, seed=9, specs=train.specs).x)
    assert p.mean() == pytest.approx(train.y.mean(), rel=0.25)  # without weights it would be 2.5 times as much


def test_afternoon_sees_plain_columns_only():
    train = sample()
    p = rivals.afternoon(train)
    changed = train.x.copy()
    changed[:, 1] = 99.0
    assert np.array_equal(p(train.x), p(changed))
    changed[:, 0] = 99.0
    assert not np.array_equal(p(train.x), p(changed))


def test_smart_rule_is_a_rule_and_only_where_the_counters_are():
    x = np.zeros((8, 5), np.float32)
    x[0, 0] = x[1, 2] = x[2, 4] = 1.0
    x[3, 1] = 5.0
    x[4] = np.nan
    y = np.array([1, 1, 0, 0, 0, 0, 0, 0], bool)
    p = rivals.smart_rule(rivals.Sample(x, y, np.ones(8), SMART))(x)
    assert p.tolist() == pytest.approx([2 / 3] * 3 + [0.0] * 5)
    smart = next(one for one in rivals.RIVALS if one.name == "smart")
    assert smart.possible(SMART) and not smart.possible(SPECS)


def test_rate_by_model_is_the_shrunk_rate():
    n = 4000
    x = np.zeros((n, 4), np.float32)
    x[:, 2] = np.nan
    x[:, 3] = np.arange(n) % 2
    y = (np.arange(n) % 2 == 1) & (np.arange(n) % 20 == 1)
    p = rivals.rate_by_age_and_model(rivals.Sample(x, y, np.ones(n), SPECS))(x)
    base, strength = 0.05, 10 / 0.05
    assert p[1] == pytest.approx((200 + strength * base) / (2000 + strength))
    assert p[0] == pytest.approx(strength * base / (2000 + strength))


def test_rate_answers_a_model_it_never_saw():
    train = sample()
    strange = train.x[:2].copy()
    strange[0, 3], strange[1, 3] = np.nan, 7
    assert np.isfinite(rivals.rate_by_age_and_model(train)(strange)).all()


def test_horizon_without_a_failure_is_answered_by_its_base_rate():
    train = sample(n=200)
    calm = labels(train.y).assign(y24=0.0)
    said = rivals.forecasts(train.x, calm, train.weight, train.x, SPECS, rivals=rivals.RIVALS[:1])
    assert (said["lightgbm"][:, 0] == 0).all()


def test_logistic_takes_columns_that_are_empty_or_constant():
    train = sample(n=300)
    train.x[:, 1] = np.nan
    train.x[:, 2] = 5.0
    p = rivals.logistic(train)(train.x)
    assert np.isfinite(p).all() and np.ptp(p) > 0.1


def test_joint_forest_takes_a_horizon_without_a_failure():
    train = sample(n=300)
    calm = labels(train.y).assign(y24=0.0)
    forest = next(one for one in rivals.RIVALS if one.name == "forest")
    said = rivals.forecasts(train.x, calm, train.weight, train.x, SPECS, rivals=[forest])
    assert (said["forest"][:, 0] == 0).all() and said["forest"][:, 2].max() > 0.5
