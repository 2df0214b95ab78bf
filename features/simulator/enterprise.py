"""Simulated enterprises with their machines as a Source: the machines first, cohort by cohort, then what befell their keepers.

The truth goes to the writer and never into a table. One portfolio and one seed are one world, whatever the number of threads.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from features import schema
from features.clock import micros
from features.enterprise.schema import ACCIDENTS
from features.errors import BadInput
from features.schema import TEXT, TableContract
from features.simulator import (
    enterprise_accidents,
    enterprise_cases,
    enterprise_life,
    enterprise_machines,
    enterprise_money,
    enterprise_returns,
    enterprise_roll,
    enterprise_scores,
    enterprise_standing,
    enterprise_tables,
    enterprise_truth,
    fleet,
    tables,
    truth,
)
from features.simulator.chance import Ints
from features.simulator.enterprise_roll import Roll
from features.simulator.enterprise_rows import DAY, Frame
from features.simulator.enterprise_world import EnterpriseWorld
from features.simulator.fleet import NAME, Fleet, Told
from features.simulator.world import World
from features.sources.reader import Batch, Source

TRUTH_DAYS = 5
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Portfolio:
    """What is simulated: `enterprises` of `law` with a fleet among them.

    readings: whether machines say anything but that they are there. scores: whether stand-ins for machine scores are told.
    """

    law: EnterpriseWorld
    roll: Roll
    fleet: Fleet
    readings: bool
    scores: bool

    @property
    def identity(self) -> dict[str, object]:
        """What must agree for two portfolios to be the same one, besides what must of their fleets."""
        about = {"law": self.law.digest, "enterprises": self.roll.size, "all_machines": self.fleet.machines}
        return about | {"readings": self.readings, "scores": self.scores}


def portfolio(
    law: EnterpriseWorld, world: World, enterprises: int, machines: int, days: int, every_hours: int, seed: int,
    *, readings: bool = True, scores: bool = False,
) -> Portfolio:  # fmt: skip
    """A portfolio that can be simulated. Raises BadInput for sizes that make no sense or an end in the future."""
    if enterprises < 1:
        raise BadInput("a portfolio needs at least one enterprise", where="simulate --enterprises", mend="give 1 or more")
    if machines < 0 or days < 1 or seed < 0 or every_hours < 1:
        raise BadInput("a negative number", where="simulate", mend="see forewarn simulate --help")
    if len(world.habits) != len(enterprise_roll.HABITS):
        what = f"a world of {len(world.habits)} habits; enterprises lie between {', '.join(enterprise_roll.HABITS)}"
        raise BadInput(what, where="simulate --world", mend="give these three, in this order")
    roll = enterprise_roll.roll_of(law, enterprises, machines, seed)
    made = enterprise_machines.fleet_of(roll, world, days, every_hours, seed)
    fleet.check(made, least=0)
    return Portfolio(law, roll, made, readings, scores)


def source(wanted: Portfolio, *, writer: truth.Writer | None = None, threads: int = 1, told: Told | None = None) -> Source:
    """A portfolio to be imported. writer: takes the truth of machines and enterprises; the rest is as in `fleet.source`."""
    kinds = tuple(kind.kind(wanted.fleet.every_hours) for kind in wanted.fleet.world.kinds)

    def batches() -> Iterator[Batch]:
        begin = wanted.fleet.world.begin
        moments = enterprise_truth.moments((begin - _EPOCH).days, wanted.fleet.days, TRUTH_DAYS)
        watch = enterprise_machines.Watch(wanted.fleet, moments, _score_days(wanted))
        if wanted.readings and wanted.fleet.machines:
            lived = fleet.source(wanted.fleet, writer=writer, threads=threads, told=told, witness=watch)
            yield from lived.batches()
        else:
            fleet.live(wanted.fleet, watch, threads=threads, told=told)
            for contract, table in _machines(wanted):
                yield _batch(contract, table)
        for contract, table in _enterprises(wanted, watch, moments, writer):
            yield _batch(contract, table)

    note = f"simulated: seed {wanted.fleet.seed}, {wanted.roll.size} enterprises, {wanted.fleet.machines} machines"
    return Source(NAME, kinds, batches, (f"{note}, {wanted.fleet.days} days",))


def _batch(contract: TableContract, table: pa.Table) -> Batch:
    return Batch(contract, table, f"{NAME}:{contract.name}", np.arange(1, table.num_rows + 1, dtype=np.int64))


def _score_days(wanted: Portfolio) -> Ints:
    """The days before each so manieth moment of the truth, so that a score is known by then."""
    every = wanted.law.machines.score_days
    days = enterprise_truth.moments((wanted.fleet.world.begin - _EPOCH).days, wanted.fleet.days, every) - 1
    return days[days >= 0] if wanted.scores else days[:0]


def _machines(wanted: Portfolio) -> Iterator[tuple[TableContract, pa.Table]]:
    every = [wanted.fleet.passport(index) for index in range(wanted.fleet.machines)]
    for at, kind in enumerate(wanted.fleet.world.kinds):
        chosen = [one for one in every if one.kind == at]
        if chosen:
            yield tables.passports(wanted.fleet.world, kind, chosen)


def _enterprises(
    wanted: Portfolio, watch: enterprise_machines.Watch, moments: Ints, writer: truth.Writer | None
) -> Iterator[tuple[TableContract, pa.Table]]:
    roll, days, begin = wanted.roll, wanted.fleet.days, wanted.fleet.world.begin
    first_day = (begin - datetime(begin.year, 1, 1, tzinfo=UTC)) // timedelta(days=1)
    life = enterprise_life.live(roll, days, first_day)
    made = enterprise_machines.machinery(roll, watch, days + enterprise_life.AFTER_DAYS, len(moments))
    ids = tables.numbered("enterprise", roll.size)
    start = micros(begin)
    frame = Frame(ids, start, start + days * DAY, start + roll.joins.astype(np.int64) * DAY)
    machine_ids = [tables.machine_id(wanted.fleet.world.kinds[kind], index) for index, kind in enumerate(watch.kind.tolist())]
    yield from enterprise_tables.tables(roll, life, frame, days)
    found = enterprise_accidents.accidents(roll, life, made, days)
    yield ACCIDENTS, enterprise_accidents.rows(roll, found, frame, machine_ids)
    yield from enterprise_returns.tables(roll, life, frame, days)
    yield from enterprise_standing.tables(roll, life, frame, days)
    yield enterprise_money.policies(roll, life, frame, days)
    yield enterprise_money.claims(roll, found, frame)
    yield enterprise_cases.cases(roll, found, frame, days)
    if wanted.scores and machine_ids:
        yield schema.MACHINE_SCORES, enterprise_scores.rows(roll, watch, frame, machine_ids)
    if writer is not None:
        for table in enterprise_truth.tables(roll, life, made, moments, first_day, start, pa.array(ids, TEXT)):
            writer.put(enterprise_truth.NAME, table)
