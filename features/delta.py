"""Commits to Delta tables: rows appended or replaced at once, files exchanged for others of the same rows, old ones vacuumed.

With `frozen` the only importer of deltalake. A table's files and its log are on the disk before a commit counts as made.
"""

import errno
import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema, WriterProperties, write_deltalake
from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions

from features import datafiles
from features.datafiles import BUCKET, DataFile
from features.errors import Conflict
from features.frozen import Frozen, damaged, dataset, exists, logged

__all__ = ["Frozen", "append", "dataset", "exchange", "exists", "history", "replace", "said", "vacuum"]

# What a commit says of itself: who made it (import, log, program, compaction, replace), of what, and the account of its rows.
ORIGIN, SOURCE, COUNTS, ROWS, FILES = (f"forewarn.{name}" for name in ("origin", "source", "counts", "rows", "files"))
Bucket = tuple[int, Iterable[pa.Table]]
_WRITER = WriterProperties(compression="LZ4_RAW", max_row_group_size=1 << 16)
_BUCKET = pa.field(BUCKET, pa.int32(), nullable=False)
# Snapshots and scores name versions as their evidence: by default those older than 30 days would go with some later commit.
_KEPT = {"delta.enableExpiredLogCleanup": "false"}


# Commits


@contextmanager
def room(path: Path) -> Iterator[None]:
    """Turn a full disk into one clear line."""
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT} and "No space left" not in str(error):
            raise
        mend = "free some space and run this again; what was there is unchanged"
        raise Conflict("no space left on the disk", where=str(path), mend=mend) from None


@contextmanager
def drafting(path: Path) -> Iterator[list[DataFile]]:
    """For files that are being written: those in the list are removed again if the work fails before they are committed."""
    files: list[DataFile] = []
    datafiles.remove_drafts(path)
    try:
        yield files
    except BaseException:
        _withdraw(path, files)
        raise


def append(path: Path, schema: pa.Schema, buckets: Iterable[Bucket], said: Callable[[], Mapping[str, str]]) -> None:
    """Commit the rows of some buckets at once, a file each; no row, no new version.

    buckets: number and tables, sorted as one. said: what the commit says of itself, asked for when all rows are written.

    A process killed before the commit leaves drafts, which the next writer removes. Raises Conflict if the disk is full; the
    table is as before then.
    """
    # A table's first files come before its log: under a name of their own, so that a folder without a log is always damage.
    first = not exists(path)
    place = path.with_name(f".{path.name}.first") if first else path
    if first:
        shutil.rmtree(place, ignore_errors=True)
    with room(path), drafting(place) as files:
        _write(place, schema, buckets, files)
        if files:
            _commit(place, schema, files, (), said(), data_change=True)
    if first and files:
        place.replace(path)
        datafiles.sync(path.parent)


def replace(path: Path, schema: pa.Schema, buckets: Iterable[Bucket], said: Callable[[], Mapping[str, str]]) -> None:
    """As `append`, but the rows become the whole content of the table, in one commit. Raises Conflict if the disk is full."""
    if not exists(path):
        append(path, schema, buckets, said)
        return
    with room(path), drafting(path) as files:
        _write(path, schema, buckets, files)
        _commit(path, schema, files, Frozen(path).files, said(), data_change=True)


def _write(path: Path, schema: pa.Schema, buckets: Iterable[Bucket], files: list[DataFile]) -> None:
    for bucket, tables in buckets:
        written = datafiles.write(path, bucket, schema, tables)
        if written is not None:
            files.append(written)


def exchange(
    path: Path, schema: pa.Schema, added: Sequence[DataFile], removed: Sequence[DataFile], said: Mapping[str, str]
) -> int:
    """Put drafts of the same rows in the place of files, in one commit; the new version. Older versions keep the old files."""
    _commit(path, schema, added, removed, said, data_change=False)
    return int(DeltaTable(path).version())


def _withdraw(path: Path, files: Sequence[DataFile]) -> None:
    """Remove files whose commit failed; one that failed after it was made (no room for a checkpoint) keeps them."""
    made = {file.path for file in Frozen(path).files} if logged(path) else set()
    datafiles.withdraw(path, (file for file in files if file.path not in made))


def _commit(
    path: Path,
    schema: pa.Schema,
    added: Sequence[DataFile],
    removed: Sequence[DataFile],
    said: Mapping[str, str],
    *,
    data_change: bool,
) -> None:
    now = int(time.time() * 1000)
    entity = schema.names[0]
    rows = str(sum(file.rows for file in added)) if data_change else "0"
    properties = CommitProperties(custom_metadata={**said, ROWS: rows})
    adds = [
        AddAction(file.path, file.size, {BUCKET: str(file.bucket)}, now, data_change, file.statistics(entity)) for file in added
    ]
    removes = [RemoveAction(file.path, data_change, now, file.size, {BUCKET: str(file.bucket)}) for file in removed]
    datafiles.settle(path, added)
    try:
        version = _log(path, schema.append(_BUCKET), adds, removes, properties)
    except DeltaError as error:
        if "No space left" in str(error) or "os error 28" in str(error):
            raise OSError(errno.ENOSPC, "No space left on device") from None
        raise
    log = path / "_delta_log"
    datafiles.sync(log / f"{version:020d}.json")
    datafiles.sync(log)


def _log(
    path: Path, schema: pa.Schema, adds: list[AddAction], removes: list[RemoveAction], properties: CommitProperties
) -> int:
    """Write the commit; its version."""
    if not logged(path):
        create_table_with_add_actions(
            str(path), Schema.from_arrow(schema), adds,
            partition_by=[BUCKET], configuration=_KEPT, commit_properties=properties,
        )  # fmt: skip
        return 0
    table = DeltaTable(path)
    known = pa.schema(table.schema().to_arrow()).names
    grown = pa.schema([field for field in schema if field.name not in known])
    if grown:
        table.alter.add_columns(Schema.from_arrow(grown).fields, commit_properties=properties)
        table = DeltaTable(path)
    table.create_write_transaction([*adds, *removes], "append", schema, [BUCKET], commit_properties=properties)
    return int(table.version())


# What was done to a table

VACUUMED = "vacuum"
# Delta's own retention of a log: what a cleaning leaves.
LOG_HOURS = 30 * 24
# Nobody reads for so long in a table whose versions are no evidence.
READ_HOURS = 1


@dataclass(frozen=True)
class Commit:
    """One version of a table: when it was made, by what (`operation`, `source`), and how many rows it added."""

    version: int
    at: datetime
    operation: str
    source: str
    rows: int
    counts: Mapping[str, int]


def history(path: Path) -> list[Commit]:
    """All commits of a table, oldest first. Raises BadInput if its log is damaged."""
    try:
        entries = DeltaTable(path).history()
    except (DeltaError, OSError) as error:
        raise damaged(path, error) from None
    return [_told(entry) for entry in reversed(entries)]


def _told(entry: Mapping[str, Any]) -> Commit:
    operation = {
        "VACUUM START": "vacuum begun",
        "VACUUM END": VACUUMED,
        "ADD COLUMN": "new column",
        "SET TBLPROPERTIES": "vacuum set up",
    }.get(entry["operation"])
    metrics = entry.get("operationMetrics", {})
    rows = int(entry.get(ROWS, metrics.get("num_added_rows", 0))) if operation is None else 0
    at = datetime.fromtimestamp(entry["timestamp"] / 1000, UTC)
    counts = json.loads(entry.get(COUNTS, "{}"))
    made_by = operation or entry.get(ORIGIN) or "import"
    return Commit(int(entry["version"]), at, made_by, str(entry.get(SOURCE, "")), rows, counts)


def said(path: Path, at_version: int) -> dict[str, str] | None:
    """What the commit of a version says of itself; None where there is no such version."""
    try:
        lines = (path / "_delta_log" / f"{at_version:020d}.json").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None
    for line in lines:
        if '"commitInfo"' in line:
            info = json.loads(line).get("commitInfo", {})
            return {name: value for name, value in info.items() if name.startswith("forewarn.")}
    return {}


def vacuum(path: Path, hours: int) -> int:
    """Remove the files that no version of the last `hours` needs, and those that no version names; how many it were.

    Commits older than LOG_HOURS, if those are no fewer, go too, up to the checkpoint that is made of every hundred: each is a
    file, and all of them are listed at every look.
    """
    datafiles.remove_drafts(path)
    table = DeltaTable(path)
    properties = CommitProperties(custom_metadata={ORIGIN: VACUUMED})
    gone = table.vacuum(hours, dry_run=False, enforce_retention_duration=False, full=True, commit_properties=properties)
    if hours <= LOG_HOURS:
        DeltaTable(path).cleanup_metadata()
    return len(gone)


# Tables without buckets (the quarantine)


def add_rows(path: Path, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
    """Append rows to a table that has no buckets, in one commit, if there are any. Raises Conflict if the disk is full."""
    first = next((batch for batch in batches if batch.num_rows), None)
    if first is None:
        return
    with room(path):
        rows = pa.RecordBatchReader.from_batches(schema, chain([first], batches))
        write_deltalake(path, rows, mode="append", configuration=_KEPT, writer_properties=_WRITER)


def merge_files(path: Path, most: int) -> None:
    """Make few files of a table that has no buckets, if it has more than `most`; those of before go once nobody reads them."""
    table = DeltaTable(path)
    if len(table.file_uris()) > most:
        table.optimize.compact(target_size=32 << 20, max_concurrent_tasks=1, writer_properties=_WRITER)
        table.vacuum(READ_HOURS, dry_run=False, enforce_retention_duration=False)
        table.cleanup_metadata()
