"""Incoming rows against the stored versions of their keys: new, correction or duplicate. Pure functions of tables."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.clock import Micros, ranks, sorting, times
from features.schema import RECORDED_AT, TIME, TableContract

ACCEPTED, CORRECTED, DUPLICATE = 0, 1, 2


@dataclass(frozen=True)
class Merge:
    """Per incoming row: its verdict, and the `recorded_at` (microseconds) under which it is to be stored."""

    verdict: npt.NDArray[np.int8]
    recorded: Micros

    def count(self, verdict: int) -> int:
        return int(np.count_nonzero(self.verdict == verdict))


def merge(
    existing: pa.Table,
    incoming: pa.Table,
    own_recorded: npt.NDArray[np.bool_],
    contract: TableContract,
    imported_at: int | Micros,
    arrival: Micros | None = None,
) -> Merge:
    """Judge `incoming` rows by the versions in `existing` and by each other.

    A key not seen before is accepted. Content equal to any version of the key is a duplicate. Other content is a correction,
    recorded at `imported_at` (microseconds) or, if the row carries its own `recorded_at` (`own_recorded`, bool[n]) later than
    the latest version's, then. Such a row may also bring an earlier content back. Versions of a key get strictly rising
    `recorded_at`, so that each has its own span of knowledge.

    arrival: int64[n] where the rows came in several turns, each with its own `imported_at` (int64[n]): then it is as if every
    turn had been merged and stored before the next one, so that it does not matter how many turns are merged at once.
    """
    stored = existing.num_rows
    both = pa.concat_tables([existing.select(contract.arrow.names), incoming.select(contract.arrow.names)])
    recorded = times(both, RECORDED_AT).copy()
    is_incoming = np.arange(both.num_rows) >= stored
    keys = [ranks(both.column(name)) for name in contract.key]
    # Stored versions first, then the incoming ones in the order in which they became known; lexsort is stable.
    turn = is_incoming.astype(np.int64)
    if arrival is not None:
        turn[stored:] += arrival - arrival.min(initial=0)
    order = sorting([*keys, turn, recorded])
    if order is None:
        order = np.arange(both.num_rows)
    first = np.ones(len(order), dtype=bool)
    if len(order) > 1:
        first[1:] = np.logical_or.reduce([key[order][1:] != key[order][:-1] for key in keys])
    if first.all():
        return Merge(np.full(len(order) - stored, ACCEPTED, dtype=np.int8), recorded[stored:])
    contents = [bits(both.column(name)) for name in content_columns(contract)]
    group = np.cumsum(first) - 1
    head = order[np.flatnonzero(first)][group]
    differs = np.zeros(len(order), dtype=bool)
    for content in contents:
        differs |= content[order] != content[head]
    mixed = np.bincount(group, weights=differs, minlength=0)[group] > 0

    verdict = np.full(both.num_rows, DUPLICATE, dtype=np.int8)
    verdict[order[first]] = ACCEPTED
    if mixed.any():
        chosen = order[mixed]
        rows = np.column_stack([content[chosen] for content in contents])
        own = np.concatenate([np.zeros(stored, dtype=bool), own_recorded])
        moments = np.concatenate([np.zeros(stored, dtype=np.int64), np.broadcast_to(imported_at, incoming.num_rows)])
        _judge_versions(chosen, first[mixed], rows, is_incoming, own, recorded, moments, verdict)
    return Merge(verdict[stored:], recorded[stored:])


def _judge_versions(
    chosen: npt.NDArray[np.int64],
    first: npt.NDArray[np.bool_],
    rows: npt.NDArray[np.int64],
    is_incoming: npt.NDArray[np.bool_],
    own: npt.NDArray[np.bool_],
    recorded: Micros,
    moments: Micros,
    verdict: npt.NDArray[np.int8],
) -> None:
    """Walk the keys that have more than one content, in order; writes into `verdict` and `recorded`."""
    seen: set[bytes] = set()
    latest, latest_recorded = b"", 0
    for index, starts, row in zip(chosen.tolist(), first.tolist(), rows, strict=True):
        content = row.tobytes()
        moment = int(recorded[index])
        if starts:
            seen = set()
        elif is_incoming[index]:
            newer = bool(own[index]) and moment > latest_recorded
            if content == latest or (content in seen and not newer):
                verdict[index] = DUPLICATE
                continue
            verdict[index] = CORRECTED
            moment = moment if newer else max(int(moments[index]), latest_recorded + 1)
            recorded[index] = moment
        seen.add(content)
        latest, latest_recorded = content, moment


def content_columns(contract: TableContract) -> list[str]:
    """The columns that make two versions of a key differ."""
    return [column.name for column in contract.columns if column.name not in {*contract.key, RECORDED_AT}]


def bits(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Integers that are equal where the values are: NaN and null are one value, and so are 0.0 and -0.0."""
    if pa.types.is_floating(column.type):
        values = column.cast(pa.float64()).to_numpy().astype(np.float64) + 0.0
        values[np.isnan(values)] = np.nan
        return np.asarray(values.view(np.int64), dtype=np.int64)
    if pa.types.is_string(column.type):
        indices = column.combine_chunks().dictionary_encode().indices
        return np.asarray(pc.fill_null(indices, -1).to_numpy(), dtype=np.int64)
    if column.type != TIME and not pa.types.is_integer(column.type) and not pa.types.is_boolean(column.type):
        raise TypeError(f"no comparison is defined for columns of type {column.type}")
    present = pc.is_valid(column).to_numpy().astype(bool)
    integers = pc.fill_null(column.cast(pa.int64()), 0).to_numpy()
    return np.asarray(np.where(present, integers, np.iinfo(np.int64).min), dtype=np.int64)
