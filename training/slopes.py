"""Calibration slope and intercept: the outcome regressed on the forecast's own linear predictor (Cox 1958).

A calibrated forecast has slope 1 and intercept 0; a slope below 1 says that it is too bold. Rows are first folded into narrow
bins of the linear predictor (width about 0.01), so that a refit on a resample costs a thousand bins, not millions of rows;
the error of that is below 1e-3 (tested against the exact fit).
"""

from typing import Literal

import numpy as np
import numpy.typing as npt

from training.metrics import Floats, Rows, Statistic, chunked, fold, weigh

Link = Literal["logit", "cloglog"]
_BINS = 1500
_STEPS = 40


def linear_predictor(p: npt.NDArray[np.floating], link: Link) -> Floats:
    """logit(p) or log(-log(1-p)), with p kept 1e-9 away from 0 and 1."""
    clipped = np.clip(np.asarray(p, dtype=np.float64), 1e-9, 1.0 - 1e-9)
    if link == "logit":
        return np.log(clipped) - np.log1p(-clipped)
    return np.log(-np.log1p(-clipped))


def calibration_line(rows: Rows, p: npt.NDArray[np.floating], link: Link = "logit") -> tuple[Statistic, Statistic]:
    """(slope, intercept) as statistics. NaN where the outcome is separated or the forecast is constant."""
    eta = linear_predictor(p, link)
    low, high = float(eta.min()), float(eta.max())
    cell = np.minimum(((eta - low) / max(high - low, 1e-12) * _BINS).astype(np.int64), _BINS - 1)
    used, cell = np.unique(cell, return_inverse=True)
    cells = len(used)
    weight, events = fold(rows, cell, cells, rows.weight), fold(rows, cell, cells, rows.weight * rows.y)
    centre = np.bincount(cell, weights=rows.weight * eta, minlength=cells) / np.bincount(
        cell, weights=rows.weight, minlength=cells
    )

    def fit(weights: Floats) -> Floats:
        return _newton(weigh(weights, weight), weigh(weights, events), centre, link)

    def slope(weights: Floats) -> Floats:
        return chunked(lambda part: fit(part)[:, 1], 8 * cells)(weights)

    def intercept(weights: Floats) -> Floats:
        return chunked(lambda part: fit(part)[:, 0], 8 * cells)(weights)

    return slope, intercept


def _newton(weight: Floats, events: Floats, eta: Floats, link: Link) -> Floats:
    """Maximum likelihood (intercept, slope) [B, 2] for grouped outcomes [B, cells], by Fisher scoring with halved steps."""
    rate = np.clip(events.sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-300), 1e-9, 1 - 1e-9)
    beta = np.stack([linear_predictor(rate, link), np.zeros(len(weight))], axis=1)
    gained, step = np.full(len(weight), -np.inf), np.zeros_like(beta)
    for _ in range(_STEPS):
        mean, slope = _response(beta[:, :1] + beta[:, 1:] * eta, link)
        likelihood = (events * np.log(mean) + (weight - events) * np.log1p(-mean)).sum(axis=1)
        worse = likelihood < gained - 1e-9 * np.abs(gained)
        step[worse] /= 2.0
        beta[worse] -= step[worse]
        pull, curve = slope * (events - weight * mean) / (mean * (1 - mean)), weight * slope**2 / (mean * (1 - mean))
        a, b, c = curve.sum(axis=1), (curve * eta).sum(axis=1), (curve * eta**2).sum(axis=1)
        g, h = pull.sum(axis=1), (pull * eta).sum(axis=1)
        determinant = a * c - b * b
        solvable = determinant > 1e-9 * np.maximum(a * c, 1e-300)
        safe = np.where(solvable, determinant, 1.0)
        ahead = np.where(solvable[:, None], np.stack([(c * g - b * h) / safe, (a * h - b * g) / safe], axis=1), np.nan)
        step[~worse], gained[~worse] = ahead[~worse], likelihood[~worse]
        beta[~worse] += step[~worse]
        if np.nanmax(np.abs(step), initial=0.0) < 1e-9:
            break
    beta[_separated(weight, events)] = np.nan
    return beta


def _response(linear: Floats, link: Link) -> tuple[Floats, Floats]:
    """Mean and its derivative; the linear predictor is held where neither the mean nor its complement vanishes."""
    if link == "logit":
        mean = 1.0 / (1.0 + np.exp(-np.clip(linear, -30.0, 30.0)))
        return mean, mean * (1.0 - mean)
    held = np.clip(linear, -30.0, 3.0)
    return -np.expm1(-np.exp(held)), np.exp(held - np.exp(held))


def _separated(weight: Floats, events: Floats) -> npt.NDArray[np.bool_]:
    """[B]: every event in a higher bin than every non-event (or none of either): the likelihood has no maximum."""
    hit, miss = events > 0, weight - events > 1e-9
    first_hit = np.where(hit.any(axis=1), hit.argmax(axis=1), hit.shape[1])
    last_miss = np.where(miss.any(axis=1), miss.shape[1] - 1 - miss[:, ::-1].argmax(axis=1), -1)
    return np.asarray(last_miss < first_hit)
