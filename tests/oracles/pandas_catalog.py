"""The catalog of a regular kind in pandas: the bench's second peer, written with groupby-rolling the way one does.

As `polars_catalog` in bulk: rows known at once and never corrected go through time-based rolling windows and counts by search,
late and corrected rows meet each observation one by one, and both parts are merged; so the values are exact up to rounding.
Operations that only kinds written on change use, medians and kind-free features are not here.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.catalog import Catalog
from features.schema import FIXED, MACHINE, readings, reference
from tests.oracles.pandas_rows import Looks, Made, coded, micros_of, versions
from tests.oracles.pandas_states import STATES, states
from tests.oracles.pandas_tables import PEERS, POINTS, STATIC, peers, points, static
from tests.oracles.pandas_windows import WINDOWED, windows

FAMILIES = ((WINDOWED, windows), (PEERS, peers), (STATES, states), (POINTS, points), (STATIC, static))
KEEPING = ("inspect", "inspection", "check", "clean", "lubricate", "adjust")
Tables = Mapping[str, pa.Table]


def features(wanted: Catalog, tables: Tables, observations: pa.Table) -> pa.Table:
    """machine_id, as_of and one float32 column per feature, NaN missing, row by row as in `observations`.

    tables: contract tables by name, all versions of each row. Raises KeyError for an operation that is not here.
    """
    kind = wanted.kind
    mine = tables["machines"].filter(pc.equal(tables["machines"].column("kind"), kind.name))
    ids = sorted(set(mine.column(MACHINE).to_pylist()))
    asked = observations.to_pandas()
    m = coded(asked[MACHINE].astype(str), ids)
    used = [FIXED[name] for name in ("machines", "events", "maintenance", "failures", "operations", "environment")]
    rows = {one.name: versions(tables.get(one.name, one.arrow.empty_table()), one, ids) for one in used}
    contract, groups = reference(kind), [kind.name, *(f"{kind.name}/{model}" for model in kind.models)]
    rows["readings"] = versions(tables[kind.readings_table], readings(kind), ids)
    rows["reference"] = versions(tables.get(contract.name, contract.arrow.empty_table()), contract, groups)
    rows["replacements"] = _replacements(rows)
    looks = Looks(m, micros_of(asked["as_of"]), rows)
    made: Made = {}
    for table in dict.fromkeys(spec.table for spec in wanted.specs):
        for ops, family in FAMILIES:
            chosen = [spec for spec in wanted.specs if spec.table == table and spec.op in ops]
            if chosen:
                made |= family(kind, chosen, rows[table], looks)
    columns = {name: np.where(m >= 0, made[name], np.nan).astype(np.float32) for name in wanted.names}
    return pa.table({MACHINE: observations.column(MACHINE), "as_of": observations.column("as_of"), **columns})


def by_machines(wanted: Catalog, tables: Tables, observations: pa.Table, *, machines: int = 100) -> Iterator[pa.Table]:
    """`features` for so many machines at a time, so that memory is bounded by them."""
    names = observations.column(MACHINE).cast(pa.string())
    ids = sorted(names.unique().to_pylist())
    for start in range(0, len(ids), machines):
        chosen = pa.array(ids[start : start + machines])
        part = {
            name: table.filter(pc.is_in(table.column(MACHINE), value_set=chosen)) if MACHINE in table.column_names else table
            for name, table in tables.items()
        }
        yield features(wanted, part, observations.filter(pc.is_in(names, value_set=chosen)))


def _replacements(rows: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Maintenance that renews a component, and failures: a failed part is replaced."""
    columns = ["m", "event", "since", "until", "component"]
    keeps = rows["maintenance"].action.fillna("").astype(str).str.lower().isin(KEEPING)
    both = pd.concat([rows["maintenance"][~keeps][columns], rows["failures"][columns]])
    return both.sort_values(["m", "event"], kind="stable", ignore_index=True)
