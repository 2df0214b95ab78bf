"""How enterprises that look alike differ: what a forecast does not know of an enterprise, and its own record tells in time.

An enterprise's accidents are Poisson with intensity forecast x theta. Over enterprises without any record theta is gamma with
mean 1 and variance d. After a record over which E accidents were to be expected, what is left is d / (1 + d E): the variance of
the posterior beside its mean (Buhlmann & Gisler 2005, section 2.4), the mean itself being what features of the record tell the
models. So the range is widest for an enterprise without history, and the number over any part of a year is negative binomial
with that one variance (Greenwood & Yule 1920): the chance of any accident agrees between 30, 90 and 365 days.
"""

from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from training.enterprise.parts import Floats

_LEAST, _MOST = 1e-6, 10.0


class Unlike(BaseModel):
    """variance: d, of theta among enterprises without a record."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    variance: float = Field(ge=0.0, le=_MOST)

    def left(self, record: Floats) -> Floats:
        """Variance left [n] after records over which so many accidents were to be expected [n]."""
        return np.asarray(self.variance / (1.0 + self.variance * np.maximum(record, 0.0)))

    def size(self, record: Floats) -> Floats:
        """Shape [n] of the negative binomial number after such records: one over the variance left."""
        return np.asarray(1.0 / np.maximum(self.left(record), _LEAST))

    def p_any(self, expected: Floats, record: Floats) -> Floats:
        """Chance of at least one accident [n, k] where so many are expected [n, k], after records [n]."""
        left = np.maximum(self.left(record), _LEAST)[:, None]
        return np.asarray(-np.expm1(-np.log1p(left * expected) / left))

    @classmethod
    def fit(cls, count: Floats, expected: Floats, record: Floats) -> Self:
        """By maximum likelihood of numbers [n] that the forecasts [n] did not see, one of each enterprise and period."""
        from scipy.optimize import minimize_scalar
        from scipy.special import gammaln

        mean = np.maximum(expected, 1e-12)

        def loss(log_variance: float) -> float:
            size = 1.0 / np.maximum(cls(variance=float(np.exp(log_variance))).left(record), _LEAST)
            told = gammaln(count + size) - gammaln(size) - (count + size) * np.log1p(mean / size) + count * np.log(mean / size)
            return -float(told.sum())

        bounds = (np.log(_LEAST), np.log(_MOST) - 1e-9)
        found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-3})
        return cls(variance=float(np.exp(found.x)))
