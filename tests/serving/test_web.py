"""The edge: routes for metrics, reasons as a parameter, errors without their insides."""

import asyncio
import logging
from typing import Any

import orjson
import pytest

from features.errors import BadInput, Conflict, NotFound
from serving import edge
from serving.answers import problem_response
from serving.edge import Edge
from serving.errors import PROBLEM, TooLarge, Unavailable, Withheld, problem
from serving.routes import route_of
from serving.web import asked_reasons


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v1/machines/score", "/v1/machines/score"),
        ("/v1/machines/p1/score", "/v1/machines/{machine_id}/score"),
        ("/v1/enterprises/e1/risk", "/v1/enterprises/{enterprise_id}/risk"),
        ("/v1/enterprises/e1/score", "other"),
        ("/readyz", "/readyz"),
        ("/anything/else", "other"),
    ],
)
def test_a_path_is_counted_by_its_route(path: str, route: str) -> None:
    assert route_of(path) == route


@pytest.mark.parametrize(("text", "count"), [("true", 5), ("True", 5), ("false", 0), ("0", 0), ("12", 12)])
def test_reasons_as_a_parameter(text: str, count: int) -> None:
    assert asked_reasons(text) == count


@pytest.mark.parametrize("text", ["", "-1", "101", "yes", "1.5"])
def test_reasons_that_are_no_number(text: str) -> None:
    with pytest.raises(BadInput, match="neither true, false nor a number"):
        asked_reasons(text)


@pytest.mark.parametrize(
    ("error", "status", "title"),
    [
        (BadInput("what", where="where", mend="mend"), 400, "Bad input"),
        (TooLarge("what", where="where", mend="mend"), 413, "Bad input"),
        (NotFound("what", where="where", mend="mend"), 404, "Not found"),
        (Conflict("what", where="where", mend="mend"), 409, "Conflict"),
        (Withheld("what", where="where", mend="mend"), 403, "Not consented to"),
    ],
)
def test_a_users_error_has_the_text_of_the_command_line(error: Any, status: int, title: str) -> None:
    found = problem(error)
    assert (found["status"], found["title"], found["detail"]) == (status, title, "where: what; mend")
    assert (found["what"], found["where"], found["mend"]) == ("what", "where", "mend")


def test_a_defect_is_logged_and_keeps_its_insides_to_itself(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        answer = problem_response(RuntimeError("secret path in/side"))
    assert answer.status_code == 500
    assert b"secret" not in answer.body
    assert "secret path" in caplog.text


def test_a_service_that_is_full_says_when_to_try_again() -> None:
    answer = problem_response(Unavailable("full"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_the_edge_replaces_errors_of_the_framework_and_nothing_else() -> None:
    async def asked(status: int, kind: bytes, path: str = "/x") -> list[Any]:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind)]})
            await send({"type": "http.response.body", "body": b"inside", "more_body": True})
            await send({"type": "http.response.body", "body": b"!"})

        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        await Edge(app)({"type": "http", "method": "GET", "path": path, "headers": []}, None, send)  # type: ignore[arg-type]
        return sent

    kept = asyncio.run(asked(200, b"text/plain"))
    assert [message.get("body") for message in kept[1:]] == [b"inside", b"!"]
    assert len(asyncio.run(asked(200, b"text/plain", "*"))) == 3  # OPTIONS * is no path
    kept = asyncio.run(asked(400, PROBLEM.encode()))
    assert kept[1]["body"] == b"inside"
    start, body = asyncio.run(asked(500, b"text/html"))
    assert start["status"] == 500
    assert dict(start["headers"])[b"content-type"] == PROBLEM.encode()
    assert orjson.loads(body["body"])["title"] == "Internal error"


def test_what_takes_too_long_is_given_up_unless_its_answer_has_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "SECONDS", 0.05)
    given_up = []

    async def asked(begins: bool, path: str = "/x") -> list[Any]:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            try:
                if begins:
                    await send({"type": "http.response.start", "status": 200, "headers": []})
                await asyncio.sleep(0.2)
            except asyncio.CancelledError:
                given_up.append(path)
                raise
            if not begins:
                await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"late"})

        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        await Edge(app)({"type": "http", "method": "GET", "path": path, "headers": []}, None, send)  # type: ignore[arg-type]
        return sent

    start, body = asyncio.run(asked(begins=False))
    assert (start["status"], orjson.loads(body["body"])["title"], given_up) == (504, "Timed out", ["/x"])
    assert asyncio.run(asked(begins=True))[1]["body"] == b"late"
    assert asyncio.run(asked(begins=False, path="/v1/plans"))[0]["status"] == 200  # planning may take longer
    assert given_up == ["/x"]


def test_a_timeout_of_something_else_is_not_the_edges() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise TimeoutError("elsewhere")

    with pytest.raises(TimeoutError, match="elsewhere"):
        asyncio.run(Edge(app)({"type": "http", "method": "GET", "path": "/x", "headers": []}, None, None))  # type: ignore[arg-type]
