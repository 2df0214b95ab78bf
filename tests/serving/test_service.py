"""The service over HTTP: answers, problem details, readiness, metrics, description, promotion, shutdown."""

import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from features.errors import BadInput, NotFound
from serving.champion import load_champion
from serving.client import Client
from serving.contracts import Problem, ScoreResponse
from serving.explain import explain
from serving.posted import MAX_BODY_BYTES
from serving.rows import ARROW, MOST_BYTES
from serving.scoring import score
from serving.store import opened
from tests.serving import servers
from tests.serving.world import END, HOURS, SENSORS, World, made_world, point_at, posted

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, str, int]]:
    """A world of its own (its champion changes) behind `forewarn serve`: world, URL, pid."""
    world = made_world(tmp_path_factory.mktemp("served"))
    port = servers.free_port()
    os.environ["FOREWARN_COMPACT_SECONDS"] = "0.5"
    with servers.serving(["-m", "forewarn", "serve", "--port", str(port)], world.home, port) as server:
        del os.environ["FOREWARN_COMPACT_SECONDS"]
        yield world, f"http://127.0.0.1:{port}", server.pid


@pytest.fixture
def http(live: tuple[World, str, int]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live[1], timeout=60) as client:
        yield client


@pytest.fixture
def world(live: tuple[World, str, int]) -> World:
    return live[0]


def problem(answer: httpx.Response, status: int) -> Problem:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert "Traceback" not in answer.text
    found = Problem.model_validate_json(answer.text)
    assert found.status == status
    return found


def test_a_posted_history_is_scored(http: httpx.Client, world: World) -> None:
    answer = http.post("/v1/machines/score", json=posted(world, "p03", END) | {"reasons": 4})
    assert answer.status_code == 200, answer.text
    found = ScoreResponse.model_validate_json(answer.text)
    assert found.machine_id == "p03"
    assert found.as_of == END
    assert 0 < found.p24 <= found.p48 <= found.p72 < 1
    for name, limits in found.ranges.items():
        assert limits.low <= getattr(found, name) <= limits.high
    assert len(found.reasons) == 4
    assert found.reasons[0].text_zh


def test_an_answered_score_is_stored_and_explained_to_the_bit(http: httpx.Client, world: World) -> None:
    answer = http.post("/v1/machines/score", json=posted(world, "p07", END)).json()
    with opened(f"sqlite:///{world.home}/store/forewarn.db") as store:
        found = explain(world.home, store, answer["score_id"])
    assert found.reproduced, found.verdict
    assert found.document()["p"] == [answer["p24"], answer["p48"], answer["p72"]]


def test_a_machine_of_the_lake_is_scored_as_in_process(http: httpx.Client, world: World) -> None:
    answer = http.get("/v1/machines/p05/score", params={"reasons": "true"}).json()
    champion = load_champion(world.home, "pump")
    with opened(f"sqlite:///{world.home}/store/forewarn.db") as store:
        found = explain(world.home, store, answer["score_id"])
        assert found.reproduced, found.verdict
    assert answer["p72"] == score(champion, found.result.x).p[2]
    assert answer["as_of"].startswith(END.isoformat())
    assert len(answer["reasons"]) == 5
    earlier = http.get("/v1/machines/p05/score", params={"as_of": (END - timedelta(days=5)).isoformat()}).json()
    assert earlier["p72"] != answer["p72"]
    assert earlier["reasons"] == []


MISTAKES: list[tuple[str, dict[str, Any], int, str]] = [
    ("no readings", {"readings": []}, 400, "readings: empty history; send at least one reading"),
    ("a misnamed column", {"readings": [{"event_time": "2026-01-01T00:00:00Z", "vlt": 1}]}, 400, "unknown column"),
    ("a time without zone", {"as_of": "2026-01-13T00:00:00"}, 400, "as_of: time without zone"),
    ("an unknown kind", {"machine": {"machine_id": "p", "kind": "moon"}}, 404, "kinds with a champion: pump"),
    ("a negative age", {"machine": {"machine_id": "p", "kind": "pump", "age_hours": -1}}, 400, "machine.age_hours"),
    ("an unknown field", {"horizon": 5}, 400, "horizon: unknown field"),
]


@pytest.mark.parametrize(("changes", "status", "line"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES])
def test_mistakes_are_problem_details(
    http: httpx.Client, world: World, changes: dict[str, Any], status: int, line: str
) -> None:
    found = problem(http.post("/v1/machines/score", json=posted(world, "p03", END) | changes), status)
    assert line in found.detail
    assert found.mend


def test_requests_that_are_no_score_are_problem_details(http: httpx.Client) -> None:
    json_type = {"content-type": "application/json"}
    assert "not readable as JSON" in problem(http.post("/v1/machines/score", content=b'{"a', headers=json_type), 400).detail
    assert "not readable" in problem(http.post("/v1/machines/score", content=b"\xff\xfe", headers=json_type), 400).detail
    for kind in ("text/csv", "application/vnd.bentoml+pickle", "multipart/form-data; boundary=x"):
        problem(http.post("/v1/machines/score", content=b"a,b", headers={"content-type": kind}), 415)
    problem(http.post("/v1/machines/score", content=b" " * (MAX_BODY_BYTES + 1), headers=json_type), 413)
    problem(http.get("/v1/machines/score"), 405)
    problem(http.get("/nowhere"), 404)
    problem(http.get("/v1/machines/nobody/score"), 404)
    for parameters in (
        {"as_of": "2026-01-05"},
        {"as_of": "yesterday"},
        {"as_of": "5"},
        {"as_of": "2999-01-01T00:00:00Z"},
        {"as_of": "0001-01-01T00:00:00+14:00"},
        {"reasons": "some"},
        {"asof": "2026-01-05T00:00:00Z"},
    ):
        problem(http.get("/v1/machines/p03/score", params=parameters), 400)
    assert "was not known at" in problem(
        http.get("/v1/machines/p03/score", params={"as_of": "1999-01-01T00:00:00Z"}), 404
    ).detail  # fmt: skip
    assert "/docs.json" in problem(http.get("/"), 404).detail


def streamed(machine_id: str, number: float) -> dict[str, list[Any]]:
    levels = {name: [level] for name, (level, _, _) in SENSORS.items()}
    moments = [(END + timedelta(hours=number)).isoformat()]
    return {"machine_id": [machine_id], "event_time": moments, "recorded_at": moments, **levels}


def test_sent_rows_are_scored_at_once_and_reach_the_tables(live: tuple[World, str, int]) -> None:
    world, url, _ = live
    table = world.lake.kind("pump").readings_table
    with Client(url, timeout_seconds=60) as client:
        for number in range(1, 4):
            assert client.send(table, streamed("p17", number))["taken"] == 1
            assert client.score_known("p17")["as_of"].startswith((END + timedelta(hours=number)).isoformat()[:19])
        rows = pa.table({name: values * 2 for name, values in streamed("p18", 1).items()})
        answer = client.send(table, rows.set_column(0, "machine_id", [["p18", "nobody"]]))
        assert (answer["taken"], answer["refused"]) == (1, 1)
        assert answer["reasons"][0]["reason"] == "unknown machine"
        score_id = client.score_known("p17")["score_id"]
        with pytest.raises(NotFound, match="no table 'pumps'"):
            client.send("pumps", rows)
        with pytest.raises(BadInput, match="time without zone"):
            client.send(table, streamed("p17", 5) | {"event_time": ["2026-01-20T00:00:00"]})
    deadline = time.monotonic() + 60
    while world.lake.read(table, machine_ids=["p17"]).num_rows < HOURS + 3 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert world.lake.read(table, machine_ids=["p17"]).num_rows == HOURS + 3
    with opened(f"sqlite:///{world.home}/store/forewarn.db") as store:
        assert explain(world.home, store, score_id).reproduced


def test_rows_that_are_none_are_problem_details(http: httpx.Client) -> None:
    route = "/v1/tables/readings_pump"
    assert (
        "send application/json" in problem(http.post(route, content=b"a,b", headers={"content-type": "text/csv"}), 415).detail
    )
    for kind in ("application/json", ARROW):
        assert problem(http.post(route, content=b"{", headers={"content-type": kind}), 400).where == "body"
    too_much = b" " * (MOST_BYTES["application/json"] + 1)
    problem(http.post(route, content=too_much, headers={"content-type": "application/json"}), 413)
    problem(http.post("/v1/machines/score", content=b"{", headers={"content-type": ARROW}), 415)
    problem(http.get(route), 405)
    problem(http.post(route, json=streamed("p17", 9), params={"dry": "1"}), 400)
    assert 'forewarn_rows_total{outcome="taken",table="readings_pump"}' in http.get("/metrics").text


def test_a_large_batch_does_not_hold_up_others(http: httpx.Client, live: tuple[World, str, int]) -> None:
    count = 100_000
    table = pa.table({name: values * count for name, values in streamed("p17", 20).items()})
    with Client(live[1], timeout_seconds=60) as client, ThreadPoolExecutor(1) as pool:
        sent = pool.submit(client.send, "readings_pump", table)
        slowest = 0.0
        while not sent.done():
            started = time.perf_counter()
            assert http.get("/livez").status_code == 200
            slowest = max(slowest, time.perf_counter() - started)
        assert sent.result()["taken"] == count
    assert slowest < 1.0


def test_a_body_without_length_is_bounded_too(http: httpx.Client) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(MAX_BODY_BYTES // 2**20 + 2):
            yield b" " * 2**20

    try:
        answer = http.post("/v1/machines/score", content=endless(), headers={"content-type": "application/json"})
    except httpx.TransportError:
        return  # the server answered and closed while the client was still sending
    problem(answer, 413)


def test_it_is_alive_ready_and_described(http: httpx.Client) -> None:
    assert http.get("/livez").status_code == 200
    assert http.get("/readyz").status_code == 200
    document = http.get("/docs.json").json()
    assert {"/v1/machines/score", "/v1/machines/{machine_id}/score", "/v1/tables/{table}"} <= document["paths"].keys()
    assert ARROW in document["paths"]["/v1/tables/{table}"]["post"]["requestBody"]["content"]
    assert "application/problem+json" in document["paths"]["/v1/tables/{table}"]["post"]["responses"]["413"]["content"]
    answers = document["paths"]["/v1/machines/score"]["post"]["responses"]
    assert "application/problem+json" in answers["400"]["content"]
    body = json.dumps(document["paths"]["/v1/machines/score"]["post"]["requestBody"])
    assert all(word in body for word in ("machine", "readings", "as_of", "reasons"))


def test_metrics_count_by_route_and_never_by_machine(http: httpx.Client, world: World) -> None:
    http.get("/v1/machines/p11/score")
    http.get("/v1/machines/secret-name/score")
    text = http.get("/metrics").text
    assert 'forewarn_requests_total{route="/v1/machines/{machine_id}/score",status="200"}' in text
    assert 'forewarn_p72_count{kind="pump",source="lake"}' in text
    assert "secret-name" not in text
    assert "p11" not in text


def test_the_client_raises_what_the_service_refuses(live: tuple[World, str, int]) -> None:
    world, url, _ = live
    with Client(url, timeout_seconds=60) as client:
        assert client.ready()
        assert client.score(posted(world, "p03", END))["machine_id"] == "p03"
        assert client.score_known("p03", reasons=2)["reasons"]
        with pytest.raises(NotFound, match="no machine 'nobody' in the lake"):
            client.score_known("nobody")
        with pytest.raises(BadInput, match="readings: empty history"):
            client.score(posted(world, "p03", END) | {"readings": []})


def test_workers_do_not_load_torch(live: tuple[World, str, int]) -> None:
    for worker in servers.children(live[2]):
        assert not any("torch" in name for name in servers.loaded_libraries(worker))


def test_a_promotion_is_served_and_a_damaged_bundle_is_not(http: httpx.Client, world: World) -> None:
    """Near the end of this module: it changes the champion."""

    def served() -> str:
        return str(http.get("/v1/machines/p03/score").json()["bundle"])

    before, after = world.bundle.manifest.bundle_id, world.challenger.manifest.bundle_id
    assert served() == before
    point_at(world.home, world.challenger)
    deadline = time.monotonic() + 60
    while served() == before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert served() == after
    pointer: Path = world.home / "champion" / "machine" / "pump.json"
    pointer.write_text("{")
    time.sleep(2.5)
    assert served() == after
    assert http.get("/readyz").status_code == 200


def test_an_answered_score_survives_the_death_of_its_worker(
    http: httpx.Client, live: tuple[World, str, int], world: World
) -> None:
    """Last: the launcher takes a while to start another worker."""
    answer = http.post("/v1/machines/score", json=posted(world, "p09", END)).json()
    for worker in servers.children(live[2]):
        os.kill(worker, signal.SIGKILL)
    with opened(f"sqlite:///{world.home}/store/forewarn.db") as store:
        assert explain(world.home, store, answer["score_id"]).reproduced
