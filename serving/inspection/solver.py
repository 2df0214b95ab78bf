"""The solver: a week's visits to inspectors and times, by PyVRP (MIT), a search that is given a time or a number of steps.

A stage for each tier: what a better tier has planned is required of the stages after it, so a visit of a worse tier never
takes its place. Each stage begins with what the one before it planned, and what it makes of it is kept only where it is better.
Within a tier what a visit averts counts; the travel of a stage of owed visits only where it makes room.
"""

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version

import pyvrp
from pyvrp.exceptions import PenaltyBoundWarning, ScalingWarning
from pyvrp.stop import MaxIterations

from serving.inspection.model import Plan, Problem, Tier, Wanted
from serving.inspection.solver_days import Shift, polish, starts, visits, way
from serving.inspection.solver_model import LEAST, Built, build, crowded

Progress = Callable[[int, int], None]  # (done, of)
CHUNKS = 4
OWED_SHARE = 0.4  # of the time that is left, for a stage of owed visits


def solve(
    problem: Problem,
    *,
    seconds: float,
    seed: int,
    threads: int = 1,
    progress: Progress | None = None,
    iterations: int | None = None,
) -> Plan:
    """The best plan found in `seconds`, or in `iterations` of each stage: then the same seed gives the same plan.

    Visits that no inspector can make are left out. progress: told what is done, of how much. threads: one is used. Raises
    ValueError where pinned visits do not hold together (see conflicts.clashes).
    """
    begun = time.monotonic()
    shifts, out = _pinned(problem)
    tight = crowded(problem)
    steps, notes = 0, []
    tiers = [tier for tier in Tier if any(one.tier == tier for one in out)]
    for number, tier in enumerate(tiers):
        shifts = _settled(problem, shifts) if tight else shifts
        left = max(0.0, seconds - (time.monotonic() - begun))
        given = left if number == len(tiers) - 1 else left * OWED_SHARE
        shifts, out, told, taken = _stage(problem, shifts, out, tier, given, seed, iterations, progress, begun, seconds)
        notes += [note for note in told if note not in notes]
        steps += taken
    if problem.costs.uneven > 0:
        notes.append("evenness of loads was not weighed")
    if progress is not None:
        progress(100, 100)
    found = tuple(sorted(visits(problem, shifts)))
    about: dict[str, str | float] = {"name": "PyVRP", "version": version("pyvrp"), "seed": seed, "iterations": steps}
    if iterations is None:
        about["seconds"] = round(time.monotonic() - begun, 1)
    left_out = {one.visit_id for one in out}
    return Plan(found, tuple(one.visit_id for one in problem.wanted if one.visit_id in left_out), None, tuple(notes), about)


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


def _settled(problem: Problem, shifts: Sequence[Shift]) -> list[Shift]:
    """Shifts in which visits that are bound to inspectors are pinned where they are."""
    found = []
    for shift in shifts:
        begun = starts(problem, shift, shift.order) or ()
        order = [
            one if one.inspectors is None else replace(one, pinned=(shift.inspector.inspector_id, start))
            for one, start in zip(shift.order, begun, strict=True)
        ]
        found.append(replace(shift, order=order))
    return found


def _stage(
    problem: Problem, shifts: list[Shift], out: list[Wanted], tier: Tier, given: float, seed: int, iterations: int | None,
    progress: Progress | None, begun: float, seconds: float,
) -> tuple[list[Shift], list[Wanted], Sequence[str], int]:  # fmt: skip
    """Shifts and what is left out after a tier's stage."""
    until = time.monotonic() + given
    required = {one.visit_id for shift in shifts for one in shift.order if one.pinned is None}
    bare = [replace(shift, order=[one for one in shift.order if one.pinned is not None]) for shift in shifts]
    built = build(problem, bare, tier, required)
    if built is None:
        return shifts, polish(problem, shifts, out), (), 0
    wanted = {one.visit_id: one for one in problem.wanted}
    best, taken = _began(problem, built, shifts), 0
    chunks = CHUNKS if tier < Tier.VALUE else 1
    for chunk in range(chunks):
        if tier < Tier.VALUE and best is not None and best.is_feasible() and best.uncollected_prizes() == 0:
            break
        now = time.monotonic()
        if chunk and iterations is None and now >= until:
            break
        stop = _Stop(now + (until - now) / (chunks - chunk), None if iterations is None else -(-iterations // chunks),
                     progress, begun, seconds)  # fmt: skip
        with warnings.catch_warnings():  # that penalties reached their most: no solution is kept that breaks a rule
            warnings.simplefilter("ignore", PenaltyBoundWarning)
            warnings.simplefilter("ignore", ScalingWarning)
            result = pyvrp.solve(
                built.data, stop=stop, seed=seed + chunk, collect_stats=False, display=False, params=_PARAMS,
                initial_solution=best,
            )  # fmt: skip
        taken += result.num_iterations
        if result.best.is_feasible():
            best = result.best
    made = None if best is None or not best.is_feasible() else _read(problem, built, bare, best, wanted)
    if made is None or _worth(problem, tier, made) < _worth(problem, tier, shifts):
        made = shifts
    held = {one.visit_id for shift in made for one in shift.order}
    rest = polish(problem, made, [one for one in problem.wanted if one.visit_id not in held and one.tier <= tier])
    return made, rest + [one for one in problem.wanted if one.tier > tier and one.pinned is None], built.notes, taken


class _Stop:
    """Stops at a moment, or after a number of steps where that is given; tells how much of all the time has gone."""

    def __init__(self, until: float, iterations: int | None, progress: Progress | None, begun: float, seconds: float) -> None:
        self.until, self.steps = until, None if iterations is None else MaxIterations(iterations)
        self.progress, self.begun, self.seconds, self.told = progress, begun, max(seconds, 1e-9), 0.0

    def __call__(self, best_cost: int) -> bool:
        if self.progress is not None and (now := time.monotonic()) > self.told + 0.2:
            self.told = now
            self.progress(min(99, int(100 * (now - self.begun) / self.seconds)), 100)
        return time.monotonic() >= self.until if self.steps is None else self.steps(best_cost)


_PARAMS = pyvrp.SolveParams()


def _began(problem: Problem, built: Built, shifts: Sequence[Shift]) -> pyvrp.Solution | None:
    """What is planned so far, for PyVRP to begin with; None where it has no such solution."""
    routes = []
    at = {leg: number for number, leg in enumerate(built.legs)}
    for number, shift in enumerate(shifts):
        begun = starts(problem, shift, shift.order)
        if begun is None:
            return None
        own = [leg for leg in built.legs if leg.shift == number]
        held: dict[int, list[int]] = {}
        for one, start in zip(shift.order, begun, strict=True):
            if one.pinned is not None:
                continue
            leg = next((leg for leg in own if leg.window.holds(start, start + one.minutes)), None)
            client = _client(built, one, start, leg.start if leg else -1)
            if leg is None or client is None:
                return None
            held.setdefault(at[leg], []).append(client)
        routes += [pyvrp.Route(built.data, clients, built.type_of[leg]) for leg, clients in held.items()]
    return pyvrp.Solution(built.data, routes)


def _client(built: Built, one: Wanted, start: int, home: int) -> int | None:
    """The client of a visit at a start; of a remote visit, the one at the place where its leg begins, if there is one."""
    fitting = []
    for client in built.clients_of.get(one.visit_id, ()):
        data = built.data.client(client)
        if data.tw_early <= start <= data.tw_late:
            fitting.append(client)
    return min(fitting, default=None, key=lambda client: built.place_of[client] != home)


def _read(
    problem: Problem, built: Built, bare: Sequence[Shift], best: pyvrp.Solution, wanted: dict[str, Wanted]
) -> list[Shift] | None:
    """The shifts of a solution; None where one does not hold (a solver's fault that no plan should show)."""
    free: dict[int, list[int]] = {}
    for number, kind in enumerate(built.type_of):
        free.setdefault(kind, []).append(number)
    by_leg = {
        free[route.vehicle_type()].pop(0): [wanted[built.visit_of[each.idx]] for each in route if each.is_client()]
        for route in best.routes()
    }
    orders: dict[int, list[tuple[int, list[Wanted]]]] = {}
    for number, leg in enumerate(built.legs):
        orders.setdefault(leg.shift, []).append((leg.window.start, by_leg.get(number, [])))
    made = []
    for number, shift in enumerate(bare):
        parts = [*orders.get(number, []), *((one.pinned[1], [one]) for one in shift.order if one.pinned)]
        order = [one for _, part in sorted(parts, key=lambda each: each[0]) for one in part]
        if starts(problem, shift, order) is None:
            return None
        made.append(replace(shift, order=order))
    return made


def _worth(problem: Problem, tier: Tier, shifts: Sequence[Shift]) -> tuple[float, ...]:
    """What shifts are worth up to a tier: of each owed tier what it holds and averts, then value less the cost of travel."""
    held = [one for shift in shifts for one in shift.order]
    most = max((one.value for one in problem.wanted), default=0.0) or 1.0
    owed = [sum(LEAST + one.value / most * 200_000 for one in held if one.tier == each) for each in Tier if each < Tier.VALUE]
    if tier < Tier.VALUE:
        return tuple(owed[: tier + 1])
    travel = sum(way(problem, shift, shift.order) for shift in shifts)
    return (*(round(each) for each in owed), sum(one.value for one in held) - problem.costs.minute_of_travel * travel)
