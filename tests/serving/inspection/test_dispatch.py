"""A dispatcher's week: in the order of the list, on the first day with room, by whom it takes the least out of the way."""

from dataclasses import replace

from serving.inspection.check import broken
from serving.inspection.dispatch import dispatched
from serving.inspection.model import Tier
from tests.serving.inspection.planned import ANN, BOB, WEEKDAYS, visit, week


def test_the_list_is_worked_through_in_its_order() -> None:
    names = [f"v-s{number:02d}" for number in range(90)]
    problem = week(*(visit(name[2:], 2 + number % 3) for number, name in enumerate(names)), step=30)
    plan = dispatched(problem, names[::-1])
    assert broken(problem, plan) == []
    assert plan.left_out  # there is more than a week's work
    at = {one.visit_id: one.start for one in plan.visits}
    assert set(at) & set(names[-10:]) == set(names[-10:])
    assert max(at[name] for name in names[-10:]) < min(at[name] for name in sorted(at)[:10])


def test_whoever_is_nearer_comes_and_nobody_without_the_skill() -> None:
    near, gas = visit("near", 1, region=""), visit("gas", 1, region="", skills=frozenset({"gas"}))
    plan = dispatched(week(near, gas), ["v-near", "v-gas"])
    assert {one.visit_id: one.inspector_id for one in plan.visits} == {"v-near": "bob", "v-gas": "ann"}


def test_pins_hold_and_what_is_not_listed_stays_out() -> None:
    pinned = visit("pin", 1, region="", pinned=("bob", WEEKDAYS[2].start + 60))
    problem = week(pinned, visit("a", 2, region=""), replace(visit("b", 3), tier=Tier.VALUE), inspectors=(ANN, BOB))
    plan = dispatched(problem, ["v-a"])
    assert plan.left_out == ("v-b",)
    assert {one.visit_id for one in plan.visits} == {"v-pin", "v-a"}
    assert broken(problem, plan) == []
