"""The endpoint of enterprises: answers with evidence, refusals as problem details, and nothing of training's libraries."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from features.errors import NotFound
from features.settings import Settings
from serving.client import Client
from serving.contracts import Problem
from serving.risk_contracts import RiskResponse
from serving.risk_explain import explain_risk
from serving.runtime import Runtime
from serving.web import mounted
from tests.serving import servers
from tests.serving.risk_world import RiskWorld, challenger_of, copied, point_at, withdraw


@pytest.fixture
def runtime(risk_world: RiskWorld, tmp_path: Path) -> Iterator[Runtime]:
    runtime = Runtime.open(Settings(home=risk_world.home, store_url=f"sqlite:///{tmp_path}/store.db", compact_seconds=0.0))
    yield runtime
    runtime.close()


class Edge:
    """The mounted application without a server."""

    def __init__(self, runtime: Runtime) -> None:
        self._transport = httpx.ASGITransport(mounted(lambda: runtime, dict))

    def get(self, route: str, params: dict[str, str] | None = None) -> httpx.Response:
        async def asked() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, base_url="http://here") as client:
                return await client.get(route, params=params)

        return asyncio.run(asked())


@pytest.fixture
def http(runtime: Runtime) -> Edge:
    return Edge(runtime)


def problem(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return Problem.model_validate_json(answer.text).detail


def test_an_enterprise_is_scored_and_can_be_explained(http: Edge, runtime: Runtime, risk_world: RiskWorld) -> None:
    answer = http.get(f"/v1/enterprises/{risk_world.ids[3]}/risk", params={"reasons": "2"})
    assert answer.status_code == 200, answer.text
    found = RiskResponse.model_validate_json(answer.text)
    assert (found.enterprise_id, found.bundle) == (risk_world.ids[3], risk_world.bundle.manifest.bundle_id)
    assert found.as_of == runtime.enterprises.knowledge().until
    assert len(found.price.reasons) == len(found.alarm.reasons) == 2
    stored = runtime.store.get(found.score_id)
    assert stored.source == "lake"
    assert stored.risk == found.alarm.ahead[2].expected
    explained = explain_risk(risk_world.home, stored, 2)
    assert explained.reproduced, explained.verdict
    assert RiskResponse.model_validate(explained.document()).price == found.price
    assert list(explained.notes) == found.notes


def test_the_moment_can_be_chosen(http: Edge, runtime: Runtime, risk_world: RiskWorld) -> None:
    now = runtime.enterprises.knowledge().until
    route = f"/v1/enterprises/{risk_world.ids[3]}/risk"
    earlier = http.get(route, params={"as_of": (now - timedelta(days=60)).isoformat()}).json()
    assert earlier["as_of"] == (now - timedelta(days=60)).isoformat()
    assert earlier["price"]["reasons"] == []
    assert earlier["price"]["ahead"] != http.get(route).json()["price"]["ahead"]


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ("nobody/risk", 404, "enterprise nobody: not in the lake; import its row"),
        ("{id}/risk?as_of=1999-01-01T00:00:00Z", 404, "was not known at 1999-01-01T00:00:00"),
        ("{id}/risk?as_of=2999-01-01T00:00:00Z", 400, "lies in the future"),
        ("{id}/risk?as_of=2025-01-01T00:00:00", 400, "time without zone"),
        ("{id}/risk?as_of=soon", 400, "as_of"),
        ("{id}/risk?reasons=many", 400, "neither true, false nor a number"),
        ("{id}/risk?when=now", 400, "unknown parameter"),
    ],
)
def test_a_mistake_is_one_clear_line(
    http: Edge, runtime: Runtime, risk_world: RiskWorld, asked: str, status: int, said: str
) -> None:
    before = runtime.store.count()
    assert said in problem(http.get(f"/v1/enterprises/{asked.format(id=risk_world.ids[0])}"), status)
    assert runtime.store.count() == before


def test_without_consent_there_is_no_score(risk_world: RiskWorld, tmp_path: Path) -> None:
    world = copied(risk_world, tmp_path / "home")
    runtime = Runtime.open(Settings(home=world.home, compact_seconds=0.0))
    client = Edge(runtime)
    until = runtime.enterprises.knowledge().until
    route = f"/v1/enterprises/{world.ids[2]}/risk"
    assert client.get(route).status_code == 200
    withdraw(world.lake, world.ids[2], until)
    assert "has not consented to being scored" in problem(client.get(route), 403)
    # As of a moment before it was withdrawn it had consented.
    assert client.get(route, params={"as_of": (until - timedelta(seconds=1)).isoformat()}).status_code == 200
    runtime.close()


def test_a_promotion_is_taken_up_and_a_damaged_one_is_not(risk_world: RiskWorld, tmp_path: Path) -> None:
    world = copied(risk_world, tmp_path / "home")
    (world.home / "champion" / "enterprise" / "enterprise.json").unlink()
    runtime = Runtime.open(Settings(home=world.home, compact_seconds=0.0))
    client, champions = Edge(runtime), runtime.enterprises.champions
    route = f"/v1/enterprises/{world.ids[0]}/risk"
    assert not runtime.ready()
    assert "no champion for enterprises" in problem(client.get(route), 404)
    point_at(world.home, world.bundle)
    assert champions.refresh() or champions.all()
    assert runtime.ready()
    assert client.get(route).json()["bundle"] == world.bundle.manifest.bundle_id
    challenger = challenger_of(world.bundle)
    point_at(world.home, challenger)
    (world.home / "bundles" / challenger.manifest.bundle_id / "scores.json").write_text("{}")
    champions.refresh()
    assert client.get(route).json()["bundle"] == world.bundle.manifest.bundle_id
    runtime.close()


def test_serving_takes_nothing_of_training_along() -> None:
    code = (
        "import sys; from serving import runtime, web, risk_batch, risk_explain, risk_service\n"
        "heavy = {'lightgbm', 'sklearn', 'torch', 'mlflow', 'optuna', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


@pytest.mark.server
def test_a_home_with_enterprises_alone_is_served(risk_world: RiskWorld, tmp_path: Path) -> None:
    home, port = copied(risk_world, tmp_path / "home").home, servers.free_port()
    with servers.serving(["-m", "forewarn", "serve", "--port", str(port)], home, port) as server:
        with Client(f"http://127.0.0.1:{port}", timeout_seconds=60) as client:
            assert client.risk(risk_world.ids[1], reasons=True)["alarm"]["reasons"]
            with pytest.raises(NotFound, match="not in the lake"):
                client.risk("nobody")
        document = httpx.get(f"http://127.0.0.1:{port}/docs.json").json()
        answers = document["paths"]["/v1/enterprises/{enterprise_id}/risk"]["get"]["responses"]
        assert "application/problem+json" in answers["403"]["content"]
        assert "RiskResponse" in document["components"]["schemas"]
        metrics = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        assert "forewarn_expected_accidents_count" in metrics and risk_world.ids[1] not in metrics
        for worker in servers.children(server.pid):
            loaded = servers.loaded_libraries(worker)
            assert not any(name in one for one in loaded for name in ("lightgbm", "torch", "sklearn"))
