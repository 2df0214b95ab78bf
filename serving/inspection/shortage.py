"""With too few people: what is missed and for how long, and how many inspectors it would take, by skills and region."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from statistics import fmean

from serving.inspection.conflicts import able, reachable
from serving.inspection.model import Inspector, Mode, Plan, Problem, Tier, Visit, Wanted


@dataclass(frozen=True)
class Missed:
    """A follow-up or minimum that the plan leaves out. possible: whether anybody could make it at all."""

    visit_id: str
    site_id: str
    tier: Tier
    overdue_days: float
    possible: bool


@dataclass(frozen=True)
class Short:
    """What is missed with the same skills in the same region, and how many more inspectors of a week's hours it takes.

    shut: of the missed, those that more people could make no more than these (their windows, or pins that cannot be kept).
    minutes: of the others and the ways to them. load: inspectors of the hours of those who could come, or of all, that this
    takes; inspectors: whole ones, if they did nothing else.
    """

    skills: tuple[str, ...]
    region: str
    missed: int
    follow_ups: int
    longest_overdue_days: float
    shut: int
    minutes: int
    load: float
    inspectors: int


@dataclass(frozen=True)
class Shortage:
    """All that is missed, the most overdue first, by group; value_left_out: what the visits left out would have averted."""

    missed: tuple[Missed, ...]
    groups: tuple[Short, ...]
    value_left_out: float

    @property
    def inspectors(self) -> int:
        """How many more inspectors it takes, at least: each works in one region, and has all the skills that lack there."""
        regions: dict[str, float] = defaultdict(float)
        for one in self.groups:
            regions[one.region] += one.load
        return sum(_whole(load) for load in regions.values())


def shortage(problem: Problem, plan: Plan, overdue: Mapping[str, float]) -> Shortage:
    """What a plan leaves out. overdue: days by visit id, at the end of the week; negative counts as 0."""
    wanted = {one.visit_id: one for one in problem.wanted}
    left = [wanted[one] for one in plan.left_out]
    due = [one for one in left if one.tier < Tier.VALUE]
    way = _mean_way(problem, plan.visits, wanted)
    groups: dict[tuple[tuple[str, ...], str], list[Wanted]] = defaultdict(list)
    for one in due:
        groups[tuple(sorted(one.skills)), one.region].append(one)
    missed = [Missed(one.visit_id, one.site_id, one.tier, _overdue(overdue, one), bool(reachable(problem, one))) for one in due]
    return Shortage(
        tuple(sorted(missed, key=lambda one: (one.tier, -one.overdue_days, one.visit_id))),
        tuple(_short(problem, *key, some, overdue, way) for key, some in sorted(groups.items())),
        sum(one.value for one in left),
    )


def _short(
    problem: Problem, skills: tuple[str, ...], region: str, some: list[Wanted], overdue: Mapping[str, float], way: float | None
) -> Short:
    who = able(problem, some[0]) or problem.inspectors
    helped = [one for one in some if one.pinned is None and _opens(problem, one)]
    minutes = sum(one.minutes + _way_to(problem, one, who, way) for one in helped)
    hours = [sum(shift.end - shift.start for shift in one.shifts) for one in who if one.shifts]
    hours = hours or [sum(shift.end - shift.start for shift in one.shifts) for one in problem.inspectors if one.shifts]
    load = minutes / fmean(hours) if hours else float(len(helped))
    return Short(
        skills, region, len(some), sum(one.tier == Tier.FOLLOW_UP for one in some),
        max(_overdue(overdue, one) for one in some), len(some) - len(helped), round(minutes), load, _whole(load),
    )  # fmt: skip


def _whole(load: float) -> int:
    return ceil(load - 1e-9)


def _opens(problem: Problem, one: Wanted) -> bool:
    """Whether somebody who lives next door could make a visit in the hours that inspectors work."""
    shifts = {shift for who in problem.inspectors for shift in who.shifts}
    stretches = [(window.start, window.end) for window in one.windows]
    if shifts:
        stretches = [(max(start, shift.start), min(end, shift.end)) for start, end in stretches for shift in shifts]
    return any(end - start >= one.minutes for start, end in stretches)


def _overdue(overdue: Mapping[str, float], one: Wanted) -> float:
    return max(0.0, overdue.get(one.visit_id, 0.0))


def _way_to(problem: Problem, one: Wanted, who: tuple[Inspector, ...], way: float | None) -> float:
    """The way that a visit takes: as long as those of the plan on average, else there and back from the nearest home."""
    if one.mode == Mode.REMOTE:
        return 0.0
    if way is not None:
        return way
    return min((float(problem.travel[at.place, one.place] + problem.travel[one.place, at.place]) for at in who), default=0.0)


def _mean_way(problem: Problem, visits: tuple[Visit, ...], wanted: Mapping[str, Wanted]) -> float | None:
    total, count = travel_minutes(problem, visits, wanted)
    return None if count == 0 else total / count


def travel_minutes(problem: Problem, visits: tuple[Visit, ...], wanted: Mapping[str, Wanted]) -> tuple[int, int]:
    """Minutes of travel of a plan, from home and back each day, and the number of visits that need it."""
    there, home = _ways(problem, visits, wanted)
    return sum(there.values()) + home, sum(wanted[name].mode != Mode.REMOTE for name in there)


def ways_to(problem: Problem, visits: tuple[Visit, ...]) -> dict[str, int]:
    """Minutes of the way to each visit of a plan, from home or from the one before; 0 for remote support."""
    return _ways(problem, visits, {one.visit_id: one for one in problem.wanted})[0]


def _ways(problem: Problem, visits: tuple[Visit, ...], wanted: Mapping[str, Wanted]) -> tuple[dict[str, int], int]:
    """The ways to the visits, and all ways home."""
    home = {one.inspector_id: one.place for one in problem.inspectors}
    there: dict[str, int] = {}
    last: dict[tuple[str, int], int] = {}
    for visit in sorted(visits):
        day, one = (visit.inspector_id, visit.day), wanted[visit.visit_id]
        there[visit.visit_id] = 0
        if one.mode != Mode.REMOTE:
            there[visit.visit_id] = int(problem.travel[last.get(day, home[visit.inspector_id]), one.place])
            last[day] = one.place
    return there, sum(int(problem.travel[place, home[who]]) for (who, _), place in last.items())
