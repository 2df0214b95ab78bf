"""What an alarm is worth to the people who act on it: failures found, how early, and what it costs in false alarms.

A failure is one event however many observations precede it. An alarm is an observation among the riskiest share of all
observations (the budget). All functions are pure; machine totals feed the bootstrap in `training.intervals`.

An observation whose 72 hours were cut short counts if its machine failed in them and does not if it was quiet. It must count
where machines are watched until they fail (a drive is taken out): there are no later rows to find its failure by. Where the
watching ends for all at once, failures of half of the last 72 hours count too much, 1.5 days of a stretch: 2 % of its failures
in ten weeks, all forecasts alike, since all are judged on the same rows. `training.outcomes`, by which champions are chosen
and backtests judged on stretches of a few days, leaves those rows out.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from training.intervals import ratio
from training.metrics import Floats, Statistic, totals

Alarm = npt.NDArray[np.bool_]
MICROS_PER_HOUR = 3_600_000_000
HOURS_PER_MONTH = 730.5
WINDOW_HOURS = 72.0
_EARLY = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Timeline:
    """Ripe observations with the failures they precede.

    machine int32[n], as_of int64[n] us, y72 bool[n], weight [n]; lead_hours float64[n]: hours to the failure that follows
    within 72 h, else NaN; event int32[n]: its index, else -1. event_machine, event_time [m]: the failures seen by at least one
    observation. tie uint64[n]: a label-free pseudo-random key. every_hours: spacing of the observations of one machine.
    """

    machine: npt.NDArray[np.int32]
    machines: int
    as_of: npt.NDArray[np.int64]
    y: npt.NDArray[np.bool_]
    weight: Floats
    lead_hours: Floats
    event: npt.NDArray[np.int32]
    event_machine: npt.NDArray[np.int32]
    event_time: npt.NDArray[np.int64]
    tie: npt.NDArray[np.uint64]
    every_hours: float

    @property
    def events(self) -> int:
        return len(self.event_machine)

    @property
    def machine_months(self) -> float:
        return float(self.weight.sum()) * self.every_hours / HOURS_PER_MONTH


def timeline(
    names: npt.NDArray[np.object_],
    machine: npt.NDArray[np.int32],
    as_of: npt.NDArray[np.int64],
    y72: npt.NDArray[np.bool_],
    hours_to_failure: npt.NDArray[np.floating],
    weight: Floats | None = None,
    every_hours: float | None = None,
) -> Timeline:
    """Group positive observations into failures. names [machines] are the machine ids behind the codes."""
    lead = np.where(y72, np.asarray(hours_to_failure, dtype=np.float64), np.nan)
    event = np.full(len(machine), -1, dtype=np.int32)
    near = np.flatnonzero(y72)
    # Hours may be single precision: a failure's moment is known to the minute at best.
    moment = np.round((as_of[near] + lead[near] * MICROS_PER_HOUR) / 60e6).astype(np.int64)
    pairs = np.stack([machine[near].astype(np.int64), moment], axis=1)
    found, index = np.unique(pairs, axis=0, return_inverse=True) if len(near) else (np.empty((0, 2), np.int64), near)
    event[near] = index.reshape(-1)
    return Timeline(
        machine, len(names), as_of, y72, np.ones(len(machine)) if weight is None else weight, lead, event,
        found[:, 0].astype(np.int32), found[:, 1] * 60_000_000,
        _tie_key(names, machine, as_of), spacing_hours(machine, as_of) if every_hours is None else every_hours,
    )  # fmt: skip


def part(line: Timeline, rows: npt.NDArray[np.int64]) -> Timeline:
    """Some observations of a timeline; its failures and its spacing stay."""
    chosen = {name: getattr(line, name)[rows] for name in ("machine", "as_of", "y", "weight", "lead_hours", "event", "tie")}
    return replace(line, **chosen)


def spacing_hours(machine: npt.NDArray[np.int32], as_of: npt.NDArray[np.int64]) -> float:
    """Median gap between neighbouring observations of one machine; 24 h where no machine has two."""
    order = np.lexsort((as_of, machine))
    gap, same = np.diff(as_of[order]), np.diff(machine[order]) == 0
    return float(np.median(gap[same])) / MICROS_PER_HOUR if same.any() else 24.0


def _tie_key(
    names: npt.NDArray[np.object_], machine: npt.NDArray[np.int32], as_of: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint64]:
    """A hash of (machine id, as_of): the same whatever the order of rows, and blind to the outcome (splitmix64 finish)."""
    if not len(names):
        return np.empty(0, np.uint64)
    identity = pd.util.hash_array(np.asarray(names, dtype=object), categorize=False)[machine]
    mixed = identity ^ (as_of.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))


def alarms(line: Timeline, score: npt.NDArray[np.floating], budget: float) -> Alarm:
    """The riskiest `budget` share of all observations (by weight). Of equal scores at the edge, as many as fit, by `tie`."""
    allowed = budget * float(line.weight.sum()) * (1 + 1e-12)
    if allowed >= float(line.weight.sum()):
        return np.ones(len(score), dtype=bool)
    # No more rows than this can fit, so only they need sorting.
    most = min(len(score), int(allowed / float(line.weight.min())) + 1)
    order = np.argpartition(-score, most - 1)[:most]
    order = order[np.argsort(-score[order], kind="stable")]
    inside = min(most - 1, int(np.searchsorted(np.cumsum(line.weight[order]), allowed, side="right")))
    edge = score[order[inside]]
    alarm = score > edge
    tied = np.flatnonzero(score == edge)
    tied = tied[np.argsort(line.tie[tied])]
    left = allowed - float(line.weight[alarm].sum())
    alarm[tied[np.cumsum(line.weight[tied]) <= left]] = True
    return np.asarray(alarm)


def longest_lead(line: Timeline, alarm: Alarm) -> Floats:
    """Hours from the first alarm inside the 72 h window to the failure, per event [m]; NaN where the window had no alarm."""
    lead = np.full(line.events, -np.inf)
    rows = np.flatnonzero(alarm & (line.event >= 0))
    np.maximum.at(lead, line.event[rows], line.lead_hours[rows])
    return np.where(np.isfinite(lead), lead, np.nan)


def by_machine(line: Timeline, amount: Floats) -> Floats:
    """Sum of an amount per event [m] over the events of each machine [machines]."""
    return totals(line.event_machine, amount, line.machines)


def event_recall(line: Timeline, alarm: Alarm, at_least_hours: float = 0.0) -> Statistic:
    """Share of failures with an alarm in the 72 h before, at least so many hours ahead. The threshold stays as it is on
    the data when machines are resampled: over thousands of machine-days it barely moves."""
    hit = np.nan_to_num(longest_lead(line, alarm), nan=-1.0) >= at_least_hours
    return ratio(by_machine(line, hit.astype(np.float64)), by_machine(line, np.ones(line.events)))


def false_alarms_per_month(line: Timeline, alarm: Alarm) -> Statistic:
    """Alarmed observations with no failure in the next 72 h, per month that a machine was watched."""
    false = totals(line.machine, line.weight * (alarm & ~line.y), line.machines)
    watched = totals(line.machine, line.weight * (line.every_hours / HOURS_PER_MONTH), line.machines)
    return ratio(false, watched)


def fresh_share(line: Timeline, alarm: Alarm, days: float = 30.0) -> Statistic:
    """Of the failures alarmed in their last 72 h, the share whose first alarm since the failure before (or ever) came within
    `days` before it: an alarm that has been on for months tells nobody when to act."""
    found = ~np.isnan(longest_lead(line, alarm))
    rows = np.flatnonzero(alarm)
    order = np.lexsort((line.event_time, line.event_machine))
    keys = pd.MultiIndex.from_arrays([line.event_machine[order], line.event_time[order]])
    position = _next_event(line.machine[rows], line.as_of[rows], keys)
    first = np.full(line.events, np.iinfo(np.int64).max)
    known = position >= 0
    np.minimum.at(first, order[position[known]], line.as_of[rows][known])
    fresh = found & (line.event_time - np.where(found, first, line.event_time) <= days * 24 * MICROS_PER_HOUR)
    return ratio(by_machine(line, fresh.astype(np.float64)), by_machine(line, found.astype(np.float64)))


def _next_event(machine: npt.NDArray[np.int32], moment: npt.NDArray[np.int64], keys: pd.MultiIndex) -> npt.NDArray[np.int64]:
    """Position of the first event of the same machine at or after each moment; -1 if there is none. `keys` is sorted."""
    machines, times = keys.get_level_values(0).to_numpy(), keys.get_level_values(1).to_numpy()
    begin = np.searchsorted(machines, machine, side="left")
    end = np.searchsorted(machines, machine, side="right")
    position = np.full(len(machine), -1, dtype=np.int64)
    for row in np.flatnonzero(end > begin):
        at = begin[row] + int(np.searchsorted(times[begin[row] : end[row]], moment[row], side="left"))
        if at < end[row]:
            position[row] = at
    return position


@dataclass(frozen=True)
class AlarmCurve:
    """Event recall [k] against false alarms per machine-month [k], from the strictest threshold [k] to the laxest."""

    recall: Floats
    false_alarms: Floats
    threshold: Floats


def alarm_curve(line: Timeline, score: npt.NDArray[np.floating]) -> AlarmCurve:
    """A false alarm is an alarmed observation with no failure in the next 72 h; recall rises where a failure is first found."""
    best = np.full(line.events, -np.inf)
    rows = np.flatnonzero(line.event >= 0)
    np.maximum.at(best, line.event[rows], score[rows])
    levels, count = np.unique(best, return_counts=True)
    cell = np.searchsorted(levels, score[~line.y], side="right")
    false = np.bincount(cell, weights=line.weight[~line.y], minlength=len(levels) + 1)
    above = np.cumsum(false[::-1])[::-1][1:]
    recall = np.cumsum(count[::-1]) / max(1, line.events)
    return AlarmCurve(recall, above[::-1] / line.machine_months, levels[::-1])


@dataclass(frozen=True)
class TopK:
    """Daily lists of the k riskiest machines: mean hits a day, their share of the list, the best any order could have got."""

    k: int
    days: int
    hits_per_day: float
    precision: float
    best_per_day: float


def top_k(line: Timeline, score: npt.NDArray[np.floating], k: int) -> TopK:
    """Each day, the k machines with the highest score of that day; a hit fails within 72 h of its riskiest observation."""
    day = line.as_of // (24 * MICROS_PER_HOUR)
    order = np.lexsort((line.tie, -score, day))
    once = order[_first_of_pair(day[order], line.machine[order])]
    starts = np.r_[True, np.diff(day[once]) != 0]
    place = np.arange(len(once)) - np.flatnonzero(starts)[np.cumsum(starts) - 1]
    listed = once[place < k]
    days = int(starts.sum())
    positive = np.bincount(np.cumsum(starts) - 1, weights=line.y[once])
    hits = int(line.y[listed].sum())
    return TopK(k, days, hits / days, hits / len(listed), float(np.minimum(positive, k).sum()) / days)


def _first_of_pair(day: npt.NDArray[np.int64], machine: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Positions, in order, at which a (day, machine) pair appears for the first time."""
    key = (day - day.min()) * (int(machine.max()) + 1) + machine
    _, first = np.unique(key, return_index=True)
    return np.sort(first)
