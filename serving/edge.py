"""What stands around every request: what is counted and timed, how long it may last, errors as problem details."""

import asyncio
import time
from typing import Any

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from features.errors import NotFound
from serving import metrics
from serving.answers import TITLES, media_type_of, problem_response
from serving.errors import PROBLEM, WrongMediaType, plain_problem
from serving.routes import INDEX, PLANS_ROUTE, REPLAN_ROUTE, route_of
from serving.rows import ARROW, JSON

# What is read of a body, by how the path begins; elsewhere JSON.
READ = {"/v1/tables/": (JSON, ARROW)}
# Until an answer begins.
SECONDS, MOST_SECONDS = 20.0, 110.0
PLANNING = frozenset((PLANS_ROUTE, REPLAN_ROUTE))


class Edge:
    """ASGI middleware around everything: counts and times requests by route, and turns other errors into problem details."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0
        replaced = False
        if scope["path"] == INDEX:
            # BentoML's page there loads scripts from elsewhere; ours says where the description is.
            metrics.answered("other", 404, 0.0)
            await problem_response(NotFound("nothing here", where=INDEX, mend="the API is described at /docs.json"))(
                scope, receive, send
            )
            return
        read = next((kinds for path, kinds in READ.items() if scope["path"].startswith(path)), (JSON,))
        if scope["method"] == "POST" and media_type_of(scope["headers"]) not in read:
            metrics.answered(route_of(scope["path"]), 415, 0.0)
            error = WrongMediaType(
                "the body is not declared as what is read here", where="content-type", mend=f"send {read[0]}"
            )
            await problem_response(error)(scope, receive, send)
            return

        async def passing(message: Message) -> None:
            nonlocal status, replaced
            if message["type"] == "http.response.start":
                status = message["status"]
                clock.reschedule(None)
                if status >= 400 and not _is_problem(message["headers"]):
                    replaced = True
                    return
            if not replaced:
                await send(message)
            elif not message.get("more_body", False):
                await _send_problem(send, status)

        route = route_of(scope["path"])
        clock = asyncio.timeout(MOST_SECONDS if route in PLANNING else SECONDS)
        try:
            async with clock:
                await self.app(scope, receive, passing)
        except TimeoutError:
            if not clock.expired():
                raise
            status = 504
            await _send_problem(send, status)
        finally:
            metrics.answered(route, status, time.perf_counter() - started)


def _is_problem(headers: Any) -> bool:
    return any(name.lower() == b"content-type" and value.startswith(PROBLEM.encode()) for name, value in headers)


async def _send_problem(send: Send, status: int) -> None:
    body = orjson.dumps(plain_problem(status, TITLES.get(status, "Request failed")))
    headers = [(b"content-type", PROBLEM.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
