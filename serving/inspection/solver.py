"""The solver: a week's visits to inspectors and times, by PyVRP (MIT), a search that is given a time or a number of steps.

A stage for each tier: what a better tier has planned is required of the stages after it, so a visit of a worse tier never
takes its place. A stage begins with what the one before it planned and whatever fits beside it, most worth for its time first;
then parts of the week are searched (see solver_groups), and what a search makes of its part is kept only where it is better.
Within a tier what a visit averts counts; the travel of a stage of owed visits only where it makes room.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from math import inf

from serving.inspection.model import Plan, Problem, Tier, Wanted
from serving.inspection.solver_days import Shift, polish, starts, visits
from serving.inspection.solver_even import evened
from serving.inspection.solver_groups import Part, Parts, part_of
from serving.inspection.solver_pool import Pool
from serving.inspection.solver_search import Search, greatest, searched
from serving.inspection.solver_start import filled

Progress = Callable[[int, int], None]  # (done, of)
Seen = Callable[[frozenset[str]], None]  # ids of the visits planned so far
OWED_SHARE = 0.4  # of the time that is left, for a stage of owed visits
EVEN_SHARE = 0.05  # of all the time, for loads that become even
WHOLE = 100  # visits: a week of no more is searched at once
POOL_SECONDS = 4.0  # processes take about one to start
VISIT_SECONDS = 0.04  # of the search of a part, for each of its visits
ROUNDS = 3  # of parts, where a number of steps is given
QUIET = 12  # rounds without anything better end a stage of which every part was left as it was


def solve(
    problem: Problem,
    *,
    seconds: float,
    seed: int,
    threads: int = 1,
    progress: Progress | None = None,
    seen: Seen | None = None,
    iterations: int | None = None,
) -> Plan:
    """The best plan found in `seconds`, or in `iterations` of each search: then the same seed gives the same plan.

    Visits that no inspector can make are left out. threads: so many processes search, where a week is large enough for parts.
    progress: told what is done, of how much. seen: told what is planned, whenever that has become better. Raises ValueError
    where pinned visits do not hold together (see conflicts.clashes).
    """
    week = _Week(problem, seconds, seed, iterations, progress, seen)
    large = len(problem.wanted) > WHOLE and len(problem.inspectors) > 1
    with Pool(threads if large and seconds >= POOL_SECONDS else 1) as pool:
        kept = seconds * EVEN_SHARE if problem.costs.uneven > 0 else 0.0
        tiers = [tier for tier in Tier if any(one.tier == tier for one in week.out)]
        for number, tier in enumerate(tiers):
            left = week.left() - kept
            week.stage(tier, left if number == len(tiers) - 1 else left * OWED_SHARE, pool if large else None)
    if problem.costs.uneven > 0:
        evened(problem, week.shifts, week.begun + seconds if iterations is None else inf)
        week.fit()  # moves make room, too
    if progress is not None:
        progress(100, 100)
    found = tuple(sorted(visits(problem, week.shifts)))
    about: dict[str, str | float] = {"name": "PyVRP", "version": version("pyvrp"), "seed": seed, "iterations": week.steps}
    if iterations is None:
        about["seconds"] = round(time.monotonic() - week.begun, 1)
    left_out = {one.visit_id for one in week.out}
    return Plan(found, tuple(one.visit_id for one in problem.wanted if one.visit_id in left_out), None, (), about)


class _Week:
    """A week while it is being planned: its shifts, and what is not in them."""

    def __init__(
        self, problem: Problem, seconds: float, seed: int, iterations: int | None, progress: Progress | None, seen: Seen | None
    ) -> None:
        self.problem, self.seconds, self.seed, self.iterations = problem, seconds, seed, iterations
        self.progress, self.seen = progress, seen
        self.begun, self.told = time.monotonic(), 0.0
        self.most = greatest(problem)
        self.wanted = {one.visit_id: one for one in problem.wanted}
        self.shifts, self.out = _pinned(problem)
        self.steps = 0

    def left(self) -> float:
        """Seconds that are left."""
        return max(0.0, self.seconds - (time.monotonic() - self.begun))

    def tick(self) -> None:
        """Tell how much of all the time has gone."""
        if self.progress is not None and (now := time.monotonic()) > self.told + 0.2:
            self.told = now
            self.progress(min(99, int(100 * (now - self.begun) / max(self.seconds, 1e-9))), 100)

    def stage(self, tier: Tier, seconds: float, pool: Pool | None) -> None:
        """Plan a tier. pool: by parts; without one at once."""
        until = time.monotonic() + seconds
        filled(self.problem, self.shifts, self.out, tier)
        self._hold()
        if pool is None:
            left = [one for one in self.out if one.tier <= tier and (one.tier < Tier.VALUE or one.value > 0)]
            problem = replace(self.problem, wanted=(*(one for shift in self.shifts for one in shift.order), *left))
            task = Search(problem, tuple(self.shifts), tier, self.most, until - time.monotonic(), self.iterations, self.seed)
            self._keep([(Part(tuple(range(len(self.shifts))), ()), searched(task, self.tick))])
        else:
            self._rounds(tier, until, pool)
        self.fit(tier)

    def fit(self, tier: Tier = Tier.VALUE) -> None:
        """Put what is left out up to a tier, and owed, wherever a day has room for it or holds what may give way."""
        polish(self.problem, self.shifts, [one for one in self.out if one.tier <= tier])
        self._hold()

    def _rounds(self, tier: Tier, until: float, pool: Pool) -> None:
        parts, quiet, number = Parts(self.problem, tier, self.seed), 0, 0
        while quiet < QUIET and (number < ROUNDS if self.iterations is not None else time.monotonic() < until - 0.2):
            chosen = [part for part in parts.cut(self.shifts, self.out) if part.left_out or self._travels(tier)]
            quiet = quiet + 1 if not chosen else 0
            if chosen:
                self._round(tier, until, pool, chosen, number)
            number += 1

    def _travels(self, tier: Tier) -> bool:
        """Whether parts with nothing left out could still become better: by what their soft rules cost."""
        costs = self.problem.costs
        return tier == Tier.VALUE and (costs.minute_of_travel > 0 or costs.unfamiliar > 0)

    def _round(self, tier: Tier, until: float, pool: Pool, chosen: Sequence[Part], number: int) -> None:
        batch = pool.workers
        chosen = sorted(chosen, key=lambda part: -_size(self.shifts, part))
        turns = -(-len(chosen) // batch)
        for turn in range(turns):
            now, some = time.monotonic(), chosen[turn * batch : (turn + 1) * batch]
            if now > until and self.iterations is None:
                return
            enough = VISIT_SECONDS * max(_size(self.shifts, part) for part in some)
            given = max(0.05, min(enough, (until - now) / (turns - turn)))
            tasks = [
                Search(*part_of(self.problem, self.shifts, part), tier, self.most, given, self.iterations,
                       (self.seed * 1_000 + number) * 1_000 + turn * batch + place)
                for place, part in enumerate(some)
            ]  # fmt: skip
            self._keep(list(zip(some, pool.run(tasks), strict=True)))
            self.tick()

    def _keep(self, found: Sequence[tuple[Part, tuple[list[list[str]], int]]]) -> None:
        for part, (orders, taken) in found:
            self.steps += taken
            for number, order in zip(part.shifts, orders, strict=True):
                self.shifts[number].order = [self.wanted[name] for name in order]
        self._hold()

    def _hold(self) -> None:
        held = {one.visit_id for shift in self.shifts for one in shift.order}
        self.out = [one for one in self.problem.wanted if one.visit_id not in held]
        if self.seen is not None:
            self.seen(frozenset(held))


def _size(shifts: Sequence[Shift], part: Part) -> int:
    return sum(len(shifts[number].order) for number in part.shifts) + len(part.left_out)


def _pinned(problem: Problem) -> tuple[list[Shift], list[Wanted]]:
    """Every shift with the pinned visits in it, and what is not pinned."""
    shifts = [Shift(one, window) for one in problem.inspectors for window in sorted(one.shifts)]
    out = []
    for one in sorted(problem.wanted, key=lambda each: each.pinned[1] if each.pinned else -1):
        if one.pinned is None:
            out.append(one)
            continue
        who, start = one.pinned
        held = [
            shift for shift in shifts
            if shift.inspector.inspector_id == who and shift.window.holds(start, start + one.minutes)
        ]  # fmt: skip
        if not held:
            raise ValueError(f"visit {one.visit_id} is pinned to minute {start}, outside the hours of {who}")
        held[0].order.append(one)
    for shift in shifts:
        if starts(problem, shift, shift.order) is None:
            raise ValueError(f"pinned visits of {shift.inspector.inspector_id} from minute {shift.window.start} do not hold")
    return shifts, out
