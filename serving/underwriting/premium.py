"""From a rulebook, facts, terms and what the model says to a premium, each step with its clause and evidence.

The amount goes through the stages in the rulebook's order. The model's relativity is (P / (level x R)) ** Z within the
rulebook's floor and cap: P the insured loss of a year, R the amount a year before the model, level the loss per unit of it,
Z the weight. The amount after it is R^(1-Z) (P / level)^Z between floor x R and cap x R, a median of three, so it never
falls as R or P rises: what improves a fact that both see never raises the premium. No step before the last is rounded.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_UP, Decimal
from typing import TYPE_CHECKING

from features.errors import BadInput, Conflict
from serving.underwriting.factors import Applied, apply, base_of
from serving.underwriting.numbers import CENT, MONEY, plain
from serving.underwriting.rulebook import Rulebook
from serving.underwriting.rulebook_parts import Factor
from serving.underwriting.terms import ModelSays, RelativityFacts, Terms, allowed
from serving.underwriting.words import STEPS

if TYPE_CHECKING:
    from serving.underwriting.facts import Facts

ONE = Decimal(1)
MOST = Decimal(10) ** 14
_MODES = {"half_up": ROUND_HALF_UP, "half_even": ROUND_HALF_EVEN, "up": ROUND_UP, "down": ROUND_DOWN}
# Digits that 28-digit arithmetic may leave past any exact amount; they must not decide a rounding.
_NOISE = Decimal("1e-12")
_SIX_PLACES = Decimal("0.000001")
_TO_MODEL = ("base", "factors", "incentives", "product", "loading")


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the calculation: `before`, what is done with `value`, `after`.

    operation: "=" the amount begins; "x", "/"; "floor", "cap" bring it to `value`; "none" looked and left it; "round" to a
    multiple of `value`.  clause, citation: the rulebook's clause.  fact: the facts looked at, comma-separated.  level: the
    level of the table taken.  missing: a fact was not known, so that the rulebook's rule for that was taken.
    """

    stage: str
    name: str
    words_en: str
    words_zh: str
    operation: str
    value: Decimal
    before: Decimal
    after: Decimal
    clause: str
    citation: str
    evidence: str = ""
    fact: str = ""
    level: str = ""
    missing: bool = False


@dataclass(frozen=True)
class Charge:
    """A premium and how it came about. Amounts in the rulebook's currency, ratios at six places.

    premium: for the period of cover, rounded.  annual: a year's amount before pro rata, rounded.  reference: the amount a year
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


@dataclass
class _Run:
    """One pass through the stages: the amount so far, the base, and the steps taken."""

    rulebook: Rulebook
    terms: Terms | None
    says: ModelSays | None
    loss: Decimal | None
    amount: Decimal = Decimal(0)
    base: Decimal = Decimal(0)
    reference: Decimal = Decimal(0)
    relativity: Decimal = ONE
    annual: Decimal | None = None
    years: Decimal = ONE
    steps: list[Step] = field(default_factory=list)

    def took(self, stage: str, operation: str, value: Decimal, after: Decimal, clause: str, evidence: str = "") -> None:
        """Goes on to an amount by a step of the rulebook's own."""
        words, citation = STEPS[stage], self.rulebook.clauses[clause].citation
        self.steps.append(
            Step(stage, stage, words.en, words.zh, operation, value, self.amount, after, clause, citation, evidence)
        )
        self.amount = after

    def applied(self, stage: str, words: tuple[str, str], operation: str, one: Applied, after: Decimal) -> None:
        """Goes on to an amount by the base or a factor."""
        citation, facts = self.rulebook.clauses[one.clause].citation, ", ".join(one.facts)
        line = (stage, one.name, *words, operation, one.value, self.amount, after, one.clause, citation)
        self.steps.append(Step(*line, one.evidence, facts, one.level, one.missing))
        self.amount = after


def charge(rulebook: Rulebook, facts: "Facts", terms: Terms, says: ModelSays | None) -> Charge:
    """The premium of a policy.

    Raises BadInput where the rulebook is not in force when the policy starts, is for other industries or another currency, does
    not allow the terms, or a fact is missing that it needs or outside its tables; Conflict where the relativity is another's.
    """
    _fits(rulebook, facts, terms)
    parts = _parts(rulebook, facts)
    run = _pass(rulebook, parts, terms, says, says and says.insured_loss)
    premium = run.amount
    low = high = premium
    if says is not None and run.relativity != 0 and rulebook.model is not None:
        ends = [_pass(rulebook, parts, terms, says, loss).amount for loss in (says.insured_low, says.insured_high)]
        low, high = min(*ends, premium), max(*ends, premium)
    loss = technical = ratio = None
    if says is not None:
        loss = MONEY.quantize(MONEY.multiply(says.insured_loss, run.years), CENT)
        carried = MONEY.multiply(says.insured_loss, run.years)
        technical = _rounded(rulebook, MONEY.divide(carried, rulebook.loading.target_loss_ratio))
        ratio = MONEY.quantize(MONEY.divide(carried, premium), _SIX_PLACES) if premium else None
    annual = _rounded(rulebook, run.amount if run.annual is None else run.annual)
    found = (run.reference, run.relativity, run.years, loss, technical, ratio)
    return Charge(tuple(run.steps), premium, annual, *found, low, high)


def reference(rulebook: Rulebook, facts: "Facts") -> Decimal:
    """The amount a year before the model: what the model's relativity is measured against. Raises BadInput as `charge` does."""
    order = rulebook.premium.order
    until = order.index("model") if "model" in order else order.index("factors") + 1 if "factors" in order else 1
    stages = [stage for stage in order[:until] if stage in _TO_MODEL]
    return _pass(rulebook, _parts(rulebook, facts), None, None, None, stages).amount


def _fits(rulebook: Rulebook, facts: "Facts", terms: Terms) -> None:
    if facts.currency != rulebook.currency:
        what = f"they are in {facts.currency}, rulebook {rulebook.id} is in {rulebook.currency}"
        raise BadInput(what, where="facts", mend=f"name a rulebook in {facts.currency}")
    headcount, industry = facts.value("headcount"), facts.value("industry")
    allowed(terms, rulebook, headcount if isinstance(headcount, Decimal) else None)
    if not rulebook.serves(industry if isinstance(industry, str) else None):
        known = ", ".join(rulebook.industries)
        raise BadInput(f"rulebook {rulebook.id} is not for industry {industry}", where="industry", mend=f"it is for {known}")


_Parts = tuple[Applied, tuple[tuple[Factor, Applied], ...], tuple[tuple[Factor, Applied], ...]]


def _parts(rulebook: Rulebook, facts: "Facts") -> _Parts:
    """Base, factors and incentives of the facts; only those whose stage the rulebook has."""

    def of(stage: str, factors: Iterable[Factor]) -> tuple[tuple[Factor, Applied], ...]:
        return tuple((one, apply(one, facts)) for one in factors) if stage in rulebook.premium.order else ()

    return base_of(rulebook, facts), of("factors", rulebook.factors), of("incentives", rulebook.incentives)


def _pass(
    rulebook: Rulebook,
    parts: _Parts,
    terms: Terms | None,
    says: ModelSays | None,
    loss: Decimal | None,
    stages: Iterable[str] | None = None,
) -> _Run:
    """Through the stages in the rulebook's order."""
    base, factors, incentives = parts
    run = _Run(rulebook, terms, says, loss)
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
            _STAGES[stage](run)
        if run.amount >= MOST:
            raise BadInput(
                f"the amount is {run.amount:.3E}", where=f"stage {stage}", mend="correct the facts that the base multiplies"
            )
    return run


def _model(run: _Run) -> None:
    clause = run.rulebook.model
    run.reference = run.amount
    if clause is None:
        return
    if run.says is None or run.loss is None:
        return run.took("model", "x", ONE, run.amount, clause.clause, "no score")
    fitted = run.says.relativity
    if fitted is not None and (fitted.rulebook_digest, fitted.bundle_id) != (run.rulebook.digest, run.says.bundle_id):
        raise Conflict("it was fitted for another rulebook or bundle", where="relativity", mend="fit it again")
    weight = (
        None if fitted is None and clause.weight == "fitted" else fitted.weight if clause.weight == "fitted" else clause.weight
    )
    if weight is None or run.amount == 0:
        why = "no relativity is fitted for this rulebook and bundle" if weight is None else "the amount is 0"
        return run.took("model", "x", ONE, run.amount, clause.clause, why)
    level = _level(run.rulebook, fitted)
    found = relativity(run.loss, level, run.amount, weight)
    run.relativity = min(max(found, clause.floor), clause.cap)
    held = "" if run.relativity == found else "; held at its floor" if run.relativity > found else "; held at its cap"
    expected = f"insured loss {plain(run.loss)} a year against {plain(level)} x {_short(run.amount)}, weight {plain(weight)}"
    source = f"bundle {run.says.bundle_id}" + (f", score {run.says.score_id}" if run.says.score_id else "")
    after = MONEY.multiply(run.amount, run.relativity)
    run.took("model", "x", run.relativity, after, clause.clause, f"{expected}{held}; {source}")


def relativity(loss: Decimal, level: Decimal, amount: Decimal, weight: Decimal) -> Decimal:
    """(loss / (level x amount)) ** weight at 28 digits: rounding it would let the premium rise as the amount falls."""
    if weight == 0:
        return ONE
    ratio = MONEY.divide(loss, MONEY.multiply(level, amount))
    return ratio if weight == 1 or ratio == 0 else MONEY.power(ratio, weight)


def _level(rulebook: Rulebook, fitted: RelativityFacts | None) -> Decimal:
    """Insured loss per unit of the amount: as fitted, else what the rulebook itself says that its amount should carry."""
    if fitted is not None:
        return fitted.level
    return ONE if rulebook.base.rates_are == "pure" else rulebook.loading.target_loss_ratio


def _product(run: _Run) -> None:
    limits = run.rulebook.limits
    if limits is None or run.base == 0:
        return
    floor, cap = limits.product_floor, limits.product_cap
    _held(run, "product", limits.clause, floor and MONEY.multiply(run.base, floor), cap and MONEY.multiply(run.base, cap))


def _loading(run: _Run) -> None:
    loading = run.rulebook.loading
    if run.rulebook.base.rates_are == "pure":
        after = MONEY.divide(run.amount, loading.target_loss_ratio)
        run.took("loading", "/", loading.target_loss_ratio, after, loading.clause)


def _change(run: _Run) -> None:
    limits, expiring = run.rulebook.limits, run.terms and run.terms.expiring_premium
    if limits is None or expiring is None:
        return
    low = None if limits.change_down is None else MONEY.multiply(expiring, ONE - limits.change_down)
    high = None if limits.change_up is None else MONEY.multiply(expiring, ONE + limits.change_up)
    _held(run, "change", limits.clause, low, high, f"expiring premium {plain(expiring)}")


def _minimum(run: _Run) -> None:
    rule = run.rulebook.premium
    _held(run, "minimum", rule.clause, rule.minimum or None, rule.maximum)


def _pro_rata(run: _Run) -> None:
    rule, terms = run.rulebook.premium, run.terms
    assert terms is not None
    run.annual, run.years = run.amount, terms.years(rule.pro_rata)
    evidence = f"{terms.starts} to {terms.ends}, {terms.days} days"
    run.took("pro_rata", "x", run.years, MONEY.multiply(run.amount, run.years), rule.clause, evidence)


def _rounding(run: _Run) -> None:
    rule = run.rulebook.premium
    run.took("rounding", "round", rule.rounding_step, _rounded(run.rulebook, run.amount), rule.clause, rule.rounding_mode)


def _held(run: _Run, stage: str, clause: str, low: Decimal | None, high: Decimal | None, evidence: str = "") -> None:
    """Between two amounts, of which either may be missing; no step where both are."""
    bounds = [f"{word} {_short(one)}" for word, one in (("at least", low), ("at most", high)) if one is not None]
    if not bounds:
        return
    told = ", ".join([evidence, *bounds] if evidence else bounds)
    if high is not None and run.amount > high:
        run.took(stage, "cap", high, high, clause, told)
    elif low is not None and run.amount < low:
        run.took(stage, "floor", low, low, clause, told)
    else:
        run.took(stage, "none", run.amount, run.amount, clause, told)


def _rounded(rulebook: Rulebook, amount: Decimal) -> Decimal:
    """A multiple of the rulebook's step."""
    rule = rulebook.premium
    whole = MONEY.divide(MONEY.quantize(amount, _NOISE), rule.rounding_step)
    steps = whole.to_integral_value(_MODES[rule.rounding_mode])
    return MONEY.multiply(steps, rule.rounding_step)


def _short(amount: Decimal) -> str:
    """An amount for a sentence: two places are enough."""
    return plain(MONEY.quantize(amount, CENT))


_STAGES: dict[str, Callable[[_Run], None]] = {
    "model": _model,
    "product": _product,
    "loading": _loading,
    "change": _change,
    "minimum": _minimum,
    "pro_rata": _pro_rata,
    "rounding": _rounding,
}
