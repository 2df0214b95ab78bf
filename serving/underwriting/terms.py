"""What a policy covers and for how long, and what the model says of the insured: what a premium needs beside facts."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from features.errors import BadInput

if TYPE_CHECKING:
    from serving.underwriting.rulebook import Rulebook

MOST_YEARS = 10
LATEST = date(2200, 12, 31)  # no policy speaks of a later day
AMOUNTS = ("limit_per_person", "limit_per_accident", "limit_aggregate", "deductible", "expiring_premium")


@dataclass(frozen=True)
class Terms:
    """The terms of one policy. Amounts in `currency`.

    starts, ends: first and last day of cover.  limit_per_person, limit_per_accident, limit_aggregate (of the year): None means
    without that limit.  deductible: of every accident; None means none.  headcount: the persons covered, where stated.
    expiring_premium: what the policy that ends was charged a year; None for a new one.
    """

    starts: date
    ends: date
    currency: str
    limit_per_person: Decimal | None = None
    limit_per_accident: Decimal | None = None
    limit_aggregate: Decimal | None = None
    deductible: Decimal | None = None
    headcount: int | None = None
    expiring_premium: Decimal | None = None

    def __post_init__(self) -> None:
        """Raises BadInput where days or amounts cannot be."""
        _dated(self.starts)
        _dated(self.ends)
        if self.ends < self.starts:
            raise BadInput(f"it ends on {self.ends}, before it starts on {self.starts}", where="terms", mend="correct the days")
        if self.ends > anniversary(self.starts, MOST_YEARS):
            raise BadInput(f"it runs more than {MOST_YEARS} years", where="terms", mend="correct the days")
        for name in ("limit_per_person", "limit_per_accident", "limit_aggregate", "expiring_premium"):
            amount = getattr(self, name)
            if amount is not None and not (amount.is_finite() and amount > 0):
                raise BadInput(f"{name} is {amount}", where="terms", mend="state an amount above 0, or leave it out")
        if self.deductible is not None and not (self.deductible.is_finite() and self.deductible >= 0):
            raise BadInput(f"deductible is {self.deductible}", where="terms", mend="state an amount of at least 0")
        if self.headcount is not None and self.headcount < 1:
            raise BadInput(f"headcount is {self.headcount}", where="terms", mend="state the persons covered")

    @property
    def days(self) -> int:
        """Days of cover, the first and the last included."""
        return (self.ends - self.starts).days + 1

    def years(self, rule: str) -> Decimal:
        """Years of cover: whole years as they are, what is over as days / 365 or, by the rule "actual", / days of that year."""
        after, whole = self.ends + timedelta(days=1), 0
        while anniversary(self.starts, whole + 1) <= after:
            whole += 1
        since = anniversary(self.starts, whole)
        over = (after - since).days
        year = (anniversary(self.starts, whole + 1) - since).days if rule == "actual" else 365
        # 365 days from the first of a leap year are a whole year by the rule of 365, and never more.
        return Decimal(whole) + min(Decimal(over) / Decimal(year), Decimal(1))


def anniversary(day: date, years: int) -> date:
    """The day some years later; of 29 February the first of March where there is none."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)


def year_from(starts: date) -> date:
    """The last day of a year of cover that starts on a day. Raises BadInput on a day that no policy speaks of."""
    _dated(starts)
    return anniversary(starts, 1) - timedelta(days=1)


def _dated(day: date) -> None:
    if day > LATEST:
        raise BadInput(f"a policy of {day}", where="terms", mend=f"name days until {LATEST}")


def sensible(terms: Terms, headcount: Decimal | None) -> Terms:
    """The same terms. Raises BadInput where they are asked for and no policy would have them: the deductible leaves nothing of
    a limit to be paid, or other persons are covered than there are."""
    for name in ("limit_per_accident", "limit_aggregate"):
        limit = getattr(terms, name)
        if terms.deductible and limit is not None and terms.deductible >= limit:
            what = f"a deductible of {terms.deductible:f} leaves nothing of {name} {limit:f}"
            raise BadInput(what, where="terms", mend="lower the deductible or raise the limit")
    if terms.headcount is not None and headcount is not None and terms.headcount > headcount:
        what = f"{terms.headcount} persons are covered, and the premium goes by {headcount:f}"
        raise BadInput(what, where="terms", mend="state the headcount that is covered among the facts, or correct the terms")
    return terms


def allowed(terms: Terms, rulebook: "Rulebook", headcount: Decimal | None = None) -> None:
    """Raises BadInput where a rulebook does not allow the terms.

    That is a limit per person below the least that the law asks, a limit or deductible that it does not know, another currency,
    fewer persons than there are, or a start when it is not in force.
    """
    cover = rulebook.cover
    if terms.currency != rulebook.currency:
        what = f"the terms are in {terms.currency}, rulebook {rulebook.id} is in {rulebook.currency}"
        raise BadInput(
            what, where="terms", mend=f"state amounts in {rulebook.currency}, or name a rulebook in {terms.currency}"
        )
    rulebook.in_force(terms.starts)
    if terms.limit_per_person is not None and terms.limit_per_person < cover.least_limit_per_person:
        what = f"limit_per_person {terms.limit_per_person:f} is below the least, {cover.least_limit_per_person:f}"
        citation = rulebook.clause(cover.clause).citation
        raise BadInput(what, where="terms", mend=f"raise it: {citation}")
    for name, key in (("limit_per_accident", "per_accident"), ("limit_aggregate", "aggregate"), ("deductible", "deductible")):
        if getattr(terms, name) and key not in cover.terms:
            known = ", ".join(("per_person", *cover.terms))
            raise BadInput(f"rulebook {rulebook.id} allows no {name}", where="terms", mend=f"leave it out (it knows {known})")
    if terms.headcount is not None and headcount is not None and terms.headcount < headcount:
        what = f"{terms.headcount} persons are covered of {headcount:f}"
        raise BadInput(what, where="terms", mend="cover all staff at one sum")


@dataclass(frozen=True)
class RelativityFacts:
    """How far the model's relativity counts beside a rulebook's factors, as fitted.

    level: insured loss per unit of the rulebook's amount in the book that it was fitted on.  weight: the credibility Z in 0..1,
    with its interval.  fitted_on: which rows, in words.
    """

    rulebook_digest: str
    bundle_id: str
    level: Decimal
    weight: Decimal
    weight_low: Decimal
    weight_high: Decimal
    fitted_on: str


@dataclass(frozen=True)
class ModelSays:
    """What the price score says of one enterprise, as decimals (numbers.of_model).

    expected, low, high: accidents of 365 days and their range.  insured_loss, insured_low, insured_high: what the insurer is
    expected to pay in a year under the terms, in the currency of the terms, and its range.  notes: what the score warns of.
    """

    expected: Decimal
    low: Decimal
    high: Decimal
    insured_loss: Decimal
    insured_low: Decimal
    insured_high: Decimal
    bundle_id: str
    score_id: str | None = None
    relativity: RelativityFacts | None = None
    notes: tuple[str, ...] = ()
