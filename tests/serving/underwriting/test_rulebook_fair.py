"""A better fact never costs more: what the check finds is what brute force finds, and no shipped rulebook does otherwise."""

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.underwriting.factors import apply, base_of
from serving.underwriting.rulebook import Rulebook, load, shipped
from serving.underwriting.rulebook_facts import kinds_of
from serving.underwriting.rulebook_fair import findings
from serving.underwriting.rulebook_parts import Factor
from serving.underwriting.term import rebate
from tests.serving.underwriting.told import Facts

ZHONGSHAN = load("zhongshan-example")
values = st.integers(80, 120).map(lambda one: Decimal(one) / 100)
WORDS = {"name": "one", "words_en": "one", "words_zh": "一", "clause": "calculator", "missing": "neutral"}


def book(**factor: Any) -> Rulebook:
    """A rulebook whose only factor is the one."""
    return ZHONGSHAN.model_copy(update={"factors": (Factor.model_validate(WORDS | factor),), "incentives": ()})


@given(st.lists(values, min_size=2, max_size=6), st.sampled_from(["rectification_rate", "overdue_hazards", "headcount"]))
def test_bands_are_fair_where_their_values_go_one_way(levels: list[Decimal], fact: str) -> None:
    steps = [Decimal(one) / len(levels) for one in range(1, len(levels))]
    bounds = [{"below": steps[0]}, *({"at_least": low, "below": high} for low, high in pairwise(steps))]
    bounds.append({"at_least": steps[-1]})
    found = list(
        findings(
            book(kind="bands", fact=fact, bands=[one | {"value": level} for one, level in zip(bounds, levels, strict=True)])
        )
    )
    falls = {"rectification_rate": sorted(levels, reverse=True) == levels, "overdue_hazards": sorted(levels) == levels}
    assert (not found) == falls.get(fact, True)
    assert all(one.path[:3] == ("factors", 0, "bands") for one in found)


@given(st.lists(values, min_size=5, max_size=5))
def test_a_table_is_fair_where_its_values_fall_with_better_codes(levels: list[Decimal]) -> None:
    codes = ["bad", "C", "B", "A", "AA"]
    found = list(findings(book(kind="table", fact="credit", levels=dict(zip(codes, levels, strict=True)))))
    dearer = [good for worse, good, one, two in zip(codes, codes[1:], levels, levels[1:], strict=False) if two > one]
    assert [one.path for one in found] == [("factors", 0, "levels", code) for code in dearer]


conditions = st.lists(
    st.tuples(
        st.sampled_from(["accidents_1y", "clean_years", "overdue_hazards"]),
        st.sampled_from(["at_least", "below"]),
        st.integers(1, 3),
    ),
    min_size=1, max_size=2, unique_by=lambda one: one[0],
)  # fmt: skip


@given(st.lists(st.tuples(conditions, values), min_size=1, max_size=3), values)
def test_cases_are_fair_where_no_better_enterprise_pays_more(cases: list[tuple[Any, Decimal]], last: Decimal) -> None:
    made: list[dict[str, Any]] = [
        {"name": f"case {place}", "value": value, "when": [{"fact": fact, bound: Decimal(at)} for fact, bound, at in when]}
        for place, (when, value) in enumerate(cases)
    ]
    one = book(kind="rule", rule={"formula": "first", "cases": [*made, {"name": "rest", "value": last}]})
    (factor,) = one.factors

    def value(accidents: int, clean: int, overdue: int) -> Decimal:
        return apply(factor, Facts(accidents_1y=accidents, clean_years=clean, overdue_hazards=overdue)).value

    several = [(a, c, o) for a in range(5) for c in range(5) for o in range(5)]
    unfair = any(
        value(a, c, o) > min(value(a + 1, c, o), value(a, c, o + 1)) or value(a, c + 1, o) > value(a, c, o)
        for a, c, o in several
    )
    assert bool(list(findings(one))) == unfair


@given(st.integers(-5, 5), st.sampled_from(["overdue_hazards", "rectification_rate", "self_reports_1y"]))
def test_a_linear_rule_is_fair_where_its_slope_goes_the_right_way(each: int, fact: str) -> None:
    bounds = {"floor": Decimal("0.5"), "cap": Decimal("1.5")}
    rule = {"formula": "linear", "each": Decimal(each) / 100, "beyond": Decimal(0)} | bounds
    unfair = each < 0 if fact == "overdue_hazards" else each > 0
    assert bool(list(findings(book(kind="rule", fact=fact, rule=rule)))) == unfair


def test_a_credibility_of_something_that_is_better_the_more_there_is_of_it_is_unfair() -> None:
    rule = {"formula": "credibility", "actual": "clean_years", "expected": {"fact": "headcount", "rate": Decimal(1)}}
    rule |= {"k": Decimal(100), "floor": Decimal("0.1"), "cap": Decimal(10)}
    (found,) = findings(book(kind="rule", rule=rule))
    assert found.path == ("factors", 0, "rule")
    assert "clean_years improves" in found.what
    assert not list(findings(book(kind="rule", rule=rule | {"actual": "incurred_3y"})))


def test_a_base_that_costs_more_where_a_fact_is_better_is_unfair() -> None:
    base = ZHONGSHAN.base.model_validate(
        ZHONGSHAN.base.model_dump()
        | {"rate": None, "by": "credit", "rates": {code: Decimal(5) for code in ("bad", "C", "B", "A")} | {"AA": Decimal(6)}}
    )
    (found,) = findings(ZHONGSHAN.model_copy(update={"base": base}))
    assert found.path == ("base", "rates", "AA")


def test_too_many_conditions_are_refused_rather_than_judged_by_half() -> None:
    names = ["accidents_1y", "accidents_larger_1y", "accidents_major_1y", "overdue_hazards", "clean_years", "incurred_3y"]
    cases = [
        {"name": name, "value": Decimal(1), "when": [{"fact": name, "at_least": Decimal(one)} for one in range(1, 4)]}
        for name in names
    ]
    rule = {"formula": "first", "cases": [*cases, {"name": "rest", "value": Decimal(1)}]}
    (found,) = findings(book(kind="rule", rule=rule))
    assert "too many conditions to be judged" in found.what


numbers = {
    "accidents_1y": (0, 4), "accidents_larger_1y": (0, 2), "accidents_major_1y": (0, 2), "clean_years": (0, 6),
    "headcount": (1, 900), "project_cost": (1, 10**9), "overdue_hazards": (0, 9),
}  # fmt: skip
shares = st.integers(0, 20).map(lambda one: Decimal(one) / 20)
codes = {"industry": ["construction"], "standardisation": ["none", "3", "2", "1"], "credit": ["bad", "C", "B", "A", "AA"],
         "risk_level": ["high", "mid", "low"], "award": ["none", "city", "province"]}  # fmt: skip
enterprises = st.fixed_dictionaries(
    {name: st.integers(*ends) for name, ends in numbers.items()}
    | {name: st.sampled_from(each) for name, each in codes.items()}
    | {"rectification_rate": shares, "blacklisted": st.booleans(), "self_reports_1y": st.integers(0, 50)}
    | {name: shares.map(lambda one: one - Decimal("0.5")) for name in ("accident_rate_change_1y", "accident_rate_change_2y")}
)


def amount(one: Rulebook, facts: Facts) -> Decimal:
    """Base, factors and incentives multiplied."""
    found = base_of(one, facts).value
    for factor in (*one.factors, *one.incentives):
        found *= apply(factor, facts).value
    return found


@pytest.mark.parametrize("one", shipped(), ids=lambda one: one.id)
@given(told=enterprises, data=st.data())
def test_improving_a_fact_never_raises_a_shipped_rulebooks_amount(
    one: Rulebook, told: dict[str, Any], data: st.DataObject
) -> None:
    better = [name for name, kind in kinds_of(one).items() if kind.better and name in told]
    name = data.draw(st.sampled_from(sorted(better)))
    other = data.draw(enterprises)[name]
    kind = kinds_of(one)[name]

    def place(value: Any) -> Any:
        return kind.codes.index(value) if kind.kind == "code" else value

    worse, good = sorted((told[name], other), key=place, reverse=kind.better == "lower")
    before, after = Facts(**told | {name: worse}), Facts(**told | {name: good})
    assert amount(one, after) <= amount(one, before)
    if one.rebate is not None:
        assert rebate(one, Decimal(1000), after).amount >= rebate(one, Decimal(1000), before).amount


@given(told=enterprises, reports=st.integers(0, 10_000))
def test_self_reports_never_change_a_shipped_rulebooks_amount(told: dict[str, Any], reports: int) -> None:
    for one in shipped():
        assert amount(one, Facts(**told | {"self_reports_1y": reports})) == amount(one, Facts(**told))
