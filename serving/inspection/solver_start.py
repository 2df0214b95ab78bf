"""Where a search begins: one visit after another, the most worth for its time first, where it adds the least travel."""

from collections.abc import Sequence
from itertools import islice

import numpy as np

from serving.inspection.model import Mode, Problem, Tier, Wanted
from serving.inspection.solver_days import Shift, inserted, load, may, near, way

NEAREST = 30  # shifts with time enough that are tried, by how far the home is


def filled(problem: Problem, shifts: Sequence[Shift], out: Sequence[Wanted], tier: Tier) -> None:
    """Put visits of a tier that are left out into shifts that have room for them, as long as they avert more than they cost."""
    chosen = [one for one in out if one.tier == tier and one.pinned is None and (tier < Tier.VALUE or one.value > 0)]
    if not chosen or not shifts:
        return
    people = {shift.inspector.inspector_id: shift.inspector for shift in shifts}
    number = {name: at for at, name in enumerate(people)}
    of_shift = np.array([number[shift.inspector.inspector_id] for shift in shifts])
    homes = np.array([who.place for who in people.values()])
    places = np.array([one.place for one in chosen])
    far = (problem.travel[np.ix_(homes, places)] + problem.travel[np.ix_(places, homes)].T).astype(float)
    far[:, [one.mode == Mode.REMOTE for one in chosen]] = 0.0
    able = np.array([[may(who, one) for one in chosen] for who in people.values()])
    far[~able] = np.inf
    least = np.where(able.any(axis=0), far.min(axis=0), 0.0)
    dense = [(one.value + (tier < Tier.VALUE)) / (one.minutes + least[at]) for at, one in enumerate(chosen)]
    free = np.array([shift.window.end - shift.window.start - load(problem, shift) for shift in shifts])
    price = problem.costs.minute_of_travel if tier == Tier.VALUE else 0.0
    for at in sorted(range(len(chosen)), key=lambda at: (-dense[at], chosen[at].visit_id)):
        one = chosen[at]
        fitting = np.flatnonzero((free >= one.minutes) & able[of_shift, at])
        fitting = fitting[np.argsort(far[of_shift[fitting], at], kind="stable")]
        best: tuple[int, int, list[Wanted]] | None = None
        for place in islice((place for place in fitting.tolist() if near(shifts[place].window, one)), NEAREST):
            shift = shifts[place]
            order = inserted(problem, shift, shift.order, one)
            if order is not None:
                longer = way(problem, shift, order) - way(problem, shift, shift.order)
                if best is None or longer < best[0]:
                    best = (longer, place, order)
        if best is not None and price * best[0] <= one.value:
            shifts[best[1]].order = best[2]
            free[best[1]] -= one.minutes + best[0]
