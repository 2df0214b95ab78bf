"""A Delta table at one version, read by bucket, entity and time. Its log is read once; its files tell what they hold."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.fs as fs
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from features.datafiles import BUCKET, DataFile, Ids, Reader, Where
from features.errors import BadInput, NotFound
from features.schema import TEXT

# So many rows' statistics by row group are held: about 25 MB.
_ROWS_KNOWN = 10_000_000
# What deltalake cuts the words in its own statistics to: such an end of a range is none.
_CUT = 32
_RESTORE = "restore it from a copy of the lake"
Flags = npt.NDArray[np.bool_]


def exists(path: Path) -> bool:
    """Whether a Delta table is there. Raises BadInput for a folder that has lost its log: its rows must not read as none."""
    if logged(path):
        return True
    if next(path.glob(f"{BUCKET}=*/[!.]*.parquet"), None) is None:
        return False
    raise BadInput("the table's _delta_log is gone or empty, its data files are there", where=str(path), mend=_RESTORE)


def logged(path: Path) -> bool:
    """Whether there is a log with at least one commit."""
    return (path / "_delta_log").is_dir() and DeltaTable.is_deltatable(str(path))


def damaged(path: Path, error: Exception) -> BadInput:
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
                raise damaged(path, error) from None
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
            raise damaged(self.path, error) from None
        entity = self.columns[0] if self.columns else ""
        return tuple(_data_file(row, entity) for row in log.to_pylist())

    @cached_property
    def columns(self) -> list[str]:
        """The columns that the table has at this version, without its bucket."""
        return [name for name in pa.schema(self._table.schema().to_arrow()).names if name != BUCKET]

    def read(
        self,
        schema: pa.Schema,
        where: Where,
        *,
        buckets: Sequence[int] | None = None,
        files: Sequence[DataFile] | None = None,
    ) -> Iterator[pa.Table]:
        """The wanted rows of each file in turn: columns of `schema` (null where a file lacks one), the entity a dictionary.

        buckets, files: only these. Of files and row groups that cannot hold a wanted row nothing is decoded.
        Raises BadInput if a file is damaged or gone, NotFound if the version's files were vacuumed.
        """
        for file in self.files if files is None else files:
            if (buckets is None or file.bucket in buckets) and where.may_hold(file.ids, file.span):
                with self._watched(file):
                    yield self._reader(file).read(schema, where)

    def onward(self, schema: pa.Schema, entity: str, bucket: int, ranges: Iterable[Ids]) -> Iterator[list[pa.Table]]:
        """As `read` for one range of entities after the other, which ascend: each row group is decoded once."""
        held: dict[str, pa.Table] = {}
        decoded: dict[str, set[int]] = {}
        for low, high in ranges:
            where, found = Where(entity, between=(low, high)), []
            for file in self.files:
                if file.bucket == bucket and where.may_hold(file.ids, file.span):
                    with self._watched(file):
                        reader, done = self._reader(file), decoded.setdefault(file.path, set())
                        groups = [group for group in reader.chosen(where) if group not in done]
                        rows = [held.pop(file.path)] if file.path in held else []
                        if groups:
                            rows.append(reader.read(schema, Where(entity), groups))
                            done.update(groups)
                    inside = [where.parted(part) for part in rows]
                    found += [part for part, _ in inside]
                    later = [part for _, part in inside if part.num_rows]
                    if later:
                        held[file.path] = pa.concat_tables(later).unify_dictionaries().combine_chunks()
            yield found

    def counts(self, bucket: int, entity: str, files: Sequence[DataFile] | None = None) -> tuple[list[str], list[int]]:
        """The entities of a bucket (or of some of its files), ascending by bytes, and how many rows each has."""
        schema = pa.schema([(entity, TEXT)])
        parts = [
            part.column(entity).combine_chunks() for part in self.read(schema, Where(entity), buckets=[bucket], files=files)
        ]
        words = pc.unique(pa.concat_arrays([part.dictionary for part in parts]) if parts else pa.array([], TEXT))
        words = words.take(pc.sort_indices(words))
        rows = np.zeros(len(words), dtype=np.int64)
        for part in parts:
            place = pc.index_in(part.dictionary, value_set=words).to_numpy()
            np.add.at(rows, place, np.bincount(part.indices.to_numpy(), minlength=len(part.dictionary)))
        return words.filter(pa.array(rows > 0)).to_pylist(), rows[rows > 0].tolist()

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

    def latest(self, column: str) -> datetime | None:
        """The greatest value of a column of times, as the files tell of themselves; None of a table without rows."""
        found: list[datetime] = []
        for file in self.files:
            with self._watched(file):
                found += _latest(self.path / file.path, column)
        return max(found, default=None)

    def _reader(self, file: DataFile) -> Reader:
        with self._lock:
            reader = self._readers.setdefault(file.path, Reader(self.path, file))
            # A large table's statistics would add up: the oldest files go, a bucket after the other is read as a rule.
            while len(self._readers) > 2 and sum(one.file.rows for one in self._readers.values()) > _ROWS_KNOWN:
                del self._readers[next(iter(self._readers))]
            return reader

    @contextmanager
    def _watched(self, file: DataFile) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise self._gone(file) from None
        except (OSError, pa.ArrowException) as error:
            raise damaged(self.path, error) from None

    def _gone(self, file: DataFile) -> BadInput | NotFound:
        when = _vacuumed_after(self.path, self.version)
        if when is None or any(file.path == one.path for one in Frozen(self.path).files):
            return BadInput("a data file of the table is gone", where=str(self.path / file.path), mend=_RESTORE)
        what = f"the rows of version {self.version} were vacuumed on {when:%Y-%m-%d}"
        mend = "what was built on it stays as it is; build anew from the current version"
        return NotFound(what, where=f"table {self.path.name}", mend=mend)


def _latest(path: Path, column: str) -> list[datetime]:
    """The greatest value of a column in each row group of a file, or in all of it where the groups do not tell."""
    told = pq.read_metadata(path)
    if not told.num_rows:
        return []
    place = next(i for i in range(told.num_columns) if told.row_group(0).column(i).path_in_schema == column)
    each = [told.row_group(group).column(place).statistics for group in range(told.num_row_groups)]
    if all(one is not None and one.has_min_max for one in each):
        return [one.max for one in each]
    return [pc.max(pq.read_table(path, columns=[column], partitioning=None).column(column)).as_py()]


def _vacuumed_after(path: Path, version: int) -> datetime | None:
    """When files were last removed since a version, if they were."""
    ends = [one for one in DeltaTable(path).history() if one["operation"] == "VACUUM END" and one["version"] > version]
    return datetime.fromtimestamp(ends[0]["timestamp"] / 1000, UTC) if ends else None


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


def dataset(path: Path) -> ds.Dataset | None:
    """A table that has no buckets, to be scanned; None if there is none. Raises BadInput if it is damaged."""
    if not DeltaTable.is_deltatable(str(path)):
        return None
    try:
        # Arrow's own file system: the one of deltalake calls back into Python for every read.
        files = fs.SubTreeFileSystem(str(path), fs.LocalFileSystem())
        return DeltaTable(path).to_pyarrow_dataset(filesystem=files, as_large_types=False)
    except (DeltaError, OSError) as error:
        raise damaged(path, error) from None
