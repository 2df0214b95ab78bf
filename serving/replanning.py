"""A stored plan replanned in the middle of its week: alarms come in, people drop out, what has begun stays."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from features.errors import BadInput, NotFound
from serving.inspection.model import DAY, Costs, Inspector, Minutes, Mode, Plan, Problem, Reason, Tier, Visit, Wanted, Window
from serving.inspection.replan import Change, Kind, Replanned, replan
from serving.inspection.rules import Rules
from serving.inspection.travel import great_circle
from serving.plan_store import PlannedVisit, StoredPlan

Ways = Mapping[tuple[str, str], int]
_KINDS_ZH = {
    Kind.ADDED: "新增", Kind.MOVED: "改时间", Kind.GIVEN: "改由他人检查", Kind.DROPPED: "取消", Kind.UNPLANNED: "未能安排",
}  # fmt: skip
_REASONS_ZH = {
    "alarm": "预警", "gave way": "让位于", "pushed back": "顺延，因",
    "nobody with the skills, the region and the time is left today": "今日无具备资质、区域和时间的人员",
}  # fmt: skip


def problem_of(plan: StoredPlan, ways: Ways | None = None) -> Problem:
    """The problem that a stored plan answers. ways: minutes from id to id where the plan was made with a table of them."""
    told = plan.document["problem"]
    inspectors = tuple(_inspector(one) for one in told["inspectors"])
    wanted = tuple(_wanted(one) for one in told["wanted"])
    return Problem(inspectors, wanted, _travel(plan, inspectors, wanted, ways or {}), Costs(**told["costs"]))


def plan_of(plan: StoredPlan) -> Plan:
    """A stored plan's visits in minutes of its week."""
    visits = tuple(
        Visit(one["inspector_id"], minute_of(plan, one["starts"]), minute_of(plan, one["ends"]), one["visit_id"])
        for one in plan.document["visits"]
    )
    return Plan(tuple(sorted(visits)), tuple(one["visit_id"] for one in plan.document["left_out"]))


def minute_of(plan: StoredPlan, moment: str | datetime) -> int:
    """The minute of the plan's week of a moment, by the clock on its wall."""
    at = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    local = at.astimezone(ZoneInfo(plan.document["zone"])).replace(tzinfo=None)
    return int((local - datetime.combine(plan.week, time())) // timedelta(minutes=1))


def replanned(
    plan: StoredPlan, at: datetime, alarms: Sequence[str] = (), absent: Collection[str] = (), ways: Ways | None = None
) -> tuple[dict[str, Any], list[PlannedVisit], Replanned]:
    """A stored plan from a moment on -> the new plan's document and visits, and what changed.

    alarms: ENTERPRISE/SITE. absent: inspectors who drop out for the rest of the day. Raises NotFound for a site or inspector
    that the plan does not know, BadInput for a moment outside its week or when nothing is asked for.
    """
    now = minute_of(plan, at)
    if not 0 <= now < 7 * DAY:
        raise BadInput(f"{at.isoformat()} is not in the week of {plan.week}", where="--at", mend="name a moment of the week")
    if not alarms and not absent:
        raise BadInput("nothing has happened", where="replan", mend="name an alarm, or an inspector who drops out")
    problem = problem_of(plan, ways)
    people = {one.inspector_id for one in problem.inspectors}
    for name in absent:
        if name not in people:
            raise NotFound(f"no inspector {name} in this plan", where="--absent", mend=f"known are {', '.join(sorted(people))}")
    found = replan(problem, plan_of(plan), now, [_alarm(problem, site) for site in dict.fromkeys(alarms)], absent)
    return _document(plan, at, found), _visits(plan, found), found


def _alarm(problem: Problem, site: str) -> Wanted:
    """The visit of a site, worth more than any: only minima, follow-ups, draws and pins come before it."""
    one = next((one for one in problem.wanted if one.site_id == site), None)
    if one is None:
        raise NotFound(f"no site {site} in this plan", where="--alarm", mend="name it as ENTERPRISE/SITE")
    most = max(other.value for other in problem.wanted)
    return replace(one, value=most + max(most, 1.0), reason=Reason.TARGETED, pinned=None, inspectors=None)


def _document(plan: StoredPlan, at: datetime, found: Replanned) -> dict[str, Any]:
    """The old document with the visits as they are now. A visit keeps its value, reason and checklist."""
    old = plan.document
    before = {one["visit_id"]: one for one in (*old["visits"], *old["left_out"])}
    zone, monday = ZoneInfo(old["zone"]), datetime.combine(plan.week, time())
    wanted = {one.visit_id: one for one in found.problem.wanted}
    names = {one.visit_id: one for one in problem_sites(old)}

    def moment(minute: int) -> str:
        return (monday + timedelta(minutes=minute)).replace(tzinfo=zone).isoformat()

    visits: list[dict[str, Any]] = []
    last: Visit | None = None
    for one in found.plan.visits:
        same = last is not None and (last.inspector_id, last.day) == (one.inspector_id, one.day)
        told, own = before[one.visit_id], wanted[one.visit_id]
        visits.append(
            {
                "by_lot": False, "pinned": False, "checklist": [], "region": own.region, "skills": sorted(own.skills),
                "mode": own.mode.value, **told, "inspector_id": one.inspector_id, "starts": moment(one.start),
                "ends": moment(one.end), "minutes": one.end - one.start,
                "after": last.visit_id if last is not None and same else None,
            }
        )  # fmt: skip
        last = one
    left = [{**before[one], "able": before[one].get("able", 1)} for one in found.plan.left_out]
    counts = {reason.value: sum(one["reason"] == reason.value for one in visits) for reason in Reason}
    changes = [_change(one, names, moment) for one in found.changes]
    return {
        **old, "visits": visits, "left_out": left, "counts": counts, "bound": None,
        "averted": sum(one["value"] for one in visits),
        "travel_minutes": _travelled(found.problem, found.plan), "replanned_at": at.isoformat(), "parent": plan.plan_id,
        "changes": changes,
    }  # fmt: skip


def problem_sites(document: Mapping[str, Any]) -> list[Wanted]:
    """The visits that a plan's document knows of."""
    return [_wanted(one) for one in document["problem"]["wanted"]]


def _change(one: Change, names: Mapping[str, Wanted], moment: Any) -> dict[str, Any]:
    def told(visit: Visit | None) -> dict[str, str] | None:
        return None if visit is None else {"inspector_id": visit.inspector_id, "starts": moment(visit.start)}

    sake = names[one.sake].site_id if one.sake else ""
    zh = _REASONS_ZH.get(one.reason, one.reason.replace("inspector ", "检查员 ").replace(" dropped out", " 缺勤"))
    return {
        "kind": one.kind.value, "kind_zh": _KINDS_ZH[one.kind], "visit_id": one.visit_id, "site": names[one.visit_id].site_id,
        "before": told(one.before), "after": told(one.after), "reason_en": f"{one.reason}{f' to {sake}' if sake else ''}",
        "reason_zh": f"{zh}{f' {sake}' if sake else ''}",
    }  # fmt: skip


def _visits(plan: StoredPlan, found: Replanned) -> list[PlannedVisit]:
    known = {one["visit_id"]: one for one in (*plan.document["visits"], *plan.document["left_out"])}
    zone, monday = ZoneInfo(plan.document["zone"]), datetime.combine(plan.week, time())
    wanted = {one.visit_id: one for one in found.problem.wanted}
    return [
        PlannedVisit(
            one.visit_id, known[one.visit_id]["enterprise_id"], known[one.visit_id]["site_id"], one.inspector_id,
            (monday + timedelta(minutes=one.start)).replace(tzinfo=zone), one.end - one.start, wanted[one.visit_id].mode.value,
            known[one.visit_id]["reason"], bool(known[one.visit_id].get("by_lot", False)),
        )
        for one in found.plan.visits
    ]  # fmt: skip


def _travelled(problem: Problem, plan: Plan) -> int:
    from serving.inspection.shortage import travel_minutes

    return travel_minutes(problem, plan.visits, {one.visit_id: one for one in problem.wanted})[0]


def _travel(plan: StoredPlan, people: Sequence[Inspector], wanted: Sequence[Wanted], ways: Ways) -> Minutes:
    rules = Rules.model_validate(plan.document["rules"])
    where = np.array(plan.document["problem"]["places"], dtype=np.float64).reshape(-1, 2)
    travel: Minutes = great_circle(where[:, 0], where[:, 1], speed_kmh=rules.travel.speed_kmh, factor=rules.travel.factor)
    place = {one.inspector_id: one.place for one in people} | {one.site_id: one.place for one in wanted}
    for (start, end), minutes in ways.items():
        if start in place and end in place:
            travel[place[start], place[end]] = minutes
    return travel


def _inspector(told: Mapping[str, Any]) -> Inspector:
    shifts = tuple(_window(one) for one in told["shifts"])
    sets = {name: frozenset(told[name]) for name in ("skills", "regions")}
    return Inspector(**{**told, "shifts": shifts, **sets})


def _wanted(told: Mapping[str, Any]) -> Wanted:
    own = {
        "windows": tuple(_window(one) for one in told["windows"]), "tier": Tier(told["tier"]), "reason": Reason(told["reason"]),
        "mode": Mode(told["mode"]), "skills": frozenset(told["skills"]),
        "pinned": None if told["pinned"] is None else (told["pinned"][0], told["pinned"][1]),
        "inspectors": None if told["inspectors"] is None else frozenset(told["inspectors"]),
    }  # fmt: skip
    return Wanted(**{**told, **own})


def _window(told: Mapping[str, int]) -> Window:
    return Window(told["start"], told["end"])
