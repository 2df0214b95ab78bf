"""The difference of two premiums by factor: it adds up, and each factor has its own."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from serving.underwriting.comparison import WHOLE, by_factor, steepest

amounts = hnp.arrays(np.int64, 5, elements=st.integers(0, 10**12))
ratios = hnp.arrays(np.float64, 5, elements=st.floats(0.01, 100.0))


@given(amounts, amounts, st.lists(ratios, min_size=2, max_size=4), st.lists(ratios, min_size=1, max_size=4))
def test_the_parts_add_up_to_the_cent(was, now, before, after) -> None:
    names = ("base", "record", "credit", "model")
    found = by_factor(dict(zip(names, before, strict=False)), dict(zip(reversed(names), after, strict=False)), was, now)
    np.testing.assert_array_equal(found.parts.sum(axis=1), now - was)


def test_what_changed_has_the_difference_and_what_did_not_has_none() -> None:
    base = np.array([1_000_00.0])
    was, now = {"base": base, "record": np.array([1.0])}, {"base": base, "record": np.array([1.3]), "award": np.array([1.0])}
    found = by_factor(was, now, np.array([100_000]), np.array([130_000]))
    assert found.names == ("base", "record", "award", WHOLE)
    assert found.parts.tolist() == [[0, 30_000, 0, 0]]


def test_two_factors_that_do_the_same_have_the_same_in_either_order() -> None:
    one = np.ones(1)
    found = by_factor({"a": one, "b": one}, {"b": 2 * one, "a": 2 * one}, np.array([100]), np.array([400]))
    assert found.parts[0, 0] == found.parts[0, 1] == 150


def test_a_premium_of_nothing_has_its_change_told_whole() -> None:
    found = by_factor({"a": np.ones(1)}, {"a": np.full(1, 2.0)}, np.array([0]), np.array([500]))
    assert found.parts.tolist() == [[0, 500]]


def test_who_rises_and_who_falls_the_most() -> None:
    moved = by_factor({}, {}, np.array([5, 5, 5, 5]), np.array([9, 5, 1, 7]))
    assert steepest(moved, 1) == ([0], [2])
    assert steepest(moved, 9) == ([0, 3], [2])
