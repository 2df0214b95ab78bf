"""`make bench NAME=plan`: how far plans are from the best there are, on weeks of which the optimum is known.

500 sites, 20 inspectors, 5 days in 60 s; --full: 5,000 sites, 100 inspectors, 5 days in 10 minutes; two processes search.
`planted`: tours on a plane; `packed`: spokes around homes, with decoys that are worth something. OR-Tools, where it is
installed, gets the same 500 sites and the same time, on the one core that it can use; it is no part of Forewarn. `mixed`, with
every rule there is, has no known optimum: a bound that nothing is worth more than, and a dispatcher's plan.
"""

import argparse
import time

import numpy as np

from serving.inspection.bound import most_averted, upper_bound
from serving.inspection.check import broken
from serving.inspection.dispatch import dispatched
from serving.inspection.instances import mixed, packed, planted
from serving.inspection.model import Problem, Tier
from serving.inspection.solver import solve

THREADS = 2
SMALL, LARGE = (500, 20, 5), (5_000, 100, 5)
WEEKS = {"planted": planted, "packed": packed}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="5,000 sites in 10 minutes too")
    parser.add_argument("--only-full", action="store_true")
    parser.add_argument("--seconds", type=float, help="instead of 60 (and 600)")
    parser.add_argument("--week", choices=(*WEEKS, "mixed"), action="append")
    parser.add_argument("--no-rival", action="store_true")
    args = parser.parse_args()
    missed = False
    for name in args.week or (*WEEKS, "mixed"):
        if name == "mixed":
            if not args.only_full:
                missed |= _any_week(SMALL, args.seconds or 60.0)
            if args.full or args.only_full:
                missed |= _any_week(LARGE, args.seconds or 600.0)
            continue
        if not args.only_full:
            missed |= _ours(name, SMALL, args.seconds or 60.0, 0.01)
            if not args.no_rival:
                _rival(name, SMALL, args.seconds or 60.0)
        if args.full or args.only_full:
            missed |= _ours(name, LARGE, args.seconds or 600.0, 0.03)
    return int(missed)


def _ours(name: str, size: tuple[int, int, int], seconds: float, wanted: float) -> bool:
    problem, best = WEEKS[name](*size, 1)
    begun = time.monotonic()
    plan = solve(problem, seconds=seconds, seed=1, threads=THREADS)
    took = time.monotonic() - begun
    value = {one.visit_id: one.value for one in problem.wanted}
    made = sum(value[visit.visit_id] for visit in plan.visits)
    gap, faults = 1 - made / best, broken(problem, plan)
    bound = upper_bound(problem)
    print(
        f"{name} {'x'.join(map(str, size))}: gap {gap:.3%} to the optimum (wanted at most {wanted:.0%}: "
        f"{'reached' if gap <= wanted else 'MISSED'}), {1 - made / bound:.3%} to the independent bound, {len(plan.visits)} "
        f"visits, {took:.1f} s, {len(faults)} rules broken",
        flush=True,
    )
    return gap > wanted or bool(faults) or bound < best * (1 - 1e-9)


def _any_week(size: tuple[int, int, int], seconds: float) -> bool:
    """A week with every rule: what is averted, of the most that could be, beside a dispatcher's plan."""
    problem = mixed(*size, 1)
    value = {one.visit_id: one.value for one in problem.wanted}
    tier = {one.visit_id: one.tier for one in problem.wanted}
    by_list = dispatched(problem, sorted(value, key=lambda one: (tier[one], -value[one])))
    begun = time.monotonic()
    plan = solve(problem, seconds=seconds, seed=1, threads=THREADS)
    took, faults = time.monotonic() - begun, broken(problem, plan)
    ours, theirs = (sum(value[one.visit_id] for one in each.visits) for each in (plan, by_list))
    owed = [sum(tier[one.visit_id] < Tier.VALUE for one in each.visits) for each in (plan, by_list)]
    due = sum(one < Tier.VALUE for one in tier.values())
    print(
        f"mixed {'x'.join(map(str, size))}: {ours / most_averted(problem, plan):.1%} of the most that could be averted (a "
        f"bound, no optimum), {ours / theirs:.3f} times a dispatcher's list; {owed[0]} of {due} visits owed are kept, "
        f"by the list {owed[1]}; {len(plan.visits)} visits, {took:.1f} s, {len(faults)} rules broken",
        flush=True,
    )
    return bool(faults) or owed[0] < owed[1]


def _rival(name: str, size: tuple[int, int, int], seconds: float) -> None:
    try:
        from ortools.constraint_solver import pywrapcp, routing_enums_pb2  # type: ignore[import-untyped]
    except ImportError:
        print("OR-Tools is not installed: no rival")
        return
    problem, best = WEEKS[name](*size, 1)
    shifts = [(one.place, shift) for one in problem.inspectors for shift in one.shifts]
    made = _or_tools(pywrapcp, routing_enums_pb2, problem, [home for home, _ in shifts], seconds)
    print(f"{name} {'x'.join(map(str, size))}: OR-Tools in {seconds:.0f} s: gap {1 - made / best:.3%}", flush=True)


def _or_tools(routing: object, enums: object, problem: Problem, homes: list[int], seconds: float) -> float:
    """Value planned by OR-Tools: guided local search; every visit fits into every shift, so days need no windows."""
    serving = np.zeros(len(problem.travel), dtype=np.int64)
    for one in problem.wanted:
        serving[one.place] = one.minutes
    taken = (problem.travel + serving[:, None]).tolist()
    lasts = problem.inspectors[0].shifts[0].end - problem.inspectors[0].shifts[0].start
    manager = routing.RoutingIndexManager(len(taken), len(homes), homes, homes)  # type: ignore[attr-defined]
    model = routing.RoutingModel(manager)  # type: ignore[attr-defined]
    model.SetArcCostEvaluatorOfAllVehicles(model.RegisterTransitMatrix(problem.travel.tolist()))
    model.AddDimension(model.RegisterTransitMatrix(taken), 0, lasts, True, "time")
    for one in problem.wanted:
        model.AddDisjunction([manager.NodeToIndex(one.place)], round(one.value * 1_000))
    search = routing.DefaultRoutingSearchParameters()  # type: ignore[attr-defined]
    search.first_solution_strategy = enums.FirstSolutionStrategy.PARALLEL_CHEAPEST_INSERTION  # type: ignore[attr-defined]
    search.local_search_metaheuristic = enums.LocalSearchMetaheuristic.GUIDED_LOCAL_SEARCH  # type: ignore[attr-defined]
    search.time_limit.FromMilliseconds(int(seconds * 1_000))
    found = model.SolveWithParameters(search)
    if found is None:
        return 0.0
    at = {one.place: one.value for one in problem.wanted}
    return sum(
        at[place] for place in at if found.Value(model.NextVar(manager.NodeToIndex(place))) != manager.NodeToIndex(place)
    )


if __name__ == "__main__":
    raise SystemExit(main())
