"""A stored plan replanned in the middle of its week: alarms come in, people drop out, what has begun stays."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from features.errors import BadInput, NotFound
from serving.inspection.checklist import Item
from serving.inspection.model import DAY, Costs, Inspector, Minutes, Mode, Plan, Problem, Reason, Tier, Visit, Wanted, Window
from serving.inspection.replan import Change, Kind, Replanned, replan
from serving.inspection.rules import Rules
from serving.inspection.shortage import shortage, travel_minutes, ways_to
from serving.inspection.travel import great_circle
from serving.inspection.value import still_there
from serving.plans.document import problem_document
from serving.plans.store import PlannedVisit, StoredPlan
from serving.scoring import new_score_id

Ways = Mapping[tuple[str, str], int]
Key = tuple[str, str]  # enterprise, site
Checklists = Callable[[Collection[Key], datetime], Mapping[Key, tuple[Item, ...]]]  # of sites, as known at a moment
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
    plan: StoredPlan,
    at: datetime,
    alarms: Sequence[str] = (),
    absent: Collection[str] = (),
    ways: Ways | None = None,
    checklists: Checklists | None = None,
) -> tuple[dict[str, Any], list[PlannedVisit], Replanned]:
    """A stored plan from a moment on -> the new plan's document and visits, and what changed.

    alarms: ENTERPRISE/SITE; a site that was visited in this week already is visited once more. absent: inspectors who drop out
    for the rest of the day, beside those of earlier replans of that day. checklists: of visits that the plan had left out.
    Raises NotFound for a site or inspector that the plan does not know, BadInput for a moment outside its week, when nothing is
    asked for, or without the table of ways that the plan was made with.
    """
    now = minute_of(plan, at)
    if not 0 <= now < 7 * DAY:
        raise BadInput(f"{at.isoformat()} is not in the week of {plan.week}", where="--at", mend="name a moment of the week")
    if not alarms and not absent:
        raise BadInput("nothing has happened", where="replan", mend="name an alarm, or an inspector who drops out")
    if plan.document.get("ways") and not ways:
        raise BadInput("this plan was made with a table of ways", where="--travel", mend="give that table")
    problem, before = problem_of(plan, ways), plan_of(plan)
    people = {one.inspector_id for one in problem.inspectors}
    for name in absent:
        if name not in people:
            raise NotFound(f"no inspector {name} in this plan", where="--absent", mend=f"known are {', '.join(sorted(people))}")
    out = [*plan.document.get("absent", ()), *([name, now // DAY] for name in sorted(set(absent)))]
    urgent = _Urgent(plan, problem, before, now)
    for site in dict.fromkeys(alarms):
        urgent.alarm(site)
    found = replan(urgent.weighed(), before, now, urgent.alarms, {name for name, day in out if day == now // DAY})
    found = replace(found, problem=urgent.unweighed(found.problem))
    told = _document(plan, at, found, urgent.told, checklists)
    told |= {"absent": out, "alarms": sorted(urgent.ids), "notes": [*told["notes"], *urgent.notes]}
    return told, _visits(plan, found, urgent.told), found


class _Urgent:
    """Alarms of this replan and of those before: worth more than any other visit, so that only what is owed comes before them.

    told: what the plan's document says of each visit; notes: alarms that change nothing, and why.
    """

    def __init__(self, plan: StoredPlan, problem: Problem, before: Plan, now: int) -> None:
        self._problem, self._now, self._monday = problem, now, plan.week
        self._rules = Rules.model_validate(plan.document["rules"])
        self._planned = {one.visit_id: one for one in before.visits}
        self._value = {one.visit_id: one.value for one in problem.wanted}
        self.told = {one["visit_id"]: dict(one) for one in (*plan.document["visits"], *plan.document["left_out"])}
        self.ids = set(plan.document.get("alarms", ()))
        most = max((one.value for one in problem.wanted), default=0.0)
        self._most = most + max(most, 1.0)
        self.alarms: list[Wanted] = []
        self.notes: list[str] = []

    def alarm(self, site: str) -> None:
        """The visit of a site, or one more where it was visited; none where somebody is there or comes today anyway."""
        some = [one for one in self._problem.wanted if one.site_id == site]
        if not some:
            raise NotFound(f"no site {site} in this plan", where="--alarm", mend="name it as ENTERPRISE/SITE")
        one = some[-1]
        visit = self._planned.get(one.visit_id)
        if visit is not None and visit.end <= self._now:
            one = self._again(one, visit)
        elif visit is not None and visit.day == self._now // DAY:
            when = f"{datetime.combine(self._monday, time()) + timedelta(minutes=visit.start):%m-%d %H:%M}"
            self.notes.append(f"alarm at {site}: its visit of {when} stands / 预警 {site}：{when} 的检查不变")
            return
        else:
            self.told[one.visit_id]["pinned"] = False
        self.ids.add(one.visit_id)
        self.alarms.append(replace(one, value=self._most, reason=Reason.TARGETED, pinned=None, inspectors=None))

    def _again(self, one: Wanted, visit: Visit) -> Wanted:
        """One more visit, worth what the one before has left to avert."""
        mode = one.mode if one.mode == Mode.REMOTE else Mode.ON_SITE
        left = 1.0 - still_there(self._rules, [(self._now - visit.end) / DAY])
        again = replace(one, visit_id=new_score_id("v_"), value=one.value * left, tier=Tier.VALUE, mode=mode)
        self._value[again.visit_id] = again.value
        self.told[again.visit_id] = {
            **self.told[one.visit_id], "visit_id": again.visit_id, "value": again.value, "mode": mode.value,
            "reason": Reason.TARGETED.value, "by_lot": False, "pinned": False, "checklist": [], "why_en": "alarm",
            "why_zh": "预警", "overdue_days": 0.0,
        }  # fmt: skip
        return again

    def weighed(self) -> Problem:
        """The problem with earlier alarms as urgent as new ones."""
        wanted = (replace(one, value=self._most) if one.visit_id in self.ids else one for one in self._problem.wanted)
        return replace(self._problem, wanted=tuple(wanted))

    def unweighed(self, problem: Problem) -> Problem:
        """A problem with what each visit averts."""
        return replace(problem, wanted=tuple(replace(one, value=self._value[one.visit_id]) for one in problem.wanted))


def _document(
    plan: StoredPlan, at: datetime, found: Replanned, before: Mapping[str, dict[str, Any]], checklists: Checklists | None
) -> dict[str, Any]:
    """The old document with the visits as they are now. A visit keeps its value, reason and checklist."""
    old = plan.document
    zone, monday = ZoneInfo(old["zone"]), datetime.combine(plan.week, time())
    wanted = {one.visit_id: one for one in found.problem.wanted}
    blank = [one for one in found.plan.visits if not before[one.visit_id].get("checklist")]
    lists = _lists((before[one.visit_id] for one in blank), at, checklists)

    def moment(minute: int) -> str:
        return (monday + timedelta(minutes=minute)).replace(tzinfo=zone).isoformat()

    visits: list[dict[str, Any]] = []
    way = ways_to(found.problem, found.plan.visits)
    last: Visit | None = None
    for one in found.plan.visits:
        same = last is not None and (last.inspector_id, last.day) == (one.inspector_id, one.day)
        told, own = before[one.visit_id], wanted[one.visit_id]
        visits.append(
            {
                "by_lot": False, "pinned": False, "checklist": [], "region": own.region, "skills": sorted(own.skills),
                "mode": own.mode.value, **told, "inspector_id": one.inspector_id, "starts": moment(one.start),
                "ends": moment(one.end), "minutes": one.end - one.start,
                "after": last.visit_id if last is not None and same else None, "way_minutes": way[one.visit_id],
            }
        )  # fmt: skip
        if not visits[-1]["checklist"]:
            visits[-1]["checklist"] = lists.get((told["enterprise_id"], told["site_id"]), [])
        last = one
    left = [{**before[one], "able": before[one].get("able", 1)} for one in found.plan.left_out]
    counts = {reason.value: sum(one["reason"] == reason.value for one in visits) for reason in Reason}
    short = shortage(found.problem, found.plan, {name: one["overdue_days"] for name, one in before.items()})
    return {
        **old, "visits": visits, "left_out": left, "counts": counts, "bound": None,
        "averted": sum(one["value"] for one in visits), "shortage": {**asdict(short), "inspectors": short.inspectors},
        "travel_minutes": travel_minutes(found.problem, found.plan.visits, wanted)[0], "replanned_at": at.isoformat(),
        "parent": plan.plan_id, "changes": [_change(one, wanted, moment) for one in found.changes],
        "problem": {**problem_document(found.problem), "places": old["problem"]["places"]},
    }  # fmt: skip


def _lists(told: Iterable[Mapping[str, Any]], at: datetime, checklists: Checklists | None) -> dict[Key, list[dict[str, Any]]]:
    keys = {(one["enterprise_id"], one["site_id"]) for one in told}
    if checklists is None or not keys:
        return {}
    return {key: [item.document() for item in some] for key, some in checklists(keys, at).items()}


def _change(one: Change, names: Mapping[str, Wanted], moment: Any) -> dict[str, Any]:
    def told(visit: Visit | None) -> dict[str, str] | None:
        return None if visit is None else {"inspector_id": visit.inspector_id, "starts": moment(visit.start)}

    sake = f" {names[one.sake].site_id}" if one.sake else ""
    en = f"{one.reason} {'for' if one.reason == 'pushed back' else 'to'}" if sake else one.reason
    zh = _REASONS_ZH.get(one.reason, one.reason.replace("inspector ", "检查员 ").replace(" dropped out", " 缺勤"))
    return {
        "kind": one.kind.value, "kind_zh": _KINDS_ZH[one.kind], "visit_id": one.visit_id, "site": names[one.visit_id].site_id,
        "before": told(one.before), "after": told(one.after), "reason_en": f"{en}{sake}", "reason_zh": f"{zh}{sake}",
    }  # fmt: skip


def _visits(plan: StoredPlan, found: Replanned, known: Mapping[str, dict[str, Any]]) -> list[PlannedVisit]:
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
