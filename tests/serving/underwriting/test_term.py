"""While a policy runs: adjustments by the day, a ledger within its bounds, visits that no discount lowers, the rebate."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import BadInput, Conflict
from serving.underwriting.rulebook import Rulebook, load, shipped
from serving.underwriting.term import (
    Accident,
    Adjustment,
    Balance,
    Entry,
    Event,
    Overdue,
    Running,
    adjust,
    balance,
    rebate,
    spend,
    visits_due,
)
from tests.serving.underwriting.told import Facts

HENAN = load("henan-example")
YEAR = Running(Decimal("36500.00"), date(2025, 1, 1), date(2025, 12, 31))
HALF = date(2025, 7, 2)  # 183 of 365 days are left, that day included


def test_overdue_hazards_raise_the_days_left_and_their_rectification_ends_it() -> None:
    late, mended = adjust(HENAN, YEAR, [Overdue(HALF, 3), Overdue(date(2025, 10, 1), 0)])
    assert (late.level, late.factor_before, late.factor, late.days_left) == ("from 1 below 5", 1, Decimal("1.05"), 183)
    assert late.amount == Decimal("915.00")
    assert (mended.factor, mended.days_left, mended.amount) == (1, 92, Decimal("-460.00"))
    assert mended.premium == Decimal("36955.00")
    assert late.clause == "term" and late.citation == HENAN.clauses["term"].citation


def test_accidents_multiply_up_to_the_cap() -> None:
    one, two, three = adjust(HENAN, YEAR, [Accident(HALF, "ordinary"), Accident(HALF, "ordinary"), Accident(HALF, "major")])
    assert (one.factor, two.factor, three.factor) == (Decimal("1.1"), Decimal("1.21"), Decimal("1.3"))
    assert (two.capped, three.capped) == (False, True)
    assert three.premium == Decimal("36500") + sum(each.amount for each in (one, two, three)) == Decimal("41990.00")


def test_an_event_of_the_first_day_adjusts_the_whole_and_one_of_the_last_a_single_day() -> None:
    (first,) = adjust(HENAN, YEAR, [Accident(YEAR.starts, "larger")])
    (last,) = adjust(HENAN, YEAR, [Accident(YEAR.ends, "larger")])
    assert (first.amount, last.amount, last.days_left) == (Decimal("7300.00"), Decimal("20.00"), 1)


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([Overdue(date(2024, 12, 31), 1)], "2024-12-31 lies outside the term, 2025-01-01 to 2025-12-31"),
        ([Overdue(date(2026, 1, 1), 1)], "lies outside the term"),
        ([Overdue(HALF, 1), Overdue(date(2025, 2, 1), 0)], "2025-02-01 comes before an event of 2025-07-02"),
        ([Overdue(HALF, -1)], "-1 hazards"),
        ([Accident(HALF, "slight")], "no grade 'slight'; the grades are ordinary, larger, major, especially_major"),
    ],
)
def test_an_event_that_cannot_be_is_refused(events: list[Event], words: str) -> None:
    with pytest.raises(BadInput) as refused:
        adjust(HENAN, YEAR, events)
    assert words in str(refused.value)


def test_a_rulebook_without_adjustments_refuses_them() -> None:
    silent = HENAN.model_copy(update={"term": None})
    for event, words in ((Overdue(HALF, 1), "overdue hazards"), (Accident(HALF, "major"), "accidents")):
        with pytest.raises(BadInput, match=f"rulebook henan-example: it states no adjustment for {words}"):
            adjust(silent, YEAR, [event])


days = st.integers(0, 364).map(lambda one: YEAR.starts + timedelta(days=one))
grades = st.sampled_from(["ordinary", "larger", "major", "especially_major"])
events = st.lists(st.builds(Overdue, days, st.integers(0, 12)) | st.builds(Accident, days, grades), max_size=6)


def last(found: tuple[Adjustment, ...]) -> Decimal:
    return found[-1].premium if found else YEAR.premium


@given(events)
def test_what_comes_later_never_changes_what_was_charged_before(some: list[Event]) -> None:
    several = sorted(some, key=lambda one: one.day)
    found = adjust(HENAN, YEAR, several)
    for number in range(len(several)):
        assert adjust(HENAN, YEAR, several[:number]) == found[:number]
    assert last(found) == YEAR.premium + sum((one.amount for one in found), Decimal(0))
    assert YEAR.premium <= last(found) <= YEAR.premium * Decimal("1.3") + Decimal("0.03")


@given(events, days, st.integers(1, 12))
def test_rectifying_sooner_never_costs_more(some: list[Event], day: date, hazards: int) -> None:
    before = [one for one in sorted(some, key=lambda one: one.day) if one.day <= day]
    after = [one for one in sorted(some, key=lambda one: one.day) if one.day > day and isinstance(one, Accident)]
    late = adjust(HENAN, YEAR, [*before, Overdue(day, hazards), *after])
    soon = adjust(HENAN, YEAR, [*before, Overdue(day, 0), *after])
    assert last(soon) <= last(late) + Decimal("0.06")  # each step is rounded to the cent


DAY = date(2025, 3, 1)


def entries(*amounts: str) -> list[Entry]:
    """Premium received where it has no sign or a minus, a use where it begins with `use`."""
    return [Entry("used" if one.startswith("use ") else "received", DAY, Decimal(one.removeprefix("use "))) for one in amounts]


@pytest.mark.parametrize(
    ("lines", "accrued", "used", "remaining", "due", "over"),
    [
        ((), "0", "0", "0", "0", "0"),
        (("10000",), "1000", "0", "2100", "1000", "0"),
        (("10000", "use 400"), "1000", "400", "1700", "600", "0"),
        (("10000", "use 1500"), "1500", "1500", "600", "0", "0"),
        (("10000", "use 2100"), "2100", "2100", "0", "0", "0"),
        (("10000", "use 2100", "-1000"), "1890", "2100", "0", "0", "210"),
        (("33.33",), "3.34", "0", "6.99", "3.34", "0"),
    ],
)
def test_the_ledger_keeps_floor_and_cap(
    lines: tuple[str, ...], accrued: str, used: str, remaining: str, due: str, over: str
) -> None:
    found = balance(HENAN, entries(*lines))
    expected = tuple(Decimal(one) for one in (accrued, used, remaining, due, over))
    assert (found.accrued, found.used, found.remaining, found.due, found.over) == expected
    assert found.citation == HENAN.clauses["prevention"].citation


def test_a_use_that_would_pass_the_cap_is_refused_with_what_is_left() -> None:
    before = entries("10000", "use 2000")
    assert spend(HENAN, before, Entry("used", DAY, Decimal(100))).remaining == 0
    with pytest.raises(Conflict) as refused:
        spend(HENAN, before, Entry("used", DAY, Decimal("100.01")))
    assert str(refused.value).startswith("ledger: 100.01 would pass the cap: 100.00 of 2100.00 are left (21.00 % of 10000")
    for amount in ("0", "-5", "1.001", "NaN"):
        with pytest.raises(BadInput, match="a use of"):
            spend(HENAN, before, Entry("used", DAY, Decimal(amount)))
    with pytest.raises(BadInput, match="more premium returned than received"):
        balance(HENAN, entries("-1"))


money = st.integers(1, 10**9).map(lambda one: Decimal(one) / 100)


@given(st.lists(money, max_size=4), st.lists(money, max_size=8))
def test_a_ledger_never_spends_more_than_the_cap_of_what_was_received(received: list[Decimal], wanted: list[Decimal]) -> None:
    lines = [Entry("received", DAY, one) for one in received]
    for one in wanted:
        try:
            found: Balance = spend(HENAN, lines, Entry("used", DAY, one))
        except Conflict:
            continue
        lines.append(Entry("used", DAY, one))
        assert found == balance(HENAN, list(reversed(lines)))
        assert found.used <= found.most <= found.received * HENAN.prevention.cap
        assert found.used + found.remaining == found.most
        assert found.least <= found.accrued <= found.most


@pytest.mark.parametrize("one", shipped(), ids=lambda one: one.id)
def test_no_discount_lowers_the_minimum_visits(one: Rulebook) -> None:
    cheap = one.base.model_copy(update={"rate": Decimal("0.01"), "rates": {}, "tiers": ()})
    discounted = one.model_copy(update={"base": cheap, "factors": (), "incentives": one.incentives * 2})
    for industry in one.industries or ("mining", "food"):
        high = industry in {row for rows in one.prevention.minimum_visits for row in rows.industries}
        assert visits_due(one, industry) == visits_due(discounted, industry) == (12 if high else 4)


def test_an_industry_that_is_not_known_gets_what_all_others_get() -> None:
    assert visits_due(HENAN, None) == 4
    assert visits_due(load("shandong-construction-example"), None) == 12


def test_a_rebate_is_paid_where_the_rate_fell() -> None:
    found = rebate(HENAN, Decimal("12345.67"), Facts(accident_rate_change_1y=Decimal("-0.1")))
    assert (found.amount, found.share, found.level) == (Decimal("617.28"), Decimal("0.05"), "accident_rate_down")
    assert found.evidence == "accident_rate_change_1y = -0.1 (told)"
    assert rebate(HENAN, Decimal(100), Facts(accident_rate_change_1y=Decimal("-0.0999"))).amount == 0
    unknown = rebate(HENAN, Decimal(100), Facts())
    assert (unknown.amount, unknown.missing) == (0, ("accident_rate_change_1y",))
    with pytest.raises(BadInput, match="it states no rebate"):
        rebate(load("fuyang-example"), Decimal(100), Facts())
    with pytest.raises(BadInput, match="a premium of -1"):
        rebate(HENAN, Decimal(-1), Facts())
