"""The plan of a week: the lake at a moment, the champion's scores and the inspectors -> visits with reasons and checklists."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from features.enterprise.vocabulary import CAUSES
from features.errors import BadInput, NotFound
from serving.inspection.checklist import Item, checklist
from serving.inspection.conflicts import Clash, clashes
from serving.inspection.lot import new_seed
from serving.inspection.model import Minutes, Mode, Plan, Problem, Wanted
from serving.inspection.plan import Draft, SiteNow, draft
from serving.inspection.rules import Rules
from serving.inspection.shortage import Shortage, shortage, travel_minutes
from serving.inspection.tiers import Standing, Supervised
from serving.inspection.travel import great_circle
from serving.plan_facts import OPEN, Person, SiteSheet, windows_of
from serving.plan_known import Known, SiteKnown
from serving.scoring import new_score_id

ZONE = "Asia/Shanghai"
_WEEK = re.compile(r"(\d{4})-W(\d{2})")
_KINDS = {term.code: (term.words_en, term.words_zh) for term in CAUSES}
_DRIVERS = 3
Ways = Mapping[tuple[str, str], int]


@dataclass(frozen=True)
class Made:
    """A plan with all it was made of. checklists: by visit id, of what is planned; where: degrees of every place."""

    week: str
    monday: date
    zone: str
    rules: Rules
    known: Known
    draft: Draft
    plan: Plan
    short: Shortage
    checklists: Mapping[str, tuple[Item, ...]]
    clashes: tuple[Clash, ...]
    notes: tuple[str, ...]
    where: tuple[tuple[float, float], ...]

    @property
    def wanted(self) -> dict[str, Wanted]:
        return {one.visit_id: one for one in self.draft.problem.wanted}

    @property
    def averted(self) -> float:
        """The loss that the planned visits are expected to avert, in the currency of the plan."""
        wanted = self.wanted
        return sum(wanted[one.visit_id].value for one in self.plan.visits)

    @property
    def travel(self) -> int:
        """Minutes of travel of the week."""
        return travel_minutes(self.draft.problem, self.plan.visits, self.wanted)[0]

    def moment(self, minute: int) -> datetime:
        """A minute of the week as a local time."""
        return datetime.combine(self.monday, time(), ZoneInfo(self.zone)) + timedelta(minutes=minute)


def monday_of(week: str) -> date:
    """The Monday of an ISO week such as 2026-W48. Raises BadInput."""
    found = _WEEK.fullmatch(week)
    try:
        if found is None:
            raise ValueError
        return date.fromisocalendar(int(found[1]), int(found[2]), 1)
    except ValueError:
        raise BadInput(f"{week!r} is no week", where="WEEK", mend="write it as 2026-W48") from None


def must_be_ahead(week: str, as_of: datetime | None, zone: str, now: datetime) -> None:
    """Raises BadInput for a week that has ended, unless a replay says as of when; and for a moment after the week."""
    ends = datetime.combine(monday_of(week) + timedelta(days=7), time(), ZoneInfo(zone))
    if as_of is None and ends <= now:
        mend = "name this week or one ahead, or say --as-of to replay it as it was known then"
        raise BadInput(f"{week} is in the past", where="WEEK", mend=mend)
    if as_of is not None and as_of >= ends:
        raise BadInput(f"{week} has ended by {as_of.isoformat()}", where="--as-of", mend="name a moment before its end")


def make(
    week: str,
    known: Known,
    people: Sequence[Person],
    sheets: Mapping[tuple[str, str], SiteSheet],
    rules: Rules,
    *,
    zone: str = ZONE,
    seed: str | None = None,
    ways: Ways | None = None,
    listed: bool = False,
    leave_out: bool = False,
    solve: Callable[[Problem], Plan],
) -> Made:
    """Plan a week. listed: only the sites of the sheet; leave_out: leave out visits that conflict with a hard rule and sites
    that are nowhere, and say so, instead of refusing. seed: of the lot, a new one where none is given. Sites that nobody can
    come to for want of people are never refused: they are in the shortage.

    Raises BadInput naming the first conflict and the number of the others.
    """
    monday = monday_of(week)
    chosen, notes = _chosen(known, sheets, listed=listed, leave_out=leave_out)
    if not people:
        raise BadInput("no inspector", where="inspectors", mend="name at least one")
    where = _coordinates(people, chosen, sheets)
    travel, lost = _travel(rules, where, people, chosen, ways or {})
    inspectors = [replace(one.inspector, place=place) for place, one in enumerate(people)]
    counts = Counter(one.enterprise_id for one in known.sites)
    sites = [
        _site_now(rules, known, one, sheets.get(one.key), len(people) + place, counts[one.enterprise_id])
        for place, one in enumerate(chosen)
    ]
    start = datetime.combine(monday, time(), ZoneInfo(zone)).astimezone(UTC)
    made = draft(rules, sites, inspectors, travel, start, seed or new_seed(), lambda _: new_score_id("v_"))
    found = clashes(made.problem)
    faults = [one for one in found if not one.people and not (leave_out and one.visits)]
    if faults:
        raise Conflicting(faults)
    barred = {visit for one in found for visit in one.visits}
    plan = solve(made.to_solve(barred))
    plan = replace(plan, left_out=(*plan.left_out, *sorted(barred)))
    short = shortage(made.problem, plan, {name: why.overdue_days for name, why in made.why.items()})
    notes += _notes(known, made, monday)
    if lost:
        notes += (f"{lost} of {len(ways or {})} ways of the travel file are not between inspectors and sites of the plan",)
    return Made(week, monday, zone, rules, known, made, plan, short, _checklists(known, made, plan), found, notes, tuple(where))


class Conflicting(BadInput):
    """Hard rules that cannot hold together: the first, and `others`, the lines of the next ones."""

    def __init__(self, found: Sequence[Clash]) -> None:
        first = found[0]
        more = f" ({len(found) - 1} more conflicts)" if len(found) > 1 else ""
        super().__init__(f"{first.what}{more}", where=first.where, mend=first.mend)
        self.others = tuple(str(one) for one in found[1:20])


def _chosen(
    known: Known, sheets: Mapping[tuple[str, str], SiteSheet], *, listed: bool, leave_out: bool
) -> tuple[list[SiteKnown], tuple[str, ...]]:
    there = {one.key for one in known.sites}
    for key in sheets:
        if key not in there:
            raise NotFound("the lake knows no such site", where=f"site {key[0]}/{key[1]}", mend="import it, or drop the row")
    chosen, nowhere = [], []
    for one in known.sites:
        if listed and one.key not in sheets:
            continue
        sheet = sheets.get(one.key)
        remote = sheet is not None and sheet.mode == Mode.REMOTE
        if not remote and None in _where(one, sheet):
            nowhere.append(f"{one.enterprise_id}/{one.site_id}")
        else:
            chosen.append(one)
    if nowhere and not leave_out:
        more = f" ({len(nowhere) - 1} more such sites)" if len(nowhere) > 1 else ""
        mend = "give latitude and longitude in the file of sites, or make it remote there"
        raise BadInput(f"a site without coordinates{more}", where=f"site {nowhere[0]}", mend=mend)
    if not chosen:
        raise NotFound("no site to plan for was known", where="sites", mend="import sites, or name a later --as-of")
    return chosen, tuple(f"left out, without coordinates: {name}" for name in nowhere)


def _where(site: SiteKnown, sheet: SiteSheet | None) -> tuple[float | None, float | None]:
    if sheet is not None and sheet.latitude is not None:
        return sheet.latitude, sheet.longitude
    return site.latitude, site.longitude


def _coordinates(
    people: Sequence[Person], sites: Sequence[SiteKnown], sheets: Mapping[tuple[str, str], SiteSheet]
) -> list[tuple[float, float]]:
    """Of inspectors' homes, then of sites; a remote one that is nowhere gets the first home: nobody goes there."""
    found = [(one.latitude, one.longitude) for one in people]
    for site in sites:
        latitude, longitude = _where(site, sheets.get(site.key))
        found.append(found[0] if latitude is None or longitude is None else (latitude, longitude))
    return found


def _travel(
    rules: Rules, where: Sequence[tuple[float, float]], people: Sequence[Person], sites: Sequence[SiteKnown], ways: Ways
) -> tuple[Minutes, int]:
    """Minutes between all places, and how many of the given ways are between others."""
    latitude, longitude = (np.array([one[axis] for one in where], dtype=np.float64) for axis in (0, 1))
    travel = great_circle(latitude, longitude, speed_kmh=rules.travel.speed_kmh, factor=rules.travel.factor)
    names = [one.inspector.inspector_id for one in people] + [f"{one.enterprise_id}/{one.site_id}" for one in sites]
    place = {name: at for at, name in enumerate(names)}
    mine = {way: minutes for way, minutes in ways.items() if way[0] in place and way[1] in place}
    for (start, end), minutes in mine.items():
        travel[place[start], place[end]] = minutes
    return travel, len(ways) - len(mine)


def _site_now(
    rules: Rules, known: Known, site: SiteKnown, sheet: SiteSheet | None, place: int, sites_of_enterprise: int
) -> SiteNow:
    """A site with its part of what is expected of the enterprise: as much as each other site of it."""
    sheet = sheet or SiteSheet(*site.key)
    scored = known.scored.get(site.enterprise_id)
    counted = rules.counts
    visits = [one for one in site.visits if one.outcome in counted.outcomes]
    minimum = tuple(one.at for one in visits if one.visitor in counted.visitors and one.mode in counted.modes)
    p = None if scored is None else 1.0 - (1.0 - scored.p_any) ** (1.0 / sites_of_enterprise)
    supervised = tuple(Supervised(one.hazard_id, one.found, one.due) for one in site.hazards if one.supervised)
    standing = Standing(
        site.industry, site.major_hazard, site.since, site.headcount, p, sheet.colour, minimum, supervised,
    )  # fmt: skip
    windows = windows_of(OPEN, "windows") if sheet.windows is None else sheet.windows
    return SiteNow(
        *site.key, place, standing, windows, sheet.region or site.region,
        None if scored is None else scored.loss / sites_of_enterprise, tuple(one.at for one in visits),
        sheet.minutes, sheet.mode, sheet.skills, sheet.known, sheet.pinned,
    )  # fmt: skip


def _notes(known: Known, made: Draft, monday: date) -> tuple[str, ...]:
    notes = list(known.notes)
    by_rule = sum(why.by_rule for why in made.why.values())
    if by_rule:
        notes.append(f"{by_rule} of {len(made.why)} sites have no usable score: planned by rule, at the median of like sites")
    if (days := (monday - known.as_of.date()).days) > 7:
        notes.append(f"what is known ends {days} days before the week: record visits and import rows first")
    return tuple(notes)


def _checklists(known: Known, made: Draft, plan: Plan) -> dict[str, tuple[Item, ...]]:
    sites = {one.key: one for one in known.sites}
    planned = {one.visit_id: made.why[one.visit_id].site for one in plan.visits}
    drivers = known.drivers([one.enterprise_id for one in planned.values()], _DRIVERS)
    found = {}
    for visit_id, now in planned.items():
        site = sites[now.enterprise_id, now.site_id]
        found[visit_id] = checklist(known.as_of, site.hazards, drivers.get(site.enterprise_id, ()), site.machines, _KINDS)
    return found
