"""Replanning at noon: what has begun stays, the fewest changes, a reason for each."""

import time
from dataclasses import replace

import numpy as np
import pytest

from serving.inspection.model import DAY, Inspector, Mode, Plan, Problem, Reason, Tier, Visit, Wanted, Window
from serving.inspection.replan import Kind, replan

NOON = 12 * 60
WORK = Window(8 * 60, 18 * 60)
OPEN = (WORK, Window(DAY + 8 * 60, DAY + 18 * 60))
# Places on a line, ten minutes apart; people live at 0.
TRAVEL = 10 * np.abs(np.arange(8)[:, None] - np.arange(8)[None, :])


def person(name: str, days: int = 1, **told: object) -> Inspector:
    shifts = tuple(Window(DAY * day + WORK.start, DAY * day + WORK.end) for day in range(days))
    return Inspector(name, 0, shifts, **told)  # type: ignore[arg-type]


def wanted(name: str, place: int, value: float, **told: object) -> Wanted:
    return Wanted(**{"visit_id": name, "site_id": name, "place": place, "windows": OPEN, "minutes": 60, "value": value, **told})  # type: ignore[arg-type]


def visit(name: str, hour: float, who: str = "a", minutes: int = 60) -> Visit:
    start = round(hour * 60)
    return Visit(who, start, start + minutes, name)


# One person, whose day is full: eight visits an hour apart, each an hour, with ten minutes of travel.
FULL = [wanted(f"v{hour}", 1, 100.0 - hour) for hour in range(9, 17)]
DAY_OF_A = [visit(f"v{hour}", hour) for hour in range(9, 17)]


def test_an_alarm_takes_a_gap_and_changes_nothing_else() -> None:
    problem = Problem((person("a"), person("b")), tuple(FULL), TRAVEL)
    plan = Plan(tuple(DAY_OF_A), ())
    found = replan(problem, plan, NOON, [wanted("alarm", 3, 1.0)])
    assert [(one.kind, one.visit_id, one.reason) for one in found.changes] == [(Kind.ADDED, "alarm", "alarm")]
    assert found.changes[0].after == Visit("b", NOON + 30, NOON + 90, "alarm")
    assert set(found.plan.visits) == {*plan.visits, found.changes[0].after}


def test_the_least_valuable_gives_way_and_goes_to_where_there_is_room() -> None:
    problem = Problem((person("a", days=2),), tuple(FULL), TRAVEL)
    found = replan(problem, Plan(tuple(DAY_OF_A), ()), NOON, [wanted("alarm", 1, 1000.0)])
    said = {one.visit_id: (one.kind, one.reason, one.sake) for one in found.changes}
    assert said == {"alarm": (Kind.ADDED, "alarm", ""), "v16": (Kind.MOVED, "gave way", "alarm")}
    assert {one.visit_id: one.day for one in found.plan.visits}["v16"] == 1
    assert found.plan.left_out == ()


def test_it_is_left_out_where_there_is_no_room() -> None:
    problem = Problem((person("a"),), tuple(FULL), TRAVEL)
    found = replan(problem, Plan(tuple(DAY_OF_A), ("other",)), NOON, [wanted("alarm", 1, 1000.0)])
    assert {one.visit_id: one.kind for one in found.changes} == {"alarm": Kind.ADDED, "v16": Kind.DROPPED}
    assert found.plan.left_out == ("other", "v16")


@pytest.mark.parametrize(
    "settled",
    [{"pinned": ("a", 16 * 60)}, {"tier": Tier.MINIMUM}, {"value": 5000.0}, {"reason": Reason.LOT}],
    ids=["pinned", "a legal minimum", "more valuable", "drawn by lot"],
)
def test_who_may_not_give_way_stays(settled: dict[str, object]) -> None:
    full = [replace(one, **settled) for one in FULL]  # type: ignore[arg-type]
    problem = Problem((person("a"),), tuple(full), TRAVEL)
    plan = Plan(tuple(DAY_OF_A), ())
    found = replan(problem, plan, NOON, [wanted("alarm", 1, 1000.0)])
    assert found.plan.visits == plan.visits
    assert found.plan.left_out == ("alarm",)
    assert [one.kind for one in found.changes] == [Kind.UNPLANNED]


def test_a_follow_up_comes_before_a_draw_and_a_minimum() -> None:
    full = [replace(one, tier=Tier.MINIMUM, reason=Reason.LOT) for one in FULL]
    found = replan(
        Problem((person("a"),), tuple(full), TRAVEL),
        Plan(tuple(DAY_OF_A), ()),
        NOON,
        [wanted("alarm", 1, 0.0, tier=Tier.FOLLOW_UP)],
    )
    assert "alarm" in {one.visit_id for one in found.plan.visits}


def test_what_has_begun_stays_even_when_somebody_is_only_on_the_way() -> None:
    far = [wanted("first", 7, 1.0)]
    plan = Plan((visit("first", 13),), ())
    on_the_way = replan(Problem((person("a"),), tuple(far), TRAVEL), plan, NOON, [wanted("alarm", 1, 9.0)])
    assert on_the_way.plan.visits[0] == plan.visits[0]
    earlier = replan(Problem((person("a"),), tuple(far), TRAVEL), plan, 10 * 60, [wanted("alarm", 1, 9.0)])
    assert earlier.plan.visits[0] == Visit("a", 10 * 60 + 10, 11 * 60 + 10, "alarm")


def test_pushing_one_back_is_better_than_dropping_two() -> None:
    listed = [wanted("one", 1, 50.0), wanted("two", 1, 60.0)]
    plan = Plan((visit("one", 12.5), visit("two", 14.5)), ())
    urgent = wanted("alarm", 1, 999.0, windows=(Window(NOON, NOON + 80),))
    found = replan(Problem((person("a"),), tuple(listed), TRAVEL), plan, NOON, [urgent])
    assert {one.visit_id: (one.kind, one.reason) for one in found.changes} == {
        "alarm": (Kind.ADDED, "alarm"),
        "one": (Kind.MOVED, "pushed back"),
    }


def test_who_drops_out_is_replaced_by_who_may() -> None:
    listed = [wanted("one", 1, 50.0, skills=frozenset({"mine"})), wanted("two", 1, 60.0), wanted("done", 1, 1.0)]
    people = (
        person("a", skills=frozenset({"mine"})),
        person("b"),
        person("c", skills=frozenset({"mine"}), regions=frozenset({"far"})),
    )
    listed = [replace(one, region="near") for one in listed]
    plan = Plan((visit("done", 9), visit("one", 13), visit("two", 15)), ())
    found = replan(Problem(people, tuple(listed), TRAVEL), plan, NOON, absent=["a"])
    said = {one.visit_id: (one.kind, one.reason) for one in found.changes}
    assert said == {"one": (Kind.DROPPED, "inspector a dropped out"), "two": (Kind.GIVEN, "inspector a dropped out")}
    assert visit("done", 9) in found.plan.visits
    with pytest.raises(ValueError, match="nobody is called z"):
        replan(Problem(people, tuple(listed), TRAVEL), plan, NOON, absent=["z"])


def test_what_is_owed_takes_the_place_of_what_is_not_when_its_inspector_drops_out() -> None:
    full = [replace(one, visit_id=f"b{one.visit_id}", site_id=f"b{one.site_id}") for one in FULL]
    due = wanted("due", 1, 1.0, tier=Tier.MINIMUM, reason=Reason.MINIMUM)
    problem = Problem((person("a"), person("b")), (*full, due, wanted("extra", 1, 999.0)), TRAVEL)
    of_b = [replace(one, inspector_id="b", visit_id=f"b{one.visit_id}") for one in DAY_OF_A]
    plan = Plan((visit("due", 13), visit("extra", 15), *of_b), ())
    found = replan(problem, plan, NOON, absent=["a"])
    said = {one.visit_id: (one.kind, one.reason, one.sake) for one in found.changes}
    assert said == {
        "due": (Kind.GIVEN, "inspector a dropped out", ""),
        "extra": (Kind.DROPPED, "inspector a dropped out", ""),
        "bv16": (Kind.DROPPED, "gave way", "due"),
    }
    assert not [one for one in found.plan.visits if one.inspector_id == "a"]
    # A minimum gives way to none: the one more valuable is as much owed.
    settled = replace(problem, wanted=tuple(replace(one, tier=Tier.MINIMUM) for one in problem.wanted))
    assert set(replan(settled, plan, NOON, absent=["a"]).plan.visits) == set(of_b)


def test_an_alarm_of_a_later_visit_brings_it_forward_and_remote_support_needs_no_travel() -> None:
    listed = [wanted("later", 7, 5.0), wanted("call", 7, 5.0, mode=Mode.REMOTE)]
    plan = Plan((Visit("a", DAY + 600, DAY + 660, "later"),), ())
    found = replan(Problem((person("a", days=2),), tuple(listed), TRAVEL), plan, NOON, listed)
    assert {one.visit_id: one.start for one in found.plan.visits} == {"call": NOON, "later": NOON + 60 + 70}


def test_a_large_day_takes_no_five_seconds() -> None:
    people = tuple(replace(person(f"i{number}", days=5), skills=frozenset({"x"})) for number in range(100))
    random = np.random.default_rng(3)
    places = random.uniform(0, 60, (400, 2))
    travel = np.ceil(np.abs(places[:, None] - places[None]).sum(-1)).astype(np.int64)
    listed, visits = [], []
    windows = tuple(Window(DAY * day + WORK.start, DAY * day + WORK.end) for day in range(5))
    for who in range(100):
        for day in range(5):
            for slot in range(3):
                name = f"v{who}-{day}-{slot}"
                place = int(random.integers(400))
                listed.append(replace(wanted(name, place, float(random.uniform(1, 9))), windows=windows, minutes=45))
                start = DAY * day + WORK.start + 120 + 160 * slot
                visits.append(Visit(f"i{who}", start, start + 45, name))
    problem = Problem(people, tuple(listed), travel)
    alarms = [wanted(f"alarm{number}", number, 99.0) for number in range(10)]
    before = time.perf_counter()
    found = replan(problem, Plan(tuple(sorted(visits)), ()), NOON, alarms, [f"i{number}" for number in range(5)])
    assert time.perf_counter() - before < 5.0
    assert {f"alarm{number}" for number in range(10)} <= {one.visit_id for one in found.plan.visits}
