"""Brings the published tables of enterprises up to what the lake knows. The same lake makes nothing."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features import delta, lock
from features.clock import times
from features.enterprise import case_rates, industry_rates, machine_risk
from features.enterprise.history import from_tables
from features.enterprise.published import ALL, CASE_RATES, INDUSTRY_GROUP, INDUSTRY_RATES, MACHINE_RISK
from features.enterprise.schema import CASES
from features.history import Ints
from features.schema import ENTERPRISE, EVENT_TIME, MACHINE_SCORES, MACHINES, RECORDED_AT, TableContract

if TYPE_CHECKING:
    from features.lake import Lake
    from features.view import View

PATIENCE_S = 60.0


def publish(lake: "Lake") -> dict[str, int]:
    """Publish `industry_rates`, `case_rates` and `machine_risk` as far as rows have come in since; how many rows
    were made of each.

    Raises Conflict if somebody else keeps writing into the lake.
    """
    risk_of = (MACHINES.name, MACHINE_SCORES.name)
    return {
        INDUSTRY_RATES.name: _publish(lake, INDUSTRY_RATES, industry_rates.VERSION, industry_rates.TABLES, _rates),
        # Its months are those of enterprises: nobody else looks at it.
        CASE_RATES.name: _publish(lake, CASE_RATES, case_rates.VERSION, (CASES.name, *industry_rates.TABLES), _cases),
        MACHINE_RISK.name: _publish(lake, MACHINE_RISK, machine_risk.VERSION, risk_of, _risk),
    }


def _publish(
    lake: "Lake",
    contract: TableContract,
    version: int,
    names: tuple[str, ...],
    make: Callable[["Lake", "View"], tuple[pa.Table, pa.Table]],
) -> int:
    """make: (the rows that stand, the rows made anew). The commit says of which versions of which tables they are."""
    view = lake.at()
    if names[0] not in view.versions:
        return 0
    sources = ", ".join([f"rules {version}", *(f"{name} {view.versions.get(name, 'none')}" for name in names)])
    at = view.versions.get(contract.name)
    said = "" if at is None else (delta.said(lake.path(contract.name), at) or {}).get(delta.SOURCE, "")
    if said == sources:
        return 0
    if said.split(",")[0] != sources.split(",")[0]:
        # Made by other rules than these: nothing of it stands.
        view = lake.at({name: one for name, one in view.versions.items() if name != contract.name})
    stand, made = make(lake, view)
    lake.replace(contract, pa.concat_tables([stand, made]), sources, lock.patience(PATIENCE_S))
    return int(made.num_rows)


def _rates(lake: "Lake", view: "View") -> tuple[pa.Table, pa.Table]:
    """Months that are not there yet, and those for which rows with an older knowledge time have come in."""
    stored = view.read(INDUSTRY_RATES.name)
    months = month_starts(view)
    stand = _standing(view, stored, months, industry_rates.TABLES)
    wanted = months[months > stand]
    made = industry_rates.Rates(wanted)
    for bucket in range(lake.buckets if len(wanted) else 0):
        tables = {name: view.read(name, buckets=[bucket]) for name in industry_rates.TABLES}
        ids = pc.unique(tables["enterprises"].column(ENTERPRISE)).to_pylist()
        made.add(from_tables(tables, ids, ordered=True))
    return _up_to(stored, stand), made.table()


def _cases(lake: "Lake", view: "View") -> tuple[pa.Table, pa.Table]:
    """As `_rates`, from all cases at once: they go by industry, and without their narratives they are few."""
    stored = view.read(CASE_RATES.name)
    months = month_starts(view)
    stand = _standing(view, stored, months, (CASES.name,))
    return _up_to(stored, stand), case_rates.made(view.read(CASES.name, columns=case_rates.COLUMNS), months[months > stand])


def _up_to(stored: pa.Table, moment: int) -> pa.Table:
    return stored.filter(pc.less_equal(stored.column(EVENT_TIME).cast(pa.int64()), moment))


def month_starts(view: "View") -> Ints:
    """The firsts of the months since the first enterprise was known, up to the latest recording, in microseconds."""
    rows = view.read("enterprises", columns=[EVENT_TIME, RECORDED_AT])
    if not rows.num_rows:
        return np.empty(0, dtype=np.int64)
    known = np.maximum(times(rows, EVENT_TIME), times(rows, RECORDED_AT))
    latest = [times(view.read(name, columns=[RECORDED_AT]), RECORDED_AT) for name in industry_rates.TABLES]
    first, last = (
        datetime.fromtimestamp(int(one) / 1e6, UTC) for one in (known.min(), max(one.max(initial=0) for one in latest))
    )
    months = np.arange(
        np.datetime64(first.replace(tzinfo=None), "M") + 1, np.datetime64(last.replace(tzinfo=None), "M") + 1
    )  # fmt: skip
    return np.asarray(months.astype("datetime64[us]").astype(np.int64))


def _standing(view: "View", stored: pa.Table, months: Ints, names: tuple[str, ...]) -> int:
    """The last month up to which all stored rows are as they would be made now: as many rows of these tables were known then.
    -1 for none.
    """
    mine = stored.filter(pc.equal(stored.column(INDUSTRY_GROUP), ALL))
    if not mine.num_rows:
        return -1
    known = np.zeros(len(months), dtype=np.int64)
    for name in names:
        rows = view.read(name, columns=[EVENT_TIME, RECORDED_AT])
        moments = np.sort(np.maximum(times(rows, EVENT_TIME), times(rows, RECORDED_AT)))
        known += np.searchsorted(moments, months, side="right")
    at = times(mine, EVENT_TIME)
    place = np.searchsorted(months, at).clip(0, len(months) - 1)
    alike = (mine.column("rows_known").to_numpy() == known[place]) & (months[place] == at)
    standing = len(alike) if alike.all() else int(np.argmin(alike))
    # Months before the first row that stands must not have been left out.
    whole = np.array_equal(at[:standing], months[:standing])
    return int(at[standing - 1]) if standing and whole else -1


def _risk(lake: "Lake", view: "View") -> tuple[pa.Table, pa.Table]:
    """All of it: scores come in by whole days, and the table is small beside them."""
    names = (MACHINES.name, MACHINE_SCORES.name)
    made = machine_risk.made(tuple(view.read(name, buckets=[bucket]) for name in names) for bucket in range(lake.buckets))
    return made.slice(0, 0), made
