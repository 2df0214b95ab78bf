"""From a bundle's models to probabilities with ranges: boosters alone, or blended with networks where a row has a window."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from training.blend import BOOSTERS, Blend, logs_of_scores
from training.calibration import Calibration
from training.hazard import Floats, from_cloglog
from training.model import HazardModel, Matrix, pooled
from training.window_model import together

# Student's t, 95 % quantile, by degrees of freedom: members are few, so their spread says less than it seems to.
_T95 = (6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812, 1.796, 1.782, 1.771, 1.761, 1.753)


def student95(freedom: int) -> float:
    """Student's t, 95 % quantile, of at least one degree of freedom; beyond the table as its last."""
    return _T95[min(freedom, len(_T95)) - 1]


@dataclass(frozen=True)
class Prediction:
    """[n, 3] probabilities of failure within 24, 48, 72 hours and their 90 % range (equal to p where it was not asked for).

    blended: bool[n], the rows that the networks had a say in; empty where nobody asked them.
    """

    p: Floats
    low: Floats
    high: Floats
    blended: npt.NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=bool))


def alone(model: HazardModel, calibration: Calibration, x: Matrix, *, ranges: bool, threads: int) -> Prediction:
    """The boosters and their own map."""
    if not ranges:
        p = from_cloglog(calibration.apply(model.point_scores(x, threads=threads)))
        return Prediction(p, p, p)
    members = model.member_scores(x, threads=threads)
    point = model.point_scores(x, threads=threads) if model.full else pooled(members)
    score = calibration.apply(point)
    variance = _spread(calibration.apply(members) - score[:, None]) + calibration.variance(point)
    return _with_range(score, variance, members.shape[1])


def blended(
    model: HazardModel, networks: Mapping[str, Floats], blend: Blend, x: Matrix, *, ranges: bool, threads: int
) -> Prediction:
    """The blend and its map, of rows whose windows are good enough. networks: what theirs say (WindowModel.logs).

    The range: boosters on resampled machines, networks of other seeds, and the map, each moved alone and the variances added.
    Of a single network nobody knows how it would come out another time: it is taken to be as uncertain as the boosters.
    """
    members = model.member_scores(x, threads=threads)
    boosters = model.point_scores(x, threads=threads) if model.full else pooled(members)
    each = {BOOSTERS: logs_of_scores(members), **networks}
    point = {name: logs_of_scores(boosters) if name == BOOSTERS else together(own) for name, own in each.items()}
    raw = blend.scores([point[name] for name in blend.models])
    score = blend.calibration.apply(raw)
    if not ranges:
        p = from_cloglog(score)
        return Prediction(p, p, p, np.ones(len(x), dtype=bool))
    variance = blend.calibration.variance(raw)
    for moved in blend.models:
        own = each[moved]
        if own.shape[1] == 1:
            own = _moved_alike(point[moved], each[BOOSTERS] - point[BOOSTERS][:, None])
        others = {name: np.repeat(one[:, None], own.shape[1], axis=1) for name, one in point.items()} | {moved: own}
        variance = variance + _spread(blend.calibrated([others[name] for name in blend.models]) - score[:, None])
    return replace(_with_range(score, variance, members.shape[1]), blended=np.ones(len(x), dtype=bool))


def _moved_alike(logs: Floats, away: Floats) -> Floats:
    """[n, members, k] logs [n, k] moved as far as the boosters' members lie [n, members, 3] from their mean hazard.

    What is not of an interval but of all three together moves as they do on average.
    """
    further = np.repeat(away.mean(axis=-1, keepdims=True), logs.shape[-1] - away.shape[-1], axis=-1)
    return np.asarray(logs[:, None] + np.concatenate([away, further], axis=-1))


def _spread(apart: Floats) -> Floats:
    """[n, members, 3] distances from the point score to their variance [n, 3]."""
    return np.asarray(np.einsum("nmk,nmk->nk", apart, apart) / max(1, apart.shape[1] - 1))


def _with_range(score: Floats, variance: Floats, members: int) -> Prediction:
    half = student95(members - 1) * np.sqrt(variance)
    # Ordered by horizon like p: the lower bound of a longer horizon is one for the shorter, the upper one the other way round.
    low = np.minimum.accumulate((score - half)[:, ::-1], axis=1)[:, ::-1]
    high = np.maximum.accumulate(score + half, axis=1)
    return Prediction(from_cloglog(score), from_cloglog(low), from_cloglog(high))


def joined(parts: Sequence[Prediction]) -> Prediction:
    """Predictions of some rows after those of others."""
    p, low, high = (np.concatenate([getattr(one, name) for one in parts]) for name in ("p", "low", "high"))
    return Prediction(p, low, high, np.concatenate([one.blended for one in parts]))


def merged(count: int, parts: Iterator[tuple[npt.NDArray[np.int64], Prediction]]) -> Prediction:
    """Predictions of some rows each, put together to `count` rows."""
    found = Prediction(np.empty((count, 3)), np.empty((count, 3)), np.empty((count, 3)), np.zeros(count, dtype=bool))
    for rows, part in parts:
        for name in ("p", "low", "high"):
            getattr(found, name)[rows] = getattr(part, name)
        found.blended[rows] = part.blended if len(part.blended) else False
    return found
