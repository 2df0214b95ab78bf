"""What a dispatcher does who works through a list: one visit after the other, each on the first day that has room for it."""

from collections.abc import Sequence

from serving.inspection.model import DAY, Plan, Problem, Wanted
from serving.inspection.solver_days import Shift, may, starts, visits, way


def dispatched(problem: Problem, order: Sequence[str]) -> Plan:
    """The plan of a list of visit ids, best first: each goes to the first day with room for it, and on that day to whom it
    makes the least way. What finds no room is left out, as is what the list does not name. Pinned visits come first.
    """
    wanted = {one.visit_id: one for one in problem.wanted}
    shifts = [Shift(one, window) for one in problem.inspectors for window in one.shifts]
    days = [[shift for shift in shifts if shift.window.start // DAY == day] for day in range(7)]
    listed = dict.fromkeys([*(one.visit_id for one in problem.wanted if one.pinned), *order])
    for visit_id in listed:
        for day in days:
            if _put(problem, day, wanted[visit_id]):
                break
    made = tuple(sorted(visits(problem, shifts)))
    there = {one.visit_id for one in made}
    return Plan(made, tuple(name for name in wanted if name not in there), solver={"name": "dispatch"})


def _put(problem: Problem, day: Sequence[Shift], one: Wanted) -> bool:
    """Put a visit where it makes the least way of all shifts of a day; whether there was room."""
    found: list[tuple[int, int, list[Wanted]]] = []
    for number, shift in enumerate(day):
        if not may(shift.inspector, one):
            continue
        taken = sum(other.minutes for other in shift.order) + one.minutes
        if taken > shift.window.end - shift.window.start:
            continue
        before = way(problem, shift, shift.order)
        for at in range(len(shift.order) + 1):
            tried = [*shift.order[:at], one, *shift.order[at:]]
            if starts(problem, shift, tried) is not None:
                found.append((way(problem, shift, tried) - before, number, tried))
    if not found:
        return False
    _, number, order = min(found, key=lambda each: each[:2])
    day[number].order = order
    return True
