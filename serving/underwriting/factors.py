"""What a rulebook's base and factors come to for one enterprise's facts: value, level and evidence of each.

A value is a decimal as the rulebook states it; a rule's result is rounded to six places, half up.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Protocol

from features.errors import BadInput
from serving.underwriting.numbers import MONEY
from serving.underwriting.rulebook_parts import Band, Base, Case, Credibility, Factor, Linear, Ncci

if TYPE_CHECKING:
    from serving.underwriting.rulebook import Rulebook

SIX_PLACES = Decimal("0.000001")
ONE = Decimal(1)
NEUTRAL, REFUSE = "neutral", "refuse"


class KnownFact(Protocol):
    """A fact: its value and the rows or lines behind it."""

    @property
    def value(self) -> object: ...

    @property
    def evidence(self) -> str: ...


class KnownFacts(Protocol):
    """The facts of an enterprise (serving.underwriting.facts.Facts): None is not known."""

    def value(self, name: str, /) -> object: ...

    def get(self, name: str, /) -> KnownFact | None: ...


@dataclass(frozen=True)
class Applied:
    """What an element of a rulebook came to.

    value: the factor, or the base's amount a year.  level: the level taken ("2", "50 to below 100", "accident last year").
    facts: the facts that it looked at.  evidence: the rows or lines behind them.  missing: whether a fact was not known, so
    that the rulebook's rule for that was taken.
    """

    name: str
    value: Decimal
    level: str
    clause: str
    evidence: str
    missing: bool
    facts: tuple[str, ...] = ()


def base_of(rulebook: "Rulebook", facts: KnownFacts) -> Applied:
    """The amount a year before any factor. Raises BadInput where its facts are not known or outside its rates."""
    base, where = rulebook.base, f"rulebook {rulebook.id}, base"
    used = tuple(dict.fromkeys(name for name in (base.fact, base.by) if name is not None))
    for name in used:
        if facts.value(name) is None:
            raise BadInput(f"the fact '{name}' is not known", where=where, mend=f"record or state {name}")
    quantity = ONE if base.fact is None else _number(facts, base.fact, where)
    if base.tiers_apply == "slice":
        amount, level = _sliced(base, quantity), "by slice"
    else:
        rate, level = _rate(base, facts, quantity, where)
        amount = MONEY.multiply(quantity, rate)
    return Applied("base", MONEY.divide(amount, base.per), level, base.clause, _evidence(facts, used), False, used)


def _rate(base: Base, facts: KnownFacts, quantity: Decimal, where: str) -> tuple[Decimal, str]:
    """The rate of the whole quantity, and the level that it is of."""
    if base.rate is not None:
        return base.rate, "one rate"
    if base.rates:
        code = code_of(facts.value(str(base.by)))
        if code not in base.rates:
            raise outside(str(base.by), code, where, base.rates)
        return base.rates[code], code
    number = quantity if base.by is None else _number(facts, base.by, where)
    band = band_of(base.tiers, number)
    if band is None:
        raise outside(base.by or str(base.fact), f"{number:f}", where, (one.level for one in base.tiers))
    return band.value, band.level


def _sliced(base: Base, quantity: Decimal) -> Decimal:
    """Each slice of the quantity at its own tier's rate."""
    total = Decimal(0)
    for tier in base.tiers:
        low = tier.start or Decimal(0)
        high = quantity if tier.end is None else min(quantity, tier.end)
        total = MONEY.add(total, MONEY.multiply(max(high - low, Decimal(0)), tier.value))
    return total


def apply(factor: Factor, facts: KnownFacts) -> Applied:
    """A factor's value for the facts. Raises BadInput where a value is outside its table, or a fact it needs is not known."""
    used = facts_of(factor)
    where = f"factor '{factor.name}'"
    unknown = [name for name in used if facts.value(name) is None]
    if unknown:
        value, level = _without(factor, unknown[0], where)
    elif factor.kind == "table":
        value, level = _looked_up(factor, facts, where)
    elif factor.kind == "bands":
        name = str(factor.fact)
        band = band_of(factor.bands, number := _number(facts, name, where))
        if band is None:
            raise outside(name, f"{number:f}", where, (one.level for one in factor.bands))
        value, level = band.value, band.level
    else:
        value, level = _ruled(factor, facts, where)
    return Applied(factor.name, value, level, factor.clause, _evidence(facts, used), bool(unknown), used)


def facts_of(factor: Factor) -> tuple[str, ...]:
    """The names of the facts that a factor looks at."""
    rule = factor.rule
    if rule is None or isinstance(rule, Linear):
        return (str(factor.fact),)
    if isinstance(rule, Credibility):
        return (rule.actual, rule.expected.fact)
    if isinstance(rule, Ncci):
        return (rule.actual_primary, rule.actual_excess, rule.expected.fact)
    return tuple(dict.fromkeys(one.fact for case in rule.cases for one in case.when))


def band_of(bands: tuple[Band, ...], number: Decimal) -> Band | None:
    """The band that a number lies in."""
    return next((band for band in bands if band.holds(number)), None)


def case_of(cases: tuple[Case, ...], facts: KnownFacts) -> Case | None:
    """The first case of which all conditions hold; all facts are known."""
    return next((case for case in cases if all(one.met(facts.value(one.fact)) for one in case.when)), None)


def code_of(value: object) -> str:
    """A fact's value as a table's code: flags are "true" and "false"."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def outside(name: str, value: str, where: str, known: object) -> BadInput:
    """The error of a fact's value that a table has no level for."""
    levels = ", ".join(known) if not isinstance(known, str) else known  # type: ignore[arg-type]
    return BadInput(f"{name} '{value}' is outside its table", where=where, mend=f"it has {levels}")


def _without(factor: Factor, name: str, where: str) -> tuple[Decimal, str]:
    """The rulebook's rule for a fact that is not known."""
    if factor.missing == REFUSE:
        raise BadInput(f"the fact '{name}' is not known", where=where, mend=f"record or state {name}")
    return (ONE if factor.missing == NEUTRAL else levels_of(factor)[factor.missing]), factor.missing


def levels_of(factor: Factor) -> dict[str, Decimal]:
    """The values of a factor by its levels; of a formula it has none."""
    if factor.kind == "table":
        return dict(factor.levels)
    if factor.kind == "bands":
        return {band.level: band.value for band in factor.bands}
    return {case.name: case.value for case in getattr(factor.rule, "cases", ())}


def _looked_up(factor: Factor, facts: KnownFacts, where: str) -> tuple[Decimal, str]:
    name = str(factor.fact)
    code = code_of(facts.value(name))
    if code not in factor.levels:
        raise outside(name, code, where, factor.levels)
    return factor.levels[code], code


def _ruled(factor: Factor, facts: KnownFacts, where: str) -> tuple[Decimal, str]:
    """The value of a rule: the first case that holds, or a formula's result within its floor and cap."""
    rule = factor.rule
    assert rule is not None
    if isinstance(rule, Linear):
        beyond = max(_number(facts, str(factor.fact), where) - rule.beyond, Decimal(0))
        found = rule.base + MONEY.multiply(rule.each, beyond)
    elif isinstance(rule, Credibility):
        found = _credible(rule, facts, where)
    elif isinstance(rule, Ncci):
        found = _modification(rule, facts, where)
    else:
        case = case_of(rule.cases, facts)
        if case is None:
            raise BadInput("none of its cases holds", where=where, mend="add a last case without conditions to the rulebook")
        return case.value, case.name
    # Held near its bounds first: what lies far beyond them has more digits than can be rounded.
    found = min(max(found, rule.floor - 1), rule.cap + 1).quantize(SIX_PLACES, ROUND_HALF_UP)
    level = "floor" if found < rule.floor else "cap" if found > rule.cap else rule.formula
    return min(max(found, rule.floor), rule.cap), level


def _credible(rule: Credibility, facts: KnownFacts, where: str) -> Decimal:
    """Z x actual / expected + 1 - Z, with Z = expected / (expected + k): (actual + k) / (expected + k)."""
    expected = _expected(rule, facts, where)
    return MONEY.divide(_number(facts, rule.actual, where) + rule.k, expected + rule.k)


def _modification(rule: Ncci, facts: KnownFacts, where: str) -> Decimal:
    expected = _expected(rule, facts, where)
    primary = MONEY.multiply(expected, rule.primary)
    excess = expected - primary
    weight, ballast = _by_size(rule.weight, expected, where), _by_size(rule.ballast, expected, where)
    same = MONEY.multiply(excess, ONE - weight) + ballast
    actual = _number(facts, rule.actual_primary, where) + MONEY.multiply(weight, _number(facts, rule.actual_excess, where))
    below = primary + same + MONEY.multiply(weight, excess)
    return ONE if below == 0 else MONEY.divide(actual + same, below)


def _by_size(value: Decimal | tuple[Band, ...], expected: Decimal, where: str) -> Decimal:
    """A number, or that of the band of expected losses."""
    if isinstance(value, Decimal):
        return value
    band = band_of(value, expected)
    if band is None:
        raise outside("expected losses", f"{expected:f}", where, (one.level for one in value))
    return band.value


def _expected(rule: Credibility | Ncci, facts: KnownFacts, where: str) -> Decimal:
    quantity = _number(facts, rule.expected.fact, where)
    return MONEY.multiply(MONEY.multiply(quantity, rule.expected.rate), rule.expected.years)


def _number(facts: KnownFacts, name: str, where: str) -> Decimal:
    value = facts.value(name)
    if isinstance(value, bool) or not isinstance(value, Decimal):
        raise BadInput(f"the fact '{name}' is no number: '{value}'", where=where, mend="state a number")
    return value


def _evidence(facts: KnownFacts, names: tuple[str, ...]) -> str:
    """What stands behind the facts, those that are not known said to be so."""

    def of(fact: KnownFact | None, name: str) -> str:
        return f"{name} not known" if fact is None else f"{name} = {code_of(fact.value)} ({fact.evidence})"

    return "; ".join(of(facts.get(name), name) for name in names)
