"""Several count models as one forecast: a weighted mean on the log scale, then one calibration of level and slope.

    log(rate / base) = level + slope x sum over models of weight x log(rate of the model / base),   weights >= 0 with sum 1

fitted by the Poisson likelihood of rows that none of the models saw: other groups, or later years. base is the mean rate there,
so that the slope says by how much the blend is stretched about the mean (below 1: the models were too wide).
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

Floats = npt.NDArray[np.float64]
_FARTHEST = 15.0
_HEAVIEST = 2.0
_TIGHT = {"ftol": 1e-13, "gtol": 1e-9, "maxiter": 500}


class CountBlend(BaseModel):
    """Models by name with their weights (sum 1), level and slope of the calibration, and the base rate."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: dict[str, float]
    level: float = 0.0
    slope: float = Field(default=1.0, gt=0)
    base: float = Field(gt=0)

    def expected(self, said: Mapping[str, Floats], exposure: Floats) -> Floats:
        """Expected number [n] from what each model expects [n] over the same exposure [n]."""
        away = sum(weight * _away(said[name], exposure, self.base) for name, weight in self.weights.items() if weight > 0)
        return np.asarray(exposure * self.base * np.exp(self.level + self.slope * np.asarray(away)))


def _away(expected: Floats, exposure: Floats, base: float) -> Floats:
    return np.clip(np.log(np.maximum(expected, 1e-300) / (exposure * base)), -_FARTHEST, _FARTHEST)


def fit_blend(
    said: Mapping[str, Floats],
    exposure: Floats,
    count: Floats,
    weight: Floats | None = None,
    *,
    pull: float = 0.0,
    towards: Mapping[str, float] | None = None,
) -> CountBlend:
    """Weights, level and slope by maximum likelihood. said: what each model expects [n] of rows that it did not see.

    pull: precision (in expected accidents) of a prior towards level 0, slope 1 and the weights in `towards` (equal ones where
    none are given), for where rows are few.
    """
    from scipy.optimize import minimize

    full = np.ones(len(count)) if weight is None else weight
    base = float(full @ count) / float(full @ exposure)
    names = list(said)
    away = np.stack([_away(said[name], exposure, base) for name in names], axis=1)
    mean = exposure * base
    start = np.array([0.0, *((towards or dict.fromkeys(names, 1.0 / len(names)))[name] for name in names)])

    def loss(theta: Floats) -> tuple[float, Floats]:
        eta = np.clip(theta[0] + away @ theta[1:], -2 * _FARTHEST, 2 * _FARTHEST)
        expected = mean * np.exp(eta)
        wrong = full * (expected - count)
        far = theta - start
        value = float(full @ (expected - count * eta)) + 0.5 * pull * float(far @ far)
        return value, np.concatenate([[wrong.sum()], away.T @ wrong]) + pull * far

    bounds = [(-3.0, 3.0)] + [(0.0, _HEAVIEST)] * len(names)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=_TIGHT)
    slope = float(found.x[1:].sum())
    if slope <= 0:  # no model says more than the mean
        return CountBlend(weights=dict.fromkeys(names, 1.0 / len(names)), level=float(found.x[0]), slope=1e-6, base=base)
    shares = (found.x[1:] / slope).tolist()
    return CountBlend(weights=dict(zip(names, shares, strict=True)), level=float(found.x[0]), slope=slope, base=base)


def fit_calibration(expected: Floats, exposure: Floats, count: Floats, weight: Floats | None = None) -> CountBlend:
    """Level and slope of one model alone, named `model`."""
    return fit_blend({"model": expected}, exposure, count, weight)
