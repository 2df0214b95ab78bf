"""The latest history of each machine in memory: read from the tables when it is first asked for, then carried on by the log.

What a machine's history holds is the tables at some versions and the rows of the log that came since, merged by the rules of an
import. Compaction moves rows from the log into the tables and changes no history here; an import does, and everything is read
anew.
"""

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from features import compactor, delta
from features.carry import Indexed, Piece, carried_on, loaded, versions_of
from features.catalog import catalog
from features.compactor import Compacted, compacted
from features.enterprise.rules import Roll, enrolled
from features.enterprise.schema import ENTERPRISES
from features.errors import NotFound
from features.history import HOUR, Series
from features.kinds import MachineKind
from features.known import OF_MACHINE, KnownMachine, Shared, conformed, reach
from features.log import START, Record, Tail
from features.schema import MACHINE, MACHINES
from features.view import View

if TYPE_CHECKING:
    from features.lake import Lake

# Readings are kept for so much longer than features look back, so that a moment in the past can be asked for too.
SLACK = round(14 * 24 * HOUR)
# A machine with more rows beside the tables than this is read anew once they are compacted: its evidence stays small.
MOST_ADDED = 200
# And so is one that was read long ago: its evidence names versions that are not about to be cleaned away.
MOST_SECONDS = 3_600.0
_SAME_ROWS = ("compaction", "vacuum")


@dataclass
class _Slot:
    """One machine's place. applied: the number of the last batch in `known`; order: that of the last piece.

    loaded_at: when `known` was read from the tables. shown: `known` beside the reference table of `view`.
    """

    lock: threading.Lock
    known: KnownMachine | None = None
    applied: int = -1
    order: tuple[int, str] = (-1, "")
    loaded_at: float = 0.0
    shown: KnownMachine | None = None
    view: View | None = None
    bytes: int = 0


class Live:
    """The histories that were asked for last, within `most_bytes`. Threads may share it.

    waiting_bytes: of memory, for rows of the log that are not in the tables yet: they are held until they are.
    """

    def __init__(self, lake: "Lake", *, most_bytes: int = 256 * 2**20) -> None:
        self.lake = lake
        self._most_bytes = most_bytes
        self._lock = threading.RLock()
        self._slots: OrderedDict[str, _Slot] = OrderedDict()
        self._bytes = 0
        self._batches: list[Indexed] = []
        self._pieces: dict[str, list[Piece]] = {}
        self._count = 0
        self.waiting_bytes = 0
        self._kind_of: dict[str, str] | None = None
        # Enterprises that the log brought: a few bytes each.
        self._roll = Roll()
        self._settled = compacted(lake.root)
        self._tail = Tail(lake.root, self._settled.positions)
        self._view = lake.at()
        self._shared = Shared(self._view)
        self._seen = dict(self._view.versions)
        self._moved = False
        # Kinds all of whose readings are kept: the windows of networks look back to a machine's first ones.
        self.whole_kinds: frozenset[str] = frozenset()

    # Following

    def pull(self) -> None:
        """Take notice of what was logged and committed since. Cheap when nothing was."""
        with self._lock:
            try:
                records = self._tail.read()
            except FileNotFoundError:  # the log was compacted and cleaned faster than it was read here
                self._renew(forget=True)
                records = self._tail.read()
            for record in records:
                self._index(record)
            changed = self._changed()
            self._moved |= "files" in changed
            if changed - {"files"}:
                self._renew(forget="rows" in changed)

    def renew(self) -> None:
        """Let go of the log's rows that are in the tables by now, and of files that others hold the rows of by now: old ones
        are vacuumed some day. For a thread that follows, now and then.
        """
        before, settled = self._view, compacted(self.lake.root)
        if settled.round == self._settled.round and not self._moved:
            return
        self._moved = False
        view = self.lake.at()
        with self._lock:
            self.pull()
            if self._view is before:
                self._settle(settled, view)

    def _index(self, record: Record) -> None:
        rows = record.entry.rows
        if record.entry.table_name == ENTERPRISES.name and rows.num_rows:
            self._roll.learn(conformed(rows, ENTERPRISES))
        # The entity is the first column: an accident may name a machine too.
        if rows.column_names[0] != MACHINE or not rows.num_rows:
            return
        machines = rows.column(MACHINE).combine_chunks().dictionary_encode()
        codes = machines.indices.to_numpy()
        order = np.argsort(codes, kind="stable")
        starts = [*np.flatnonzero(np.diff(codes[order], prepend=-1)).tolist(), len(codes)]
        bounds = {name: (starts[code], starts[code + 1]) for code, name in enumerate(machines.dictionary.to_pylist())}
        batch = Indexed(self._count, record, order, bounds)
        self._count += 1
        self._hold(batch)
        if record.entry.table_name == MACHINES.name and self._kind_of is not None:
            self._kind_of.update(zip(*rows.select([MACHINE, "kind"]).to_pydict().values(), strict=True))

    def _hold(self, batch: Indexed) -> None:
        self._batches.append(batch)
        self.waiting_bytes += batch.bytes
        for name, (start, stop) in batch.bounds.items():
            self._pieces.setdefault(name, []).append(Piece(batch, start, stop))

    def _changed(self) -> set[str]:
        """What was committed but rows of the log: "rows" of machines, a "reference" table, the same rows in other "files"."""
        found: set[str] = set()
        tables = self.lake.root / "tables"
        try:
            names = [entry.name for entry in os.scandir(tables) if not entry.name.startswith(".")]
        except FileNotFoundError:
            return found
        for name in names:
            if not (name in OF_MACHINE or name.startswith(("readings_", "reference_"))):
                continue
            version = self._seen.get(name, -1)
            while (said := delta.said(tables / name, version + 1)) is not None:
                version += 1
                if said.get(delta.ORIGIN) in _SAME_ROWS:
                    found.add("files")
                elif said.get(delta.ORIGIN) != compactor.SOURCE:
                    found.add("reference" if name.startswith("reference_") else "rows")
            self._seen[name] = version
        return found

    def _renew(self, *, forget: bool) -> None:
        settled = compacted(self.lake.root)
        self._settle(settled, self.lake.at())
        if forget:
            self._slots.clear()
            self._bytes = 0
            self._kind_of = None

    def _settle(self, settled: Compacted, view: View) -> None:
        """Go over to a view that holds everything up to `settled`; the rows up to there need no longer be held beside it."""
        self._settled, self._view, self._shared = settled, view, Shared(view)
        kept: list[Indexed] = []
        missed: dict[str, int] = {}
        for batch in self._batches:
            if batch.record.end > settled.positions.get(batch.record.writer, START):
                kept.append(batch)
            else:
                missed.update((name, batch.number) for name in batch.bounds if name in self._slots)
        for name, number in missed.items():
            if self._slots[name].applied < number:
                self._drop(name)
        self._batches, self._pieces, self.waiting_bytes = [], {}, 0
        for batch in kept:
            self._hold(batch)
        positions = self._tail.positions
        for writer, position in settled.positions.items():
            positions[writer] = max(position, positions.get(writer, position))

    # Asking

    def kinds_of(self, machine_ids: Iterable[str]) -> dict[str, str]:
        """The kinds of those machines that are known, by id."""
        self.pull()
        with self._lock:
            if self._kind_of is None:
                held = [batch for batch in self._batches if batch.record.entry.table_name == MACHINES.name]
                parts = [self._view.read(MACHINES.name), *(conformed(batch.record.entry.rows, MACHINES) for batch in held)]
                rows = pa.concat_tables(parts).select([MACHINE, "kind"])
                self._kind_of = dict(zip(*rows.to_pydict().values(), strict=True))
            known = self._kind_of
            return {name: known[name] for name in machine_ids if name in known}

    def enrolled(self, enterprise_ids: list[str]) -> Roll:
        """Those of some enterprises that are known, the log's rows among them."""
        self.pull()
        roll = enrolled(self.lake, enterprise_ids)
        with self._lock:
            roll.correct(self._roll, enterprise_ids)
        return roll

    def machine(self, machine_id: str) -> KnownMachine:
        """The machine's history as of now: everything that was acknowledged before. Raises NotFound for an unknown machine."""
        self.pull()
        while True:
            with self._lock:
                slot = self._slots.setdefault(machine_id, _Slot(threading.Lock()))
                self._slots.move_to_end(machine_id)
            with slot.lock:
                with self._lock:
                    if self._slots.get(machine_id) is not slot:
                        continue
                    pieces, view, shared = list(self._pieces.get(machine_id, ())), self._view, self._shared
                try:
                    known = self._up_to_date(slot, machine_id, pieces, view)
                except NotFound:
                    with self._lock:
                        self._drop(machine_id)
                    raise
                if slot.shown is None or slot.known is not known or slot.view is not view:
                    slot.known, slot.view, slot.shown = known, view, _beside(known, view, shared)
                    with self._lock:
                        self._weigh(slot, machine_id)
                return slot.shown

    def whole(self, machine_id: str, kind_name: str | None = None) -> KnownMachine:
        """As `machine`, with all its readings; read anew, and not held. kind_name: see `known_machine`."""
        self.pull()
        with self._lock:
            pieces, view = list(self._pieces.get(machine_id, ())), self._view
        return loaded(view, machine_id, pieces, lambda _: None, kind_name)

    def reference(self, kind: MachineKind) -> tuple[Series, dict[str, int]]:
        """The reference table of a kind as arrays, and its version by name; empty where none was published."""
        with self._lock:
            view, shared = self._view, self._shared
        name = kind.reference_table
        return shared.reference(kind), {name: view.versions[name]} if name in view.versions else {}

    def _up_to_date(self, slot: _Slot, machine_id: str, pieces: list[Piece], view: View) -> KnownMachine:
        fresh = [piece for piece in pieces if piece.batch.number > slot.applied]
        known = slot.known
        aged = known is not None and (
            sum(table.num_rows for table in known.added.values()) > MOST_ADDED
            or time.monotonic() - slot.loaded_at > MOST_SECONDS
        )
        if known is not None and fresh and not min(piece.order for piece in fresh) < slot.order:
            known = carried_on(known, fresh, view, self._kept(known.kind_name))
        elif fresh:
            known = None
        if known is None or (aged and known.versions != versions_of(view, known.kind_name)):
            known, slot.loaded_at = loaded(view, machine_id, pieces, self._kept), time.monotonic()
        slot.applied = max((piece.batch.number for piece in pieces), default=slot.applied)
        slot.order = max([slot.order, *(piece.order for piece in pieces)])
        return known

    def _kept(self, kind_name: str) -> int | None:
        """For how long before the last one readings of a kind are kept, in microseconds; None means all of them."""
        back = None if kind_name in self.whole_kinds else reach(catalog(self.lake.kind(kind_name)))
        return None if back is None else back + SLACK

    def _weigh(self, slot: _Slot, machine_id: str) -> None:
        if self._slots.get(machine_id) is not slot or slot.known is None:
            return
        # The arrays of the history weigh about as much as the tables.
        weight = 2 * sum(int(table.nbytes) for table in slot.known.tables.values())
        self._bytes += weight - slot.bytes
        slot.bytes = weight
        while self._bytes > self._most_bytes and len(self._slots) > 1:
            self._drop(next(iter(self._slots)))

    def _drop(self, machine_id: str) -> None:
        slot = self._slots.pop(machine_id, None)
        if slot is not None:
            self._bytes -= slot.bytes


def _beside(known: KnownMachine, view: View, shared: Shared) -> KnownMachine:
    """A machine beside the reference table of the view, with its version."""
    reference = f"reference_{known.kind_name}"
    versions = {reference: view.versions[reference]} if reference in view.versions else {}
    return replace(known, versions={**known.versions, **versions}, shared=shared)
