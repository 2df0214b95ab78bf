"""While a policy runs and when it ends: adjustments by the rulebook's rule, the ledger of prevention services, the rebate.

Pure arithmetic: what was charged, received and used comes in, amounts with their clauses come out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, ROUND_DOWN, Decimal
from typing import Literal

from features.errors import BadInput, Conflict
from serving.underwriting.factors import KnownFacts, band_of, case_of, code_of
from serving.underwriting.numbers import CENT, MONEY, plain
from serving.underwriting.premium import rounded
from serving.underwriting.rulebook import Rulebook
from serving.underwriting.rulebook_charging import GRADES, Grade, Visits

ONE, NONE = Decimal(1), Decimal(0)


@dataclass(frozen=True)
class Running:
    """A policy as it was charged. starts, ends: first and last day of cover."""

    premium: Decimal
    starts: date
    ends: date


@dataclass(frozen=True)
class Overdue:
    """How many hazards are overdue for rectification from a day on; none means that they have been rectified."""

    day: date
    hazards: int


@dataclass(frozen=True)
class Accident:
    """An accident of a grade on a day."""

    day: date
    grade: Grade


Event = Overdue | Accident


@dataclass(frozen=True)
class Adjustment:
    """What an event changes for the days that are left, that of the event included.

    factor_before, factor: what the premium of those days is multiplied by, before and from then on.  level: the band of overdue
    hazards, or the grade.  amount: to be paid more, or returned if below zero; premium: the whole premium after it.
    """

    day: date
    kind: Literal["overdue", "accident"]
    level: str
    factor_before: Decimal
    factor: Decimal
    capped: bool
    days_left: int
    days: int
    amount: Decimal
    premium: Decimal
    clause: str
    citation: str


def adjust(rulebook: Rulebook, running: Running, events: Sequence[Event]) -> tuple[Adjustment, ...]:
    """The adjustments of all events of a policy's term, in the order in which they happened.

    Of overdue hazards the latest number counts; accidents multiply; the product of both stays at the rulebook's cap. Each day
    is charged at the factor that held on it: what comes later never changes what was charged before.
    Raises BadInput where the rulebook states no such adjustment, an event lies outside the term or before an earlier one.
    """
    found: list[Adjustment] = []
    overdue, accidents, premium = ONE, ONE, running.premium
    before, since = ONE, running.starts
    for event in events:
        _in_term(running, event.day, since)
        since = event.day
        level, value = _rule(rulebook, event)
        if isinstance(event, Overdue):
            overdue = value
        else:
            accidents = MONEY.multiply(accidents, value)
        term = rulebook.term
        assert term is not None
        whole = MONEY.multiply(overdue, accidents)
        factor = min(whole, term.cap)
        days, left = (running.ends - running.starts).days + 1, (running.ends - event.day).days + 1
        share = MONEY.divide(Decimal(left), Decimal(days))
        amount = rounded(rulebook, MONEY.multiply(MONEY.multiply(running.premium, share), factor - before))
        premium += amount
        kind: Literal["overdue", "accident"] = "overdue" if isinstance(event, Overdue) else "accident"
        citation = rulebook.clause(term.clause).citation
        line = (event.day, kind, level, before, factor, whole > term.cap, left, days, amount, premium, term.clause, citation)
        found.append(Adjustment(*line))
        before = factor
    return tuple(found)


def _in_term(running: Running, day: date, since: date) -> None:
    if not running.starts <= day <= running.ends:
        what = f"{day} lies outside the term, {running.starts} to {running.ends}"
        raise BadInput(what, where="adjustment", mend="name a day of the term")
    if day < since:
        raise BadInput(f"{day} comes before an event of {since}", where="adjustment", mend="give the events in order")


def _rule(rulebook: Rulebook, event: Event) -> tuple[str, Decimal]:
    """Level and factor of an event."""
    where, term = f"rulebook {rulebook.id}", rulebook.term
    if isinstance(event, Overdue):
        if term is None or not term.overdue:
            raise BadInput("it states no adjustment for overdue hazards", where=where, mend="use a rulebook that does")
        if event.hazards < 0:
            raise BadInput(f"{event.hazards} hazards", where="adjustment", mend="state how many are overdue, 0 for none")
        band = band_of(term.overdue, Decimal(event.hazards))
        if band is None:
            raise BadInput(f"{event.hazards} overdue hazards are outside its bands", where=where, mend="correct the rulebook")
        return band.level, band.value
    if term is None or not term.accidents:
        raise BadInput("it states no adjustment for accidents", where=where, mend="use a rulebook that does")
    if event.grade not in term.accidents:
        raise BadInput(f"no grade '{event.grade}'", where="adjustment", mend=f"the grades are {', '.join(GRADES)}")
    return event.grade, term.accidents[event.grade]


@dataclass(frozen=True)
class Entry:
    """A line of a policy's ledger: premium received (below zero: returned), or what a prevention service cost."""

    kind: Literal["received", "used"]
    day: date
    amount: Decimal


@dataclass(frozen=True)
class Balance:
    """Where a ledger stands.

    received: premium.  most, least: what of it may and must go into prevention (cap rounded down to the cent, floor up).
    accrued: set aside so far, the floor or, where more was used, that.  used: spent on services.  remaining: what may still be
    spent; due: what must still be.  over: spent beyond what may be, as after a premium was returned.
    """

    received: Decimal
    accrued: Decimal
    used: Decimal
    remaining: Decimal
    due: Decimal
    over: Decimal
    least: Decimal
    most: Decimal
    clause: str
    citation: str


def balance(rulebook: Rulebook, entries: Iterable[Entry]) -> Balance:
    """A ledger's balance; the order of its lines changes nothing. Raises BadInput where more was returned than received."""
    received = used = NONE
    for entry in entries:
        if entry.kind == "received":
            received += entry.amount
        else:
            used += entry.amount
    if received < 0:
        raise BadInput("more premium returned than received", where="ledger", mend="correct the amounts")
    rule = rulebook.prevention
    least = MONEY.multiply(received, rule.floor).quantize(CENT, ROUND_CEILING)
    # A floor rounded up to the cent must not pass a cap rounded down where the two are the same share.
    most = max(MONEY.multiply(received, rule.cap).quantize(CENT, ROUND_DOWN), NONE)
    least = min(least, most)
    left = most - used
    accrued = min(max(least, used), most)
    parts = (received, accrued, used, max(left, NONE), max(least - used, NONE), max(-left, NONE), least, most)
    return Balance(*parts, rule.clause, rulebook.clause(rule.clause).citation)


def spend(rulebook: Rulebook, entries: Sequence[Entry], use: Entry) -> Balance:
    """The balance after a service is paid. Raises BadInput on an amount that is none, Conflict where it would pass the cap."""
    if use.kind != "used" or not use.amount.is_finite() or use.amount <= 0 or use.amount != use.amount.quantize(CENT):
        raise BadInput(f"a use of {use.amount}", where="ledger", mend="state an amount above 0, in whole cents")
    now = balance(rulebook, entries)
    if use.amount > now.remaining:
        what = (
            f"{plain(use.amount)} would pass the cap: {plain(now.remaining)} of {plain(now.most)} are left"
            f" ({plain(rulebook.prevention.cap * 100)} % of {plain(now.received)} received)"
        )
        raise Conflict(what, where="ledger", mend=f"use less: {now.citation}")
    return balance(rulebook, [*entries, use])


def visits_due(rulebook: Rulebook, industry: str | None) -> Decimal:
    """Visits a year that are due in an industry: of the rulebook alone, so that no discount lowers them (`visits_rule`)."""
    return visits_rule(rulebook, industry).visits


def visits_rule(rulebook: Rulebook, industry: str | None) -> Visits:
    """The rule of the visits that are due in an industry, with its clause.

    Of an industry that is not known, or that the rulebook does not name, the number for all others; without one the highest.
    """
    rows = rulebook.prevention.minimum_visits
    for row in rows:
        if industry is not None and industry in row.industries:
            return row
    rest = [row for row in rows if not row.industries]
    return rest[0] if rest else max(rows, key=lambda row: row.visits)


@dataclass(frozen=True)
class Rebate:
    """What is returned at the end. share: of the premium; missing: facts that were not known, so that nothing is returned."""

    amount: Decimal
    share: Decimal
    level: str
    missing: tuple[str, ...]
    evidence: str
    clause: str
    citation: str


def rebate(rulebook: Rulebook, premium: Decimal, facts: KnownFacts) -> Rebate:
    """The rebate on the premium received, by the facts at the end of the term; rounded down to the cent.

    Raises BadInput where the rulebook states none.
    """
    rule = rulebook.rebate
    if rule is None:
        raise BadInput("it states no rebate", where=f"rulebook {rulebook.id}", mend="use a rulebook that does")
    if premium < 0:
        raise BadInput(f"a premium of {premium}", where="rebate", mend="state the premium received")
    used = tuple(dict.fromkeys(one.fact for case in rule.cases for one in case.when))
    missing = tuple(name for name in used if facts.value(name) is None)
    known = [(name, facts.get(name)) for name in used]
    evidence = "; ".join(f"{name} = {code_of(one.value)} ({one.evidence})" for name, one in known if one is not None)
    case = None if missing else case_of(rule.cases, facts)
    share, level = (NONE, "not known") if case is None else (case.value, case.name)
    amount = MONEY.multiply(premium, share).quantize(CENT, ROUND_DOWN)
    return Rebate(amount, share, level, missing, evidence, rule.clause, rulebook.clause(rule.clause).citation)
