"""The life of one machine, hour by hour: load and weather wear the parts, wear raises the hazard, people take it back.

Within an hour: repaired and planned parts are renewed, inspections are made, then at most one part fails (the chance of any is
1 - exp(-sum of hazards), whose it is goes by the shares), errors are raised, and what runs wears. From each failure on life
goes on twice: as it was, and as it would have been without this failure; `truth` needs three days of the second.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from features.kernel import inlined, jit
from features.simulator.chance import Ints
from features.simulator.laws import (
    AGE,
    ALARMS,
    ASKED,
    BACK,
    BASE,
    BROKEN,
    DUE,
    END,
    FLOOR,
    HEAT,
    HEED,
    INSPECT,
    INTERVAL,
    LOOK,
    NTH,
    ONSET,
    PACE,
    POINTS,
    POWER,
    QUALITY,
    REPAIR,
    REPAIR_HIGH,
    REPAIR_LOW,
    REPLACE_AT,
    RESPONSE_HIGH,
    RESPONSE_LOW,
    RUNAWAY,
    SLACK,
    STEEP,
    TURN,
    WEAR,
    Draws,
    Law,
    State,
)
from features.simulator.world import Floats

AHEAD_HOURS = 72
PLANNED, EARLY, INSPECTED, CORRECTED = 1, 2, 3, 4
ACTIONS = {PLANNED: "planned", EARLY: "early", INSPECTED: "inspection", CORRECTED: "corrective"}
_OPENS, _CLOSES = 7, 16  # people come during these hours of the day
_FAINT = -25.0  # logarithm of the share of its final hazard below which a part has none
_WORST = 1.5**6  # beyond wear 1.5 errors become no more frequent


@dataclass(frozen=True)
class Life:
    """What happened to one machine over hours 0..n-1, all arrays by hour.

    wear float32[hour, part] at the hour's start; hazard float64[hour, part] per hour, over the hour that follows, 0 while the
    machine stands.  up bool[hour].  failed: the part that fails within the hour or -1, at `failed_at` (share of the hour), then
    `down` whole hours of repair from the next hour on.  faults float32[hour, code]: the share of the hour at which the code is
    raised, NaN if it is not.  actions int8[hour, part]: a key of ACTIONS or 0.
    ghosts float64[failure, AHEAD_HOURS, part]: the hazards from each failure's own hour on, on the path without it.
    """

    wear: npt.NDArray[np.float32]
    hazard: Floats
    up: npt.NDArray[np.bool_]
    failed: npt.NDArray[np.int8]
    failed_at: Floats
    down: Ints
    faults: npt.NDArray[np.float32]
    actions: npt.NDArray[np.int8]
    ghosts: Floats


def live(law: Law, draws: Draws, state: State, load: Floats, ambient_c: Floats, first_hour: int) -> Life:
    """Live through the hours of `load`. first_hour: the hour of day at hour 0. Pure: `state` is not changed."""
    hours, parts, now, held = len(load), law.parts.shape[1], _copy(state), _copy(state)
    told = _blank(hours, parts, law.codes.shape[1])
    ghosts: list[Floats] = []
    hour = 0
    while hour < hours:
        hour = _live(law, draws, now, held, load, ambient_c, first_hour, hour, hours, 0, True, *told)
        if told[3][hour - 1] >= 0:
            start, stop = hour - 1, min(hour - 1 + AHEAD_HOURS, hours)
            spared = _blank(AHEAD_HOURS, parts, law.codes.shape[1])
            _live(law, draws, held, held, load, ambient_c, first_hour, start, stop, start, False, *spared)
            ghosts.append(spared[1])
    return Life(*(*told, np.stack(ghosts) if ghosts else np.empty((0, AHEAD_HOURS, parts))))


def _copy(state: State) -> State:
    return State(state.parts.copy(), state.clock.copy())


def _blank(hours: int, parts: int, codes: int) -> tuple[Any, ...]:
    """The arrays of Life up to `actions` before anything happened."""
    return (
        np.zeros((hours, parts), np.float32),
        np.zeros((hours, parts)),
        np.zeros(hours, bool),
        np.full(hours, -1, np.int8),
        np.zeros(hours),
        np.zeros(hours, np.int64),
        np.full((hours, codes), np.nan, np.float32),
        np.zeros((hours, parts), np.int8),
    )


@inlined
def _renew(p, hour, law, draws, state):  # type: ignore[no-untyped-def]
    nth = int(state.parts[NTH, p]) + 1
    state.parts[NTH, p] = nth
    state.parts[WEAR, p] = 0.0
    state.parts[AGE, p] = 0.0
    state.parts[DUE, p] = hour + law.parts[INTERVAL, p] * draws.fitted[nth % len(draws.fitted), SLACK, p]
    state.parts[ASKED, p] = np.inf


@jit
def _visit(hour, law, draws, state, actions):  # type: ignore[no-untyped-def]
    """Planned renewals, inspections that were asked for, and the routine one, of a running machine while people are there."""
    parts = state.parts.shape[1]
    turn = -1
    if state.clock[LOOK] <= hour:
        turn = int(state.clock[TURN])
        state.clock[TURN] = (turn + 1) % parts
        state.clock[LOOK] = hour + law.manners[INSPECT]
    for p in range(parts):
        planned = state.parts[DUE, p] <= hour
        if planned or state.parts[ASKED, p] <= hour or (p == turn and actions[p] == 0):
            worn = state.parts[WEAR, p] >= law.manners[REPLACE_AT]
            actions[p] = 1 if planned else 2 if worn else 3
            state.parts[ASKED, p] = np.inf
            if planned or worn:
                _renew(p, hour, law, draws, state)


@inlined
def hazards(law, wear, into):  # type: ignore[no-untyped-def]
    """Hazard per hour of each part from its wear; returns their sum."""
    total = 0.0
    for p in range(len(wear)):
        rate = law.parts[FLOOR, p]
        above = law.parts[STEEP, p] * (wear[p] - 1.0)
        if law.parts[END, p] > 0.0 and above > _FAINT:
            rate += law.parts[END, p] * np.exp(min(above, 8.0))
        into[p] = rate
        total += rate
    return total


@inlined
def _raise(hour, law, draws, state, until, faults):  # type: ignore[no-untyped-def]
    """Errors of this hour, none after `until` (share of the hour); some make people come and look."""
    for c in range(law.codes.shape[1]):
        rate = law.codes[BASE, c]
        for p in range(state.parts.shape[1]):
            if law.rise[p, c] > 0.0:
                square = state.parts[WEAR, p] * state.parts[WEAR, p]
                rate += law.rise[p, c] * min(square * square * square, _WORST)
        draw = draws.faults[hour, c]
        if draw >= rate:  # 1 - exp(-rate) is less still
            continue
        chance = -np.expm1(-rate)
        if draw >= chance * until:
            continue
        faults[c] = draw / chance
        part = int(law.codes[POINTS, c])
        if part < 0:
            continue
        state.clock[ALARMS] += 1.0
        alarm = int(state.clock[ALARMS]) % len(draws.visits)
        if draws.visits[alarm, 0] < law.manners[HEED] and state.parts[ASKED, part] == np.inf:
            low, high = law.manners[RESPONSE_LOW], law.manners[RESPONSE_HIGH]
            state.parts[ASKED, part] = hour + 1.0 + np.ceil(low + (high - low) * draws.visits[alarm, 1])


@inlined
def _wear(law, draws, state, load, ambient_c):  # type: ignore[no-untyped-def]
    warm = max((ambient_c - 20.0) / 10.0, 0.0)
    log_load = np.log(max(load, 1e-6) / 0.75)
    for p in range(state.parts.shape[1]):
        state.parts[AGE, p] += 1.0
        nth = int(state.parts[NTH, p]) % len(draws.fitted)
        if law.parts[PACE, p] > 0.0 and state.parts[AGE, p] > draws.fitted[nth, ONSET, p]:
            square = state.parts[WEAR, p] * state.parts[WEAR, p]
            stress = np.exp(law.parts[POWER, p] * log_load) * (1.0 + law.parts[HEAT, p] * warm)
            ahead = 1.0 + law.parts[RUNAWAY, p] * square * square
            state.parts[WEAR, p] += law.parts[PACE, p] * draws.fitted[nth, QUALITY, p] * stress * ahead


# Numba compiles loops over elements in a hundredth of the time of assignments of whole rows.
@jit
def _live(  # type: ignore[no-untyped-def]
    law, draws, state, held, load, ambient_c, first_hour, start, stop, first_row, mortal,
    wear, hazard, up, failed, failed_at, down, faults, actions,
):  # fmt: skip
    """Live from hour `start` until something fails or `stop` is reached; returns the hour after the last one.

    state: is carried on. held: takes the state of a failure's hour as it was before. mortal: without it nothing fails.
    The arrays of Life are written; hour `first_row` stands in their row 0.
    """
    parts = law.parts.shape[1]
    for hour in range(start, stop):
        row = hour - first_row
        if state.clock[BACK] <= hour:
            if state.clock[BROKEN] >= 0:
                broken = int(state.clock[BROKEN])
                _renew(broken, hour, law, draws, state)
                actions[row, broken] = 4
                state.clock[BROKEN] = -1
            if _OPENS <= (hour + first_hour) % 24 < _CLOSES:
                _visit(hour, law, draws, state, actions[row])
            up[row] = True
        for p in range(parts):
            wear[row, p] = state.parts[WEAR, p]
        if not up[row]:
            continue
        total, until, part = hazards(law, state.parts[WEAR], hazard[row]), 1.0, -1
        if mortal and draws.fate[hour] < total:
            chance = -np.expm1(-total)
            if draws.fate[hour] < chance:
                # What is left of the draw below the chance says whose failure it is and when within the hour.
                place = draws.fate[hour] / chance * total
                part = 0
                while part < parts - 1 and place >= hazard[row, part]:
                    place -= hazard[row, part]
                    part += 1
                until = min(place / hazard[row, part], 1.0)
                for p in range(parts):
                    for r in range(5):
                        held.parts[r, p] = state.parts[r, p]
                for r in range(5):
                    held.clock[r] = state.clock[r]
        _raise(hour, law, draws, state, until, faults[row])
        if part < 0:
            _wear(law, draws, state, load[hour], ambient_c[hour])
            continue
        low, high = law.parts[REPAIR_LOW, part], law.parts[REPAIR_HIGH, part]
        stands = np.ceil(low + (high - low) * draws.fitted[int(state.parts[NTH, part]) % len(draws.fitted), REPAIR, part])
        failed[row], failed_at[row], down[row] = part, until, int(stands)
        state.clock[BACK], state.clock[BROKEN] = hour + 1 + stands, part
        return hour + 1
    return stop
