"""Quotes over HTTP: made, stored, then answered; a mistake is one line and leaves nothing."""

import asyncio
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from features.settings import Settings
from serving.contracts import Problem
from serving.pricing.contracts import MOST_BYTES, KeptQuote, QuoteResponse
from serving.pricing.store import QuoteStore
from serving.routes import route_of
from serving.runtime import Runtime
from serving.underwriting.worksheet import Worksheet, replay
from serving.web import mounted
from tests.serving.risk_world import RiskWorld

FACTS = {
    "industry": "construction", "headcount": 120, "project_cost": 80_000_000, "standardisation": "3", "accidents_1y": 1,
    "accidents_ordinary_1y": 1, "accidents_larger_1y": 0, "accidents_major_1y": 0, "clean_years": 0, "rectification_rate": 0.9,
    "credit": "B", "blacklisted": False, "overdue_hazards": 2,
}  # fmt: skip
PROSPECT = {"as_of": "2026-06-30", "currency": "CNY", "name": "Prospect", "facts": FACTS}


def told(**changes: Any) -> dict[str, Any]:
    """The prospect with other facts; None: without that one."""
    facts = {**FACTS, **changes}
    return {**PROSPECT, "facts": {name: value for name, value in facts.items() if value is not None}}


BOOKS = ("henan-example", "shandong-construction-example", "zhongshan-example", "fuyang-example")


@pytest.fixture(scope="module")
def runtime(risk_world: RiskWorld, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    folder = tmp_path_factory.mktemp("store")
    runtime = Runtime.open(Settings(home=risk_world.home, store_url=f"sqlite:///{folder}/store.db", compact_seconds=0.0))
    yield runtime
    runtime.close()


class Edge:
    """The mounted application without a server."""

    def __init__(self, runtime: Runtime) -> None:
        self._transport = httpx.ASGITransport(mounted(lambda: runtime, dict))

    def ask(self, method: str, route: str, content: bytes | None = None) -> httpx.Response:
        async def asked() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, base_url="http://here") as client:
                kind = {"content-type": "application/json"} if content is not None else {}
                return await client.request(method, route, content=content, headers=kind)

        return asyncio.run(asked())

    def quote(self, **asked: Any) -> httpx.Response:
        return self.ask("POST", "/v1/quotes", json.dumps(asked).encode())


@pytest.fixture
def http(runtime: Runtime) -> Edge:
    return Edge(runtime)


def problem(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found = Problem.model_validate_json(answer.text).detail
    assert "\n" not in found
    return found


def count(runtime: Runtime) -> int:
    return len(QuoteStore(runtime.store.engine).quotes(limit=1000)) + runtime.store.count()


def test_an_enterprise_of_the_lake_is_quoted_stored_and_shown(http: Edge, runtime: Runtime, risk_world: RiskWorld) -> None:
    answer = http.quote(enterprise_id=risk_world.ids[3], rulebook="zhongshan-example", terms={"deductible": "1000.00"})
    assert answer.status_code == 200, answer.text
    made = QuoteResponse.model_validate_json(answer.text)
    assert made.worksheet["enterprise_id"] == risk_world.ids[3]
    assert Decimal(made.worksheet["terms"]["deductible"]) == 1000
    assert made.what_if is None
    stored = QuoteStore(runtime.store.engine).quote(made.quote_id)
    assert (str(stored.premium), stored.kind) == (made.premium, "quote")
    assert runtime.store.get(str(stored.score_id)).entity_id == risk_world.ids[3]
    again, differences = replay(stored.document)
    assert not differences
    assert isinstance(again, Worksheet)
    shown = http.ask("GET", f"/v1/quotes/{made.quote_id}")
    assert shown.status_code == 200, shown.text
    kept = KeptQuote.model_validate_json(shown.text)
    assert (kept.premium, kept.worksheet["charge"], kept.parent) == (made.premium, made.worksheet["charge"], None)
    QuoteStore(runtime.store.engine).add_override(made.quote_id, Decimal("123.45"), "Li Na", "a fair reason")
    since = KeptQuote.model_validate_json(http.ask("GET", f"/v1/quotes/{made.quote_id}").text).since
    assert since["overrides"][0]["by"] == "Li Na"


@pytest.mark.parametrize("rulebook", BOOKS)
def test_a_prospect_is_quoted_by_every_shipped_rulebook_and_asks_what_if(http: Edge, runtime: Runtime, rulebook: str) -> None:
    answer = http.quote(prospect=PROSPECT, rulebook=rulebook, what_if={"standardisation": "1", "overdue_hazards": 0})
    assert answer.status_code == 200, answer.text
    made = QuoteResponse.model_validate_json(answer.text)
    assert made.worksheet["name"] == "Prospect"
    other = made.what_if
    assert other is not None
    assert Decimal(other["premium"]) <= Decimal(made.premium)
    difference = sum((Decimal(one["amount"]) for one in other["changes"]), Decimal(0))
    assert difference == Decimal(other["premium"]) - Decimal(made.premium)
    stored = QuoteStore(runtime.store.engine).quote(other["quote_id"])
    assert (stored.kind, stored.parent) == ("what-if", made.quote_id)


def test_the_same_question_has_the_same_cent(http: Edge) -> None:
    one, two = (http.quote(prospect=PROSPECT, rulebook="henan-example").json() for _ in range(2))
    assert one["premium"] == two["premium"]
    assert one["worksheet"] == two["worksheet"]
    assert one["quote_id"] != two["quote_id"]


LAPSED = {**PROSPECT, "as_of": "2031-01-01"}
MISTAKES: list[tuple[dict[str, Any], int, str]] = [
    ({"enterprise_id": "nobody"}, 404, "nobody"),
    ({}, 400, "give enterprise_id or prospect"),
    ({"enterprise_id": "{id}", "prospect": PROSPECT}, 400, "one of the two"),
    ({"enterprise_id": "{id}", "colour": "red"}, 400, "colour"),
    ({"enterprise_id": "{id}", "rulebook": "nowhere-example"}, 404, "nowhere-example"),
    ({"enterprise_id": "{id}", "rulebook": "../../etc/passwd"}, 400, "no rulebook's id"),
    ({"enterprise_id": "{id}", "as_of": "2999-01-01T00:00:00Z"}, 400, "lies in the future"),
    ({"enterprise_id": "{id}", "as_of": "2025-06-01T00:00:00"}, 400, "zone"),
    ({"enterprise_id": "{id}", "terms": {"currency": "USD"}}, 400, "USD"),
    ({"enterprise_id": "{id}", "terms": {"limit_per_person": "-1"}}, 400, "limit_per_person"),
    ({"enterprise_id": "{id}", "terms": {"limit_per_person": "1000"}}, 400, "limit"),
    ({"enterprise_id": "{id}", "terms": {"starts": "2031-01-01"}}, 400, "2031-01-01"),
    ({"enterprise_id": "{id}", "terms": {"starts": 1}}, 400, "starts"),
    ({"enterprise_id": "{id}", "what_if": {"standardisaton": 1}}, 400, "standardisation"),
    ({"enterprise_id": "{id}", "what_if": {"standardisation": "7"}}, 400, "standardisation"),
    ({"enterprise_id": "{id}", "facts": {"headcount": 4}}, 400, "the lake knows headcount"),
    ({"prospect": told(standardisaton="1")}, 400, "standardisation"),
    ({"prospect": told(credit="Z")}, 400, "credit"),
    ({"prospect": told(headcount=-4)}, 400, "headcount"),
    ({"prospect": {**PROSPECT, "currency": "USD"}}, 400, "USD"),
    ({"prospect": told(headcount=None)}, 400, "headcount"),
    ({"prospect": LAPSED}, 400, "2031"),
]


@pytest.mark.parametrize(("asked", "status", "said"), MISTAKES)
def test_a_mistake_is_one_clear_line_and_leaves_nothing(
    http: Edge, runtime: Runtime, risk_world: RiskWorld, asked: dict[str, Any], status: int, said: str
) -> None:
    before = count(runtime)
    named = {key: risk_world.ids[3] if value == "{id}" else value for key, value in asked.items()}
    assert said in problem(http.quote(**named), status)
    assert count(runtime) == before


def test_bodies_that_are_none_and_unknown_quotes(http: Edge, runtime: Runtime) -> None:
    before = count(runtime)
    assert "body" in problem(http.ask("POST", "/v1/quotes", b"{"), 400)
    assert "body" in problem(http.ask("POST", "/v1/quotes", b"[" * 5000), 400)
    assert "more than" in problem(http.ask("POST", "/v1/quotes", b" " * (MOST_BYTES + 1)), 413)
    assert "unknown parameter" in problem(http.ask("POST", "/v1/quotes?now=1", b"{}"), 400)
    assert "no quote q_none" in problem(http.ask("GET", "/v1/quotes/q_none"), 404)
    assert "unknown parameter" in problem(http.ask("GET", "/v1/quotes/q_none?x=1"), 400)
    assert count(runtime) == before
    assert route_of("/v1/quotes") == "/v1/quotes"
    assert route_of("/v1/quotes/q_1") == "/v1/quotes/{quote_id}"


def test_a_store_that_fails_answers_no_quote(http: Edge, runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_named: object) -> str:
        raise OSError("disk full")

    before = count(runtime)
    monkeypatch.setattr(QuoteStore, "add_quote", refuse)
    answer = http.quote(prospect=PROSPECT)
    assert answer.status_code == 500
    assert "disk full" not in answer.text
    assert count(runtime) == before


def test_the_api_describes_quotes_in_one_piece(runtime: Runtime) -> None:
    document = mounted(lambda: runtime, dict).openapi()
    asked, kept = document["paths"]["/v1/quotes"]["post"], document["paths"]["/v1/quotes/{quote_id}"]["get"]
    schema = asked["requestBody"]["content"]["application/json"]["schema"]
    assert {"enterprise_id", "prospect", "rulebook", "as_of", "terms", "facts", "what_if"} == {*schema["properties"]}
    assert "limit_per_person" in schema["properties"]["terms"]["properties"]
    assert schema["additionalProperties"] is False
    assert "$defs" not in json.dumps(document)
    named = [
        one["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2] for one in (asked, kept)
    ]
    assert named == ["QuoteResponse", "KeptQuote"]
    assert {*named} <= {*document["components"]["schemas"]}
