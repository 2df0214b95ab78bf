"""A stored plan replanned: its problem comes back as it was, what has begun stays, every change has its reason."""

import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from features.errors import BadInput, NotFound
from features.settings import settings
from serving.cli_plan import plan
from serving.cli_plans import plans
from serving.plan_store import StoredPlan, opened
from serving.replanning import plan_of, problem_of, replanned
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
    assert changed
    assert all(one["reason_en"] == f"inspector {who} dropped out" and "缺勤" in one["reason_zh"] for one in changed.values())
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
