"""Premiums brought to a total: to the cent, above their floors, whatever the order."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import BadInput, Conflict
from serving.underwriting.off_balance import CENT, balance

cents = st.integers(0, 10**9).map(lambda one: one * CENT)


@st.composite
def books(draw: st.DrawFn) -> tuple[list[Decimal], list[str], Decimal, list[Decimal]]:
    amounts = draw(st.lists(cents, min_size=1, max_size=30).filter(lambda found: sum(found) > 0))
    floors = [draw(st.integers(0, 10**8)) * CENT for _ in amounts]
    total = sum(floors, Decimal(0)) + draw(st.integers(1, 10**10)) * CENT
    return amounts, [f"p{place:02d}" for place in range(len(amounts))], total, floors


@given(books(), st.randoms())
def test_the_total_is_kept_to_the_cent_above_every_floor_in_any_order(book, random) -> None:
    amounts, keys, total, floors = book
    found = balance(amounts, keys, total, least=floors)
    assert sum(found.amounts) == total
    assert all(one >= floor for one, floor in zip(found.amounts, floors, strict=True))
    order = list(range(len(keys)))
    random.shuffle(order)
    again = balance([amounts[k] for k in order], [keys[k] for k in order], total, least=[floors[k] for k in order])
    assert dict(zip(again_keys(keys, order), again.amounts, strict=True)) == dict(zip(keys, found.amounts, strict=True))
    assert (again.factor, again.at_floor) == (found.factor, found.at_floor)


def again_keys(keys: list[str], order: list[int]) -> list[str]:
    return [keys[place] for place in order]


@given(books())
def test_nobody_above_the_floor_is_a_step_from_proportion(book) -> None:
    amounts, keys, total, floors = book
    found = balance(amounts, keys, total, least=floors)
    for amount, premium, floor in zip(amounts, found.amounts, floors, strict=True):
        if premium > floor:
            assert abs(premium - amount * found.factor) <= CENT + amount * Decimal("1e-9")


@given(st.lists(cents, min_size=1, max_size=30).filter(lambda found: sum(found) > 0))
def test_premiums_that_have_the_total_already_stay(amounts: list[Decimal]) -> None:
    keys = [str(place) for place in range(len(amounts))]
    assert list(balance(amounts, keys, sum(amounts, Decimal(0))).amounts) == amounts


def test_a_larger_step_than_the_cent() -> None:
    found = balance([Decimal(10)] * 3, list("cab"), Decimal(100), step=Decimal(10))
    assert found.amounts == (Decimal(30), Decimal(40), Decimal(30))  # alike: the first key has it


def test_floors_that_ask_for_more_than_the_total_are_a_conflict() -> None:
    with pytest.raises(Conflict, match=r"floors of 2 policies add up to 10.00, more than the total of 9"):
        balance([Decimal(5)] * 2, ["a", "b"], Decimal(9), least=[Decimal(5)] * 2)


def test_a_total_between_two_steps_and_a_book_of_nothing_are_refused() -> None:
    with pytest.raises(BadInput, match="no whole number of steps"):
        balance([Decimal(5)], ["a"], Decimal("9.001"))
    with pytest.raises(BadInput, match="every premium is zero"):
        balance([Decimal(0)], ["a"], Decimal(9))
