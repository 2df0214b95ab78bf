"""What goes over the wire: the posted request and the answered score. Times are ISO 8601 with a zone, numbers finite."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
)

from features.errors import BadInput
from features.intake import EARLIEST

HORIZON_HOURS = (24, 48, 72)
MOST_REASONS = 100


def _only_text(value: Any) -> Any:
    """Numbers, also as text, would be read as seconds since 1970, silently in the wrong unit; a datetime is taken as it is."""
    if isinstance(value, datetime) or (isinstance(value, str) and value[4:5] == "-"):
        return value
    raise ValueError("not an ISO 8601 text such as 2026-01-31T08:00:00Z")


def in_utc(moment: datetime) -> datetime:
    """The same moment in UTC. Raises ValueError before 1970, where an import refuses rows as well, or at the end of time."""
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("beyond the years that a clock can show") from None
    if moment < EARLIEST:
        raise ValueError(f"before {EARLIEST:%Y}")
    return moment


def _asked(value: Any) -> Any:
    if isinstance(value, bool) or (isinstance(value, int) and 0 <= value <= MOST_REASONS):
        return value
    raise ValueError(f"neither true, false nor a number to {MOST_REASONS}")


Moment = Annotated[AwareDatetime, BeforeValidator(_only_text), AfterValidator(in_utc)]

_CELL = {"anyOf": [{"type": "number"}, {"type": "string"}, {"type": "null"}]}
_ROWS_OR_COLUMNS = {
    "oneOf": [
        {"type": "array", "items": {"type": "object", "additionalProperties": _CELL}},
        {"type": "object", "additionalProperties": {"type": "array", "items": _CELL}},
    ]
}
ROWS = _ROWS_OR_COLUMNS | {
    "description": "Rows as objects, or columns as arrays of one length: machine_id, event_time (ISO 8601 with zone), "
    "recorded_at (default: on receipt), and the table's own columns; null means not measured."
}
BINARY = {"type": "string", "format": "binary", "description": "One Arrow IPC stream with the same columns."}
# Tables are checked column by column against the machine kind (serving/posted.py), not by this model: 168 rows cost 40 us so.
Table = Annotated[
    Any,
    WithJsonSchema(
        _ROWS_OR_COLUMNS
        | {
            "description": "Rows as objects, or columns as arrays of one length. Every row has event_time (ISO 8601 with "
            "zone), may have recorded_at (default: at once), and the table's own columns; null means not measured.",
        }
    ),
]


class PostedMachine(BaseModel):
    """The machine that the history belongs to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    machine_id: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")
    kind: str = Field(min_length=1, max_length=40, description="A machine kind that has a champion bundle.")
    model: str | None = Field(default=None, max_length=200)
    age_hours: float | None = Field(
        default=None, ge=0, le=1_000_000, allow_inf_nan=False, description="At event_time where that is sent, else at as_of."
    )
    capacity: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    event_time: Moment | None = Field(default=None, description="Since when it has been observed; default: the first row sent.")
    recorded_at: Moment | None = Field(default=None, description="When these facts became known; default: event_time.")


class ScoreRequest(BaseModel):
    """A machine's history up to `as_of`, to be scored for the next 24, 48 and 72 hours."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    machine: PostedMachine
    as_of: Moment | None = Field(default=None, description="The moment of the score; default: now.")
    readings: Table
    events: Table = ()
    maintenance: Table = ()
    failures: Table = ()
    operations: Table = ()
    environment: Table = ()
    reasons: Annotated[bool | Annotated[int, Field(ge=0, le=MOST_REASONS)], BeforeValidator(_asked)] = Field(
        default=False, description="true for the five strongest reasons, or how many; reasons cost more than the score."
    )


class Range(BaseModel):
    """A 90 % interval for the probability, given what is known."""

    low: float
    high: float


class Reason(BaseModel):
    """One feature's part in the 72-hour score: `effect` adds on the cloglog scale, exp(effect) multiplies the hazard."""

    feature: str
    value: float | str | None
    unit: str
    effect: float
    text_en: str
    text_zh: str


class ScoreResponse(BaseModel):
    """The answer. `score_id` can be explained as soon as it is answered."""

    score_id: str
    entity: Literal["machine"]
    machine_id: str
    kind: str
    as_of: datetime
    bundle: str
    p24: float
    p48: float
    p72: float
    ranges: dict[str, Range]
    reasons: list[Reason]
    notes: list[str]


class Refused(BaseModel):
    """Why rows were refused: a column, a reason, how many rows it met, and the first of them (rows count from 1)."""

    column: str
    reason: str
    rows: int
    first_row: int
    value: str


class TakenRows(BaseModel):
    """What became of a batch. Taken rows are on the disk; refused ones are kept in the quarantine with their reasons.

    Whether a taken row is new, a duplicate or a correction shows when it is moved into its table.
    """

    table: str
    rows: int
    taken: int
    refused: int
    reasons: list[Refused]


class Problem(BaseModel):
    """RFC 9457 problem details; `what`, `where` and `mend` are the parts of `detail`."""

    type: str
    title: str
    status: int
    detail: str
    what: str = ""
    where: str = ""
    mend: str = ""


_MENDS = {
    "missing": "send it",
    "extra_forbidden": "remove or rename it",
    "timezone_aware": "write the zone, as in 2026-01-31T08:00:00Z",
}


def checked_request(document: Any) -> ScoreRequest:
    """The envelope of a posted score; tables are still raw. Raises BadInput that names the field."""
    if not isinstance(document, dict):
        raise BadInput("the body is not a JSON object", where="body", mend="send an object with machine and readings")
    try:
        return ScoreRequest.model_validate(document)
    except ValidationError as error:
        raise as_bad_input(error) from None


def as_bad_input(error: ValidationError) -> BadInput:
    """The first complaint of pydantic in the house's form: what, where, mend."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    path = [named(str(part)) for part in first["loc"] if part not in ("bool", "int", "constrained-int")]
    where = ".".join(path) or "body"
    what = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        what = "missing field"
    elif first["type"] == "extra_forbidden":
        what = "unknown field"
    elif first["type"] == "timezone_aware":
        what = "time without zone"
    elif first["type"] == "model_type":
        what = "not an object"
    elif first["type"] == "string_pattern_mismatch":
        what = "holds a control character"
    return BadInput(what[:1].lower() + what[1:], where=where, mend=_MENDS.get(first["type"], "correct the value"))


def quoted(value: Any) -> str:
    """A value that a client sent, fit for one line."""
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def named(name: str) -> str:
    """A name that a client sent: as it is where it could be one of ours, quoted otherwise."""
    return name if name.isidentifier() and len(name) <= 40 else quoted(name)


def how_many_reasons(asked: bool | int) -> int:
    """The number of reasons meant by `reasons`: true is five."""
    return (5 if asked else 0) if isinstance(asked, bool) else asked
