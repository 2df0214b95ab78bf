"""A small client of the service: histories out, scores in; problem details come back as the errors that they stand for."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import httpx
import pyarrow as pa

from features.errors import BadInput, Conflict, NotFound, UserError
from serving.errors import Unavailable, Withheld
from serving.rows import ARROW

_KINDS: dict[int, type[UserError]] = {403: Withheld, 404: NotFound, 409: Conflict}


class Client:
    """`with Client("http://127.0.0.1:3000") as client: client.score(request)`."""

    def __init__(self, url: str, *, timeout_seconds: float = 10.0) -> None:
        self._http = httpx.Client(base_url=url, timeout=timeout_seconds)

    def score(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Score a posted history (serving.contracts.ScoreRequest as a mapping). Raises UserError, Unavailable."""
        return self._answer(self._http.post("/v1/machines/score", json=request))

    def score_known(self, machine_id: str, *, as_of: str | None = None, reasons: bool | int = False) -> dict[str, Any]:
        """Score a machine from its latest history in the lake. as_of: ISO 8601 with zone. Raises UserError, Unavailable."""
        asked = {"reasons": str(reasons).lower()} | ({"as_of": as_of} if as_of else {})
        return self._answer(self._http.get(f"/v1/machines/{machine_id}/score", params=asked))

    def risk(self, enterprise_id: str, *, as_of: str | None = None, reasons: bool | int = False) -> dict[str, Any]:
        """Price and alarm score of an enterprise of the lake. as_of: ISO 8601 with zone. Raises UserError, Unavailable."""
        asked = {"reasons": str(reasons).lower()} | ({"as_of": as_of} if as_of else {})
        return self._answer(self._http.get(f"/v1/enterprises/{enterprise_id}/risk", params=asked))

    def send(self, table_name: str, rows: pa.Table | Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        """Send rows to a table of the lake: an Arrow table, or columns. Answers what was taken once it is on the server's disk.

        Sending the same rows again does no harm. Raises UserError, Unavailable (nothing was taken then).
        """
        route = f"/v1/tables/{table_name}"
        if not isinstance(rows, pa.Table):
            return self._answer(self._http.post(route, json=rows))
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, rows.schema) as stream:
            stream.write_table(rows)
        return self._answer(self._http.post(route, content=sink.getvalue().to_pybytes(), headers={"content-type": ARROW}))

    def ready(self) -> bool:
        try:
            return self._http.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    @staticmethod
    def _answer(response: httpx.Response) -> dict[str, Any]:
        document: dict[str, Any] = response.json()
        if response.is_success:
            return document
        if response.is_server_error:
            raise Unavailable(document["detail"])
        kind = _KINDS.get(response.status_code, BadInput)
        raise kind(document.get("what") or document["detail"], where=document.get("where", ""), mend=document.get("mend", ""))

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()
