"""Intervals by resampling machines, never rows: the days of one machine are not independent witnesses.

Resampling is expressed as weights (how often each machine was drawn), so that nothing is copied. Two forecasts compared on the
same weights give the paired interval of their difference, which is narrower and the one that answers "is it better".
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.metrics import Floats, Statistic, once


@dataclass(frozen=True)
class Interval:
    """A figure and its percentile interval. NaN bounds: too few resamples in which the figure exists."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"


@dataclass(frozen=True)
class Band:
    """Simultaneous interval of several figures: with the stated confidence all of them hold at once."""

    value: Floats
    low: Floats
    high: Floats

    def all_contain(self, truth: float) -> bool:
        return bool(np.all((self.low <= truth) & (truth <= self.high)))


def resample(machines: int, replicates: int, seed: int) -> Floats:
    """How often each machine was drawn, with replacement, in each replicate: [replicates, machines]."""
    random = np.random.default_rng(seed)
    return np.stack(
        [np.bincount(random.integers(0, machines, machines), minlength=machines).astype(np.float64) for _ in range(replicates)]
    )


@dataclass(frozen=True)
class Draws:
    """A figure on the data and on each resample; figures drawn on the same weights can be subtracted."""

    value: float
    drawn: Floats

    def interval(self, confidence: float = 0.95) -> Interval:
        return percentile(self.value, self.drawn, confidence)

    def minus(self, other: "Draws") -> "Draws":
        """The paired difference. Raises ValueError if the two were not drawn on the same resamples."""
        if len(self.drawn) != len(other.drawn):
            raise ValueError("paired differences need the same resamples")
        return Draws(self.value - other.value, self.drawn - other.drawn)


def draw(statistic: Statistic, weights: Floats) -> Draws:
    """Evaluate a statistic on the data and on each resample."""
    return Draws(float(statistic(once(weights.shape[1]))[0]), statistic(weights))


def draw_all(statistics: Mapping[str, Statistic], weights: Floats) -> dict[str, Draws]:
    return {name: draw(statistic, weights) for name, statistic in statistics.items()}


def percentile(value: float, drawn: npt.NDArray[np.floating], confidence: float = 0.95) -> Interval:
    """Percentile interval over the resamples in which the figure exists (at least half of them must)."""
    present = drawn[np.isfinite(drawn)]
    if not np.isfinite(value) or len(present) < max(10, len(drawn) // 2):
        return Interval(value, np.nan, np.nan)
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(present, [tail, 1.0 - tail])
    return Interval(value, float(low), float(high))


def never_certain(interval: Interval, witnesses: int, confidence: float = 0.95) -> Interval:
    """The interval of a share that no resample can move off 0 or 1, by the exact binomial bound (Clopper & Pearson 1934).

    witnesses: how many machines the share was seen on. Any other interval comes back as it is.
    """
    if interval.low != interval.high or interval.value not in (0.0, 1.0) or not witnesses:
        return interval
    reach = 1.0 - float(((1.0 - confidence) / 2.0) ** (1.0 / witnesses))
    return Interval(interval.value, max(0.0, interval.value - reach), min(1.0, interval.value + reach))


def simultaneous(value: Floats, drawn: Floats, floor: Floats | None = None, confidence: float = 0.95) -> Band:
    """Band over several figures by the quantile of the largest studentised deviation (max-|t|, Westfall & Young 1993).

    value [k], drawn [B, k]. floor [k]: the least standard error to believe in; resampling rows that all had the same outcome
    shows no spread at all. A figure that never varies does not widen the others.
    """
    shaken = np.asarray(drawn.std(axis=0, ddof=1))
    spread = shaken if floor is None else np.maximum(shaken, floor)
    moving = shaken > 1e-12
    if not moving.any():
        return Band(value, value - 3.0 * spread, value + 3.0 * spread)
    deviation = np.abs(drawn[:, moving] - drawn[:, moving].mean(axis=0)) / shaken[moving]
    reach = float(np.quantile(deviation.max(axis=1), confidence)) * spread
    return Band(value, value - reach, value + reach)


def ratio(above: Floats, below: Floats) -> Statistic:
    """sum(above) / sum(below) over machines, from totals by machine [machines]."""

    def run(weights: Floats) -> Floats:
        top, bottom = weights @ above, weights @ below
        return np.asarray(np.divide(top, bottom, out=np.full(len(top), np.nan), where=bottom > 0))

    return run
