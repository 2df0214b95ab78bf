"""The laws of one machine as arrays: physics of its kind, habits of its keepers, its own chances, and its state at hour 0.

Few arrays with named rows rather than many: the compiled loop takes them at each call.
"""

from typing import NamedTuple

import numpy as np

from features.simulator.chance import HOURS_PER_YEAR, Stream, stream
from features.simulator.world import Floats, Habit, KindWorld

# Rows of Law.parts, by the hour.
FLOOR, END, STEEP, PACE, POWER, HEAT, RUNAWAY, REPAIR_LOW, REPAIR_HIGH, INTERVAL = range(10)
# Rows of Law.codes.
BASE, POINTS = range(2)
# Places in Law.manners, in hours where they are times.
HEED, RESPONSE_LOW, RESPONSE_HIGH, INSPECT, REPLACE_AT = range(5)
# Rows of Draws.fitted.
QUALITY, SLACK, ONSET, REPAIR = range(4)
# Rows of State.parts and places in State.clock.
WEAR, AGE, DUE, ASKED, NTH = range(5)
BACK, LOOK, ALARMS, BROKEN, TURN = range(5)

_DRAWN = 256  # draws for parts and visits, taken in turn
_NEVER = np.inf


class Law(NamedTuple):
    """parts float64[10, part]; rise float64[part, code], events an hour at wear 1; codes float64[2, code]: events an hour of a
    sound machine, and the part that a code points at or -1; manners float64[5]: how its keepers answer."""

    parts: Floats
    rise: Floats
    codes: Floats
    manners: Floats


class Draws(NamedTuple):
    """fate [hour], faults [hour, code]; fitted [n, 4, part]: of the n-th part fitted; visits [n, 2]: of the n-th alarm."""

    fate: Floats
    faults: Floats
    fitted: Floats
    visits: Floats


class State(NamedTuple):
    """parts float64[5, part]: wear, running hours, hour of planned renewal, hour of an asked inspection, parts fitted so far.

    clock float64[5]: hour at which the machine runs again, hour of the next routine inspection, alarms so far, the broken part
    or -1, the part that is inspected next.
    """

    parts: Floats
    clock: Floats


def law_of(kind: KindWorld, make: int, aging: float, habit: Habit) -> Law:
    """aging: by what factor the machine's age speeds up its wear."""
    parts, faults = kind.parts, kind.faults
    rows = np.empty((10, len(parts)))
    rows[FLOOR] = [part.sudden_per_year / HOURS_PER_YEAR for part in parts]
    rows[END] = [part.end_hazard_per_day / 24.0 for part in parts]
    rows[STEEP] = [part.steepness for part in parts]
    rows[PACE] = [0.0 if part.life_days is None else kind.makes[make].wear * aging / (24.0 * part.life_days) for part in parts]
    rows[POWER] = [part.load_power for part in parts]
    rows[HEAT] = [part.heat_per_10c for part in parts]
    rows[RUNAWAY] = [part.runaway for part in parts]
    rows[REPAIR_LOW], rows[REPAIR_HIGH] = np.array([part.repair_hours for part in parts]).T
    rows[INTERVAL] = [_NEVER if part.planned_days is None else part.planned_days * 24.0 * habit.interval for part in parts]
    rise = np.array([[fault.rise.get(part.code, 0.0) for fault in faults] for part in parts]).reshape(len(parts), len(faults))
    points = np.where(rise.max(axis=0, initial=0.0) > 0, rise.argmax(axis=0), -1)
    codes = np.array([[fault.base_per_day / 24.0 for fault in faults], points], dtype=np.float64)
    manners = np.array([habit.heed, *habit.response_hours, habit.inspect_days * 24.0, habit.replace_at])
    return Law(rows, rise / 24.0, codes, manners)


def draws_of(kind: KindWorld, habit: Habit, seed: int, machine: int, hours: int) -> Draws:
    """The machine's chances."""
    rng = stream(seed, machine, Stream.PARTS)
    parts, shape = kind.parts, (_DRAWN, len(kind.parts))
    fitted = np.empty((_DRAWN, 4, len(parts)))
    fitted[:, QUALITY] = np.exp(np.array([part.quality_spread for part in parts]) * rng.standard_normal(shape))
    fitted[:, SLACK] = np.exp(habit.slack * rng.standard_normal(shape))
    fitted[:, ONSET] = np.array([part.onset_days * 24.0 for part in parts]) * rng.standard_exponential(shape)
    fitted[:, REPAIR] = rng.random(shape)
    return Draws(
        stream(seed, machine, Stream.FATE).random(hours),
        stream(seed, machine, Stream.FAULTS).random((hours, len(kind.faults))),
        fitted,
        stream(seed, machine, Stream.VISITS).random((_DRAWN, 2)),
    )


def state_of(kind: KindWorld, law: Law, seed: int, machine: int) -> State:
    """At hour 0 parts are somewhere in their first lives."""
    rng = stream(seed, machine, Stream.STATE)
    parts = np.zeros((5, len(kind.parts)))
    first = rng.random((2, len(kind.parts)))
    begun = np.array([part.onset_days == 0 and part.life_days is not None for part in kind.parts])
    parts[WEAR] = np.where(begun, 0.7 * first[0], 0.0)
    planned = np.isfinite(law.parts[INTERVAL])
    parts[DUE] = _NEVER
    parts[DUE, planned] = first[1, planned] * law.parts[INTERVAL, planned]
    parts[ASKED] = _NEVER
    return State(parts, np.array([0.0, rng.random() * law.manners[INSPECT], 0.0, -1.0, 0.0]))
