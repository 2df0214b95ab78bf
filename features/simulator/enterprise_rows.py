"""Rows of enterprises as contract tables: what was recorded by the end, in order, with what goes missing on the way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.schema import EVENT_TIME, RECORDED_AT, TEXT, TIME, TableContract
from features.simulator.chance import Ints
from features.simulator.world import Floats

DAY = 86_400_000_000
NONE = np.iinfo(np.int64).min
# Columns: numbers (NaN is empty), flags, times (NONE is empty) or (words, places in them; -1 is empty).
Words = tuple[Sequence[str], npt.NDArray[Any]]
Columns = Mapping[str, npt.NDArray[Any] | Words]


@dataclass(frozen=True)
class Frame:
    """What all tables share. ids: of the enterprises; begin, end: microseconds; joins: microseconds, by enterprise."""

    ids: Sequence[str]
    begin: int
    end: int
    joins: Ints

    def at(self, day: Floats | Ints) -> Ints:
        """Microseconds of days and shares of days from the first one, whole seconds."""
        return np.asarray(self.begin + np.round(np.asarray(day) * 86_400).astype(np.int64) * 1_000_000, dtype=np.int64)


def table(frame: Frame, contract: TableContract, of: Ints, event: Ints, recorded: Ints, columns: Columns) -> pa.Table:
    """Rows by enterprise, time of the event and of recording. of: place of each row's enterprise in `frame.ids`.

    Left out: what happened before an enterprise was watched, what was recorded after the end.
    """
    keep = (recorded <= frame.end) & (event <= frame.end) & (event >= frame.joins[of])
    order = np.flatnonzero(keep)
    order = order[np.lexsort((recorded[order], event[order], of[order]))]
    types = {column.name: column.type for column in contract.columns}
    made: dict[str, Any] = {
        contract.entity: texts(frame.ids, of[order]),
        EVENT_TIME: pa.array(event[order]).cast(TIME),
        RECORDED_AT: pa.array(recorded[order]).cast(TIME),
    }
    for name, values in columns.items():
        made[name] = _column(values, order, types[name])
    return pa.table(made)


def _column(values: npt.NDArray[Any] | Words, order: Ints, kind: pa.DataType) -> pa.Array:
    if isinstance(values, tuple):
        return texts(values[0], values[1][order])
    chosen = values[order]
    if kind == TIME:
        return pa.array(chosen, mask=chosen == NONE).cast(TIME)
    return pa.array(chosen.astype(np.float64) if chosen.dtype.kind in "iuf" else chosen, from_pandas=True)


def texts(words: Sequence[str], places: npt.NDArray[Any]) -> pa.Array:
    """Words by their places; -1 is empty."""
    indices = pa.array(places.astype(np.int32), mask=places < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(list(words), TEXT)).cast(TEXT)


def numbered(prefix: str, count: int) -> Words:
    """Ids that number rows as they stand."""
    return [f"{prefix}-{number:07d}" for number in range(1, count + 1)], np.arange(count)


def one(word: str, count: int) -> Words:
    return [word], np.zeros(count, dtype=np.int32)


def repeated(columns: Columns, rows: Ints) -> dict[str, npt.NDArray[Any] | Words]:
    """Columns of chosen rows, again and again."""
    return {name: (v[0], v[1][rows]) if isinstance(v, tuple) else v[rows] for name, v in columns.items()}


def stacked(parts: Sequence[Columns]) -> dict[str, npt.NDArray[Any] | Words]:
    """The columns of several blocks of rows, which share their words, under each other."""
    out: dict[str, npt.NDArray[Any] | Words] = {}
    for name, first in parts[0].items():
        if isinstance(first, tuple):
            out[name] = (first[0], np.concatenate([part[name][1] for part in parts]))
        else:
            out[name] = np.concatenate([np.asarray(part[name]) for part in parts])
    return out
