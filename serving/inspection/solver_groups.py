"""A week in parts: inspectors who live near each other, with their visits and those left out that they might make.

PyVRP finds the best of some hundred visits within seconds, of thousands it does not; so parts of a week are searched, then
other parts of what came of that (Taillard and Voss 2002: POPMUSIC; Santini et al. 2023 on decomposition in vehicle routing).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from serving.inspection.model import Inspector, Mode, Problem, Tier, Wanted
from serving.inspection.solver_days import Shift, may

SIZES = (30, 60, 100, 150)  # visits of a part, about
LEFT_OUT = 60  # of what is left out, a part gets as many as it has planned, and at least so many
FAR = 1e9


@dataclass(frozen=True)
class Part:
    """A part of a week: numbers of shifts, and what is left out and might be theirs."""

    shifts: tuple[int, ...]
    left_out: tuple[Wanted, ...]


class Parts:
    """Cuts a week, each time differently. The visits left out of `tier` alone are shared among parts."""

    def __init__(self, problem: Problem, tier: Tier, seed: int) -> None:
        self.problem, self.tier = problem, tier
        self.people = problem.inspectors
        self.rng = np.random.default_rng(seed)
        homes = np.array([who.place for who in self.people], dtype=np.int64)
        self.between = problem.travel[np.ix_(homes, homes)] + problem.travel[np.ix_(homes, homes)].T
        self.number = {who.inspector_id: at for at, who in enumerate(self.people)}

    def cut(self, shifts: Sequence[Shift], out: Sequence[Wanted]) -> list[Part]:
        """The parts of shifts; every shift is in one, and what is left out in one at most."""
        out = [one for one in out if one.tier == self.tier and one.pinned is None and (one.tier < Tier.VALUE or one.value > 0)]
        own: list[list[int]] = [[] for _ in self.people]
        for number, shift in enumerate(shifts):
            own[self.number[shift.inspector.inspector_id]].append(number)
        planned = sum(len(shift.order) for shift in shifts)
        each = (planned + min(len(out), max(planned, LEFT_OUT))) / max(1, len(self.people))
        many = max(1, round(SIZES[int(self.rng.integers(len(SIZES)))] / max(1.0, each)))
        groups = self._groups([at for at, numbers in enumerate(own) if numbers], many)
        group_of = {at: number for number, group in enumerate(groups) for at in group}
        given = self._given(shifts, own, out, group_of)
        return [
            Part(tuple(number for at in sorted(group) for number in own[at]), tuple(given.get(place, ())))
            for place, group in enumerate(groups)
        ]

    def _groups(self, people: list[int], many: int) -> list[list[int]]:
        """Inspectors by `many`: one by lot and those who live nearest, distances blurred so that no two cuts are alike."""
        left, groups = [people[at] for at in self.rng.permutation(len(people))], []
        while left:
            far = self.between[left[0], left] * self.rng.uniform(1.0, 2.0, len(left))
            far[0] = -1.0
            near = {left[at] for at in np.argsort(far, kind="stable")[:many]}
            groups.append([at for at in left if at in near])
            left = [at for at in left if at not in near]
        return groups

    def _given(
        self, shifts: Sequence[Shift], own: Sequence[Sequence[int]], out: Sequence[Wanted], group_of: dict[int, int]
    ) -> dict[int, list[Wanted]]:
        """What is left out for each group: to whom it is near, the most worth for its time first, blurred too."""
        far = self._far(shifts, own, out)
        nearest = (far * self.rng.uniform(1.0, 1.5, far.shape) + self.rng.random(far.shape)).argmin(axis=0)
        found: dict[int, list[tuple[float, int]]] = {}
        for at, one in enumerate(out):
            if (way := far[nearest[at], at]) < FAR:
                dense = (one.value + 1.0) / (one.minutes + 2 * way) * self.rng.uniform(0.6, 1.0)
                found.setdefault(group_of[int(nearest[at])], []).append((-dense, at))
        held = dict.fromkeys(range(len(group_of)), 0)
        for who, numbers in enumerate(own):
            if who in group_of:
                held[group_of[who]] += sum(len(shifts[number].order) for number in numbers)
        return {
            group: [out[at] for _, at in sorted(sorted(each)[: max(LEFT_OUT, held[group])], key=lambda pair: pair[1])]
            for group, each in found.items()
        }

    def _far(self, shifts: Sequence[Shift], own: Sequence[Sequence[int]], out: Sequence[Wanted]) -> npt.NDArray[np.float64]:
        """float64[inspectors, out]: minutes from where an inspector comes by or lives; FAR for who may not come."""
        far = np.full((len(self.people), len(out)), FAR)
        places = np.array([one.place for one in out], dtype=np.int64)
        remote = np.array([one.mode == Mode.REMOTE for one in out], dtype=bool)
        for at, who in enumerate(self.people):
            if not own[at] or not len(out):
                continue
            stops = {one.place for number in own[at] for one in shifts[number].order if one.mode != Mode.REMOTE}
            near = self.problem.travel[np.ix_(np.array(sorted(stops | {who.place})), places)].min(axis=0).astype(float)
            near[remote] = 0.0
            far[at] = np.where([may(who, one) for one in out], near, FAR)
        return far


def part_of(problem: Problem, shifts: Sequence[Shift], part: Part) -> tuple[Problem, tuple[Shift, ...]]:
    """A part as a problem of its own, with the places that it needs alone, and its shifts as they stand."""
    chosen = [shifts[number] for number in part.shifts]
    people = list({shift.inspector.inspector_id: shift.inspector for shift in chosen}.values())
    wanted = [*(one for shift in chosen for one in shift.order), *part.left_out]
    places = sorted({*(who.place for who in people), *(one.place for one in wanted)})
    at = {place: number for number, place in enumerate(places)}
    new_people: dict[str, Inspector] = {who.inspector_id: replace(who, place=at[who.place]) for who in people}
    new = {one.visit_id: replace(one, place=at[one.place]) for one in wanted}
    travel = np.ascontiguousarray(problem.travel[np.ix_(places, places)])
    return Problem(tuple(new_people.values()), tuple(new.values()), travel, problem.costs), tuple(
        Shift(new_people[shift.inspector.inspector_id], shift.window, [new[one.visit_id] for one in shift.order])
        for shift in chosen
    )
