"""What is missed and how many people it would take, by hand."""

from dataclasses import replace

import pytest

from serving.inspection.model import Mode, Plan, Tier, Visit, Window
from serving.inspection.shortage import shortage, travel_minutes, ways_to
from tests.serving.inspection.planned import ANN, BOB, visit, week


def test_nothing_missed_though_visits_of_value_are_left_out() -> None:
    problem = week(visit("a", 2, tier=Tier.VALUE, value=7.0))
    found = shortage(problem, Plan((), ("v-a",)), {})
    assert (found.missed, found.groups, found.inspectors, found.value_left_out) == ((), (), 0, 7.0)


def test_by_skills_and_region() -> None:
    gas = frozenset({"gas"})
    wanted = [visit(f"g{place}", 2, skills=gas, minutes=600) for place in range(6)]
    wanted += [visit("f", 2, tier=Tier.FOLLOW_UP), visit("done", 2)]
    problem = week(*wanted, step=0)
    plan = Plan((Visit("ann", 480, 540, "v-done"),), tuple(one.visit_id for one in wanted[:-1]))
    found = shortage(problem, plan, {"v-g3": 12.0, "v-f": 3.0, "v-g1": -5.0})
    assert [(one.skills, one.missed, one.follow_ups, one.longest_overdue_days) for one in found.groups] == [
        ((), 1, 1, 3.0),
        (("gas",), 6, 0, 12.0),
    ]
    # A week of ann's has 3,000 minutes: 3,600 take two such people.
    assert [one.inspectors for one in found.groups] == [1, 2]
    # One of the two has time for the follow-up, too.
    assert found.inspectors == 2
    assert [one.visit_id for one in found.missed[:2]] == ["v-f", "v-g3"]
    assert all(one.overdue_days >= 0 for one in found.missed)


def test_ways_are_those_of_the_plan_or_from_the_nearest_home() -> None:
    one, other = visit("a", 5), visit("b", 9)
    problem = week(one, other)
    assert shortage(problem, Plan((), ("v-a", "v-b")), {}).groups[0].minutes == 60 + 2 * 40 + 60 + 2 * 80
    plan = Plan((Visit("ann", 600, 660, "v-a"),), ("v-b",))
    assert shortage(problem, plan, {}).groups[0].minutes == 60 + 100
    remote = replace(other, mode=Mode.REMOTE)
    assert shortage(week(one, remote), plan, {}).groups[0].minutes == 60


def test_nobody_could_make_it_at_all() -> None:
    problem = week(visit("a", 2, skills=frozenset({"diving"})))
    found = shortage(problem, Plan((), ("v-a",)), {})
    assert not found.missed[0].possible and found.inspectors == 1


def test_people_are_no_help_where_a_window_is_shut_or_a_pin_cannot_be_kept() -> None:
    shut = visit("a", 2, windows=())
    night = visit("b", 2, windows=(Window(60, 180),))
    pinned = visit("c", 2, pinned=("ann", 490))
    found = shortage(week(shut, night, pinned, visit("d", 2), step=0), Plan((), ("v-a", "v-b", "v-c", "v-d")), {})
    assert [(one.missed, one.shut, one.minutes, one.inspectors) for one in found.groups] == [(4, 3, 60, 1)]
    assert shortage(week(shut), Plan((), ("v-a",)), {}).inspectors == 0


def test_one_inspector_works_for_several_skills_of_a_region_but_not_of_two() -> None:
    some = [visit(name, 2, skills=frozenset({name})) for name in ("gas", "dust", "fire")]
    left = Plan((), tuple(one.visit_id for one in some))
    assert [one.inspectors for one in shortage(week(*some), left, {}).groups] == [1, 1, 1]
    assert shortage(week(*some), left, {}).inspectors == 1
    assert shortage(week(some[0], replace(some[1], region="south"), some[2]), left, {}).inspectors == 2


def test_travel_goes_home_each_day_and_calls_need_none() -> None:
    wanted = [visit("a", 3), visit("b", 5), visit("c", 4), visit("r", 9, mode=Mode.REMOTE)]
    problem = week(*wanted, inspectors=(ANN, BOB))
    visits = (
        Visit("ann", 600, 660, "v-a"), Visit("ann", 700, 730, "v-r"), Visit("ann", 800, 860, "v-b"),
        Visit("ann", 2_040, 2_100, "v-c"),
    )  # fmt: skip
    assert travel_minutes(problem, visits, {one.visit_id: one for one in wanted}) == (30 + 20 + 50 + 40 + 40, 3)
    assert travel_minutes(problem, (), {}) == (0, 0)
    # A call is no way, and the next way begins where the last visit was.
    assert ways_to(problem, visits) == {"v-a": 30, "v-r": 0, "v-b": 20, "v-c": 40}


@pytest.mark.parametrize("hours", [(), ANN.shifts])
def test_no_hours_at_all(hours: tuple) -> None:  # type: ignore[type-arg]
    problem = week(visit("a", 2), inspectors=(replace(ANN, shifts=hours),))
    assert shortage(problem, Plan((), ("v-a",)), {}).inspectors == 1
