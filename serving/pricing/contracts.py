"""What goes over the wire about quotes. Amounts and factors are decimals as text, so that no reader rounds them."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from features.documents import complaint
from features.errors import BadInput
from serving.contracts import Moment
from serving.errors import TooLarge
from serving.pricing.quotes import DEFAULT_RULEBOOK, Asked

MOST_BYTES = 2**16
MOST_FACTS = 100


def _day(value: Any) -> Any:
    """Numbers would be read as seconds since 1970."""
    if isinstance(value, date) or (isinstance(value, str) and value[4:5] == "-"):
        return value
    raise ValueError("not a day such as 2026-01-31")


Day = Annotated[date, BeforeValidator(_day)]
Amount = Annotated[Decimal, Field(ge=0, lt=10**14, decimal_places=2, allow_inf_nan=False)]
Stated = Annotated[dict[str, bool | int | float | str], Field(max_length=MOST_FACTS)]


class AskedTerms(BaseModel):
    """The terms asked for. What is left out: from the day after the facts, for a year, at the rulebook's least limit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    starts: Day | None = None
    ends: Day | None = None
    currency: str | None = Field(default=None, pattern="^[A-Z]{3}$")
    limit_per_person: Amount | None = None
    limit_per_accident: Amount | None = None
    limit_aggregate: Amount | None = None
    deductible: Amount | None = None
    headcount: int | None = Field(default=None, ge=1, le=10**8)
    expiring_premium: Amount | None = None

    def asked(self) -> Asked:
        return Asked(**dict(self))


class QuoteRequest(BaseModel):
    """A quote for an enterprise of the lake, or for a prospect by what is stated of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enterprise_id: str | None = Field(default=None, min_length=1, max_length=200)
    prospect: dict[str, Any] | None = Field(
        default=None, max_length=MOST_FACTS, description="As a facts file: facts by name, `as_of`, `currency`, `name`."
    )
    rulebook: str = Field(default=DEFAULT_RULEBOOK, min_length=1, max_length=60, description="A rulebook's id.")
    as_of: Moment | None = Field(default=None, description="Of an enterprise; default: the last moment that the lake knows of.")
    terms: AskedTerms = AskedTerms()
    facts: Stated = Field(default_factory=dict, description="Facts beside those of the lake, by name.")
    what_if: Stated = Field(default_factory=dict, description="Facts as they might be: answered as a quote beside the first.")

    @model_validator(mode="after")
    def _one(self) -> "QuoteRequest":
        if (self.enterprise_id is None) == (self.prospect is None):
            raise ValueError("give enterprise_id or prospect, one of the two")
        if self.prospect is not None and self.as_of is not None:
            raise ValueError("a prospect names its own as_of")
        return self


def request_of(body: bytes) -> QuoteRequest:
    """The request in a body. Raises BadInput naming the field, TooLarge."""
    if len(body) > MOST_BYTES:
        raise too_large()
    try:
        return QuoteRequest.model_validate_json(body)
    except ValidationError as error:
        field, what = complaint(error)
        raise BadInput(what, where=field or "body", mend="correct the request; see /docs.json") from None


def too_large() -> TooLarge:
    return TooLarge(f"more than {MOST_BYTES} bytes", where="body", mend="send one quote's facts and terms")


def pairs(stated: Stated) -> list[str]:
    """Facts as the command line has them."""
    return [f"{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in stated.items()]


class QuoteResponse(BaseModel):
    """A stored quote. premium: for the period of cover, decimal as text; worksheet: all it was made from and every step."""

    quote_id: str
    premium: str
    currency: str
    worksheet: dict[str, Any]
    what_if: dict[str, Any] | None = Field(
        default=None, description="The same of the what-if, with `changes`: what each step adds to the premium."
    )


class KeptQuote(BaseModel):
    """A quote as it was stored, and what happened to it since."""

    quote_id: str
    kind: str
    parent: str | None
    quoted_at: str
    premium: str
    currency: str
    since: dict[str, Any]
    worksheet: dict[str, Any]


def schema_of_request() -> dict[str, Any]:
    """The request as OpenAPI has it: in one piece."""
    schema = QuoteRequest.model_json_schema()
    schema["properties"]["terms"] = schema.pop("$defs")["AskedTerms"]
    return schema
