"""Forecasts side by side: what the business pays for, on the same ripe rows and the same resamples of machines.

The first forecast is the one in question; every gain is it minus another, paired by machine.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from training import alarms, metrics
from training.evaluation import Figures
from training.intervals import Draws, draw, never_certain, resample
from training.metrics import Floats, Rows
from training.slopes import calibration_line

# What a gain is told of; slope and observed over expected are right at 1 and have no better or worse.
GAINED = ("log_loss", "brier_skill", "ap", "event_recall")
Stretches = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Comparison:
    """Figures of every forecast and the gains of the first over each other, with 95 % intervals.

    rows, failing rows, machines of the ripe observations; failures: events, however many rows precede one; failing: machines
    that had one. A figure that the rows cannot give (no failure among them) is NaN.
    """

    names: tuple[str, ...]
    rows: int
    positive: int
    machines: int
    failures: int
    failing: int
    budget: float
    first: pd.Timestamp
    last: pd.Timestamp
    figures: Figures
    gains: Figures


def compare(
    frame: pd.DataFrame,
    forecasts: Mapping[str, Floats],
    *,
    budget: float = 0.05,
    replicates: int = 400,
    seed: int = 20,
    stretch: Stretches | None = None,
) -> Comparison:
    """Judge 72-hour probabilities [n] on a frame of later observations.

    frame: machine_id, as_of (aware), y72 (NaN = unripe), hours_to_failure. budget: share of the observations that may alarm.
    stretch [n]: where given, the budget holds within each stretch of time, as it does for people who act week by week.
    Raises ValueError without a ripe row.
    """
    ripe = ~np.isnan(frame["y72"].to_numpy(np.float64))
    if not ripe.any():
        raise ValueError("no ripe observation: nothing to judge by")
    frame = frame[ripe]
    codes, names = pd.factorize(frame["machine_id"], sort=True)
    y = frame["y72"].to_numpy(np.float64) > 0.5
    rows = Rows(codes.astype(np.int32), len(names), y, np.ones(len(y)))
    line = alarms.timeline(
        np.asarray(names, dtype=object), rows.machine, frame["as_of"].dt.as_unit("us").astype("int64").to_numpy(), y,
        frame["hours_to_failure"].to_numpy(np.float64),
    )  # fmt: skip
    within = np.zeros(len(y), dtype=np.int64) if stretch is None else stretch[ripe]
    weights = resample(len(names), replicates, seed)
    drawn = {
        name: _drawn(rows, line, np.asarray(p, np.float64)[ripe], budget, within, weights) for name, p in forecasts.items()
    }
    witnesses = len(np.unique(line.event_machine))
    figures = {name: {key: one.interval() for key, one in of.items()} for name, of in drawn.items()}
    for one in figures.values():
        one["event_recall"] = never_certain(one["event_recall"], witnesses)
    return Comparison(
        names=tuple(forecasts),
        rows=len(y),
        positive=rows.events,
        machines=len(names),
        failures=line.events,
        failing=witnesses,
        budget=budget,
        first=frame["as_of"].min(),
        last=frame["as_of"].max(),
        figures=figures,
        gains=_gains(drawn),
    )


def _gains(drawn: Mapping[str, Mapping[str, Draws]]) -> Figures:
    own, *rivals = drawn
    return {name: {key: drawn[own][key].minus(drawn[name][key]).interval() for key in GAINED} for name in rivals}


def _drawn(rows: Rows, line: alarms.Timeline, p: Floats, budget: float, within: Stretches, weights: Floats) -> dict[str, Draws]:
    slope, _ = calibration_line(rows, p)
    statistics = {
        "log_loss": metrics.log_loss(rows, p),
        "log_loss_skill": metrics.log_loss_skill(rows, p),
        "brier_skill": metrics.brier_skill(rows, p),
        "ap": metrics.ranking(rows, p).average_precision(),
        "event_recall": alarms.event_recall(line, alarmed(line, p, budget, within)),
        "slope": slope,
        "observed_over_expected": metrics.observed_over_expected(rows, p),
    }
    return {name: draw(one, weights) for name, one in statistics.items()}


def alarmed(line: alarms.Timeline, p: Floats, budget: float, within: Stretches) -> alarms.Alarm:
    """The riskiest `budget` share of the observations of each stretch."""
    alarm = np.zeros(len(p), dtype=bool)
    for stretch in np.unique(within):
        inside = np.flatnonzero(within == stretch)
        alarm[inside] = alarms.alarms(alarms.part(line, inside), p[inside], budget)
    return alarm
