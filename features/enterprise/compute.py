"""Observations x history -> features of enterprises. `compute` is the one definition, offline and online."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.enterprise.catalog import Catalog, Plan
from features.enterprise.derived import CALENDAR, FUNCTIONS
from features.enterprise.history import History
from features.enterprise.kernel import row_stats
from features.history import Ints
from features.kernel import version_at

Matrix = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]


def compute(wanted: Catalog, history: History, entity: Ints, as_of: Ints) -> Matrix:
    """Features of observations, float32[observations, features], NaN missing; stored feature by feature.

    entity: index into `history.ids`, or -1 (every feature missing but the calendar's). as_of: microseconds.
    """
    found = columns_of(wanted, history, entity, as_of)
    out = np.empty((len(wanted.specs), len(as_of)), dtype=np.float32)
    for place, name in enumerate(wanted.names):
        out[place] = found[name]
    return out.T


def columns_of(wanted: Catalog, history: History, entity: Ints, as_of: Ints) -> dict[str, Floats]:
    """Every feature of the catalog, the hidden ones among them, by name: float64[observations] each."""
    entity, as_of = np.ascontiguousarray(entity, dtype=np.int64), np.array(as_of, dtype=np.int64)
    versions = history.series["enterprises"]
    version = np.empty(len(as_of), dtype=np.int64)
    version_at(versions.offsets, versions.known_from, versions.known_to, entity, as_of, version)
    # An enterprise that was not known yet has no features, whatever rows came before its own.
    entity = np.where(version < 0, -1, entity)
    found: dict[str, Floats] = {}
    for plan in wanted.plans:
        found.update(_of_table(plan, history, entity, version, as_of))
    for spec in wanted.parts:
        if spec.op in CALENDAR:
            found[spec.name] = CALENDAR[spec.op](as_of)
    # What is divided by nothing is not taken, or is missing.
    with np.errstate(divide="ignore", invalid="ignore"):
        for spec in wanted.derived:
            found[spec.name] = FUNCTIONS[spec.op](spec, *(found[name] for name in spec.of))
    return found


def _of_table(plan: Plan, history: History, entity: Ints, version: Ints, as_of: Ints) -> dict[str, Floats]:
    rows = history.series.get(plan.table)
    if rows is None:
        rows, groups = history.published[plan.table].series, history.published[plan.table].groups
        place = pc.index_in(history.belongs[plan.whose], value_set=pa.array(groups, pa.string()))
        # Version -1 reads the -1 appended behind the last one.
        entity = np.append(np.array(pc.fill_null(place, -1), dtype=np.int64), -1)[version]
    out = np.empty((len(plan.names), len(as_of)))
    row_stats(
        rows.offsets, rows.event, rows.known_from, rows.known_to, rows.codes, rows.values,
        entity, as_of, plan.windows, plan.program, out,
    )  # fmt: skip
    return dict(zip(plan.names, out, strict=True))
