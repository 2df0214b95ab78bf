"""Whether a rulebook is fair: a better fact never costs more, and reporting hazards oneself never does.

Each element that decides about money is a step function of few facts, or a formula that moves one way in each: it is computed,
by the code that rates, at every code and on both sides of every bound, and compared along each fact while the others are held.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import prod
from typing import NamedTuple

from features.errors import BadInput
from serving.underwriting.factors import apply, base_of, case_of, code_of, facts_of
from serving.underwriting.rulebook import Rulebook
from serving.underwriting.rulebook_charging import GRADES
from serving.underwriting.rulebook_facts import SELF_REPORTS, Finding, Kind, Place, factors_of, kinds_of
from serving.underwriting.rulebook_parts import Factor, First, Linear, Stretch

Value = Decimal | str | bool
# Of numbers without any bound (an amount of losses, a payroll): points over the range that enterprises have.
_POINTS = tuple(Decimal(one) for one in (0, 1, 10, 1_000, 100_000, 10_000_000))
_MOST_POINTS = 20_000


class Priced(NamedTuple):
    """What an element comes to at a point, and the level that it took."""

    value: Decimal
    level: str


@dataclass(frozen=True)
class _Told:
    """A fact of a made-up enterprise."""

    value: Value
    evidence: str = "made up"


class _Point(dict[str, _Told]):
    """A made-up enterprise."""

    def value(self, name: str) -> Value | None:
        return self[name].value if name in self else None


def findings(rulebook: Rulebook) -> Iterator[Finding]:
    """All that is not fair, at the level of the better fact that costs more."""
    kinds = kinds_of(rulebook)
    for place, factor in factors_of(rulebook):
        yield from _factor(factor, kinds, place)
    yield from _base(rulebook, kinds)
    yield from _term(rulebook)
    if rulebook.rebate is not None:
        cases = rulebook.rebate.cases
        stretches = [one for case in cases for one in case.when]

        def kept(point: _Point) -> Priced:
            case = case_of(cases, point)
            return Priced(-case.value, case.name) if case is not None else Priced(Decimal(0), "")

        bounds = {name: [one for one in stretches if one.fact == name] for name in dict.fromkeys(one.fact for one in stretches)}
        levels: dict[str, Place] = {case.name: ("rebate", "cases", number) for number, case in enumerate(cases)}
        yield from _rises(kept, bounds, kinds, ("rebate",), levels, "what is kept of the premium")


def _factor(factor: Factor, kinds: Mapping[str, Kind], place: Place) -> Iterator[Finding]:
    def priced(point: _Point) -> Priced:
        found = apply(factor, point)
        return Priced(found.value, found.level)

    bounds: dict[str, Sequence[Stretch]] = dict.fromkeys(facts_of(factor), ())
    if factor.fact is not None:
        bounds[factor.fact] = factor.bands
    levels: dict[str, Place] = {level: (*place, "levels", level) for level in factor.levels}
    levels |= {band.level: (*place, "bands", number) for number, band in enumerate(factor.bands)}
    if isinstance(factor.rule, First):
        bounds = {name: [one for case in factor.rule.cases for one in case.when if one.fact == name] for name in bounds}
        levels |= {case.name: (*place, "rule", "cases", number) for number, case in enumerate(factor.rule.cases)}
    elif isinstance(factor.rule, Linear):
        bounds = {str(factor.fact): [Stretch(at_least=factor.rule.beyond, below=_far(factor.rule))]}
    where = (*place, "rule") if factor.kind == "rule" else place
    yield from _rises(priced, bounds, kinds, where, levels, f"factor '{factor.name}'")


def _far(rule: Linear) -> Decimal:
    """Where a linear rule has reached its floor or its cap."""
    if rule.each == 0:
        return rule.beyond + 1
    end = rule.cap if rule.each > 0 else rule.floor
    return rule.beyond + max((end - rule.base) / rule.each, Decimal(1))


def _base(rulebook: Rulebook, kinds: Mapping[str, Kind]) -> Iterator[Finding]:
    base = rulebook.base

    def priced(point: _Point) -> Priced:
        found = base_of(rulebook, point)
        return Priced(found.value, found.level)

    names = [name for name in (base.fact, base.by) if name is not None]
    bounds: dict[str, Sequence[Stretch]] = {name: base.tiers if name == (base.by or base.fact) else () for name in names}
    levels: dict[str, Place] = {code: ("base", "rates", code) for code in base.rates}
    levels |= {band.level: ("base", "tiers", number) for number, band in enumerate(base.tiers)}
    yield from _rises(priced, bounds, kinds, ("base",), levels, "the base")


def _term(rulebook: Rulebook) -> Iterator[Finding]:
    """More overdue hazards, or a graver accident, never cost less; none overdue and any accident never change the other way."""
    if rulebook.term is None:
        return
    for number, band in enumerate(rulebook.term.overdue):
        none = band.holds(Decimal(0))
        if band.value > 1 if none else band.value < 1:
            what = f"unfair: {'no hazard' if none else 'a hazard'} overdue changes the premium by {band.value:f}"
            mend = "let it be at most 1 where none is overdue, and at least 1 where one is"
            yield Finding(("term", "overdue", number), what, mend)
    values = [band.value for band in rulebook.term.overdue]
    for number, (one, next_) in enumerate(itertools.pairwise(values), 1):
        if next_ < one:
            what = f"unfair: more overdue hazards cost less, {next_:f} after {one:f}"
            yield Finding(("term", "overdue", number), what, "let the values rise with the hazards")
    least = Decimal(1)
    for grade in GRADES:
        value = rulebook.term.accidents.get(grade)
        if value is not None and value < least:
            what = f"unfair: an accident of grade {grade} costs {value:f}, less than a lighter one or none, {least:f}"
            yield Finding(("term", "accidents", grade), what, "let the values rise with the grade, from at least 1")
        least = max(least, value or least)


def _rises(
    priced: Callable[[_Point], Priced],
    bounds: Mapping[str, Sequence[Stretch]],
    kinds: Mapping[str, Kind],
    place: Place,
    levels: Mapping[str, Place],
    what: str,
) -> Iterator[Finding]:
    """Where an element rises along a fact that improves; at most one finding a level of the better fact."""
    if not all(name in kinds for name in bounds):
        return
    axes = {name: _values(kinds[name], bounds[name]) for name in bounds}
    if prod(len(axis) for axis in axes.values()) > _MOST_POINTS:
        yield Finding(place, f"{what} has too many conditions to be judged", "split it, or use fewer facts and bounds")
        return
    found: dict[tuple[Place, str], Finding] = {}
    for name, axis in axes.items():
        better = _better(name, kinds[name])
        if better is None:
            continue
        rest = {other: values for other, values in axes.items() if other != name}
        for held in itertools.product(*rest.values()):
            point = _Point({other: _Told(value) for other, value in zip(rest, held, strict=True)})
            for worse, good in itertools.pairwise(axis if better == "higher" else axis[::-1]):
                one, two = _at(priced, point, name, worse), _at(priced, point, name, good)
                if one is not None and two is not None and two.value > one.value:
                    path = levels.get(two.level, place)
                    words = _unfair(name, worse, good, one, two, what)
                    found.setdefault((path, name), Finding(path, words, f"let it cost no more where {name} is better"))
    yield from found.values()


def _unfair(name: str, worse: Value, good: Value, one: Priced, two: Priced, what: str) -> str:
    if name == SELF_REPORTS:
        return f"unfair: {what} punishes reporting hazards, {abs(two.value):f} after {abs(one.value):f}"
    said = f"{name} improves from {code_of(worse)} to {code_of(good)}"
    if two.value < 0:
        return f"unfair: {said} and the rebate falls from {-one.value:f} to {-two.value:f}"
    return f"unfair: {said} and {what} rises from {one.value:f} to {two.value:f}"


def _at(priced: Callable[[_Point], Priced], point: _Point, name: str, value: Value) -> Priced | None:
    """What the element comes to there; None where it is outside a table, which is another fault."""
    try:
        return priced(_Point({**point, name: _Told(value)}))
    except (BadInput, ArithmeticError):
        return None


def _better(name: str, kind: Kind) -> str | None:
    """Which way a fact improves; more reports of one's own count as better here, whatever the vocabulary says."""
    return "higher" if name == SELF_REPORTS else kind.better


def _values(kind: Kind, bounds: Sequence[Stretch]) -> list[Value]:
    """Rising values of a fact at which an element can change: all codes; of a number both sides of every bound."""
    if kind.kind == "flag":
        return [False, True]
    if kind.kind == "code":
        return list(kind.codes)
    ends = sorted({end for one in bounds for end in (one.start, one.end) if end is not None})
    between = [(low + high) / 2 for low, high in itertools.pairwise(ends)]
    beyond = [ends[0] - 1, ends[-1] + 1] if ends else list(_POINTS)
    numbers = {*ends, *between, *beyond, *(one for one in (kind.least, kind.most) if one is not None)}
    return [
        one for one in sorted(numbers) if (kind.least is None or one >= kind.least) and (kind.most is None or one <= kind.most)
    ]
