"""Observations of enterprises: the (enterprise, as_of) pairs at which features are computed and labels are asked for."""

from collections.abc import Mapping
from datetime import datetime

import numpy as np
import pyarrow as pa

from features.clock import NEVER, micros, times
from features.enterprise.catalog import Catalog
from features.enterprise.compute import columns_of
from features.enterprise.consent import consented
from features.enterprise.history import entities, from_tables, positions
from features.enterprise.spec import EnterpriseSpec
from features.history import Ints
from features.observations import AS_OF, Grid, grid_rows, schema
from features.schema import ENTERPRISE, EVENT_TIME, RECORDED_AT, TIME

SCHEMA = schema(ENTERPRISE)
# What a cohort looks at.
TABLES = ("enterprises", "exposures", "consents")
# An enterprise that has told its exposure, and then told none for so long, has gone.
SILENT_DAYS = 548.0
_SILENCE = Catalog((EnterpriseSpec("silence", "", "exposures", "since"),))


def observations(tables: Mapping[str, pa.Table], grid: Grid, *, until: datetime, purpose: str) -> pa.Table:
    """The cohort on a grid: enterprises that were known at `as_of`, still watched, and had consented to the purpose.

    tables: enterprises, exposures, consents with all versions. until: where a grid without an end ends, as a rule the moment up
    to which anything is known. An enterprise is watched from the moment its row was known on; one that tells its exposure until
    `SILENT_DAYS` after the end of the latest period known at `as_of`. purpose: score, train or share.
    Returns enterprise_id (dictionary), as_of (us, UTC), by id and time.
    """
    rows = tables["enterprises"]
    ids = sorted(rows.column(ENTERPRISE).unique().to_pylist())
    place = positions(rows.column(ENTERPRISE), ids)
    known, started = (np.full(len(ids), NEVER, dtype=np.int64) for _ in range(2))
    np.minimum.at(known, place, np.maximum(times(rows, EVENT_TIME), times(rows, RECORDED_AT)))
    np.minimum.at(started, place, times(rows, EVENT_TIME))
    end = micros(until if grid.end is None else grid.end) + 1
    found = grid_rows(ids, known, np.full(len(ids), end, dtype=np.int64), grid, started).rename_columns([ENTERPRISE, AS_OF])
    return _willing(found, ids, tables, purpose)


def at(tables: Mapping[str, pa.Table], as_of: datetime, purpose: str) -> pa.Table:
    """The cohort at one moment."""
    rows = tables["enterprises"]
    known = np.maximum(times(rows, EVENT_TIME), times(rows, RECORDED_AT)) <= micros(as_of)
    ids = sorted(rows.column(ENTERPRISE).filter(pa.array(known)).unique().to_pylist())
    return _willing(of_ids(ids, as_of), ids, tables, purpose)


def of_ids(ids: list[str], as_of: datetime) -> pa.Table:
    """One observation of each enterprise at one moment, in the order of the ids."""
    coded = pa.DictionaryArray.from_arrays(pa.array(np.arange(len(ids)), pa.int32()), pa.array(ids, pa.string()))
    return pa.table([coded, pa.array(np.full(len(ids), micros(as_of))).cast(TIME)], schema=SCHEMA)


def _willing(found: pa.Table, ids: list[str], tables: Mapping[str, pa.Table], purpose: str) -> pa.Table:
    """Those that are not silent and had consented."""
    history = from_tables({name: tables[name] for name in ("enterprises", "exposures")}, ids)
    as_of: Ints = np.array(times(found, AS_OF))
    silence = columns_of(_SILENCE, history, entities(found, ids), as_of)["silence"]
    willing = consented(tables["consents"], found.column(ENTERPRISE), as_of, purpose)
    return found.filter(pa.array(willing & ~(silence > SILENT_DAYS)))
