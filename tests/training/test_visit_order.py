"""Visits in another order: by hand, against copies of rows, against shuffled ties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.metrics import once
from training.visit_order import Order, Visits, days_earlier, days_earlier_of_each, found_before, found_by_day

DAYS = np.array([0.0, 0.0, 1.0, 4.0])
FOUND = np.array([0.0, 1.0, 0.0, 1.0])
EACH = np.arange(4)


def visits(inspector: list[int] | None = None) -> Visits:
    return Visits(DAYS, FOUND, EACH, np.array(inspector or [0, 0, 0, 0]))


def test_days_earlier_by_hand() -> None:
    score = np.array([0.1, 0.3, 0.2, 0.9])  # the last visit moves to day 0, the second stays there
    assert Order(DAYS, score).days(np.ones(4)).tolist() == [4.0, 0.0, 1.0, 0.0]
    assert days_earlier(visits(), score)(once(4)).tolist() == [2.0]
    assert found_before(visits(), score, 1.0)(once(4)).tolist() == [1.0]
    assert found_before(visits(), -DAYS, 1.0)(once(4)).tolist() == [0.5]


def test_each_inspector_keeps_his_days() -> None:
    score = np.array([0.1, 0.3, 0.2, 0.9])
    assert days_earlier_of_each(visits([0, 1, 1, 0]), score)(once(4)).tolist() == [2.0]
    assert days_earlier_of_each(visits([0, 0, 1, 1]), score)(once(4)).tolist() == [1.5]  # to day 1, not to day 0
    assert days_earlier_of_each(visits([0, 1, 2, 3]), score)(once(4)).tolist() == [0.0]


def test_the_order_made_gains_nothing_and_one_score_for_all_is_chance() -> None:
    assert days_earlier(visits(), -DAYS)(once(4)).tolist() == [0.0]
    flat = days_earlier(visits(), np.zeros(4))(once(4))[0]
    assert flat == pytest.approx(DAYS[FOUND > 0].mean() - DAYS.mean())


def test_a_resample_without_a_fault_has_no_figure() -> None:
    assert np.isnan(days_earlier(visits(), FOUND)(np.array([[1.0, 0.0, 1.0, 0.0]])))


def test_the_curve_ends_with_everything_found() -> None:
    days, share = found_by_day(visits(), FOUND)
    assert days.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0] and share.tolist() == [1.0] * 5
    assert found_by_day(visits(), np.zeros(4))[1].tolist() == found_by_day(visits(), -DAYS)[1].tolist()
    assert found_by_day(visits(), -DAYS)[1].tolist() == [0.5, 0.5, 0.5, 0.5, 1.0]


@given(st.data())
def test_a_visit_drawn_twice_is_two_visits(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 12))
    whole = st.lists(st.integers(0, 5), min_size=size, max_size=size)
    day, score = (np.array(data.draw(whole), dtype=float) for _ in range(2))
    weight = np.array(data.draw(whole.map(lambda drawn: [1, *drawn[1:]])), dtype=float)
    found = np.ones(size)
    told = days_earlier(Visits(day, found, np.arange(size), np.zeros(size, dtype=int)), score)(weight[None, :])[0]
    copies = np.repeat(np.arange(size), weight.astype(int))
    assert told == pytest.approx(oracle(day[copies], score[copies]), abs=1e-9)


def oracle(day: np.ndarray, score: np.ndarray) -> float:
    """Row by row; visits of one score share the days that they take."""
    free, gained = sorted(day.tolist()), 0.0
    for one in sorted(set(score.tolist()), reverse=True):
        mine = day[score == one]
        taken, free = free[: len(mine)], free[len(mine) :]
        gained += sum(mine) - sum(taken)
    return gained / len(day)
