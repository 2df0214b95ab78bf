"""A simulated fleet as a Source: machines in small cohorts, each lived through alone, given out as contract tables.

The world begins in the past and never reaches into the future. Its truth never enters a table: see `truth`.
"""

import dataclasses
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
# Sees every machine's life, in any order and on any thread.
Witness = Callable[[Passport, life.Life], None]


@dataclass(frozen=True)
class Homes:
    """Where machines stand when enterprises are simulated: site and enterprise by machine; its place is its habit's."""

    site: chance.Ints
    enterprise: chance.Ints


@dataclass(frozen=True)
class Fleet:
    """What is simulated: `machines` of `world` over `days`, a reading every `every_hours`, from one seed.

    ahead_hours: for how long machines live on untold. homes: without them machines stand and are kept as the world draws it.
    """

    world: World
    machines: int
    days: int
    every_hours: int
    seed: int
    ahead_hours: int = life.AHEAD_HOURS
    homes: Homes | None = None

    @property
    def hours(self) -> int:
        return self.days * 24

    def passport(self, index: int) -> Passport:
        drawn = chance.passport(self.world, self.seed, index)
        if self.homes is None:
            return drawn
        enterprise = int(self.homes.enterprise[index])
        return dataclasses.replace(drawn, site=int(self.homes.site[index]), enterprise=enterprise, habit=enterprise)


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
    witness: Witness | None = None,
) -> Source:
    """A fleet to be imported.

    writer: takes the truth of every machine at as_of = start + k * truth_hours. threads: cohorts made beside the reader of the
    batches. told: is called with the number of machines done, cohort by cohort. witness: sees every life.
    Raises BadInput as `check` does.
    """
    check(fleet)
    kinds = tuple(kind.kind(fleet.every_hours) for kind in fleet.world.kinds)

    def batches() -> Iterator[Batch]:
        numbers: dict[str, int] = {}
        for made in _cohorts(fleet, truth_hours if writer is not None else None, threads, witness):
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


def check(fleet: Fleet, least: int = 1) -> None:
    """Raise BadInput unless the fleet has a machine, a day, an hour or more between readings, and ends in the past.

    least: how many machines there must be.
    """
    mend = "see forewarn simulate --help"
    if fleet.machines < least or fleet.days < 1:
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
    """(ambient temperature, humidity) of a site by the hour, beyond the end as far as machines live on."""
    begin = fleet.world.begin
    hour_of_year = (begin - datetime(begin.year, 1, 1, tzinfo=UTC)) / timedelta(hours=1)

    @lru_cache(maxsize=_SITES_HELD)
    def weather(site: int) -> tuple[Floats, Floats]:
        return chance.climate(fleet.world.climate, fleet.seed, site, fleet.hours + fleet.ahead_hours, hour_of_year)

    return weather


def life_of(fleet: Fleet, passport: Passport, ambient: Floats) -> tuple[chance.Duty, life.Life]:
    """Live the life of one machine. ambient: temperature at its site by the hour, for as long as it lives."""
    world, kind = fleet.world, fleet.world.kinds[passport.kind]
    habit, first_hour = world.habits[passport.habit], world.begin.hour
    duty = chance.duty(kind, fleet.seed, passport.index, len(ambient), first_hour)
    aging = float(np.exp(world.aging_per_year * (passport.age_hours - sum(world.age_hours) / 2) / chance.HOURS_PER_YEAR))
    law = laws.law_of(kind, passport.make, aging, habit)
    draws = laws.draws_of(kind, habit, fleet.seed, passport.index, len(ambient))
    state = laws.state_of(kind, law, fleet.seed, passport.index)
    return duty, life.live(law, draws, state, duty.load, ambient, first_hour)


def machine_of(fleet: Fleet, passport: Passport, weather: Weather) -> Machine:
    """Live the life of one machine, and what its sensors say of it."""
    world, kind = fleet.world, fleet.world.kinds[passport.kind]
    ambient, humidity = weather(passport.site)
    duty, lived = life_of(fleet, passport, ambient)
    habit, hours = world.habits[passport.habit], fleet.hours
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


def _cohorts(fleet: Fleet, truth_hours: int | None, threads: int, witness: Witness | None) -> Iterator[_Made]:
    """The fleet in cohorts of one kind each, in the order of their machines' ids within a kind."""
    weather = weather_of(fleet)

    def make(chosen: list[Passport]) -> _Made:
        kind = fleet.world.kinds[chosen[0].kind]
        cohort = [machine_of(fleet, each, weather) for each in chosen]
        if witness is not None:
            for one in cohort:
                witness(one.passport, one.life)
        told = None if truth_hours is None else _truth(fleet, kind, cohort, truth_hours)
        made = tables.tables(fleet.world, kind, cohort, fleet.every_hours, fleet.seed)
        return _Made(kind, len(cohort), list(made), told)

    return engine.run(make, _chosen(fleet), threads=threads)


def live(fleet: Fleet, witness: Witness, *, threads: int = 1, told: Told | None = None) -> None:
    """Let every machine live without a reading or a row; `witness` sees each life."""
    weather = weather_of(fleet)

    def lived(chosen: list[Passport]) -> int:
        for each in chosen:
            witness(each, life_of(fleet, each, weather(each.site)[0])[1])
        return len(chosen)

    for count in engine.run(lived, _chosen(fleet), threads=threads):
        if told is not None:
            told(count)


def _chosen(fleet: Fleet) -> Iterator[list[Passport]]:
    """Kind after kind, so that the machines of a cohort, and of a part of an import, are neighbours by id."""
    at_once = max(1, _MACHINE_HOURS // fleet.hours)
    for kind in range(len(fleet.world.kinds)):
        of_kind = (fleet.passport(index) for index in range(fleet.machines))
        chosen = (each for each in of_kind if each.kind == kind)
        while held := list(islice(chosen, at_once)):
            yield held


def _truth(fleet: Fleet, kind: KindWorld, cohort: list[Machine], every: int) -> pa.Table:
    at = np.arange(0, fleet.hours + 1, every, dtype=np.int64)
    up: npt.NDArray[np.bool_] = np.stack([each.life.up[at] for each in cohort])
    p = np.stack([truth.chances(each.life, at) for each in cohort])
    ids = [tables.machine_id(kind, each.passport.index) for each in cohort]
    return truth.table_of(kind, ids, micros(fleet.world.begin) + at * HOUR, up, p)
