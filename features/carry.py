"""One machine's history from the tables and the pieces of the log that came since, by the rules of an import."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from features.clock import Micros, in_order, times
from features.known import OF_MACHINE, KnownMachine, Shared, conformed, kind_of, unknown
from features.log import Record
from features.log_records import Entry
from features.merge import DUPLICATE, merge
from features.schema import EVENT_TIME, MACHINES, RECORDED_AT, TIME, TableContract
from features.view import View

# What it takes to find one machine's rows in a batch, in bytes.
PIECE_BYTES = 300


class Indexed(NamedTuple):
    """A record of the log by machine: the places of a machine's rows are order[start:stop], in the order in which they came."""

    number: int
    record: Record
    order: Micros
    bounds: dict[str, tuple[int, int]]

    @property
    def bytes(self) -> int:
        """What it takes of memory, about."""
        return int(self.record.entry.rows.nbytes + self.order.nbytes) + PIECE_BYTES * len(self.bounds)


class Piece(NamedTuple):
    """The rows of one machine in a batch."""

    batch: Indexed
    start: int
    stop: int

    @property
    def order(self) -> tuple[int, str]:
        return self.batch.record.stamp, self.batch.record.writer

    @property
    def entry(self) -> Entry:
        return self.batch.record.entry

    def rows(self) -> pa.Table:
        return self.entry.rows.take(pa.array(self.batch.order[self.start : self.stop]))


def loaded(
    view: View, machine_id: str, pieces: list[Piece], kept: Callable[[str], int | None], kind_name: str | None = None
) -> KnownMachine:
    """A machine's history from the tables, carried on by `pieces`. kind_name: see `known_machine`. Raises NotFound."""
    by_table = _by_table(pieces)
    machines, added = _merged(MACHINES, view.read(MACHINES.name, machine_ids=[machine_id]), by_table.get(MACHINES.name, []))
    if not machines.num_rows:
        raise unknown(machine_id)
    kind_name = kind_name or kind_of(machines)
    tables, all_added = {MACHINES.name: machines}, {MACHINES.name: added}
    for name in (*OF_MACHINE, f"readings_{kind_name}"):
        if name != MACHINES.name:
            rows = view.read(name, machine_ids=[machine_id])
            tables[name], all_added[name] = _merged(view.contract(name), rows, by_table.get(name, []))
    known = KnownMachine(machine_id, kind_name, tables, versions_of(view, kind_name), Shared(view), _some(all_added))
    oldest = _oldest(by_table.get(f"readings_{kind_name}", []))
    return _trimmed(known, kept(kind_name), oldest, 1)


def carried_on(known: KnownMachine, pieces: list[Piece], view: View, kept: int | None) -> KnownMachine | None:
    """A machine's history with rows that came since; None where it takes more than `known` holds to judge them."""
    by_table = _by_table(pieces)
    readings = f"readings_{known.kind_name}"
    if known.whole_since is not None and _oldest(by_table.get(readings, [])) < known.whole_since:
        return None
    tables, added = dict(known.tables), dict(known.added)
    for name, own in by_table.items():
        if name not in tables:  # scores, or readings by another kind than the machine's
            continue
        contract = view.contract(name)
        tables[name], new = _merged(contract, conformed(tables[name], contract), own)
        added[name] = pa.concat_tables([conformed(added[name], contract), new]) if name in added else new
    if MACHINES.name in by_table and kind_of(tables[MACHINES.name]) != known.kind_name:
        return None
    since = known.whole_since
    made = KnownMachine(known.machine_id, known.kind_name, tables, known.versions, known.shared, _some(added), since)
    return _trimmed(made, kept, _oldest(by_table.get(readings, [])), 2)


def _merged(contract: TableContract, stored: pa.Table, pieces: list[Piece]) -> tuple[pa.Table, pa.Table]:
    """The stored versions and those that `pieces` add, in contract order; and the added ones alone."""
    if not pieces:
        return stored, contract.arrow.empty_table()
    parts = [conformed(piece.rows(), contract) for piece in pieces]
    rows = pa.concat_tables(parts)
    counts = [len(part) for part in parts]
    if not _plainly_new(contract, stored, rows):
        own = np.repeat([piece.entry.own_recorded for piece in pieces], counts)
        received = np.repeat([piece.entry.received_at for piece in pieces], counts)
        turns = np.repeat(np.arange(len(pieces)), counts)
        found = merge(stored, rows, own, contract, received, turns)
        place = contract.arrow.get_field_index(RECORDED_AT)
        rows = rows.set_column(place, contract.arrow.field(place), pa.array(found.recorded).cast(TIME))
        rows = rows.filter(pa.array(found.verdict != DUPLICATE))
    return in_order(pa.concat_tables([stored, rows]).combine_chunks(), contract), rows


def _plainly_new(contract: TableContract, stored: pa.Table, rows: pa.Table) -> bool:
    """Whether `rows`, of one machine, are seen to be new by their times alone: each later than all before it."""
    if contract.timeless_key:
        return False
    event = times(rows, EVENT_TIME)
    last = int(times(stored, EVENT_TIME)[-1]) if stored.num_rows else -1
    return bool(event[0] > last and (np.diff(event) > 0).all())


def _trimmed(known: KnownMachine, kept: int | None, oldest: int, times_over: int) -> KnownMachine:
    """Without the readings that nobody looks at; `oldest`: what was just judged stays to be judged again."""
    name = f"readings_{known.kind_name}"
    event = times(known.tables[name], EVENT_TIME)
    if kept is None or not len(event) or event[-1] - event[0] <= times_over * kept:
        return known
    since = min(int(event[-1]) - kept, oldest)
    if since <= event[0]:
        return known
    tables = {**known.tables, name: known.tables[name].slice(int(np.searchsorted(event, since))).combine_chunks()}
    return replace(known, tables=tables, whole_since=since)


def _by_table(pieces: list[Piece]) -> dict[str, list[Piece]]:
    found: dict[str, list[Piece]] = defaultdict(list)
    for piece in sorted(pieces, key=lambda piece: piece.order):
        found[piece.entry.table_name].append(piece)
    return found


def _oldest(pieces: list[Piece]) -> int:
    events = [times(piece.rows().select([EVENT_TIME]), EVENT_TIME).min() for piece in pieces]
    return int(min(events, default=np.iinfo(np.int64).max))


def versions_of(view: View, kind_name: str) -> dict[str, int]:
    """The versions of the tables that a machine of a kind is made of."""
    names = {*OF_MACHINE, f"readings_{kind_name}"}
    return {name: version for name, version in view.versions.items() if name in names}


def _some(tables: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
    return {name: table for name, table in tables.items() if table.num_rows}
