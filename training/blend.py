"""LightGBM and the sequence networks as one forecast: a weighted sum on the cloglog scale, and whether that is worth having.

log H_k = log( exp(shared_k) + sum over networks and components of apart x H_{network,component} / 3 )
shared_k = level + sum over models of weight x log H_{model,k} + either x log mean H_{model,k}

where H_{model,k} = -log(1 - h) is the hazard that a model states for interval k: the same weights for all intervals, none below
zero. The term with `either` is for what one model alone sees: in a sum of logarithms the other one outvotes it. A network that
learns each component's own failures says H_{network,component} of the three intervals together; competing risks add, so what
LightGBM does not see of a component stands beside what it sees of the others. The hazards are summed again, so
p24 <= p48 <= p72 holds whatever the weights; the one monotone map (training.calibration) follows. All is fitted on rows later
than any of the models saw.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from training.calibration import Calibration
from training.config import CalibrationConfig
from training.hazard import HIGHEST, INTERVAL_ENDS, LOWEST, Floats, held, interval_scores

BOOSTERS = "boosters"
_HEAVIEST = 3.0
_SD_LEVEL, _SD_WEIGHT = 2.0, 0.5
HAZARDS = len(INTERVAL_ENDS)
LEAST_WEIGHT = 0.02  # a network that weighs less says nothing that is worth its time
On = Literal["hazards", "cumulative", "total"]


class Blend(BaseModel):
    """The models, the boosters first, their weights, that of their mean hazard, the level, and the map that follows.

    apart: by model and component what the component's own hazard counts; empty where no model tells components apart.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: tuple[str, ...] = Field(min_length=1)
    weights: tuple[float, ...]
    either: float = 0.0
    apart: tuple[tuple[float, ...], ...] = ()
    level: float
    calibration: Calibration

    def scores(self, logs: Sequence[Floats]) -> Floats:
        """[..., 3] cumulative cloglog scores, not yet calibrated, of each model's logs [..., 3 or more] (see Judged)."""
        shared = [_shared(own) for own in logs]
        total = np.full(shared[0].shape, self.level)
        for weight, own in zip(self.weights, shared, strict=True):
            total = total + weight * own
        if self.either:
            total = total + self.either * _mean(shared)
        hazard = np.exp(held(total))
        for counts, one in zip(self.apart, logs, strict=bool(self.apart)):
            if any(counts):
                hazard = hazard + (np.exp(held(one[..., HAZARDS:])) @ np.asarray(counts))[..., None] / HAZARDS
        return held(np.log(np.cumsum(hazard, axis=-1)))

    def says(self, model: str) -> float:
        """The most that a model counts in any of the ways in which it can."""
        place = self.models.index(model)
        return max([self.weights[place] + self.either, *(self.apart[place] if self.apart else ())])

    def calibrated(self, logs: Sequence[Floats]) -> Floats:
        return self.calibration.apply(self.scores(logs))


@dataclass(frozen=True)
class Judged:
    """Rows to fit and to decide on, later than the models saw.

    logs: by model, the boosters first, the logs of interval hazards [n, 3], then of a network that tells components apart by
    component the log of its own hazard over the three intervals; at_risk [n, 3]: outcome of each interval, NaN where the row
    does not count (hazard.interval_outcomes); outcomes [n, 3]: failed by each horizon, NaN = unripe; weight [n]; machine [n]
    codes, the unit of folds and resamples.
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


def _shared(logs: Floats) -> Floats:
    return held(logs[..., :HAZARDS])


def _mean(logs: Sequence[Floats]) -> Floats:
    """The log of the mean hazard of the models, of logs that are held."""
    total = np.exp(logs[0])
    for own in logs[1:]:
        total = total + np.exp(own)
    return np.asarray(np.log(total / len(logs)))


def fit(rows: Judged, models: Sequence[str], config: CalibrationConfig | None = None, *, on: On = "total") -> Blend:
    """Weights by weighted maximum likelihood of the interval outcomes, then the map of the blended scores.

    A mild pull towards the first model alone (weight 1, the others 0) matters only when failures are few.
    """
    from training import calibration

    said = rows.of(models)
    shared = [_shared(one) for one in said]
    logs = np.stack([*shared, _mean(shared)] if len(models) > 1 else shared, axis=-1)
    own = np.exp(held(np.concatenate([one[:, HAZARDS:] for one in said], axis=1))) / HAZARDS
    row, interval = np.nonzero(~np.isnan(rows.at_risk))
    theta = _fitted(logs[row, interval], own[row], rows.at_risk[row, interval].astype(np.float64), rows.weight[row])
    weights, either = theta[1 : 1 + len(models)], float(theta[1 + len(models) : 1 + logs.shape[-1]].sum())
    ends = np.cumsum([one.shape[1] - HAZARDS for one in said])
    apart = np.split(theta[1 + logs.shape[-1] :], ends[:-1]) if own.shape[1] else []
    plain = Blend(
        models=tuple(models), weights=tuple(weights.tolist()), either=either, level=float(theta[0]),
        apart=tuple(tuple(counts.tolist()) for counts in apart), calibration=calibration.IDENTITY,
    )  # fmt: skip
    monotone = calibration.fit(plain.scores(said), rows.outcomes, rows.weight, rows.machine, config, on=on)
    return plain.model_copy(update={"calibration": monotone})


def _fitted(logs: Floats, own: Floats, y: Floats, weight: Floats) -> Floats:
    """[1 + a + b] level, weights and what components count, of log hazards [n, a], components' hazards [n, b] and outcomes."""
    from scipy.optimize import minimize

    shared, apart = logs.shape[1], own.shape[1]
    start = np.zeros(1 + shared + apart)
    start[1] = 1.0
    precision = np.array([1 / _SD_LEVEL**2] + [1 / _SD_WEIGHT**2] * (shared + apart))

    def loss(theta: Floats) -> tuple[float, Floats]:
        together = np.exp(held(theta[0] + logs @ theta[1 : 1 + shared]))
        hazard = together + own @ theta[1 + shared :] if apart else together
        p = -np.expm1(-hazard)
        away = theta - start
        value = 0.5 * float(away @ (precision * away)) - float(np.sum(weight * (y * np.log(p) - (1 - y) * hazard)))
        rate = weight * (y * np.exp(-hazard) / p - (1 - y))
        below = rate * together
        return value, precision * away - np.concatenate([[below.sum()], logs.T @ below, own.T @ rate])

    bounds = [(LOWEST, HIGHEST - LOWEST)] + [(0.0, _HEAVIEST)] * (shared + apart)
    return np.asarray(
        minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500, "ftol": 1e-12}).x
    )


def log_losses(scores: Floats, at_risk: Floats) -> Floats:
    """[n] nats: minus the log-likelihood of the intervals in which a row counts, of cumulative cloglog scores [n, 3]."""
    hazard = np.exp(interval_scores(scores))
    said = np.where(at_risk == 1, -np.log(np.maximum(-np.expm1(-hazard), 1e-12)), hazard)
    return np.asarray(np.where(np.isnan(at_risk), 0.0, said).sum(axis=1))
