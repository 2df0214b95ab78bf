"""A plan by the solver itself, on sites by hand: nothing of a hard rule is broken, and what comes first is planned first."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from features.errors import BadInput
from serving.inspection import rules as rulesets
from serving.inspection.check import broken
from serving.inspection.checklist import OpenHazard
from serving.inspection.model import DAY, Inspector, Plan, Problem, Window
from serving.inspection.solver import solve
from serving.plans.document import document, planned_visits
from serving.plans.facts import Person, SiteSheet
from serving.plans.known import Known, Scored, SiteKnown, Visited
from serving.plans.planning import Conflicting, Made, make, monday_of, must_be_ahead

AS_OF = datetime(2026, 11, 20, tzinfo=UTC)
SHIFTS = tuple(Window(day * DAY + 480, day * DAY + 1_080) for day in range(5))
SEED = "00112233445566778899aabbccddeeff"


def person(name: str, latitude: float) -> Person:
    return Person(Inspector(name, 0, SHIFTS), latitude, 104.0)


def site(place: int, **changed: object) -> SiteKnown:
    told = {
        "industry": "food", "region": "", "since": AS_OF - timedelta(days=30), "latitude": 30.0 + place / 100,
        "longitude": 104.0, "major_hazard": False, "headcount": 100.0,
    } | changed  # fmt: skip
    return SiteKnown(f"e-{place}", "s", **told)  # type: ignore[arg-type]


def solved(problem: Problem) -> Plan:
    made = solve(problem, seconds=5.0, seed=1, iterations=100)
    assert broken(problem, made) == []
    return made


def planned(*sites: SiteKnown, people: int = 1, sheets: dict[tuple[str, str], SiteSheet] | None = None, **how: Any) -> Made:
    scored = {one.enterprise_id: Scored(100_000.0 * (place + 1), 0.05) for place, one in enumerate(sites)}
    known = Known(AS_OF, sites, scored, "CNY", None)
    crew = [person(f"i-{place}", 30.0 + place) for place in range(people)]
    made = make("2026-W48", known, crew, sheets or {}, rulesets.load(), seed=SEED, solve=solved, **how)
    # What a visit by lot weighs for the solver is no loss that it averts.
    most = sum(one.value for one in made.draft.problem.wanted)
    assert made.plan.bound is not None and made.averted <= made.plan.bound + 1e-6 <= most + 1e-3
    return made


def test_what_is_due_is_planned_before_what_averts_more() -> None:
    watched = OpenHazard("h", "major", "fire", AS_OF - timedelta(days=9), AS_OF, "insurer", supervised=True)
    late = [site(place, since=AS_OF - timedelta(days=400)) for place in range(8)]
    made = planned(*late, site(8, hazards=(watched,)), *(site(place) for place in range(9, 40)))
    told = document(made)
    reason = {one["enterprise_id"]: one["reason"] for one in told["visits"]}
    assert reason["e-8"] == "follow-up" and {reason[f"e-{place}"] for place in range(8)} == {"minimum"}
    assert 9 < len(reason) < 40 and not told["shortage"]["missed"]
    assert len(told["visits"]) + len(told["left_out"]) == 40
    assert {one.by_lot for one in planned_visits(made)} == {True, False}


def test_too_few_people_is_a_shortage() -> None:
    made = planned(*(site(place, since=AS_OF - timedelta(days=400)) for place in range(40)))
    assert made.short.missed and made.short.inspectors >= 1
    assert all(one.overdue_days == pytest.approx(400 + 9 + 16 / 24 - 365 / 4, abs=0.1) for one in made.short.missed)
    assert {one.visit_id for one in made.short.missed} == set(made.plan.left_out)


def test_a_visit_last_month_is_no_visit_for_ever() -> None:
    visited = (Visited(AS_OF - timedelta(days=20), "insurer", "on_site", "done"),)
    refused = (Visited(AS_OF - timedelta(days=20), "insurer", "on_site", "refused"),)
    long_ago = AS_OF - timedelta(days=400)
    made = planned(site(0, since=long_ago, visits=visited), site(1, since=long_ago, visits=refused), people=2)
    due = {why.site.enterprise_id: why.overdue_days > 0 for why in made.draft.why.values()}
    assert due == {"e-0": False, "e-1": True}


def test_a_site_without_coordinates() -> None:
    nowhere = site(1, latitude=None, longitude=None)
    with pytest.raises(BadInput, match="site e-1/s: a site without coordinates; give latitude and longitude"):
        planned(site(0), nowhere)
    assert any("e-1/s" in note for note in planned(site(0), nowhere, leave_out=True).notes)
    given = {("e-1", "s"): SiteSheet("e-1", "s", 30.1, 104.0)}
    assert len(planned(site(0), nowhere, sheets=given).plan.visits) == 2


def test_far_away_sites_are_missed_and_the_rest_is_planned() -> None:
    made = planned(site(0, since=AS_OF - timedelta(days=400)), site(4_000, since=AS_OF - timedelta(days=400)))
    assert len(made.plan.visits) == 1
    assert [one.possible for one in made.short.missed] == [False]
    assert "leaves no time" in str(made.clashes[0])


def test_conflicts_name_the_first_and_count_the_others() -> None:
    sheets = {(f"e-{place}", "s"): SiteSheet(f"e-{place}", "s", skills=frozenset({"diving"})) for place in range(3)}
    with pytest.raises(Conflicting, match=r"site e-0/s: nobody has the skill diving \(2 more conflicts\)") as caught:
        planned(*(site(place) for place in range(5)), sheets=sheets)
    assert len(caught.value.others) == 2


def test_weeks() -> None:
    assert monday_of("2026-W01") == date(2025, 12, 29) and monday_of("2026-W53") == date(2026, 12, 28)
    for wrong in ("2025-W53", "2026-W00", "2026W48", "W48", ""):
        with pytest.raises(BadInput, match="is no week"):
            monday_of(wrong)
    now = datetime(2026, 11, 29, 15, 59, tzinfo=UTC)  # a minute before Monday in Shanghai
    must_be_ahead("2026-W48", None, "Asia/Shanghai", now)
    with pytest.raises(BadInput, match="is in the past"):
        must_be_ahead("2026-W48", None, "Asia/Shanghai", now + timedelta(minutes=1))
    must_be_ahead("2026-W48", AS_OF, "Asia/Shanghai", now + timedelta(days=99))


def test_a_site_knows_who_was_there_last_and_the_sheet_goes_before() -> None:
    sites = tuple(site(place) for place in range(3))
    made = planned(*sites, people=2, sheets={("e-1", "s"): SiteSheet("e-1", "s", known="i-1")}, visited={
        ("e-0", "s"): "i-1", ("e-1", "s"): "i-0", ("e-2", "s"): "who has left",
    })  # fmt: skip
    assert [one.known for one in made.draft.problem.wanted] == ["i-1", "i-1", ""]


def test_what_is_to_be_known_of_the_seed_and_the_rules_is_noted() -> None:
    assert any("could foresee the draw" in note for note in planned(site(0)).notes)
    later = rulesets.load().model_copy(update={"effective_from": date(2026, 11, 24)})
    made = make("2026-W48", Known(AS_OF, (site(0),), {}, "CNY", None), [person("i", 30.0)], {}, later, solve=solved)
    assert any("in force from 2026-11-24" in note for note in made.notes)
    assert not any("seed" in note for note in made.notes)
