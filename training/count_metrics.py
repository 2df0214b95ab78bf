"""Figures of a forecast number of accidents. Pure functions of arrays; every one can be drawn on resampled groups.

As in training.metrics a figure is a Statistic: group weights [B, groups] to values [B]. Sums are folded by group once; figures
of an order (Gini, lift, share in the top) sort once and weigh the sorted rows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from training.metrics import Floats, Rows, Statistic, ranking

Whole = npt.NDArray[np.int64]
Curve = Callable[[Floats, Floats], Floats]
_HELD = 2_000_000  # rows x replicates held at once: 16 MB per array


@dataclass(frozen=True)
class Counted:
    """What came: count [n], exposure [n], weight [n], and group code int64[n] in [0, groups), the unit of resampling."""

    count: Floats
    exposure: Floats
    group: Whole
    groups: int
    weight: Floats

    @classmethod
    def of(cls, count: Floats, exposure: Floats, group: npt.NDArray[np.generic], weight: Floats | None = None) -> Self:
        """group: any code or name per row [n]."""
        names, code = np.unique(group, return_inverse=True)
        full = np.ones(len(count)) if weight is None else weight
        return cls(np.asarray(count, float), np.asarray(exposure, float), code.astype(np.int64), len(names), full)

    def sums(self, *amounts: Floats) -> Floats:
        """Weighted sums by group [groups, amounts]."""
        return np.stack([np.bincount(self.group, self.weight * one, self.groups) for one in amounts], axis=1)


def unit_deviance(count: Floats, expected: Floats) -> Floats:
    """Poisson deviance of each row [n]: 2 (y log(y / mu) - y + mu) (McCullagh & Nelder 1989, section 2.3)."""
    from scipy.special import xlogy

    mean = np.maximum(expected, 1e-12)
    return np.asarray(2.0 * (xlogy(count, count / mean) - count + mean))


def deviance(rows: Counted, expected: Floats) -> Statistic:
    """Mean Poisson deviance per row."""
    return _mean_of(rows, unit_deviance(rows.count, expected))


def log_score(rows: Counted, log_likelihood: Floats) -> Statistic:
    """Mean negative log-likelihood per row, of a whole count distribution."""
    return _mean_of(rows, -log_likelihood)


def _mean_of(rows: Counted, value: Floats) -> Statistic:
    sums = rows.sums(value, np.ones(len(value)))
    return lambda weights: _over(*(weights @ sums).T)


def explained(rows: Counted, expected: Floats) -> Statistic:
    """1 - deviance / deviance of exposure x the rows' own rate, which is given the benefit of hindsight."""
    own = _mean_of(rows, unit_deviance(rows.count, expected))
    rate = float(rows.weight @ rows.count) / float(rows.weight @ rows.exposure)
    flat = _mean_of(rows, unit_deviance(rows.count, rows.exposure * rate))
    return lambda weights: np.asarray(1.0 - own(weights) / flat(weights))


def actual_over_expected(rows: Counted, expected: Floats, chosen: npt.NDArray[np.bool_] | None = None) -> Statistic:
    """Accidents that came over those announced, of the rows chosen."""
    part = np.ones(len(expected)) if chosen is None else chosen.astype(float)
    sums = rows.sums(part * rows.count, part * expected)
    return lambda weights: _over(*(weights @ sums).T)


def calibration_slope(rows: Counted, expected: Floats) -> Statistic:
    """Slope of the log rate relative to exposure x mean: 1 is right, below 1 the forecast is too wide (Cox 1958).

    By Newton steps on the Poisson likelihood of level and slope, on group sums of 40 cells of equal numbers of rows.
    """
    base = float(rows.weight @ expected) / float(rows.weight @ rows.exposure)
    away = np.log(np.maximum(expected, 1e-12) / (rows.exposure * base))
    cell, cells = _cells(away, 40)
    cut = [
        np.bincount(rows.group * cells + cell, rows.weight * amount, rows.groups * cells).reshape(rows.groups, cells)
        for amount in (rows.count, rows.exposure * base, rows.exposure * base * away)
    ]

    def run(weights: Floats) -> Floats:
        came, level, leaning = (weights @ one for one in cut)
        at = np.divide(leaning, level, out=np.zeros_like(level), where=level > 0)
        theta = np.tile([0.0, 1.0], (len(weights), 1))
        for _ in range(25):
            mean = level * np.exp(np.clip(theta[:, :1] + theta[:, 1:] * at, -30, 30))
            gradient = np.stack([(came - mean).sum(axis=1), ((came - mean) * at).sum(axis=1)], axis=1)
            second = [(mean * at**power).sum(axis=1) for power in range(3)]
            step = _solved(second, gradient)
            theta = theta + np.clip(step, -1.0, 1.0)
        return np.asarray(theta[:, 1])

    return run


def _solved(second: Sequence[Floats], gradient: Floats) -> Floats:
    a, b, c = second
    determinant = a * c - b * b
    safe = np.where(determinant > 1e-12, determinant, np.inf)
    return np.stack(
        [(c * gradient[:, 0] - b * gradient[:, 1]) / safe, (a * gradient[:, 1] - b * gradient[:, 0]) / safe], axis=1
    )


def any_auc(rows: Counted, score: Floats) -> Statistic:
    """Area under the ROC curve of `score` for having any accident."""
    return ranking(Rows(rows.group.astype(np.int32), rows.groups, rows.count > 0, rows.weight), score).auc()


def gini(rows: Counted, expected: Floats) -> Statistic:
    """Gini of accidents over exposure, both cumulated by rising rate expected / exposure: size alone scores 0.

    Twice the area between the Lorenz curve and the diagonal (Frees, Meyers & Cummings 2011). Equal rates are joined.
    """
    step = np.unique(_rate(rows, expected), return_inverse=True)[1]

    def run(exposure: Floats, count: Floats) -> Floats:
        x, y = exposure / exposure.sum(axis=1, keepdims=True), _over(count, count.sum(axis=1, keepdims=True))
        height = np.cumsum(y, axis=1) - 0.5 * y
        return np.asarray(1.0 - 2.0 * (x * height).sum(axis=1))

    return _stepped(rows, step, run)


def top_share(rows: Counted, expected: Floats, share: float, *, per_exposure: bool = True) -> Statistic:
    """Share of accidents in the riskiest `share` of exposure by rate, or of rows by expected number (what can be visited).

    The row on the edge counts in part; equal scores are joined.
    """
    score = _rate(rows, expected) if per_exposure else expected
    step = np.unique(-score, return_inverse=True)[1]

    def run(size: Floats, count: Floats) -> Floats:
        full, came = size.sum(axis=1, keepdims=True), count.sum(axis=1)
        above = np.cumsum(size, axis=1)
        inside = np.divide(
            np.clip(share * full - (above - size), 0.0, size), size, out=np.zeros_like(size), where=size > 0
        )  # fmt: skip
        return _over((inside * count).sum(axis=1), came)

    return _stepped(rows, step, run, size=None if per_exposure else np.ones(len(expected)))


def lorenz(rows: Counted, expected: Floats, *, per_exposure: bool = True) -> tuple[Floats, Floats]:
    """Share of exposure by falling rate, or of rows by falling number, and the share of accidents in it: [k + 1] each, from 0.

    Equal scores are joined.
    """
    score = _rate(rows, expected) if per_exposure else expected
    step = np.unique(-score, return_inverse=True)[1]
    sizes = rows.exposure if per_exposure else np.ones(len(expected))
    size, came = (np.cumsum(np.bincount(step, rows.weight * one)) for one in (sizes, rows.count))
    return np.r_[0.0, size / size[-1]], np.r_[0.0, came / came[-1]]


def _stepped(rows: Counted, step: Whole, run: Curve, size: Floats | None = None) -> Statistic:
    """A figure of rows in order, given for each replicate size and count of every step [B, steps]."""
    steps = int(step.max()) + 1
    amounts = [rows.weight * (rows.exposure if size is None else size), rows.weight * rows.count]
    single = steps == len(step)
    order = np.argsort(step) if single else None

    def sorted_(weights: Floats, amount: Floats) -> Floats:
        by_row = weights[:, rows.group] * amount
        if order is not None:
            return np.asarray(by_row[:, order])
        return np.stack([np.bincount(step, one, steps) for one in by_row])

    def all_(weights: Floats) -> Floats:
        each = max(1, _HELD // len(step))
        parts = (weights[start : start + each] for start in range(0, len(weights), each))
        return np.concatenate([run(*(sorted_(part, amount) for amount in amounts)) for part in parts])

    return all_


def double_lift(rows: Counted, ours: Floats, rival: Floats, bins: int = 5) -> list[dict[str, float]]:
    """Rows by rising ours / rival in bins of equal exposure: actual over expected of both. The better one stays near 1."""
    ratio = ours / rival
    order = np.argsort(ratio, kind="stable")
    share = np.cumsum((rows.weight * rows.exposure)[order])
    cell = np.minimum((bins * (share - share[0] * 0.5) / share[-1]).astype(int), bins - 1)
    found = []
    for number in range(bins):
        mine = order[cell == number]
        if len(mine):
            weight = rows.weight[mine]
            came = float(weight @ rows.count[mine])
            found.append({
                "from": float(ratio[mine[0]]), "to": float(ratio[mine[-1]]), "rows": len(mine), "count": came,
                "ours": came / float(weight @ ours[mine]), "rival": came / float(weight @ rival[mine]),
            })  # fmt: skip
    return found


def deciles(rows: Counted, expected: Floats, bins: int = 10, *, per_exposure: bool = True) -> list[npt.NDArray[np.bool_]]:
    """Masks of bins with about equal expected numbers, by rising rate (or by rising number)."""
    score = expected / rows.exposure if per_exposure else expected
    order = np.argsort(score, kind="stable")
    share = np.cumsum((rows.weight * expected)[order])
    cell = np.empty(len(score), dtype=np.int64)
    cell[order] = np.minimum((bins * share / share[-1] * (1 - 1e-12)).astype(int), bins - 1)
    return [cell == number for number in range(bins) if (cell == number).any()]


def by_segment(rows: Counted, expected: Floats, segment: npt.NDArray[np.generic]) -> Mapping[str, Statistic]:
    """Actual over expected of each segment, named by its value."""
    return {str(one): actual_over_expected(rows, expected, segment == one) for one in np.unique(segment)}


def _rate(rows: Counted, expected: Floats) -> Floats:
    """Log of the rate, rates that differ by rounding alone made equal."""
    return np.asarray(np.round(np.log(np.maximum(expected, 1e-300) / rows.exposure), 10))


def _cells(value: Floats, cells: int) -> tuple[Whole, int]:
    edges = np.unique(np.quantile(value, np.linspace(0, 1, cells + 1)[1:-1]))
    return np.searchsorted(edges, value, side="right").astype(np.int64), len(edges) + 1


def _over(above: Floats, below: Floats) -> Floats:
    return np.asarray(np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0))
