"""Rows that broke their contract, with source, file, row, column, reason and value: stored once, read a screen at a time."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features import delta
from features.schema import TEXT, TIME

QUARANTINE = pa.schema(
    [
        ("source", TEXT),
        ("file", TEXT),
        ("row", pa.int64()),
        ("table", TEXT),
        ("column", TEXT),
        ("reason", TEXT),
        ("value", TEXT),
        ("imported_at", TIME),
    ]
)
MOST_FILES = 64
_SAME = [name for name in QUARANTINE.names if name != "imported_at"]


def add(path: Path, parts: Iterator[pa.Table], source: str, files: tuple[str, str]) -> None:
    """Store those rows (tables of QUARANTINE) that are not stored yet, whenever they came in, in one commit.

    source, files: where they come from, and the first and the last file by name: stored rows of others are not looked at.
    Memory is that of one part and eight bytes for each row.
    """
    first = next(parts, None)
    if first is None:
        return
    known = _Known()
    file = pc.field("file")
    for stored in _stored(path, _SAME, (pc.field("source") == source) & (file >= files[0]) & (file <= files[1])):
        known.new(_hashes(stored))
    fresh = (part.filter(pa.array(known.new(_hashes(part)))) for part in chain([first], parts))
    delta.add_rows(path, QUARANTINE, (batch for part in fresh for batch in in_file_order(part).to_batches()))
    delta.merge_files(path, MOST_FILES)


class _Known:
    """A growing set of numbers, as sorted arrays of falling length."""

    def __init__(self) -> None:
        self._sorted: list[npt.NDArray[np.uint64]] = []

    def new(self, numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """Which numbers stand here for the first time; from now on they are known."""
        values, first = np.unique(numbers, return_index=True)
        fresh = np.ones(len(values), dtype=bool)
        for held in self._sorted:
            place = np.minimum(np.searchsorted(held, values), len(held) - 1)
            fresh &= held[place] != values
        if fresh.any():
            self._sorted.append(values[fresh])
        while len(self._sorted) > 1 and len(self._sorted[-2]) < 2 * len(self._sorted[-1]):
            self._sorted[-2:] = [np.sort(np.concatenate(self._sorted[-2:]))]
        new = np.zeros(len(numbers), dtype=bool)
        new[first[fresh]] = True
        return new


def read(path: Path, *, table: str | None, limit: int | None) -> pa.Table:
    """Stored rows, by table, file and row: at most `limit` of them, of one `table` or of all. Memory is that of the answer."""
    condition = None if table is None else pc.field("table") == table
    parts = _stored(path, QUARANTINE.names, condition)
    kept = QUARANTINE.empty_table()
    if limit is None:
        return in_file_order(pa.concat_tables([kept, *(part.cast(QUARANTINE) for part in parts)]))
    for part in parts:
        kept = in_file_order(pa.concat_tables([kept, part.cast(QUARANTINE)])).slice(0, limit)
    return kept


def in_file_order(rows: pa.Table) -> pa.Table:
    """By table, file and row; machines and enterprises first: one that is refused takes the rows of all its tables with it."""
    # "machines" sorts after "coverage"; a column of its own says that it comes before.
    first = pc.invert(pc.is_in(rows.column("table"), pa.array(["machines", "enterprises"])))
    order = pc.sort_indices(
        rows.append_column("later", first), [(name, "ascending") for name in ("later", "table", "file", "row", "column")]
    )
    return rows.take(order)


def _stored(path: Path, names: list[str], condition: pc.Expression | None = None) -> Iterator[pa.Table]:
    dataset = delta.dataset(path)
    if dataset is not None:
        # As little read ahead as there may be: the rows are only looked at once.
        ahead = {"batch_size": 1 << 16, "batch_readahead": 1, "fragment_readahead": 1}
        for batch in dataset.to_batches(columns=names, filter=condition, **ahead):
            if batch.num_rows:
                yield pa.Table.from_batches([batch])


def _hashes(rows: pa.Table) -> npt.NDArray[np.uint64]:
    """A number per row that two different rows share once in many billions."""
    whole = np.zeros(rows.num_rows, dtype=np.uint64)
    for name in _SAME:
        column = rows.column(name)
        if name == "row":
            values = pd.util.hash_array(column.to_numpy())
        else:
            words = column.combine_chunks().dictionary_encode()
            hashed = pd.util.hash_array(words.dictionary.to_numpy(zero_copy_only=False).astype(object), categorize=False)
            values = hashed[words.indices.to_numpy()]
        whole = whole * np.uint64(0x9E3779B97F4A7C15) + values
    return whole
