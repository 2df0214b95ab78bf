"""Outcomes over HTTP: recorded before they are answered; a mistake is one line and leaves nothing."""

import asyncio
import fcntl
import json
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from features.settings import Settings
from serving.contracts import Problem
from serving.plans import visit_service
from serving.plans.store import PlannedVisit, PlanStore
from serving.plans.visit_service import MOST_BYTES, RecordedOutcomes
from serving.routes import route_of
from serving.runtime import Runtime
from serving.web import mounted
from tests.serving.risk_world import RiskWorld, copied

NOW = datetime.now(UTC)
DUE = (NOW + timedelta(days=9)).date().isoformat()
GOOD = {
    "visit_id": "v_0", "outcome": "done", "at": (NOW - timedelta(hours=1)).isoformat(), "hours": 2, "by": "Li Na",
    "findings": [{"grade": "general", "kind": "exit", "due": DUE}],
}  # fmt: skip


@pytest.fixture
def home(risk_world: RiskWorld, tmp_path: Path) -> RiskWorld:
    return copied(risk_world, tmp_path / "home")


@pytest.fixture
def runtime(home: RiskWorld, tmp_path: Path) -> Iterator[Runtime]:
    runtime = Runtime.open(Settings(home=home.home, store_url=f"sqlite:///{tmp_path}/store.db", compact_seconds=0.0))
    visits = [PlannedVisit(f"v_{at}", home.ids[at], None, "i", NOW, 60, "on_site", "targeted", False) for at in range(2)]
    week = date(2026, 11, 23)
    PlanStore(runtime.store.engine).add_plan({}, week=week, as_of=NOW, currency="CNY", visits=visits)
    yield runtime
    runtime.close()


def sent(runtime: Runtime, content: Any, route: str = "/v1/visits/outcomes") -> httpx.Response:
    transport = httpx.ASGITransport(mounted(lambda: runtime, dict))

    async def asked() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            return await client.post(route, content=body, headers={"content-type": "application/json"})

    return asyncio.run(asked())


def test_outcomes_are_recorded_and_answered_once(runtime: Runtime, home: RiskWorld) -> None:
    answer = sent(runtime, [GOOD])
    assert answer.status_code == 200, answer.text
    found = RecordedOutcomes.model_validate_json(answer.text)
    assert (found.visits, found.findings, found.before, found.hazards) == (1, 1, 0, {"v_0": ["v_0/1"]})
    assert "v_0/1" in home.lake.read("hazards").column("hazard_id").to_pylist()
    assert sent(runtime, [GOOD]).json()["before"] == 1
    assert sent(runtime, [{**GOOD, "outcome": "partial"}]).status_code == 409


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        (b"{", 400, "not JSON"),
        ({}, 400, "no list of outcomes"),
        ([], 400, "no list of outcomes"),
        ([GOOD, 3], 400, "no list of outcomes"),
        ([{**GOOD, "colour": 1}], 400, "outcome 1, colour"),
        ([{**GOOD, "visit_id": "v_7"}], 404, "no plan holds this visit"),
        ([GOOD, {**GOOD, "visit_id": "v_7"}], 404, "no plan holds this visit"),
        ([GOOD, GOOD], 400, "told twice"),
        (b" " * (MOST_BYTES + 1), 413, "more than"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    runtime: Runtime, home: RiskWorld, content: Any, status: int, said: str
) -> None:
    before = home.lake.versions()
    answer = sent(runtime, content)
    assert answer.status_code == status, answer.text
    detail = Problem.model_validate_json(answer.text).detail
    assert said in detail
    assert "\n" not in detail
    assert home.lake.versions() == before
    assert PlanStore(runtime.store.engine).outcomes("v_0") == ()


def test_a_lake_that_is_held_for_a_moment_is_waited_for(
    runtime: Runtime, home: RiskWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = (home.home / "lake" / ".lock").open("w")
    fcntl.flock(held, fcntl.LOCK_EX)
    release = threading.Timer(0.5, held.close)
    release.start()
    assert sent(runtime, [GOOD]).status_code == 200
    release.join()
    monkeypatch.setattr(visit_service, "PATIENCE_SECONDS", 0.1)
    with (home.home / "lake" / ".lock").open("w") as longer:
        fcntl.flock(longer, fcntl.LOCK_EX)
        assert sent(runtime, [{**GOOD, "visit_id": "v_1"}]).status_code == 409
    assert route_of("/v1/visits/outcomes") == "/v1/visits/outcomes"
