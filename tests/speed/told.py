"""The most that readings could tell of a mode that shows in their order alone: an observer who is told how every knock stands.

It knows the law of the world, the make, when the part was renewed, load and standstills up to as_of, and of every knock until
then whether it repeated the one that it answers; no noise hides any. Unknown are when wear began and how well the part was
made: both are integrated over, and the probability that the part fails within 72 hours follows. Readings can only tell less.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.clock import micros
from features.kernel import jit
from features.simulator import tables
from features.simulator.chance import Stream, passport, stream
from features.simulator.fleet import Fleet, machine_of, weather_of
from features.simulator.life import CORRECTED, EARLY, PLANNED
from features.simulator.world import KindWorld
from training import alarms

HOUR_US = 3_600_000_000
BACK_DAYS, QUALITIES = 40, np.array([-1.4, -0.7, 0.0, 0.7, 1.4])  # when wear may have begun; standard deviations of quality
KNOCK_HOURS = 4
HORIZON = 72


@dataclass(frozen=True)
class Answers:
    """What the observer is told of a machine: hours int64[k] from which an answer is known, and bool[k] whether it repeated."""

    hour: np.ndarray
    repeats: np.ndarray


def claws(kind: KindWorld, gauge: int, draws: np.ndarray, wear: np.ndarray) -> Answers:
    """The knocks as they are (world.Waveform)."""
    law = kind.gauges[gauge].waveform
    assert law is not None
    at = np.arange(int(draws[0] * law.gap_hours), len(draws), law.gap_hours)[law.claws :]
    return Answers(at + KNOCK_HOURS, draws[at] < 0.5 + 0.5 * np.minimum(1.0, wear[at]))


def pairs(draws: np.ndarray, wear: np.ndarray, per_day: float, gap_hours: int = 7) -> Answers:
    """As the world had it at first: pairs at any hour, the second repeating the first; pairs lay over each other, so that even
    who knew how each stands was told less than this."""
    at = np.flatnonzero(draws < per_day / 24.0)
    place = draws[at] / (per_day / 24.0) * 2.0 % 1.0
    return Answers(at + gap_hours + KNOCK_HOURS, place < 0.5 + 0.5 * np.minimum(1.0, wear[at]))


def told(fleet: Fleet, kind: KindWorld, frame: pd.DataFrame, pairs_per_day: float | None = None) -> tuple[str, np.ndarray]:
    """The component that knocks, and by row (machine_id, as_of) the probability [n] that it fails within 72 hours."""
    (gauge,) = [at for at, one in enumerate(kind.gauges) if one.waveform]
    code = kind.gauges[gauge].waveform.part  # type: ignore[union-attr]
    place = [part.code for part in kind.parts].index(code)
    part, weather = kind.parts[place], weather_of(fleet)
    own = {tables.machine_id(kind, index): index for index in range(fleet.machines)}
    hour = ((frame["as_of"].dt.as_unit("us").astype("int64") - micros(fleet.world.begin)) // HOUR_US).to_numpy()
    found = np.full(len(frame), np.nan)
    for name, rows in frame.groupby("machine_id").indices.items():
        who = passport(fleet.world, fleet.seed, own[str(name)])
        made = machine_of(fleet, who, weather)
        draws = stream(fleet.seed, who.index, Stream.KNOCKS).random(fleet.hours)
        wear = made.life.wear[: fleet.hours, place].astype(np.float64)
        known = claws(kind, gauge, draws, wear) if pairs_per_day is None else pairs(draws, wear, pairs_per_day)
        # Hours of wear at nominal load.
        stress = made.life.up[: fleet.hours] * (np.maximum(made.duty.load[: fleet.hours], 1e-6) / 0.75) ** part.load_power
        worn = np.concatenate([[0.0], np.cumsum(stress)])
        renewed = np.flatnonzero(np.isin(made.life.actions[: fleet.hours, place], [PLANNED, EARLY, CORRECTED]))
        before = np.searchsorted(renewed, hour[rows]) - 1
        since = np.where(before >= 0, np.concatenate([renewed, [0]])[before], 0)
        quality = kind.makes[who.make].wear * np.exp(part.quality_spread * QUALITIES)
        prior = np.exp(-0.5 * QUALITIES**2) / np.exp(-0.5 * QUALITIES**2).sum()
        curve = _curve(24.0 * float(part.life_days or 1.0), part.runaway, 24 * BACK_DAYS * 2)
        risk = np.cumsum(part.end_hazard_per_day / 24.0 * np.exp(np.minimum(part.steepness * (curve - 1.0), 8.0)))
        agree = 0.5 + 0.5 * np.minimum(1.0, curve)
        found[rows] = _observe(
            worn, since, hour[rows], known.hour, known.repeats, np.log(2 * agree), np.log(np.maximum(2 - 2 * agree, 1e-6)),
            risk, quality, prior, 24.0 * part.onset_days, float(stress.mean()),
        )  # fmt: skip
    return code, found


def rescued(frame: pd.DataFrame, component: str, boosters: np.ndarray, other: np.ndarray, budget: float) -> np.ndarray:
    """[machines, 2] failures of a component that LightGBM misses, and those that the other one alarms on the same budget.

    frame: machine_id, as_of, y72, hours_to_failure, component; boosters, other [n]: probabilities within 72 hours.
    """
    ripe = frame["y72"].notna().to_numpy()
    rows = frame[ripe]
    machine, names = pd.factorize(rows["machine_id"], sort=True)
    as_of = rows["as_of"].dt.as_unit("us").astype("int64").to_numpy()
    line = alarms.timeline(
        np.asarray(names, dtype=object), machine.astype(np.int32), as_of, rows["y72"].to_numpy() > 0.5,
        rows["hours_to_failure"].to_numpy(np.float64),
    )  # fmt: skip
    own = np.zeros(line.events, dtype=bool)
    near = line.event >= 0
    own[line.event[near]] = rows["component"].to_numpy(object)[near] == component
    hit, found = (~np.isnan(alarms.longest_lead(line, alarms.alarms(line, p[ripe], budget))) for p in (boosters, other))
    missed = own & ~hit
    counts = [np.bincount(line.event_machine[one], minlength=line.machines) for one in (missed, missed & found)]
    return np.stack(counts, axis=1).astype(np.float64)


def _curve(life_hours: float, runaway: float, hours: int) -> np.ndarray:
    """Wear by hours at nominal load since it began."""
    wear = np.zeros(hours)
    for hour in range(1, hours):
        wear[hour] = min(wear[hour - 1] + (1.0 + runaway * wear[hour - 1] ** 4) / life_hours, 3.0)
    return wear


@jit
def _observe(worn, since, at, known, repeats, agrees, differs, risk, quality, prior, onset, pace):  # type: ignore[no-untyped-def]
    """Posterior over the day on which wear began (or has not) and the quality; `risk`: summed hazard by hour of wear."""
    found = np.zeros(len(at))
    last = len(risk) - 1
    for r in range(len(at)):
        now = at[r]
        age = now - since[r]
        total, fails = np.exp(-age / onset), 0.0
        newest = np.searchsorted(known, now, side="right")
        for day in range(min(age // 24, BACK_DAYS)):
            begun = now - 24 * day - 12
            for q in range(len(quality)):
                log = 0.0
                for i in range(newest - 1, -1, -1):
                    if known[i] <= begun or log < -40.0:
                        break
                    place = min(int((worn[known[i]] - worn[begun]) * quality[q]), last)
                    log += agrees[place] if repeats[i] else differs[place]
                place, speed = int((worn[now] - worn[begun]) * quality[q]), pace * quality[q]
                so_far = risk[min(place, last)]
                ahead = risk[min(int(place + HORIZON * speed), last)] - so_far
                weight = prior[q] * 24.0 / onset * np.exp(-(age - 24.0 * day - 12.0) / onset + log - so_far / speed)
                total += weight
                fails += weight * -np.expm1(-ahead / speed)
        found[r] = fails / total
    return found
