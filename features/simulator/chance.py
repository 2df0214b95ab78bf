"""What is given to a machine from outside: its passport, the weather at its site, and what is asked of it.

Every random number of a machine comes from streams of (seed, machine, purpose) that are read front to back, so a machine is the
same in any fleet, and a longer simulation continues the shorter one.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from features.kernel import jit
from features.simulator.world import Climate, Floats, KindWorld, World

Ints = npt.NDArray[np.int64]
HOURS_PER_YEAR = 8766.0
_FLEET, _SITE, _ENTERPRISE = 0, 1, 2
# Weather and load remember about a day.
_MEMORY = float(np.exp(-1.0 / 24.0))


class Stream(IntEnum):
    """Independent random streams of one machine."""

    PASSPORT = 0
    DUTY = 1
    PARTS = 2
    FATE = 3
    MOMENTS = 4
    FAULTS = 5
    GAUGES = 6
    GAPS = 7
    LATE = 8
    VISITS = 9
    STUCK = 10
    KNOCKS = 11
    CREEP = 12
    SERVICE = 13
    NOTES = 14
    STATE = 15
    DEMAND = 16


def stream(seed: int, machine: int, purpose: Stream) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(_FLEET, machine, int(purpose)))))


@dataclass(frozen=True)
class Passport:
    """What a machine is from the start. kind, make, habit: positions in the world's lists."""

    index: int
    kind: int
    make: int
    site: int
    enterprise: int
    habit: int
    age_hours: float


def passport(world: World, seed: int, index: int) -> Passport:
    rng = stream(seed, index, Stream.PASSPORT)
    kind = _pick(rng.random(), [kind.share for kind in world.kinds])
    make = int(rng.integers(len(world.kinds[kind].makes)))
    site = int(rng.integers(world.sites))
    enterprise = site % world.enterprises
    manners = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_ENTERPRISE, enterprise)))
    habit = _pick(manners.random(), [habit.share for habit in world.habits])
    return Passport(index, kind, make, site, enterprise, habit, float(np.round(rng.uniform(*world.age_hours))))


def _pick(draw: float, shares: list[float]) -> int:
    edges = np.cumsum(np.array(shares, dtype=np.float64)) / sum(shares)
    return min(int(np.searchsorted(edges, draw, side="right")), len(shares) - 1)


@jit
def remembering(noise, memory):  # type: ignore[no-untyped-def]
    """Independent noise of unit variance made into noise of unit variance that remembers: an AR(1) process."""
    out = np.empty(len(noise))
    state, fresh = 0.0, np.sqrt(1.0 - memory * memory)
    for t in range(len(noise)):
        state = noise[t] if t == 0 else memory * state + fresh * noise[t]
        out[t] = state
    return out


def climate(world: Climate, seed: int, site: int, hours: int, hour_of_year: float) -> tuple[Floats, Floats]:
    """(ambient temperature in °C, relative humidity in %) of a site by the hour."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_SITE, site)))
    mean, dry = rng.uniform(*world.mean_c), rng.normal()
    t = np.arange(hours) + hour_of_year
    noise = remembering(rng.standard_normal(hours), _MEMORY)
    season = -np.cos(2 * np.pi * (t / HOURS_PER_YEAR - 0.04))
    day = -np.cos(2 * np.pi * (t % 24 - 3) / 24)
    temperature = mean + world.season_c * season + world.day_c * day + world.weather_c * noise
    humidity = world.humidity_pct - 5.0 * dry - 8.0 * day - 6.0 * noise
    return np.asarray(np.round(temperature, 2)), np.asarray(np.round(np.clip(humidity, 5.0, 100.0), 1))


@dataclass(frozen=True)
class Duty:
    """What is asked of one machine. mode: int8[hour] into the kind's modes; load: share of rated load, float64[hour]."""

    mode: npt.NDArray[np.int8]
    load: Floats


def duty(kind: KindWorld, seed: int, machine: int, hours: int, hour_of_day: int) -> Duty:
    """Modes that last `mode_hours` on average, a load around the mode's own, by the demand of the day, lower at night."""
    draws = stream(seed, machine, Stream.DUTY).random((hours, 2))
    days = (hours + hour_of_day) // 24 + 1
    demand = 1.0 + kind.demand_spread * np.sqrt(12.0) * (stream(seed, machine, Stream.DEMAND).random(days) - 0.5)
    edges = np.cumsum([mode.share for mode in kind.modes]) / sum(mode.share for mode in kind.modes)
    loads = np.array([mode.load for mode in kind.modes])
    return Duty(*_duty(draws, demand, 1.0 / kind.mode_hours, edges, loads, hour_of_day, _MEMORY))


@jit
def _duty(draws, demand, switch, edges, loads, hour_of_day, memory):  # type: ignore[no-untyped-def]
    hours = len(draws)
    mode, load = np.empty(hours, np.int8), np.empty(hours)
    now, wander, fresh = 0, 0.0, np.sqrt(1.0 - memory * memory)
    for t in range(hours):
        # What is left of a draw below a limit, divided by it, is a draw again.
        draw = draws[t, 0]
        if t == 0 or draw < switch:
            place = draw if t == 0 else draw / switch
            now = 0
            while now < len(edges) - 1 and place >= edges[now]:
                now += 1
        noise = (draws[t, 1] - 0.5) * 3.4641016151377544
        wander = noise if t == 0 else memory * wander + fresh * noise
        clock = (t + hour_of_day) % 24
        night = 0.9 if clock >= 22 or clock < 6 else 1.0
        mode[t] = now
        asked = loads[now] * night * demand[(t + hour_of_day) // 24]
        load[t] = min(max(asked * (1.0 + 0.06 * wander), 0.0), 1.5)
    return mode, load
