"""The slow oracle of enterprises: every feature from lists of dicts, one plain function for each operation.

Written from the words of the catalog, not from the kernel. A row is known at `as_of` when it happened and was recorded by then
and no later version of its key was.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from features.enterprise.catalog import Catalog
from features.enterprise.schema import ENTERPRISE_TABLES, PUBLISHED_TABLES
from features.enterprise.spec import EnterpriseSpec
from features.enterprise.vocabulary import CAUSE_GROUPS, HIGH_RISK, INDUSTRY_CODES
from features.schema import TableContract

Row = Mapping[str, Any]
Value = Callable[[Row], Any]
CONTRACTS = {**ENTERPRISE_TABLES, **PUBLISHED_TABLES}
NAN = math.nan
YEAR = timedelta(days=365.25)


def features(wanted: Catalog, tables: Mapping[str, Sequence[Row]], enterprise: str, as_of: datetime) -> dict[str, float]:
    """Every feature, the hidden ones among them, by name. tables: rows by contract name, all versions, in any order."""
    seen = {name: known(CONTRACTS[name], rows, as_of) for name, rows in tables.items()}
    own = [row for row in seen.get("enterprises", []) if row["enterprise_id"] == enterprise]
    found: dict[str, float] = {}
    for spec in wanted.parts:
        if spec.table and not own:
            found[spec.name] = NAN
        elif spec.table:
            who = _group(own[0], spec.whose) if spec.whose != "enterprise" else enterprise
            entity = CONTRACTS[spec.table].entity
            rows = [row for row in seen.get(spec.table, []) if row[entity] == who]
            missing = spec.whose != "enterprise" and who not in {row[entity] for row in tables.get(spec.table, [])}
            found[spec.name] = NAN if missing else OPS[spec.op](spec, _chosen(spec, rows, as_of), as_of)
    while len(found) < len(wanted.parts):
        for spec in wanted.parts:
            if spec.name not in found and all(name in found for name in spec.of):
                if spec.op == "day_of_year":
                    found[spec.name] = float(as_of.astimezone(UTC).timetuple().tm_yday - 1)
                else:
                    found[spec.name] = DERIVED[spec.op](spec, *(found[name] for name in spec.of))
    return found


def known(contract: TableContract, rows: Sequence[Row], as_of: datetime) -> list[Row]:
    """Of each key the version recorded last among those known, in the order of the contract's key."""
    newest: dict[tuple[Any, ...], Row] = {}
    for row in sorted(rows, key=lambda row: row["recorded_at"]):
        if row["event_time"] <= as_of and row["recorded_at"] <= as_of:
            newest[tuple(row[name] for name in contract.key)] = row
    return sorted(newest.values(), key=lambda row: (row["event_time"], *(row[name] for name in contract.own_key)))


def _group(row: Row, whose: str) -> str | None:
    if whose == "region":
        return None if row["region"] is None else f"region:{row['region']}"
    if whose == "process" and row["process"] is not None:
        return f"{row['industry']}/{row['process']}"
    return "all" if whose == "all" else str(row["industry"])


def _chosen(spec: EnterpriseSpec, rows: list[Row], as_of: datetime) -> list[Row]:
    if spec.newest:
        latest = {tuple(row[name] for name in GROUPS[spec.table]): row for row in rows}
        rows = [row for row in rows if any(row is one for one in latest.values())]
    if spec.select:
        rows = [row for row in rows if column(spec.table, spec.select)(row)]
    if spec.window_hours is not None:
        rows = [row for row in rows if row["event_time"] > as_of - timedelta(hours=spec.window_hours)]
    return rows


# Columns, where they are no column of the table as it is

GROUPS = {
    "sites": ["site_id"], "permits": ["permit_id"], "certificates": ["kind"], "policies": ["policy_id"], "claims": ["claim_id"],
    "hazards": ["event_time", "site_id", "kind", "due"],
}  # fmt: skip


def _years(row: Row) -> float:
    return (row["event_time"] - row["starts"]) / YEAR


def _worker_years(row: Row) -> float | None:
    if row["basis"] == "hours_worked":
        return float(row["amount"]) / 2000
    return float(row["amount"]) * _years(row) if row["basis"] == "headcount" else None


def _larger(row: Row) -> bool:
    return row["deaths"] >= 3 or row["injuries"] >= 10 or (row["direct_loss"] or 0.0) >= 10e6


def _major(row: Row) -> bool:
    return row["deaths"] >= 10 or row["injuries"] >= 50 or (row["direct_loss"] or 0.0) >= 50e6


def _outside(row: Row) -> bool:
    return row["found_by"] != "self"


COLUMNS: dict[tuple[str, str], Value] = {
    ("enterprises", "industry"): lambda row: INDUSTRY_CODES.index(row["industry"]),
    ("enterprises", "high_risk"): lambda row: row["industry"] in HIGH_RISK,
    ("enterprises", "other_currency"): lambda row: row["currency"] not in (None, "CNY"),
    ("exposures", "amount_per_year"): lambda row: row["amount"] / _years(row),
    ("exposures", "worker_years"): _worker_years,
    ("exposures", "worker_years_per_year"): lambda row: None if (n := _worker_years(row)) is None else n / _years(row),
    ("exposures", "hours"): lambda row: row["basis"] == "hours_worked",
    **{
        ("exposures", basis): lambda row, basis=basis: row["basis"] == basis
        for basis in ("headcount", "payroll", "miles", "vehicle_years", "insured_value", "revenue", "project_cost")
    },
    ("hazards", "days_to_rectify"): lambda row: (
        None if row["rectified"] is None else (row["rectified"] - row["event_time"]) / timedelta(days=1)
    ),
    ("hazards", "done"): lambda row: row["rectified"] is not None,
    ("hazards", "verified"): lambda row: row["verified"] is not None,
    ("hazards", "late"): lambda row: None not in (row["rectified"], row["due"]) and row["rectified"] > row["due"],
    ("hazards", "external"): _outside,
    ("hazards", "own"): lambda row: not _outside(row),
    ("hazards", "external_major"): lambda row: _outside(row) and row["grade"] == "major",
    ("hazards", "own_major"): lambda row: not _outside(row) and row["grade"] == "major",
    ("hazards", "external_repeated"): lambda row: _outside(row) and row["repeated"],
    ("hazards", "own_repeated"): lambda row: not _outside(row) and row["repeated"],
    ("hazards", "external_supervised"): lambda row: _outside(row) and row["supervised"],
    **{
        ("hazards", f"external_{group}"): lambda row, codes=codes: _outside(row) and row["kind"] in codes
        for group, codes in CAUSE_GROUPS.items()
    },
    ("hazards", "authority"): lambda row: row["found_by"] == "authority",
    ("inspections", "entered_by_lot"): lambda row: row["outcome"] in ("done", "partial") and row["by_lot"],
    ("inspections", "entered"): lambda row: row["outcome"] in ("done", "partial"),
    **{
        ("inspections", outcome): lambda row, outcome=outcome: row["outcome"] == outcome
        for outcome in ("done", "partial", "refused")
    },
    **{("inspections", mode): lambda row, mode=mode: row["mode"] == mode for mode in ("unannounced", "remote")},
    ("permits", "granted"): lambda row: row["state"] == "granted",
    ("permits", "withdrawn"): lambda row: row["state"] in ("suspended", "revoked"),
    ("permits", "expired"): lambda row: row["state"] == "expired",
    ("credit", "rating"): lambda row: ["AA", "A", "B", "C", "bad"].index(row["rating"]),
    ("standardisation", "level"): lambda row: ["none", "3", "2", "1"].index(row["level"]),
    ("accidents", "fatal"): lambda row: row["deaths"] > 0,
    ("accidents", "larger"): _larger,
    ("accidents", "major"): _major,
    ("accidents", "loss_known"): lambda row: row["direct_loss"] is not None,
    **{
        ("accidents", group): lambda row, codes=codes: row["cause"] in codes for group, codes in CAUSE_GROUPS.items()
    },
}  # fmt: skip


def column(table: str, name: str) -> Value:
    return COLUMNS.get((table, name), lambda row: row[name])


# Operations on rows


def _days(span: timedelta) -> float:
    return span / timedelta(days=1)


def _numbers(spec: EnterpriseSpec, rows: list[Row]) -> list[Any]:
    values = [column(spec.table, spec.column)(row) for row in rows]
    return [value for value in values if value is not None]


def _standing(spec: EnterpriseSpec, rows: list[Row], as_of: datetime) -> list[float]:
    found = []
    for row in rows:
        begin = row[spec.column] if spec.column else row["event_time"]
        end = row[spec.second] if spec.second else None
        begun = begin is not None and (not spec.column or begin < as_of)
        if begun and (end is None or end > as_of):
            found.append(_days(as_of - begin))
    return found


def _inside(spec: EnterpriseSpec, row: Row, as_of: datetime) -> timedelta:
    since = as_of - timedelta(hours=spec.window_hours or 0.0)
    return max(row["event_time"] - max(row[spec.second], since), timedelta(0))


def _spread(spec: EnterpriseSpec, rows: list[Row], as_of: datetime) -> float:
    whole = [(column(spec.table, spec.column)(row), row) for row in rows]
    return sum((n or 0.0) * (_inside(spec, row, as_of) / (row["event_time"] - row[spec.second])) for n, row in whole)


Operation = Callable[[EnterpriseSpec, list[Row], datetime], float]
OPS: dict[str, Operation] = {
    "count": lambda spec, rows, as_of: float(len(rows)),
    "sum": lambda spec, rows, as_of: float(sum(_numbers(spec, rows))),
    "mean": lambda spec, rows, as_of: sum(found) / len(found) if (found := _numbers(spec, rows)) else NAN,
    "largest": lambda spec, rows, as_of: float(max(_numbers(spec, rows), default=NAN)),
    "last": lambda spec, rows, as_of: float(found[-1]) if (found := _numbers(spec, rows)) else NAN,
    "elapsed": lambda spec, rows, as_of: _days(as_of - found[-1]) if (found := _numbers(spec, rows)) else NAN,
    "since": lambda spec, rows, as_of: min((_days(as_of - row["event_time"]) for row in rows), default=NAN),
    "since_first": lambda spec, rows, as_of: max((_days(as_of - row["event_time"]) for row in rows), default=NAN),
    "standing": lambda spec, rows, as_of: float(len(_standing(spec, rows, as_of))),
    "standing_days": lambda spec, rows, as_of: sum(_standing(spec, rows, as_of)),
    "standing_longest": lambda spec, rows, as_of: max(_standing(spec, rows, as_of), default=0.0),
    "spread": _spread,
    "covered": lambda spec, rows, as_of: sum(_days(_inside(spec, row, as_of)) for row in rows),
}

# Features of features


def _first(*values: float) -> float:
    return next((value for value in values if not math.isnan(value)), NAN)


def _over(one: float, of: float, empty: float) -> float:
    return NAN if math.isnan(one) or math.isnan(of) else one / of if of > 0 else empty


def _carried_on(spec: EnterpriseSpec, *told: float) -> float:
    window = (spec.window_hours or 0.0) / 24
    for at in (0, 3):
        spread, rate, age = told[at : at + 3]
        if not math.isnan(rate):
            return spread + rate * min(age, window, 365.0) / 365.25
    return told[6] * min(told[7], window) / 365.25


def _change(spec: EnterpriseSpec, *told: float) -> float:
    for at in range(0, len(told), 4):
        year, days, both, all_days = told[at : at + 4]
        if days > 0 and both > 0:
            return year / days * all_days / both - 1
    return NAN


def _rate_change(spec: EnterpriseSpec, last: float, before: float, observed: float, size: float, *told: float) -> float:
    growth = NAN if math.isnan(size) else 1.0
    for at in range(0, len(told), 4):
        workers, days, earlier, earlier_days = told[at : at + 4]
        if days > 0 and earlier_days > 0:
            growth = NAN if earlier == 0 else (workers / days) / (earlier / earlier_days)
            break
    if not before > 0 or not growth > 0 or observed < (spec.window_hours or 0.0) / 24:
        return NAN
    return (last / growth) / before - 1


def _to_a_year(spec: EnterpriseSpec, told: float, age: float, observed: float) -> float:
    part = (min(observed, 365.0) - age) / 365
    return told / part if part > 0 else NAN


def _cosine(own: Sequence[float], other: Sequence[float], weights: Sequence[float]) -> float:
    if any(math.isnan(one) for one in (*own, *other, *weights)):
        return NAN
    length = math.hypot(*own) * math.hypot(*other)
    return sum(one * many * by for one, many, by in zip(own, other, weights, strict=True)) / length if length > 0 else NAN


def _likeness(spec: EnterpriseSpec, *told: float) -> float:
    half = len(told) // 2
    return _cosine(told[:half], told[half:], [1.0] * half)


def _weighted_likeness(spec: EnterpriseSpec, *told: float) -> float:
    part = len(told) // 3
    return _cosine(told[:part], told[part : 2 * part], told[2 * part :])


def _least_where(spec: EnterpriseSpec, *told: float) -> float:
    half = len(told) // 2
    pairs = zip(told[:half], told[half:], strict=True)
    return min((value for chosen, value in pairs if chosen > 0 and not math.isnan(value)), default=NAN)


DERIVED: dict[str, Callable[..., float]] = {
    "first_of": lambda spec, *values: _first(*values),
    "at_least_one": lambda spec, *values: max(_first(*values, 1.0), 1.0),
    "carried_on": _carried_on,
    "or_since": lambda spec, own, size, observed: _first(own, size * min(observed, spec.window_hours / 24) / 365.25),
    "change": _change,
    "brought_to_a_year": _to_a_year,
    "credible": lambda spec, n, mu, a: (a + n) / (a + mu),
    "ratio": lambda spec, one, of: _over(one, of, NAN),
    "ratio_or_0": lambda spec, one, of: _over(one, of, 0.0),
    "ratio_or_1": lambda spec, one, of: _over(one, of, 1.0),
    "share_of_sum_or_0": lambda spec, one, other: _over(one, one + other, 0.0),
    "per": lambda spec, one, of: one / of,
    "product": lambda spec, one, other: one * other,
    "plus": lambda spec, one, other: one + other,
    "less": lambda spec, one, other: one - other,
    "rate_change": _rate_change,
    "exists": lambda spec, count: NAN if math.isnan(count) else float(count > 0),
    "is_known": lambda spec, value: float(not math.isnan(value)),
    "known_or_0": lambda spec, value, beside: NAN if math.isnan(value) and math.isnan(beside) else _first(value, 0.0),
    "likeness": _likeness,
    "weighted_likeness": _weighted_likeness,
    "least_where": _least_where,
}
