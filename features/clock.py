"""The only cut through history: what was known at `as_of`.

Every version of a row is visible on one half-open span of knowledge time, [known_from, known_to): it begins when the row was
recorded (never before it happened) and ends when a correction of the same key was recorded. All families and both paths,
offline and online, see history through these spans.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.schema import EVENT_TIME, RECORDED_AT, TableContract

NEVER = np.iinfo(np.int64).max
Micros = npt.NDArray[np.int64]


def micros(moment: datetime) -> int:
    """Microseconds since 1970 of an aware datetime. Raises ValueError on a naive one."""
    if moment.tzinfo is None:
        raise ValueError(f"time without zone: {moment.isoformat()}")
    delta = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def times(table: pa.Table, column: str) -> Micros:
    """A timestamp column as int64 microseconds."""
    values = table.column(column).cast(pa.int64()).to_numpy()
    return np.ascontiguousarray(values, dtype=np.int64)


def ranks(column: pa.ChunkedArray) -> Micros:
    """int64 that sort as the column's values do; sorting text by rank is many times faster than by its characters."""
    if pa.types.is_dictionary(column.type):
        encoded = column.unify_dictionaries().combine_chunks()
    elif pa.types.is_string(column.type):
        encoded = pa.chunked_array(column.chunks, pa.string()).combine_chunks().dictionary_encode()
    else:
        return np.asarray(column.cast(pa.int64()).to_numpy(), dtype=np.int64)
    words = encoded.dictionary
    rank = np.empty(len(words), dtype=np.int64)
    rank[pc.sort_indices(words).to_numpy()] = np.arange(len(words))
    return np.asarray(rank[encoded.indices.to_numpy()], dtype=np.int64)


def in_order(table: pa.Table, contract: TableContract) -> pa.Table:
    """Rows sorted by (key, recorded_at): by time within an entity, versions of a row side by side."""
    order = sorting([ranks(table.column(name)) for name in [*contract.key, RECORDED_AT]])
    return table if order is None else table.take(pa.array(order))


def sorting(columns: Sequence[Micros]) -> npt.NDArray[np.int64] | None:
    """The stable order of rows by several columns, the first one foremost; None if they stand in it already."""
    columns = _joined(columns)
    if _ascend(columns, None):
        return None
    # Files are sorted each: one key finds their runs again. Ties mostly come in the order of the other keys.
    order = np.argsort(columns[0], kind="stable")
    return order if _ascend(columns, order) else np.lexsort(columns[::-1])


def _joined(columns: Sequence[Micros]) -> list[Micros]:
    """The same order by fewer columns: neighbours in one number each, as far as their spans allow."""
    if not len(columns[0]):
        return list(columns)
    found, size = [columns[0]], int(columns[0].max()) - int(columns[0].min()) + 1
    for values in columns[1:]:
        low = int(values.min())
        span = int(values.max()) - low + 1
        if size * span < NEVER:
            found[-1] = (found[-1] - found[-1].min()) * span + (values - low)
            size *= span
        else:
            found.append(values)
            size = span
    return found


def _ascend(columns: Sequence[Micros], order: npt.NDArray[np.int64] | None) -> bool:
    """Whether rows stand in the order of the columns, or would if they were ordered so."""
    ties = np.ones(max(len(columns[0]) - 1, 0), dtype=bool)
    for values in columns:
        step = np.diff(values if order is None else values[order])
        if (ties & (step < 0)).any():
            return False
        ties &= step == 0
    return True


def known_spans(table: pa.Table, contract: TableContract) -> tuple[Micros, Micros]:
    """(known_from, known_to) of each row of a table sorted by `in_order`; known_to is NEVER without a correction."""
    recorded = times(table, RECORDED_AT)
    known_from = np.maximum(recorded, times(table, EVENT_TIME))
    known_to = np.full(len(recorded), NEVER, dtype=np.int64)
    if len(recorded) > 1:
        same = np.ones(len(recorded) - 1, dtype=bool)
        for name in contract.key:
            column = table.column(name)
            if pa.types.is_string(column.type):
                whole = column.combine_chunks()
                same &= pc.equal(whole[1:], whole[:-1]).to_numpy(zero_copy_only=False).astype(bool)
            else:
                same &= np.diff(ranks(column)) == 0
        known_to[:-1][same] = known_from[1:][same]
    return known_from, known_to


def known_at(table: pa.Table, contract: TableContract, as_of: datetime, *, ordered: bool = False) -> pa.Table:
    """The rows of `table` that were known at `as_of`: one version per key, happened and recorded by then."""
    table = table if ordered else in_order(table, contract)
    moment = micros(as_of)
    known_from, known_to = known_spans(table, contract)
    return table.filter(pa.array((known_from <= moment) & (moment < known_to)))


def recorded_by(table: pa.Table, as_of: datetime) -> pa.Table:
    """All versions recorded by `as_of`: the right-hand side of the law of the house."""
    return table.filter(pa.array(times(table, RECORDED_AT) <= micros(as_of)))


def as_micros(moments: Sequence[datetime]) -> Micros:
    return np.array([micros(moment) for moment in moments], dtype=np.int64)
