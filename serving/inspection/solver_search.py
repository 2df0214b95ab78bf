"""One search by PyVRP: shifts of some inspectors, with visits that are theirs or might be, come out no worse."""

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pyvrp
from pyvrp.exceptions import PenaltyBoundWarning, ScalingWarning
from pyvrp.stop import MaxIterations

from serving.inspection.model import Problem, Tier, Wanted
from serving.inspection.solver_days import Shift, starts, way
from serving.inspection.solver_model import LEAST, PRIZE, Built, build

CHUNKS = 4  # of a search of owed visits: it ends at the first at which none is left out


@dataclass(frozen=True)
class Search:
    """What is searched: visits of `tier` for shifts whose visits of better tiers stay planned.

    most: the greatest value of any visit wanted of each tier, in the week of which this may be a part, so that all its parts
    weigh alike. iterations: instead of seconds.
    """

    problem: Problem
    shifts: tuple[Shift, ...]
    tier: Tier
    most: tuple[float, ...]
    seconds: float
    iterations: int | None
    seed: int


def searched(task: Search, tick: Callable[[], None] | None = None) -> tuple[list[list[str]], int]:
    """Ids of the visits of each shift, in order, and the steps taken. tick: called at every step."""
    problem, shifts, tier = task.problem, task.shifts, task.tier
    until = time.monotonic() + task.seconds
    before = [[one.visit_id for one in shift.order] for shift in shifts]
    required = {one.visit_id for shift in shifts for one in shift.order if one.pinned is None and one.tier < tier}
    bare = [replace(shift, order=[one for one in shift.order if one.pinned is not None]) for shift in shifts]
    built = build(problem, bare, tier, required, task.most[tier])
    if built is None:
        return before, 0
    best, taken = _began(problem, built, shifts), 0
    chunks = CHUNKS if tier < Tier.VALUE else 1
    for chunk in range(chunks):
        if tier < Tier.VALUE and best is not None and best.is_feasible() and best.uncollected_prizes() == 0:
            break
        now = time.monotonic()
        if chunk and task.iterations is None and now >= until:
            break
        stop = _Stop(now + (until - now) / (chunks - chunk), task.iterations and -(-task.iterations // chunks), tick)
        with warnings.catch_warnings():  # that penalties reached their most: no solution is kept that breaks a rule
            warnings.simplefilter("ignore", PenaltyBoundWarning)
            warnings.simplefilter("ignore", ScalingWarning)
            result = pyvrp.solve(
                built.data, stop=stop, seed=task.seed + chunk, collect_stats=False, display=False, initial_solution=best
            )
        taken += result.num_iterations
        if result.best.is_feasible():
            best = result.best
    if best is None or not best.is_feasible():
        return before, taken
    made = _read(problem, built, bare, best)
    if made is None or worth(problem, tier, made, task.most) <= worth(problem, tier, shifts, task.most):
        return before, taken
    return [[one.visit_id for one in shift.order] for shift in made], taken


class _Stop:
    """Stops at a moment, or after a number of steps where that is given."""

    def __init__(self, until: float, iterations: int | None, tick: Callable[[], None] | None) -> None:
        self.until, self.tick = until, tick
        self.steps = None if iterations is None else MaxIterations(iterations)

    def __call__(self, best_cost: int) -> bool:
        if self.tick is not None:
            self.tick()
        return time.monotonic() >= self.until if self.steps is None else self.steps(best_cost)


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


def _read(problem: Problem, built: Built, bare: Sequence[Shift], best: pyvrp.Solution) -> list[Shift] | None:
    """The shifts of a solution; None where one does not hold (a solver's fault that no plan should show)."""
    wanted = {one.visit_id: one for one in problem.wanted}
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


def greatest(problem: Problem) -> tuple[float, ...]:
    """The greatest value of any visit wanted, by tier."""
    return tuple(max((one.value for one in problem.wanted if one.tier == tier), default=0.0) for tier in Tier)


def worth(problem: Problem, tier: Tier, shifts: Sequence[Shift], most: Sequence[float]) -> tuple[float, ...]:
    """What shifts are worth up to a tier: of each owed tier what it holds and averts, then value less what soft rules cost."""
    held = [(shift, one) for shift in shifts for one in shift.order]
    found = [
        float(sum(LEAST + round(one.value / (most[each] or 1.0) * PRIZE) for _, one in held if one.tier == each))
        for each in Tier
        if each < Tier.VALUE
    ]
    travel = sum(way(problem, shift, shift.order) for shift in shifts)
    if tier < Tier.VALUE:
        return (*found[: tier + 1], -travel)
    strange = sum(bool(one.known) and one.known != shift.inspector.inspector_id for shift, one in held)
    cost = problem.costs.minute_of_travel * travel + problem.costs.unfamiliar * strange
    return (*found, sum(one.value for _, one in held) - cost)
