"""Plans over HTTP: made beside the endpoints, stored, then answered; a mistake is one line and leaves nothing."""

import asyncio
import fcntl
import json
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio.to_thread
import httpx
import pyarrow as pa
import pytest
from icalendar import Calendar

from features.enterprise.schema import SITES
from features.errors import BadInput, NotFound
from features.lake import Lake
from features.settings import Settings
from serving.client import Client
from serving.contracts import Problem
from serving.edge import Edge as Clocked
from serving.errors import Unavailable
from serving.inspection.check import broken
from serving.plans import service, work
from serving.plans.lists import checklists_at
from serving.plans.replanning import plan_of, problem_of, replanned
from serving.plans.request import MOST_BYTES, MOST_INSPECTORS, PlanResponse
from serving.plans.service import PlanService, in_process
from serving.plans.store import PlanStore
from serving.plans.work import Answer, Task, answer_of, done, main
from serving.routes import route_of
from serving.runtime import Runtime
from serving.web import mounted
from tests.serving import servers
from tests.serving.inspection import greedy
from tests.serving.risk_world import RiskWorld, challenger_of, copied, point_at

WEEK, AS_OF, SEED = "2024-W28", "2024-07-04T00:00:00Z", "0" * 32
MONDAY = date(2024, 7, 8)
PEOPLE = [
    {"inspector_id": "i-0", "latitude": 31.2, "longitude": 121.4, "skills": ["gas"], "hours": "08:00-18:00"},
    {"inspector_id": "i-1", "latitude": 31.25, "longitude": 121.5, "leave": ["2024-07-12"]},
]
ASKED: dict[str, Any] = {"week": WEEK, "as_of": AS_OF, "inspectors": PEOPLE, "seconds": 0.5}


async def beside(task: Task) -> Answer:
    """The work of the process, in a thread: a plan takes a second less."""
    return await anyio.to_thread.run_sync(done, task)


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """A greedy planner in place of the solver, in this process."""
    module = ModuleType("serving.inspection.solver")
    vars(module)["solve"] = greedy.solve
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, module.__name__, module)
        yield


@pytest.fixture(scope="module")
def runtime(risk_world: RiskWorld, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    folder = tmp_path_factory.mktemp("store")
    settings = Settings(home=risk_world.home, store_url=f"sqlite:///{folder}/store.db", compact_seconds=0.0)
    runtime = opened(settings)
    yield runtime
    runtime.close()


def opened(settings: Settings) -> Runtime:
    runtime = Runtime.open(settings)
    runtime.plans = PlanService(settings, runtime.store, runtime.enterprises, beside)
    return runtime


class Edge:
    """The mounted application without a server."""

    def __init__(self, runtime: Runtime) -> None:
        self._transport = httpx.ASGITransport(Clocked(mounted(lambda: runtime, dict)))

    async def asked(self, method: str, route: str, content: bytes | None = None) -> httpx.Response:
        async with httpx.AsyncClient(transport=self._transport, base_url="http://here") as client:
            kind = {"content-type": "application/json"} if content is not None else {}
            return await client.request(method, route, content=content, headers=kind)

    def ask(self, method: str, route: str, content: bytes | None = None) -> httpx.Response:
        return asyncio.run(self.asked(method, route, content))

    def plan(self, **changes: Any) -> httpx.Response:
        return self.ask("POST", "/v1/plans", json.dumps({**ASKED, **changes}).encode())


@pytest.fixture
def http(runtime: Runtime) -> Edge:
    return Edge(runtime)


@pytest.fixture(scope="module")
def town(risk_world: RiskWorld) -> list[dict[str, Any]]:
    """All sites in one town, so that two people have full days."""
    rows = risk_world.lake.at().read("sites").to_pylist()
    known = [one for one in rows if one["recorded_at"] <= datetime.fromisoformat(AS_OF)]
    keys = dict.fromkeys((one["enterprise_id"], one["site_id"]) for one in known)
    return [
        {"enterprise_id": enterprise, "site_id": site, "latitude": 31.2 + at % 9 / 100, "longitude": 121.4 + at % 7 / 100}
        for at, (enterprise, site) in enumerate(keys)
    ]


@pytest.fixture(scope="module")
def planned(runtime: Runtime, town: list[dict[str, Any]]) -> httpx.Response:
    return Edge(runtime).plan(sites=town, seed=SEED)


def problem(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found = Problem.model_validate_json(answer.text).detail
    assert "\n" not in found
    return found


def count(runtime: Runtime) -> tuple[int, int]:
    return len(PlanStore(runtime.store.engine).plans(1_000)), runtime.store.count()


def test_a_week_is_planned_stored_and_shown(
    planned: httpx.Response, http: Edge, runtime: Runtime, risk_world: RiskWorld, town: list[dict[str, Any]]
) -> None:
    assert planned.status_code == 201, planned.text
    told = PlanResponse.model_validate_json(planned.text)
    assert planned.headers["location"] == f"/v1/plans/{told.plan_id}"
    assert told.bundle == risk_world.bundle.manifest.bundle_id
    both = [*told.visits, *told.left_out]
    assert {(one["enterprise_id"], one["site_id"]) for one in both} == {(one["enterprise_id"], one["site_id"]) for one in town}
    assert told.visits and all(one["reason"] and one["checklist"] for one in told.visits)
    assert not any(one["starts"].startswith("2024-07-12") for one in told.visits if one["inspector_id"] == "i-1")
    stored = PlanStore(runtime.store.engine).plan(str(told.plan_id))
    assert stored.week == MONDAY and broken(problem_of(stored), plan_of(stored)) == []
    visits = PlanStore(runtime.store.engine).visits(str(told.plan_id))
    assert {one.visit_id for one in visits} == {one["visit_id"] for one in told.visits}
    assert runtime.store.get(f"{planned.json()['batch']}.0").bundle_id == told.bundle
    shown = http.ask("GET", planned.headers["location"])
    assert shown.status_code == 200 and shown.json() == planned.json()


def test_what_is_not_kept_leaves_nothing(
    http: Edge, runtime: Runtime, town: list[dict[str, Any]], planned: httpx.Response
) -> None:
    before = count(runtime)
    answer = http.plan(sites=town, seed=SEED, keep=False)
    assert answer.status_code == 200 and "location" not in answer.headers
    assert count(runtime) == before
    told, kept = answer.json(), planned.json()
    assert told["plan_id"] is None
    same = ("visit_id", "after")
    assert [{**one, **dict.fromkeys(same)} for one in told["visits"]] == [
        {**one, **dict.fromkeys(same)} for one in kept["visits"]
    ]
    assert told["lot"] == kept["lot"]


def test_the_calendar_of_one_inspector(planned: httpx.Response, http: Edge) -> None:
    answer = http.ask("GET", f"{planned.headers['location']}.ics?inspector=i-0")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/calendar")
    uids = {str(one["uid"]).partition("@")[0] for one in Calendar.from_ical(answer.text).walk("VEVENT")}
    mine = {one["visit_id"] for one in planned.json()["visits"] if one["inspector_id"] == "i-0"}
    assert uids == mine and mine
    assert "no inspector i-9" in problem(http.ask("GET", f"{planned.headers['location']}.ics?inspector=i-9"), 404)
    assert "no plan p_none" in problem(http.ask("GET", "/v1/plans/p_none.ics?inspector=i-0"), 404)
    assert "inspector" in problem(http.ask("GET", f"{planned.headers['location']}.ics"), 400)


PINS = {"pinned_inspector": "i-0", "pinned_start": "2024-07-09 10:00"}
MISTAKES: list[tuple[dict[str, Any], int, str]] = [
    ({"week": None}, 400, "week: "),
    ({"week": "2024-28"}, 400, "week: '2024-28' is no week"),
    ({"week": "9999-W52"}, 400, "is no week"),
    ({"as_of": None}, 400, "week: 2024-W28 is in the past; name this week or one ahead, or say as_of"),
    ({"as_of": "2024-07-15T00:00:00Z"}, 400, "as_of: 2024-W28 has ended by"),
    ({"as_of": "2999-01-01T00:00:00Z"}, 400, "as_of: lies in the future"),
    ({"as_of": "2024-07-04T00:00:00"}, 400, "as_of: a time without zone"),
    ({"week": "1999-W28", "as_of": "1999-07-04T00:00:00Z"}, 404, "known"),
    ({"zone": "Mars/Base"}, 400, "zone: no time zone 'Mars/Base'"),
    ({"seed": "7"}, 400, "seed: no seed of 32"),
    ({"seconds": 61}, 400, "seconds"),
    ({"listed": "yes"}, 400, "listed"),
    ({"colour": 1}, 400, "colour: unknown key; known are week, inspectors"),
    ({"inspectors": []}, 400, "inspectors"),
    ({"inspectors": PEOPLE * MOST_INSPECTORS}, 400, "inspectors"),
    ({"inspectors": [PEOPLE[0], 3]}, 400, "inspectors[1]"),
    ({"inspectors": [{"inspector_id": "a", "longitude": 1}]}, 400, "inspectors[0].latitude: no latitude of the home; send it"),
    ({"holidays": ["new year"]}, 400, "holidays[0]: 'new year' is no date"),
    ({"travel": [{"from": "i-0", "to": "i-1", "minutes": -1}]}, 400, "travel[0].minutes: -1 is below 0"),
    ({"sites": [{"enterprise_id": "nobody", "site_id": "s"}]}, 404, "site nobody/s: the lake knows no such site"),
    (
        {"sites": [{**PINS}, {**PINS}], "listed": True},
        400,
        "both pinned to i-0, at Tuesday 10:00 and Tuesday 10:00: they overlap",
    ),
    ({"sites": [{"windows": "closed"}], "listed": True}, 400, "its window never opens in this week"),
    ({"sites": [{"windows": "mon 18:00-08:00"}]}, 400, "sites[0].windows: a window from 18:00-08:00 never opens"),
    ({"sites": [{"skills": ["diving"]}], "listed": True}, 400, "nobody has the skill diving"),
    ({"sites": [{"mode": "drone"}]}, 400, "sites[0].mode: 'drone' is no mode"),
]


@pytest.mark.parametrize(("changes", "status", "said"), MISTAKES)
def test_a_mistake_is_one_clear_line_and_leaves_nothing(
    http: Edge, runtime: Runtime, town: list[dict[str, Any]], changes: dict[str, Any], status: int, said: str
) -> None:
    before = count(runtime)
    if "sites" in changes:
        changes = {**changes, "sites": [{**site, **row} for site, row in zip(town, changes["sites"], strict=False)]}
    assert said in problem(http.plan(**changes), status)
    assert count(runtime) == before


def test_a_site_that_is_nowhere(risk_world: RiskWorld, tmp_path: Path) -> None:
    world = copied(risk_world, tmp_path / "home")
    row = {**world.lake.at().read("sites").to_pylist()[0], "site_id": "nowhere", "latitude": None, "longitude": None}
    world.lake.append_rows(SITES, pa.Table.from_pylist([row], SITES.arrow), datetime.fromisoformat(AS_OF), "test")
    runtime = opened(Settings(home=world.home, compact_seconds=0.0))
    assert "a site without coordinates; give latitude and longitude" in problem(Edge(runtime).plan(), 400)
    told = Edge(runtime).plan(leave_out=True).json()
    assert any("without coordinates" in note and "nowhere" in note for note in told["notes"])
    runtime.close()


def test_without_a_champion_sites_are_planned_by_rule_and_a_promoted_one_is_taken_up(
    risk_world: RiskWorld, tmp_path: Path
) -> None:
    world = copied(risk_world, tmp_path / "home")
    pointer = world.home / "champion" / "enterprise" / "enterprise.json"
    pointer.unlink()
    runtime = opened(Settings(home=world.home, compact_seconds=0.0))
    http, champions = Edge(runtime), runtime.enterprises.champions
    told = http.plan(keep=False).json()
    assert told["bundle"] is None and told["visits"] and all(one["by_rule"] for one in told["visits"])
    challenger = challenger_of(world.bundle)
    point_at(world.home, challenger)
    champions.refresh()
    assert http.plan(keep=False).json()["bundle"] == challenger.manifest.bundle_id
    runtime.close()


def test_a_champion_that_does_not_load_is_no_reason_to_plan_by_rule(risk_world: RiskWorld, tmp_path: Path) -> None:
    world = copied(risk_world, tmp_path / "home")
    (world.home / "bundles" / world.bundle.manifest.bundle_id / "scores.json").write_text("{}")
    runtime = opened(Settings(home=world.home, compact_seconds=0.0))
    answer = Edge(runtime).plan()
    assert "does not load" in problem(answer, 503) and answer.headers["retry-after"] == "30"
    assert count(runtime) == (0, 0)
    runtime.close()


def test_bodies_and_lakes_beyond_bounds(http: Edge, runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    before = count(runtime)
    assert "more than" in problem(http.ask("POST", "/v1/plans", b" " * (MOST_BYTES + 1)), 413)
    for body in (b"{", b"[]", b"[" * 5_000, b"\xff", b""):
        assert "body" in problem(http.ask("POST", "/v1/plans", body), 400)
    assert "unknown parameter" in problem(http.ask("POST", "/v1/plans?now=1", b"{}"), 400)
    monkeypatch.setattr(work, "MOST_PLACES", 5)
    assert "more than 5 places; list fewer sites" in problem(http.plan(), 400)
    assert count(runtime) == before


@pytest.mark.parametrize("fails", ["plans", "planned_visits"])
def test_a_store_that_fails_keeps_no_part_of_a_plan(
    risk_world: RiskWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    runtime = opened(Settings(home=risk_world.home, store_url=f"sqlite:///{tmp_path}/store.db", compact_seconds=0.0))
    with runtime.store.engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE TRIGGER no BEFORE INSERT ON {fails} BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    assert "store not usable" in problem(Edge(runtime).plan(), 400)
    assert count(runtime) == (0, 0)
    runtime.close()


def test_one_plan_at_a_time(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "PATIENCE_SECONDS", 0.2)
    body = json.dumps({**ASKED, "keep": False}).encode()

    async def asked() -> None:
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def slow(task: Task) -> Answer:
            begun.set()
            await go_on.wait()
            return Answer(None, b"{}")

        plans = PlanService(Settings(home=runtime.home), runtime.store, runtime.enterprises, slow)
        first = asyncio.create_task(plans.make(body))
        await begun.wait()
        with pytest.raises(Unavailable, match="another plan is being made") as caught:
            await plans.make(body)
        assert caught.value.retry_after == 10
        go_on.set()
        assert await first == await plans.make(body)

    asyncio.run(asked())


def test_of_several_processes_one_plans(http: Edge, runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "PATIENCE_SECONDS", 0.2)
    with (runtime.home / work.LOCK).open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        answer = http.plan(keep=False)
        assert "another plan is being made" in problem(answer, 503) and answer.headers["retry-after"] == "10"


def task_of(runtime: Runtime, **changes: Any) -> Task:
    body = json.dumps({**ASKED, **changes}).encode()
    return Task(str(runtime.home), str(runtime.store.engine.url), 1, time.monotonic() + 10, body=body)


def test_the_process_refuses_in_the_words_of_the_work(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    def answered(task: Task) -> Answer:
        write = BytesIO()
        main(BytesIO(task.sent), write)
        return answer_of(write.getvalue())

    with pytest.raises(NotFound, match="the lake knows no such site") as caught:
        answered(task_of(runtime, sites=[{"enterprise_id": "nobody", "site_id": "s"}]))
    assert caught.value.where == "site nobody/s"
    with pytest.raises(BadInput, match="every inspector is off"):
        answered(task_of(runtime, inspectors=[{**PEOPLE[0], "leave": "2024-07-08..2024-07-14"}]))
    with (runtime.home / work.LOCK).open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(Unavailable, match="another plan is being made"):
            answered(replace(task_of(runtime), wait_until=0.0))
    assert json.loads(answered(task_of(runtime, keep=False)).body)["plan_id"] is None


def test_the_process_plans_or_says_how_it_ended(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    before = count(runtime)
    found = asyncio.run(in_process(task_of(runtime)))
    told = json.loads(found.body)
    assert told["plan_id"] == found.plan_id and told["solver"]["name"] == "PyVRP"
    assert count(runtime) == (before[0] + 1, before[1])  # no champion named: no scores
    for does, error, said in (
        ("import os; os.kill(os.getpid(), 9)", Unavailable, "was killed"),
        ("raise SystemExit(1)", RuntimeError, "failed with 1"),
    ):
        monkeypatch.setattr(service, "_COMMAND", (sys.executable, "-c", does))
        with pytest.raises(error, match=said):
            asyncio.run(in_process(task_of(runtime)))


def test_a_request_that_is_given_up_ends_its_process(runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = tmp_path / "pid"
    does = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    monkeypatch.setattr(service, "_COMMAND", (sys.executable, "-c", does))
    monkeypatch.setattr("serving.edge.MOST_SECONDS", 1.5)
    runtime.plans._run, before = in_process, runtime.plans._run
    try:
        assert "Timed out" in problem(Edge(runtime).plan(), 504)
    finally:
        runtime.plans._run = before
    assert not Path(f"/proc/{pid.read_text()}").exists()
    assert Edge(runtime).plan(keep=False).status_code == 200  # its turn came back


def test_a_plan_with_ways_is_replanned_with_them(http: Edge, town: list[dict[str, Any]]) -> None:
    ways = [{"from": "i-0", "to": f"{one['enterprise_id']}/{one['site_id']}", "minutes": 7} for one in town]
    answer = http.plan(sites=town, travel=ways)
    assert answer.status_code == 201, answer.text
    route, asked = f"{answer.headers['location']}/replan", {"at": "2024-07-09T12:00:00+08:00", "absent": ["i-1"], "keep": False}
    assert "travel: this plan was made with a table of ways" in problem(
        http.ask("POST", route, json.dumps(asked).encode()), 400
    )
    assert http.ask("POST", route, json.dumps({**asked, "travel": ways}).encode()).status_code == 200


def noon(planned: httpx.Response) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """A moment at which the first visit has begun, that visit, and the last one of the week."""
    visits = sorted(planned.json()["visits"], key=lambda one: one["starts"])
    return (datetime.fromisoformat(visits[0]["starts"]) + timedelta(minutes=1)).isoformat(), visits[0], visits[-1]


def test_an_alarm_replans_the_rest_of_the_day(planned: httpx.Response, http: Edge, runtime: Runtime) -> None:
    at, fixed, late = noon(planned)
    site = f"{late['enterprise_id']}/{late['site_id']}"
    answer = http.ask(
        "POST", f"{planned.headers['location']}/replan", json.dumps({"at": at, "alarm": [site], "absent": ["i-1"]}).encode()
    )
    assert answer.status_code == 201, answer.text
    told = PlanResponse.model_validate_json(answer.text)
    assert told.changes and all(one["reason_en"] and one["reason_zh"] for one in told.changes)
    same = {(one["visit_id"], one["inspector_id"], one["starts"]) for one in told.visits}
    assert (fixed["visit_id"], fixed["inspector_id"], fixed["starts"]) in same
    gone = [one for one in told.visits if one["inspector_id"] == "i-1" and one["starts"][:10] == at[:10]]
    assert all(one["starts"] <= at for one in gone)
    plans, lists = PlanStore(runtime.store.engine), partial(checklists_at, Lake.open(runtime.home / "lake"))
    same_here, _, _ = replanned(plans.plan(planned.json()["plan_id"]), datetime.fromisoformat(at), [site], ["i-1"], None, lists)
    assert (told.visits, told.changes) == (same_here["visits"], same_here["changes"])
    stored = plans.plan(str(told.plan_id))
    assert stored.parent == planned.json()["plan_id"]
    assert http.ask("GET", answer.headers["location"]).json() == answer.json()


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ({}, 400, "nothing has happened"),
        ({"alarm": ["nobody/s"]}, 404, "alarm: no site nobody/s"),
        ({"absent": ["i-9"]}, 404, "absent: no inspector i-9"),
        ({"absent": ["i-0"], "at": "2025-07-08T12:00:00Z"}, 400, "at: 2025-07-08T12:00:00+00:00 is not in the week"),
        ({"absent": ["i-0"], "at": "noon"}, 400, "at: "),
        ({"alarms": []}, 400, "alarms: unknown key; known are at, alarm"),
    ],
)
def test_a_mistaken_replan_is_one_line_and_leaves_nothing(
    planned: httpx.Response, http: Edge, runtime: Runtime, asked: dict[str, Any], status: int, said: str
) -> None:
    before = count(runtime)
    body = json.dumps({"at": noon(planned)[0], **asked}).encode()
    assert said in problem(http.ask("POST", f"{planned.headers['location']}/replan", body), status)
    assert count(runtime) == before


def test_unknown_plans(http: Edge) -> None:
    assert "no plan p_none" in problem(http.ask("GET", "/v1/plans/p_none"), 404)
    assert "no plan p_none" in problem(http.ask("POST", "/v1/plans/p_none/replan", b'{"absent": ["i-0"]}'), 404)
    assert "unknown parameter" in problem(http.ask("GET", "/v1/plans/p_none?x=1"), 400)
    assert "unknown parameter" in problem(http.ask("GET", "/v1/plans/p_none.ics?inspector=a&x=1"), 400)
    assert [route_of(f"/v1/plans{end}") for end in ("", "/p_1", "/p_1/replan", "/p_1.ics")] == [
        "/v1/plans", "/v1/plans/{plan_id}", "/v1/plans/{plan_id}/replan", "/v1/plans/{plan_id}.ics",
    ]  # fmt: skip


def test_the_api_describes_plans_in_one_piece(runtime: Runtime) -> None:
    document = mounted(lambda: runtime, dict).openapi()
    paths = document["paths"]
    schema = paths["/v1/plans"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    wanted = {
        "week",
        "inspectors",
        "sites",
        "travel",
        "holidays",
        "zone",
        "as_of",
        "seed",
        "listed",
        "leave_out",
        "seconds",
        "keep",
    }
    assert {*schema["properties"]} == wanted and schema["additionalProperties"] is False
    person = schema["properties"]["inspectors"]["items"]
    assert person["required"] == ["inspector_id", "latitude", "longitude"] and person["additionalProperties"] is False
    assert person["properties"]["latitude"] == {
        "description": "latitude of the home",
        "type": "number",
        "minimum": -90.0,
        "maximum": 90.0,
    }
    assert {"type": "array", "items": {"type": "string"}} in person["properties"]["skills"]["anyOf"]
    assert "on_site" in schema["properties"]["sites"]["items"]["properties"]["mode"]["enum"]
    ways = next(one for one in schema["properties"]["travel"]["anyOf"] if one["type"] == "array")
    assert ways["items"]["required"] == ["from", "to", "minutes"]
    for route, method in (("/v1/plans", "post"), ("/v1/plans/{plan_id}", "get"), ("/v1/plans/{plan_id}/replan", "post")):
        answered = paths[route][method]["responses"]["200"]["content"]["application/json"]["schema"]
        assert answered["$ref"].endswith("/PlanResponse")
    assert "text/calendar" in paths["/v1/plans/{plan_id}.ics"]["get"]["responses"]["200"]["content"]
    assert "$defs" not in json.dumps(document)


@pytest.mark.server
def test_others_are_answered_while_a_week_is_planned(risk_world: RiskWorld, tmp_path: Path) -> None:
    home, port = copied(risk_world, tmp_path / "home").home, servers.free_port()
    with servers.serving(["-m", "forewarn", "serve", "--port", str(port)], home, port):
        url, answers = f"http://127.0.0.1:{port}", []
        document = httpx.get(f"{url}/docs.json").json()
        responses = document["paths"]["/v1/plans"]["post"]["responses"]
        assert {"200", "201", "400", "413", "503", "504"} <= {*responses}
        assert "application/problem+json" in responses["503"]["content"]
        body = {**ASKED, "seconds": 2}
        planning = threading.Thread(target=lambda: answers.append(httpx.post(f"{url}/v1/plans", json=body, timeout=120)))
        planning.start()
        waits = []
        with Client(url, timeout_seconds=60) as client:
            while planning.is_alive():
                begun = time.perf_counter()
                assert client.risk(risk_world.ids[1])["score_id"]
                waits.append(time.perf_counter() - begun)
                time.sleep(0.02)
        (answer,) = answers
        assert answer.status_code == 201, answer.text
        # A thread that plans would stop the endpoints for its seconds.
        assert len(waits) > 10 and sorted(waits)[int(0.95 * len(waits))] < 2.0
        assert httpx.get(url + answer.headers["location"]).json() == answer.json()
