"""The checker finds each rule that is broken on purpose, and nothing in a plan that holds."""

from dataclasses import replace
from typing import Any

import pytest

from serving.inspection.check import broken
from serving.inspection.model import DAY, Mode, Plan, Problem, Tier, Visit, Wanted, Window
from tests.serving.inspection.planned import ANN, BOB, visit, week

# Ann lives at place 0, Bob at place 1; ten minutes a place.
A, B, C = visit("a", 2), visit("b", 3), visit("c", 4, region="", skills=frozenset({"dust"}))
PROBLEM = week(A, B, C)
HOLDS = Plan((Visit("ann", 500, 560, "v-a"), Visit("ann", 570, 630, "v-b"), Visit("bob", 520, 580, "v-c")), ())


def changed(of: Problem = PROBLEM, **wanted: Any) -> Problem:
    """The problem with its first visit changed."""
    return replace(of, wanted=(replace(of.wanted[0], **wanted), *of.wanted[1:]))


def first(*visits: Visit) -> Plan:
    """The plan with its first visit replaced."""
    return replace(HOLDS, visits=(*visits, *HOLDS.visits[1:]))


def test_plan_that_holds() -> None:
    assert broken(PROBLEM, HOLDS) == []


@pytest.mark.parametrize(
    "problem, plan, told",
    [
        (PROBLEM, first(Visit("ann", 499, 559, "v-a")), "cannot be there in time from home"),
        (PROBLEM, first(Visit("ann", 501, 561, "v-a")), "v-b: ann cannot be there in time from v-a"),
        (PROBLEM, first(Visit("ann", 480, 540, "v-a")), "cannot be there in time"),
        (PROBLEM, first(Visit("ann", 470, 530, "v-a")), "outside the hours of ann"),
        (PROBLEM, first(Visit("ann", 1_001, 1_061, "v-a")), "not home before the shift ends"),
        (PROBLEM, first(Visit("ann", 5 * DAY + 600, 5 * DAY + 660, "v-a")), "outside the hours of ann"),
        (PROBLEM, first(Visit("ann", 500, 550, "v-a")), "50 minutes instead of 60"),
        (PROBLEM, first(Visit("eve", 500, 560, "v-a")), "no inspector eve"),
        (PROBLEM, first(Visit("ann", 500, 560, "v-x")), "v-x: not wanted"),
        (PROBLEM, first(), "v-a: neither planned nor left out"),
        (PROBLEM, replace(HOLDS, left_out=("v-a",)), "v-a: named 2 times"),
        (PROBLEM, first(Visit("ann", 500, 560, "v-a"), Visit("ann", 700, 760, "v-a")), "v-a: named 2 times"),
        (changed(windows=(Window(600, 700),)), HOLDS, "v-a: outside its windows"),
        (changed(skills=frozenset({"dust"})), HOLDS, "v-a: ann lacks dust"),
        (changed(region="south"), HOLDS, "v-a: ann does not work in south"),
        (changed(inspectors=frozenset({"bob"})), HOLDS, "v-a: ann is not among those who may come"),
        (changed(pinned=("bob", 500)), HOLDS, "v-a: pinned to bob at minute 500"),
        (changed(pinned=("ann", 530)), HOLDS, "v-a: pinned to ann at minute 530"),
        (changed(pinned=("ann", 500)), replace(first(), left_out=("v-a",)), "v-a: pinned and left out"),
    ],
)
def test_each_rule_broken(problem: Problem, plan: Plan, told: str) -> None:
    assert any(told in fault for fault in broken(problem, plan)), broken(problem, plan)


def test_remote_visit_needs_no_travel_and_moves_nobody() -> None:
    remote = changed(mode=Mode.REMOTE, place=9)
    plan = first(Visit("ann", 480, 540, "v-a"))
    assert broken(remote, plan) == []
    assert broken(remote, first(Visit("ann", 481, 541, "v-a"))) == ["visit v-b: ann cannot be there in time from v-a"]


def day(*wanted: Wanted) -> Problem:
    """One inspector of one day of 200 minutes: room for two visits of an hour near each other."""
    return week(*wanted, inspectors=(replace(ANN, shifts=(Window(480, 680),)),))


def test_owed_visit_that_could_be_put_in() -> None:
    assert broken(day(A), Plan((), ("v-a",))) == ["visit v-a: of a better tier, left out, and could be put into the day of ann "
                                                  "from minute 480"]  # fmt: skip
    assert broken(day(replace(A, tier=Tier.VALUE)), Plan((), ("v-a",))) == []


def test_owed_visit_that_could_be_put_in_the_stead_of_a_worse_one() -> None:
    b, c = replace(B, tier=Tier.VALUE, value=1e9), replace(C, skills=frozenset())
    plan = Plan((Visit("ann", 510, 570, "v-b"), Visit("ann", 580, 640, "v-c")), ("v-a",))
    assert broken(day(A, b, c), plan) == ["visit v-a: of a better tier, left out, and could be put in the stead of v-b"]
    assert broken(day(A, replace(b, tier=Tier.MINIMUM), c), plan) == []
    assert broken(day(A, replace(b, pinned=("ann", 510)), c), plan) == []
    assert broken(day(replace(A, tier=Tier.FOLLOW_UP), B, c), plan)
    assert broken(day(replace(A, skills=frozenset({"dust"})), b, c), plan) == []
    assert broken(day(replace(A, windows=(Window(DAY, 2 * DAY),)), b, c), plan) == []


def test_bob_is_no_part_of_a_day_of_ann() -> None:
    problem = week(A, inspectors=(replace(ANN, shifts=()), BOB))
    assert broken(problem, Plan((), ("v-a",)))
    assert broken(replace(problem, wanted=(replace(A, skills=frozenset({"gas"})),)), Plan((), ("v-a",))) == []
