"""What a change of facts does to a premium, step by step: the parts add up to the difference, to the cent."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from serving.underwriting.comparison import WHOLE, Cents, Floats, by_factor
from serving.underwriting.numbers import CENT, MONEY
from serving.underwriting.premium import Charge
from serving.underwriting.stages import Step
from serving.underwriting.words import REST


@dataclass(frozen=True)
class Change:
    """What one step adds to the premium (below zero: takes off). before, after: its level in both worksheets."""

    stage: str
    name: str
    words_en: str
    words_zh: str
    amount: Decimal
    before: str = ""
    after: str = ""

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return vars(self) | {"amount": f"{self.amount:f}"}


def explained(before: Charge, after: Charge) -> tuple[Change, ...]:
    """By how much each step moves the premium from one worksheet to another of the same rulebook; only those that do."""
    was, now = _steps(before), _steps(after)
    moved = by_factor(_ratios(was), _ratios(now), _cents(before.premium), _cents(after.premium))
    found = []
    for name, cents in zip(moved.names, moved.parts[0].tolist(), strict=True):
        if not cents:
            continue
        old, new = was.get(name), now.get(name)
        step = new or old
        amount = MONEY.multiply(Decimal(cents), CENT)
        if step is None:
            found.append(Change(WHOLE, WHOLE, REST.en, REST.zh, amount))
        else:
            words = (step.stage, step.name, step.words_en, step.words_zh)
            found.append(Change(*words, amount, _level(old), _level(new)))
    return tuple(found)


def _steps(made: Charge) -> dict[str, Step]:
    return {f"{step.stage}.{step.name}": step for step in made.steps}


def _ratios(steps: dict[str, Step]) -> dict[str, Floats]:
    """What each step multiplied by; the base by its amount."""

    def of(step: Step) -> float:
        if step.operation == "=":
            return float(step.after)
        return float(MONEY.divide(step.after, step.before)) if step.before else 1.0

    return {name: np.array([of(step)]) for name, step in steps.items()}


def _level(step: Step | None) -> str:
    return "" if step is None else step.level or f"{step.value:.6g}"


def _cents(amount: Decimal) -> Cents:
    return np.array([int(MONEY.divide(amount, CENT).to_integral_value())], dtype=np.int64)
