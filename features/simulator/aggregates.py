"""The figures that the world is fitted to: recomputed from the public sets and from the simulated fleet, side by side.

Each is a number that both can answer. The world file names the public value, its source and how close the simulation must come
(`[[fitted]]`); what is not listed there is of textbook size and fitted to nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.simulator import chance, laws, life
from features.simulator.fleet import Fleet, machine_of, weather_of
from features.simulator.tables import Machine
from features.simulator.world import Floats, KindWorld, World

_LONG_DAYS = 400
_PARTS = 40


@dataclass(frozen=True)
class Line:
    """One aggregate: what the world file promises, what the public set gives today (NaN without it), what the fleet gives."""

    name: str
    source: str
    promised: float
    public: float
    simulated: float
    within: float

    @property
    def strays(self) -> bool:
        """Whether the fleet, or the promise itself, is further from the public value than `within`."""
        public = self.promised if np.isnan(self.public) else self.public
        return abs(self.simulated - public) > self.within or abs(self.promised - public) > 0.02 * max(abs(public), 0.1)


def compare(world: World, public: Mapping[str, float], machines: int, days: int, seed: int) -> list[Line]:
    """The world's fitted aggregates, in the order of its file. public: `public_aggregates.of`, or empty."""
    found = simulated(world, machines, days, seed)
    return [
        Line(each.aggregate, each.source, each.public, public.get(each.aggregate, np.nan), found[each.aggregate], each.within)
        for each in world.fitted
    ]


def text(lines: Sequence[Line]) -> str:
    """The comparison as a table for people."""
    rows = [
        f"{line.name:32s}{line.public:10.3f}{line.simulated:12.3f}{line.within:10.3f}"
        f"  {'STRAYS' if line.strays else 'holds':8s}{line.source}"
        for line in lines
    ]
    return "\n".join([f"{'aggregate':32s}{'public':>10s}{'simulated':>12s}{'within':>10s}  {'':8s}source", *rows])


def simulated(world: World, machines: int, days: int, seed: int) -> dict[str, float]:
    """All aggregates of a fleet of the world."""
    fleet = Fleet(world, machines, days, 1, seed)
    weather = weather_of(fleet)
    made = [_Told(world, machine_of(fleet, chance.passport(world, seed, index), weather)) for index in range(machines)]
    return {**_rates(world, made, days / 365.0), **_sensors(made), **_laws(world)}


class _Told:
    """What is kept of one machine: counts and daily means."""

    def __init__(self, world: World, machine: Machine) -> None:
        hours, lived, kind = machine.hours, machine.life, world.kinds[machine.passport.kind]
        self.kind, self.make, self.age_hours = kind, machine.passport.make, machine.passport.age_hours
        failed = lived.failed[:hours]
        self.failures = np.bincount(failed[failed >= 0], minlength=len(kind.parts))
        done = lived.actions[:hours]
        self.replaced = int(((done == life.PLANNED) | (done == life.EARLY)).sum())
        self.errors = int((~np.isnan(lived.faults[:hours])).sum())
        values = np.where(lived.up[:hours, None], machine.values, np.nan).reshape(-1, 24, machine.values.shape[1])
        present = ~np.isnan(values)
        self.daily = np.where(present, values, 0.0).sum(axis=1) / np.maximum(present.sum(axis=1), 1)
        self.daily[present.sum(axis=1) == 0] = np.nan


def _rates(world: World, made: list[_Told], years: float) -> dict[str, float]:
    failures = np.array([each.failures.sum() for each in made])
    signs = [each.kind.signs() for each in made]
    shows = [
        np.array([sign[part.code] == "windows" for part in each.kind.parts]) for each, sign in zip(made, signs, strict=True)
    ]
    seen = sum(int(each.failures[show].sum()) for each, show in zip(made, shows, strict=True))
    shares = []
    for kind in world.kinds:
        of_kind = [each.failures[show] for each, show in zip(made, shows, strict=True) if each.kind is kind]
        total = np.sort(np.sum(of_kind, axis=0))
        shares.append(total / total.sum())
    ages = np.array([each.age_hours for each in made]) / chance.HOURS_PER_YEAR + years / 2
    first = [each for each in made if each.kind is world.kinds[0]]
    by_make = [np.mean([each.failures.sum() for each in first if each.make == make]) for make in {each.make for each in first}]
    return {
        "failures_per_machine_year": float(failures.mean() / years),
        "errors_per_machine_year": float(np.mean([each.errors for each in made]) / years),
        "replacements_per_failure": float(sum(each.replaced for each in made) / failures.sum()),
        "dispersion_of_failures": float(failures.var(ddof=1) / failures.mean()),
        "worst_make_over_best": float(max(by_make) / min(by_make)),
        "largest_share_of_a_component": float(np.mean([share[-1] for share in shares])),
        "smallest_share_of_a_component": float(np.mean([share[0] for share in shares])),
        "failures_without_sign": float(1.0 - seen / failures.sum()),
        "age_slope_per_year": log_slope(ages, np.full(len(made), years), failures),
    }


def log_slope(x: Floats, exposure: Floats, count: npt.NDArray[np.int64]) -> float:
    """By how much the log of a rate rises per unit of x: Poisson regression by Newton's method."""
    design = np.column_stack([np.ones(len(x)), x - np.average(x, weights=exposure)])
    beta = np.array([np.log(count.sum() / exposure.sum()), 0.0])
    for _ in range(30):
        mean = exposure * np.exp(design @ beta)
        beta = beta + np.linalg.solve((design * mean[:, None]).T @ design, design.T @ (count - mean))
    return float(beta[1])


def _sensors(made: list[_Told]) -> dict[str, float]:
    found = {lag: [autocorrelation(column, lag) for each in made for column in each.daily.T] for lag in (1, 7)}
    return {f"autocorrelation_{lag}_day": float(np.mean(values)) for lag, values in found.items()}


def autocorrelation(values: Floats, lag: int) -> float:
    """Correlation of a series with itself `lag` steps before, over the pairs that are both there."""
    both = ~np.isnan(values[lag:]) & ~np.isnan(values[:-lag])
    return float(np.corrcoef(values[lag:][both], values[:-lag][both])[0, 1])


def _laws(world: World) -> dict[str, float]:
    """What follows from the laws alone: drift against noise, its course over a life, spread between machines and of lives."""
    ends, offsets, halves, spreads = [], [], [], []
    for kind in world.kinds:
        offsets += [gauge.offset_spread / gauge.noise for gauge in kind.gauges]
        for at, part in enumerate(kind.parts):
            if kind.signs()[part.code] == "windows":
                ends.append(max(abs(gauge.drift.get(part.code, 0.0)) / gauge.noise for gauge in kind.gauges))
                lives, half = _run_down(world, kind, at)
                spreads.append(lives.std(ddof=1) / lives.mean())
                halves.append(half)
    return {
        "drift_at_end_of_life": float(np.median(ends)),
        "drift_at_half_of_life": float(np.median(halves)),
        "spread_between_machines": float(np.median(offsets)),
        "spread_of_lives": float(np.mean(spreads)),
    }


def _run_down(world: World, kind: KindWorld, part: int) -> tuple[Floats, float]:
    """(days of new parts until wear 1 where nobody ever replaces them, share of the drift that is there at half of that)."""
    only = kind.model_copy(update={"parts": (kind.parts[part].model_copy(update={"end_hazard_per_day": 0.0}),), "faults": ()})
    never = world.habits[0].model_copy(update={"interval": 1e9, "inspect_days": 1e9})
    load, mild = np.full(_LONG_DAYS * 24, 0.75), np.full(_LONG_DAYS * 24, 20.0)
    law = laws.law_of(only, 0, 1.0, never)
    seed = 100 * world.kinds.index(kind) + part  # parts differ in their chances, not in the laws alone
    ends, halves = [], []
    for index in range(_PARTS):
        draws, state = laws.draws_of(only, never, seed, index, len(load)), laws.state_of(only, law, seed, index)
        state.parts[laws.WEAR] = 0.0
        wear = life.live(law, draws, state, load, mild, 0).wear[:, 0]
        end = int(np.searchsorted(wear, 1.0))
        ends.append(end / 24.0)
        halves.append(float(wear[end // 2] ** kind.bend))
    return np.array(ends), float(np.mean(halves))
