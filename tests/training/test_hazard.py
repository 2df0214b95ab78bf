"""Interval hazards and cumulative probabilities."""

import numpy as np
import pytest

from training.hazard import (
    HIGHEST,
    LOWEST,
    cloglog,
    cumulative,
    cumulative_scores,
    from_cloglog,
    hazards,
    interval_outcomes,
    person_periods,
)

NAN = np.nan


@pytest.mark.parametrize(
    ("to_failure", "followed", "expected"),
    [
        (NAN, 72, [0, 0, 0]),
        (NAN, 71, [0, 0, NAN]),
        (NAN, 30, [0, NAN, NAN]),
        (NAN, 0, [NAN, NAN, NAN]),
        (24, 72, [1, NAN, NAN]),  # gone: not at risk in later intervals
        (24.1, 72, [0, 1, NAN]),
        (72, 72, [0, 0, 1]),
        (60, 60, [0, 0, 1]),  # observation ended with the failure
        (3, 0, [1, NAN, NAN]),
    ],
)
def test_a_row_counts_while_at_risk_and_followed(to_failure: float, followed: float, expected: list[float]) -> None:
    found = interval_outcomes(np.array([to_failure]), np.array([float(followed)]))
    np.testing.assert_array_equal(found[0], np.array(expected, dtype=np.float32))


def test_person_periods_list_what_counts() -> None:
    rows, interval, event = person_periods(np.array([NAN, 30.0]), np.array([72.0, 72.0]))
    assert rows.tolist() == [0, 0, 0, 1, 1]
    assert interval.tolist() == [0, 1, 2, 0, 1]
    assert event.tolist() == [0, 0, 0, 0, 1]


def test_life_table_estimate_equals_the_known_hazards() -> None:
    """Person-period means are the Kaplan-Meier estimate: they recover the hazards under censoring, naive rates do not."""
    rng = np.random.default_rng(1)
    truth = np.array([0.1, 0.2, 0.3])
    count = 200_000
    fails = rng.random((count, 3)) < truth
    to_failure = np.where(fails.any(axis=1), 24 * fails.argmax(axis=1) + 12.0, NAN)
    followed = rng.choice([24.0, 48.0, 72.0], count)
    to_failure[to_failure > followed] = NAN
    _, interval, event = person_periods(to_failure, followed)
    found = np.array([event[interval == k].mean() for k in range(3)])
    np.testing.assert_allclose(found, truth, atol=0.005)
    assert np.nanmean(~np.isnan(to_failure)) < cumulative(truth[None])[0, 2] - 0.05  # counting the unripe as negative fails


def test_hazards_and_cumulative_undo_each_other() -> None:
    h = np.random.default_rng(0).uniform(0, 1, (50, 3))
    np.testing.assert_allclose(hazards(cumulative(h)), h, atol=1e-12)
    np.testing.assert_allclose(cumulative(np.array([[0.5, 0.5, 1.0]])), [[0.5, 0.75, 1.0]])
    assert hazards(np.array([[1.0, 1.0, 1.0]])).tolist() == [[1.0, 0.0, 0.0]]


def test_cloglog_and_its_inverse() -> None:
    p = np.array([1e-9, 1e-4, 0.5, 0.999])
    np.testing.assert_allclose(from_cloglog(cloglog(p)), p, rtol=1e-9)
    assert cloglog(np.array([0.0, 1.0])).tolist() == [LOWEST, HIGHEST]


def test_scores_from_log_odds_are_the_cloglog_of_the_cumulative() -> None:
    raw = np.random.default_rng(0).normal(-3, 2, (100, 3))
    h = 1 / (1 + np.exp(-raw))
    np.testing.assert_allclose(cumulative_scores(raw), cloglog(cumulative(h)), atol=1e-9)
    assert np.isfinite(cumulative_scores(np.array([[-800.0, -800.0, 800.0]]))).all()
