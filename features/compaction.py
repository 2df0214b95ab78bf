"""Compaction: many small files of a bucket become few, sorted by entity and time, in one commit that changes no row.

Readers never notice: a version's files stay until they are vacuumed. A process killed anywhere, or a full disk, leaves the
table at the version it had.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features import datafiles, delta
from features.clock import in_order
from features.datafiles import DataFile, Reader, Where, ranges
from features.errors import BadInput
from features.merge import bits
from features.schema import TableContract

if TYPE_CHECKING:
    from features.lake import Lake

# A table has at most so many live files after compaction, or one for each bucket.
MOST_FILES = 64
# Rows that are held in memory at once while a bucket is rewritten.
ROWS_AT_A_TIME = 400_000
_MIX = np.uint64(0x9E3779B97F4A7C15)

Progress = Callable[[str, int], None]


@dataclass(frozen=True)
class Compacted:
    """What was done to one table: its new version, the rows rewritten, its live files and their bytes before and after."""

    table: str
    version: int
    rows: int
    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int


def needed(lake: "Lake", table_name: str) -> bool:
    """Whether a table has more live files than compaction leaves. Reads its log only."""
    table = lake.current(lake.contract(table_name))
    return table is not None and bool(_chosen(table.files, whole=False))


def compact(
    lake: "Lake", table_name: str | None = None, *, whole: bool = False, progress: Progress | None = None
) -> list[Compacted]:
    """Compact one table or all, under the writer's lock; what was done to each table that had anything to compact.

    whole: every bucket into one sorted file. Else only tables of more than MOST_FILES, and of these the small files first, so
    that a row is rewritten a few times in all, however often this is called.
    Raises Conflict if somebody else is writing or the disk is full, NotFound for an unknown table.
    """
    with lake.writing(brief=not whole):
        return compact_held(lake, table_name, whole=whole, progress=progress)


def compact_held(
    lake: "Lake", table_name: str | None = None, *, whole: bool = False, progress: Progress | None = None
) -> list[Compacted]:
    """As `compact`, for a caller that holds the writer's lock."""
    names = lake.tables() if table_name is None else [table_name]
    told = progress or (lambda words, rows: None)
    done = [
        _compact(lake.path(name), lake.contract(name), table, whole, told) for name in names if (table := _current(lake, name))
    ]
    return [one for one in done if one is not None]


def vacuum(lake: "Lake", table_name: str | None, days: int) -> dict[str, int]:
    """Remove the files that only versions older than so many days need; how many it were, by table.

    Such versions can no longer be read: what was built on them stays, but is no longer reproducible. Versions that were current
    at any moment of the last `days` stay whole. Raises Conflict if somebody else is writing, NotFound for an unknown table.
    """
    if days < 1:
        raise BadInput(f"{days} days", where="vacuum", mend="keep at least one day, for the readers of now")
    with lake.writing():
        names = lake.tables() if table_name is None else [table_name]
        return {name: delta.vacuum(lake.path(name), days * 24) for name in names if _current(lake, name)}


def _current(lake: "Lake", name: str) -> delta.Frozen | None:
    return lake.current(lake.contract(name))


def _compact(path: Path, contract: TableContract, table: delta.Frozen, whole: bool, told: Progress) -> Compacted | None:
    chosen = _chosen(table.files, whole=whole)
    if not chosen:
        return None
    schema = pa.schema([field for field in contract.arrow if field.name in table.columns])
    removed = [file for files in chosen.values() for file in files]
    with delta.room(path), delta.drafting(path) as added:
        for bucket, files in chosen.items():
            added.append(_rewrite(path, contract, schema, table, bucket, files, told))
        said = {delta.ORIGIN: "compaction", delta.FILES: json.dumps([len(removed), len(added)])}
        version = delta.exchange(path, schema, added, removed, said)
    after = [file for file in table.files if file not in removed] + added
    sizes = (len(table.files), len(after), sum(file.size for file in table.files), sum(file.size for file in after))
    return Compacted(path.name, version, sum(file.rows for file in added), *sizes)


def _chosen(files: Sequence[DataFile], *, whole: bool) -> dict[int, list[DataFile]]:
    """The files to be merged, by bucket."""
    buckets: dict[int, list[DataFile]] = {}
    for file in sorted(files, key=lambda file: file.rows):
        buckets.setdefault(file.bucket, []).append(file)
    if whole:
        return {bucket: held for bucket, held in sorted(buckets.items()) if len(held) > 1}
    if len(files) <= max(MOST_FILES, len(buckets)):
        return {}
    share = max(1, MOST_FILES // len(buckets))
    return {bucket: _small(held, share) for bucket, held in sorted(buckets.items()) if len(held) > share}


def _small(files: list[DataFile], share: int) -> list[DataFile]:
    """Of files by ascending rows the smallest ones, so many that half of `share` remain, and those that are not much larger.

    Each file that stays is more than twice as large as all that are merged: a row moves into files that grow by half or more.
    """
    count = len(files) - max(1, share // 2) + 1
    rows = sum(file.rows for file in files[:count])
    while count < len(files) and files[count].rows <= 2 * rows:
        rows += files[count].rows
        count += 1
    return files[:count]


def _rewrite(
    path: Path,
    contract: TableContract,
    schema: pa.Schema,
    table: delta.Frozen,
    bucket: int,
    files: Sequence[DataFile],
    told: Progress,
) -> DataFile:
    """Write the rows of some files of a bucket into one draft, some entities at a time, and read them back."""
    taken = _Sum()

    def parts() -> Iterator[pa.Table]:
        for between in ranges(*table.counts(bucket, contract.entity, files), ROWS_AT_A_TIME):
            rows = pa.concat_tables(table.read(schema, Where(contract.entity, between=between), files=files))
            taken.add(rows)
            told(f"compacting {contract.name}", rows.num_rows)
            yield in_order(rows, contract).cast(schema)

    written = datafiles.write(path, bucket, schema, parts())
    found = _Sum()
    if written is not None:
        reader, all_rows = Reader(path, written.draft), Where(contract.entity)
        for stretch in reader.stretches(all_rows):
            found.add(reader.read(schema, all_rows, stretch))
    if written is None or found != taken or found.rows != sum(file.rows for file in files):
        datafiles.withdraw(path, [] if written is None else [written])
        raise RuntimeError(f"{path}: bucket {bucket} holds other rows after compaction than before; nothing was committed")
    return written


@dataclass
class _Sum:
    """How many rows there are, and a number that depends on all their values but not on their order."""

    rows: int = 0
    values: int = 0

    def add(self, table: pa.Table) -> None:
        self.rows += table.num_rows
        self.values = (self.values + int(_row_hashes(table).sum(dtype=np.uint64))) % (1 << 64)


def _row_hashes(table: pa.Table) -> npt.NDArray[np.uint64]:
    whole = np.zeros(table.num_rows, dtype=np.uint64)
    for column in table.columns:
        whole = (whole ^ _values(column)) * _MIX
        whole ^= whole >> np.uint64(32)
    return whole


def _values(column: pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    if not pa.types.is_dictionary(column.type) and not pa.types.is_string(column.type):
        return bits(column).view(np.uint64)
    coded = column.dictionary_encode() if pa.types.is_string(column.type) else column
    array = coded.unify_dictionaries().combine_chunks()
    words = pd.util.hash_array(array.dictionary.to_numpy(zero_copy_only=False).astype(object))
    place = pc.fill_null(array.indices, -1).to_numpy()
    return np.asarray(np.append(words, np.uint64(0))[place], dtype=np.uint64)
