"""What no plan can be worth more than: a linear programme that knows nothing of the planner."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog
from scipy.sparse import coo_matrix, vstack

from serving.inspection.model import Costs, Inspector, Mode, Plan, Problem, Tier, Wanted, Window

# More kinds of inspectors, or parts of the programme, and some are taken for one kind who may do what any of them may: that
# bound is one too.
MOST_KINDS = 12
MOST_PARTS = 60_000  # visits by days and kinds: some seconds


def bound_of(problem: Problem, plan: Plan) -> float:
    """No plan that holds all visits owed that this one does averts more than this, less the cost of travel."""
    owed = {one.visit_id for one in problem.wanted if one.tier < Tier.VALUE}
    return upper_bound(problem, holding=owed & {one.visit_id for one in plan.visits})


def most_averted(problem: Problem, plan: Plan | None = None) -> float:
    """No plan averts more than this, whatever it costs; none, where a plan is given, that holds all that is owed and in it."""
    free = replace(problem, costs=Costs())
    return upper_bound(free) if plan is None else bound_of(free, plan)


def upper_bound(problem: Problem, holding: Collection[str] = ()) -> float:
    """No plan's visits avert more than this less the cost of their travel, whatever its tiers. holding: of plans with these.

    Visits are shared among the hours of inspectors who are alike on a day, in parts; each takes its minutes and at least half
    of the shortest ways to it and from it: every way of a plan has two ends, so no plan travels less.
    """
    kinds = _kinds(problem)
    hours: dict[tuple[Window, int], int] = defaultdict(int)
    for number, people in enumerate(kinds):
        for one in people:
            for shift in one.shifts:
                hours[shift, number] += shift.end - shift.start
    least = least_travel(problem)
    groups = list(hours)
    gain, rows, columns, taken = [], [], [], []
    for row, wanted in enumerate(problem.wanted):
        worth = wanted.value - problem.costs.minute_of_travel * least[row]
        able = [any(_may(one, wanted) for one in people) for people in kinds]
        for column, (shift, kind) in enumerate(groups):
            if (worth > 0 or wanted.visit_id in holding) and able[kind] and _meets(wanted, shift):
                gain.append(worth)
                rows.append(row)
                columns.append(column)
                taken.append(wanted.minutes + least[row])
    if not gain:
        return 0.0
    count, number_of = len(problem.wanted), np.arange(len(gain))
    visits = coo_matrix((np.ones(len(gain)), (rows, number_of)), shape=(count, len(gain))).tocsr()
    spent = coo_matrix((taken, (columns, number_of)), shape=(len(groups), len(gain))).tocsr()
    held = np.array([one.visit_id in holding for one in problem.wanted])
    most = float(max(map(abs, gain))) or 1.0  # HiGHS gives up where figures are in thousands of millions
    found = linprog(
        -np.array(gain) / most,
        A_ub=vstack([visits[~held], spent]), b_ub=np.r_[np.ones(count - held.sum()), list(hours.values())],
        A_eq=visits[held] if held.any() else None, b_eq=np.ones(held.sum()) if held.any() else None, bounds=(0, None),
        method="highs",
    )  # fmt: skip
    if not found.success:
        raise RuntimeError(f"no bound: {found.message}")
    return float(-found.fun) * most


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


def _kinds(problem: Problem) -> list[list[Inspector]]:
    """Inspectors who may make the same visits are of one kind; where these are many, those of the same skills and regions, or
    all."""
    by_visits: dict[object, list[Inspector]] = defaultdict(list)
    by_skills: dict[object, list[Inspector]] = defaultdict(list)
    for one in problem.inspectors:
        by_visits[bytes(_may(one, wanted) for wanted in problem.wanted)].append(one)
        by_skills[one.skills, one.regions].append(one)
    days = len({shift for one in problem.inspectors for shift in one.shifts})
    most = min(MOST_KINDS, max(1, MOST_PARTS // max(1, days * len(problem.wanted))))
    for kinds in (by_visits, by_skills):
        if len(kinds) <= most:
            return list(kinds.values())
    return [list(problem.inspectors)]


def _may(inspector: Inspector, one: Wanted) -> bool:
    return (
        one.skills <= inspector.skills
        and (not inspector.regions or not one.region or one.region in inspector.regions)
        and (one.inspectors is None or inspector.inspector_id in one.inspectors)
        and (one.pinned is None or one.pinned[0] == inspector.inspector_id)
    )


def _meets(one: Wanted, shift: Window) -> bool:
    return any(min(window.end, shift.end) - max(window.start, shift.start) >= one.minutes for window in one.windows)
