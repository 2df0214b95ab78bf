"""Boosters on a small world with known hazards."""

import numpy as np
import pytest

from features.errors import BadInput
from training import gbm
from training.calibration import Calibration
from training.config import BoosterConfig, GbmConfig
from training.gbm import TrainingRows
from training.hazard import Floats, cumulative, from_cloglog
from training.model import Structure, pooled, stacked
from training.trees import Forest, merge

TINY = GbmConfig(rounds=12, members=2, num_leaves=6, learning_rate=0.2, l2=1.0)


def world(count: int = 3000, seed: int = 0) -> tuple[TrainingRows, Floats]:
    """Rows of 60 machines, true hazards [n, 3]: column 0 raises all days, column 1 the third alone, column 2 nothing."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 3)).astype(np.float32)
    x[rng.random(count) < 0.1, 2] = np.nan
    log_odds = np.stack([-3.0 + x[:, 0], -3.0 + x[:, 0], -3.0 + x[:, 0] + 1.5 * x[:, 1]], axis=1)
    truth = 1 / (1 + np.exp(-log_odds))
    fails = rng.random((count, 3)) < truth
    hours = np.where(fails.any(axis=1), 24.0 * fails.argmax(axis=1) + 6, np.nan)
    rows = TrainingRows(
        x, hours, np.full(count, 72.0), np.ones(count), rng.integers(0, 60, count), ("load", "heat", "noise")
    )  # fmt: skip
    return rows, truth


@pytest.fixture(scope="module")
def fitted() -> gbm.HazardModel:
    return gbm.fit(world(8000)[0], TINY.model_copy(update={"members": 3, "rounds": 40, "learning_rate": 0.1}), seed=1)


def test_learns_the_hazards(fitted: gbm.HazardModel) -> None:
    rows, truth = world(4000, seed=9)
    p = from_cloglog(fitted.point_scores(rows.x))
    expected = cumulative(truth)
    for k in range(3):
        assert np.corrcoef(p[:, k], expected[:, k])[0, 1] > 0.85
    np.testing.assert_allclose(p.mean(axis=0), expected.mean(axis=0), rtol=0.1)


def test_censored_rows_do_not_count_as_survivors() -> None:
    """Half the rows are followed for 24 h only: hazards of later days must not fall for it."""
    rows, _ = world(6000)
    short = np.arange(6000) % 2 == 0
    hours = np.where(short & (rows.hours_to_failure > 24), np.nan, rows.hours_to_failure)
    followed = np.where(short, 24.0, 72.0)
    censored = TrainingRows(rows.x, hours, followed, rows.weight, rows.machine, rows.names)
    naive = TrainingRows(rows.x, hours, rows.followed_hours, rows.weight, rows.machine, rows.names)
    models = [gbm.fit(one, TINY, seed=1) for one in (rows, censored, naive)]
    whole, honest, fooled = (from_cloglog(model.point_scores(rows.x)).mean(axis=0)[2] for model in models)
    assert abs(honest / whole - 1) < 0.08
    assert fooled / whole < 0.85


def test_sampling_weights_restore_the_prior() -> None:
    rows, _ = world(12_000)
    negative = np.isnan(rows.hours_to_failure)
    keep = ~negative | (np.arange(12_000) % 4 == 0)
    weight = np.where(negative, 4.0, 1.0)[keep]
    thinned = TrainingRows(
        rows.x[keep], rows.hours_to_failure[keep], rows.followed_hours[keep], weight, rows.machine[keep], rows.names
    )
    whole, few = (from_cloglog(gbm.fit(one, TINY, seed=1).point_scores(rows.x)).mean(axis=0) for one in (rows, thinned))
    np.testing.assert_allclose(few, whole, rtol=0.08)


def test_same_seed_same_bytes_on_any_number_of_threads() -> None:
    rows, _ = world(800)
    first, again, other = (
        gbm.fit(rows, TINY, seed=seed, threads=threads).members.text for seed, threads in ((5, 1), (5, 2), (6, 1))
    )
    assert first == again
    assert first != other


def test_members_differ_and_the_point_is_their_mean(fitted: gbm.HazardModel) -> None:
    x = world(200, seed=3)[0].x
    members = fitted.member_scores(x)
    assert members.shape == (200, 3, 3)
    assert members.std(axis=1).mean() > 0.01
    np.testing.assert_allclose(np.exp(fitted.point_scores(x)), np.exp(members).mean(axis=1))
    assert (np.diff(members, axis=2) >= 0).all()


def test_full_model_gives_the_point() -> None:
    rows, _ = world(1500)
    model = gbm.fit(rows, TINY.model_copy(update={"point": "full"}), seed=1)
    assert model.full is not None
    assert (model.full.outputs, model.members.outputs) == (3, 6)
    assert not np.allclose(model.point_scores(rows.x), model.member_scores(rows.x).mean(axis=1))


def test_a_booster_splits_only_on_what_it_may_see() -> None:
    rows, _ = world(1500)
    config = TINY.model_copy(update={"third_day": BoosterConfig(rounds=12, features=("heat", "noi*")), "features": ("load",)})
    structure = Structure()
    model = gbm.fit(rows, config, structure, seed=1)
    contributions = model.members.contributions(rows.x[:50], range(6))
    assert (contributions[:, [0, 1, 3, 4], 1:3] == 0).all()
    assert (contributions[:, [2, 5], 0] == 0).all()
    assert (contributions[:, [2, 5], 1] != 0).any()


def test_shares_model_is_ordered_and_finds_when_it_fails() -> None:
    rows, truth = world(8000)
    spread = BoosterConfig(rounds=20, learning_rate=0.2, num_leaves=4, min_data_in_leaf=50)
    config = TINY.model_copy(update={"intervals": "shares", "rounds": 40, "learning_rate": 0.1, "spread": spread})
    model = gbm.fit(rows, config, seed=1)
    assert model.members.outputs == 8
    scores = model.member_scores(rows.x)
    assert (np.diff(scores, axis=2) >= 0).all()
    p = from_cloglog(model.point_scores(rows.x))
    expected = cumulative(truth)
    np.testing.assert_allclose(p.mean(axis=0), expected.mean(axis=0), rtol=0.12)
    assert np.corrcoef(p[:, 2], expected[:, 2])[0, 1] > 0.9
    hot = rows.x[:, 1] > 1.5  # fails on the third day if at all: little within 24 h
    assert (p[hot, 0] / p[hot, 2]).mean() < 0.7 * (p[~hot, 0] / p[~hot, 2]).mean()


def components(count: int = 4000, seed: int = 0) -> TrainingRows:
    """Two components; each one's own column (0 and 1) drives its own failures alike, column 2 belongs to both."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 3)).astype(np.float32)
    fails = rng.random((count, 2, 3)) < 1 / (1 + np.exp(4.0 - 2.0 * x[:, :2, None]))
    hours = np.where(fails.any(axis=2), 24.0 * fails.argmax(axis=2) + 6, np.nan)
    first = np.fmin(hours[:, 0], hours[:, 1])
    return TrainingRows(
        x, first, np.full(count, 72.0), np.ones(count), np.arange(count) % 80, ("a", "b", "shared"),
        hours_to_component=(hours[:, 0], hours[:, 1]),
    )  # fmt: skip


VIEWS = Structure(views=((0, 2), (1, 2)))


def test_components_pool_what_they_learn() -> None:
    """Component b never fails in training, yet its risk is known from its twin's."""
    rows = components()
    only_a = np.where(
        rows.hours_to_component[0] <= np.nan_to_num(rows.hours_to_component[1], nan=99), rows.hours_to_component[0], np.nan
    )
    calm = rows.x[:, 1] < 0
    half = TrainingRows(
        rows.x[calm], only_a[calm], rows.followed_hours[calm], rows.weight[calm], rows.machine[calm], rows.names,
        hours_to_component=(only_a[calm], np.full(int(calm.sum()), np.nan)),
    )  # fmt: skip
    model = gbm.fit(half, TINY, VIEWS, seed=1)
    quiet, alarming = np.array([[-1.0, -1.0, 0.0]], np.float32), np.array([[2.0, -1.0, 0.0]], np.float32)
    assert model.point_scores(alarming)[0, 2] > model.point_scores(quiet)[0, 2] + 1


def test_machine_hazard_is_the_sum_over_components() -> None:
    rows = components()
    model = gbm.fit(rows, TINY, VIEWS, seed=1)
    raw = model.members.raw(stacked(rows.x, VIEWS.views))
    assert raw.shape == (8000, 6)
    hazard = np.log1p(np.exp(raw)).reshape(2, 4000, 2, 3).sum(axis=0).cumsum(axis=2)
    np.testing.assert_allclose(model.member_scores(rows.x), np.log(hazard))
    p = from_cloglog(model.point_scores(rows.x))
    observed = np.array([(rows.hours_to_failure <= h).mean() for h in (24, 48, 72)])
    np.testing.assert_allclose(p.mean(axis=0), observed, rtol=0.1)


def test_views_need_as_many_component_labels() -> None:
    with pytest.raises(ValueError, match="2 views need as many component labels, not 0"):
        gbm.fit(world(300)[0], TINY, VIEWS, seed=1)


@pytest.mark.parametrize("kind", ["separate", "shares", "total", "views", "full"])
def test_contributions_add_up_to_the_score(kind: str) -> None:
    rows = components(2500)
    update = {"intervals": "shares"} if kind in ("shares", "total") else {"point": "full"} if kind == "full" else {}
    structure = VIEWS if kind == "views" else Structure(intervals=update.get("intervals", "separate"))
    model = gbm.fit(rows, TINY.model_copy(update=update), structure, seed=1)
    x = rows.x[:60]
    on = {"shares": "cumulative", "total": "total"}.get(kind, "hazards")
    bent = Calibration(knots=(-4.0, -1.0), level=-4.2, slopes=(0.7, 1.2, 0.9), on=on)
    effects, base = model.contributions(x, bent)
    assert effects.shape == (60, 3)
    np.testing.assert_allclose(base + effects.sum(axis=1), bent.apply(model.point_scores(x))[:, 2], atol=1e-9)
    plain, base = model.contributions(x)
    np.testing.assert_allclose(base + plain.sum(axis=1), model.point_scores(x)[:, 2], atol=1e-9)
    assert np.corrcoef(plain.ravel(), effects.ravel())[0, 1] > 0.95
    assert abs(effects[:, 0]).mean() > 2 * abs(effects[:, 2]).mean()


def test_no_failure_in_an_interval_is_one_clear_error() -> None:
    rows, _ = world(500)
    none_late = np.where(rows.hours_to_failure > 48, np.nan, rows.hours_to_failure)
    with pytest.raises(BadInput, match="ends after 72 hours"):
        gbm.fit(TrainingRows(rows.x, none_late, rows.followed_hours, rows.weight, rows.machine, rows.names), TINY, seed=1)


def test_patterns_that_fit_no_feature_are_one_clear_error() -> None:
    rows, _ = world(500)
    with pytest.raises(BadInput, match=r"gbm.features: no feature fits zz\*; correct the patterns"):
        gbm.fit(rows, TINY.model_copy(update={"features": ("zz*",)}), seed=1)


def test_one_failing_machine_is_in_every_resample() -> None:
    """Or a member would hold a failure for impossible, and the range would reach down to nothing."""
    rows, _ = world(600)
    first = np.where(rows.machine == 7, 24.0 * (np.arange(600) % 3) + 5, np.nan)
    alone = TrainingRows(rows.x, first, rows.followed_hours, rows.weight, rows.machine, rows.names)
    members = gbm.fit(alone, TINY.model_copy(update={"members": 8, "rounds": 2}), seed=1).member_scores(rows.x)
    assert members.min() > -9


def test_merged_forest_answers_like_its_parts_whatever_their_length() -> None:
    rows, _ = world(1000)
    parts = [gbm.fit(rows, TINY.model_copy(update={"rounds": rounds}), seed=rounds).members for rounds in (3, 9)]
    both = Forest(merge([part.text for part in parts]))
    assert both.outputs == 12
    np.testing.assert_array_equal(both.raw(rows.x), np.concatenate([part.raw(rows.x) for part in parts], axis=1))


def test_a_text_that_is_no_model_is_named() -> None:
    with pytest.raises(BadInput, match=r"members\.txt: not a LightGBM model text"):
        Forest("hello", where="members.txt")


def test_members_never_saw_the_machines_that_they_are_said_to_leave_out() -> None:
    """Turn the outcomes of one machine over: only members that were fitted on it may change their minds."""
    rows, _ = world(1500)
    config = TINY.model_copy(update={"members": 6})
    apart = gbm.left_out(rows, config, seed=4)
    machine = rows.machine[0]
    ours = rows.machine == machine
    assert apart.shape == (1500, 6) and (apart[ours] == apart[0]).all()
    assert 0 < apart[0].sum() < 6
    turned = np.where(ours, np.where(np.isnan(rows.hours_to_failure), 10.0, np.nan), rows.hours_to_failure)
    other = TrainingRows(rows.x, turned, rows.followed_hours, rows.weight, rows.machine, rows.names)
    before, after = (gbm.fit(one, config, seed=4).member_scores(rows.x) for one in (rows, other))
    same = (before == after).all(axis=(0, 2))
    assert same.tolist() == apart[0].tolist()


def test_pooling_asks_only_whom_it_is_told_to() -> None:
    scores = np.log(np.arange(1.0, 13.0).reshape(2, 3, 2))
    among = np.array([[True, False, True], [False, True, False]])
    np.testing.assert_allclose(np.exp(pooled(scores, among)), [[3.0, 4.0], [9.0, 10.0]])
    np.testing.assert_allclose(pooled(scores, np.ones((2, 3), dtype=bool)), pooled(scores))
