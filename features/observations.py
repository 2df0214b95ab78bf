"""Observations: the (machine, as_of) pairs at which features are computed and labels are asked for."""

from datetime import UTC, datetime
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from features import kernel
from features.clock import NEVER, micros, times
from features.errors import BadInput
from features.history import HOUR, from_tables
from features.kinds import MachineKind
from features.schema import EVENT_TIME, MACHINE, RECORDED_AT, TIME

AS_OF = "as_of"
Ints = npt.NDArray[np.int64]


def schema(entity: str) -> pa.Schema:
    """Observations of machines or of enterprises: the entity (dictionary) and as_of."""
    return pa.schema([pa.field(entity, pa.dictionary(pa.int32(), pa.string())), pa.field(AS_OF, TIME)])


SCHEMA = schema(MACHINE)


class Grid(BaseModel):
    """When to look: every `every_hours`, at calendar moments (00:00 UTC and on) or counted from each machine's own start.

    start and end bound `as_of` (both included where given).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    every_hours: float = Field(default=24.0, ge=1 / 60, le=100_000)
    start: AwareDatetime | None = None
    end: AwareDatetime | None = None
    anchor: Literal["calendar", "machine"] = "calendar"


def observations(machines: pa.Table, coverage: pa.Table, grid: Grid, *, last_seen: pa.Table | None = None) -> pa.Table:
    """The cohort on a grid: machines that were known at `as_of`, while they were still watched.

    machines, coverage: contract tables with all versions. A machine is eligible from the moment it was known until before the
    end of its coverage; without a coverage row, until its latest row in `last_seen` (any table with machine and event time).
    Returns machine_id (dictionary), as_of (us, UTC), by machine id and time.
    """
    ids, known, started = _starts(machines)
    ended = _latest(coverage, ids, missing=NEVER)
    if last_seen is not None:
        # One microsecond later, so that the moment of the last reading itself still counts.
        seen = _latest(last_seen, ids, missing=-NEVER)
        ended = np.where(ended == NEVER, np.maximum(seen, -NEVER + 1) + 1, ended)
    return grid_rows(ids, known, ended, grid, started)


def while_of_kind(found: pa.Table, versions: pa.Table, kind: MachineKind) -> pa.Table:
    """Observations at which the known version of the machine was of the kind. versions: all of them, of any kind."""
    history = from_tables(kind, {"machines": versions}, pc.unique(versions.column(MACHINE)).to_pylist())
    rows, row_of = history.series["machines"], np.empty(found.num_rows, dtype=np.int64)
    kernel.version_at(rows.offsets, rows.known_from, rows.known_to, *entities(found, history.machine_ids), row_of)
    return found.filter(pa.array(row_of >= 0))


def grid_rows(ids: list[str], first: Ints, end: Ints, grid: Grid, anchors: Ints) -> pa.Table:
    """All grid moments with first <= as_of < end for each machine; end NEVER without `grid.end` yields none."""
    step = round(grid.every_hours * HOUR)
    anchor = anchors if grid.anchor == "machine" else np.zeros(len(ids), dtype=np.int64)
    low = first if grid.start is None else np.maximum(first, micros(grid.start))
    high = end if grid.end is None else np.minimum(end, micros(grid.end) + 1)
    high = np.where(high == NEVER, low, high)
    begin = -((anchor - low) // step)
    count = np.maximum(-((anchor - np.maximum(high, low)) // step) - begin, 0)
    machine = np.repeat(np.arange(len(ids), dtype=np.int32), count)
    within = np.arange(len(machine), dtype=np.int64) - np.repeat(np.cumsum(count) - count, count)
    as_of = np.repeat(anchor + begin * step, count) + within * step
    return table_of(ids, machine, as_of)


def table_of(ids: list[str], machine: npt.NDArray[np.int32], as_of: Ints) -> pa.Table:
    """Observations from indices into `ids` and microseconds."""
    coded = pa.DictionaryArray.from_arrays(pa.array(machine, type=pa.int32()), pa.array(ids, type=pa.string()))
    return pa.table([coded, pa.array(as_of, type=pa.int64()).cast(TIME)], schema=SCHEMA)


def at(machine_ids: list[str], as_of: datetime) -> pa.Table:
    """One observation per machine at one moment."""
    ids = sorted(machine_ids)
    return table_of(ids, np.arange(len(ids), dtype=np.int32), np.full(len(ids), micros(as_of), dtype=np.int64))


def entities(table: pa.Table, machine_ids: list[str]) -> tuple[Ints, Ints]:
    """(index into `machine_ids` or -1, as_of in microseconds) of each observation, whatever the type of its machine column."""
    column = table.column(MACHINE)
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    column = column.unify_dictionaries().combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks else pa.array([], type=SCHEMA.field(MACHINE).type)
    place = pc.index_in(column.dictionary.cast(pa.string()), value_set=pa.array(machine_ids, type=pa.string()))
    place = np.append(np.array(pc.fill_null(place, -1), dtype=np.int64), -1)
    return place[np.array(pc.fill_null(column.indices, -1), dtype=np.int64)], np.array(times(table, AS_OF))


def _starts(machines: pa.Table) -> tuple[list[str], Ints, Ints]:
    """Machine ids in order, when each was first known, and the event time of its first version."""
    ids = sorted(set(machines.column(MACHINE).to_pylist()))
    entity = np.array(pc.index_in(machines.column(MACHINE), value_set=pa.array(ids, type=pa.string())), dtype=np.int64)
    event, recorded = times(machines, EVENT_TIME), times(machines, RECORDED_AT)
    known = np.full(len(ids), NEVER, dtype=np.int64)
    np.minimum.at(known, entity, np.maximum(event, recorded))
    started = np.zeros(len(ids), dtype=np.int64)
    order = np.argsort(recorded, kind="stable")[::-1]
    started[entity[order]] = event[order]  # written last: the first version
    return ids, known, started


def _latest(table: pa.Table, ids: list[str], *, missing: int) -> Ints:
    """The latest event time of each machine in `table`."""
    place = pc.fill_null(pc.index_in(table.column(MACHINE), value_set=pa.array(ids, type=pa.string())), -1)
    entity = np.array(place, dtype=np.int64)
    latest = np.full(len(ids), -NEVER, dtype=np.int64)
    keep = entity >= 0
    np.maximum.at(latest, entity[keep], times(table, EVENT_TIME)[keep])
    return np.where(latest == -NEVER, missing, latest)


def grid_of(every: str, start: datetime | None, end: datetime | None, anchor: str) -> Grid:
    """A grid from what a person types; times without a zone are UTC. Raises BadInput naming the option."""
    unit = {"h": 1.0, "d": 24.0}.get(every[-1:])
    try:
        hours = float(every[:-1]) * unit if unit else float(every)
        given = (("start", start), ("end", end))
        bounds = {name: moment if moment.tzinfo else moment.replace(tzinfo=UTC) for name, moment in given if moment is not None}
        grid = Grid.model_validate({"every_hours": hours, "anchor": anchor, **bounds})
    except ValueError as error:
        # pydantic's error is a ValueError that knows the field.
        field = error.errors()[0]["loc"][0] if isinstance(error, ValidationError) else "every"
        where = "--every" if field in ("every", "every_hours") else f"--{field}"
        mend = "give --every as 24h or 7d, --anchor calendar or machine"
        raise BadInput("not a valid grid", where=where, mend=mend) from None
    if grid.start is not None and grid.end is not None and grid.start > grid.end:
        raise BadInput("the grid starts after its end", where="--start", mend="give an earlier start or a later end")
    return grid
