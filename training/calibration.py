"""One strictly monotone map, shared by all horizons, from a model's cloglog scores to calibrated ones.

The map is piecewise linear with positive slopes: log of the cumulative hazard that the model states -> log of the one that
later data show. One map for all horizons keeps p24 <= p48 <= p72. It is fitted by weighted maximum likelihood of the outcomes
at the three horizons, with a mild pull towards the identity that matters only when failures are few (Platt 1999 and Cox 1958
do so with an intercept and a slope on the logit scale).
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, model_validator

from training.config import CalibrationConfig
from training.hazard import HIGHEST, LOWEST, Floats, from_cloglog, held, interval_scores

_TIGHT = {"maxiter": 1000, "ftol": 1e-13, "gtol": 1e-8}
_SD_SHIFT, _SD_SLOPE, _SD_BEND = 2.0, 0.35, 0.35
_STEEPEST = 2.0  # log of the largest slope, and its inverse of the smallest


class Calibration(BaseModel):
    """g(s) = level + sum of slope x length in each segment; it goes on straight beyond the first and last knot.

    on: `hazards`: g maps the log hazard of each interval, and the mapped hazards are summed again: where every interval has a
    booster of its own. A map of the sums would bend the short horizons, whose level is lower, with the slope that the long ones
    need. `cumulative`: g maps the score of each horizon, where one booster gives them all and their shares are right already.
    `total`: g maps the score of the longest horizon, and the shorter ones keep their shares of its hazard.
    covariance: of (level, log slopes), clustered by machine; None if unknown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    knots: tuple[float, ...]
    level: float
    slopes: tuple[float, ...]
    on: Literal["hazards", "cumulative", "total"] = "cumulative"
    events: int = 0
    covariance: tuple[tuple[float, ...], ...] | None = None

    @model_validator(mode="after")
    def _monotone(self) -> "Calibration":
        if len(self.slopes) != len(self.knots) + 1 or min(self.slopes) <= 0 or sorted(self.knots) != list(self.knots):
            raise ValueError("needs ascending knots and a positive slope on each side of every one")
        return self

    def apply(self, scores: Floats) -> Floats:
        """[..., horizons] cumulative scores, calibrated."""
        if self.on == "cumulative":
            return held(self.g(scores))
        if self.on == "total":
            longest = scores[..., -1:]
            return held(scores + (self.g(longest) - longest))
        return held(np.log(np.cumsum(np.exp(held(self.g(interval_scores(scores)))), axis=-1)))

    def g(self, scores: Floats) -> Floats:
        """The map itself, of scores of any shape."""
        return np.asarray(self.level + _lengths(scores, self.knots) @ np.asarray(self.slopes))

    def slope(self, scores: Floats) -> Floats:
        """Derivative of the map, of scores of any shape."""
        return np.asarray(self.slopes)[np.searchsorted(self.knots, scores)]

    def probability(self, scores: Floats) -> Floats:
        return from_cloglog(self.apply(scores))

    def variance(self, scores: Floats) -> Floats:
        """[..., horizons]: variance of the calibrated scores that comes from the map itself (delta method)."""
        if self.covariance is None:
            return np.zeros(np.shape(scores))
        if self.on == "total":
            scores = np.broadcast_to(scores[..., -1:], scores.shape)
        inner = interval_scores(scores) if self.on == "hazards" else scores
        gradient = _gradient(_lengths(inner, self.knots), np.asarray(self.slopes))
        if self.on == "hazards":
            hazard = np.exp(held(self.g(inner)))[..., None]
            gradient = np.cumsum(hazard * gradient, axis=-2) / np.cumsum(hazard, axis=-2)
        return np.asarray(np.einsum("...i,ij,...j->...", gradient, np.asarray(self.covariance), gradient))


IDENTITY = Calibration(knots=(0.0,), level=0.0, slopes=(1.0, 1.0))


def _lengths(scores: Floats, knots: Sequence[float]) -> Floats:
    """[..., segments]: signed length of the way from the first knot to the score that lies in each segment."""
    low, high = np.array([-np.inf, *knots]), np.array([*knots, np.inf])
    inside = np.minimum(np.maximum(np.asarray(scores)[..., None], low), high)
    return np.asarray(inside - np.array([knots[0], *knots]))


def _gradient(lengths: Floats, slopes: Floats) -> Floats:
    return np.concatenate([np.ones((*lengths.shape[:-1], 1)), lengths * slopes], axis=-1)


def fit(
    scores: Floats,
    outcomes: Floats,
    weight: Floats,
    machine: npt.NDArray[np.int64],
    config: CalibrationConfig | None = None,
    *,
    on: Literal["hazards", "cumulative", "total"] = "cumulative",
) -> Calibration:
    """Fit the map on rows later than the model saw.

    scores, outcomes [n, horizons] cumulative (NaN = unripe), weight [n], machine [n] codes: rows of one machine are not
    independent, so the number of failing machines decides how far the map may bend. Without any failure the identity is
    returned.
    """
    from scipy.optimize import minimize

    config = config or CalibrationConfig()
    failed = np.nan_to_num(outcomes).max(axis=1) > 0
    events = len(np.unique(machine[failed]))
    if not events:
        return IDENTITY
    if on == "hazards":  # person-periods: a row counts in an interval only while it is at risk
        gone = np.concatenate([np.zeros((len(outcomes), 1), dtype=bool), outcomes[:, :-1] == 1], axis=1)
        scores, outcomes = interval_scores(scores), np.where(gone, np.nan, outcomes)
    if on == "total":
        scores, outcomes = scores[:, -1:], outcomes[:, -1:]
    overlap = 1 if on == "hazards" else outcomes.shape[1]
    ripe = ~np.isnan(outcomes)
    row, _ = np.nonzero(ripe)
    s, y, w = scores[ripe], outcomes[ripe], weight[row]
    segments = min(config.max_segments, 1 + events // config.events_per_segment)
    knots = _knots(s[y == 1], segments)
    lengths = _lengths(s, knots)
    if segments == 1:  # a straight line: what lies left and right of its one knot shares a slope
        lengths = lengths.sum(axis=1, keepdims=True)
    start = np.concatenate([[knots[0]], np.zeros(lengths.shape[1])])
    bounds = [(LOWEST, HIGHEST)] + [(-_STEEPEST, _STEEPEST)] * lengths.shape[1]
    pull = _pull(lengths.shape[1], overlap)
    found = minimize(
        _loss, start, args=(start, pull, lengths, y, w), jac=True, method="L-BFGS-B", bounds=bounds, options=_TIGHT
    )
    slopes = np.exp(found.x[1:])
    covariance = _covariance(found.x, pull, overlap, lengths, y, w, machine[row])
    if segments == 1:
        slopes = np.repeat(slopes, 2)
        spread = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
        covariance = spread @ covariance @ spread.T
    return Calibration(
        knots=tuple(knots), level=float(found.x[0]), slopes=tuple(slopes.tolist()), on=on, events=events,
        covariance=tuple(tuple(line) for line in covariance.tolist()),
    )  # fmt: skip


def _knots(event_scores: Floats, segments: int) -> list[float]:
    """Knots at quantiles of the failing rows' scores, at least 0.1 apart."""
    wanted = np.quantile(event_scores, np.linspace(0, 1, segments + 1)[1:-1]) if segments > 1 else [np.median(event_scores)]
    knots = [float(wanted[0])]
    for knot in wanted[1:]:
        if knot > knots[-1] + 0.1:
            knots.append(float(knot))
    return knots


def _pull(segments: int, overlap: int) -> Floats:
    """Precision of the pull towards the identity: level, slopes, and bends between neighbouring slopes.

    A failure counts at up to `overlap` horizons, so the pull is multiplied as well.
    """
    bend = np.diff(np.eye(segments), axis=0)
    precision = np.diag([1 / _SD_SHIFT**2] + [1 / _SD_SLOPE**2] * segments)
    precision[1:, 1:] += bend.T @ bend / _SD_BEND**2
    return np.asarray(precision * overlap)


def _loss(theta: Floats, start: Floats, pull: Floats, lengths: Floats, y: Floats, w: Floats) -> tuple[float, Floats]:
    """Penalised negative log-likelihood and its gradient."""
    slopes = np.exp(theta[1:])
    hazard = np.exp(held(theta[0] + lengths @ slopes))
    p = -np.expm1(-hazard)
    away = theta - start
    loss = 0.5 * float(away @ pull @ away) - float(np.sum(w * (y * np.log(p) - (1 - y) * hazard)))
    return loss, pull @ away - _gradient(lengths, slopes).T @ (w * _score(y, hazard, p))


def _score(y: Floats, hazard: Floats, p: Floats) -> Floats:
    """Derivative of the log-likelihood by the calibrated score."""
    return y * hazard * np.exp(-hazard) / p - (1 - y) * hazard


def _covariance(
    theta: Floats, pull: Floats, overlap: int, lengths: Floats, y: Floats, w: Floats, machine: npt.NDArray[np.int64]
) -> Floats:
    """Sandwich covariance of the parameters, clustered by machine (Liang & Zeger 1986); without data it is the pull's own."""
    slopes = np.exp(theta[1:])
    hazard = np.exp(held(theta[0] + lengths @ slopes))
    p = -np.expm1(-hazard)
    gradient = _gradient(lengths, slopes)
    information = (gradient * (w * hazard**2 * np.exp(-hazard) / p)[:, None]).T @ gradient
    _, cluster = np.unique(machine, return_inverse=True)
    each = gradient * (w * _score(y, hazard, p))[:, None]
    sums = np.stack([np.bincount(cluster, weights=column) for column in each.T], axis=1)
    inverse = np.linalg.inv(information + pull)
    return np.asarray(inverse @ (sums.T @ sums + overlap * pull) @ inverse)
