"""One distribution of the number of accidents: the expected number and the chance of any follow, for any part of a period.

Within a period an enterprise's accidents are Poisson with intensity mean x theta, theta ~ gamma with mean 1 and variance
`dispersion`, fixed over the period: the number in a share s of it is negative binomial with mean s x mean and the same
dispersion (Greenwood & Yule 1920; Lawless 1987 for its likelihood). So 30, 90 and 365 days agree by construction.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

Floats = npt.NDArray[np.float64]
DAYS = 365.0
_LEAST, _MOST = 1e-6, 1e3  # a dispersion below the least is Poisson


class CountDistribution(BaseModel):
    """Negative binomial with variance mean + dispersion x mean^2; dispersion 0 is the Poisson distribution."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dispersion: float = Field(ge=0.0, le=_MOST)

    def p_any(self, expected: Floats, share: float = 1.0) -> Floats:
        """Chance of at least one accident [n] in a share of the period whose expected number is given [n]."""
        mean = np.asarray(expected, dtype=np.float64) * share
        if self.dispersion < _LEAST:
            return np.asarray(-np.expm1(-mean))
        return np.asarray(-np.expm1(-np.log1p(self.dispersion * mean) / self.dispersion))

    def p_any_days(self, expected: Floats, days: float, period_days: float = DAYS) -> Floats:
        """The same for a number of days of a period of `period_days`."""
        return self.p_any(expected, days / period_days)

    def p_at_least(self, count: int, expected: Floats, share: float = 1.0) -> Floats:
        """Chance of at least `count` accidents [n]."""
        from scipy import stats

        mean = np.maximum(np.asarray(expected, dtype=np.float64) * share, 1e-300)
        if self.dispersion < _LEAST:
            return np.asarray(stats.poisson.sf(count - 1, mean))
        size = 1.0 / self.dispersion
        return np.asarray(stats.nbinom.sf(count - 1, size, size / (size + mean)))

    def log_likelihood(self, count: Floats, expected: Floats) -> Floats:
        """Log probability [n] of the numbers that came [n], given the expected ones [n]."""
        from scipy.special import gammaln

        mean = np.maximum(np.asarray(expected, dtype=np.float64), 1e-300)
        if self.dispersion < _LEAST:
            return np.asarray(count * np.log(mean) - mean - gammaln(count + 1.0))
        size = 1.0 / self.dispersion
        away = np.log1p(self.dispersion * mean)
        return np.asarray(
            gammaln(count + size) - gammaln(size) - gammaln(count + 1.0)
            + count * (np.log(self.dispersion * mean) - away) - size * away
        )  # fmt: skip


POISSON = CountDistribution(dispersion=0.0)


@dataclass(frozen=True)
class Dispersion:
    """A fitted distribution, and how much likelihood the dispersion adds to Poisson's (2 x, in nats)."""

    distribution: CountDistribution
    gain: float


def fit_dispersion(count: Floats, expected: Floats, weight: Floats | None = None) -> Dispersion:
    """Dispersion by maximum likelihood given the expected numbers, best of rows that the model was not fitted on."""
    from scipy.optimize import minimize_scalar

    full = np.ones(len(count)) if weight is None else weight

    def loss(log_dispersion: float) -> float:
        return -float(full @ CountDistribution(dispersion=float(np.exp(log_dispersion))).log_likelihood(count, expected))

    found = minimize_scalar(loss, bounds=(np.log(_LEAST), np.log(_MOST) - 1e-9), method="bounded", options={"xatol": 1e-4})
    poisson = -float(full @ POISSON.log_likelihood(count, expected))
    if poisson <= found.fun + 1e-9:
        return Dispersion(POISSON, 0.0)
    return Dispersion(CountDistribution(dispersion=float(np.exp(found.x))), 2.0 * (poisson - float(found.fun)))
