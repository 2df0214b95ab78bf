"""Bodies in, answers out: documents as JSON, errors as problem details, bodies up to their bounds."""

import logging
from collections.abc import Awaitable
from typing import Any

import orjson
from fastapi import Request
from fastapi.responses import Response
from starlette.requests import ClientDisconnect

from features.errors import BadInput, UserError
from serving.errors import PROBLEM, Unavailable, plain_problem, problem
from serving.routes import DESCRIBED
from serving.rows import JSON

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
    headers = {"retry-after": str(error.retry_after)} if isinstance(error, Unavailable) else None
    return Response(orjson.dumps(document), status_code=document["status"], media_type=PROBLEM, headers=headers)


async def guarded(work: Awaitable[bytes]) -> Response:
    """The answer of `work`, or its problem details."""
    try:
        return json_response(await work)
    except Exception as error:  # the edge: whatever it is, the client gets problem details and no traceback
        return problem_response(error)


def no_parameters(request: Request) -> None:
    for name in request.query_params:
        raise BadInput("unknown parameter", where=name, mend="send what you have in the body alone")


def with_problems(document: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI document with the errors as they are answered: problem details, never the framework's own forms."""
    document = orjson.loads(orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS))  # statuses become text, as in JSON
    schemas = document["components"]["schemas"]
    for name in ("InvalidArgument", "NotFound", "InternalServerError", "TaskStatusResponse", "HTTPValidationError"):
        schemas.pop(name, None)
    content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path in DESCRIBED:
        for operation in document["paths"][path].values():
            answered = {status: told for status, told in operation["responses"].items() if status.startswith("2")}
            operation["responses"] = answered | {
                str(status): {"description": title, "content": content} for status, title in TITLES.items()
            }
    return document


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
