"""The history of some enterprises as arrays, each row with the span in which it was known.

A History holds one bucket (offline) or some enterprises (online); the kernel sees nothing else.

Published tables speak of groups (industries, processes, regions, all): every enterprise may look at any of them, whatever
bucket it is in, so they come whole and are shared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.clock import in_order, known_spans, times
from features.enterprise.columns import GROUP_LAYOUTS, LAYOUTS, Layout
from features.enterprise.kernel import local_groups
from features.enterprise.published import ALL, INDUSTRY_GROUP, REGION
from features.history import Codes, Ints, Series, series
from features.schema import ENTERPRISE, EVENT_TIME

# The tables of a history, in a fixed order.
TABLES = tuple(LAYOUTS)
GROUP_TABLES = tuple(GROUP_LAYOUTS)
Names = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Published:
    """A published table of groups: their rows, and their names in the order of the Series."""

    series: Series
    groups: list[str]


@dataclass(frozen=True)
class History:
    """Series by table name, for the enterprises `ids` in this order.

    belongs: of each version of the enterprises table, the group that is its industry, its process, its region.
    """

    ids: list[str]
    series: Mapping[str, Series]
    published: Mapping[str, Published]
    belongs: Mapping[str, pa.Array]


def from_tables(
    tables: Mapping[str, pa.Table],
    ids: Sequence[str],
    published: Mapping[str, Published] | None = None,
    *,
    ordered: bool = False,
) -> History:
    """Contract tables -> History. Missing tables are empty; rows of other enterprises are left out.

    tables: by contract name, all versions of each row, in any order; `ordered`: in contract order, as a view reads them.
    published: the tables of groups; by default those among `tables`.
    """
    names = sorted(ids)
    found: dict[str, Series] = {}
    belongs: dict[str, pa.Array] = {}
    for name, layout in LAYOUTS.items():
        table = tables.get(name)
        rows, entity = placed(layout.contract.arrow.empty_table() if table is None else table, layout, names, ordered=ordered)
        found[name] = _series(rows, layout, entity, len(names))
        if name == "enterprises":
            belongs = groups_of(rows)
    if published is None:
        published = {name: published_of(name, tables.get(name)) for name in GROUP_LAYOUTS}
    return History(names, found, published, belongs)


def published_of(name: str, table: pa.Table | None) -> Published:
    """A published table of groups, all of it; without one empty."""
    layout = GROUP_LAYOUTS[name]
    table = layout.contract.arrow.empty_table() if table is None else table
    groups = sorted(set(table.column(INDUSTRY_GROUP).to_pylist()))
    rows, entity = placed(table, layout, groups)
    return Published(_series(rows, layout, entity, len(groups)), groups)


def groups_of(enterprises: pa.Table) -> dict[str, pa.Array]:
    """The groups that each row of the enterprises table belongs to; null for none. Without a process the industry's own."""
    industry, process, region = (enterprises.column(name).combine_chunks() for name in ("industry", "process", "region"))
    narrow = pc.binary_join_element_wise(industry, process, "/")
    return {
        "industry": industry,
        "process": pc.coalesce(narrow, industry),
        "region": pc.binary_join_element_wise(pa.scalar(REGION.rstrip(":")), region, ":"),
        "all": pa.array([ALL] * len(industry), pa.string()),
    }


def placed(table: pa.Table, layout: Layout, ids: Sequence[str], *, ordered: bool = False) -> tuple[pa.Table, Ints]:
    """Rows of the named entities in contract order, and the entity of each as an index into `ids`."""
    if not ordered:
        table = in_order(table, layout.contract)
    entity = positions(table.column(layout.contract.entity), ids)
    if entity.size and entity.min() < 0:
        table, entity = table.filter(pa.array(entity >= 0)), entity[entity >= 0]
    return table, entity


def positions(column: pa.ChunkedArray, ids: Sequence[str]) -> Ints:
    """The place of each word (a text, or a dictionary of texts) among `ids`, -1 for another one."""
    value_set = pa.array(ids, pa.string())
    if not pa.types.is_dictionary(column.type):
        return np.array(pc.fill_null(pc.index_in(column, value_set=value_set), -1), dtype=np.int64)
    coded = column.unify_dictionaries().combine_chunks()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.chunk(0) if coded.num_chunks else pa.array([], column.type)
    place = np.array(pc.fill_null(pc.index_in(coded.dictionary.cast(pa.string()), value_set=value_set), -1), dtype=np.int64)
    return np.append(place, -1)[np.array(pc.fill_null(coded.indices, -1), dtype=np.int64)]


def _series(rows: pa.Table, layout: Layout, entity: Ints, entities: int) -> Series:
    values = np.empty((len(layout.columns), rows.num_rows))
    for place, read in enumerate(layout.columns.values()):
        values[place] = read(rows)
    spans = known_spans(rows, layout.contract)
    codes = _local(rows, layout.group, entity) if layout.group else np.zeros(rows.num_rows, dtype=np.int32)
    return series(entity, times(rows, EVENT_TIME), *spans, machines=entities, values=values, codes=codes)


def _local(rows: pa.Table, names: Sequence[str], entity: Ints) -> Codes:
    """The group of each row within its entity, counted from 0."""
    found = np.empty(rows.num_rows, dtype=np.int32)
    keys = np.empty((len(names), rows.num_rows), dtype=np.int64)
    for place, name in enumerate(names):
        column = rows.column(name).combine_chunks()
        if pa.types.is_timestamp(column.type):
            keys[place] = np.array(pc.fill_null(column.cast(pa.int64()), -1))
        else:
            keys[place] = np.array(pc.fill_null(column.dictionary_encode().indices, -1))
    if names[0] == EVENT_TIME:
        local_groups(entity, keys, found)
        return found
    if not len(found):
        return found
    _, inverse = np.unique(np.stack([entity, *keys]), axis=1, return_inverse=True)
    whole: Ints = np.asarray(inverse, dtype=np.int64)
    first = np.full(int(entity.max(initial=-1)) + 1, len(found), dtype=np.int64)
    np.minimum.at(first, entity, whole)
    return np.asarray(whole - first[entity], dtype=np.int32)


def entities(observations: pa.Table, ids: Sequence[str]) -> Ints:
    """The enterprise of each observation as an index into `ids`, or -1."""
    return positions(observations.column(ENTERPRISE), ids)
