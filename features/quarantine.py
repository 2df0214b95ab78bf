"""Rows that broke their contract, with source, file, row, column, reason and value: stored once, read a screen at a time."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features import delta
from features.schema import MACHINES, TEXT, TIME

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
_SAME = [name for name in QUARANTINE.names if name != "imported_at"]


def add(path: Path, parts: Iterator[pa.Table]) -> None:
    """Store those rows (tables of QUARANTINE) that are not stored yet, whenever they came in; eight bytes a row in memory."""
    seen = np.unique(np.concatenate([np.empty(0, dtype=np.uint64), *map(_hashes, _stored(path, _SAME))]))
    for part in parts:
        hashes = _hashes(part)
        _, first = np.unique(hashes, return_index=True)
        new = np.zeros(len(hashes), dtype=bool)
        new[first] = True
        new &= ~np.isin(hashes, seen)
        if new.any():
            seen = np.union1d(seen, hashes[new])
            delta.add_rows(path, in_file_order(part.filter(pa.array(new))))


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
    """By table, file and row; machines first, since a machine that is refused takes the rows of all its tables with it."""
    # "machines" sorts after "coverage"; a column of its own says that it comes before.
    first = pc.not_equal(rows.column("table"), MACHINES.name)
    order = pc.sort_indices(
        rows.append_column("later", first), [(name, "ascending") for name in ("later", "table", "file", "row", "column")]
    )
    return rows.take(order)


def _stored(path: Path, names: list[str], condition: pc.Expression | None = None) -> Iterator[pa.Table]:
    dataset = delta.dataset(path)
    if dataset is not None:
        for batch in dataset.to_batches(columns=names, filter=condition):
            if batch.num_rows:
                yield pa.Table.from_batches([batch])


def _hashes(rows: pa.Table) -> npt.NDArray[np.uint64]:
    """A number per row that two different rows share once in many billions."""
    whole = np.zeros(rows.num_rows, dtype=np.uint64)
    for name in _SAME:
        column = rows.column(name)
        values = column.to_numpy() if name == "row" else column.to_numpy(zero_copy_only=False).astype(object)
        whole = whole * np.uint64(0x9E3779B97F4A7C15) + pd.util.hash_array(values, categorize=name != "value")
    return whole
