"""Machines as the lake knows them: one machine's history at fixed table versions, and the moment up to which it is known."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from features import schema
from features.clock import NEVER, in_order, known_at, micros, times
from features.errors import NotFound
from features.history import TABLES, History, from_tables
from features.kinds import MachineKind
from features.lake import Lake
from features.schema import EVENT_TIME, MACHINE

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Versions = Mapping[str, int]


@dataclass(frozen=True)
class KnownMachine:
    """One machine's tables at `versions` of the lake."""

    machine_id: str
    kind_name: str
    tables: Mapping[str, pa.Table]
    versions: Versions

    def history(self, kind: MachineKind) -> History:
        return from_tables(kind, self.tables, [self.machine_id])

    def check_known_at(self, as_of: datetime) -> None:
        """Raises NotFound if nobody knew of the machine yet."""
        if not known_at(self.tables["machines"], schema.MACHINES, as_of, ordered=True).num_rows:
            what = f"was not known at {as_of.isoformat()}"
            raise NotFound(what, where=f"machine {self.machine_id}", mend="choose a later moment or import its machines row")

    def end(self) -> datetime:
        """The last moment the lake knows of the machine. Raises NotFound if it has no reading."""
        end = end_of([self.tables[name] for name in self.tables if name.startswith("readings_") or name == "coverage"])
        if end is None:
            raise NotFound("no reading in the lake", where=f"machine {self.machine_id}", mend="import its readings")
        return end


def known_machine(lake: Lake, machine_id: str, versions: Versions | None = None) -> KnownMachine:
    """Read one machine. versions: of the lake's tables; None means the latest. Raises NotFound for an unknown machine."""
    view = lake.at(versions)
    machines = view.read("machines", machine_ids=[machine_id])
    if not machines.num_rows:
        raise NotFound(f"no machine {machine_id!r} in the lake", where="machine id", mend="import its history")
    kind_name = str(in_order(machines, schema.MACHINES).column("kind")[-1].as_py())
    names = [*TABLES, "coverage", lake.kind(kind_name).readings_table]
    tables = {"machines": machines} | {name: view.read(name, machine_ids=[machine_id]) for name in names if name != "machines"}
    return KnownMachine(machine_id, kind_name, tables, view.versions)


def end_of(tables: list[pa.Table]) -> datetime | None:
    """The latest event time of some tables; knowledge times are left aside, since a correction comes in long after."""
    ends = [int(times(table, EVENT_TIME).max()) for table in tables if table.num_rows]
    return moment(max(ends)) if ends else None


def moment(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def last_seen(tables: list[pa.Table], as_of: datetime | None) -> dict[str, int]:
    """Microseconds of the latest row at or before `as_of` (None: of all) by machine id."""
    seen: dict[str, int] = {}
    for table in tables:
        until = NEVER if as_of is None else micros(as_of)
        by_then = table.filter(pc.less_equal(pc.cast(table.column(EVENT_TIME), pa.int64()), until))
        latest = by_then.select([MACHINE, EVENT_TIME]).group_by(MACHINE).aggregate([(EVENT_TIME, "max")])
        stamps = latest.column(f"{EVENT_TIME}_max").cast(pa.int64()).to_pylist()
        for machine_id, stamp in zip(latest.column(MACHINE).to_pylist(), stamps, strict=True):
            seen[machine_id] = max(stamp, seen.get(machine_id, stamp))
    return seen
