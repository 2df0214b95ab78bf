"""The stored rows that incoming rows may meet: versions of the same keys, found without reading the table.

Files and row groups of other entities and times are ruled out by their statistics; of the rest only the keys are decoded, and
the other columns only where a key may be met.
"""

from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features import delta
from features.clock import times
from features.datafiles import Where
from features.schema import EVENT_TIME, TableContract

_MIX = np.uint64(0x9E3779B97F4A7C15)


def rivals(stored: delta.Frozen, bucket: int, incoming: pa.Table, contract: TableContract) -> pa.Table:
    """All versions in one bucket of `stored` whose entity and, in a table of moments, event time some incoming row has.

    In no particular order. That other parts of the key may differ is for the merge to see.
    """
    if not incoming.num_rows:
        return contract.arrow.empty_table()
    names = [contract.entity] if contract.timeless_key else [contract.entity, EVENT_TIME]
    words = pc.unique(incoming.column(contract.entity))
    range_ = pc.min_max(words).as_py()
    span = None
    if not contract.timeless_key:
        moments = times(incoming, EVENT_TIME)
        span = (int(moments.min()), int(moments.max()))
    where = Where(contract.entity, between=(range_["min"], range_["max"]), times=span)

    @cache
    def sought() -> npt.NDArray[np.uint64]:
        encoded = incoming.select(names).set_column(0, contract.entity, incoming.column(contract.entity).dictionary_encode())
        return np.sort(_keys(encoded.unify_dictionaries().combine_chunks(), names, words))

    def met(keys: pa.Table) -> npt.NDArray[np.bool_]:
        wanted, found = sought(), _keys(keys, names, words)
        place = np.minimum(np.searchsorted(wanted, found), len(wanted) - 1)
        return np.asarray(wanted[place] == found, dtype=bool)

    schema = pa.schema([contract.arrow.field(name) for name in names])
    parts = [part.cast(contract.arrow) for part in stored.matching(schema, contract.arrow, where, bucket, met)]
    return pa.concat_tables(parts) if parts else contract.arrow.empty_table()


def _keys(table: pa.Table, names: list[str], words: pa.Array) -> npt.NDArray[np.uint64]:
    """A number per row: equal where entity and time are equal (and, once in many billions, where they are not)."""
    column = table.column(names[0]).combine_chunks()
    place = pc.fill_null(pc.index_in(column.dictionary, value_set=words), -1).to_numpy().astype(np.int64)
    whole = place[column.indices.to_numpy()].astype(np.uint64) * _MIX
    if len(names) > 1:
        whole += times(table, EVENT_TIME).astype(np.uint64)
    return np.asarray(whole, dtype=np.uint64)
