"""What is not a native BentoML endpoint: machines and enterprises of the lake, quotes, rows, metrics, problem details."""

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import orjson
from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from features.errors import BadInput, NotFound, UserError
from serving import metrics
from serving.contracts import BINARY, MOST_REASONS, ROWS, Moment, Problem, ScoreResponse, TakenRows, how_many_reasons
from serving.errors import PROBLEM, Unavailable, WrongMediaType, plain_problem, problem
from serving.quote_contracts import MOST_BYTES, KeptQuote, QuoteResponse, schema_of_request
from serving.quote_contracts import too_large as quote_too_large
from serving.risk_contracts import RiskResponse
from serving.rows import ARROW, JSON, most_bytes, too_large
from serving.runtime import Runtime
from serving.visit_service import MOST_BYTES as MOST_VISIT_BYTES
from serving.visit_service import REQUEST as OUTCOMES
from serving.visit_service import RecordedOutcomes
from serving.visit_service import too_large as visits_too_large

log = logging.getLogger("forewarn.service")
TITLES = {
    400: "Bad input",
    403: "Not consented to",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Too large",
    415: "Not read",
    500: "Internal error",
    503: "Not ready",
    504: "Timed out",
}
QUERY = ("as_of", "reasons")
INDEX = "/"
SCORE_ROUTE, KNOWN_ROUTE, TABLE_ROUTE = "/v1/machines/score", "/v1/machines/{machine_id}/score", "/v1/tables/{table}"
RISK_ROUTE = "/v1/enterprises/{enterprise_id}/risk"
VISITS_ROUTE = "/v1/visits/outcomes"
QUOTES_ROUTE, QUOTE_ROUTE = "/v1/quotes", "/v1/quotes/{quote_id}"
# What is read of a body, by how the path begins; elsewhere JSON.
READ = {"/v1/tables/": (JSON, ARROW)}


def json_response(content: bytes) -> Response:
    return Response(content, media_type="application/json")


def problem_response(error: Exception) -> Response:
    """The 4xx answer to a UserError, 503 to Unavailable; a defect is logged and answered without its insides."""
    if isinstance(error, UserError):
        document = problem(error)
    elif isinstance(error, Unavailable):
        document = plain_problem(503, "Unavailable", str(error))
    elif isinstance(error, ClientDisconnect):
        document = plain_problem(400, "Bad input", "the client left before its request was read")
    else:
        log.error("a request failed", exc_info=error)
        document = plain_problem(500, "Internal error", "the service failed; its log has the cause")
    headers = {"retry-after": "1"} if document["status"] == 503 else None
    return Response(orjson.dumps(document), status_code=document["status"], media_type=PROBLEM, headers=headers)


async def guarded(work: Awaitable[bytes]) -> Response:
    """The answer of `work`, or its problem details."""
    try:
        return json_response(await work)
    except Exception as error:  # the edge: whatever it is, the client gets problem details and no traceback
        return problem_response(error)


def mounted(runtime: Callable[[], Runtime], described_by: Callable[[], dict[str, Any]]) -> FastAPI:
    """The mounted application. runtime: gives the worker's Runtime once the service has started; described_by: its OpenAPI."""
    app = FastAPI(title="forewarn", openapi_url=None, docs_url=None, redoc_url=None)

    @app.get(
        KNOWN_ROUTE,
        response_model=ScoreResponse,
        responses={code: {"model": Problem, "description": "Problem details"} for code in (400, 404, 503)},
        summary="Score a machine from its latest history in the lake",
    )
    async def score_known(
        request: Request,
        machine_id: str,
        as_of: Annotated[Moment | None, Query(description="default: the last moment the lake knows of the machine")] = None,
        reasons: Annotated[str, Query(description="true, false, or how many")] = "false",
    ) -> Response:
        check_parameters(request)
        return await guarded(runtime().score_known(machine_id, as_of, asked_reasons(reasons)))

    @app.get(
        RISK_ROUTE,
        response_model=RiskResponse,
        responses={code: {"model": Problem, "description": "Problem details"} for code in (400, 403, 404, 503)},
        summary="Accident risk of an enterprise of the lake: price and alarm score",
        description="404: the lake does not know the enterprise, or did not by as_of; 403: it has not consented to be scored.",
    )
    async def score_enterprise(
        request: Request,
        enterprise_id: str,
        as_of: Annotated[Moment | None, Query(description="default: the last moment the lake knows of enterprises")] = None,
        reasons: Annotated[str, Query(description="true, false, or how many of each score")] = "false",
    ) -> Response:
        check_parameters(request)
        return await guarded(runtime().enterprises.score(enterprise_id, as_of, asked_reasons(reasons)))

    @app.post(
        QUOTES_ROUTE,
        response_model=QuoteResponse,
        summary="Quote a premium for an enterprise of the lake or a prospect; answered once it is stored",
        openapi_extra={"requestBody": {"required": True, "content": {JSON: {"schema": schema_of_request()}}}},
    )
    async def make_quote(request: Request) -> Response:
        _no_parameters(request)

        async def made() -> bytes:
            return await runtime().quotes.make(await body_of(request, MOST_BYTES, quote_too_large()))

        return await guarded(made())

    @app.get(QUOTE_ROUTE, response_model=KeptQuote, summary="A stored quote with its worksheet, and what happened to it since")
    async def show_quote(request: Request, quote_id: str) -> Response:
        _no_parameters(request)
        return await guarded(runtime().quotes.show(quote_id))

    @app.post(
        VISITS_ROUTE,
        response_model=RecordedOutcomes,
        summary="What came of planned visits; answered once it is in the lake and in the store",
        openapi_extra={"requestBody": {"required": True, "content": {JSON: {"schema": OUTCOMES}}}},
    )
    async def record_visits(request: Request) -> Response:
        _no_parameters(request)

        async def recorded() -> bytes:
            return await runtime().visits.record(await body_of(request, MOST_VISIT_BYTES, visits_too_large()))

        return await guarded(recorded())

    @app.post(
        TABLE_ROUTE,
        response_model=TakenRows,
        summary="Send rows to a table of the lake; answered once they are on the disk",
        openapi_extra={"requestBody": {"required": True, "content": {JSON: {"schema": ROWS}, ARROW: {"schema": BINARY}}}},
    )
    async def take_rows(request: Request, table: str) -> Response:
        _no_parameters(request)

        async def taken() -> bytes:
            media_type = media_type_of(request.scope["headers"])
            most = most_bytes(media_type)
            with runtime().room.taken(declared_bytes(request, most)):
                return await runtime().take(table, media_type, await body_of(request, most, too_large(media_type)))

        return await guarded(taken())

    @app.get("/docs.json", include_in_schema=False)
    async def described() -> Response:
        return json_response(orjson.dumps(with_problems(described_by())))

    @app.get("/metrics", include_in_schema=False)
    async def prometheus() -> Response:
        return Response(metrics.exposition(), media_type=metrics.CONTENT_TYPE)

    @app.exception_handler(UserError)
    async def refused(_: Request, error: UserError) -> Response:
        return problem_response(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = str(first["loc"][-1])
        what = "time without zone" if first["type"] == "timezone_aware" else str(first["msg"]).removeprefix("Value error, ")
        what = what[:1].lower() + what[1:]
        return problem_response(BadInput(what, where=where, mend="correct the parameter; a time is 2026-01-31T08:00:00Z"))

    return app


def _no_parameters(request: Request) -> None:
    for name in request.query_params:
        raise BadInput("unknown parameter", where=name, mend="send what you have in the body alone")


def check_parameters(request: Request) -> None:
    """Raises BadInput for a query parameter that is none of a score's."""
    for name in request.query_params:
        if name not in QUERY:
            raise BadInput("unknown parameter", where=name, mend=f"there are: {', '.join(QUERY)}")


def with_problems(document: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI document with the errors as they are answered: problem details, never the framework's own forms."""
    document = orjson.loads(orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS))  # statuses become text, as in JSON
    schemas = document["components"]["schemas"]
    for name in ("InvalidArgument", "NotFound", "InternalServerError", "TaskStatusResponse", "HTTPValidationError"):
        schemas.pop(name, None)
    content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path in (SCORE_ROUTE, KNOWN_ROUTE, RISK_ROUTE, QUOTES_ROUTE, QUOTE_ROUTE, VISITS_ROUTE, TABLE_ROUTE):
        for operation in document["paths"][path].values():
            operation["responses"] = {"200": operation["responses"]["200"]} | {
                str(status): {"description": title, "content": content} for status, title in TITLES.items()
            }
    return document


def asked_reasons(text: str) -> int:
    """The number of reasons meant by the query parameter. Raises BadInput."""
    if text.lower() in ("true", "false"):
        return how_many_reasons(text.lower() == "true")
    if text.isdecimal() and len(text) < 4 and int(text) <= MOST_REASONS:
        return int(text)
    raise BadInput(f"{text!r} is neither true, false nor a number to {MOST_REASONS}", where="reasons", mend="send reasons=5")


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
                if status >= 400 and not _is_problem(message["headers"]):
                    replaced = True
                    return
            if not replaced:
                await send(message)
            elif not message.get("more_body", False):
                await _send_problem(send, status)

        try:
            await self.app(scope, receive, passing)
        finally:
            metrics.answered(route_of(scope["path"]), status, time.perf_counter() - started)


def route_of(path: str) -> str:
    """The route of a path, with the id taken out; anything unknown is one label."""
    if path in (SCORE_ROUTE, QUOTES_ROUTE, VISITS_ROUTE, "/readyz", "/livez", "/metrics", "/docs.json"):
        return path
    if path.startswith("/v1/tables/"):
        return TABLE_ROUTE
    if path.startswith("/v1/quotes/"):
        return QUOTE_ROUTE
    if path.startswith("/v1/enterprises/") and path.endswith("/risk"):
        return RISK_ROUTE
    return KNOWN_ROUTE if path.startswith("/v1/machines/") and path.endswith("/score") else "other"


def media_type_of(headers: Any) -> str:
    """The declared type of a body; JSON where nothing is declared."""
    kinds = [value for name, value in headers if name == b"content-type"]
    return str(kinds[0].partition(b";")[0].strip().lower().decode("latin-1")) if kinds else JSON


def declared_bytes(request: Request, most: int) -> int:
    """How long a body says it is; `most` where it says nothing that can be believed."""
    length = request.headers.get("content-length", "")
    return min(int(length), most) if length.isdecimal() and len(length) < 20 else most


async def body_of(request: Request, most: int, too_large: Exception) -> bytes:
    """The body up to `most` bytes; it is not read further. Raises `too_large`."""
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > most:
        raise too_large
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise too_large
        chunks.append(chunk)
    return b"".join(chunks)


def _is_problem(headers: Any) -> bool:
    return any(name.lower() == b"content-type" and value.startswith(PROBLEM.encode()) for name, value in headers)


async def _send_problem(send: Send, status: int) -> None:
    body = orjson.dumps(plain_problem(status, TITLES.get(status, "Request failed")))
    headers = [(b"content-type", PROBLEM.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
