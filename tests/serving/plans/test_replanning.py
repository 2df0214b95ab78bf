"""A stored plan replanned: its problem comes back as it was, what has begun stays, every change has its reason."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from features.errors import BadInput, NotFound
from features.settings import settings
from serving.inspection.checklist import Item
from serving.inspection.model import Tier
from serving.plans import page
from serving.plans.cli_plan import plan
from serving.plans.cli_plans import plans
from serving.plans.replanning import plan_of, problem_of, replanned
from serving.plans.store import StoredPlan, opened
from tests.serving.risk_world import RiskWorld

RUN = CliRunner()
WEEK, AS_OF, ZONE = "2024-W28", "2024-07-04T00:00:00Z", ZoneInfo("Asia/Shanghai")
MONDAY = date(2024, 7, 8)
NOON = datetime(2024, 7, 8, 12, tzinfo=ZONE)


@pytest.fixture(scope="module")
def stored(risk_world: RiskWorld, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StoredPlan, str]]:
    folder = tmp_path_factory.mktemp("plans")
    rows = risk_world.lake.at().read("sites").to_pylist()
    sites = [one for one in rows if one["recorded_at"] <= datetime.fromisoformat(AS_OF)]
    people = folder / "inspectors.csv"
    people.write_text("inspector_id,latitude,longitude\ni-0,31.2,121.4\ni-1,31.25,121.5\n", "utf-8")
    # All of them in one town, so that two people have full days.
    near = [f"{one['enterprise_id']},{one['site_id']},31.{20 + at % 9},121.{40 + at % 7}" for at, one in enumerate(sites)]
    town = folder / "sites.csv"
    town.write_text("\n".join(["enterprise_id,site_id,latitude,longitude", *dict.fromkeys(near), ""]), "utf-8")
    url = f"sqlite:///{folder}/store.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOREWARN_HOME", str(risk_world.home))
        patch.setenv("FOREWARN_STORE_URL", url)
        settings.cache_clear()
        arguments = [WEEK, "--as-of", AS_OF, "--inspectors", str(people), "--sites", str(town), "--json", "--seconds", "1"]
        arguments += ["--seed", "00112233445566778899aabbccddeeff"]
        told = json.loads(RUN.invoke(plan, arguments, catch_exceptions=False).stdout)
        with opened(url) as store:
            yield store.plan(told["plan_id"]), url
    settings.cache_clear()


def test_a_stored_plan_comes_back_in_minutes(stored: tuple[StoredPlan, str]) -> None:
    found, _ = stored
    problem, visits = problem_of(found), plan_of(found).visits
    assert len(visits) == len(found.document["visits"])
    assert {one.visit_id for one in problem.wanted} == {one.visit_id for one in visits} | set(plan_of(found).left_out)
    first = min(found.document["visits"], key=lambda one: (one["inspector_id"], one["starts"]))
    at = datetime.combine(MONDAY, datetime.min.time(), ZONE) + timedelta(minutes=visits[0].start)
    assert (visits[0].visit_id, at.isoformat()) == (first["visit_id"], first["starts"])
    assert int(problem.travel.max()) > 0


def test_who_drops_out_at_noon_and_what_that_changes(stored: tuple[StoredPlan, str]) -> None:
    found, _ = stored
    who = next(one["inspector_id"] for one in found.document["visits"] if _later_today(one))
    told, visits, _ = replanned(found, NOON, absent=[who])
    before = {one["visit_id"]: one for one in found.document["visits"]}
    changed = {one["visit_id"]: one for one in told["changes"]}
    said = [(one["reason_en"], one["reason_zh"]) for one in changed.values()]
    assert (f"inspector {who} dropped out", f"检查员 {who} 缺勤") in said
    assert all(zh.startswith(("检查员 ", "让位于 ", "顺延，因 ")) for _, zh in said)
    for one in told["visits"]:
        if one["visit_id"] not in changed:
            assert {key: one[key] for key in ("inspector_id", "starts")} == {
                key: before[one["visit_id"]][key] for key in ("inspector_id", "starts")
            }
        elif datetime.fromisoformat(one["starts"]).date() == MONDAY:
            assert one["inspector_id"] != who
    assert {one.visit_id for one in visits} == {one["visit_id"] for one in told["visits"]}
    assert told["parent"] == found.plan_id


def _later_today(one: dict[str, Any]) -> bool:
    start = datetime.fromisoformat(one["starts"])
    return start.date() == MONDAY and start > NOON + timedelta(hours=1)


@pytest.mark.parametrize(
    ("at", "alarms", "absent", "kind", "said"),
    [
        (NOON, ["nobody/nowhere"], [], NotFound, "ENTERPRISE/SITE"),
        (NOON, [], ["i-9"], NotFound, "i-0, i-1"),
        (NOON, [], [], BadInput, "nothing has happened"),
        (NOON + timedelta(days=9), [], ["i-0"], BadInput, "not in the week"),
    ],
)
def test_a_mistake_is_one_line(
    stored: tuple[StoredPlan, str], at: datetime, alarms: list[str], absent: list[str], kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said):
        replanned(stored[0], at, alarms, absent)


def test_the_verbs(stored: tuple[StoredPlan, str]) -> None:
    found, url = stored
    # One that is owed: it may take the place of any that is owed as well.
    tiers = {one.visit_id: one.tier for one in problem_of(found).wanted}
    ahead = [one for one in found.document["visits"] if datetime.fromisoformat(one["starts"]).date() > MONDAY]
    later = min(ahead, key=lambda one: tiers[one["visit_id"]])
    site = f"{later['enterprise_id']}/{later['site_id']}"
    arguments = ["replan", found.plan_id, "--at", NOON.isoformat(), "--alarm", site]
    told = json.loads(RUN.invoke(plans, [*arguments, "--json"], catch_exceptions=False).stdout)
    moved = next(one for one in told["visits"] if one["visit_id"] == later["visit_id"])
    assert datetime.fromisoformat(moved["starts"]).date() == MONDAY
    assert datetime.fromisoformat(moved["starts"]) >= NOON
    with opened(url) as store:
        assert store.plan(told["plan_id"]).parent == found.plan_id
        assert store.planned(later["visit_id"]).starts == datetime.fromisoformat(moved["starts"])
    text = RUN.invoke(plans, ["show", told["plan_id"]], catch_exceptions=False).stdout
    assert "(alarm 预警)" in text
    listed = json.loads(RUN.invoke(plans, ["list", "--json"], catch_exceptions=False).stdout)
    assert {one["plan_id"] for one in listed} >= {told["plan_id"], found.plan_id}
    before = len(listed)
    assert RUN.invoke(plans, [*arguments, "--no-keep"], catch_exceptions=False).exit_code == 0
    assert len(json.loads(RUN.invoke(plans, ["list", "--json"], catch_exceptions=False).stdout)) == before
    with pytest.raises(BadInput, match="no zone"):
        RUN.invoke(plans, ["replan", found.plan_id, "--at", "2024-07-08T12:00"], catch_exceptions=False)


def _minutes(day: int, hour: int) -> datetime:
    return datetime.combine(MONDAY + timedelta(days=day), datetime.min.time(), ZONE) + timedelta(hours=hour)


def _site(one: dict[str, Any]) -> str:
    return f"{one['enterprise_id']}/{one['site_id']}"


def _next(found: StoredPlan, told: dict[str, Any]) -> StoredPlan:
    """A replan as it is stored."""
    return replace(found, plan_id="p_next", document=json.loads(json.dumps(told)))


def _by_value(found: StoredPlan) -> StoredPlan:
    """A plan of which nothing is owed: an alarm finds a place in it."""
    told = json.loads(json.dumps(found.document))
    for one in told["problem"]["wanted"]:
        one |= {"tier": int(Tier.VALUE), "reason": "targeted", "inspectors": None}
    return replace(found, document=told)


def test_what_a_replan_misses_is_its_shortage(stored: tuple[StoredPlan, str]) -> None:
    found, _ = stored
    told, _, _ = replanned(found, _minutes(4, 9), absent=["i-0", "i-1"])
    tiers = {one.visit_id: one.tier for one in problem_of(found).wanted}
    owed = {one["visit_id"] for one in told["left_out"] if tiers[one["visit_id"]] < Tier.VALUE}
    assert owed > {one["visit_id"] for one in found.document["shortage"]["missed"]}
    assert {one["visit_id"] for one in told["shortage"]["missed"]} == owed and told["shortage"]["inspectors"] >= 1


def test_a_site_that_was_visited_on_monday_is_visited_again_for_an_alarm_on_wednesday(stored: tuple[StoredPlan, str]) -> None:
    found = _by_value(stored[0])
    first = min(found.document["visits"], key=lambda one: one["starts"])
    basic = (Item("basic", "look", "看"),)
    told, visits, _ = replanned(found, _minutes(2, 8), [_site(first)], checklists=lambda keys, _: dict.fromkeys(keys, basic))
    both = [one for one in told["visits"] if _site(one) == _site(first)]
    assert len(both) == 2 and {one.visit_id for one in visits} >= {one["visit_id"] for one in both}
    again = next(one for one in both if one["visit_id"] != first["visit_id"])
    assert datetime.fromisoformat(again["starts"]).date() == MONDAY + timedelta(days=2)
    # Monday's visit has averted most of it: money is not counted twice.
    assert again["value"] < 0.05 * first["value"] or first["value"] == 0.0
    assert [one["words_zh"] for one in again["checklist"]] == ["看"]
    # What an alarm got stays when the next one comes in, and the page shows all of it.
    other = next(one for one in told["visits"] if _site(one) != _site(first) and one["starts"] < again["starts"])
    later, _, _ = replanned(_next(found, told), _minutes(2, 8), [_site(other)])
    assert next(one for one in later["visits"] if one["visit_id"] == again["visit_id"])["starts"] == again["starts"]
    assert len(later["alarms"]) == 2
    assert "预警" in page.write(Path(settings().home).parent / "replan.html", told).read_text("utf-8")


def test_an_alarm_where_somebody_comes_today_says_so(stored: tuple[StoredPlan, str]) -> None:
    found, _ = stored
    today = next(one for one in found.document["visits"] if _later_today(one))
    told, _, _ = replanned(found, NOON, [_site(today)])
    assert not told["changes"] and f"alarm at {_site(today)}" in told["notes"][-1] and "预警" in told["notes"][-1]


def test_who_dropped_out_is_still_out_at_the_next_replan_of_the_day(stored: tuple[StoredPlan, str]) -> None:
    found, _ = stored
    told, _, _ = replanned(found, NOON, absent=["i-0"])
    ahead = next(one for one in told["visits"] if one["starts"] > _minutes(1, 0).isoformat())
    later, _, _ = replanned(_next(found, told), NOON + timedelta(minutes=5), [_site(ahead)])
    today = [one for one in later["visits"] if NOON <= datetime.fromisoformat(one["starts"]) < _minutes(1, 0)]
    begun = {one["visit_id"] for one in told["visits"] if one["inspector_id"] == "i-0"}
    assert all(one["inspector_id"] != "i-0" or one["visit_id"] in begun for one in today)


def test_a_plan_of_a_table_of_ways_is_replanned_with_it(stored: tuple[StoredPlan, str]) -> None:
    found, _ = stored
    ways = replace(found, document={**found.document, "ways": 2})
    with pytest.raises(BadInput, match="made with a table of ways"):
        replanned(ways, NOON, absent=["i-0"])
    assert replanned(ways, NOON, absent=["i-0"], ways={("i-0", "i-1"): 5})[0]["changes"] is not None


def test_a_replan_is_handed_out_as_calendars_and_table(stored: tuple[StoredPlan, str], tmp_path: Path) -> None:
    found, _ = stored
    outputs = ["--ics", str(tmp_path / "ics"), "--csv", str(tmp_path / "p.csv"), "--html", str(tmp_path / "p.html")]
    arguments = ["replan", found.plan_id, "--at", NOON.isoformat(), "--absent", "i-0", "--no-keep", *outputs]
    assert RUN.invoke(plans, arguments, catch_exceptions=False).exit_code == 0
    calendar = (tmp_path / "ics" / "i-1.ics").read_text("utf-8")
    assert "DTSTAMP:20240708T040000Z" in calendar and (tmp_path / "p.csv").exists()
    dropped = (tmp_path / "ics" / "i-0.ics").read_text("utf-8")
    assert "VCALENDAR" in dropped  # in the place of the one that was handed out before
    assert "检查员 i-0 缺勤" in (tmp_path / "p.html").read_text("utf-8")
    assert RUN.invoke(plans, ["show", found.plan_id, *outputs], catch_exceptions=False).exit_code == 0
    assert "DTSTAMP:20240704T000000Z" in (tmp_path / "ics" / "i-1.ics").read_text("utf-8")
