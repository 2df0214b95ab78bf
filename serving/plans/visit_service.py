"""Outcomes of planned visits for the service: recorded into lake and store before they are answered."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio.to_thread
import orjson
from pydantic import BaseModel, Field

from features.errors import BadInput, Conflict
from features.lake import Lake
from serving.errors import TooLarge
from serving.inspection.outcomes import GRADES, OUTCOMES, parsed
from serving.plans.store import PlanStore
from serving.plans.visits import Recorded, hazard_ids, record
from serving.store import Store

MOST_BYTES = 2**20
MOST_VISITS = 1_000
# The lake is held for moments while rows of the log move into its tables.
PATIENCE_SECONDS, AGAIN_SECONDS = 10.0, 0.2

FINDING = {
    "type": "object",
    "required": ["grade", "kind", "due"],
    "properties": {
        "grade": {"enum": list(GRADES)},
        "kind": {"type": "string"},
        "due": {"type": "string", "format": "date"},
        "note": {"type": "string"},
        "supervised": {"type": "boolean"},
    },
}
OUTCOME: dict[str, Any] = {
    "type": "object",
    "required": ["visit_id", "outcome", "at", "by"],
    "properties": {
        "visit_id": {"type": "string"},
        "outcome": {"enum": list(OUTCOMES)},
        "at": {"type": "string", "format": "date-time", "description": "When it took place, with zone."},
        "hours": {"type": "number", "description": "The effort; of a refused visit none."},
        "by": {"type": "string", "description": "Who says so."},
        "note": {"type": "string"},
        "findings": {"type": "array", "items": FINDING},
    },
}
REQUEST = {"type": "array", "items": OUTCOME, "minItems": 1, "maxItems": MOST_VISITS}


class RecordedOutcomes(BaseModel):
    """What was recorded. before: how many of the visits were recorded already, word for word."""

    visits: int
    findings: int
    before: int
    hazards: dict[str, list[str]] = Field(description="The ids that the lake gives to the findings of each visit.")


class VisitService:
    """Records what came of visits, for one serving process."""

    def __init__(self, home: Path, store: Store) -> None:
        self._home, self._store = home, store

    async def record(self, body: bytes) -> bytes:
        """The JSON answer to outcomes, which are recorded, all of them or none. Raises UserError."""
        return orjson.dumps(await anyio.to_thread.run_sync(self._recorded, body))

    def _recorded(self, body: bytes) -> dict[str, Any]:
        now = datetime.now(UTC)
        try:
            listed = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise BadInput("not JSON", where="body", mend="send a list of outcomes; see /docs.json") from None
        if (
            not isinstance(listed, list)
            or not 0 < len(listed) <= MOST_VISITS
            or not all(isinstance(one, dict) for one in listed)
        ):
            raise BadInput(
                "no list of outcomes", where="body", mend=f"send a list of 1 to {MOST_VISITS} outcomes; see /docs.json"
            )
        given = [parsed(one, f"outcome {number}", now) for number, one in enumerate(listed, start=1)]
        lake, plans, give_up = (
            Lake.open(self._home / "lake"),
            PlanStore(self._store.engine),
            time.monotonic() + PATIENCE_SECONDS,
        )
        while True:
            try:
                done: Recorded = record(lake, plans, given, now)
            except Conflict as error:
                if "another process" not in str(error) or time.monotonic() > give_up:
                    raise
                time.sleep(AGAIN_SECONDS)
            else:
                break
        return {**vars(done), "hazards": {one.visit_id: hazard_ids(one.visit_id, len(one.findings)) for one in given}}


def too_large() -> TooLarge:
    return TooLarge(f"more than {MOST_BYTES} bytes", where="body", mend="send fewer outcomes at once")
