"""From a rulebook, facts, terms and what the model says to a premium, each step with its clause and evidence.

The amount goes through the stages in the rulebook's order. After the model it is R^(1-Z) (P / level)^Z between floor x R and
cap x R (see `stages`), a median of three, so it never falls as R or P rises: what improves a fact that both see never raises
the premium. No step before the last is rounded.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from features.errors import BadInput
from serving.underwriting.factors import Applied, apply, base_of
from serving.underwriting.facts import Fact, Facts
from serving.underwriting.numbers import CENT, MONEY
from serving.underwriting.rulebook import Rulebook
from serving.underwriting.rulebook_parts import Factor
from serving.underwriting.stages import STAGES, Run, Step, rounded
from serving.underwriting.terms import AMOUNTS, ModelSays, Terms, allowed

MOST = Decimal(10) ** 14
_SIX_PLACES = Decimal("0.000001")
_TO_MODEL = ("base", "factors", "incentives", "product", "loading")
__all__ = ["Charge", "Step", "charge", "reference", "rounded"]


@dataclass(frozen=True)
class Charge:
    """A premium and how it came about. Amounts in the rulebook's currency, ratios at six places.

    premium: for the period of cover, rounded.  annual: the amount before pro rata, rounded.  reference: the amount a year
    before the model.  relativity: the model's.  insured_loss, technical: insured loss of the period, and the premium at which
    it is the target loss ratio.  expected_loss_ratio: insured_loss / premium.  premium_low, premium_high: the premium at the
    low and the high end of the insured loss.  What needs a score is None without one.
    """

    steps: tuple[Step, ...]
    premium: Decimal
    annual: Decimal
    reference: Decimal
    relativity: Decimal
    years: Decimal
    insured_loss: Decimal | None
    technical: Decimal | None
    expected_loss_ratio: Decimal | None
    premium_low: Decimal
    premium_high: Decimal


def charge(rulebook: Rulebook, facts: Facts, terms: Terms, says: ModelSays | None, *, ends: bool = True) -> Charge:
    """The premium of a policy. ends: whether to work out the premium at both ends of the range too.

    Raises BadInput where the rulebook is not in force when the policy starts, is for other industries or another currency, does
    not allow the terms, or a fact is missing that it needs or outside its tables.
    """
    _fits(rulebook, facts, terms)
    parts = _parts(rulebook, with_terms(rulebook, facts, terms))
    run = _pass(Run(rulebook, terms, says, None if says is None else says.insured_loss), parts)
    premium = low = high = run.amount
    if ends and says is not None and rulebook.model is not None:
        others = (says.insured_low, says.insured_high)
        found = [_pass(Run(rulebook, terms, says, loss), parts).amount for loss in others]
        low, high = min(*found, premium), max(*found, premium)
    loss = technical = ratio = None
    if says is not None:
        carried = MONEY.multiply(says.insured_loss, run.years)
        loss = MONEY.quantize(carried, CENT)
        asked = MONEY.divide(carried, rulebook.loading.target_loss_ratio)
        if asked >= MOST:
            raise BadInput(f"the insured loss is {carried:.3E}", where="model", mend="correct the facts that tell the size")
        technical = rounded(rulebook, asked)
        ratio = MONEY.quantize(MONEY.divide(carried, premium), _SIX_PLACES) if premium else None
    annual = rounded(rulebook, run.amount if run.annual is None else run.annual)
    return Charge(
        tuple(run.steps), premium, annual, run.reference, run.relativity, run.years, loss, technical, ratio, low, high
    )


def reference(rulebook: Rulebook, facts: Facts) -> Decimal:
    """The amount a year before the model: what the model's relativity is measured against. Raises BadInput as `charge` does."""
    order = rulebook.premium.order
    until = order.index("model") if "model" in order else order.index("factors") + 1 if "factors" in order else 1
    stages = [stage for stage in order[:until] if stage in _TO_MODEL]
    return _pass(Run(rulebook, None, None, None), _parts(rulebook, facts), stages).amount


def with_terms(rulebook: Rulebook, facts: Facts, terms: Terms) -> Facts:
    """The facts with those of the terms that the rulebook declares as facts of its own: a factor may go by a limit."""
    asked = [(one.name, getattr(terms, one.name)) for one in rulebook.facts if one.name in AMOUNTS]
    told = {name: Fact(name, amount, "terms") for name, amount in asked if amount is not None}
    return replace(facts, known={**facts.known, **told}) if told else facts


def _fits(rulebook: Rulebook, facts: Facts, terms: Terms) -> None:
    if facts.currency != rulebook.currency:
        what = f"they are in {facts.currency}, rulebook {rulebook.id} is in {rulebook.currency}"
        raise BadInput(what, where="facts", mend=f"name a rulebook in {facts.currency}")
    headcount, industry = facts.value("headcount"), facts.value("industry")
    allowed(terms, rulebook, headcount if isinstance(headcount, Decimal) else None)
    if not rulebook.serves(industry if isinstance(industry, str) else None):
        known = ", ".join(rulebook.industries)
        raise BadInput(f"rulebook {rulebook.id} is not for industry {industry}", where="industry", mend=f"it is for {known}")


_Parts = tuple[Applied, tuple[tuple[Factor, Applied], ...], tuple[tuple[Factor, Applied], ...]]


def _parts(rulebook: Rulebook, facts: Facts) -> _Parts:
    """Base, factors and incentives of the facts; only those whose stage the rulebook has."""

    def of(stage: str, factors: Iterable[Factor]) -> tuple[tuple[Factor, Applied], ...]:
        return tuple((one, apply(one, facts)) for one in factors) if stage in rulebook.premium.order else ()

    return base_of(rulebook, facts), of("factors", rulebook.factors), of("incentives", rulebook.incentives)


def _pass(run: Run, parts: _Parts, stages: Iterable[str] | None = None) -> Run:
    """Through the stages in the rulebook's order."""
    (base, factors, incentives), rulebook = parts, run.rulebook
    for stage in rulebook.premium.order if stages is None else stages:
        if stage == "base":
            run.applied(stage, (rulebook.base.words_en, rulebook.base.words_zh), "=", base, base.value)
            run.base = base.value
        elif stage in ("factors", "incentives"):
            for factor, one in factors if stage == "factors" else incentives:
                after = MONEY.multiply(run.amount, one.value)
                run.applied(stage, (factor.words_en, factor.words_zh), "x", one, after)
            if stage == "factors":
                run.reference = run.amount
        else:
            STAGES[stage](run)
        if run.amount >= MOST:
            raise BadInput(
                f"the amount is {run.amount:.3E}", where=f"stage {stage}", mend="correct the facts that the base multiplies"
            )
    return run
