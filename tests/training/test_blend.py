"""The blend on scores of known quality: it finds a known mixture, and a network that knows nothing is left out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from training.blend import BOOSTERS, Blend, Judged, fit, log_losses, logs_of_odds, logs_of_scores
from training.calibration import IDENTITY, Calibration
from training.entry import decide
from training.hazard import cloglog, cumulative_scores, from_cloglog, interval_outcomes

MACHINES, EACH = 120, 40


def drawn(weights=(0.7, 0.5), useless=False, seed=1, machines=MACHINES):
    """Outcomes drawn from a mixture of two views of the risk: log H = -3.5 + w0 a + w1 b in each of three intervals."""
    random = np.random.default_rng(seed)
    n = machines * EACH
    machine = np.repeat(np.arange(machines), EACH)
    a, b = (random.normal(-4.0, 1.0, (n, 1)) + random.normal(0, 0.3, (n, 3)) for _ in range(2))
    true = weights[0] * a + weights[1] * b + 4.0 * (sum(weights) - 1)
    hazard = -np.expm1(-np.exp(true))
    failed = random.random((n, 3)) < hazard
    first = np.where(failed.any(axis=1), failed.argmax(axis=1), 3)
    hours = np.where(first < 3, 24.0 * first + 12.0, np.nan)
    at_risk = interval_outcomes(hours, np.full(n, 72.0))
    outcomes = np.stack([hours <= end for end in (24.0, 48.0, 72.0)], axis=1).astype(np.float64)
    if useless:
        b = random.normal(-4.0, 1.0, (n, 3))
    return Judged({BOOSTERS: a, "gru": b}, at_risk, outcomes, np.ones(n), machine), true


def test_weights_of_a_known_mixture_are_found():
    rows, true = drawn(machines=600)
    found = fit(rows, (BOOSTERS, "gru"))
    assert found.weights == pytest.approx((0.7, 0.5), abs=0.15)
    assert found.either < 0.15
    mean = log_losses(found.calibrated(rows.of(found.models)), rows.at_risk).mean()
    best = log_losses(np.log(np.cumsum(np.exp(true), axis=1)), rows.at_risk).mean()
    assert mean == pytest.approx(best, rel=0.01)


def test_what_one_model_alone_sees_is_not_outvoted():
    """The hazard is the mean of two views that never see the same machine's trouble: their mean is what is found."""
    random = np.random.default_rng(3)
    n, machine = 24_000, np.repeat(np.arange(600), 40)
    sees = random.random((2, n, 1)) < 0.03
    a, b = (np.where(one, -0.5, -5.0) + np.zeros((1, 3)) for one in sees)
    hours = np.full(n, np.nan)
    failed = random.random((n, 3)) < -np.expm1(-(np.exp(a) + np.exp(b)) / 2)
    hours[failed.any(axis=1)] = 24.0 * failed.argmax(axis=1)[failed.any(axis=1)] + 12.0
    at_risk = interval_outcomes(hours, np.full(n, 72.0))
    outcomes = np.stack([hours <= end for end in (24.0, 48.0, 72.0)], axis=1).astype(np.float64)
    rows = Judged({BOOSTERS: a, "gru": b}, at_risk, outcomes, np.ones(n), machine)
    found = fit(rows, (BOOSTERS, "gru"))
    assert found.either > 0.6
    assert sum(found.weights) < 0.4


def test_what_the_boosters_do_not_see_of_a_component_stands_beside_what_they_see():
    """Two competing risks: the boosters see the first alone; a network is right of the second and wrong of the first."""
    random = np.random.default_rng(4)
    n, machine = 24_000, np.repeat(np.arange(600), 40)
    seen, unseen = (np.where(random.random((n, 1)) < 0.05, -1.0, -6.0) for _ in range(2))
    noise = random.normal(-4.0, 1.0, (n, 1))
    each = np.exp(seen) + np.exp(unseen) + np.zeros((1, 3))
    failed = random.random((n, 3)) < -np.expm1(-each)
    hours = np.where(failed.any(axis=1), 24.0 * failed.argmax(axis=1) + 12.0, np.nan)
    outcomes = np.stack([hours <= end for end in (24.0, 48.0, 72.0)], axis=1).astype(np.float64)
    network = np.concatenate([np.repeat(noise, 3, axis=1), noise + np.log(3.0), unseen + np.log(3.0)], axis=1)
    logs = {BOOSTERS: seen + np.zeros((1, 3)), "tcn": network}
    rows = Judged(logs, interval_outcomes(hours, np.full(n, 72.0)), outcomes, np.ones(n), machine)
    found = fit(rows, (BOOSTERS, "tcn"))
    assert found.weights[0] + found.either == pytest.approx(1.0, abs=0.15)
    assert found.apart[0] == ()
    assert found.apart[1] == pytest.approx((0.0, 1.0), abs=0.15)
    best = log_losses(np.log(np.cumsum(each, axis=1)), rows.at_risk).mean()
    assert log_losses(found.calibrated(rows.of(found.models)), rows.at_risk).mean() == pytest.approx(best, rel=0.01)
    assert decide(rows).blend is not None
    assert Blend.model_validate_json(found.model_dump_json()) == found


def test_a_network_that_helps_enters():
    rows, _ = drawn()
    entry = decide(rows)
    assert entry.blend is not None
    assert entry.blend.models == (BOOSTERS, "gru")
    assert entry.tried[0].gain.low > 0


def test_a_network_that_knows_nothing_is_left_out():
    rows, _ = drawn(useless=True)
    entry = decide(rows)
    assert entry.blend is None
    assert entry.tried[0].blend.weights[1] + entry.tried[0].blend.either < 0.05
    assert not entry.tried[0].better


def test_a_copy_of_the_boosters_is_left_out():
    rows, _ = drawn(weights=(1.0, 0.0))
    twice = Judged(
        {BOOSTERS: rows.logs[BOOSTERS], "gru": rows.logs[BOOSTERS]}, rows.at_risk, rows.outcomes, rows.weight, rows.machine
    )
    assert decide(twice).blend is None


def test_a_gain_that_was_chosen_among_several_must_be_surer():
    rows, _ = drawn()
    noise = np.random.default_rng(5).normal(-4.0, 1.0, rows.logs["gru"].shape)
    several = Judged({**rows.logs, "tcn": noise}, rows.at_risk, rows.outcomes, rows.weight, rows.machine)
    one, among = decide(rows).tried[0].gain, decide(several).tried[0].gain
    assert among.value == one.value and among.low < one.low and among.high > one.high


def test_of_two_networks_the_useless_one_stays_out():
    rows, _ = drawn()
    noise = np.random.default_rng(5).normal(-4.0, 1.0, rows.logs["gru"].shape)
    entry = decide(Judged({**rows.logs, "tcn": noise}, rows.at_risk, rows.outcomes, rows.weight, rows.machine))
    assert entry.blend is not None
    assert entry.blend.models == (BOOSTERS, "gru")
    assert [one.networks for one in entry.tried] == [("gru",), ("tcn",), ("gru", "tcn")]


def test_a_network_that_fits_its_own_machines_by_heart_does_not_enter():
    """Planted: a score that is right on half of the machines by their number alone, and noise on those it has not seen."""
    rows, _ = drawn(weights=(1.0, 0.0), machines=60)
    random = np.random.default_rng(2)
    by_heart = random.normal(-4.0, 2.0, (60, 1))[rows.machine] + np.zeros((1, 3))
    entry = decide(
        Judged({BOOSTERS: rows.logs[BOOSTERS], "gru": by_heart}, rows.at_risk, rows.outcomes, rows.weight, rows.machine)
    )
    assert entry.blend is None


def test_without_a_failure_nothing_enters():
    rows, _ = drawn(machines=5)
    quiet = Judged(rows.logs, np.zeros_like(rows.at_risk), np.zeros_like(rows.outcomes), rows.weight, rows.machine)
    entry = decide(quiet)
    assert entry.blend is None
    assert entry.failing == 0


def test_rows_that_do_not_count_do_not_count():
    rows, _ = drawn(machines=40)
    more = np.zeros(len(rows.weight), dtype=bool)
    more[::3] = True
    holed = Judged(
        rows.logs, np.where(more[:, None], np.nan, rows.at_risk), np.where(more[:, None], np.nan, rows.outcomes), rows.weight,
        rows.machine,
    )  # fmt: skip
    without = rows.part(~more)
    assert fit(holed, (BOOSTERS, "gru")).weights == pytest.approx(fit(without, (BOOSTERS, "gru")).weights, rel=1e-6)


logs = arrays(np.float64, (4, 3), elements=st.floats(-60, 20))
weight = st.floats(0, 3)


@given(a=logs, b=logs, weights=st.tuples(weight, weight), either=weight, level=st.floats(-10, 10), slope=st.floats(0.2, 5))
@settings(max_examples=200, deadline=None)
def test_probabilities_rise_with_the_horizon(a, b, weights, either, level, slope):
    for on in ("hazards", "cumulative", "total"):
        mapped = Calibration(knots=(-3.0,), level=-3.2, slopes=(slope, 1.0), on=on)
        blend = Blend(models=(BOOSTERS, "gru"), weights=weights, either=either, level=level, calibration=mapped)
        p = from_cloglog(blend.calibrated([a, b]))
        assert ((p >= 0) & (p <= 1)).all()
        assert (np.diff(p, axis=1) >= 0).all()


def test_logs_are_those_of_the_interval_hazards():
    raw = np.array([[-2.0, -3.0, -1.0], [0.5, -8.0, 2.0]])
    np.testing.assert_allclose(logs_of_scores(cumulative_scores(raw)), logs_of_odds(raw), rtol=1e-9)
    one = Blend(models=(BOOSTERS,), weights=(1.0,), level=0.0, calibration=IDENTITY)
    np.testing.assert_allclose(one.scores([logs_of_odds(raw)]), cumulative_scores(raw), rtol=1e-9)


def test_log_loss_is_that_of_the_horizons_likelihood():
    p = np.array([[0.1, 0.3, 0.5]])
    scores = cloglog(p)
    assert log_losses(scores, np.array([[0.0, 1.0, np.nan]]))[0] == pytest.approx(-np.log(0.2))
    assert log_losses(scores, np.array([[0.0, 0.0, 0.0]]))[0] == pytest.approx(-np.log(0.5))
    assert log_losses(scores, np.array([[0.0, np.nan, np.nan]]))[0] == pytest.approx(-np.log(0.9))
