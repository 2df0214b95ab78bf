"""The chance of any accident by ridge logistic regression: where few entities have most of the accidents, numbers say little of
whether the others have one.

With it the number is a hurdle model (Mullahy 1986): none with probability 1 - p, else 1 or more with mean expected / p. So the
expected number is at least p (`consistent`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from features.errors import BadInput

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Chance:
    """Fitted effects of standardised columns."""

    mean: Floats
    deviation: Floats
    effects: Floats
    level: float

    def p_any(self, columns: Floats) -> Floats:
        """Chance of at least one accident [n], of columns [n, k]."""
        from scipy.special import expit

        return np.asarray(expit(self.level + (columns - self.mean) / self.deviation @ self.effects))


def fit_chance(columns: Floats, count: Floats, penalty: float = 20.0) -> Chance:
    """Maximum likelihood of any against none, under penalty / 2 x the squared effects of standardised columns [n, k].

    Raises BadInput unless some of the rows had an accident and some had none.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    hit = count > 0
    if not hit.any() or hit.all():
        raise BadInput("all had an accident, or none had", where="training period", mend="take a longer one")
    mean, deviation = columns.mean(axis=0), columns.std(axis=0)
    deviation = np.where(deviation > 1e-9, deviation, 1.0)
    with threadpool_limits(1):
        found: Any = LogisticRegression(C=1.0 / penalty, max_iter=2000).fit((columns - mean) / deviation, hit)
    return Chance(mean, deviation, np.asarray(found.coef_[0], dtype=np.float64), float(found.intercept_[0]))


def consistent(expected: Floats, p_any: Floats) -> Floats:
    """Expected numbers [n] that a hurdle model with this chance of any can have."""
    return np.asarray(np.maximum(expected, p_any))
