"""Evenness of loads: visits of the inspector with the most to do go to others, where that costs less than it is worth."""

import time
from collections.abc import Sequence
from math import inf

from serving.inspection.model import Problem, Wanted
from serving.inspection.solver_days import Shift, inserted, load, may, near, way

MOST_MOVES = 200


def evened(problem: Problem, shifts: Sequence[Shift], until: float = inf) -> None:
    """Move visits as long as travel, continuity and unevenness together become cheaper by it. No visit is given up.

    until: no move is begun after it (of `time.monotonic`).
    """
    for _ in range(MOST_MOVES):
        if time.monotonic() >= until or not _moved(problem, shifts):
            return


def uneven(problem: Problem, shifts: Sequence[Shift]) -> float:
    """Minutes of visits and travel by which the longest load of an inspector exceeds the mean."""
    loads = _loads(problem, shifts)
    return max(loads.values(), default=0) - sum(loads.values()) / max(1, len(loads))


def _loads(problem: Problem, shifts: Sequence[Shift]) -> dict[str, int]:
    loads = {who.inspector_id: 0 for who in problem.inspectors if who.shifts}
    for shift in shifts:
        loads[shift.inspector.inspector_id] += load(problem, shift)
    return loads


def _moved(problem: Problem, shifts: Sequence[Shift]) -> bool:
    """Make the best move of a visit of the longest load; whether there was one."""
    costs, loads = problem.costs, _loads(problem, shifts)
    if not loads:
        return False
    longest = max(loads, key=lambda name: loads[name])
    before = max(loads.values()) - sum(loads.values()) / len(loads)
    best: tuple[float, Shift, list[Wanted], Shift, list[Wanted]] | None = None
    for source in (shift for shift in shifts if shift.inspector.inspector_id == longest):
        for one in source.order:
            if one.pinned is not None:
                continue
            rest = [each for each in source.order if each is not one]
            shorter = way(problem, source, rest) - way(problem, source, source.order)
            for target in shifts:
                name = target.inspector.inspector_id
                if loads[name] >= loads[longest] or not may(target.inspector, one) or not near(target.window, one):
                    continue
                order = inserted(problem, target, target.order, one)
                if order is None:
                    continue
                longer = way(problem, target, order) - way(problem, target, target.order)
                after = loads | {longest: loads[longest] - one.minutes + shorter, name: loads[name] + one.minutes + longer}
                gap = max(after.values()) - sum(after.values()) / len(after)
                strange = bool(one.known) * ((name != one.known) - (longest != one.known))
                gain = costs.uneven * (before - gap) - costs.minute_of_travel * (longer + shorter) - costs.unfamiliar * strange
                if gain > 1e-9 and (best is None or gain > best[0]):
                    best = (gain, source, rest, target, order)
    if best is None:
        return False
    _, best[1].order, _, best[3].order = best[0], best[2], best[3], best[4]
    return True
