"""Recording what came of planned visits: into the lake, where features and the value rule see it, and into the store.

The lake goes first. Its rows bear ids made from the visit's, so whoever is killed between the two records once more and
nothing is there twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from features.account import RowAccount
from features.clock import known_at
from features.enterprise.schema import ENTERPRISES, HAZARDS, INSPECTIONS
from features.errors import BadInput, Conflict, NotFound
from features.lake import Lake
from features.schema import ENTERPRISE, EVENT_TIME, RECORDED_AT, TableContract
from serving.inspection.outcomes import Hazard, Loop, Outcome, loop
from serving.plans.store import PlannedVisit, PlanStore

SOURCE = "visits"
VISITOR = "insurer"
# An inspector may come sooner than planned, but not weeks before anybody thought of it: that is another year, or another visit.
SOONEST_DAYS = 7


@dataclass(frozen=True)
class Recorded:
    """What was recorded: visits, findings, and how many of the visits were recorded before, word for word."""

    visits: int
    findings: int
    before: int


def record(lake: Lake, plans: PlanStore, given: Sequence[Outcome], now: datetime, *, correct: bool = False) -> Recorded:
    """Record outcomes of planned visits, all of them or none; what is recorded already, word for word, stays as it is.

    correct: another outcome of a recorded visit replaces it. Raises NotFound for a visit that no plan holds, Conflict for one
    that is recorded otherwise, BadInput for one told twice, long before it was planned for, or one that the lake refuses.
    """
    new: list[tuple[Outcome, PlannedVisit]] = []
    seen: set[str] = set()
    for one in given:
        where = f"visit {one.visit_id}"
        if one.visit_id in seen:
            raise BadInput("told twice", where=where, mend="tell each visit once")
        seen.add(one.visit_id)
        planned = plans.planned(one.visit_id)
        if planned.starts - one.at > timedelta(days=SOONEST_DAYS):
            what = f"took place on {one.at:%Y-%m-%d}, planned for {planned.starts:%Y-%m-%d}"
            mend = f"correct the moment: at most {SOONEST_DAYS} days before the visit was planned for"
            raise BadInput(what, where=f"{where}, at", mend=mend)
        told = plans.outcomes(one.visit_id)
        if told and _same(one, told[-1]):
            continue
        if told and not correct:
            mend = "say --correct where the record was wrong"
            raise Conflict(f"recorded as {told[-1].outcome} by {told[-1].by}", where=where, mend=mend)
        if told and told[-1].at != one.at:
            raise Conflict(f"took place at {told[-1].at.isoformat()}", where=where, mend="a correction keeps that moment")
        if told and len(told[-1].findings) > len(one.findings):
            mend = "keep each finding; one that was none is rectified the same day"
            raise Conflict("a finding that was recorded is gone", where=where, mend=mend)
        new.append((one, planned))
    if new:
        hazards = [row for one, planned in new for row in _hazards(one, planned, now, _known(lake, planned.enterprise_id, now))]
        if hazards:
            _taken(lake.append_rows(HAZARDS, pa.Table.from_pylist(hazards, HAZARDS.arrow), now, SOURCE), HAZARDS)
        rows = [_inspection(one, planned, now) for one, planned in new]
        _taken(lake.append_rows(INSPECTIONS, pa.Table.from_pylist(rows, INSPECTIONS.arrow), now, SOURCE), INSPECTIONS)
        plans.add_outcomes([one for one, _ in new], now)
    return Recorded(len(new), sum(len(one.findings) for one, _ in new), len(given) - len(new))


def rectify(
    lake: Lake, enterprise_id: str, hazard_id: str, now: datetime, *, rectified: datetime | None, verified: datetime | None
) -> dict[str, Any]:
    """Record that a hazard was rectified or verified: a new version of its row, which it returns.

    Raises NotFound for an unknown hazard, BadInput where the times are out of order or lie ahead, Conflict where it was before.
    """
    where, row = f"hazard {hazard_id}", _known(lake, enterprise_id, now).get(hazard_id)
    if row is None:
        mend = "`forewarn visits loop` lists the open ones"
        raise NotFound(f"enterprise {enterprise_id} has no such hazard", where=where, mend=mend)
    for name, moment in (("rectified", rectified), ("verified", verified)):
        if moment is None:
            continue
        if row[name] is not None:
            raise Conflict(f"{name} on {row[name]:%Y-%m-%d} already", where=where, mend="nothing is to be done")
        if not row[EVENT_TIME] <= moment <= now:
            mend = f"give a moment from {row[EVENT_TIME]:%Y-%m-%d} to now"
            raise BadInput(f"{moment.isoformat()} is before it was found or lies ahead", where=f"{where}, {name}", mend=mend)
        row[name] = moment
    if row["verified"] is not None and (row["rectified"] is None or row["verified"] < row["rectified"]):
        raise BadInput("verified before it was rectified", where=where, mend="record when it was rectified first")
    row[RECORDED_AT] = now
    _taken(lake.append_rows(HAZARDS, pa.Table.from_pylist([row], HAZARDS.arrow), now, SOURCE), HAZARDS)
    return row


def must_know(lake: Lake, enterprise_id: str) -> None:
    """Raises NotFound for an enterprise that the lake does not know."""
    rows = lake.read(ENTERPRISES.name, machine_ids=[enterprise_id])
    if not rows.filter(pc.field(ENTERPRISE) == enterprise_id).num_rows:
        mend = "import its row in the enterprises table first"
        raise NotFound(f"no enterprise {enterprise_id}", where="the lake", mend=mend)


def rectification(lake: Lake, as_of: datetime, enterprise_id: str | None = None, *, found_by: str | None = None) -> Loop:
    """The loop of rectification as it was known at a moment, of one enterprise or of all."""
    known = _hazards_at(lake, as_of, enterprise_id)
    if found_by is not None:
        known = known.filter(pc.field("found_by") == found_by)
    columns = [known.column(name).to_pylist() for name in (EVENT_TIME, "due", "rectified", "verified")]
    return loop((Hazard(*one) for one in zip(*columns, strict=True)), as_of)


def hazard_ids(visit_id: str, count: int) -> list[str]:
    """The ids that the lake gives to what a visit found."""
    return [f"{visit_id}/{number}" for number in range(1, count + 1)]


def open_hazards(lake: Lake, as_of: datetime, enterprise_id: str | None = None) -> list[dict[str, Any]]:
    """Hazards that are not rectified, the longest overdue first: enterprise_id, hazard_id, grade, kind, event_time, due."""
    known = _hazards_at(lake, as_of, enterprise_id)
    known = known.filter(pc.is_null(pc.field("rectified")))
    names = [ENTERPRISE, "hazard_id", "grade", "kind", EVENT_TIME, "due"]
    rows: list[dict[str, Any]] = known.select(names).sort_by([("due", "ascending"), ("hazard_id", "ascending")]).to_pylist()
    return rows


def _known(lake: Lake, enterprise_id: str, now: datetime) -> dict[str, dict[str, Any]]:
    """The hazards of an enterprise as they are known, by id."""
    return {str(row["hazard_id"]): row for row in _hazards_at(lake, now, enterprise_id).to_pylist()}


def _hazards_at(lake: Lake, as_of: datetime, enterprise_id: str | None) -> pa.Table:
    rows = lake.read(HAZARDS.name, machine_ids=None if enterprise_id is None else [enterprise_id])
    if enterprise_id is not None:
        rows = rows.filter(pc.field(ENTERPRISE) == enterprise_id)
    return known_at(rows, HAZARDS, as_of)


def _inspection(one: Outcome, planned: PlannedVisit, now: datetime) -> dict[str, Any]:
    refused = one.outcome == "refused"
    return {
        ENTERPRISE: planned.enterprise_id, EVENT_TIME: one.at, RECORDED_AT: now, "visit_id": one.visit_id,
        "site_id": planned.site_id, "visitor": VISITOR, "mode": planned.mode, "outcome": one.outcome,
        "findings": None if refused else float(len(one.findings)), "hours": one.hours, "by_lot": planned.by_lot,
    }  # fmt: skip


def _hazards(one: Outcome, planned: PlannedVisit, now: datetime, known: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of what a visit found; what was rectified of it meanwhile stays rectified when the record is corrected."""
    ids = hazard_ids(one.visit_id, len(one.findings))
    return [
        {
            ENTERPRISE: planned.enterprise_id, EVENT_TIME: one.at, RECORDED_AT: now, "hazard_id": hazard_id,
            "site_id": planned.site_id, "found_by": VISITOR, "grade": found.grade, "kind": found.kind,
            # The whole of its last day is left to rectify it.
            "due": datetime.combine(found.due + timedelta(days=1), time(), UTC) - timedelta(seconds=1),
            "rectified": known.get(hazard_id, {}).get("rectified"), "verified": known.get(hazard_id, {}).get("verified"),
            "supervised": found.supervised, "repeated": None,
        }
        for hazard_id, found in zip(ids, one.findings, strict=True)
    ]  # fmt: skip


def _same(one: Outcome, told: Any) -> bool:
    findings = [finding.document() for finding in one.findings]
    return {**vars(one), "findings": findings} == {name: getattr(told, name) for name in vars(one)}


def _taken(account: RowAccount, contract: TableContract) -> None:
    if account.total.quarantined:
        mend = "`forewarn lake quarantine` says what is wrong; then record it once more"
        raise BadInput(f"the lake refused {account.total.quarantined} rows", where=contract.name, mend=mend)
