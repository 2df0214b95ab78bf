"""Whether a rulebook is whole: clauses that are there, levels for all that a fact can be (rulebook_levels), stages and shares
that fit together, and nothing that the law forbids (rulebook_law).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import get_args

from pydantic import BaseModel

from serving.underwriting import rulebook_levels
from serving.underwriting.facts import MOST
from serving.underwriting.numbers import CENT
from serving.underwriting.rulebook import Rulebook
from serving.underwriting.rulebook_charging import GRADES, Stage
from serving.underwriting.rulebook_facts import Finding, Kind, Place, kinds_of, nearest, twice
from serving.underwriting.rulebook_law import lawful
from serving.underwriting.rulebook_levels import cased
from serving.underwriting.rulebook_parts import Part
from serving.underwriting.rulebook_stretches import banded

# What a stage must come after: the model's relativity is fitted to the amount after the factors; bounds bound what came before.
_AFTER: dict[str, tuple[str, ...]] = {
    "model": ("factors",),
    "product": ("factors", "model", "incentives"),
    "loading": ("factors", "model", "incentives", "product"),
    "change": ("factors", "model", "incentives", "product", "loading"),
    "minimum": ("factors", "model", "incentives", "product", "loading"),
    # Limits of change and of the premium are of a year: so must be the amount that they bound.
    "pro_rata": ("factors", "model", "incentives", "product", "loading", "change", "minimum"),
}


def findings(rulebook: Rulebook) -> Iterator[Finding]:
    """All that is not whole."""
    kinds = kinds_of(rulebook)
    yield from _numbers(rulebook, ())
    yield from _dates(rulebook)
    yield from _clauses(rulebook, rulebook, ())
    yield from _own_facts(rulebook)
    yield from rulebook_levels.base(rulebook, kinds)
    yield from rulebook_levels.factors(rulebook, kinds)
    yield from _order(rulebook)
    yield from _sums(rulebook)
    yield from _during(rulebook, kinds)
    yield from _visits(rulebook, kinds)
    yield from lawful(rulebook)


def _numbers(value: object, place: Place) -> Iterator[Finding]:
    """No number is so large or so small that products of it leave the digits that money is reckoned with."""
    if isinstance(value, Decimal):
        if value and not 1 / MOST < abs(value) < MOST:
            yield Finding(place, f"{value:.3g} is not to be reckoned with", "write a number between 1e-15 and 1e15")
        return
    within: Iterable[tuple[str | int, object]] = ()
    if isinstance(value, BaseModel):
        within = ((key, getattr(value, key)) for key in type(value).model_fields)
    elif isinstance(value, dict):
        within = value.items()
    elif isinstance(value, tuple):
        within = enumerate(value)
    for key, one in within:
        yield from _numbers(one, (*place, key))


def _dates(rulebook: Rulebook) -> Iterator[Finding]:
    if rulebook.effective_to < rulebook.effective_from:
        yield Finding(("effective_to",), f"it ends before it begins, on {rulebook.effective_from}", "correct the dates")


def _clauses(rulebook: Rulebook, part: BaseModel, place: Place) -> Iterator[Finding]:
    """Every clause that any part names is there; what is assumed stands in illustrations alone."""
    name = getattr(part, "clause", None)
    if isinstance(name, str):
        clause = rulebook.clauses.get(name)
        if clause is None:
            yield Finding(
                (*place, "clause"), f"uncited: no clause '{name}'{nearest(name, rulebook.clauses)}", f"add [clauses.{name}]"
            )
        elif clause.status == "assumed" and not rulebook.illustrative:
            what = f"clause '{name}' is assumed: only an illustrative rulebook rests on assumptions"
            yield Finding((*place, "clause"), what, "cite the rule, or say `illustrative = true`")
    for key in type(part).model_fields:
        value = getattr(part, key)
        if isinstance(value, Part):
            yield from _clauses(rulebook, value, (*place, key))
        elif isinstance(value, tuple):
            for number, one in enumerate(value):
                if isinstance(one, Part):
                    yield from _clauses(rulebook, one, (*place, key, number))


def _own_facts(rulebook: Rulebook) -> Iterator[Finding]:
    standard = kinds_of(None)
    for number, fact in enumerate(rulebook.facts):
        if fact.name in standard:
            yield Finding(("facts", number, "name"), f"'{fact.name}' is a standard fact", "leave it out: it is known already")
        if (fact.kind == "code") != bool(fact.codes):
            yield Finding(("facts", number), f"fact '{fact.name}': a code, and only a code, has codes", "list its codes")
        yield from twice(fact.codes, ("facts", number, "codes"), "code")
    yield from twice([fact.name for fact in rulebook.facts], ("facts",), "fact")
    if (wrong := [one for one in rulebook.industries if one not in standard["industry"].codes]) != []:
        yield Finding(("industries",), f"no industry '{wrong[0]}'{nearest(wrong[0], standard['industry'].codes)}", "correct it")


def _order(rulebook: Rulebook) -> Iterator[Finding]:
    order, place = rulebook.premium.order, ("premium", "order")
    limits, premium = rulebook.limits, rulebook.premium
    there = {
        "base": True,
        "factors": bool(rulebook.factors),
        "model": rulebook.model is not None,
        "incentives": bool(rulebook.incentives),
        "product": limits is not None and (limits.product_floor, limits.product_cap) != (None, None),
        "loading": rulebook.base.rates_are == "pure",
        "change": limits is not None and (limits.change_down, limits.change_up) != (None, None),
        "minimum": premium.minimum > 0 or premium.maximum is not None,
        "pro_rata": premium.pro_rata != "none",
        "rounding": True,
    }
    yield from twice(order, place, "stage")
    for stage in get_args(Stage):
        if there[stage] and stage not in order:
            yield Finding(place, f"incomplete: the stage '{stage}' is left out", f"put '{stage}' in its place")
    if order and (order[0] != "base" or order[-1] != "rounding"):
        yield Finding(place, "the order does not go from base to rounding", "begin with 'base', end with 'rounding'")
    for stage, earlier in _AFTER.items():
        if stage in order and (late := [one for one in earlier if one in order and order.index(one) > order.index(stage)]):
            yield Finding(place, f"'{stage}' comes before '{late[0]}'", f"put '{stage}' after '{late[0]}'")


def _sums(rulebook: Rulebook) -> Iterator[Finding]:
    """Floors below caps, shares that do not exceed the whole."""
    premium, limits, loading = rulebook.premium, rulebook.limits, rulebook.loading
    if premium.maximum is not None and premium.minimum > premium.maximum:
        what = f"the minimum {premium.minimum:f} is above the cap {premium.maximum:f}"
        yield Finding(("premium", "minimum"), what, "lower the minimum or raise the maximum")
    if premium.rounding_step % CENT:
        what = f"premiums rounded to {premium.rounding_step:f}: none is paid in parts of a cent"
        yield Finding(("premium", "rounding_step"), what, "state a multiple of 0.01")
    floor, cap = (None, None) if limits is None else (limits.product_floor, limits.product_cap)
    if floor is not None and cap is not None and floor > cap:
        what = f"the floor {floor:f} is above the cap {cap:f}"
        yield Finding(("limits", "product_floor"), what, "lower the floor or raise the cap")
    spent = loading.expense + loading.commission + loading.target_loss_ratio
    if spent > 1:
        what = f"expense, commission and target loss ratio add up to {spent:f} of the premium"
        yield Finding(("loading", "target_loss_ratio"), what, "bring them to at most 1")
    if rulebook.prevention.floor > rulebook.prevention.cap:
        what = f"the floor {rulebook.prevention.floor:f} is above the cap {rulebook.prevention.cap:f}"
        yield Finding(("prevention", "floor"), what, "lower the floor or raise the cap")


def _during(rulebook: Rulebook, kinds: Mapping[str, Kind]) -> Iterator[Finding]:
    """Adjustments during the term and the rebate."""
    if (term := rulebook.term) is not None:
        if term.overdue:
            yield from banded(term.overdue, kinds["overdue_hazards"], ("term", "overdue"))
        if not term.overdue and not term.accidents:
            yield Finding(("term",), "incomplete: it adjusts nothing", "state `overdue` or `accidents`, or leave [term] out")
        if term.accidents and (left := [grade for grade in GRADES if grade not in term.accidents]):
            yield Finding(("term", "accidents"), f"incomplete: nothing for {', '.join(left)}", "state all four grades")
        highest = max([*term.accidents.values(), *(band.value for band in term.overdue)], default=Decimal(1))
        if highest > term.cap:
            yield Finding(("term", "cap"), f"the cap {term.cap:f} is below an adjustment of {highest:f}", "raise the cap")
    if rulebook.rebate is not None:
        yield from cased(rulebook.rebate.cases, kinds, ("rebate", "cases"))
        for number, case in enumerate(rulebook.rebate.cases):
            if not 0 <= case.value <= 1:
                yield Finding(
                    ("rebate", "cases", number), f"a rebate of {case.value:f} of the premium", "state a share, 0 to 1"
                )


def _visits(rulebook: Rulebook, kinds: Mapping[str, Kind]) -> Iterator[Finding]:
    """Every industry has its minimum number of visits, once."""
    place, rows = ("prevention", "minimum_visits"), rulebook.prevention.minimum_visits
    named = Counter(one for row in rows for one in row.industries)
    known = kinds["industry"].codes
    for number, row in enumerate(rows):
        for one in row.industries:
            if one not in known:
                yield Finding((*place, number, "industries"), f"no industry '{one}'{nearest(one, known)}", "correct it")
            elif named[one] > 1:
                yield Finding((*place, number, "industries"), f"overlapping: '{one}' is named twice", "name it once")
    rest = [number for number, row in enumerate(rows) if not row.industries]
    for number in rest[1:]:
        yield Finding((*place, number), "overlapping: a second number of visits for all others", "name its industries")
    left = [one for one in rulebook.industries or known if one not in named]
    if not rest and left:
        yield Finding(
            ("prevention",), f"incomplete: no minimum visits for {', '.join(left)}", "add [[prevention.minimum_visits]]"
        )
