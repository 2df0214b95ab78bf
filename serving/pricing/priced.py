"""What the price score says of rows of features under their terms: accidents of a year and the insured loss, with ranges.

The one border at which the model's numbers leave it: a single quote and 100,000 of a book come through here, and a row's
numbers do not hang on the rows beside it.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from serving.underwriting.insured import LossLaw, insured_losses
from serving.underwriting.numbers import of_model
from serving.underwriting.terms import ModelSays, RelativityFacts, Terms
from training.enterprise.bundle import RiskBundle

Floats = npt.NDArray[np.float64]
Vectors = npt.NDArray[np.float32]
LIMITS = ("limit_per_person", "limit_per_accident", "limit_aggregate", "deductible")


@dataclass(frozen=True)
class Priced:
    """n rows: accidents of 365 days, expected and at both ends of the 90 % range, and the insured loss of each, float64[n]."""

    expected: Floats
    low: Floats
    high: Floats
    insured_loss: Floats
    insured_low: Floats
    insured_high: Floats

    def says(
        self,
        row: int,
        bundle_id: str,
        *,
        score_id: str | None = None,
        relativity: RelativityFacts | None = None,
        notes: tuple[str, ...] = (),
    ) -> ModelSays:
        """One row as decimals, for a premium."""
        numbers: dict[str, Any] = {name: of_model(float(getattr(self, name)[row])) for name in self.__dataclass_fields__}
        return ModelSays(**numbers, bundle_id=bundle_id, score_id=score_id, relativity=relativity, notes=notes)


def priced(bundle: RiskBundle, x: Vectors, limits: dict[str, Floats], *, ranges: bool = True, threads: int = 1) -> Priced:
    """The price score of rows float32[n, features]. limits: by name (LIMITS), float64[n], nan where there is none.

    ranges: whether both ends of the range are wanted, which cost twice the rest; without them they are what is expected.
    """
    risk = bundle.risk("price", x, ranges=ranges, threads=threads)
    law, size = LossLaw(**bundle.loss_law(x)), bundle.count_size("price", x, risk.expected[:, -1])
    numbers = [
        np.ascontiguousarray(one[:, -1]) for one in ((risk.expected, risk.low, risk.high) if ranges else (risk.expected,))
    ]
    losses = _losses(numbers, size, law, limits, threads)
    return Priced(*numbers, *losses) if ranges else Priced(*numbers * 3, *losses * 3)


def _losses(numbers: list[Floats], size: Floats, law: LossLaw, limits: dict[str, Floats], threads: int) -> list[Floats]:
    """The insured loss at each number [n]; of a single row all at once, since they share its law of payments."""
    if len(size) > 1:
        return [insured_losses(one, size, law, **limits, threads=threads) for one in numbers]
    terms = {name: np.repeat(one, len(numbers)) for name, one in limits.items()}
    return np.split(insured_losses(np.concatenate(numbers), float(size[0]), law, **terms, threads=1), len(numbers))


def limits_of(*terms: Terms) -> dict[str, Floats]:
    """The limits of policies as `priced` takes them."""

    def number(amount: Decimal | None) -> float:
        return float("nan") if amount is None else float(amount)

    return {name: np.array([number(getattr(one, name)) for one in terms]) for name in LIMITS}
