"""BentoML endpoints, and nothing else: what they do is in serving.runtime, what is mounted beside them in serving.web.

Tuned as measured: async endpoints, no access log, no tracing, BentoML's own metrics off (they label by path, so every machine
id would become a time series), JSON read and written by orjson. torch and mlflow are never imported here.
"""

from typing import Any

import bentoml
from _bentoml_sdk.io_models import IODescriptor  # type: ignore[import-untyped]
from starlette.requests import Request
from starlette.responses import Response

from features.settings import settings
from serving.answers import body_of, guarded
from serving.contracts import ScoreRequest, ScoreResponse
from serving.edge import MOST_SECONDS, Edge
from serving.posted import MAX_BODY_BYTES, too_large
from serving.routes import SCORE_ROUTE
from serving.runtime import Runtime
from serving.store import opened
from serving.web import mounted


class PostedScore(ScoreRequest, IODescriptor):  # type: ignore[misc]  # bentoml ships no types
    """The documented input. The request itself is handed on: 168 rows through pydantic would cost more than their score."""

    @classmethod
    async def from_http_request(cls, request: Request, serde: Any) -> Any:
        return request


PostedScore.__root_input__ = True


def _runtime() -> Runtime:
    runtime: Runtime = bentoml.get_current_service().runtime
    return runtime


@bentoml.service(
    name="forewarn",
    logging={"access": {"enabled": False}},
    tracing={"sample_rate": 0.0, "excluded_urls": ".*"},
    metrics={"enabled": False},
    # In seconds; BentoML holds a timer of each request for so long (800 bytes), so the edge's own limits are what counts.
    traffic={"timeout": MOST_SECONDS + 5},
)
@bentoml.asgi_app(mounted(_runtime, lambda: dict(Forewarn.openapi_spec.asdict())), path="/")  # type: ignore[attr-defined]
class Forewarn:
    """Scores machines: which one fails within 24, 48 and 72 hours, how sure, and why."""

    def __init__(self) -> None:
        self.runtime = Runtime.open(settings())
        # Bound once: BentoML would bind it anew, by inspecting its signature, for every request.
        vars(self)["score"] = vars(type(self))["score"].__get__(self, type(self))

    @bentoml.on_deployment  # type: ignore[untyped-decorator]
    @staticmethod
    def migrate() -> None:
        with opened(settings().store):
            pass

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def close(self) -> None:
        self.runtime.close()

    def __is_ready__(self) -> bool:
        return self.runtime.ready()

    @bentoml.api(route=SCORE_ROUTE, input_spec=PostedScore, output_spec=ScoreResponse)  # type: ignore[untyped-decorator]
    async def score(self, request: Any, /) -> Response:
        """Score a machine by the history in the request."""
        return await guarded(self._score(request))

    async def _score(self, request: Request) -> bytes:
        return await self.runtime.score_posted(await body_of(request, MAX_BODY_BYTES, too_large()))


Forewarn.add_asgi_middleware(Edge)  # type: ignore[attr-defined]  # the decorator made a bentoml.Service of the class
