"""A simulated fleet as a Source: machines in small cohorts, each lived through alone, given out as contract tables.

The world begins in the past and never reaches into the future. Its truth never enters a table: see `truth`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features import engine
from features.clock import micros
from features.errors import BadInput
from features.schema import TableContract
from features.simulator import chance, gauges, laws, life, tables, truth
from features.simulator.chance import Passport
from features.simulator.tables import HOUR, Machine
from features.simulator.world import Floats, KindWorld, World
from features.sources.reader import Batch, Source

NAME = "simulator"
_MACHINE_HOURS = 400_000  # of one cohort: about 100 MB while it is made
_SITES_HELD = 256
Told = Callable[[int], None]


@dataclass(frozen=True)
class Fleet:
    """What is simulated: `machines` of `world` over `days`, a reading every `every_hours`, from one seed."""

    world: World
    machines: int
    days: int
    every_hours: int
    seed: int

    @property
    def hours(self) -> int:
        return self.days * 24


def simulate(world: World, machines: int, days: int, every_hours: int, seed: int) -> Source:
    """A fleet of `machines` over `days` with a reading every `every_hours`. Raises BadInput as `check` does."""
    return source(Fleet(world, machines, days, every_hours, seed))


def source(
    fleet: Fleet,
    *,
    writer: truth.Writer | None = None,
    truth_hours: int = 24,
    threads: int = 1,
    told: Told | None = None,
) -> Source:
    """A fleet to be imported.

    writer: takes the truth of every machine at as_of = start + k * truth_hours. threads: cohorts made beside the reader of the
    batches. told: is called with the number of machines done, cohort by cohort.
    Raises BadInput as `check` does.
    """
    check(fleet)
    kinds = tuple(kind.kind(fleet.every_hours) for kind in fleet.world.kinds)

    def batches() -> Iterator[Batch]:
        numbers: dict[str, int] = {}
        for made in _cohorts(fleet, truth_hours if writer is not None else None, threads):
            for nth, (contract, table) in enumerate(made.tables, 1):
                first = numbers.get(contract.name, 1)
                numbers[contract.name] = first + table.num_rows
                rows = np.arange(first, first + table.num_rows, dtype=np.int64)
                yield Batch(contract, table, NAME, rows, closes_part=nth == len(made.tables))
            if writer is not None and made.truth is not None:
                writer.add(made.kind, made.truth)
            if told is not None:
                told(made.machines)

    return Source(NAME, kinds, batches, (f"simulated: seed {fleet.seed}, {fleet.machines} machines, {fleet.days} days",))


def check(fleet: Fleet) -> None:
    """Raise BadInput unless the fleet has a machine, a day, an hour or more between readings, and ends in the past."""
    mend = "see forewarn simulate --help"
    if fleet.machines < 1 or fleet.days < 1:
        raise BadInput("a fleet needs at least one machine and one day", where="simulate", mend=mend)
    if fleet.every_hours < 1:
        raise BadInput(f"readings every {fleet.every_hours} h", where="simulate --every", mend="give 1h or more")
    if fleet.seed < 0:
        raise BadInput("a negative seed", where="simulate --seed", mend="give 0 or more")
    begin = fleet.world.begin
    if fleet.days > (datetime.now(UTC) - begin).days:
        what = f"{fleet.days} days from {begin:%Y-%m-%d} end in the future"
        raise BadInput(what, where="simulate --days", mend="give fewer")


Weather = Callable[[int], tuple[Floats, Floats]]


def weather_of(fleet: Fleet) -> Weather:
    """(ambient temperature, humidity) of a site by the hour, three days beyond the end."""
    begin = fleet.world.begin
    hour_of_year = (begin - datetime(begin.year, 1, 1, tzinfo=UTC)) / timedelta(hours=1)

    @lru_cache(maxsize=_SITES_HELD)
    def weather(site: int) -> tuple[Floats, Floats]:
        return chance.climate(fleet.world.climate, fleet.seed, site, fleet.hours + life.AHEAD_HOURS, hour_of_year)

    return weather


def machine_of(fleet: Fleet, passport: Passport, weather: Weather) -> Machine:
    """Live the life of one machine."""
    world, kind = fleet.world, fleet.world.kinds[passport.kind]
    habit, first_hour = world.habits[passport.habit], world.begin.hour
    ambient, humidity = weather(passport.site)
    duty = chance.duty(kind, fleet.seed, passport.index, len(ambient), first_hour)
    aging = float(np.exp(world.aging_per_year * (passport.age_hours - sum(world.age_hours) / 2) / chance.HOURS_PER_YEAR))
    law = laws.law_of(kind, passport.make, aging, habit)
    draws = laws.draws_of(kind, habit, fleet.seed, passport.index, len(ambient))
    state = laws.state_of(kind, law, fleet.seed, passport.index)
    lived = life.live(law, draws, state, duty.load, ambient, first_hour)
    hours = fleet.hours
    served = gauges.calibrations(habit, fleet.seed, passport.index, hours)
    values = gauges.values_of(
        gauges.panel_of(kind), world.reporting, fleet.seed, passport.index, served,
        duty.load[:hours], ambient[:hours], lived.wear[:hours],
    )  # fmt: skip
    return Machine(passport, duty, ambient, humidity, lived, served, values, hours)


@dataclass(frozen=True)
class _Made:
    """A cohort as it is given out: machines of one kind."""

    kind: KindWorld
    machines: int
    tables: list[tuple[TableContract, pa.Table]]
    truth: pa.Table | None


def _cohorts(fleet: Fleet, truth_hours: int | None, threads: int) -> Iterator[_Made]:
    """The fleet in cohorts of one kind each, in the order of their machines' ids within a kind."""
    weather = weather_of(fleet)

    def make(chosen: list[Passport]) -> _Made:
        kind = fleet.world.kinds[chosen[0].kind]
        cohort = [machine_of(fleet, each, weather) for each in chosen]
        told = None if truth_hours is None else _truth(fleet, kind, cohort, truth_hours)
        made = tables.tables(fleet.world, kind, cohort, fleet.every_hours, fleet.seed)
        return _Made(kind, len(cohort), list(made), told)

    return engine.run(make, _chosen(fleet), threads=threads)


def _chosen(fleet: Fleet) -> Iterator[list[Passport]]:
    """Kind after kind, so that the machines of a cohort, and of a part of an import, are neighbours by id."""
    at_once = max(1, _MACHINE_HOURS // fleet.hours)
    for kind in range(len(fleet.world.kinds)):
        of_kind = (chance.passport(fleet.world, fleet.seed, index) for index in range(fleet.machines))
        chosen = (each for each in of_kind if each.kind == kind)
        while held := list(islice(chosen, at_once)):
            yield held


def _truth(fleet: Fleet, kind: KindWorld, cohort: list[Machine], every: int) -> pa.Table:
    at = np.arange(0, fleet.hours + 1, every, dtype=np.int64)
    up: npt.NDArray[np.bool_] = np.stack([each.life.up[at] for each in cohort])
    p = np.stack([truth.chances(each.life, at) for each in cohort])
    ids = [tables.machine_id(kind, each.passport.index) for each in cohort]
    return truth.table_of(kind, ids, micros(fleet.world.begin) + at * HOUR, up, p)
