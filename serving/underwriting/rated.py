"""A book that was rated: of each policy the premium to the cent, and what each step multiplied it by."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from serving.underwriting.off_balance import CENT, Balanced, balance

Floats = npt.NDArray[np.float64]
Cents = npt.NDArray[np.int64]


@dataclass(frozen=True)
class StepColumn:
    """One step of the worksheet over a book. ratio: what it multiplied by [n] (of the base: the amount itself); level: [n]."""

    name: str
    stage: str
    words_en: str
    words_zh: str
    clause: str
    ratio: Floats
    level: tuple[str, ...]


@dataclass(frozen=True)
class Rated:
    """n policies under one rulebook and one bundle.

    keys: policy numbers.  premiums: as the rulebook charges.  least: the floor of each.  accidents, losses: what the model
    expects over the cover (nan without a model).  balanced: premiums brought to a total, where that was asked for.
    """

    rulebook: str
    bundle_id: str | None
    keys: tuple[str, ...]
    premiums: tuple[Decimal, ...]
    least: tuple[Decimal, ...]
    steps: tuple[StepColumn, ...]
    accidents: Floats
    losses: Floats
    notes: tuple[str, ...] = ()
    balanced: Balanced | None = None

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def final(self) -> tuple[Decimal, ...]:
        """What each policy pays: the premiums brought to the total, else as the rulebook charges."""
        return self.premiums if self.balanced is None else self.balanced.amounts

    @property
    def cents(self) -> Cents:
        """`final` in hundredths."""
        return np.array([int(one / CENT) for one in self.final], dtype=np.int64)

    @property
    def total(self) -> Decimal:
        return sum(self.final, Decimal(0))

    def kept_to(self, total: Decimal) -> "Rated":
        """Brought to a total to the cent, no premium below its floor. Raises as `off_balance.balance`."""
        return replace(self, balanced=balance(self.premiums, self.keys, total, least=self.least))

    def ratios(self) -> dict[str, Floats]:
        """What each step multiplied by [n], by name, the off-balance among them."""
        found: dict[str, Floats] = {}
        for step in self.steps:
            found[step.name] = found[step.name] * step.ratio if step.name in found else step.ratio
        if self.balanced is not None:
            before, after = (np.array([float(one) for one in side]) for side in (self.premiums, self.final))
            found["off_balance"] = np.divide(after, before, out=np.ones_like(after), where=before > 0)
        return found


def total_of(premiums: Sequence[float]) -> Decimal:
    """The sum of amounts that came as decimals of at most fifteen digits, exactly."""
    return sum((Decimal(repr(float(one))) for one in premiums), Decimal("0.00"))
