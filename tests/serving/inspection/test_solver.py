"""Plans hold, are the best there are where that can be told, and are the same for the same seed."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.inspection.bound import least_travel, upper_bound
from serving.inspection.check import broken
from serving.inspection.instances import packed, planted
from serving.inspection.model import DAY, Costs, Inspector, Mode, Plan, Problem, Tier, Wanted, Window
from serving.inspection.solver import solve
from serving.inspection.solver_days import Shift
from serving.inspection.solver_search import greatest
from serving.inspection.solver_search import worth as weight
from tests.serving.inspection.planned import ANN, BOB, WEEKDAYS, line, visit, week

STEPS = 400
SHORT = (replace(ANN, shifts=(Window(480, 780),)), replace(BOB, shifts=(Window(480, 700),)))


def solved(problem: Problem, steps: int = STEPS) -> Plan:
    plan = solve(problem, seconds=1, seed=1, iterations=steps)
    assert broken(problem, plan) == []
    return plan


def names(plan: Plan) -> set[str]:
    return {one.visit_id for one in plan.visits}


def worth(problem: Problem, plan: Plan) -> float:
    value = {one.visit_id: one.value for one in problem.wanted}
    return sum(value[one.visit_id] for one in plan.visits)


def test_nothing_to_plan() -> None:
    assert solve(week(), seconds=1, seed=1).visits == ()
    assert solve(week(visit("a", 2), inspectors=()), seconds=1, seed=1).left_out == ("v-a",)
    assert solved(week(visit("a", 2, region="south", skills=frozenset({"gas"})))).left_out == ("v-a",)


def test_same_seed_same_plan() -> None:
    problem, _ = planted(30, 2, 2, 3)
    assert solved(problem) == solved(problem)


@pytest.mark.parametrize("week_of, gap", [(planted, 0.0), (packed, 0.03)])
def test_known_optimum(week_of: object, gap: float) -> None:
    problem, best = week_of(60, 4, 3, 2)  # type: ignore[operator]
    made = worth(problem, solved(problem, 4_000))
    assert best * (1 - gap) <= made <= best + 1e-6 <= upper_bound(problem) + 1e-3


def test_visits_of_a_tier_are_worth_the_same_in_whatever_order() -> None:
    """Else a plan with all that the next tier holds could be given up for the last digit of a sum."""
    held = [visit(f"{number}", 1, value=1.0 / (number + 3), tier=Tier.FOLLOW_UP) for number in range(50)]
    more = visit("more", 1, tier=Tier.MINIMUM)
    problem = week(*held, more)
    for turn in range(1, 50):
        before, after = ([Shift(ANN, ANN.shifts[0], order)] for order in (held, [*held[turn:], *held[:turn], more]))
        most = greatest(problem)
        assert weight(problem, Tier.FOLLOW_UP, before, most)[0] == weight(problem, Tier.FOLLOW_UP, after, most)[0]
        assert weight(problem, Tier.MINIMUM, before, most) < weight(problem, Tier.MINIMUM, after, most)


def test_tier_comes_before_any_value() -> None:
    """A day has room for one visit: the owed one, though the others avert a million times as much."""
    one = (replace(ANN, shifts=(Window(480, 660),)),)
    owed = visit("owed", 5, value=0.0, tier=Tier.MINIMUM)
    first = visit("first", 5, value=0.0, tier=Tier.FOLLOW_UP)
    rich = [visit(f"rich{number}", 1, value=1e9, minutes=50, tier=Tier.VALUE) for number in range(5)]
    assert names(solved(week(*rich, owed, inspectors=one))) == {"v-owed"}
    assert names(solved(week(*rich, owed, first, inspectors=one))) == {"v-first"}
    many = [visit(f"min{number}", 1, value=1e9, minutes=20, tier=Tier.MINIMUM) for number in range(4)]
    plan = solved(week(*rich, *many, replace(first, minutes=20), inspectors=one))
    assert "v-first" in names(plan) and not names(plan) & {each.visit_id for each in rich}


def test_value_that_is_less_than_its_travel_stays_out() -> None:
    far, near = visit("far", 20, value=30.0, tier=Tier.VALUE), visit("near", 1, value=30.0, tier=Tier.VALUE)
    problem = replace(week(far, near, inspectors=(ANN,)), costs=Costs(minute_of_travel=1.0))
    assert names(solved(problem)) == {"v-near"}
    owed = replace(problem, wanted=(replace(far, tier=Tier.MINIMUM), near))
    assert names(solved(owed)) == {"v-far", "v-near"}


def test_who_the_site_knows_comes_where_it_is_worth_it() -> None:
    people = (ANN, replace(BOB, place=3))
    known = replace(visit("a", 3, tier=Tier.VALUE), known="ann", region="")
    cheap, dear = (replace(week(known, inspectors=people), costs=Costs(0.1, cost)) for cost in (0.5, 50.0))
    assert [one.inspector_id for one in solved(cheap).visits] == ["bob"]
    assert [one.inspector_id for one in solved(dear).visits] == ["ann"]


def test_pinned_visits_stay_and_others_go_around_them() -> None:
    pinned = visit("pinned", 4, pinned=("ann", 600))
    talk = visit("talk", 7, mode=Mode.REMOTE, minutes=30, pinned=("ann", 520))
    others = [visit(f"o{number}", 2 + number, minutes=40, skills=frozenset({"gas"})) for number in range(5)]
    problem = week(pinned, talk, *others, inspectors=SHORT)
    plan = solved(problem)
    at = {one.visit_id: (one.inspector_id, one.start) for one in plan.visits}
    assert at["v-pinned"] == ("ann", 600) and at["v-talk"] == ("ann", 520) and len(at) >= 4
    with pytest.raises(ValueError, match="outside the hours"):
        solve(week(replace(pinned, pinned=("ann", 100))), seconds=1, seed=1)
    with pytest.raises(ValueError, match="do not hold"):
        solve(week(pinned, visit("x", 9, pinned=("ann", 661))), seconds=1, seed=1)


def test_remote_visits_fill_what_travel_leaves() -> None:
    one = (replace(ANN, shifts=(Window(480, 600),)),)
    remote = visit("remote", 99, mode=Mode.REMOTE, minutes=40, tier=Tier.VALUE)
    site = visit("site", 1, minutes=60, tier=Tier.MINIMUM)
    problem = Problem(one, (remote, site), line(100))
    assert names(solved(problem)) == {"v-remote", "v-site"}


def test_windows_of_days_and_of_hours() -> None:
    monday, noon = (Window(500, 620),), tuple(Window(day * DAY + 480, day * DAY + 640) for day in range(5))
    shut = tuple(part for day in WEEKDAYS for part in (Window(day.start, day.start + 90), Window(day.start + 200, day.end)))
    wanted = [visit(f"{number}", 2, windows=(monday, noon, shut)[number % 3], minutes=80) for number in range(12)]
    plan = solved(week(*wanted, inspectors=(ANN,)))
    assert len(plan.visits) >= 8 and {"v-1", "v-2", "v-4", "v-5"} <= names(plan)


def test_lot_binds_a_visit_to_its_inspector() -> None:
    wanted = [visit(f"{number}", 2, region="", inspectors=frozenset({("ann", "bob")[number % 2]})) for number in range(6)]
    plan = solved(week(*wanted))
    assert {one.visit_id: one.inspector_id for one in plan.visits} == {f"v-{n}": ("ann", "bob")[n % 2] for n in range(6)}


@st.composite
def tiny(draw: st.DrawFn) -> Problem:
    """At most five visits and two shifts, values all different."""
    spans = st.sampled_from([(480, 620), (480, 700), (DAY + 480, DAY + 600), (540, 800)])
    people = tuple(
        Inspector(f"p{number}", number, (Window(*draw(spans)),), draw(st.sampled_from([frozenset(), frozenset({"gas"})])))
        for number in range(draw(st.integers(1, 2)))
    )
    opened = st.sampled_from([WEEKDAYS, (Window(480, 600), Window(660, 900)), (Window(560, 700),), (Window(DAY, 2 * DAY),)])
    count = draw(st.integers(1, 5))
    values = draw(st.permutations([3, 17, 40, 71, 100]))
    return Problem(
        people,
        tuple(
            visit(
                f"{number}", draw(st.integers(2, 6)), windows=draw(opened), minutes=draw(st.sampled_from([30, 55, 80])),
                region="", value=float(values[number]), tier=draw(st.sampled_from(Tier)),
                skills=draw(st.sampled_from([frozenset(), frozenset({"gas"})])),
                inspectors=draw(st.sampled_from([None, None, frozenset({"p0"})])),
            )
            for number in range(count)
        ),
        line(7), Costs(minute_of_travel=draw(st.sampled_from([0.0, 0.1]))),
    )  # fmt: skip


@settings(max_examples=60, deadline=None, derandomize=True)
@given(tiny())
def test_tiny_weeks_are_planned_as_well_as_can_be(problem: Problem) -> None:
    plan = solved(problem)
    wanted = {one.visit_id: one for one in problem.wanted}
    orders = [
        [wanted[one.visit_id] for one in sorted(plan.visits, key=lambda one: one.start) if one.inspector_id == who.inspector_id]
        for who in problem.inspectors
    ]
    best = max(_score(problem, each) for each in _all(problem))
    assert _score(problem, orders) == pytest.approx(best)
    assert best[2] <= upper_bound(problem) + 1e-6


def _all(problem: Problem) -> Iterator[Sequence[Sequence[Wanted]]]:
    """Every plan: orders of the inspectors' one shift each."""
    for count in range(len(problem.wanted) + 1):
        for order in permutations(problem.wanted, count):
            for cut in range(count + 1) if len(problem.inspectors) == 2 else (count,):
                parts = (order[:cut], order[cut:])[: len(problem.inspectors)]
                if all(_ways(problem, who, part) is not None for who, part in zip(problem.inspectors, parts, strict=True)):
                    yield parts


def _ways(problem: Problem, who: Inspector, order: Sequence[Wanted]) -> int | None:
    here, now, ways = who.place, who.shifts[0].start, 0
    for one in order:
        if not one.skills <= who.skills or (one.inspectors is not None and who.inspector_id not in one.inspectors):
            return None
        way = int(problem.travel[here, one.place])
        here, now, ways = one.place, now + way, ways + way
        starts = [
            at for at in range(now, who.shifts[0].end) if any(window.holds(at, at + one.minutes) for window in one.windows)
        ]
        if not starts:
            return None
        now = starts[0] + one.minutes
    home = int(problem.travel[here, who.place]) if order else 0
    return ways + home if now + home <= who.shifts[0].end else None


def _score(problem: Problem, orders: Sequence[Sequence[Wanted]]) -> tuple[float, float, float]:
    """Of the first tiers what they are worth with a tenth of the greatest value for each; then value less travel."""
    held = [one for order in orders for one in order]
    first, least = (
        sum(one.value / most + 0.1 for one in held if one.tier == tier)
        for tier in (Tier.FOLLOW_UP, Tier.MINIMUM)
        for most in [max((one.value for one in problem.wanted if one.tier == tier), default=1.0)]
    )
    ways = sum(_ways(problem, who, order) or 0 for who, order in zip(problem.inspectors, orders, strict=True))
    return first, least, sum(one.value for one in held) - problem.costs.minute_of_travel * ways


def test_least_travel_is_of_the_ways_to_a_visit_and_from_it() -> None:
    problem = week(visit("a", 3), visit("b", 5), visit("far", 9, mode=Mode.REMOTE), inspectors=(ANN, BOB))
    assert least_travel(problem).tolist() == [20.0, 20.0, 0.0]


def test_bound_of_a_short_week() -> None:
    """120 minutes hold one visit of 60 and half of the next, less 20 minutes of travel for each at least."""
    wanted = (visit("a", 2, value=100.0), visit("b", 4, value=50.0))
    problem = week(*wanted, inspectors=(replace(ANN, shifts=(Window(480, 600),)),))
    assert upper_bound(problem) == pytest.approx(100.0 + 50.0 * 40 / 80)
    assert upper_bound(replace(problem, wanted=())) == 0.0
