"""LightGBM and the sequence networks as one forecast: a weighted sum on the cloglog scale, and whether that is worth having.

log H_k = level + sum over models of weight x log H_{model,k} + either x log mean H_{model,k}

where H_{model,k} = -log(1 - h) is the hazard that a model states for interval k: the same weights for all intervals, none below
zero. The last term is for what one model alone sees: in a sum of logarithms the other one outvotes it. The hazards are summed
again, so p24 <= p48 <= p72 holds whatever the weights; the one monotone map (training.calibration) follows. Weights and map are
fitted on rows later than any of the models saw.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from training.calibration import Calibration
from training.config import CalibrationConfig
from training.hazard import HIGHEST, LOWEST, Floats, held, interval_scores

BOOSTERS = "boosters"
_HEAVIEST = 3.0
_SD_LEVEL, _SD_WEIGHT = 2.0, 0.5
LEAST_WEIGHT = 0.02  # a network that weighs less says nothing that is worth its time
On = Literal["hazards", "cumulative", "total"]


class Blend(BaseModel):
    """The models, the boosters first, their weights, that of their mean hazard, the level, and the map that follows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: tuple[str, ...] = Field(min_length=1)
    weights: tuple[float, ...]
    either: float = 0.0
    level: float
    calibration: Calibration

    def scores(self, logs: Sequence[Floats]) -> Floats:
        """[..., 3] cumulative cloglog scores, not yet calibrated, of each model's logs of interval hazards [..., 3]."""
        total = np.full(logs[0].shape, self.level)
        for weight, own in zip(self.weights, logs, strict=True):
            total = total + weight * held(own)
        if self.either:
            total = total + self.either * _mean(logs)
        return held(np.log(np.cumsum(np.exp(held(total)), axis=-1)))

    def calibrated(self, logs: Sequence[Floats]) -> Floats:
        return self.calibration.apply(self.scores(logs))


@dataclass(frozen=True)
class Judged:
    """Rows to fit and to decide on, later than the models saw.

    logs: by model, the boosters first, the logs of interval hazards [n, 3]; at_risk [n, 3]: outcome of each interval, NaN where
    the row does not count (hazard.interval_outcomes); outcomes [n, 3]: failed by each horizon, NaN = unripe; weight [n];
    machine [n] codes, the unit of folds and resamples.
    """

    logs: Mapping[str, Floats]
    at_risk: Floats
    outcomes: Floats
    weight: Floats
    machine: npt.NDArray[np.int64]

    def part(self, chosen: npt.NDArray[np.bool_]) -> "Judged":
        logs = {name: own[chosen] for name, own in self.logs.items()}
        return Judged(logs, self.at_risk[chosen], self.outcomes[chosen], self.weight[chosen], self.machine[chosen])

    def of(self, models: Sequence[str]) -> list[Floats]:
        return [self.logs[name] for name in models]


def logs_of_scores(scores: Floats) -> Floats:
    """[..., 3] cumulative cloglog scores to the logs of interval hazards."""
    return interval_scores(scores)


def logs_of_odds(raw: Floats) -> Floats:
    """[..., 3] log-odds of interval hazards to their logs: H = log(1 + exp(raw))."""
    return held(np.log(np.maximum(np.logaddexp(0.0, raw), np.exp(LOWEST))))


def _mean(logs: Sequence[Floats]) -> Floats:
    """The log of the mean hazard of the models."""
    total = np.exp(held(logs[0]))
    for own in logs[1:]:
        total = total + np.exp(held(own))
    return np.asarray(np.log(total / len(logs)))


def fit(rows: Judged, models: Sequence[str], config: CalibrationConfig | None = None, *, on: On = "total") -> Blend:
    """Weights by weighted maximum likelihood of the interval outcomes, then the map of the blended scores.

    A mild pull towards the first model alone (weight 1, the others 0) matters only when failures are few.
    """
    from scipy.optimize import minimize

    from training import calibration

    columns = [held(one) for one in rows.of(models)]
    logs = np.stack([*columns, _mean(columns)] if len(models) > 1 else columns, axis=-1)
    counts = ~np.isnan(rows.at_risk)
    s, y, w = logs[counts], rows.at_risk[counts].astype(np.float64), np.repeat(rows.weight[:, None], 3, axis=1)[counts]
    start = np.zeros(1 + logs.shape[-1])
    start[1] = 1.0
    precision = np.array([1 / _SD_LEVEL**2] + [1 / _SD_WEIGHT**2] * logs.shape[-1])

    def loss(theta: Floats) -> tuple[float, Floats]:
        hazard = np.exp(held(theta[0] + s @ theta[1:]))
        p = -np.expm1(-hazard)
        away = theta - start
        value = 0.5 * float(away @ (precision * away)) - float(np.sum(w * (y * np.log(p) - (1 - y) * hazard)))
        rate = w * (y * hazard * np.exp(-hazard) / p - (1 - y) * hazard)
        return value, precision * away - np.concatenate([[rate.sum()], s.T @ rate])

    bounds = [(LOWEST, HIGHEST - LOWEST)] + [(0.0, _HEAVIEST)] * logs.shape[-1]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500, "ftol": 1e-12})
    weights, either = found.x[1 : 1 + len(models)].tolist(), float(found.x[1 + len(models) :].sum())
    level = float(found.x[0])
    plain = Blend(models=tuple(models), weights=weights, either=either, level=level, calibration=calibration.IDENTITY)
    monotone = calibration.fit(plain.scores(rows.of(models)), rows.outcomes, rows.weight, rows.machine, config, on=on)
    return plain.model_copy(update={"calibration": monotone})


def log_losses(scores: Floats, at_risk: Floats) -> Floats:
    """[n] nats: minus the log-likelihood of the intervals in which a row counts, of cumulative cloglog scores [n, 3]."""
    hazard = np.exp(interval_scores(scores))
    said = np.where(at_risk == 1, -np.log(np.maximum(-np.expm1(-hazard), 1e-12)), hazard)
    return np.asarray(np.where(np.isnan(at_risk), 0.0, said).sum(axis=1))
