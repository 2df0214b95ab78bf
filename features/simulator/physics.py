"""The life of machines, hour by hour: load and weather wear the parts, wear raises the hazard, maintenance takes it back.

Arrays are [hour, machine, ...]. Every random number of a machine comes from generators spawned from (seed, machine index), so a
machine is the same in any fleet, and a longer simulation continues the shorter one.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from features.simulator.world import Climate, Floats, Habit, KindWorld, World

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
HOURS_PER_YEAR = 8766.0
_PARTS_DRAWN = 256
_MEMORY_HOURS = 72
_FLEET, _SITE, _ENTERPRISE = 0, 1, 2


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


def stream(seed: int, machine: int, purpose: Stream) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_FLEET, machine, int(purpose))))


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
    return Passport(index, kind, make, site, enterprise, habit, float(np.round(rng.uniform(500.0, 90_000.0))))


def _pick(draw: float, shares: list[float]) -> int:
    edges = np.cumsum(np.array(shares, dtype=np.float64)) / sum(shares)
    return min(int(np.searchsorted(edges, draw, side="right")), len(shares) - 1)


def _weather(noise: Floats) -> Floats:
    """Unit-variance noise that remembers about a day."""
    kernel = np.exp(-np.arange(_MEMORY_HOURS, dtype=np.float64) / 24.0)
    return np.asarray(np.convolve(noise, kernel / np.sqrt((kernel**2).sum()))[: len(noise)], dtype=np.float64)


def climate(world: Climate, seed: int, site: int, hours: int, hour_of_year: float) -> tuple[Floats, Floats]:
    """(ambient temperature in °C, relative humidity in %) of a site by the hour."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_SITE, site)))
    mean, dry = rng.uniform(*world.mean_c), rng.normal()
    t = np.arange(hours) + hour_of_year
    noise = _weather(rng.standard_normal(hours))
    season = -np.cos(2 * np.pi * (t / HOURS_PER_YEAR - 0.04))
    day = -np.cos(2 * np.pi * (t % 24 - 3) / 24)
    temperature = mean + world.season_c * season + world.day_c * day + world.weather_c * noise
    humidity = world.humidity_pct - 5.0 * dry - 8.0 * day - 6.0 * noise
    return np.asarray(np.round(temperature, 2)), np.asarray(np.round(np.clip(humidity, 5.0, 100.0), 1))


@dataclass(frozen=True)
class Duty:
    """What was asked of one machine. mode: int64[hour] into the kind's modes; load: share of rated load."""

    mode: Ints
    load: Floats


def duty(kind: KindWorld, seed: int, machine: int, hours: int, hour_of_day: int) -> Duty:
    """Modes that last `mode_hours` on average, a load around the mode's own, lower at night."""
    draws = stream(seed, machine, Stream.DUTY).random((hours, 3))
    switch = draws[:, 0] < 1.0 / kind.mode_hours
    switch[:1] = True
    last = np.maximum.accumulate(np.where(switch, np.arange(hours), 0))
    edges = np.cumsum([mode.share for mode in kind.modes]) / sum(mode.share for mode in kind.modes)
    mode = np.minimum(np.searchsorted(edges, draws[last, 1], side="right"), len(kind.modes) - 1)
    night = ((np.arange(hours) + hour_of_day) % 24 >= 22) | ((np.arange(hours) + hour_of_day) % 24 < 6)
    wander = _weather((draws[:, 2] - 0.5) * np.sqrt(12.0))
    load = np.array([m.load for m in kind.modes])[mode] * np.where(night, 0.9, 1.0) * (1.0 + 0.06 * wander)
    return Duty(mode, np.clip(load, 0.0, 1.5))


@dataclass(frozen=True)
class Lives:
    """What happened to machines of one kind.

    wear, hazard: [hour, machine, part] at the start of the hour; the hazard (per hour) holds over the hour that follows
    and is 0 while the machine stands.  up: [hour, machine].  failed, planned: (hour, machine, part) of what happened in or
    at that hour.  repair_hours: of each failure, aligned with `failed`.
    """

    wear: npt.NDArray[np.float32]
    hazard: npt.NDArray[np.float32]
    up: Bools
    failed: Ints
    planned: Ints
    repair_hours: Floats


def hazard_per_hour(kind: KindWorld, wear: Floats) -> Floats:
    """True hazard of each part from its wear; last axis = part. The law is stated in `world.Part`."""
    floor = np.array([part.sudden_per_year for part in kind.parts]) / HOURS_PER_YEAR
    end = np.array([part.end_hazard_per_day for part in kind.parts]) / 24.0
    steep = np.array([part.steepness for part in kind.parts])
    return np.asarray(floor + end * np.exp(np.minimum(steep * (wear - 1.0), 8.0)))


def stress(kind: KindWorld, makes: Ints, load: Floats, ambient_c: Floats) -> Floats:
    """Wear per hour of a part of nominal quality: [hour, machine, part] from load and ambient [hour, machine]."""
    power = np.array([part.load_power for part in kind.parts])
    heat = np.array([part.heat_per_10c for part in kind.parts])
    per_hour = 1.0 / (24.0 * np.array([part.life_days for part in kind.parts]))
    make = np.array([make.wear for make in kind.makes])[makes]
    warm = np.clip((ambient_c - 20.0) / 10.0, 0.0, None)
    return np.asarray(per_hour * make[:, None] * (load / 0.75)[..., None] ** power * (1.0 + heat * warm[..., None]))


def live(kind: KindWorld, habits: list[Habit], machines: list[int], seed: int, pace: Floats) -> Lives:
    """Step through the hours. pace: `stress` of these machines, [hour, machine, part]."""
    hours, count, parts = pace.shape
    fate = np.stack([stream(seed, m, Stream.FATE).random((hours, parts)) for m in machines], axis=1)
    fate = -np.log1p(-fate)
    quality, slack, first, repair = _part_draws(kind, habits, machines, seed)
    interval = np.array([[p.planned_days * 24 * h.interval for p in kind.parts] for h in habits])
    runaway = np.array([part.runaway for part in kind.parts])
    lanes, slots = np.arange(count)[:, None], np.arange(parts)[None, :]
    nth = np.zeros((count, parts), np.int64)
    wear = first * 0.7
    due = first * interval
    back = np.zeros(count)  # hour at which a machine runs again
    broken = np.zeros((count, parts), bool)
    worn, risk = np.empty((hours, count, parts), np.float32), np.empty((hours, count, parts), np.float32)
    up = np.empty((hours, count), bool)
    failed: list[tuple[int, int, int]] = []
    planned: list[tuple[int, int, int]] = []
    repairs: list[float] = []
    for hour in range(hours):
        running = back <= hour
        serviced = (due <= hour) & running[:, None]
        renewed = serviced | (broken & running[:, None])
        if renewed.any():
            planned.extend((hour, m, p) for m, p in np.argwhere(serviced & ~broken))
            nth += renewed
            wear = np.where(renewed, 0.0, wear)
            due = np.where(renewed, hour + interval * slack[lanes, nth % _PARTS_DRAWN, slots], due)
            broken &= ~renewed
        hazard = hazard_per_hour(kind, wear) * running[:, None]
        worn[hour], risk[hour], up[hour] = wear, hazard, running
        breaks = fate[hour] < hazard
        if breaks.any():
            for m, p in np.argwhere(breaks):
                low, high = kind.parts[p].repair_hours
                hours_down = float(np.ceil(low + (high - low) * repair[m, nth[m, p] % _PARTS_DRAWN, p]))
                failed.append((hour, m, p))
                repairs.append(hours_down)
                back[m] = max(back[m], hour + 1 + hours_down)
            broken |= breaks
        wear += pace[hour] * quality[lanes, nth % _PARTS_DRAWN, slots] * (1.0 + runaway * wear**4) * running[:, None]
    return Lives(worn, risk, up, _triples(failed), _triples(planned), np.array(repairs, dtype=np.float64))


def _triples(found: list[tuple[int, int, int]]) -> Ints:
    return np.array(found, dtype=np.int64).reshape(-1, 3)


def _part_draws(kind: KindWorld, habits: list[Habit], machines: list[int], seed: int) -> tuple[Floats, Floats, Floats, Floats]:
    """(quality, slack, first, repair): log-normal pace of each part fitted, jitter of each planned interval, the state of the
    first parts in [0, 1), and the place of each repair within its range; [machine, nth part, part], first [machine, part]."""
    shape = (_PARTS_DRAWN, len(kind.parts))
    spread = np.array([part.quality_spread for part in kind.parts])
    quality, slack, first, repair = [], [], [], []
    for machine, habit in zip(machines, habits, strict=True):
        rng = stream(seed, machine, Stream.PARTS)
        first.append(rng.random(shape[1]))
        quality.append(np.exp(spread * rng.standard_normal(shape)))
        slack.append(np.exp(habit.slack * rng.standard_normal(shape)))
        repair.append(rng.random(shape))
    return np.stack(quality), np.stack(slack), np.stack(first), np.stack(repair)


def gauge_values(kind: KindWorld, machine: int, seed: int, load: Floats, ambient_c: Floats, wear: Floats) -> Floats:
    """Sensor values of one machine, [hour, gauge], before anything is lost; wear [hour, part]."""
    rng = stream(seed, machine, Stream.GAUGES)
    offsets = rng.standard_normal(len(kind.gauges))
    noise = rng.standard_normal((len(load), len(kind.gauges)))
    codes = [part.code for part in kind.parts]
    bent = np.clip(wear, 0.0, 1.5) ** 3
    values = np.empty_like(noise)
    for column, gauge in enumerate(kind.gauges):
        drift = bent @ np.array([gauge.drift.get(code, 0.0) for code in codes])
        unrest = 1.0 + bent @ np.array([gauge.unrest.get(code, 0.0) for code in codes])
        level = gauge.at_rest + gauge.per_load * load + gauge.per_10c * (ambient_c - 20.0) / 10.0
        shift = gauge.offset_spread * offsets[column]
        values[:, column] = level + shift + drift + gauge.noise * unrest * noise[:, column]
    return values


def fault_rates(kind: KindWorld, wear: Floats) -> Floats:
    """Events per hour of each error code, [..., code], from wear [..., part]."""
    base = np.array([fault.base_per_day for fault in kind.faults])
    rise = np.array([[fault.rise.get(part.code, 0.0) for fault in kind.faults] for part in kind.parts])
    return np.asarray((base + np.clip(wear, 0.0, 1.5) ** 6 @ rise) / 24.0)
