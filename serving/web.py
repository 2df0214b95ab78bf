"""What is not a native BentoML endpoint: machines and enterprises of the lake, quotes, plans, visits, rows, metrics."""

from collections.abc import Callable
from typing import Annotated, Any

import orjson
from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response

from features.errors import BadInput, UserError
from serving import metrics
from serving.answers import (
    body_of,
    declared_bytes,
    guarded,
    json_response,
    media_type_of,
    no_parameters,
    problem_response,
    with_problems,
)
from serving.contracts import BINARY, MOST_REASONS, ROWS, Moment, Problem, ScoreResponse, TakenRows, how_many_reasons
from serving.plans import routes
from serving.plans.visit_service import MOST_BYTES as MOST_VISIT_BYTES
from serving.plans.visit_service import REQUEST as OUTCOMES
from serving.plans.visit_service import RecordedOutcomes
from serving.plans.visit_service import too_large as visits_too_large
from serving.pricing.contracts import MOST_BYTES, KeptQuote, QuoteResponse, schema_of_request
from serving.pricing.contracts import too_large as quote_too_large
from serving.risk_contracts import RiskResponse
from serving.routes import KNOWN_ROUTE, QUOTE_ROUTE, QUOTES_ROUTE, RISK_ROUTE, TABLE_ROUTE, VISITS_ROUTE
from serving.rows import ARROW, JSON, most_bytes, too_large
from serving.runtime import Runtime

QUERY = ("as_of", "reasons")


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
        no_parameters(request)

        async def made() -> bytes:
            return await runtime().quotes.make(await body_of(request, MOST_BYTES, quote_too_large()))

        return await guarded(made())

    @app.get(QUOTE_ROUTE, response_model=KeptQuote, summary="A stored quote with its worksheet, and what happened to it since")
    async def show_quote(request: Request, quote_id: str) -> Response:
        no_parameters(request)
        return await guarded(runtime().quotes.show(quote_id))

    @app.post(
        VISITS_ROUTE,
        response_model=RecordedOutcomes,
        summary="What came of planned visits; answered once it is in the lake and in the store",
        openapi_extra={"requestBody": {"required": True, "content": {JSON: {"schema": OUTCOMES}}}},
    )
    async def record_visits(request: Request) -> Response:
        no_parameters(request)

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
        no_parameters(request)

        async def taken() -> bytes:
            media_type = media_type_of(request.scope["headers"])
            most = most_bytes(media_type)
            with runtime().room.taken(declared_bytes(request, most)):
                return await runtime().take(table, media_type, await body_of(request, most, too_large(media_type)))

        return await guarded(taken())

    routes.mount(app, runtime)

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


def check_parameters(request: Request) -> None:
    """Raises BadInput for a query parameter that is none of a score's."""
    for name in request.query_params:
        if name not in QUERY:
            raise BadInput("unknown parameter", where=name, mend=f"there are: {', '.join(QUERY)}")


def asked_reasons(text: str) -> int:
    """The number of reasons meant by the query parameter. Raises BadInput."""
    if text.lower() in ("true", "false"):
        return how_many_reasons(text.lower() == "true")
    if text.isdecimal() and len(text) < 4 and int(text) <= MOST_REASONS:
        return int(text)
    raise BadInput(f"{text!r} is neither true, false nor a number to {MOST_REASONS}", where="reasons", mend="send reasons=5")
