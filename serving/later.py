"""What became known of a machine only after it was scored: rows that came late, and corrections of rows that were seen."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from features import online
from features.clock import micros, times
from features.history import REFERENCE, TABLES, History, from_tables
from features.schema import EVENT_TIME, RECORDED_AT, TIME
from serving.champion import Champion
from serving.mattered import Row, row_of

# So many are told, the latest first.
TOLD = 20


@dataclass(frozen=True)
class Later:
    """count: how many rows. p72: the 72-hour probability at the same moment, had they been known."""

    count: int
    rows: tuple[Row, ...]
    p72: float

    def document(self) -> dict[str, Any]:
        return {"count": self.count, "p72_with": self.p72, "rows": [row.document() for row in self.rows]}


def known_later(champion: Champion, tables: Mapping[str, pa.Table], seen: History, as_of: datetime) -> Later | None:
    """Rows that had happened by `as_of` and were recorded after it; None if there are none.

    tables: contract tables of the machine as they are known by now. seen: what the score saw of it, and of its peers.
    """
    found: list[Row] = []
    clipped = dict(tables)
    for name in (*TABLES, champion.kind.readings_table):
        table = tables.get(name)
        if table is None or not table.num_rows:
            continue
        recorded = times(table, RECORDED_AT)
        late = (times(table, EVENT_TIME) <= micros(as_of)) & (recorded > micros(as_of))
        found += [row_of(name, row) for row in table.filter(pa.array(late)).to_pylist()]
        # As if each had been recorded in time; of several versions the newest is then the one that stands.
        moments = pa.array(np.where(late, micros(as_of), recorded)).cast(TIME)
        clipped[name] = table.set_column(table.column_names.index(RECORDED_AT), table.schema.field(RECORDED_AT), moments)
    if not found:
        return None
    history = from_tables(champion.kind, clipped, seen.machine_ids)
    if REFERENCE in seen.series:
        history = replace(history, series={**history.series, REFERENCE: seen.series[REFERENCE]})
    x = online.vector(champion.catalog, history, as_of)
    p72 = float(champion.bundle.predict(x.reshape(1, -1), champion.window(history, as_of), ranges=False).p[0, -1])
    found.sort(key=lambda row: (row.event_time, row.recorded_at), reverse=True)
    return Later(len(found), tuple(found[:TOLD]), p72)
