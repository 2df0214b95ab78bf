"""One machine as the lake knows it: its tables at fixed versions, and rows that came in since and are not in the tables yet."""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import pyarrow as pa

from features.catalog import FOREVER, Catalog
from features.clock import in_order, known_at, micros, times
from features.equal_load import past_hours
from features.errors import NotFound
from features.history import HOUR, READINGS, REFERENCE, TABLES, History, Series, from_tables, reference_series
from features.kinds import MachineKind
from features.peers import own_hours
from features.schema import EVENT_TIME, FIXED, MACHINES, RECORDED_AT, TableContract
from features.view import View

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# What a machine's features and its cohort look at, besides its readings.
OF_MACHINE = (*TABLES, "coverage")
_NOTHING: Mapping[str, pa.Table] = {}


class Shared:
    """What the machines of a view have in common: the reference tables as arrays. Threads may share it."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._lock = threading.Lock()
        self._series: dict[str, tuple[MachineKind, Series]] = {}

    def reference(self, kind: MachineKind) -> Series:
        with self._lock:
            held = self._series.get(kind.name)
            if held is None or held[0] != kind:
                name = kind.reference_table
                table = self._view.read(name) if name in self._view.versions else None
                held = self._series[kind.name] = (kind, reference_series(kind, table))
            return held[1]


@dataclass(frozen=True)
class KnownMachine:
    """The tables of a machine, by contract name, all versions of each row in contract order.

    versions: of the lake's tables. added: the rows of `tables` that the lake does not hold at these versions.
    whole_since: readings before this moment (microseconds) are left out; None means that none are.
    """

    machine_id: str
    kind_name: str
    tables: Mapping[str, pa.Table]
    versions: Mapping[str, int]
    shared: Shared
    added: Mapping[str, pa.Table] = field(default_factory=dict)
    whole_since: int | None = None
    _histories: dict[str, tuple[MachineKind, History]] = field(default_factory=dict, compare=False)

    def history(self, kind: MachineKind) -> History:
        """As arrays, by the declaration of `kind` (a bundle's own may be older than the lake's)."""
        held = self._histories.get(kind.name)
        if held is None or held[0] is not kind:
            held = self._histories[kind.name] = (kind, from_tables(kind, self.tables, [self.machine_id]))
        if not kind.reference:
            return held[1]
        return replace(held[1], series={**held[1].series, REFERENCE: self.shared.reference(kind)})

    def covers(self, wanted: Catalog, as_of: datetime) -> bool:
        """Whether all that the features look at is here."""
        back = reach(wanted)
        return self.whole_since is None or (back is not None and micros(as_of) - back >= self.whole_since)

    def check_known_at(self, as_of: datetime) -> None:
        """Raises NotFound if nobody knew of the machine yet, or as one of another kind."""
        known, where = known_at(self.tables["machines"], MACHINES, as_of, ordered=True), f"machine {self.machine_id}"
        if not known.num_rows:
            what = f"was not known at {as_of.isoformat()}"
            raise NotFound(what, where=where, mend="choose a later moment or import its machines row")
        if (kind := kind_of(known)) != self.kind_name:
            what = f"was of kind {kind} at {as_of.isoformat()}, and is of kind {self.kind_name} since"
            raise NotFound(what, where=where, mend="choose a moment after the change")

    def end(self) -> datetime:
        """The last moment the lake knows of the machine (`end_of`). Raises NotFound if it has no reading."""
        if self._end is None:
            raise NotFound("no reading in the lake", where=f"machine {self.machine_id}", mend="import its readings")
        return self._end

    @cached_property
    def _end(self) -> datetime | None:
        return end_of([self.tables["coverage"], self.tables[f"readings_{self.kind_name}"]])


def end_of(tables: Iterable[pa.Table]) -> datetime | None:
    """When the latest row (by event time) of some tables became known; None without a row.

    Of its versions the first one counts: a correction comes in long after, when there is nothing else to be seen any more.
    """
    ends = []
    for table in tables:
        if table.num_rows:
            event = times(table, EVENT_TIME)
            ends.append((int(event.max()), int(times(table, RECORDED_AT)[event == event.max()].min())))
    return _EPOCH + timedelta(microseconds=max(max(ends))) if ends else None


def reach(wanted: Catalog) -> int | None:
    """How far back from as_of the features look into the readings, in microseconds; None means to the first one."""
    spans = [0]
    for plan in wanted.plans:
        if plan.kernel == "peers":
            spans.append(round(own_hours(wanted.kind) * HOUR))
        elif plan.kernel == "equal":
            spans.append(round(past_hours(wanted.kind) * HOUR))
        elif plan.table == READINGS and plan.kernel == "windows":
            spans.append(int(plan.windows.max(initial=0)))
        elif plan.table == READINGS:
            return None
    return None if max(spans) >= FOREVER else max(spans)


def known_machine(
    view: View, machine_id: str, added: Mapping[str, pa.Table] = _NOTHING, kind_name: str | None = None
) -> KnownMachine:
    """Read one machine whole, with `added` rows that the view does not hold. Raises NotFound for an unknown machine.

    kind_name: as a machine of which kind, should it have been of several; the last one by default.
    """
    machines = _with(view, "machines", machine_id, added)
    if not machines.num_rows:
        raise unknown(machine_id)
    kind_name = kind_name or kind_of(machines)
    names = [*(name for name in OF_MACHINE if name != "machines"), f"readings_{kind_name}"]
    tables = {"machines": machines} | {name: _with(view, name, machine_id, added) for name in names}
    return KnownMachine(machine_id, kind_name, tables, view.versions, Shared(view), added)


def unknown(machine_id: str) -> NotFound:
    return NotFound(f"no machine {machine_id!r} in the lake", where="machine id", mend="import its history")


def kind_of(machines: pa.Table) -> str:
    """The kind by the latest version of the machine's row."""
    return str(in_order(machines, MACHINES).column("kind")[-1].as_py())


def _with(view: View, name: str, machine_id: str, added: Mapping[str, pa.Table]) -> pa.Table:
    rows = view.read(name, machine_ids=[machine_id])
    if name not in added or not added[name].num_rows:
        return rows
    contract = view.contract(name)
    return in_order(pa.concat_tables([rows, conformed(added[name], contract)]), contract)


def conformed(rows: pa.Table, contract: TableContract) -> pa.Table:
    """Rows in the columns that their contract has by now: a sensor that came later is missing in them."""
    if rows.schema == contract.arrow:
        return rows
    count = rows.num_rows
    columns = [
        rows.column(one.name).cast(one.type) if one.name in rows.column_names else pa.nulls(count, one.type)
        for one in contract.arrow
    ]
    return pa.table(columns, schema=contract.arrow)


def rows_document(added: Mapping[str, pa.Table]) -> dict[str, dict[str, list[Any]]]:
    """Rows as JSON-ready columns, moments as microseconds; `rows_of_document` gives the same rows back."""
    return {
        name: {one.name: _plain(rows.column(one.name)).to_pylist() for one in rows.schema}
        for name, rows in added.items()
        if rows.num_rows
    }


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column


def rows_of_document(document: Mapping[str, Mapping[str, list[Any]]], view: View) -> dict[str, pa.Table]:
    """Rows from the columns of `rows_document`, in contract columns."""
    found = {}
    for name, columns in document.items():
        contract = FIXED.get(name) or view.contract(name)
        arrays = {
            one.name: pa.array(columns[one.name], pa.int64()).cast(one.type)
            if pa.types.is_timestamp(one.type)
            else pa.array(columns[one.name], one.type)
            for one in contract.arrow
            if one.name in columns
        }
        found[name] = conformed(pa.table(arrays), contract)
    return found
