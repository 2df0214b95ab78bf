"""No training row's label window may reach into the period that the model is judged on."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from features.errors import BadInput
from training.splits import MICROS_PER_HOUR, by_time, machine_share, rolling_origin

HORIZON = 72 * MICROS_PER_HOUR
# A year at odd hours, with a few rows taken out, so that most draws can be split.
days = st.tuples(st.integers(60, 400), st.integers(1, 30), st.integers(0, 99)).map(
    lambda drawn: np.random.default_rng(drawn[2]).integers(0, 24 * drawn[0], 3 * drawn[0] // drawn[1] + 5) * MICROS_PER_HOUR
)


def daily(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.int64) * 24 * MICROS_PER_HOUR


@settings(max_examples=200, deadline=None)
@given(days, st.integers(1, 5), st.floats(72, 500), st.floats(0.05, 0.95))
def test_no_label_window_of_training_reaches_into_a_test_period(
    as_of: np.ndarray, n_folds: int, gap_hours: float, share: float
) -> None:
    try:
        folds = rolling_origin(as_of, n_folds, gap_hours=gap_hours, test_share=share)
    except BadInput:
        assume(False)
    assert len(folds) == n_folds
    for fold in folds:
        assert as_of[fold.train].max() + HORIZON <= fold.cut <= as_of[fold.test].min()
    tested = np.concatenate([fold.test for fold in folds])
    assert len(np.unique(tested)) == len(tested)


@settings(max_examples=200, deadline=None)
@given(days, st.floats(0.05, 0.4), st.floats(0.05, 0.5), st.floats(72, 300))
def test_three_periods_keep_their_distance(as_of: np.ndarray, calibration: float, test: float, gap_hours: float) -> None:
    try:
        periods = by_time(as_of, calibration_share=calibration, test_share=test, gap_hours=gap_hours)
    except BadInput:
        assume(False)
    assert as_of[periods.train].max() + HORIZON <= as_of[periods.calibration].min()
    assert as_of[periods.calibration].max() + HORIZON <= as_of[periods.test].min()


def test_the_check_above_can_fail() -> None:
    """Planted: a split without a gap, as a shuffled or careless one would be."""
    as_of = daily(100)
    train, test = np.flatnonzero(as_of < as_of[60]), np.flatnonzero(as_of >= as_of[60])
    assert not as_of[train].max() + HORIZON <= as_of[test].min()


def test_a_gap_shorter_than_the_horizon_is_refused() -> None:
    with pytest.raises(BadInput, match="shorter than the 72 h horizon"):
        rolling_origin(daily(100), 3, gap_hours=48)
    with pytest.raises(BadInput, match="shorter than the 72 h horizon"):
        by_time(daily(100), gap_hours=71.9)


def test_folds_cover_the_last_half_in_equal_parts() -> None:
    folds = rolling_origin(daily(101), 5)
    assert [len(fold.test) for fold in folds] == [10, 10, 10, 10, 10]
    assert [len(fold.train) for fold in folds] == [48, 58, 68, 78, 88]


def test_pandas_column_as_a_data_scientist_holds_it() -> None:
    column = pd.Series(pd.to_datetime(daily(101), unit="us", utc=True))
    for ours, theirs in zip(rolling_origin(daily(101), 3), rolling_origin(column, 3), strict=True):
        np.testing.assert_array_equal(ours.train, theirs.train)
        np.testing.assert_array_equal(ours.test, theirs.test)


def test_dates_overrule_shares() -> None:
    base = datetime(1970, 1, 1, tzinfo=UTC)
    periods = by_time(daily(100), calibration_from=base.replace(month=2), test_from=base.replace(month=3))
    assert periods.train.max() == 28
    assert (periods.calibration.min(), periods.calibration.max(), periods.test.min()) == (31, 56, 59)


@pytest.mark.parametrize("count", [0, 1, 4])
def test_too_little_history_is_one_clear_error(count: int) -> None:
    with pytest.raises(BadInput):
        by_time(daily(count))
    with pytest.raises(BadInput):
        rolling_origin(daily(count), 3)


def test_machines_are_chosen_by_hash_whole_and_the_same_on_every_subset() -> None:
    ids = [f"m{i % 2000}" for i in range(6000)]
    chosen = machine_share(ids, 0.2)
    assert 0.15 < chosen.mean() < 0.25
    assert np.array_equal(chosen[:2000], chosen[2000:4000])
    assert np.array_equal(machine_share(ids[::-1], 0.2), chosen[::-1])
    assert not np.array_equal(machine_share(ids, 0.2, salt="x"), chosen)
    assert not machine_share(ids, 0.0).any()
    assert machine_share(ids, 1.0).all()
