"""The plan of a week: the lake at a moment, the champion's scores and the inspectors -> visits with reasons and checklists."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from features.errors import BadInput
from serving.inspection.bound import most_averted
from serving.inspection.checklist import Item
from serving.inspection.conflicts import Clash, clashes
from serving.inspection.lot import new_seed
from serving.inspection.model import Minutes, Plan, Problem, Wanted
from serving.inspection.plan import Draft, SiteNow, draft
from serving.inspection.rules import Rules
from serving.inspection.shortage import Shortage, shortage, travel_minutes
from serving.inspection.tiers import Standing, Supervised
from serving.inspection.travel import great_circle
from serving.plans.cells import OPEN, windows_of
from serving.plans.facts import Person, SiteSheet
from serving.plans.known import Key, Known, SiteKnown
from serving.plans.lists import checklists
from serving.plans.scope import chosen_of, where_of
from serving.scoring import new_score_id

ZONE = "Asia/Shanghai"
_WEEK = re.compile(r"(\d{4})-W(\d{2})")
_LAST_YEAR = 9_000
Ways = Mapping[tuple[str, str], int]
Best = Callable[[float, float], None]  # (what the best plan so far averts, what none can avert more than)


@dataclass(frozen=True)
class Made:
    """A plan with all it was made of. checklists: by visit id, of what is planned; where: degrees of every place; ways: how
    many of those between places a table told."""

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
    ways: int = 0

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
        if found is None or int(found[1]) > _LAST_YEAR:
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


@dataclass(frozen=True)
class Drafted:
    """What is to be solved: a draft, the conflicts in it, degrees of every place, what to say of it, ways that a table told."""

    monday: date
    draft: Draft
    clashes: tuple[Clash, ...]
    where: tuple[tuple[float, float], ...]
    notes: tuple[str, ...]
    ways: int = 0

    @property
    def barred(self) -> set[str]:
        """Visits that conflict with a hard rule."""
        return {visit for one in self.clashes for visit in one.visits}


def drafted(
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
    visited: Mapping[Key, str] | None = None,
) -> Drafted:
    """What `make` solves; its options and refusals."""
    monday = monday_of(week)
    chosen, notes = chosen_of(rules, known, sheets, listed=listed, leave_out=leave_out)
    if not people:
        raise BadInput("no inspector", where="inspectors", mend="name at least one")
    where = _coordinates(people, chosen, sheets)
    travel, lost = _travel(rules, where, people, chosen, ways or {})
    inspectors = [replace(one.inspector, place=place) for place, one in enumerate(people)]
    counts = Counter(one.enterprise_id for one in known.sites)
    known_to = {key: who for key, who in (visited or {}).items() if who in {one.inspector.inspector_id for one in people}}
    sites = [
        _site_now(rules, known, one, sheets.get(one.key), len(people) + place, counts[one.enterprise_id], known_to)
        for place, one in enumerate(chosen)
    ]
    start = datetime.combine(monday, time(), ZoneInfo(zone)).astimezone(UTC)
    made = draft(rules, sites, inspectors, travel, start, seed or new_seed(), lambda _: new_score_id("v_"), known.as_of)
    notes += _notes(known, made, monday)
    if seed is not None:
        notes += ("the seed of the lot was given: whoever gave it could foresee the draw",)
    if monday < rules.effective_from:
        notes += (f"the rules {rules.id} are in force from {rules.effective_from} on, after the Monday of this week",)
    if lost:
        notes += (f"{lost} of {len(ways or {})} ways of the travel file are not between inspectors and sites of the plan",)
    return Drafted(monday, made, clashes(made.problem), tuple(where), notes, len(ways or {}) - lost)


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
    visited: Mapping[Key, str] | None = None,
    solve: Callable[..., Plan],
    best: Best | None = None,
) -> Made:
    """Plan a week. listed: only the sites of the sheet; leave_out: leave out visits that conflict with a hard rule and sites
    that are nowhere, and say so, instead of refusing. seed: of the lot, a new one where none is given. visited: who was at a
    site last, whom it knows where the sheet names nobody. Sites that nobody can
    come to for want of people are never refused: they are in the shortage.

    solve: a problem -> a plan. best: told while it is solved; `solve` then takes `seen` (see `solver.solve`).

    Raises BadInput naming the first conflict and the number of the others.
    """
    found = drafted(
        week, known, people, sheets, rules, zone=zone, seed=seed, ways=ways, listed=listed, leave_out=leave_out, visited=visited
    )  # fmt: skip
    faults = [one for one in found.clashes if not one.people and not (leave_out and one.visits)]
    if faults:
        raise Conflicting(faults)
    made, barred = found.draft, found.barred
    problem, worth = made.to_solve(barred), made.worth(barred)
    plan = solve(problem) if best is None else solve(problem, seen=_told(worth, best))
    plan = replace(plan, left_out=(*plan.left_out, *sorted(barred)), bound=most_averted(worth, plan))
    short = shortage(made.problem, plan, {name: why.overdue_days for name, why in made.why.items()})
    lists = checklists(known, made, plan)
    return Made(
        week, found.monday, zone, rules, known, made, plan, short, lists, found.clashes, found.notes, found.where, found.ways
    )  # fmt: skip


def _told(worth: Problem, best: Best) -> Callable[[frozenset[str]], None]:
    """Tells, of the visits planned so far, what they avert."""
    value, most = {one.visit_id: one.value for one in worth.wanted}, most_averted(worth)
    return lambda planned: best(sum(value[one] for one in planned), most)


class Conflicting(BadInput):
    """Hard rules that cannot hold together: the first, and `others`, the lines of the next ones."""

    def __init__(self, found: Sequence[Clash]) -> None:
        first = found[0]
        more = f" ({len(found) - 1} more conflict{'s' if len(found) > 2 else ''})" if len(found) > 1 else ""
        super().__init__(f"{first.what}{more}", where=first.where, mend=first.mend)
        self.others = tuple(str(one) for one in found[1:20])


def _coordinates(
    people: Sequence[Person], sites: Sequence[SiteKnown], sheets: Mapping[tuple[str, str], SiteSheet]
) -> list[tuple[float, float]]:
    """Of inspectors' homes, then of sites; a remote one that is nowhere gets the first home: nobody goes there."""
    found = [(one.latitude, one.longitude) for one in people]
    for site in sites:
        latitude, longitude = where_of(site, sheets.get(site.key))
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
    rules: Rules, known: Known, site: SiteKnown, sheet: SiteSheet | None, place: int, sites_of_enterprise: int,
    visited: Mapping[Key, str],
) -> SiteNow:  # fmt: skip
    """A site with its part of what is expected of the enterprise: as much as each other site of it."""
    sheet = sheet or SiteSheet(*site.key)
    scored = known.scored.get(site.enterprise_id)
    counted = rules.counts
    visits = [one for one in site.visits if one.outcome in counted.outcomes]
    minimum = tuple(one.at for one in visits if one.visitor in counted.visitors and one.mode in counted.modes)
    p = None if scored is None or scored.p_any is None else 1.0 - (1.0 - scored.p_any) ** (1.0 / sites_of_enterprise)
    supervised = tuple(Supervised(one.hazard_id, one.found, one.due) for one in site.hazards if one.supervised)
    standing = Standing(
        site.industry, site.major_hazard, site.since, site.headcount, p, sheet.colour, minimum, supervised,
    )  # fmt: skip
    windows = windows_of(OPEN, "windows") if sheet.windows is None else sheet.windows
    return SiteNow(
        *site.key, place, standing, windows, sheet.region or site.region,
        None if scored is None else scored.loss / sites_of_enterprise, tuple(one.at for one in visits),
        sheet.minutes, sheet.mode, sheet.skills, sheet.known or visited.get(site.key, ""), sheet.pinned,
    )  # fmt: skip


def _notes(known: Known, made: Draft, monday: date) -> tuple[str, ...]:
    notes = list(known.notes)
    by_rule = sum(why.by_rule for why in made.why.values())
    if by_rule:
        notes.append(f"{by_rule} of {len(made.why)} sites have no usable score: planned by rule, at the median of like sites")
    if (days := (monday - known.as_of.date()).days) > 7:
        notes.append(f"what is known ends {days} days before the week: record visits and import rows first")
    return tuple(notes)
