"""The history of some machines as arrays: rows in time order within a machine, each with the span in which it was known.

A History holds one bucket (offline) or one machine (online). Kernels see nothing else, so both paths see the same thing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.clock import NEVER, in_order, known_spans, times
from features.kinds import MachineKind
from features.schema import EVENT_TIME, FIXED, MACHINE, NUMBER, RECORDED_AT, TableContract, readings, reference
from features.states import SOURCES, state_columns, state_values

HOUR = 3_600_000_000
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]

READINGS = "readings"
REFERENCE = "reference"
REPLACEMENTS = "replacements"
# Tables whose rows carry a code, and the column that holds it.
CODED = {"events": "code", "maintenance": "component", "failures": "component", "operations": "action"}
# Numbers of the machines table; the model is an index into the kind's models.
STATIC = ("model", "age_hours", "capacity")
# What a history is made of. Coverage is not among them: it tells how long a machine will be watched.
TABLES = ("machines", "events", "maintenance", "failures", "operations", "environment")
# Maintenance of a component renews it, unless its action says that the part stayed.
KEEPING = ("inspect", "inspection", "check", "clean", "lubricate", "adjust")


@dataclass(frozen=True)
class Series:
    """Rows of one table, machine after machine (`offsets`), by event time within a machine.

    event, known_from, known_to: microseconds. odd: how many rows before each position were not known exactly from their event
    time on (late or corrected), so that a kernel sees at a glance whether a stretch needs the look at each row. values:
    float64[columns, rows], NaN missing. codes: -1 unknown.
    """

    offsets: Ints
    event: Ints
    known_from: Ints
    known_to: Ints
    odd: Ints
    values: Floats
    codes: Codes

    @property
    def rows(self) -> int:
        return len(self.event)


@dataclass(frozen=True)
class History:
    """Series by table name, for the machines `machine_ids` in this order."""

    machine_ids: list[str]
    series: Mapping[str, Series] = field(default_factory=dict)


def series(
    entity: Ints,
    event: Ints,
    known_from: Ints,
    known_to: Ints,
    *,
    machines: int,
    values: Floats | None = None,
    codes: Codes | None = None,
) -> Series:
    """A Series of rows that are already ordered by (entity, event)."""
    rows = len(event)
    offsets = np.zeros(machines + 1, dtype=np.int64)
    np.cumsum(np.bincount(entity, minlength=machines), out=offsets[1:])
    odd = np.zeros(rows + 1, dtype=np.int64)
    np.cumsum((known_from != event) | (known_to != NEVER), out=odd[1:])
    return Series(
        offsets,
        _own(event, np.int64),
        _own(known_from, np.int64),
        _own(known_to, np.int64),
        odd,
        _own(values, np.float64) if values is not None else np.empty((0, rows)),
        _own(codes, np.int32) if codes is not None else np.full(rows, -1, dtype=np.int32),
    )


def _own(array: npt.NDArray[Any], kind: Any) -> npt.NDArray[Any]:
    # Arrow hands out read-only views, which numba would compile for a second time.
    owned = np.ascontiguousarray(array, dtype=kind)
    return owned if owned.flags.writeable else owned.copy()


def vocabulary(kind: MachineKind, table: str) -> list[str]:
    """The declared codes of a coded table, in the kind's order."""
    terms = {"events": kind.error_codes, "operations": kind.actions}.get(table, kind.components)
    return [term.code for term in terms]


def columns_of(kind: MachineKind, table: str) -> list[str]:
    """The numbers that a feature may name as its column in `table`, in the order of `Series.values`."""
    if table == READINGS:
        return [sensor.name for sensor in kind.sensors]
    if table == REFERENCE:
        return [column.name for column in reference(kind).own if column.type == NUMBER]
    return list(STATIC) if table == "machines" else state_columns(kind, table)


def from_tables(kind: MachineKind, tables: Mapping[str, pa.Table], machine_ids: Sequence[str]) -> History:
    """Contract tables -> History. Missing tables are empty; rows of other machines are left out.

    tables: by contract name (`events`, ..., `readings_<kind>`), all versions of each row, in any order.
    """
    ids = sorted(machine_ids)
    found: dict[str, Series] = {}
    for contract in (*(FIXED[name] for name in TABLES), readings(kind)):
        table = tables.get(contract.name)
        name = READINGS if contract.name == kind.readings_table else contract.name
        found[name] = _series_of(kind, name, contract, contract.arrow.empty_table() if table is None else table, ids)
    found[REPLACEMENTS] = replacements(kind, tables, found, ids)
    if kind.reference:
        found[REFERENCE] = reference_series(kind, tables.get(kind.reference_table))
    return History(ids, found)


def readings_series(kind: MachineKind, table: pa.Table, machine_ids: Sequence[str]) -> Series:
    """The readings of a kind as a Series of machines in ascending order."""
    return _series_of(kind, READINGS, readings(kind), table, list(machine_ids))


def of_kind(machines: pa.Table, kind: MachineKind) -> npt.NDArray[np.bool_]:
    """Which rows of the machines table are of the kind."""
    return np.array(pc.equal(machines.column("kind"), kind.name), dtype=bool)


def ever_of_kind(machines: pa.Table, kind: MachineKind) -> pa.Table:
    """All versions of the machines that have one of the kind."""
    ids = machines.filter(pa.array(of_kind(machines, kind))).column(MACHINE).combine_chunks()
    return machines.filter(pc.is_in(machines.column(MACHINE), value_set=ids))


def peer_groups(kind: MachineKind) -> list[str]:
    """The entities of the kind's reference table in the order of its Series: all machines, and those of each model."""
    return sorted([kind.name, *(f"{kind.name}/{model}" for model in kind.models)])


def reference_series(kind: MachineKind, table: pa.Table | None = None) -> Series:
    """The reference table of a kind as a Series of peer groups; without a table empty."""
    contract = reference(kind)
    empty = contract.arrow.empty_table()
    return _series_of(kind, REFERENCE, contract, empty if table is None else table, peer_groups(kind))


def _series_of(kind: MachineKind, name: str, contract: TableContract, table: pa.Table, ids: list[str]) -> Series:
    table, entity = _placed(table, contract, ids)
    known_from, known_to = known_spans(table, contract)
    if name == "machines":
        # After the spans: a version of this kind ends where the machine became one of another kind.
        mine = of_kind(table, kind)
        table, entity, known_from, known_to = table.filter(pa.array(mine)), entity[mine], known_from[mine], known_to[mine]
    values, codes = None, None
    if name in CODED:
        codes = _index_in(table.column(CODED[name]), vocabulary(kind, name))
    if name == "machines":
        model = _index_in(table.column("model"), list(kind.models)).astype(np.float64)
        model[model < 0] = np.nan
        values = np.stack([model, *(_numbers(table, column) for column in STATIC[1:])])
    elif name in SOURCES:
        values = state_values(kind, name, {column: table.column(column) for column in SOURCES[name]}, table.num_rows)
    elif name in (READINGS, REFERENCE):
        columns = columns_of(kind, name)
        values = np.empty((len(columns), table.num_rows))
        for row, column in enumerate(columns):
            values[row] = _numbers(table, column)
    event = times(table, EVENT_TIME)
    return series(entity, event, known_from, known_to, machines=len(ids), values=values, codes=codes)


def _placed(table: pa.Table, contract: TableContract, ids: list[str]) -> tuple[pa.Table, Ints]:
    """Rows of known machines in contract order, and the machine of each row as an index into `ids`."""
    entity = _index_in(table.column(contract.entity), ids)
    if entity.size and entity.min() < 0:
        table, entity = table.filter(pa.array(entity >= 0)), entity[entity >= 0]
    if not _is_ordered(table, contract, entity):
        table = in_order(table, contract)
        entity = _index_in(table.column(contract.entity), ids)
    return table, entity.astype(np.int64)


def _is_ordered(table: pa.Table, contract: TableContract, entity: Codes) -> bool:
    """Whether rows provably stand in contract order, seen from numbers alone (sorting text is slow)."""
    if len(entity) < 2:
        return True
    machine, event = np.diff(entity), np.diff(times(table, EVENT_TIME))
    if contract.timeless_key:
        return bool(np.all(machine > 0))
    later = event > 0
    if not contract.own_key:
        later |= (event == 0) & (np.diff(times(table, RECORDED_AT)) >= 0)
    return bool(np.all((machine > 0) | ((machine == 0) & later)))


def _index_in(column: pa.ChunkedArray, names: list[str]) -> Codes:
    value_set = pa.array(names, type=pa.string())
    if not pa.types.is_dictionary(column.type):
        return np.array(pc.fill_null(pc.index_in(column, value_set=value_set), -1), dtype=np.int32)
    coded = column.unify_dictionaries().combine_chunks()
    places = np.array(pc.fill_null(pc.index_in(coded.dictionary, value_set=value_set), -1), dtype=np.int32)
    return np.asarray(places[coded.indices.to_numpy()], dtype=np.int32)


def _numbers(table: pa.Table, column: str) -> Floats:
    return np.array(table.column(column).cast(pa.float64()).to_numpy(), dtype=np.float64)


def replacements(kind: MachineKind, tables: Mapping[str, pa.Table], found: Mapping[str, Series], ids: list[str]) -> Series:
    """When each component was last new: maintenance that renews it, and failures (a failed part is replaced)."""
    repairs = found["maintenance"]
    renewing = np.ones(repairs.rows, dtype=bool)
    table = tables.get("maintenance")
    if table is not None and repairs.rows and table.column("action").null_count < table.num_rows:
        ordered, _ = _placed(table, FIXED["maintenance"], ids)
        action = pc.utf8_lower(pc.fill_null(ordered.column("action"), ""))
        renewing = ~np.array(pc.is_in(action, value_set=pa.array(KEEPING)), dtype=bool)
    return union(repairs, found["failures"], renewing)


def union(repairs: Series, failures: Series, renewing: npt.NDArray[np.bool_]) -> Series:
    """Renewing maintenance and failures as one series, ordered by (entity, event); maintenance first at equal times."""
    machines = len(repairs.offsets) - 1
    entity = np.concatenate([np.repeat(np.arange(machines), np.diff(part.offsets)) for part in (repairs, failures)])
    keep = np.concatenate([renewing, np.ones(failures.rows, dtype=bool)])
    event = np.concatenate([repairs.event, failures.event])
    order = np.lexsort((event, entity))
    order = order[keep[order]]
    return series(
        entity[order],
        event[order],
        np.concatenate([repairs.known_from, failures.known_from])[order],
        np.concatenate([repairs.known_to, failures.known_to])[order],
        machines=machines,
        codes=np.concatenate([repairs.codes, failures.codes])[order],
    )
