"""What no plan can be worth more than: a linear programme that knows nothing of the planner."""

from collections import defaultdict

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog
from scipy.sparse import coo_matrix

from serving.inspection.model import Inspector, Mode, Problem, Wanted, Window


def upper_bound(problem: Problem) -> float:
    """No plan's visits avert more than this less the cost of their travel, whatever its tiers.

    Visits are shared among the hours of inspectors who are alike on a day, in parts; each takes its minutes and at least half
    of the shortest ways to it and from it: every way of a plan has two ends, so no plan travels less.
    """
    hours: dict[tuple[Window, str], int] = defaultdict(int)
    held: dict[tuple[Window, str], Inspector] = {}
    kinds = _kinds(problem)
    for one in problem.inspectors:
        for shift in one.shifts:
            hours[shift, kinds[one.inspector_id]] += shift.end - shift.start
            held[shift, kinds[one.inspector_id]] = one
    least = least_travel(problem)
    groups = list(hours)
    gain, rows, columns, taken = [], [], [], []
    for row, wanted in enumerate(problem.wanted):
        worth = wanted.value - problem.costs.minute_of_travel * least[row]
        for column, (shift, kind) in enumerate(groups):
            if worth > 0 and _may(held[shift, kind], wanted) and _meets(wanted, shift):
                gain.append(worth)
                rows.append(row)
                columns.append(column)
                taken.append(wanted.minutes + least[row])
    if not gain:
        return 0.0
    count, number = len(problem.wanted), np.arange(len(gain))
    matrix = coo_matrix(
        (np.r_[np.ones(len(gain)), taken], (np.r_[rows, np.array(columns) + count], np.r_[number, number])),
        shape=(count + len(groups), len(gain)),
    ).tocsr()
    limits = np.r_[np.ones(count), [hours[group] for group in groups]]
    found = linprog(-np.array(gain), A_ub=matrix, b_ub=limits, bounds=(0, None), method="highs")
    if not found.success:
        raise RuntimeError(f"no bound: {found.message}")
    return float(-found.fun)


def least_travel(problem: Problem) -> npt.NDArray[np.float64]:
    """Minutes of travel that each visit adds at least to any plan: half the shortest way to it, and from it."""
    on_site = np.array([one.mode != Mode.REMOTE for one in problem.wanted])
    places = np.array([one.place for one in problem.wanted], dtype=np.int64)
    homes = np.array(sorted({one.place for one in problem.inspectors}), dtype=np.int64)
    least = np.zeros(len(places))
    sites = np.flatnonzero(on_site)
    others = np.r_[places[sites], homes]
    for number, row in enumerate(sites):
        there, back = problem.travel[others, places[row]].astype(float), problem.travel[places[row], others].astype(float)
        there[number] = back[number] = np.inf
        least[row] = (there.min() + back.min()) / 2 if len(others) > 1 else 0.0
    return least


def _kinds(problem: Problem) -> dict[str, str]:
    """Inspectors who may make the same visits have one name."""
    found: dict[bytes, str] = {}
    return {
        one.inspector_id: found.setdefault(bytes(_may(one, wanted) for wanted in problem.wanted), one.inspector_id)
        for one in problem.inspectors
    }


def _may(inspector: Inspector, one: Wanted) -> bool:
    return (
        one.skills <= inspector.skills
        and (not inspector.regions or not one.region or one.region in inspector.regions)
        and (one.inspectors is None or inspector.inspector_id in one.inspectors)
        and (one.pinned is None or one.pinned[0] == inspector.inspector_id)
    )


def _meets(one: Wanted, shift: Window) -> bool:
    return any(min(window.end, shift.end) - max(window.start, shift.start) >= one.minutes for window in one.windows)
