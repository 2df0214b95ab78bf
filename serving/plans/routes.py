"""The endpoints of plans."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.responses import Response

from features.errors import BadInput
from serving.answers import body_of, declared_bytes, guarded, json_response, no_parameters, problem_response
from serving.plans.request import MOST_BYTES, PlanRequest, PlanResponse, ReplanRequest, schema_of, too_large
from serving.plans.work import Answer
from serving.routes import CALENDAR_ROUTE, PLAN_ROUTE, PLANS_ROUTE, REPLAN_ROUTE
from serving.rows import JSON
from serving.runtime import Runtime

CALENDAR = "text/calendar"
_STORED: dict[int | str, dict[str, Any]] = {
    201: {"model": PlanResponse, "description": "Planned and stored; Location names it"},
    200: {"model": PlanResponse, "description": "Planned, not stored"},
}


def mount(app: FastAPI, runtime: Callable[[], Runtime]) -> None:
    """Give an application the endpoints of plans. runtime: gives the worker's Runtime once the service has started."""

    async def planned(request: Request, work: Callable[[bytes], Awaitable[Answer]]) -> Response:
        no_parameters(request)
        try:
            with runtime().room.taken(declared_bytes(request, MOST_BYTES)):
                found = await work(await body_of(request, MOST_BYTES, too_large()))
        except Exception as error:  # the edge: whatever it is, the client gets problem details and no traceback
            return problem_response(error)
        if found.plan_id is None:
            return json_response(found.body)
        headers = {"location": f"{PLANS_ROUTE}/{found.plan_id}"}
        return Response(found.body, status_code=201, media_type=JSON, headers=headers)

    @app.post(
        PLANS_ROUTE,
        status_code=201,
        responses=_STORED,
        summary="Plan the inspections of a week; answered once it is stored",
        openapi_extra={"requestBody": {"required": True, "content": {JSON: {"schema": schema_of(PlanRequest)}}}},
    )
    async def make_plan(request: Request) -> Response:
        return await planned(request, runtime().plans.make)

    @app.post(
        REPLAN_ROUTE,
        status_code=201,
        responses=_STORED,
        summary="Replan the rest of a day: fixed visits stay, the fewest changes, a reason for each",
        openapi_extra={"requestBody": {"required": True, "content": {JSON: {"schema": schema_of(ReplanRequest)}}}},
    )
    async def replan(request: Request, plan_id: str) -> Response:
        return await planned(request, lambda body: runtime().plans.replan(plan_id, body))

    @app.get(
        CALENDAR_ROUTE,
        response_class=Response,
        responses={200: {"content": {CALENDAR: {"schema": {"type": "string"}}}, "description": "iCalendar"}},
        summary="The visits of one inspector as a calendar, for that inspector alone",
    )
    async def calendar(
        request: Request, plan_id: str, inspector: Annotated[str, Query(description="The inspector's id")]
    ) -> Response:
        for name in request.query_params:
            if name != "inspector":
                raise BadInput("unknown parameter", where=name, mend="there is: inspector")
        try:
            return Response(await runtime().plans.calendar(plan_id, inspector), media_type=CALENDAR)
        except Exception as error:  # as above
            return problem_response(error)

    @app.get(PLAN_ROUTE, response_model=PlanResponse, summary="A plan as it was stored")
    async def show_plan(request: Request, plan_id: str) -> Response:
        no_parameters(request)
        return await guarded(runtime().plans.show(plan_id))
