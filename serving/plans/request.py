"""What is asked of plans over HTTP: rows as in the files, read by the same definitions, with bounds and a schema."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from features.errors import BadInput, UserError
from serving.books.cells import Column
from serving.books.sheet import Cell, Sheet
from serving.contracts import Moment
from serving.errors import TooLarge
from serving.plans.facts import OF_INSPECTOR, OF_SITE, OF_WAY, holidays_of, inspectors_of, sites_of, ways_of
from serving.plans.planning import ZONE, Ways, monday_of
from serving.plans.week import Asked, check
from serving.posted import TOLERANCE

MOST_BYTES = 2**23
MOST_INSPECTORS, MOST_SITES, MOST_WAYS, MOST_HOLIDAYS, MOST_NAMES = 1_000, 20_000, 200_000, 400, 1_000
MOST_SECONDS, SECONDS = 60.0, 10.0
# Cells that may be a list of texts, and what the empty list says where that is not nothing.
LISTS = {"skills": "", "regions": "", "days": "", "leave": "", "windows": "closed"}
Row = dict[str, Any]
Model = TypeVar("Model", bound=BaseModel)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_KEY = re.compile(r"\w{1,60}")
_MOST_NUMBER = 10**15
_OPTION = re.compile(r"--([a-z]+(?:-[a-z]+)*)")


class PlanRequest(BaseModel):
    """A week to be planned: `forewarn plan` with the rows of its files in the body."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    week: str = Field(max_length=20, description="An ISO week, as 2026-W48.")
    inspectors: list[Row] = Field(min_length=1, max_length=MOST_INSPECTORS)
    sites: list[Row] = Field(default_factory=list, max_length=MOST_SITES, description="What the lake does not know of sites.")
    travel: list[Row] | None = Field(default=None, max_length=MOST_WAYS, description="Ways; else great-circle distance.")
    holidays: list[Any] = Field(default_factory=list, max_length=MOST_HOLIDAYS, description="Days off for everybody.")
    zone: str = Field(default=ZONE, max_length=64, description="Time zone of the plan.")
    as_of: Moment | None = Field(default=None, description="As it was known then: replays a week of the past.")
    seed: str | None = Field(default=None, max_length=64, description="Of the lot of a stored plan, to repeat its draw.")
    listed: bool = Field(default=False, strict=True, description="Plan the sites of `sites` alone.")
    leave_out: bool = Field(default=False, strict=True, description="Leave out what conflicts instead of refusing.")
    seconds: float = Field(default=SECONDS, ge=0.5, le=MOST_SECONDS, description="Time for the solver.")
    keep: bool = Field(default=True, strict=True, description="Whether to store the plan, so that outcomes can follow.")


class ReplanRequest(BaseModel):
    """The rest of a day of a stored plan to be planned anew, as `forewarn plans replan` does it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: Moment | None = Field(default=None, description="What has begun by then stays; default: now.")
    alarm: list[str] = Field(default_factory=list, max_length=MOST_NAMES, description="ENTERPRISE/SITE to be visited today.")
    absent: list[str] = Field(default_factory=list, max_length=MOST_NAMES, description="Inspectors who drop out today.")
    travel: list[Row] | None = Field(default=None, max_length=MOST_WAYS, description="The ways that the plan was made with.")
    keep: bool = Field(default=True, strict=True, description="Whether to store the new plan.")


class PlanResponse(BaseModel):
    """A plan: visits with times, reasons and checklists, what is left out and missed, and all it was made of."""

    model_config = ConfigDict(extra="allow")

    plan_id: str | None = Field(description="Names the plan where it is stored.")
    week: str
    monday: str
    zone: str
    as_of: str
    currency: str
    bundle: str | None = Field(description="Of the scores; null: planned by rule alone.")
    averted: float = Field(description="The loss that the visits are expected to avert, in `currency`.")
    bound: float | None = Field(description="No plan with the same minima averts more than this; null: not known.")
    travel_minutes: int
    counts: dict[str, int] = Field(description="Visits by reason.")
    visits: list[dict[str, Any]]
    left_out: list[dict[str, Any]]
    shortage: dict[str, Any] = Field(description="What is missed, for how long, how many inspectors would be needed.")
    conflicts: list[str]
    notes: list[str]
    changes: list[dict[str, Any]] | None = Field(default=None, description="Of a replan: each change and its reason.")


class Rows(Sheet):
    """Rows of a request, as the sheet of a file."""

    among: ClassVar[str] = ""
    fill: ClassVar[str] = "send it"

    def line(self, row: int) -> str:
        return f"{self.where}[{row}]"

    def spot(self, row: int, column: str) -> str:
        return f"{self.line(row)}.{column}"


class _Items(Rows):
    """Rows of one cell each."""

    def spot(self, row: int, column: str) -> str:
        return self.line(row)


def plan_of(body: bytes) -> tuple[Asked, bool]:
    """What a body asks for, and whether to keep the plan. Raises BadInput naming key or row, TooLarge."""
    asked = _read(PlanRequest, body)
    if asked.as_of is not None and asked.as_of > datetime.now(UTC) + TOLERANCE:
        raise BadInput("lies in the future", where="as_of", mend="send a moment that has come")
    check(asked.week, asked.as_of, asked.zone, asked.seed)
    monday = monday_of(asked.week)
    days = _Items("holidays", ("day",), ([_cell(one, "day", f"holidays[{at}]") for at, one in enumerate(asked.holidays)],),
                  list(range(len(asked.holidays))))  # fmt: skip
    people = inspectors_of(rows("inspectors", asked.inspectors, OF_INSPECTOR), monday, holidays_of(days))
    sites = sites_of(rows("sites", asked.sites, OF_SITE), monday)
    return Asked(
        asked.week, people, sites, _ways(asked.travel), zone=asked.zone, at=asked.as_of, seed=asked.seed,
        seconds=asked.seconds, listed=asked.listed, leave_out=asked.leave_out,
    ), asked.keep  # fmt: skip


def replan_of(body: bytes) -> tuple[ReplanRequest, Ways | None]:
    """What a body asks for, and the ways in it. Raises BadInput naming key or row, TooLarge."""
    asked = _read(ReplanRequest, body)
    return asked, _ways(asked.travel)


def rows(name: str, given: Sequence[Row], columns: Sequence[Column]) -> Rows:
    """Rows of a request as a sheet with all columns. Raises BadInput for a key that is none, a cell that holds no value."""
    known = [one.name for one in columns]
    for at, row in enumerate(given):
        for key in row:
            if key not in known:
                raise BadInput("unknown key", where=f"{name}[{at}].{_named(key)}", mend=f"known are {', '.join(known)}")
    cells = tuple(
        [_cell(row[key], key, f"{name}[{at}].{key}") if key in row else None for at, row in enumerate(given)] for key in known
    )
    return Rows(name, tuple(known), cells, list(range(len(given))))


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """A request as OpenAPI has it: in one piece, its rows described by their columns."""
    schema = model.model_json_schema()
    columns = {"inspectors": OF_INSPECTOR, "sites": OF_SITE, "travel": OF_WAY}
    for name, found in schema["properties"].items():
        if name in columns:
            array = next((one for one in found.get("anyOf", ()) if one.get("type") == "array"), found)
            array["items"] = _row_schema(columns[name])
        elif name == "holidays":
            found["items"] = {"type": "string", "format": "date"}
    return schema


def of_request(error: UserError) -> UserError:
    """An error of planning in the words of a request: options of the command line are keys of the body."""

    def said(text: str) -> str:
        return _OPTION.sub(lambda found: found[1].replace("-", "_"), text)

    return type_of(error)(said(error.what), where=said(error.where).replace("WEEK", "week"), mend=said(error.mend))


def type_of(error: UserError) -> type[UserError]:
    """The first of an error's kinds that is made of what, where and mend alone."""
    return next(kind for kind in type(error).__mro__ if "__init__" not in vars(kind) or kind is UserError)


def too_large() -> TooLarge:
    return TooLarge(f"more than {MOST_BYTES} bytes", where="body", mend="send fewer rows, or plan with `forewarn plan`")


def _read(model: type[Model], body: bytes) -> Model:
    if len(body) > MOST_BYTES:
        raise too_large()
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{_named(part)}" for part in first["loc"]).removeprefix(".")
        if first["type"] == "extra_forbidden":
            raise BadInput("unknown key", where=where, mend=f"known are {', '.join(model.model_fields)}") from None
        what = {"missing": "missing", "timezone_aware": "a time without zone"}.get(first["type"]) or first["msg"]
        what = what.removeprefix("Value error, ")
        raise BadInput(what[:1].lower() + what[1:], where=where or "body", mend="correct the request; see /docs.json") from None


def _named(key: str) -> str:
    """A key that somebody sent, on one line."""
    return key if _KEY.fullmatch(key) else repr(key[:60])


def _ways(given: Sequence[Row] | None) -> Ways | None:
    return None if given is None else ways_of(rows("travel", given, OF_WAY))


def _cell(value: Any, column: str, where: str) -> Cell:
    """A value of a request as a cell of a file. Raises BadInput where it is none."""
    if isinstance(value, list) and column in LISTS and all(isinstance(one, str) for one in value):
        value = ";".join(value) or LISTS[column]
    if isinstance(value, str):
        if _CONTROL.search(value):
            raise BadInput("a text with control characters", where=where, mend="send what people can read")
        return value.strip() or None
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not abs(value) < _MOST_NUMBER:
            raise BadInput(f"a number beyond {_MOST_NUMBER:,}", where=where, mend="send an id as a text, a number plainly")
        return value
    if value is None:
        return None
    named = str(value).lower() if isinstance(value, bool) else "an object" if isinstance(value, dict) else "a list"
    lists = " or a list of texts" if column in LISTS else ""
    raise BadInput(f"{named} is no value here", where=where, mend=f"send a text{lists}, or a number for a number")


def _row_schema(columns: Sequence[Column]) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [one.name for one in columns if one.required],
        "properties": {one.name: _column_schema(one) for one in columns},
    }


def _column_schema(column: Column) -> dict[str, Any]:
    told: dict[str, Any] = {"description": column.words_en}
    if column.kind == "number":
        bounds: Mapping[str, Any] = {"minimum": column.least, "maximum": column.most}
        return told | {"type": "number"} | {key: value for key, value in bounds.items() if value is not None}
    if column.kind == "code":
        return told | {"enum": list(dict.fromkeys(column.codes.values()))}
    if column.name in LISTS:
        return told | {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
    return told | {"type": "string"}
