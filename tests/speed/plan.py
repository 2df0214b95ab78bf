"""`make bench NAME=plan`: how far plans are from the best there are, on weeks of which the optimum is known.

500 sites, 20 inspectors, 5 days in 60 s; --full: 5,000 sites, 100 inspectors, 5 days in 10 minutes. `planted`: tours on
a plane; `packed`: spokes around homes, with decoys that are worth something. OR-Tools, where it is installed, gets the same 500
sites and the same time; it is no part of Forewarn.
"""

import argparse
import time

import numpy as np

from serving.inspection.bound import upper_bound
from serving.inspection.check import broken
from serving.inspection.instances import packed, planted
from serving.inspection.model import Problem
from serving.inspection.solver import solve

SMALL, LARGE = (500, 20, 5), (5_000, 100, 5)
WEEKS = {"planted": planted, "packed": packed}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="5,000 sites in 10 minutes too")
    parser.add_argument("--only-full", action="store_true")
    parser.add_argument("--seconds", type=float, help="instead of 60 (and 600)")
    parser.add_argument("--week", choices=WEEKS, action="append")
    parser.add_argument("--no-rival", action="store_true")
    args = parser.parse_args()
    missed = False
    for name in args.week or WEEKS:
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
    plan = solve(problem, seconds=seconds, seed=1)
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
