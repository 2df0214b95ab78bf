"""A planner for tests of what stands around the solver: one visit after another, the better tier and value first."""

from typing import Any

from serving.inspection.conflicts import able
from serving.inspection.model import DAY, Inspector, Mode, Plan, Problem, Visit, Wanted, Window


def solve(problem: Problem, **_: Any) -> Plan:
    """Each visit at the end of the route where it begins soonest."""
    ends: dict[tuple[str, int], tuple[int, int]] = {}
    visits, left = [], []
    for wanted in sorted(problem.wanted, key=lambda one: (one.pinned is None, one.tier, -one.value)):
        found = [
            start
            for who in able(problem, wanted)
            for shift in who.shifts
            if (start := _start(problem, wanted, who, shift, *ends.get(_day(who, shift), (who.place, shift.start)))) is not None
        ]
        if not found:
            left.append(wanted.visit_id)
            continue
        start, who = min(found, key=lambda one: one[0])
        key = who.inspector_id, start // DAY
        place = ends.get(key, (who.place, 0))[0] if wanted.mode == Mode.REMOTE else wanted.place
        ends[key] = (place, start + wanted.minutes)
        visits.append(Visit(who.inspector_id, start, start + wanted.minutes, wanted.visit_id))
    return Plan(tuple(sorted(visits)), tuple(left), solver={"name": "greedy"})


def _day(who: Inspector, shift: Window) -> tuple[str, int]:
    return who.inspector_id, shift.start // DAY


def _start(
    problem: Problem, wanted: Wanted, who: Inspector, shift: Window, place: int, free: int
) -> tuple[int, Inspector] | None:
    remote = wanted.mode == Mode.REMOTE
    there = 0 if remote else int(problem.travel[place, wanted.place])
    back = int(problem.travel[place if remote else wanted.place, who.place])
    for window in sorted(wanted.windows):
        start = max(free + there, window.start)
        if wanted.pinned is not None:
            if wanted.pinned[0] != who.inspector_id or wanted.pinned[1] < start:
                continue
            start = wanted.pinned[1]
        if start >= shift.start and window.holds(start, start + wanted.minutes) and start + wanted.minutes + back <= shift.end:
            return start, who
    return None
