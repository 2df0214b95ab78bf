"""The stages of a premium: what each does with the amount, and the step that it writes down.

The model's relativity is (P / (level x R)) ** Z within the rulebook's floor and cap: P the insured loss of a year, R the amount
before the model, level the loss per unit of it, Z the weight.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_UP, Decimal
from functools import cached_property

from serving.underwriting.factors import Applied
from serving.underwriting.numbers import CENT, MONEY, plain
from serving.underwriting.rulebook import Rulebook
from serving.underwriting.terms import ModelSays, RelativityFacts, Terms
from serving.underwriting.words import STEPS

ONE = Decimal(1)
_MODES = {"half_up": ROUND_HALF_UP, "half_even": ROUND_HALF_EVEN, "up": ROUND_UP, "down": ROUND_DOWN}
# Digits that 28-digit arithmetic may leave past any exact amount; they must not decide a rounding.
_NOISE = Decimal("1e-12")


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


@dataclass
class Run:
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
    steps: list[Step] = field(default_factory=list)

    @cached_property
    def years(self) -> Decimal:
        """Years of cover."""
        return ONE if self.terms is None else self.terms.years(self.rulebook.premium.pro_rata)

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


def _model(run: Run) -> None:
    clause = run.rulebook.model
    run.reference = run.amount
    if clause is None:
        return
    if run.says is None or run.loss is None:
        return run.took("model", "x", ONE, run.amount, clause.clause, "no score")
    fitted = run.says.relativity
    weight = clause.weight if isinstance(clause.weight, Decimal) else None if fitted is None else fitted.weight
    if weight is None or run.amount == 0:
        why = "no relativity is fitted for this rulebook and bundle" if weight is None else "the amount is 0"
        return run.took("model", "x", ONE, run.amount, clause.clause, why)
    level = level_of(run.rulebook, fitted)
    whole = run.rulebook.premium.pro_rata == "none"  # the amount is of the whole policy: so is the loss beside it
    loss = MONEY.multiply(run.loss, run.years) if whole else run.loss
    found = relativity(loss, level, run.amount, weight)
    run.relativity = min(max(found, clause.floor), clause.cap)
    held = "" if run.relativity == found else "; held at its floor" if run.relativity > found else "; held at its cap"
    expected = f"insured loss {_short(loss)} against {plain(level)} x {_short(run.amount)}, weight {plain(weight)}"
    source = f"bundle {run.says.bundle_id}" + (f", score {run.says.score_id}" if run.says.score_id else "")
    after = MONEY.multiply(run.amount, run.relativity)
    run.took("model", "x", run.relativity, after, clause.clause, f"{expected}{held}; {source}")


def relativity(loss: Decimal, level: Decimal, amount: Decimal, weight: Decimal) -> Decimal:
    """(loss / (level x amount)) ** weight at 28 digits: rounding it would let the premium rise as the amount falls."""
    if weight == 0:
        return ONE
    ratio = MONEY.divide(loss, MONEY.multiply(level, amount))
    return ratio if weight == 1 or ratio == 0 else MONEY.power(ratio, weight)


def level_of(rulebook: Rulebook, fitted: RelativityFacts | None) -> Decimal:
    """Insured loss per unit of the amount: as fitted, else what the rulebook itself says that its amount should carry."""
    if fitted is not None:
        return fitted.level
    return ONE if rulebook.base.rates_are == "pure" else rulebook.loading.target_loss_ratio


def _product(run: Run) -> None:
    limits = run.rulebook.limits
    if limits is None or run.base == 0:
        return
    floor, cap = limits.product_floor, limits.product_cap
    _held(run, "product", limits.clause, _times(run.base, floor), _times(run.base, cap))


def _loading(run: Run) -> None:
    loading = run.rulebook.loading
    if run.rulebook.base.rates_are == "pure":
        after = MONEY.divide(run.amount, loading.target_loss_ratio)
        run.took("loading", "/", loading.target_loss_ratio, after, loading.clause)


def _change(run: Run) -> None:
    limits, expiring = run.rulebook.limits, None if run.terms is None else run.terms.expiring_premium
    if limits is None or expiring is None:
        return
    low = None if limits.change_down is None else MONEY.multiply(expiring, ONE - limits.change_down)
    high = None if limits.change_up is None else MONEY.multiply(expiring, ONE + limits.change_up)
    _held(run, "change", limits.clause, low, high)


def _minimum(run: Run) -> None:
    rule = run.rulebook.premium
    _held(run, "minimum", rule.clause, rule.minimum or None, rule.maximum)


def _pro_rata(run: Run) -> None:
    rule, terms = run.rulebook.premium, run.terms
    assert terms is not None
    run.annual = run.amount
    evidence = f"{terms.starts} to {terms.ends}, {terms.days} days"
    if rule.pro_rata == "none":
        return run.took("pro_rata", "none", ONE, run.amount, rule.clause, evidence)
    run.took("pro_rata", "x", run.years, MONEY.multiply(run.amount, run.years), rule.clause, evidence)


def _rounding(run: Run) -> None:
    rule = run.rulebook.premium
    run.took("rounding", "round", rule.rounding_step, rounded(run.rulebook, run.amount), rule.clause, rule.rounding_mode)


def _held(run: Run, stage: str, clause: str, low: Decimal | None, high: Decimal | None) -> None:
    """Between two amounts, of which either may be missing; no step where both are."""
    bounds = [f"{sign} {MONEY.quantize(one, CENT):,f}" for sign, one in (("≥", low), ("≤", high)) if one is not None]
    if not bounds:
        return
    told = "; ".join(bounds)
    if high is not None and run.amount > high:
        run.took(stage, "cap", high, high, clause, told)
    elif low is not None and run.amount < low:
        run.took(stage, "floor", low, low, clause, told)
    else:
        run.took(stage, "none", run.amount, run.amount, clause, told)


def rounded(rulebook: Rulebook, amount: Decimal) -> Decimal:
    """An amount as a multiple of the rulebook's step."""
    rule = rulebook.premium
    whole = MONEY.divide(MONEY.quantize(amount, _NOISE), rule.rounding_step)
    steps = whole.to_integral_value(_MODES[rule.rounding_mode])
    return MONEY.multiply(steps, rule.rounding_step)


def _times(amount: Decimal, share: Decimal | None) -> Decimal | None:
    return None if share is None else MONEY.multiply(amount, share)


def _short(amount: Decimal) -> str:
    """An amount for a sentence: two places are enough."""
    return plain(MONEY.quantize(amount, CENT))


STAGES: dict[str, Callable[[Run], None]] = {
    "model": _model,
    "product": _product,
    "loading": _loading,
    "change": _change,
    "minimum": _minimum,
    "pro_rata": _pro_rata,
    "rounding": _rounding,
}
