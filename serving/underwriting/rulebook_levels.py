"""Whether a rulebook has a level for whatever a fact can be: codes there once, bands without gap, cases to the end."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from serving.underwriting.factors import NEUTRAL, REFUSE, levels_of
from serving.underwriting.rulebook import Rulebook
from serving.underwriting.rulebook_facts import Finding, Kind, Place, factors_of, nearest, twice
from serving.underwriting.rulebook_parts import Case, Credibility, Factor, First, Linear, Ncci
from serving.underwriting.rulebook_stretches import banded


def base(rulebook: Rulebook, kinds: Mapping[str, Kind]) -> Iterator[Finding]:
    """Faults of the base's rates or tiers."""
    base, place = rulebook.base, ("base",)
    by = base.by or base.fact or ""
    if base.fact is not None:
        yield from _fact(base.fact, kinds, "number", (*place, "fact"))
    if base.by is not None:
        yield from _fact(base.by, kinds, "code" if base.rates else "number" if base.tiers else None, (*place, "by"))
    if base.rates and by in kinds:
        codes = rulebook.industries if by == "industry" and rulebook.industries else kinds[by].codes
        yield from _levels(base.rates, codes, kinds[by].codes, (*place, "rates"))
    if base.tiers and by in kinds:
        yield from banded(base.tiers, kinds[by], (*place, "tiers"))


def factors(rulebook: Rulebook, kinds: Mapping[str, Kind]) -> Iterator[Finding]:
    """Faults of the levels of factors and incentives."""
    for place, factor in factors_of(rulebook):
        yield from _factor(factor, kinds, place)
        if place[0] == "incentives":
            for level, value in levels_of(factor).items():
                if value > 1:
                    yield Finding(
                        place, f"incentive '{factor.name}' raises the premium by {value:f} at '{level}'", "make it a factor"
                    )
            if isinstance(factor.rule, Linear | Credibility | Ncci) and factor.rule.cap > 1:
                yield Finding((*place, "rule", "cap"), f"incentive '{factor.name}' may raise the premium", "cap it at 1")
    names = [(place, factor.name) for place, factor in factors_of(rulebook)]
    for number, (place, name) in enumerate(names):
        if name in {one for _, one in names[:number]}:
            yield Finding((*place, "name"), f"a second factor '{name}'", "give it another name, or merge the two")


def _factor(factor: Factor, kinds: Mapping[str, Kind], place: Place) -> Iterator[Finding]:
    if factor.fact is not None:
        kind = None if factor.kind == "table" else "number"
        yield from _fact(factor.fact, kinds, kind, (*place, "fact"))
    known = kinds.get(factor.fact or "")
    if factor.kind == "table" and known is not None:
        if known.kind not in ("code", "flag"):
            yield Finding(
                (*place, "fact"), f"fact '{factor.fact}' is a {known.kind}: a table goes by a code or a flag", "use bands"
            )
        else:
            yield from _levels(factor.levels, known.codes, known.codes, (*place, "levels"))
    elif factor.kind == "bands" and known is not None:
        yield from banded(factor.bands, known, (*place, "bands"))
    elif isinstance(factor.rule, First):
        yield from cased(factor.rule.cases, kinds, (*place, "rule", "cases"))
        for number, case in enumerate(factor.rule.cases):
            if case.value <= 0:
                yield Finding((*place, "rule", "cases", number), f"case '{case.name}' is {case.value:f}", "a factor is above 0")
    elif factor.rule is not None and not isinstance(factor.rule, First):
        yield from _formula(factor.rule, kinds, (*place, "rule"))
    levels = levels_of(factor)
    if factor.missing not in (NEUTRAL, REFUSE, *levels):
        known_levels = ", ".join(("neutral", "refuse", *levels))
        yield Finding((*place, "missing"), f"missing: no level '{factor.missing}'", f"name one of {known_levels}")


def _formula(rule: Linear | Credibility | Ncci, kinds: Mapping[str, Kind], place: Place) -> Iterator[Finding]:
    if rule.floor > rule.cap:
        yield Finding((*place, "floor"), f"the floor {rule.floor:f} is above the cap {rule.cap:f}", "correct them")
    if isinstance(rule, Linear):
        return
    yield from _fact(rule.expected.fact, kinds, "number", (*place, "expected", "fact"))
    for key in ("actual", "actual_primary", "actual_excess"):
        if hasattr(rule, key):
            yield from _fact(getattr(rule, key), kinds, "number", (*place, key))
    for key in ("weight", "ballast"):
        bands = getattr(rule, key, None)
        if isinstance(bands, tuple):
            yield from banded(bands, Kind("number", least=Decimal(0)), (*place, key))
    if isinstance(rule, Ncci) and isinstance(rule.weight, tuple) and any(band.value > 1 for band in rule.weight):
        yield Finding((*place, "weight"), "a weight above 1", "a weight is a share, 0 to 1")


def cased(cases: Sequence[Case], kinds: Mapping[str, Kind], place: Place) -> Iterator[Finding]:
    """Cases of which the last one is for everybody who is left, over facts that are known."""
    for number, case in enumerate(cases):
        last = number == len(cases) - 1
        if last and case.when:
            yield Finding(
                (*place, number), "incomplete: the last case has conditions", "add a case without conditions at the end"
            )
        elif not last and not case.when:
            yield Finding((*place, number), f"case '{case.name}' takes everybody: those after it never count", "put it last")
        for one, condition in enumerate(case.when):
            here = (*place, number, "when", one)
            wanted = "number" if condition.equals is None else None
            yield from _fact(condition.fact, kinds, wanted, (*here, "fact"))
            known = kinds.get(condition.fact)
            if known is None or condition.equals is None:
                continue
            if known.kind == "flag" and not isinstance(condition.equals, bool):
                yield Finding((*here, "equals"), f"'{condition.fact}' is a flag", "say true or false")
            elif known.codes and known.kind == "code" and condition.equals not in known.codes:
                what = f"{condition.fact} has no code '{condition.equals}'"
                yield Finding((*here, "equals"), what, f"name one of {', '.join(known.codes)}")
    yield from twice([case.name for case in cases], place, "case")


def _fact(name: str, kinds: Mapping[str, Kind], kind: str | None, place: Place) -> Iterator[Finding]:
    if name not in kinds:
        yield Finding(place, f"no fact '{name}'{nearest(name, kinds)}", "name a standard fact, or declare it under [[facts]]")
    elif kind is not None and kinds[name].kind != kind:
        yield Finding(place, f"fact '{name}' is a {kinds[name].kind}, not a {kind}", "name another fact")


def _levels(levels: Mapping[str, Decimal], due: Sequence[str], codes: Sequence[str], place: Place) -> Iterator[Finding]:
    """Every code has its level, and there are no others; an open vocabulary has no codes to be judged by."""
    if not codes:
        return
    for level in levels:
        if level not in codes:
            yield Finding((*place, level), f"no code '{level}'{nearest(level, codes)}", f"the codes are {', '.join(codes)}")
    if (left := [code for code in due if code not in levels]) != []:
        yield Finding(place, f"incomplete: nothing for {', '.join(left)}", "add the missing level" + "s" * (len(left) > 1))
