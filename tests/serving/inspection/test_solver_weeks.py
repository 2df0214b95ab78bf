"""Weeks with every rule there is: their plans hold, come near to a bound and are worth more than a dispatcher's."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from serving.inspection import bound
from serving.inspection.bound import bound_of, most_averted
from serving.inspection.check import broken
from serving.inspection.dispatch import dispatched
from serving.inspection.instances import mixed, packed
from serving.inspection.model import DAY, Costs, Plan, Problem, Tier, Window
from serving.inspection.solver import solve
from serving.inspection.solver_days import Shift, load, polish
from serving.inspection.solver_even import evened, uneven
from serving.inspection.solver_groups import Parts, part_of
from serving.inspection.solver_pool import Pool
from serving.inspection.solver_search import Search, greatest
from serving.inspection.solver_start import filled
from tests.serving.inspection.planned import ANN, BOB, visit, week


def owed(problem: Problem, plan: Plan) -> tuple[int, ...]:
    """Visits of each owed tier that a plan holds."""
    tier = {one.visit_id: one.tier for one in problem.wanted}
    return tuple(sum(tier[one.visit_id] == each for one in plan.visits) for each in (Tier.FOLLOW_UP, Tier.MINIMUM))


def net(problem: Problem, plan: Plan) -> float:
    """What a plan averts less what its travel and its inspectors whom sites do not know cost."""
    wanted = {one.visit_id: one for one in problem.wanted}
    shifts = [Shift(who, window) for who in problem.inspectors for window in who.shifts]
    total = 0.0
    for shift in shifts:
        shift.order = [
            wanted[one.visit_id]
            for one in sorted(plan.visits, key=lambda one: one.start)
            if one.inspector_id == shift.inspector.inspector_id and shift.window.holds(one.start, one.end)
        ]
        travel = load(problem, shift) - sum(one.minutes for one in shift.order)
        strange = sum(one.known not in ("", shift.inspector.inspector_id) for one in shift.order)
        total += sum(one.value for one in shift.order) - problem.costs.minute_of_travel * travel
        total -= problem.costs.unfamiliar * strange
    return total


def by_list(problem: Problem) -> Plan:
    """A dispatcher's plan: the better tier first, then what averts more."""
    return dispatched(problem, [one.visit_id for one in sorted(problem.wanted, key=lambda one: (one.tier, -one.value))])


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("share", [0.15, 0.8])
def test_plans_of_any_week_hold_and_are_worth_more_than_a_dispatchers(seed: int, share: float) -> None:
    """share: of visits owed; of most of them there are too many for the inspectors."""
    problem = mixed(45, 2, 3, seed, owed=share)
    plan = solve(problem, seconds=60, seed=1, iterations=400)
    list_of = by_list(problem)
    assert broken(problem, plan) == []
    assert owed(problem, plan) >= owed(problem, list_of)
    bound = bound_of(problem, plan)
    assert net(problem, plan) <= bound + 1e-6
    if share < 0.5:
        assert net(problem, list_of) < net(problem, plan) and net(problem, plan) >= 0.75 * bound


@pytest.mark.parametrize("seed", range(4))
def test_a_plan_made_in_no_time_is_worth_a_dispatchers(seed: int) -> None:
    problem = mixed(150, 6, 5, seed)
    plan, list_of = solve(problem, seconds=0.0, seed=1), by_list(problem)
    assert broken(problem, plan) == []
    assert owed(problem, plan) >= owed(problem, list_of) and net(problem, plan) >= net(problem, list_of)


@pytest.mark.parametrize("seed", [7, 17])
def test_what_is_owed_is_searched_for_though_it_averts_nothing(seed: int) -> None:
    problem = mixed(30, 2, 2, seed, owed=0.9)
    poor = replace(problem, wanted=tuple(replace(one, value=0.0, tier=max(one.tier, Tier.MINIMUM)) for one in problem.wanted))
    begun, plan = solve(poor, seconds=0.0, seed=1), solve(poor, seconds=60, seed=1, iterations=200)
    assert broken(poor, plan) == [] and owed(poor, plan) > owed(poor, begun)


def test_parts_are_the_same_plan_with_any_number_of_processes() -> None:
    problem = mixed(130, 6, 5, 3)
    alone, beside = (solve(problem, seconds=60, seed=2, threads=threads, iterations=40) for threads in (1, 2))
    assert broken(problem, alone) == [] and alone == beside
    assert net(problem, alone) > net(problem, solve(problem, seconds=0.0, seed=2))


def test_parts_of_a_week_hold_every_shift_once_and_what_is_left_out_at_most_once() -> None:
    problem, _ = packed(300, 12, 5, 1)
    shifts = [Shift(who, window) for who in problem.inspectors for window in who.shifts]
    filled(problem, shifts, problem.wanted, Tier.VALUE)
    held = {one.visit_id for shift in shifts for one in shift.order}
    out = [one for one in problem.wanted if one.visit_id not in held]
    cuts = Parts(problem, Tier.VALUE, 1)
    for _ in range(5):
        parts = cuts.cut(shifts, out)
        assert sorted(number for part in parts for number in part.shifts) == list(range(len(shifts)))
        given = [one.visit_id for part in parts for one in part.left_out]
        assert len(given) == len(set(given)) and set(given) <= {one.visit_id for one in out} and given
        for part in parts:
            small, own = part_of(problem, shifts, part)
            assert sum(load(small, shift) for shift in own) == sum(load(problem, shifts[number]) for number in part.shifts)


def test_a_search_never_comes_out_worse_and_an_error_in_a_process_is_raised() -> None:
    problem = mixed(30, 2, 2, 5)
    shifts = [Shift(who, window) for who in problem.inspectors for window in who.shifts]
    free = replace(problem, wanted=tuple(replace(one, pinned=None) for one in problem.wanted))
    filled(free, shifts, free.wanted, Tier.VALUE)
    task = Search(free, tuple(shifts), Tier.VALUE, greatest(free), 0.0, 1, 1)
    with Pool(2) as pool:
        (orders, _), _ = pool.run([task, task])
        value = {one.visit_id: one.value for one in free.wanted}
        assert (
            sum(value[name] for order in orders for name in order)
            >= sum(one.value for each in shifts for one in each.order) * 0.9
        )
        with pytest.raises(IndexError):
            pool.run([replace(task, most=())])


def test_a_search_whose_process_was_killed_is_made_here() -> None:
    problem = mixed(20, 2, 2, 5)
    shifts = tuple(Shift(who, window) for who in problem.inspectors for window in who.shifts)
    free = replace(problem, wanted=tuple(replace(one, pinned=None) for one in problem.wanted))
    tasks = [Search(free, shifts, Tier.VALUE, greatest(free), 60.0, 5, seed) for seed in (1, 2)]
    with Pool(1) as alone, Pool(2) as pool:
        expected = alone.run(tasks)
        assert pool._executor is not None
        os.kill(pool._executor.submit(os.getpid).result(), signal.SIGKILL)
        assert pool.run(tasks) == expected == pool.run(tasks)


INTERRUPTED = """
import os, time
from serving.inspection.solver_pool import processes
if __name__ == "__main__":
    with processes(2) as pool:
        pool.submit(time.sleep, 60)
        print(pool.submit(os.getpid).result(), flush=True)
        pool.submit(time.sleep, 60).result()
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_processes_end_with_whoever_asked_for_them(how: signal.Signals, tmp_path: Path) -> None:
    """From the keyboard all of them are interrupted: one says so, and nobody waits for what they were at."""
    (tmp_path / "asks.py").write_text(INTERRUPTED)
    asking = subprocess.Popen(
        [sys.executable, tmp_path / "asks.py"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, env=os.environ | {"PYTHONPATH": str(Path.cwd())},
    )  # fmt: skip
    assert asking.stdout is not None
    worker = int(asking.stdout.readline())
    (os.killpg if how == signal.SIGINT else os.kill)(asking.pid, how)
    _, said = asking.communicate(timeout=30)
    assert asking.returncode != 0 and said.count("Traceback") <= 1
    until = time.monotonic() + 10
    while _lives(worker) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _lives(worker)


def _lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def test_even_loads_are_worth_what_they_cost() -> None:
    """Ann would make all four visits; Bob, who lives further away, takes two once evenness is worth his travel."""
    people = (replace(ANN, skills=frozenset(), regions=frozenset()), replace(BOB, place=2, skills=frozenset()))
    wanted = [visit(f"{number}", 1, region="", tier=Tier.VALUE) for number in range(4)]
    cheap = replace(
        week(*wanted, visit("off", 2, windows=()), inspectors=people), costs=Costs(minute_of_travel=1.0, uneven=0.01)
    )
    shifts = [Shift(people[0], people[0].shifts[0], list(wanted)), *(Shift(people[1], window) for window in people[1].shifts)]
    before = uneven(cheap, shifts)
    evened(cheap, shifts)
    assert uneven(cheap, shifts) == before == 130.0
    dear = replace(cheap, costs=Costs(minute_of_travel=1.0, uneven=1.0))
    evened(dear, shifts, until=time.monotonic())  # no time left
    assert uneven(dear, shifts) == before
    evened(dear, shifts)
    assert uneven(dear, shifts) == 0.0 and sum(len(shift.order) for shift in shifts) == 4


def test_evened_plans_hold_and_give_up_nothing() -> None:
    problem = mixed(60, 4, 3, 2)
    fair = replace(problem, costs=replace(problem.costs, uneven=5.0))
    plans = [solve(one, seconds=60, seed=1, iterations=100) for one in (problem, fair)]
    assert [broken(one, plan) for one, plan in zip((problem, fair), plans, strict=True)] == [[], []]
    assert {one.visit_id for one in plans[0].visits} == {one.visit_id for one in plans[1].visits}
    loads = [
        [
            sum(visit.end - visit.start for visit in plan.visits if visit.inspector_id == who.inspector_id)
            for who in fair.inspectors
        ]
        for plan in plans
    ]
    assert max(loads[1]) < max(loads[0])


@pytest.mark.parametrize("seed", [10, 21, 34])
def test_room_that_even_loads_make_is_given_to_what_is_owed(seed: int) -> None:
    problem = mixed(40, 4, 2, seed, owed=0.8)
    fair = replace(problem, costs=replace(problem.costs, uneven=20.0))
    assert broken(fair, solve(fair, seconds=60, seed=1, iterations=2)) == []


def test_what_is_seen_is_planned() -> None:
    problem = mixed(40, 2, 2, 1)
    seen: list[frozenset[str]] = []
    plan = solve(problem, seconds=60, seed=1, iterations=20, seen=seen.append)
    assert seen[-1] == {one.visit_id for one in plan.visits} and len(seen) > 2


def test_no_plan_averts_more_than_the_bound_however_coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ann has time for one of two visits and half the other; taken for one kind, Ann and Bob have time for both."""
    people = tuple(replace(one, shifts=(Window(480, 600),)) for one in (ANN, BOB))
    near = visit("a", 2, tier=Tier.VALUE, value=100.0, skills=ANN.skills)
    problem = week(near, visit("b", 4, tier=Tier.VALUE, value=50.0, skills=ANN.skills), inspectors=people)
    plan = solve(problem, seconds=60, seed=1, iterations=20)
    assert [one.visit_id for one in plan.visits] == ["v-a"]
    assert most_averted(problem, plan) == most_averted(problem) < 150.0
    monkeypatch.setattr(bound, "MOST_PARTS", 1)
    assert most_averted(problem, plan) == pytest.approx(150.0)


def test_bound_of_plans_that_hold_what_is_owed() -> None:
    """Two hours for one visit and its way: with the owed one held, half of the dear one at most."""
    one = (replace(ANN, shifts=(Window(480, 600),)),)
    poor, rich = visit("poor", 3, value=1.0), visit("rich", 1, value=100.0, tier=Tier.VALUE)
    problem = week(poor, rich, inspectors=one)
    plan = solve(problem, seconds=60, seed=1, iterations=20)
    assert [each.visit_id for each in plan.visits] == ["v-poor"]
    assert bound_of(problem, plan) < 101.0 and bound_of(problem, replace(plan, visits=())) > bound_of(problem, plan)


def test_what_gave_way_is_put_wherever_it_fits() -> None:
    """Ann alone may make the follow-up: the minimum that fills her day goes to Bob, whose day nothing else has changed."""
    hours = (Window(480, 620),)
    people = (replace(ANN, shifts=hours), replace(BOB, shifts=hours, skills=frozenset()))
    least = visit("least", 1, minutes=100, windows=hours)
    urgent = visit("urgent", 1, minutes=100, windows=hours, tier=Tier.FOLLOW_UP, skills=ANN.skills)
    value = visit("value", 1, minutes=100, windows=hours, tier=Tier.VALUE)
    problem = week(least, urgent, value, inspectors=people)
    shifts = [Shift(people[0], hours[0], [least]), Shift(people[1], hours[0])]
    assert polish(problem, shifts, [urgent, value]) == [value]
    assert [[one.visit_id for one in shift.order] for shift in shifts] == [["v-urgent"], ["v-least"]]


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_plans_and_bounds_hold_in_currencies_of_any_size(unit: float) -> None:
    """Ways that cost far more than any visit averts, too: whole numbers must not run over, nor the bound give up."""
    problem = mixed(25, 2, 2, 4)
    wanted = tuple(replace(one, value=round(one.value) * unit) for one in problem.wanted)
    plans = [
        solve(replace(problem, wanted=wanted, costs=costs), seconds=60, seed=1, iterations=50)
        for costs in (Costs(0.25 * unit), Costs(1e9, 1e9))
    ]
    for costs, plan in zip((Costs(0.25 * unit), Costs(1e9, 1e9)), plans, strict=True):
        priced = replace(problem, wanted=wanted, costs=costs)
        assert broken(priced, plan) == []
        assert net(priced, plan) <= bound_of(priced, plan) + 1e-6 * abs(bound_of(priced, plan))
        assert most_averted(priced) >= most_averted(priced, plan) * (1 - 1e-9) > 0.0


def test_no_plan_made_worse_passes_the_checker() -> None:
    """Each visit of a plan a day or a minute too early or late, given to somebody who may not make it, or given up."""
    problem = mixed(45, 3, 3, 1)
    plan, spoilt = solve(problem, seconds=60, seed=1, iterations=60), 0
    wanted, people = {one.visit_id: one for one in problem.wanted}, {one.inspector_id: one for one in problem.inspectors}
    for number, visit_of in enumerate(plan.visits):
        one, rest = wanted[visit_of.visit_id], (*plan.visits[:number], *plan.visits[number + 1 :])
        worse = [replace(visit_of, inspector_id=name) for name in people if name != visit_of.inspector_id]
        worse += [
            replace(visit_of, start=visit_of.start + by, end=visit_of.end + by)
            for by in (-DAY, DAY, -1, 1) if visit_of.start + by >= 0
        ]  # fmt: skip
        for made in worse:
            who = people[made.inspector_id]
            if (
                not any(window.holds(made.start, made.end) for window in one.windows)
                or not any(shift.holds(made.start, made.end) for shift in who.shifts)
                or not one.skills <= who.skills
                or (who.regions and one.region and one.region not in who.regions)
                or (one.inspectors is not None and made.inspector_id not in one.inspectors)
                or one.pinned is not None
                or any(
                    each.inspector_id == made.inspector_id and each.start < made.end and made.start < each.end for each in rest
                )
            ):
                assert broken(problem, replace(plan, visits=tuple(sorted((*rest, made)))))
                spoilt += 1
        if one.tier < Tier.VALUE:
            assert broken(problem, replace(plan, visits=rest, left_out=(*plan.left_out, one.visit_id)))
    assert spoilt > 100
