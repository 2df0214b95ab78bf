"""Hard rules that cannot hold together are named, one clear line each; what is merely too much is none."""

from dataclasses import replace

import pytest

from serving.inspection.conflicts import able, at, clashes, reachable
from serving.inspection.model import DAY, Mode, Window
from tests.serving.inspection.planned import ANN, BOB, visit, week

NINE = DAY + 540  # Tuesday 09:00


def only(problem) -> str:  # type: ignore[no-untyped-def]
    (one,) = clashes(problem)
    return str(one)


def test_nothing_is_wrong() -> None:
    assert clashes(week(*(visit(f"s{place}", place % 5) for place in range(500)))) == ()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"windows": ()}, "its window never opens"),
        ({"windows": (Window(540, 580),)}, "longest window of 40 min cannot hold a visit of 60"),
        ({"windows": (Window(0, 300),)}, "no shift of the 2 inspectors who may come holds a visit within its windows"),
        ({"skills": frozenset({"diving"})}, "nobody has the skill diving"),
        ({"skills": frozenset({"gas", "dust"})}, "nobody has all of the skills dust, gas"),
        ({"inspectors": frozenset({"eve"})}, "no inspector is called eve"),
        ({"region": "south", "skills": frozenset({"gas"})}, "nobody has region south and the skills gas"),
        ({"place": 30}, "290 min from the nearest home, leaves no time"),
        ({"pinned": ("eve", NINE)}, "pinned to eve, whom nobody knows"),
        ({"pinned": ("ann", NINE - 120)}, "pinned to Tuesday 07:00, outside the hours of ann"),
        ({"pinned": ("ann", NINE), "windows": (Window(480, 1_080),)}, "when its window is closed"),
        ({"pinned": ("bob", NINE), "skills": frozenset({"gas"})}, "bob, who lacks the skill gas"),
        ({"pinned": ("ann", NINE), "region": "south"}, "ann, who may not work in south"),
        ({"pinned": ("ann", DAY + 485)}, "ann cannot come from home and back within the shift"),
    ],
)
def test_one_visit_that_cannot_be(changed: dict, told: str) -> None:  # type: ignore[type-arg]
    line = only(week(visit("s", **({"place": 3} | changed))))
    assert told in line and line.startswith("site s: ") and "; " in line


def test_want_of_people_is_no_fault_of_the_plan() -> None:
    assert clashes(week(visit("s", 30)))[0].people
    assert clashes(week(visit("s", 3, region="south", skills=frozenset({"gas"}))))[0].people
    assert not clashes(week(visit("s", 3, skills=frozenset({"diving"}))))[0].people


def test_remote_support_needs_no_way() -> None:
    assert clashes(week(visit("s", 30, mode=Mode.REMOTE))) == ()
    assert clashes(week(visit("s", 30, mode=Mode.REMOTE, pinned=("ann", DAY + 480)))) == ()


def test_pinned_visits_that_collide() -> None:
    one, other = visit("a", 2, pinned=("ann", NINE)), visit("b", 2, pinned=("ann", NINE + 30))
    assert "they overlap" in only(week(one, other))
    assert clashes(week(one, replace(other, pinned=("bob", NINE + 30)))) == ()
    assert clashes(week(one, replace(other, pinned=("ann", NINE + 60)))) == ()


def test_pinned_visits_with_too_long_a_way_between_them() -> None:
    one, other = visit("a", 2, pinned=("ann", NINE)), visit("b", 7, pinned=("ann", NINE + 100))
    assert "40 min apart where the way takes 50" in only(week(one, other))
    assert clashes(week(one, replace(other, pinned=("ann", NINE + 110)))) == ()
    call = visit("c", 0, mode=Mode.REMOTE, minutes=20, pinned=("ann", NINE + 65))
    (found,) = clashes(week(one, replace(other, pinned=("ann", NINE + 120)), call))
    assert found.visits == ("v-a", "v-b") and "40 min apart" in found.what
    assert clashes(week(one, replace(other, pinned=("ann", NINE + DAY + 60)))) == ()


def test_a_week_that_nobody_works_and_names_that_are_there_twice() -> None:
    off = replace(ANN, shifts=())
    assert "every inspector is off" in only(week(visit("s", 3), inspectors=(off,)))
    assert "no inspector: nobody" not in only(week(visit("s", 3), inspectors=()))
    assert "named 2 times" in only(week(inspectors=(ANN, ANN)))
    assert "wanted 2 times" in only(week(visit("s", 3), replace(visit("s", 3), visit_id="v-2")))


def test_who_is_able_and_who_could_come() -> None:
    problem = week(visit("s", 60, region="south"), inspectors=(ANN, BOB))
    assert able(problem, problem.wanted[0]) == (BOB,)
    assert reachable(problem, problem.wanted[0]) == ()
    assert at(2 * DAY + 605) == "Wednesday 10:05"
