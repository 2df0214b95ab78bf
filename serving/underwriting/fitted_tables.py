"""What a fit hands over to become a rulebook: rates by slice, relativities by level, words and dates."""

import math
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from features.errors import BadInput


def decimal(value: object) -> object:
    """A fitted number as it is printed: the shortest decimal that is that binary fraction, whole numbers without a point."""
    if not isinstance(value, float):
        return value
    found = Decimal(repr(value))
    return found.to_integral_value() if math.isfinite(value) and found == found.to_integral_value() else found


Number = Annotated[Decimal, BeforeValidator(decimal)]


class Table(BaseModel):
    """A frozen part of what was fitted."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FittedFactor(Table):
    """Relativities of one fact that the rulebook declares: by bands between `edges`, or by codes (of a flag: false, true).

    rows: policy-years that each was read off; low, high: its interval. better: which way the fact improves.
    """

    fact: str
    kind: Literal["number", "code", "flag"]
    words_en: str
    words_zh: str
    unit: str = ""
    better: Literal["lower", "higher"] | None = None
    edges: tuple[Number, ...] = ()
    codes: tuple[str, ...] = ()
    values: tuple[Number, ...]
    rows: tuple[int, ...] = ()
    low: tuple[Number, ...] = ()
    high: tuple[Number, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        levels = len(self.edges) + 1 if self.kind == "number" else 2 if self.kind == "flag" else len(self.codes)
        if any(len(one) not in (levels, *([0] if one is not self.values else [])) for one in self._columns):
            raise ValueError(f"{self.fact}: one relativity a level is needed, {levels} in all")
        return self

    @property
    def _columns(self) -> tuple[tuple[object, ...], ...]:
        return (self.values, self.rows, self.low, self.high)

    @property
    def names(self) -> tuple[str, ...]:
        """The levels of a table."""
        return ("false", "true") if self.kind == "flag" else self.codes


class FittedTariff(Table):
    """A fitted tariff with all that makes it a rulebook.

    base: the fact that each slice's rate multiplies; edges: where slices begin, from 0; rates: pure premium per `per`, a year.
    citation, text: which fit to which data.  assumed: what no data told, in words.  floor, cap: of the model's relativity.
    """

    id: str
    version: str
    title_en: str
    title_zh: str
    market: str
    currency: str
    effective_from: date
    effective_to: date
    citation: str
    text_en: str
    text_zh: str
    url: str | None = None
    model_en: str
    model_zh: str
    base: str
    base_en: str
    base_zh: str
    per: Number
    edges: tuple[Number, ...]
    rates: tuple[Number, ...]
    factors: tuple[FittedFactor, ...]
    floor: Number = Decimal("0.4")
    cap: Number = Decimal("2.5")
    target_loss_ratio: Number = Decimal("0.9")
    expense: Number = Decimal("0.1")
    minimum: Number = Decimal(10)
    rounding_step: Number = Decimal("0.01")
    terms: tuple[Literal["per_accident", "aggregate", "deductible"], ...] = ("per_accident", "aggregate", "deductible")
    least_limit_per_person: Number = Field(default=Decimal(1), gt=0)


def tariff_of(document: Mapping[str, Any]) -> FittedTariff:
    """Fitted tables that came as plain values. Raises BadInput naming the first that does not fit."""
    try:
        return FittedTariff.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInput(
            first["msg"].removeprefix("Value error, "), where=f"fitted tariff, {where}", mend="fit it again"
        ) from None
