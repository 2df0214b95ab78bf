"""The life of one machine, hour by hour: load and weather wear the parts, wear raises the hazard, people take it back.

Within an hour: repaired and planned parts are renewed, inspections are made, then at most one part fails (the chance of any is
1 - exp(-sum of hazards), whose it is goes by the shares), errors are raised, and what runs wears. At each failure the life goes
on twice: as it was, and as it would have been without this failure; `truth` needs the second for three days.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.kernel import inlined, jit
from features.simulator.chance import Ints
from features.simulator.laws import Draws, Law, Manners, State
from features.simulator.world import Floats

AHEAD_HOURS = 72
PLANNED, EARLY, INSPECTED, CORRECTED = 1, 2, 3, 4
ACTIONS = {PLANNED: "planned", EARLY: "early", INSPECTED: "inspection", CORRECTED: "corrective"}


@dataclass(frozen=True)
class Life:
    """What happened to one machine over hours 0..n-1, all arrays by hour.

    wear float32[hour, part] at the hour's start; hazard float64[hour, part] per hour, over the hour that follows, 0 while the
    machine stands.  up bool[hour].  failed: the part that fails within the hour or -1, at `failed_at` (share of the hour), then
    `down` whole hours of repair from the next hour on.  faults float32[hour, code]: the share of the hour at which the code is
    raised, NaN if it is not.  actions int8[hour, part]: a key of ACTIONS or 0.
    ghosts float64[failure, AHEAD_HOURS, part]: the hazards of the hours after each failure on the path without it.
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


def live(law: Law, manners: Manners, draws: Draws, state: State, load: Floats, ambient_c: Floats, first_hour: int) -> Life:
    """Live through the hours of `load`. first_hour: the hour of day at hour 0. Pure: `state` is not changed."""
    return Life(*_live(law, manners, draws, _copy(state), load, ambient_c, first_hour))


@jit
def _copy(state):  # type: ignore[no-untyped-def]
    return State(
        state.wear.copy(),
        state.age.copy(),
        state.due.copy(),
        state.asked.copy(),
        state.nth.copy(),
        state.clock.copy(),
        state.turn.copy(),
    )


@inlined
def _renew(p, hour, manners, draws, state):  # type: ignore[no-untyped-def]
    state.nth[p] += 1
    state.wear[p] = 0.0
    state.age[p] = 0.0
    state.due[p] = hour + manners.interval[p] * draws.slack[state.nth[p] % len(draws.slack), p]
    state.asked[p] = np.inf


@jit
def _visit(hour, manners, draws, state, actions):  # type: ignore[no-untyped-def]
    """Planned renewals and inspections of a running machine while people are there."""
    for p in range(len(state.wear)):
        if state.due[p] <= hour:
            _renew(p, hour, manners, draws, state)
            actions[p] = 1
        elif state.asked[p] <= hour:
            worn = state.wear[p] >= manners.replace_at
            actions[p] = 2 if worn else 3
            state.asked[p] = np.inf
            if worn:
                _renew(p, hour, manners, draws, state)
    if state.clock[1] <= hour:
        p = state.turn[1]
        state.turn[1] = (p + 1) % len(state.wear)
        state.clock[1] = hour + manners.inspect
        if actions[p] == 0:
            worn = state.wear[p] >= manners.replace_at
            actions[p] = 2 if worn else 3
            if worn:
                _renew(p, hour, manners, draws, state)


@jit
def hazards(law, wear, into):  # type: ignore[no-untyped-def]
    """Hazard per hour of each part from its wear; returns their sum."""
    total = 0.0
    for p in range(len(wear)):
        into[p] = law.floor[p]
        above = law.steep[p] * (wear[p] - 1.0)
        if law.end[p] > 0.0 and above > -40.0:
            into[p] += law.end[p] * np.exp(min(above, 8.0))
        total += into[p]
    return total


@jit
def _raise(hour, law, manners, draws, state, until, faults):  # type: ignore[no-untyped-def]
    """Errors of this hour, none after `until` (share of the hour); some make people come and look."""
    parts = len(state.wear)
    for c in range(len(law.base)):
        rate = law.base[c]
        for p in range(parts):
            if law.rise[p, c] > 0.0:
                square = state.wear[p] * state.wear[p]
                rate += law.rise[p, c] * min(square * square * square, 11.390625)
        chance = -np.expm1(-rate)
        draw = draws.faults[hour, c]
        if draw >= chance or draw / chance >= until:
            continue
        faults[c] = draw / chance
        target = law.points[c]
        if target < 0:
            continue
        state.clock[2] += 1.0
        visit = draws.visits[int(state.clock[2]) % len(draws.visits)]
        if visit[0] < manners.heed and state.asked[target] == np.inf:
            wait = manners.response_low + (manners.response_high - manners.response_low) * visit[1]
            state.asked[target] = hour + 1.0 + np.ceil(wait)


@jit
def _wear(law, draws, state, load, ambient_c):  # type: ignore[no-untyped-def]
    warm = max((ambient_c - 20.0) / 10.0, 0.0)
    log_load = np.log(max(load, 1e-6) / 0.75)
    for p in range(len(state.wear)):
        state.age[p] += 1.0
        n = state.nth[p] % len(draws.quality)
        if law.pace[p] > 0.0 and state.age[p] > draws.onset[n, p]:
            square = state.wear[p] * state.wear[p]
            stress = np.exp(law.power[p] * log_load) * (1.0 + law.heat[p] * warm)
            state.wear[p] += law.pace[p] * draws.quality[n, p] * stress * (1.0 + law.runaway[p] * square * square)


@jit
def _begin(hour, clock, manners, draws, state, actions):  # type: ignore[no-untyped-def]
    """What happens at the start of an hour; whether the machine runs in it."""
    if state.clock[0] > hour:
        return False
    if state.turn[0] >= 0:
        _renew(state.turn[0], hour, manners, draws, state)
        actions[state.turn[0]] = 4
        state.turn[0] = -1
    if 7 <= clock < 16:  # people come in daylight
        _visit(hour, manners, draws, state, actions)
    return True


@jit
def _without(hour, first_hour, law, manners, draws, state, load, ambient_c, ghost):  # type: ignore[no-untyped-def]
    """The hazards of the hours from `hour` on where no part ever fails. Spends `state`."""
    actions, faults = np.zeros(len(state.wear), np.int8), np.empty(len(law.base), np.float32)
    for ahead in range(len(ghost)):
        t = hour + ahead
        if t >= len(load):
            ghost[ahead:] = 0.0
            return
        actions[:] = 0
        if _begin(t, (t + first_hour) % 24, manners, draws, state, actions):
            hazards(law, state.wear, ghost[ahead])
            _raise(t, law, manners, draws, state, 1.0, faults)
            _wear(law, draws, state, load[t], ambient_c[t])
        else:
            ghost[ahead] = 0.0


@jit
def _live(law, manners, draws, state, load, ambient_c, first_hour):  # type: ignore[no-untyped-def]
    hours, parts, codes = len(load), len(state.wear), len(law.base)
    wear, hazard = np.empty((hours, parts), np.float32), np.zeros((hours, parts))
    up, failed = np.zeros(hours, np.bool_), np.full(hours, -1, np.int8)
    failed_at, down = np.zeros(hours), np.zeros(hours, np.int64)
    faults, actions = np.full((hours, codes), np.nan, np.float32), np.zeros((hours, parts), np.int8)
    ghosts, count = np.empty((8, 72, parts)), 0
    for hour in range(hours):
        running = _begin(hour, (hour + first_hour) % 24, manners, draws, state, actions[hour])
        wear[hour] = state.wear
        up[hour] = running
        if not running:
            continue
        chance = -np.expm1(-hazards(law, state.wear, hazard[hour]))
        fails, until = draws.fate[hour] < chance, 1.0
        if fails:
            # What is left of the draw below the chance says whose failure it is and when within the hour.
            place = draws.fate[hour] / chance * hazard[hour].sum()
            part = 0
            while part < parts - 1 and place >= hazard[hour, part]:
                place -= hazard[hour, part]
                part += 1
            until = min(place / hazard[hour, part], 1.0)
            if count == len(ghosts):
                more = np.empty((2 * count, 72, parts))
                more[:count] = ghosts
                ghosts = more
            spare = _copy(state)
            spared = np.empty(codes, np.float32)
            _raise(hour, law, manners, draws, spare, 1.0, spared)
            _wear(law, draws, spare, load[hour], ambient_c[hour])
            _without(hour + 1, first_hour, law, manners, draws, spare, load, ambient_c, ghosts[count])
            count += 1
        _raise(hour, law, manners, draws, state, until, faults[hour])
        if fails:
            low, high = law.repair_low[part], law.repair_high[part]
            stands = np.ceil(low + (high - low) * draws.repair[state.nth[part] % len(draws.repair), part])
            failed[hour], failed_at[hour], down[hour] = part, until, int(stands)
            state.clock[0], state.turn[0] = hour + 1 + stands, part
        else:
            _wear(law, draws, state, load[hour], ambient_c[hour])
    return wear, hazard, up, failed, failed_at, down, faults, actions, ghosts[:count].copy()
