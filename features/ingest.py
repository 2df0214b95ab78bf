"""One import, start to end: check, spill by bucket, merge with what is stored, commit per table, quarantine, account.

The account comes last. A process killed anywhere leaves the lake at whole commits; the rerun finds the rows that were already
stored as duplicates and stores the rest.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from features import intake
from features.account import RowAccount, TableCount
from features.clock import in_order, micros
from features.merge import ACCEPTED, CORRECTED, DUPLICATE, merge
from features.schema import MACHINE, MACHINES, RECORDED_AT, TIME, TableContract
from features.sources.reader import Batch
from features.spill import FILE, OWN, ROW, Spill

if TYPE_CHECKING:
    from features.lake import Lake

Progress = Callable[[str, int], None]


@dataclass
class _Import:
    """The state of one running import."""

    lake: "Lake"
    source: str
    imported_at: datetime
    spill: Spill
    progress: Progress
    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    refused: list[pa.Table] = field(default_factory=list)

    def refuse(self, name: str, refused: pa.Table, files: pa.Array) -> None:
        """Keep `refused` (intake.REFUSED) of table `name` for the quarantine; `files` is aligned with it."""
        count = refused.num_rows
        if not count:
            return
        self.counts[name]["quarantined"] += count
        self.refused.append(
            pa.table(
                {
                    "source": pa.repeat(pa.scalar(self.source), count),
                    "file": files,
                    "row": refused.column("row"),
                    "table": pa.repeat(pa.scalar(name), count),
                    "column": refused.column("column"),
                    "reason": refused.column("reason"),
                    "value": refused.column("value"),
                    "imported_at": pa.repeat(pa.scalar(self.imported_at, TIME), count),
                }
            )
        )


def run(
    lake: "Lake", source: str, batches: Iterator[Batch], imported_at: datetime, spill: Spill, progress: Progress | None
) -> RowAccount:
    """Take `batches` into `lake`. The caller holds the lake's lock and closes the spill. Raises BadInput."""
    state = _Import(lake, source, imported_at, spill, progress or (lambda words, rows: None))
    for batch in batches:
        _take(state, batch)
    # Machines first: rows of the other tables must name one of them.
    for name in sorted(spill.contracts, key=lambda name: (name != MACHINES.name, name)):
        _store(state, spill.contracts[name])
    if state.refused:
        lake.add_quarantined(pa.concat_tables(state.refused))
    tables = {
        name: TableCount(**{part: count[part] for part in ("rows_in", "accepted", "corrected", "duplicate", "quarantined")})
        for name, count in sorted(state.counts.items())
    }
    return RowAccount(source, imported_at, tables)


def _take(state: _Import, batch: Batch) -> None:
    """Check one batch and spill its clean rows."""
    name = batch.contract.name
    checked = intake.check(batch, state.imported_at)
    state.counts[name]["rows_in"] += checked.rows_in
    state.refuse(name, checked.refused, pa.repeat(pa.scalar(batch.file), checked.refused.num_rows))
    if checked.table.num_rows:
        buckets = state.lake.bucket_of(checked.table.column(batch.contract.entity))
        state.spill.add(batch.contract, checked.table, buckets, checked.rows, batch.file, checked.own_recorded)
    state.progress(f"reading {batch.file}", checked.rows_in)


def _store(state: _Import, contract: TableContract) -> None:
    """Merge one table bucket by bucket, then commit its new rows at once; without new rows there is no new version."""
    kinds = state.lake.kinds()
    machines = state.lake.machines()
    # Versions of a machine stand in order of their recording: the last one wins.
    kind_of = dict(zip(machines.column(MACHINE).to_pylist(), machines.column("kind").to_pylist(), strict=True))
    for bucket in state.spill.buckets(contract.name):
        rows = state.spill.read(contract.name, bucket)
        state.progress(f"merging {contract.name}", rows.num_rows)
        refusals = intake.check_references(rows, contract, kind_of, kinds)
        refused = refusals.table()
        if refused.num_rows:
            origin = rows.take(refused.column("row"))
            refused = refused.set_column(0, "row", origin.column(ROW))
            state.refuse(contract.name, refused, state.spill.files(origin.column(FILE)))
            rows = rows.filter(pa.array(~refusals.bad))
        state.spill.keep(contract.name, bucket, _merge_bucket(state, contract, bucket, rows))
    state.lake.append(contract, state.spill.kept(contract.name))


def _merge_bucket(state: _Import, contract: TableContract, bucket: int, rows: pa.Table) -> pa.Table:
    """The rows of one bucket that are new or corrections, as they are to be stored, in order."""
    incoming = rows.select(contract.arrow.names)
    own = rows.column(OWN).to_numpy().astype(bool)
    existing = state.lake.stored(contract, bucket)
    judged = merge(existing, incoming, own, contract, micros(state.imported_at))
    count = state.counts[contract.name]
    for part, verdict in (("accepted", ACCEPTED), ("corrected", CORRECTED), ("duplicate", DUPLICATE)):
        count[part] += judged.count(verdict)
    at = contract.arrow.get_field_index(RECORDED_AT)
    incoming = incoming.set_column(at, contract.arrow.field(RECORDED_AT), pa.array(judged.recorded).cast(TIME))
    return in_order(incoming.filter(pa.array(judged.verdict != DUPLICATE)), contract)
