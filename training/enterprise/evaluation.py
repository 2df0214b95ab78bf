"""How good forecasts of accidents are, by what underwriters and schedulers live from, with intervals by enterprise.

Judged on the part of each window in which an enterprise was followed: what a forecast expects of 365 days is, over the first
200 of them, what it expects of these. All figures of all forecasts are drawn on the same resamples, so that gains are paired.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from training import count_metrics as counts
from training.count_metrics import Counted
from training.enterprise.parts import EDGES, STRETCHES, Floats
from training.intervals import Draws, Interval, draw, resample
from training.labels import HORIZON_DAYS
from training.metrics import Statistic

REPLICATES = 400
VISITED = 0.1  # share of the enterprises that inspectors can visit
BINS = 10
# Figures in which more is better, and those in which less is.
HIGHER, LOWER = ("explained", "gini", "auc", "top_exposure", "top_visits"), ("deviance",)


@dataclass(frozen=True)
class Judged:
    """Figures of one horizon. figures: by forecast and name; gains: of each forecast over each other that was asked for.

    deciles: by forecast the actual over expected of bins of equal expected numbers, by rising rate. segments: of the first
    forecast, by sort of segment and its name. lift: double lift of the first forecast against a rival, by rival.
    lorenz, visits: by forecast the share of accidents in the riskiest share of work, and of rows by expected number.
    """

    days: float
    rows: int
    enterprises: int
    accidents: float
    figures: Mapping[str, Mapping[str, Interval]]
    gains: Mapping[tuple[str, str], Mapping[str, Interval]]
    deciles: Mapping[str, Sequence[Interval]]
    segments: Mapping[str, Mapping[str, tuple[int, Interval]]] = field(default_factory=dict)
    lift: Mapping[str, list[dict[str, float]]] = field(default_factory=dict)
    lorenz: Mapping[str, tuple[Floats, Floats]] = field(default_factory=dict)
    visits: Mapping[str, tuple[Floats, Floats]] = field(default_factory=dict)


def over_followed(expected: Floats, followed: Floats) -> Floats:
    """Expected numbers [n] of the part followed (days [n]) of windows of which those of 30, 90, 365 days are known [n, 3]."""
    found = np.zeros(len(followed))
    before = np.zeros(len(followed))
    for number in range(STRETCHES):
        share = np.clip((followed - EDGES[number]) / (EDGES[number + 1] - EDGES[number]), 0.0, 1.0)
        found += share * (expected[:, number] - before)
        before = expected[:, number]
    return found


def judge(
    labels: pd.DataFrame,
    forecasts: Mapping[str, Floats],
    exposure: Floats,
    enterprise: npt.NDArray[np.generic],
    *,
    horizon: int,
    against: Sequence[tuple[str, str]] = (),
    segments: Mapping[str, npt.NDArray[np.generic]] | None = None,
    replicates: int = REPLICATES,
    seed: int = 21,
) -> Judged:
    """Judge forecasts [n, 3] of one horizon (0, 1, 2: 30, 90, 365 days).

    labels: what came (Past.labels). exposure: announced worker-years per year [n]. against: pairs (forecast, rival) whose gain
    is told. Raises ValueError without an accident.
    """
    days = HORIZON_DAYS[horizon]
    followed = labels[f"followed{days:g}"].to_numpy(np.float64)
    kept = np.flatnonzero(followed >= 1.0)
    came = labels[f"accidents{days:g}"].to_numpy(np.float64)[kept]
    if not came.sum():
        raise ValueError(f"no accident within {days:g} days of the rows: nothing to judge by")
    rows = Counted.of(came, exposure[kept] * followed[kept] / 365.0, enterprise[kept])
    expected = {name: np.maximum(over_followed(one[kept], followed[kept]), 1e-12) for name, one in forecasts.items()}
    weights = resample(rows.groups, replicates, seed)
    drawn = {name: {key: draw(one, weights) for key, one in statistics(rows, said).items()} for name, said in expected.items()}
    first = next(iter(expected))
    return Judged(
        days=days,
        rows=len(kept),
        enterprises=rows.groups,
        accidents=float(came.sum()),
        figures={name: {key: one.interval() for key, one in of.items()} for name, of in drawn.items()},
        gains={(one, other): gains(drawn[one], drawn[other]) for one, other in against},
        deciles={name: _deciles(rows, said, weights) for name, said in expected.items()},
        segments={sort: _segments(rows, expected[first], code[kept], weights) for sort, code in (segments or {}).items()},
        lift={name: counts.double_lift(rows, expected[first], said) for name, said in expected.items() if name != first},
        lorenz={name: counts.lorenz(rows, said) for name, said in expected.items()},
        visits={name: counts.lorenz(rows, said, per_exposure=False) for name, said in expected.items()},
    )


def statistics(rows: Counted, expected: Floats) -> dict[str, Statistic]:
    """The figures of one forecast."""
    return {
        "deviance": counts.deviance(rows, expected),
        "explained": counts.explained(rows, expected),
        "over_expected": counts.actual_over_expected(rows, expected),
        "slope": counts.calibration_slope(rows, expected),
        "gini": counts.gini(rows, expected),
        "auc": counts.any_auc(rows, expected),
        "top_exposure": counts.top_share(rows, expected, VISITED),
        "top_visits": counts.top_share(rows, expected, VISITED, per_exposure=False),
    }


def gains(ours: Mapping[str, Draws], rival: Mapping[str, Draws]) -> dict[str, Interval]:
    """Paired gains, above 0 where ours is better."""
    found = {name: ours[name].minus(rival[name]).interval() for name in HIGHER}
    return found | {name: rival[name].minus(ours[name]).interval() for name in LOWER}


def _deciles(rows: Counted, expected: Floats, weights: Floats) -> list[Interval]:
    masks = counts.deciles(rows, expected, BINS)
    return [draw(counts.actual_over_expected(rows, expected, mask), weights).interval() for mask in masks]


def _segments(
    rows: Counted, expected: Floats, code: npt.NDArray[np.generic], weights: Floats
) -> dict[str, tuple[int, Interval]]:
    """By segment how many accidents came, and actual over expected."""
    return {
        name: (int(rows.count[code.astype(str) == name].sum()), draw(one, weights).interval())
        for name, one in counts.by_segment(rows, expected, code.astype(str)).items()
    }


@dataclass(frozen=True)
class AgainstTruth:
    """A forecast beside the intensities that a perfect observer would state (simulated worlds only).

    slope of log truth on log forecast; over_expected: true over expected intensity; deciles of it; gini of true intensity over
    exposure, by the forecast's order, as a share of that by its own; covered: share of rows whose truth lies in the 90 % range.
    """

    slope: Interval
    over_expected: Interval
    deciles: tuple[Interval, ...]
    gini_share: Interval
    covered: float


def against_truth(
    truth: Floats,
    expected: Floats,
    low: Floats,
    high: Floats,
    exposure: Floats,
    enterprise: npt.NDArray[np.generic],
    *,
    replicates: int = REPLICATES,
    seed: int = 22,
) -> AgainstTruth:
    """Judge expected numbers [n] of a horizon by the true ones [n]; exposure: worker-years of the window [n]."""
    rows = Counted.of(truth, exposure, enterprise)
    weights = resample(rows.groups, replicates, seed)
    own, best = draw(counts.gini(rows, expected), weights), draw(counts.gini(rows, truth), weights)
    return AgainstTruth(
        slope=draw(counts.calibration_slope(rows, expected), weights).interval(),
        over_expected=draw(counts.actual_over_expected(rows, expected), weights).interval(),
        deciles=tuple(_deciles(rows, expected, weights)),
        gini_share=Draws(own.value / best.value, own.drawn / best.drawn).interval(),
        covered=float(np.mean((low <= truth) & (truth <= high))),
    )


def any_log_loss(labels: pd.DataFrame, p: Floats, horizon: int) -> float:
    """Mean log loss of the chance of any accident [n] over windows followed to their end; NaN without one."""
    days = HORIZON_DAYS[horizon]
    whole = labels[f"followed{days:g}"].to_numpy(np.float64) >= days - 1e-9
    came, said = labels[f"accidents{days:g}"].to_numpy(np.float64)[whole] > 0, np.clip(p[whole], 1e-12, 1 - 1e-12)
    return float(-np.mean(np.where(came, np.log(said), np.log1p(-said)))) if whole.any() else float("nan")
