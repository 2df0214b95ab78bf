"""A tariff fitted to losses as a rulebook: tables of numbers -> TOML that `forewarn rulebook check` accepts -> premiums.

Every rate and relativity cites the fit itself: which data, which years, how. What no fit can tell (loading, minimum, rounding,
how far the model may move a premium) is cited as assumed, so that the rulebook is marked illustrative.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from serving.underwriting.facts import Fact, Facts
from serving.underwriting.fitted_tables import FittedTariff, decimal, tariff_of
from serving.underwriting.fitted_text import text_of
from serving.underwriting.numbers import of_model
from serving.underwriting.premium import Charge, charge
from serving.underwriting.rulebook import Rulebook, parse
from serving.underwriting.terms import ModelSays, RelativityFacts, Terms, year_from


def rulebook_of(tariff: FittedTariff) -> Rulebook:
    """The rulebook, checked as any other is. Raises BadInput at its first fault."""
    return parse(text_of(tariff), f"fitted rulebook {tariff.id}")


@dataclass(frozen=True)
class Weighed:
    """The model beside a fitted rulebook: level and weight of its relativity, and where they come from."""

    bundle_id: str
    level: float
    weight: float
    low: float
    high: float
    fitted_on: str

    def of(self, rulebook: Rulebook) -> RelativityFacts:
        """As `charge` wants it."""
        level, weight, low, high = (of_model(one) for one in (self.level, self.weight, self.low, self.high))
        return RelativityFacts(rulebook.digest, self.bundle_id, level, weight, low, high, self.fitted_on)


@dataclass(frozen=True)
class Insured:
    """One policy to be rated over a calendar year.

    facts: as they are stated (None or NaN: not known); expected, loss: accidents and insured loss of the year by the model.
    """

    key: str
    year: int
    facts: Mapping[str, float | str | bool | None]
    expected: float
    loss: float

    @property
    def starts(self) -> date:
        return date(self.year, 1, 1)


@dataclass(frozen=True)
class Booked:
    """A book rated policy by policy: the rulebook's text and digest, premiums with the model and without it [n]."""

    text: str
    digest: str
    premiums: tuple[Decimal, ...]
    without: tuple[Decimal, ...]


def book(document: Mapping[str, Any], policies: Iterable[Mapping[str, Any]], weighed: Mapping[str, Any]) -> Booked:
    """Fitted tables, policies and the model's weight, all as plain values -> the rulebook and what it charges each policy.

    Raises BadInput where the tables make no rulebook, or as `charge` does.
    """
    rulebook = rulebook_of(tariff_of(document))
    fitted = Weighed(**weighed).of(rulebook)
    pairs = [rate(rulebook, Insured(**policy), fitted) for policy in policies]
    return Booked(
        rulebook.source, rulebook.digest, tuple(two.premium for _, two in pairs), tuple(one.premium for one, _ in pairs)
    )


def rate(rulebook: Rulebook, policy: Insured, fitted: RelativityFacts) -> tuple[Charge, Charge]:
    """What `charge` makes of a policy: without the model, and with it. Raises BadInput as `charge` does."""
    known = {name: Fact(name, _stated(value), f"policy {policy.key}") for name, value in policy.facts.items() if _known(value)}
    facts = Facts(policy.starts, rulebook.currency, known)
    terms = Terms(policy.starts, year_from(policy.starts), rulebook.currency)
    number, loss = of_model(policy.expected), of_model(policy.loss)
    says = ModelSays(number, number, number, loss, loss, loss, fitted.bundle_id, relativity=fitted)
    return charge(rulebook, facts, terms, None), charge(rulebook, facts, terms, says, ends=False)


def _known(value: object) -> bool:
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def _stated(value: float | str | bool | None) -> Decimal | str | bool:
    if value is None or isinstance(value, bool | str):
        return value or False
    stated = decimal(float(value))
    assert isinstance(stated, Decimal)
    return stated
