"""The rows that a fact of the lake rests on: of its table those known at the moment that the fact counts, by id and date."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from features.clock import known_at
from features.enterprise.schema import ENTERPRISE_TABLES
from features.schema import EVENT_TIME, RECORDED_AT
from features.view import View
from serving.underwriting.facts import VOCABULARY, Fact, Facts

Row = Mapping[str, Any]
Counts = Callable[[Row, datetime], bool]
_YEAR = timedelta(days=365)
_SIZES = ("headcount", "payroll", "project_cost", "revenue", "insured_value", "hours_worked")
_TABLES: Mapping[str, str] = {
    "industry": "enterprises", "process": "enterprises", "region": "enterprises", "founded": "enterprises",
    "record_years": "enterprises", **dict.fromkeys(_SIZES, "exposures"),
    **dict.fromkeys((name for name in VOCABULARY if name.startswith("accident")), "accidents"), "clean_years": "accidents",
    "claims_3y": "claims", "incurred_3y": "claims", "standardisation": "standardisation",
    **dict.fromkeys(("rectification_rate", "overdue_hazards", "overdue_major_hazards", "supervised_open"), "hazards"),
    "self_reports_1y": "hazards", "credit": "credit", "blacklisted": "credit", "permits_withdrawn": "permits",
    "violations_1y": "violations", "refused_visits_1y": "inspections", "training_coverage": "trainings",
    "certificate_coverage": "certificates", "drills_1y": "drills", "services_1y": "services",
    "subcontracting_depth": "subcontracting",
}  # fmt: skip
_SOME = 5  # rows that an evidence names


def _of_basis(basis: str) -> Counts:
    return lambda row, as_of: bool(row["basis"] == basis)


def _last(years: int) -> Counts:
    return lambda row, as_of: _within(row, as_of, years)


def _within(row: Row, as_of: datetime, years: int) -> bool:
    return bool(row[EVENT_TIME] > as_of - years * _YEAR)


def _open(row: Row, as_of: datetime) -> bool:
    return row["rectified"] is None or bool(row["rectified"] > as_of)


def _overdue(row: Row, as_of: datetime) -> bool:
    return row["due"] is not None and bool(row["due"] < as_of) and _open(row, as_of)


_ROWS: Mapping[str, Counts] = {
    **{name: _last(1) for name in VOCABULARY if name.endswith("_1y")},
    **{name: _last(3) for name in VOCABULARY if name.endswith("_3y")},
    **{name: _of_basis(name) for name in _SIZES},
    "training_coverage": _last(1),
    "accident_rate_change_1y": _last(2),
    "accident_rate_change_2y": _last(3),
    "rectification_rate": lambda row, at: row["found_by"] != "self" and _within(row, at, 1),
    "self_reports_1y": lambda row, at: row["found_by"] == "self" and _within(row, at, 1),
    "overdue_hazards": _overdue,
    "overdue_major_hazards": lambda row, at: row["grade"] == "major" and _overdue(row, at),
    "supervised_open": lambda row, at: row["supervised"] and _open(row, at),
    "refused_visits_1y": lambda row, at: row["outcome"] == "refused" and _within(row, at, 1),
    "permits_withdrawn": lambda row, at: row["state"] in ("suspended", "revoked"),
}


def with_evidence(facts: Facts, view: View, enterprise_id: str, as_of: datetime) -> Facts:
    """The same facts, each with its rows that were known: the latest ones by id and time of recording, and how many more."""
    known = _Known(view, enterprise_id, as_of)
    return Facts(facts.as_of, facts.currency, {name: Fact(name, one.value, known.said(name)) for name, one in facts.items()})


class _Known:
    """The rows of one enterprise that were known at a moment, table by table."""

    def __init__(self, view: View, enterprise_id: str, as_of: datetime) -> None:
        self._view, self._id, self._as_of = view, enterprise_id, as_of.astimezone(UTC)
        self._rows: dict[str, list[Row]] = {}

    def said(self, name: str) -> str:
        """The evidence of a fact."""
        table = _TABLES.get(name)
        if table is None:
            return ""
        rows = self._of(name, table)
        if name == "headcount" and not rows:
            # As the fact itself: else the people whom the policy names, else the hours worked.
            table, rows = "policies", [row for row in self._known("policies") if row["headcount"] is not None]
            if not rows:
                table, rows = "exposures", self._of("hours_worked", "exposures")
        if not rows:
            others = len(self._known(table))
            none = f"no such row among {others}" if others else "no rows"
            return f"{table}: {none} known by {self._as_of:%Y-%m-%d}"
        latest = rows[: -_SOME - 1 : -1]
        more = f" and {len(rows) - len(latest)} earlier" if len(rows) > len(latest) else ""
        return f"{table}: {'; '.join(_told(table, row) for row in latest)}{more}"

    def _of(self, name: str, table: str) -> list[Row]:
        counts = _ROWS.get(name)
        return [row for row in self._known(table) if counts is None or counts(row, self._as_of)]

    def _known(self, table: str) -> list[Row]:
        if table not in self._rows:
            rows = self._view.read(table, machine_ids=[self._id])
            self._rows[table] = known_at(rows, ENTERPRISE_TABLES[table], self._as_of, ordered=True).to_pylist()
        return self._rows[table]


def _told(table: str, row: Row) -> str:
    key = ENTERPRISE_TABLES[table].own_key
    own = row[key[0]] if key else row[EVENT_TIME]
    name = f"{own:%Y-%m-%d}" if isinstance(own, datetime) else str(own)
    return f"{name} of {row[EVENT_TIME]:%Y-%m-%d}, recorded {row[RECORDED_AT]:%Y-%m-%d}"
