"""The enterprise tables as numbers: what a feature may name as its column, and the groups whose newest row counts.

Marks are 1 and 0; a mark of a missing text is 0. Moments are microseconds. Money stays in the enterprise's own currency.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.clock import micros, times
from features.enterprise.grades import rules
from features.enterprise.kernel import DAY
from features.enterprise.published import CASE_RATES, INDUSTRY_RATES, MACHINE_RISK
from features.enterprise.schema import ENTERPRISE_TABLES
from features.enterprise.vocabulary import CAUSE_GROUPS, CURRENCY, EXPOSURE_BASES, HIGH_RISK, INDUSTRY_CODES
from features.schema import EVENT_TIME, TIME, TableContract

Floats = npt.NDArray[np.float64]
Reader = Callable[[pa.Table], Floats]
YEAR_DAYS = 365.25
# Incidence rates of the BLS and OSHA are per 200,000 h, 100 workers of 40 h a week and 50 weeks: a worker-year is 2,000 h.
HOURS_PER_WORKER_YEAR = 2000.0


@dataclass(frozen=True)
class Layout:
    """How a table becomes a Series: its contract, its columns in order, and what rows of a group have in common."""

    contract: TableContract
    columns: Mapping[str, Reader] = field(default_factory=dict)
    group: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        return list(self.columns)


def number(name: str) -> Reader:
    """A number, NaN missing; a flag as 1 and 0."""

    def read(table: pa.Table) -> Floats:
        return np.array(table.column(name).cast(pa.float64()).to_numpy(), dtype=np.float64)

    return read


def moment(name: str) -> Reader:
    """A time in microseconds, NaN missing."""

    def read(table: pa.Table) -> Floats:
        return np.array(table.column(name).cast(pa.int64()).cast(pa.float64()).to_numpy(), dtype=np.float64)

    return read


def is_any(name: str, *codes: str) -> Reader:
    """1 where a text is one of the codes."""

    def read(table: pa.Table) -> Floats:
        return np.array(pc.is_in(table.column(name), value_set=pa.array(codes, pa.string())), dtype=np.float64)

    return read


def place(name: str, *codes: str) -> Reader:
    """The place of a text among the codes, NaN for another one."""

    def read(table: pa.Table) -> Floats:
        found = pc.index_in(table.column(name), value_set=pa.array(codes, pa.string()))
        return np.array(found.cast(pa.float64()).to_numpy(), dtype=np.float64)

    return read


def both(one: Reader, other: Reader) -> Reader:
    """1 where both marks are set."""
    return lambda table: _mark(one(table)) * _mark(other(table))


def no(one: Reader) -> Reader:
    """1 where a mark is not set."""
    return lambda table: 1.0 - _mark(one(table))


def above(one: Reader, limit: float) -> Reader:
    """1 where a number is above the limit."""
    return lambda table: (one(table) > limit).astype(np.float64)


def between(one: str, other: str) -> Reader:
    """Days from one moment to another."""
    return lambda table: np.asarray((moment(other)(table) - moment(one)(table)) / DAY)


def per_year(amount: Reader) -> Reader:
    """An amount of a period, as much as it would be in a year."""

    def read(table: pa.Table) -> Floats:
        years = between("starts", EVENT_TIME)(table) / YEAR_DAYS
        return np.asarray(amount(table) / np.where(years > 0.0, years, np.nan))

    return read


def _mark(values: npt.NDArray[Any]) -> Floats:
    return (values > 0.0).astype(np.float64)


def _worker_years(table: pa.Table) -> Floats:
    """Of hours worked, and of people over a period; NaN of other bases."""
    amount, length = number("amount")(table), between("starts", EVENT_TIME)(table)
    hours, people = is_any("basis", "hours_worked")(table), is_any("basis", "headcount")(table)
    found = np.where(hours > 0, amount / HOURS_PER_WORKER_YEAR, np.nan)
    return np.where(people > 0, amount * (length / YEAR_DAYS), found)


def _other_currency(table: pa.Table) -> Floats:
    named = pc.fill_null(table.column("currency"), CURRENCY)
    return np.array(pc.not_equal(named, CURRENCY), dtype=np.float64)


def _loss_known(table: pa.Table) -> Floats:
    return (~np.isnan(number("direct_loss")(table))).astype(np.float64)


def _graver(than: int) -> Reader:
    """1 for an accident of a grade above this one (0: the lightest), by the rule in force when it happened."""

    def read(table: pa.Table) -> Floats:
        day = times(table, EVENT_TIME)
        grave = [number(name)(table) for name in ("deaths", "injuries", "direct_loss")]
        found = np.zeros(table.num_rows)
        *later, first = rules()
        for rule in (first, *reversed(later)):
            start = micros(datetime.combine(rule.effective, time(), UTC))
            found = np.where((day >= start) | (rule is first), (rule.of(*grave) > than).astype(np.float64), found)
        return found

    return read


_EXTERNAL = is_any("found_by", "insurer", "authority", "third_party")
_SELF = is_any("found_by", "self")
# Bases that tell of no workers, and the unit of their amount.
EXPOSURE_AMOUNTS = {basis: unit for basis, unit in EXPOSURE_BASES.items() if basis not in ("hours_worked", "headcount")}

_COLUMNS: dict[str, dict[str, Reader]] = {
    "enterprises": {
        "industry": place("industry", *INDUSTRY_CODES),
        "high_risk": is_any("industry", *sorted(HIGH_RISK)),
        "founded": moment("founded"),
        "other_currency": _other_currency,
    },
    "sites": {"major_hazard": number("major_hazard")},
    "exposures": {
        "starts": moment("starts"),
        "amount": number("amount"),
        "amount_per_year": per_year(number("amount")),
        "worker_years": _worker_years,
        "worker_years_per_year": per_year(_worker_years),
        "hours": is_any("basis", "hours_worked"),
        "headcount": is_any("basis", "headcount"),
        **{basis: is_any("basis", basis) for basis in EXPOSURE_AMOUNTS},
    },
    "hazards": {
        "due": moment("due"),
        "rectified": moment("rectified"),
        "days_to_rectify": between(EVENT_TIME, "rectified"),
        "done": lambda table: (~np.isnan(moment("rectified")(table))).astype(np.float64),
        "verified": lambda table: (~np.isnan(moment("verified")(table))).astype(np.float64),
        "late": lambda table: (moment("rectified")(table) > moment("due")(table)).astype(np.float64),
        "supervised": number("supervised"),
        "repeated": number("repeated"),
        "external": _EXTERNAL,
        "own": _SELF,
        "own_major": both(_SELF, is_any("grade", "major")),
        "own_repeated": both(_SELF, number("repeated")),
        "external_major": both(_EXTERNAL, is_any("grade", "major")),
        "external_repeated": both(_EXTERNAL, number("repeated")),
        "external_supervised": both(_EXTERNAL, number("supervised")),
        "authority": is_any("found_by", "authority"),
        **{f"external_{group}": both(_EXTERNAL, is_any("kind", *codes)) for group, codes in CAUSE_GROUPS.items()},
    },
    "inspections": {
        "done": is_any("outcome", "done"),
        "partial": is_any("outcome", "partial"),
        "refused": is_any("outcome", "refused"),
        "entered": is_any("outcome", "done", "partial"),
        "entered_by_lot": both(is_any("outcome", "done", "partial"), number("by_lot")),
        "unannounced": is_any("mode", "unannounced"),
        "remote": is_any("mode", "remote"),
        "findings": number("findings"),
        "hours": number("hours"),
    },
    "violations": {"penalty": number("penalty")},
    "permits": {
        "granted": is_any("state", "granted"),
        "withdrawn": is_any("state", "suspended", "revoked"),
        "expired": is_any("state", "expired"),
        "expires": moment("expires"),
    },
    "credit": {
        "rating": place("rating", "AA", "A", "B", "C", "bad"),
        "blacklisted": number("blacklisted"),
        "repaired": number("repaired"),
    },
    "standardisation": {"level": place("level", "none", "3", "2", "1")},
    "trainings": {"attended": number("attended"), "required": number("required")},
    "certificates": {"held": number("held"), "required": number("required")},
    "drills": {"people": number("people")},
    "spending": {"starts": moment("starts"), "amount": number("amount")},
    "subcontracting": {"depth": number("depth"), "share": number("share")},
    "services": {"hours": number("hours")},
    "accidents": {
        "deaths": number("deaths"),
        "injuries": number("injuries"),
        "direct_loss": number("direct_loss"),
        "loss_known": _loss_known,
        "fatal": above(number("deaths"), 0.0),
        "larger": _graver(0),
        "major": _graver(1),
        **{group: is_any("cause", *codes) for group, codes in CAUSE_GROUPS.items()},
    },
    "policies": {
        "ends": moment("ends"), "headcount": number("headcount"), "limit_per_person": number("limit_per_person"),
    },
    "claims": {"paid": number("paid"), "reserved": number("reserved")},
}  # fmt: skip
_GROUPS = {
    "sites": ("site_id",),
    "permits": ("permit_id",),
    "certificates": ("kind",),
    "policies": ("policy_id",),
    "claims": ("claim_id",),
    "hazards": (EVENT_TIME, "site_id", "kind", "due"),
}

LAYOUTS: dict[str, Layout] = {
    name: Layout(ENTERPRISE_TABLES[name], columns, _GROUPS.get(name, ())) for name, columns in _COLUMNS.items()
}


def published(contract: TableContract) -> Layout:
    """A published table: its numbers and moments by their own names."""
    readers = {column.name: (moment if column.type == TIME else number)(column.name) for column in contract.own}
    return Layout(contract, readers)


# Published tables of enterprises, and of groups of them.
LAYOUTS[MACHINE_RISK.name] = published(MACHINE_RISK)
GROUP_LAYOUTS: dict[str, Layout] = {one.name: published(one) for one in (INDUSTRY_RATES, CASE_RATES)}
