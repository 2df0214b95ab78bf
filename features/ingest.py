"""One import, start to end: check, spill by bucket, merge with what is stored, commit per table, quarantine, account.

The account comes last. A process killed anywhere leaves the lake at whole commits; the rerun finds the rows that were already
stored as duplicates and stores the rest. A source whose entities come one after the other is taken in part by part.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features import delta, intake
from features.account import RowAccount, TableCount
from features.clock import in_order, micros, times
from features.enterprise import rules
from features.enterprise.schema import ENTERPRISES
from features.intake import Refusals
from features.kinds import MachineKind
from features.merge import ACCEPTED, CORRECTED, DUPLICATE, merge
from features.rivals import rivals
from features.schema import EVENT_TIME, MACHINE, MACHINES, RECORDED_AT, TEXT, TIME, TableContract
from features.sources.reader import Batch
from features.spill import ARRIVAL, FILE, OWN, RECEIVED, ROW, Spill
from features.suspicions import TOLERANCE, Suspicions

if TYPE_CHECKING:
    from features.lake import Lake

# A source that can be committed in parts is, whenever so many rows have come: memory and disk are those of a part.
PART_ROWS = 6_000_000
# Rows that are held in memory at once while they are merged with what is stored.
MERGE_ROWS = 500_000

# What other tables are about: stored before them.
ENTITIES = (MACHINES.name, ENTERPRISES.name)

Progress = Callable[[str, int], None]


@dataclass
class _Import:
    """The state of one running import."""

    lake: "Lake"
    source: str
    imported_at: datetime
    spill: Spill
    progress: Progress
    said: Mapping[str, str]
    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    tables: dict[str, TableCount] = field(default_factory=dict)
    kind_of: dict[str, str] = field(default_factory=dict)
    arrivals: int = 0
    refused_files: tuple[str, str] | None = None
    site_of: dict[str, str | None] = field(default_factory=dict)
    suspicions: Suspicions = field(default_factory=Suspicions)

    def refuse(self, contract: TableContract, refused: pa.Table, files: pa.Array, received: pa.Array) -> None:
        """Keep `refused` (intake.REFUSED) of a table for the quarantine; `files` and `received` are aligned with it."""
        count, name = refused.num_rows, contract.name
        if not count:
            return
        ends = pc.min_max(files).as_py()
        low, high = self.refused_files or (ends["min"], ends["max"])
        self.refused_files = (min(low, ends["min"]), max(high, ends["max"]))
        self.suspicions.refused(contract, refused, files, received.to_numpy())
        self.counts[name]["quarantined"] += count
        self.spill.refuse(
            pa.table(
                {
                    "source": pa.repeat(pa.scalar(self.source), count),
                    "file": files,
                    "row": refused.column("row"),
                    "table": pa.repeat(pa.scalar(name), count),
                    "column": refused.column("column"),
                    "reason": refused.column("reason"),
                    "value": refused.column("value"),
                    "imported_at": received.cast(TIME),
                }
            )
        )


def run(
    lake: "Lake",
    source: str,
    batches: Iterator[Batch],
    imported_at: datetime,
    spill: Spill,
    progress: Progress | None,
    said: Mapping[str, str] = MappingProxyType({delta.ORIGIN: "import"}),
) -> RowAccount:
    """Take `batches` into `lake`. The caller holds the lake's lock and closes the spill. Raises BadInput.

    said: what the commits say of themselves, besides their source and their part of the account.
    """
    said = {**said, delta.SOURCE: source}
    state = _Import(lake, source, imported_at, spill, progress or (lambda words, rows: None), said)
    for batch in batches:
        _take(state, batch)
        if batch.closes_part and spill.rows >= PART_ROWS:
            _store_part(state)
    _store_part(state)
    return RowAccount(source, imported_at, dict(sorted(state.tables.items())), state.suspicions.lines())


def _store_part(state: _Import) -> None:
    """Merge and commit what was taken since the last part, and add it to the account."""
    # Machines and enterprises first: rows of the other tables must name one of them.
    for name in sorted(state.spill.contracts, key=lambda name: (name not in ENTITIES, name)):
        if name != MACHINES.name and state.spill.contracts[name].entity == MACHINE and not state.kind_of:
            # Versions of a machine stand in order of their recording: the last one wins.
            machines = state.lake.read(MACHINES.name, columns=[MACHINE, "kind", "site_id"]).to_pydict()
            state.kind_of = dict(zip(machines[MACHINE], machines["kind"], strict=True))
            state.site_of = dict(zip(machines[MACHINE], machines["site_id"], strict=True))
        _store(state, state.spill.contracts[name])
    state.kind_of = {}
    if state.refused_files is not None:
        state.lake.add_quarantined(state.spill.refused(), state.source, state.refused_files)
        state.refused_files = None
    for name, count in state.counts.items():
        state.tables[name] = state.tables.get(name, TableCount()) + _table_count(count)
    state.counts.clear()
    state.spill.clear()


def _table_count(count: Counter[str]) -> TableCount:
    return TableCount(**{part: count[part] for part in ("rows_in", "accepted", "corrected", "duplicate", "quarantined")})


def _take(state: _Import, batch: Batch) -> None:
    """Check one batch and spill its clean rows."""
    name = batch.contract.name
    received_at = batch.received_at or state.imported_at
    state.arrivals += batch.received_at is not None
    checked = intake.check(batch, received_at) if batch.received_at is None else intake.passed(batch)
    state.counts[name]["rows_in"] += checked.rows_in
    refused = checked.refused.num_rows
    moments = pa.repeat(pa.scalar(micros(received_at)), refused)
    state.refuse(batch.contract, checked.refused, pa.repeat(pa.scalar(batch.file), refused), moments)
    if checked.table.num_rows:
        buckets = state.lake.bucket_of(checked.table.column(batch.contract.entity))
        origin = (checked.rows, batch.file, checked.own_recorded, state.arrivals, micros(received_at))
        state.spill.add(batch.contract, checked.table, buckets, *origin)
    state.progress(f"reading {batch.file}", checked.rows_in)


def _store(state: _Import, contract: TableContract) -> None:
    """Merge one table bucket by bucket into its files, then commit them at once; without new rows there is no new version."""

    def said() -> Mapping[str, str]:
        return {**state.said, delta.COUNTS: json.dumps(asdict(_table_count(state.counts[contract.name])))}

    stored, kinds = state.lake.current(contract), state.lake.kinds()
    merged = ((bucket, _merged(state, contract, bucket, stored, kinds)) for bucket in state.spill.buckets(contract.name))
    state.lake.append(contract, merged, said)


def _merged(
    state: _Import, contract: TableContract, bucket: int, stored: delta.Frozen | None, kinds: Mapping[str, MachineKind]
) -> Iterator[pa.Table]:
    """What is to be stored of the rows of one bucket, in order, some entities at a time."""
    for rows in state.spill.stretches(contract.name, bucket, MERGE_ROWS):
        state.progress(f"merging {contract.name}", rows.num_rows)
        _suspect(state, contract, rows)
        # Those that the log took are acknowledged by now: their kind may declare codes that it did not ask for then.
        placed = rows if state.arrivals else _placed(state, contract, rows, kinds)
        yield _merge_bucket(state, contract, _apart(state, contract, placed), stored, bucket)


def _placed(state: _Import, contract: TableContract, rows: pa.Table, kinds: Mapping[str, MachineKind]) -> pa.Table:
    """The rows without those that their machine or enterprise rules out."""
    if rules.judged(contract):
        return _without(state, contract, rows, rules.check(rows, contract, rules.enrolled(state.lake, _ids(rows, contract))))
    return _without(state, contract, rows, intake.check_references(rows, contract, state.kind_of, kinds))


def _apart(state: _Import, contract: TableContract, rows: pa.Table) -> pa.Table:
    """The rows without those whose period overlaps one that is there already, where the table is of such periods."""
    if not contract.periods or not rows.num_rows:
        return rows
    refusals = Refusals(np.arange(rows.num_rows, dtype=np.int64))
    before = rules.periods_of(state.lake, contract, _ids(rows, contract))
    overlap = rules.overlapping(before, rows, contract)
    refusals.add(overlap, "starts", rules.OVERLAP, rows.column("starts").combine_chunks())
    return _without(state, contract, rows, refusals)


def _ids(rows: pa.Table, contract: TableContract) -> list[str]:
    return [str(one) for one in pc.unique(rows.column(contract.entity)).to_pylist()]


def _without(state: _Import, contract: TableContract, rows: pa.Table, refusals: Refusals) -> pa.Table:
    """The rows that are not refused; the others go to the quarantine."""
    refused = refusals.table()
    if not refused.num_rows:
        return rows
    origin = rows.take(refused.column("row"))
    refused = refused.set_column(0, "row", origin.column(ROW))
    state.refuse(contract, refused, state.spill.files(origin.column(FILE)), origin.column(RECEIVED).combine_chunks())
    return rows.filter(pa.array(~refusals.bad))


def _suspect(state: _Import, contract: TableContract, rows: pa.Table) -> None:
    lead = times(rows, EVENT_TIME) - times(rows, RECORDED_AT)
    early = rows.column(OWN).to_numpy().astype(bool) & (lead > TOLERANCE)
    if early.any():
        part = rows.filter(pa.array(early))
        sites = pa.array([state.site_of.get(name) or "" for name in part.column(contract.entity).to_pylist()], TEXT)
        state.suspicions.recorded_early(contract, state.spill.files(part.column(FILE)), sites, lead[early])


def _merge_bucket(
    state: _Import, contract: TableContract, rows: pa.Table, stored: delta.Frozen | None, bucket: int
) -> pa.Table:
    """The rows of one bucket that are new or corrections, as they are to be stored, in order."""
    incoming = rows.select(contract.arrow.names)
    own = rows.column(OWN).to_numpy().astype(bool)
    existing = contract.arrow.empty_table() if stored is None else rivals(stored, bucket, incoming, contract)
    moments, arrivals = (rows.column(name).to_numpy() for name in (RECEIVED, ARRIVAL))
    judged = merge(existing, incoming, own, contract, moments, arrivals)
    count = state.counts[contract.name]
    for part, verdict in (("accepted", ACCEPTED), ("corrected", CORRECTED), ("duplicate", DUPLICATE)):
        count[part] += judged.count(verdict)
    at = contract.arrow.get_field_index(RECORDED_AT)
    incoming = incoming.set_column(at, contract.arrow.field(RECORDED_AT), pa.array(judged.recorded).cast(TIME))
    return in_order(incoming.filter(pa.array(judged.verdict != DUPLICATE)), contract)
