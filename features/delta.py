"""Delta tables on disk: rows are appended at once, files exchanged for others of the same rows, a version read by bucket.

The only importer of deltalake. A table's log and its files are on the disk before a commit counts as made.
"""

import errno
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as fs
from deltalake import CommitProperties, DeltaTable, Schema, write_deltalake
from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions

from features import datafiles
from features.datafiles import BUCKET, DataFile, Reader, Where
from features.errors import BadInput, Conflict, NotFound

# What a commit says of itself: who made it (import, log, program, compaction, replace), of what, and the account of its rows.
ORIGIN, SOURCE, COUNTS, ROWS = "forewarn.origin", "forewarn.source", "forewarn.counts", "forewarn.rows"
_BUCKET = pa.field(BUCKET, pa.int32(), nullable=False)
# Snapshots and scores name versions as their evidence: by default those older than 30 days would go with some later commit.
_KEPT = {"delta.enableExpiredLogCleanup": "false"}
# What deltalake cuts the words in its own statistics to: such an end of a range is none.
_CUT = 32
_RESTORE = "restore it from a copy of the lake"
Flags = npt.NDArray[np.bool_]


def exists(path: Path) -> bool:
    """Whether a Delta table is there. Raises BadInput for a folder that has lost its log: its rows must not read as none."""
    if (path / "_delta_log").is_dir() and DeltaTable.is_deltatable(str(path)):
        return True
    if next(path.glob(f"{BUCKET}=*/*.parquet"), None) is None:
        return False
    raise BadInput("the table's _delta_log is gone or empty, its data files are there", where=str(path), mend=_RESTORE)


def _damaged(path: Path, error: Exception) -> BadInput:
    reason = str(error).splitlines()[0]
    return BadInput(f"not readable as a table ({reason})", where=str(path), mend=_RESTORE)


class Frozen:
    """A table at one version: its log is read once, its files are opened as they are needed. Threads may share it."""

    def __init__(self, path: Path, at_version: int | None = None) -> None:
        """at_version: None is the current one. Raises NotFound for a version that is not there, BadInput for damage."""
        self.path = path
        self._lock = Lock()
        self._readers: dict[str, Reader] = {}
        try:
            self._table = DeltaTable(path, version=at_version)
        except (DeltaError, OSError) as error:
            if at_version is None or not exists(path):
                raise _damaged(path, error) from None
            what = f"no version {at_version} of table {path.name}"
            mend = "it may have been removed; build anew from the current version"
            raise NotFound(what, where=str(path), mend=mend) from None
        self.version = int(self._table.version())

    @cached_property
    def files(self) -> tuple[DataFile, ...]:
        """The files of this version, as its log describes them."""
        try:
            log = pa.table(self._table.get_add_actions(flatten=True))
        except (DeltaError, OSError) as error:
            raise _damaged(self.path, error) from None
        entity = self.columns[0] if self.columns else ""
        return tuple(_data_file(row, entity) for row in log.to_pylist())

    @cached_property
    def columns(self) -> list[str]:
        """The columns that the table has at this version, without its bucket."""
        return [name for name in pa.schema(self._table.schema().to_arrow()).names if name != BUCKET]

    def read(self, schema: pa.Schema, where: Where, *, buckets: Sequence[int] | None = None) -> Iterator[pa.Table]:
        """The wanted rows of each file in turn, columns of `schema` (null where a file lacks one), the entity a dictionary.

        Of files and row groups that cannot hold a wanted row nothing is decoded. Raises BadInput if a file is damaged or gone,
        NotFound if the version's files were vacuumed.
        """
        for file in self.files:
            if (buckets is None or file.bucket in buckets) and where.may_hold(file.ids, file.span):
                with self._watched(file):
                    yield self._reader(file).read(schema, where)

    def matching(
        self, keys: pa.Schema, schema: pa.Schema, where: Where, bucket: int, wanted: Callable[[pa.Table], Flags]
    ) -> Iterator[pa.Table]:
        """Rows of one bucket for whose columns `keys` the function says so. Other columns are decoded only where it does."""
        for file in self.files:
            if file.bucket == bucket and where.may_hold(file.ids, file.span):
                with self._watched(file):
                    reader = self._reader(file)
                    for groups in reader.stretches(where):
                        hit = wanted(reader.read(keys, where, groups))
                        if hit.any():
                            yield reader.read(schema, where, groups).filter(pa.array(hit))

    def _reader(self, file: DataFile) -> Reader:
        with self._lock:
            return self._readers.setdefault(file.path, Reader(self.path, file))

    @contextmanager
    def _watched(self, file: DataFile) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise self._gone(file) from None
        except (OSError, pa.ArrowException) as error:
            raise _damaged(self.path, error) from None

    def _gone(self, file: DataFile) -> BadInput | NotFound:
        later = [one for one in history(self.path) if one.operation == VACUUMED and one.version > self.version]
        if not later or any(file.path == one.path for one in Frozen(self.path).files):
            return BadInput("a data file of the table is gone", where=str(self.path / file.path), mend=_RESTORE)
        what = f"the rows of version {self.version} were vacuumed on {later[-1].at:%Y-%m-%d}"
        mend = "what was built on it stays as it is; build anew from the current version"
        return NotFound(what, where=f"table {self.path.name}", mend=mend)


def _data_file(row: Mapping[str, Any], entity: str) -> DataFile:
    low, high = row.get(f"min.{entity}"), row.get(f"max.{entity}")
    whole = isinstance(low, str) and isinstance(high, str) and len(high.encode()) < _CUT
    start, end = row.get("min.event_time"), row.get("max.event_time")
    span = None
    if start is not None and end is not None:
        # Statistics of other writers are cut to milliseconds.
        span = (int(start.timestamp() * 1e6) - 1000, int(end.timestamp() * 1e6) + 1000)
    ids = (str(low), str(high)) if whole else None
    return DataFile(row["path"], row["partition.bucket"], row["num_records"], row["size_bytes"], ids, span)


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


def append(path: Path, schema: pa.Schema, buckets: Iterator[tuple[int, pa.Table]], said: Mapping[str, str]) -> None:
    """Commit (bucket, sorted rows) pairs at once, a file each; no pair, no new version. said: what the commit says of itself.

    A process killed before the commit leaves drafts, and at worst whole files that no version names. Raises Conflict if the
    disk is full; the table is as before then.
    """
    # A table's first files come before its log: under a name of their own, so that a folder without a log is always damage.
    first = not exists(path)
    place = path.with_name(f".{path.name}.first") if first else path
    if first:
        shutil.rmtree(place, ignore_errors=True)
    files: list[DataFile] = []
    with room(path):
        datafiles.remove_drafts(place)
        try:
            for bucket, rows in buckets:
                written = datafiles.write(place, bucket, schema, [rows])
                files += [written] if written is not None else []
            if files:
                _commit(place, schema, files, (), said, data_change=True)
        except BaseException:
            _withdraw(place, files)
            raise
    if first and files:
        place.replace(path)
        datafiles.sync(path.parent)


def replace(path: Path, schema: pa.Schema, buckets: Iterator[tuple[int, pa.Table]], said: Mapping[str, str]) -> None:
    """Make (bucket, sorted rows) pairs the whole content of the table in one commit. Raises Conflict if the disk is full."""
    if not exists(path):
        append(path, schema, buckets, said)
        return
    files: list[DataFile] = []
    with room(path):
        datafiles.remove_drafts(path)
        try:
            for bucket, rows in buckets:
                written = datafiles.write(path, bucket, schema, [rows])
                files += [written] if written is not None else []
            _commit(path, schema, files, Frozen(path).files, said, data_change=True)
        except BaseException:
            _withdraw(path, files)
            raise


def exchange(path: Path, added: Sequence[DataFile], removed: Sequence[DataFile], said: Mapping[str, str]) -> int:
    """Put files of the same rows in the place of others, in one commit; the new version. Older versions keep the old files."""
    schema = pa.schema(DeltaTable(path).schema().to_arrow())
    _commit(path, schema.remove(schema.get_field_index(BUCKET)), added, removed, said, data_change=False)
    return int(DeltaTable(path).version())


def _withdraw(path: Path, files: Sequence[DataFile]) -> None:
    """Remove files whose commit failed; one that failed after it was made (no room for a checkpoint) keeps them."""
    made = {file.path for file in Frozen(path).files} if exists(path) else set()
    for file in files:
        if file.path not in made:
            (path / file.path).unlink(missing_ok=True)


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
    wide = schema.append(_BUCKET)
    for folder in {(path / file.path).parent for file in added}:
        datafiles.sync(folder)
    try:
        if not (path / "_delta_log").exists():
            create_table_with_add_actions(
                str(path), Schema.from_arrow(wide), adds,
                partition_by=[BUCKET], configuration=_KEPT, commit_properties=properties,
            )  # fmt: skip
        else:
            table = DeltaTable(path)
            known = pa.schema(table.schema().to_arrow()).names
            grown = pa.schema([field for field in schema if field.name not in known])
            if grown:
                table.alter.add_columns(Schema.from_arrow(grown).fields, commit_properties=properties)
                table = DeltaTable(path)
            table.create_write_transaction([*adds, *removes], "append", wide, [BUCKET], commit_properties=properties)
    except DeltaError as error:
        if "No space left" in str(error) or "os error 28" in str(error):
            raise OSError(errno.ENOSPC, "No space left on device") from None
        raise
    log = path / "_delta_log"
    datafiles.sync(max(log.glob("*.json")))
    datafiles.sync(log)


# What was done to a table

VACUUMED = "vacuum"


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
        raise _damaged(path, error) from None
    return [_told(entry) for entry in reversed(entries)]


def _told(entry: Mapping[str, Any]) -> Commit:
    operation = {"VACUUM START": "vacuum begun", "VACUUM END": VACUUMED, "ADD COLUMN": "new column"}.get(entry["operation"])
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
    """Remove the files that no version of the last `hours` needs, and those that no version names; how many it were."""
    datafiles.remove_drafts(path)
    table = DeltaTable(path)
    properties = CommitProperties(custom_metadata={ORIGIN: VACUUMED})
    gone = table.vacuum(hours, dry_run=False, enforce_retention_duration=False, full=True, commit_properties=properties)
    return len(gone)


# Tables without buckets (the quarantine)


def add_rows(path: Path, rows: pa.Table) -> None:
    """Append rows to a table that has no buckets. Raises Conflict if the disk is full."""
    with room(path):
        write_deltalake(path, rows, mode="append", configuration=_KEPT)


def dataset(path: Path) -> ds.Dataset | None:
    """A table that has no buckets, to be scanned; None if there is none. Raises BadInput if it is damaged."""
    if not DeltaTable.is_deltatable(str(path)):
        return None
    try:
        # Arrow's own file system: the one of deltalake calls back into Python for every read.
        files = fs.SubTreeFileSystem(str(path), fs.LocalFileSystem())
        return DeltaTable(path).to_pyarrow_dataset(filesystem=files, as_large_types=False)
    except (DeltaError, OSError) as error:
        raise _damaged(path, error) from None
