"""The Parquet files of a table: the rows of one bucket each, sorted by entity and time, read by entity and time.

Row groups are small, so that reading one machine decodes a few thousand rows and not its whole bucket; what a file and a row
group hold at most is known from their statistics, which rule out most of them before anything is decoded.
"""

import dataclasses
import json
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.clock import micros, times
from features.schema import EVENT_TIME, TEXT

BUCKET = "bucket"
ROW_GROUP = 1 << 14
_AT_A_TIME = 64
# Files have this prefix until their commit is due: what a killed writer leaves is known by it.
DRAFT = ".draft-"
# A column with fewer different values than this share of its rows (rounded readings) is written as a dictionary.
_FEW = 0.5
_CODES = pa.dictionary(pa.int32(), TEXT)

Ids = tuple[str, str]
Span = tuple[int, int]


def ranges(ids: Sequence[str], counts: Sequence[int], rows: int) -> list[Ids]:
    """Ranges of ascending ids whose counts sum to at most `rows`, or of one id that alone has more."""
    found: list[Ids] = []
    first, held = 0, 0
    for place, count in enumerate(counts):
        if held and held + count > rows:
            found.append((ids[first], ids[place - 1]))
            first, held = place, 0
        held += count
    return [*found, (ids[first], ids[-1])] if ids else []


@dataclass(frozen=True)
class DataFile:
    """One file: its path in the table's folder, and what it holds. ids: first and last entity; span: event times, microseconds;
    None where the table's log does not say.
    """

    path: str
    bucket: int
    rows: int
    size: int
    ids: Ids | None = None
    span: Span | None = None

    @property
    def draft(self) -> "DataFile":
        """The same file under the name that it has until it is committed."""
        folder, _, name = self.path.rpartition("/")
        return dataclasses.replace(self, path=f"{folder}/{DRAFT}{name}")

    def statistics(self, entity: str) -> str:
        """What the table's log says of the file."""
        document: dict[str, Any] = {"numRecords": self.rows, "minValues": {}, "maxValues": {}, "nullCount": {}}
        for place, kind in enumerate(("minValues", "maxValues")):
            if self.ids is not None:
                document[kind][entity] = self.ids[place]
            if self.span is not None:
                document[kind][EVENT_TIME] = np.datetime_as_string(np.datetime64(self.span[place], "us"), unit="us") + "Z"
        return json.dumps(document)


@dataclass(frozen=True)
class Where:
    """Which rows: of these entities, between these two (by bytes), in this span of event time; all ends included."""

    entity: str
    ids: pa.Array | None = None
    between: Ids | None = None
    times: Span | None = None

    @cached_property
    def _range(self) -> Ids | None:
        if self.ids is None:
            return self.between
        found = pc.min_max(self.ids).as_py()
        low, high = found["min"], found["max"]
        return (low, high) if self.between is None else (max(low, self.between[0]), min(high, self.between[1]))

    def may_hold(self, ids: Ids | None, span: Span | None) -> bool:
        """Whether rows of these entities and times may be among the wanted ones."""
        if ids is not None and self._range is not None and (ids[1] < self._range[0] or ids[0] > self._range[1]):
            return False
        return span is None or self.times is None or (span[1] >= self.times[0] and span[0] <= self.times[1])

    def rows(self, table: pa.Table) -> pa.Table:
        """The wanted rows of a table whose entity column is one dictionary."""
        keep: npt.NDArray[np.bool_] | None = None
        if self._range is not None:
            column = table.column(self.entity).combine_chunks()
            words = column.dictionary
            wanted = pc.and_(pc.greater_equal(words, self._range[0]), pc.less_equal(words, self._range[1]))
            if self.ids is not None:
                wanted = pc.and_(wanted, pc.is_in(words, value_set=self.ids))
            if not pc.all(wanted, min_count=0).as_py():
                keep = wanted.to_numpy(zero_copy_only=False)[column.indices.to_numpy()]
        if self.times is not None:
            moments = times(table, EVENT_TIME)
            inside = (moments >= self.times[0]) & (moments <= self.times[1])
            keep = inside if keep is None else keep & inside
        if keep is None or keep.all():
            return table
        found = np.flatnonzero(keep)
        # A slice holds on to all that was decoded: only of most of it.
        if 2 * len(found) > table.num_rows and found[-1] - found[0] + 1 == len(found):
            return table.slice(int(found[0]), len(found))
        return table.filter(pa.array(keep))

    def parted(self, table: pa.Table) -> tuple[pa.Table, pa.Table]:
        """The rows of the entities `between`, and those of later ones, which hold on to nothing else."""
        column, (low, high) = table.column(self.entity).combine_chunks(), self.between or ("", "")
        place = np.array(pc.greater(column.dictionary, high), np.int8) - np.array(pc.less(column.dictionary, low), np.int8)
        side = place[column.indices.to_numpy()]
        if np.any(side[1:] < side[:-1]):
            return table.filter(pa.array(side == 0)), table.filter(pa.array(side > 0))
        first, end = (int(at) for at in np.searchsorted(side, [0, 1]))
        return table.slice(first, end - first), table.filter(pa.array(side > 0)) if end < len(side) else table.slice(end)


class Reader:
    """One file, whose statistics are looked at once. Threads may share it. Raises OSError or ArrowInvalid if it is damaged."""

    def __init__(self, root: Path, file: DataFile) -> None:
        self._path = root / file.path
        self.file = file

    @cached_property
    def _metadata(self) -> pq.FileMetaData:
        return pq.read_metadata(self._path)

    @cached_property
    def groups(self) -> list[tuple[int, Ids | None, Span | None]]:
        """Rows, entities and times of each row group."""
        metadata = self._metadata
        names = [metadata.schema.column(place).name for place in range(metadata.num_columns)]
        entity, moment = 0, names.index(EVENT_TIME)
        found = []
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            ids, span = (_bounds(group.column(place).statistics) for place in (entity, moment))
            stamps = None if span is None else (micros(span[0].replace(tzinfo=UTC)), micros(span[1].replace(tzinfo=UTC)))
            found.append((group.num_rows, ids, stamps))
        return found

    def chosen(self, where: Where) -> list[int]:
        """The row groups that may hold a wanted row."""
        return [at for at, (_, ids, span) in enumerate(self.groups) if where.may_hold(ids, span)]

    def stretches(self, where: Where) -> Iterator[list[int]]:
        """The row groups of `chosen`, so many at a time that their rows fit well into memory."""
        chosen = self.chosen(where)
        for start in range(0, len(chosen), _AT_A_TIME):
            yield chosen[start : start + _AT_A_TIME]

    def read(self, schema: pa.Schema, where: Where, groups: Sequence[int] | None = None) -> pa.Table:
        """The wanted rows (of some row groups): columns of `schema`, null where the file lacks one; the entity a dictionary."""
        chosen = self.chosen(where) if groups is None else list(groups)
        coded = pa.schema([field.with_type(_CODES) if field.name == where.entity else field for field in schema])
        if not chosen:
            return coded.empty_table()
        with pq.ParquetFile(self._path, metadata=self._metadata, read_dictionary=[where.entity]) as file:
            present = [name for name in schema.names if name in file.schema_arrow.names]
            # The entity alone still counts the rows of a table of columns that the file does not have.
            asked = present if where.entity in present else [where.entity, *present]
            if where.times is not None and EVENT_TIME not in asked:
                asked = [*asked, EVENT_TIME]
            table = file.read_row_groups(chosen, columns=asked, use_threads=False)
        table = where.rows(table.unify_dictionaries().combine_chunks())
        for field in schema:
            if field.name not in present and field.name != where.entity:
                table = table.append_column(field.name, pa.nulls(table.num_rows, field.type))
        return table.select(schema.names).cast(coded)


def _bounds(statistics: Any) -> Any:
    return (statistics.min, statistics.max) if statistics is not None and statistics.has_min_max else None


def write(root: Path, bucket: int, schema: pa.Schema, tables: Iterable[pa.Table]) -> DataFile | None:
    """Write rows, sorted by entity (the first column) and time, into a draft of a new file; None if there are none.

    The draft is on the disk when this returns; `settle` gives it its name. Raises OSError (a full disk), leaving nothing.
    """
    folder = root / f"{BUCKET}={bucket}"
    folder.mkdir(parents=True, exist_ok=True)
    name = f"part-{uuid.uuid4().hex}.parquet"
    draft = folder / f"{DRAFT}{name}"
    try:
        written = _write(draft, schema, tables)
        if written is None:
            draft.unlink(missing_ok=True)
            return None
        sync(draft)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    rows, ids, span = written
    return DataFile(f"{folder.name}/{name}", bucket, rows, draft.stat().st_size, ids, span)


def _write(path: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> tuple[int, Ids, Span] | None:
    held: list[tuple[int, Ids, Span]] = []
    writer = None
    try:
        for block in _blocks(schema, tables):
            if writer is None:
                writer = pq.ParquetWriter(path, schema, store_schema=False, compression="lz4", **_encodings(block))
            writer.write_table(block, row_group_size=ROW_GROUP)
            ids, stamps = pc.min_max(block.column(0)).as_py(), times(block, EVENT_TIME)
            held.append((block.num_rows, (ids["min"], ids["max"]), (int(stamps.min()), int(stamps.max()))))
    finally:
        if writer is not None:
            writer.close()
    if not held:
        return None
    rows, ids, spans = zip(*held, strict=True)
    ends = (min(low for low, _ in ids), max(high for _, high in ids))
    return sum(rows), ends, (min(low for low, _ in spans), max(high for _, high in spans))


def _blocks(schema: pa.Schema, tables: Iterable[pa.Table]) -> Iterable[pa.Table]:
    """The same rows in tables of whole row groups, but for the last one."""
    waiting: list[pa.Table] = []
    count = 0
    for table in tables:
        waiting.append(table.cast(schema))
        count += table.num_rows
        whole = count - count % ROW_GROUP
        if whole:
            joined = pa.concat_tables(waiting)
            yield joined.slice(0, whole)
            waiting, count = [joined.slice(whole)], count - whole
    if count:
        yield pa.concat_tables(waiting)


def _encodings(block: pa.Table) -> dict[str, Any]:
    """How each column is written: times as differences, words and rounded numbers as dictionaries, other numbers by byte."""
    dictionary: list[str] = []
    encoding: dict[str, str] = {}
    sample = block.slice(0, ROW_GROUP)
    for field in block.schema:
        if pa.types.is_timestamp(field.type):
            encoding[field.name] = "DELTA_BINARY_PACKED"
        elif pa.types.is_floating(field.type) and pc.count_distinct(sample.column(field.name)).as_py() > _FEW * sample.num_rows:
            encoding[field.name] = "BYTE_STREAM_SPLIT"
        elif not pa.types.is_boolean(field.type):
            dictionary.append(field.name)
    return {"use_dictionary": dictionary or False, "column_encoding": encoding or None}


def settle(root: Path, files: Iterable[DataFile]) -> None:
    """Give drafts their names, on the disk too."""
    folders = set()
    for file in files:
        (root / file.draft.path).replace(root / file.path)
        folders.add((root / file.path).parent)
    for folder in folders:
        sync(folder)


def withdraw(root: Path, files: Iterable[DataFile]) -> None:
    """Remove files that will not be committed."""
    for file in files:
        for one in (file, file.draft):
            (root / one.path).unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Have the system put a file, or the names in a folder, on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_drafts(root: Path) -> None:
    """Remove what killed writers left. For the holder of the writer's lock."""
    for path in root.glob(f"{BUCKET}=*/{DRAFT}*"):
        path.unlink(missing_ok=True)
