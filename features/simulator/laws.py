"""The laws of one machine as arrays: physics of its kind, habits of its keepers, its own chances, and its state at hour 0."""

from typing import NamedTuple

import numpy as np

from features.simulator.chance import HOURS_PER_YEAR, Ints, Stream, stream
from features.simulator.world import Floats, Habit, KindWorld

_DRAWN = 256  # draws for parts and visits, taken in turn
_NEVER = np.inf


class Law(NamedTuple):
    """The physics of a kind as arrays by part, by (part, code) and by code. points: the part that a code points at, or -1."""

    floor: Floats
    end: Floats
    steep: Floats
    pace: Floats
    power: Floats
    heat: Floats
    runaway: Floats
    repair_low: Floats
    repair_high: Floats
    base: Floats
    rise: Floats
    points: Ints


class Manners(NamedTuple):
    """A habit as numbers, in hours."""

    heed: float
    response_low: float
    response_high: float
    inspect: float
    replace_at: float
    interval: Floats


class Draws(NamedTuple):
    """fate [hour], faults [hour, code], visits [n, 2]; of the n-th part fitted: quality, slack, onset (hours), repair."""

    fate: Floats
    faults: Floats
    quality: Floats
    slack: Floats
    onset: Floats
    repair: Floats
    visits: Floats


class State(NamedTuple):
    """By part: wear, running hours, hour of planned renewal, hour of an asked inspection, count of parts fitted so far.

    clock: hour at which the machine runs again, hour of the next routine inspection, alarms so far.
    turn: the broken part or -1, the part that is inspected next.
    """

    wear: Floats
    age: Floats
    due: Floats
    asked: Floats
    nth: Ints
    clock: Floats
    turn: Ints


def law_of(kind: KindWorld, make: int, aging: float) -> Law:
    """aging: how much faster than a new machine this one wears."""
    parts, faults = kind.parts, kind.faults
    worn = [0.0 if part.life_days is None else 1.0 / (24.0 * part.life_days) for part in parts]
    rise = np.array([[fault.rise.get(part.code, 0.0) for fault in faults] for part in parts]).reshape(len(parts), len(faults))
    points = np.where(rise.max(axis=0, initial=0.0) > 0, rise.argmax(axis=0) if len(parts) else 0, -1)
    return Law(
        np.array([part.sudden_per_year for part in parts]) / HOURS_PER_YEAR,
        np.array([part.end_hazard_per_day for part in parts]) / 24.0,
        np.array([part.steepness for part in parts]),
        np.array(worn) * kind.makes[make].wear * aging,
        np.array([part.load_power for part in parts]),
        np.array([part.heat_per_10c for part in parts]),
        np.array([part.runaway for part in parts]),
        np.array([part.repair_hours[0] for part in parts]),
        np.array([part.repair_hours[1] for part in parts]),
        np.array([fault.base_per_day for fault in faults]) / 24.0,
        rise / 24.0,
        points.astype(np.int64),
    )


def manners_of(kind: KindWorld, habit: Habit) -> Manners:
    planned = [_NEVER if part.planned_days is None else part.planned_days * 24.0 * habit.interval for part in kind.parts]
    return Manners(habit.heed, *habit.response_hours, habit.inspect_days * 24.0, habit.replace_at, np.array(planned))


def draws_of(kind: KindWorld, habit: Habit, seed: int, machine: int, hours: int) -> tuple[Draws, State]:
    """The machine's chances, and its state at hour 0: parts somewhere in their first lives."""
    rng = stream(seed, machine, Stream.PARTS)
    parts, shape = kind.parts, (_DRAWN, len(kind.parts))
    first, looked = rng.random(shape[1]), rng.random()
    quality = np.exp(np.array([part.quality_spread for part in parts]) * rng.standard_normal(shape))
    slack = np.exp(habit.slack * rng.standard_normal(shape))
    onset = np.array([part.onset_days * 24.0 for part in parts]) * rng.standard_exponential(shape)
    draws = Draws(
        stream(seed, machine, Stream.FATE).random(hours),
        stream(seed, machine, Stream.FAULTS).random((hours, len(kind.faults))),
        quality,
        slack,
        onset,
        rng.random(shape),
        stream(seed, machine, Stream.VISITS).random((_DRAWN, 2)),
    )
    interval = manners_of(kind, habit).interval
    begun = np.array([part.onset_days == 0 and part.life_days is not None for part in parts])
    state = State(
        np.where(begun, 0.7 * first, 0.0),
        np.zeros(len(parts)),
        np.where(np.isfinite(interval), first[::-1] * interval, _NEVER),
        np.full(len(parts), _NEVER),
        np.zeros(len(parts), np.int64),
        np.array([0.0, looked * habit.inspect_days * 24.0, 0.0]),
        np.array([-1, 0], dtype=np.int64),
    )
    return draws, state
