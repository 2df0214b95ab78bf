"""The parts of a rulebook as it is written: clauses, its own facts, base and factors; the others are in rulebook_charging.

Amounts and factors are decimals, never binary fractions: `1.1` in the file is eleven tenths. Every part that decides about
money names its clause.
"""

from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator


def _exact(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError(f"'{value}' is not a number")
    return Decimal(value)


Number = Annotated[Decimal, BeforeValidator(_exact)]
Share = Annotated[Number, Field(ge=0, le=1)]
Positive = Annotated[Number, Field(gt=0)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]

# What a clause rests on: a law or national rule, a published example of a province or market, described practice, or nothing
# that is published: fine print that had to be assumed to make an example work.
Status = Literal["law", "published", "practice", "assumed"]


class Part(BaseModel):
    """A frozen table of the file in which every key is known."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Clause(Part):
    """Where a rule stands, and what it says."""

    citation: Text
    text_en: Text
    text_zh: Text
    status: Status
    url: str | None = None


class OwnFact(Part):
    """A fact that the rulebook declares beyond the standard ones; it is stated, in a facts file or a spreadsheet's column.

    better: which way the fact improves; of a code "higher" says that the later codes are better, "lower" the earlier ones.
    """

    name: Name
    kind: Literal["number", "code", "flag"]
    words_en: Text
    words_zh: Text
    unit: str = ""
    codes: tuple[Text, ...] = ()
    least: Number | None = None
    most: Number | None = None
    better: Literal["lower", "higher"] | None = None


class Stretch(Part):
    """Numbers from `at_least` (inclusive) or `above` to `below` or `up_to` (inclusive); without an end for ever."""

    at_least: Number | None = None
    above: Number | None = None
    below: Number | None = None
    up_to: Number | None = None

    @model_validator(mode="after")
    def _one_each(self) -> Self:
        if self.at_least is not None and self.above is not None:
            raise ValueError("it begins at `at_least` or `above`, not both")
        if self.below is not None and self.up_to is not None:
            raise ValueError("it ends at `below` or `up_to`, not both")
        return self

    @property
    def start(self) -> Decimal | None:
        return self.above if self.at_least is None else self.at_least

    @property
    def end(self) -> Decimal | None:
        return self.up_to if self.below is None else self.below

    def holds(self, number: Decimal) -> bool:
        """Whether a number lies in it."""
        from_here = self.start is None or number > self.start or number == self.at_least
        return from_here and (self.end is None or number < self.end or number == self.up_to)

    @property
    def bounds(self) -> str:
        """Its bounds in words."""
        low = "" if self.start is None else f"{'above' if self.at_least is None else 'from'} {self.start:f}"
        high = "" if self.end is None else f"{'up to' if self.below is None else 'below'} {self.end:f}"
        return " ".join(one for one in (low, high) if one) or "any"

    @property
    def bounds_zh(self) -> str:
        """The same in Chinese."""
        low = "" if self.start is None else f"{self.start:f}（{'不含' if self.at_least is None else '含'}）"
        high = "" if self.end is None else f"{self.end:f}（{'含' if self.below is None else '不含'}）"
        if low and high:
            return f"{low}至{high}"
        return f"{low}以上" if low else f"{high}以下" if high else "全部"


class Band(Stretch):
    """A value for a stretch of a number."""

    value: Positive
    name: Text | None = None

    @property
    def level(self) -> str:
        """Its name, else its bounds."""
        return self.name or self.bounds


class Condition(Stretch):
    """What must hold of one fact: a number's bounds, or the code or flag that it `equals`."""

    fact: Name
    equals: str | bool | None = None

    @model_validator(mode="after")
    def _says(self) -> Self:
        if (self.start is not None or self.end is not None) == (self.equals is not None):
            raise ValueError("a condition has bounds or `equals`, one of the two")
        return self

    def met(self, value: Any) -> bool:
        """Whether a known value meets it."""
        if self.equals is not None:
            return bool(value == self.equals)
        return isinstance(value, Decimal) and self.holds(value)


class Case(Part):
    """A value for those of whom all conditions hold; without conditions it is for everybody who is left."""

    name: Text
    value: Number
    when: tuple[Condition, ...] = ()
    words_en: str = ""
    words_zh: str = ""


class Expected(Part):
    """Losses or accidents to be expected: a fact (payroll, headcount ...) times a rate a year, over some years."""

    fact: Name
    rate: Positive
    years: Positive = Decimal(3)


class First(Part):
    """The first case that holds counts: the gravest accident, the longest clean record."""

    formula: Literal["first"]
    cases: tuple[Case, ...] = Field(min_length=1)


class Linear(Part):
    """base + each x (fact - beyond, at least 0), within floor and cap."""

    formula: Literal["linear"]
    each: Number
    base: Number = Decimal(1)
    beyond: Number = Decimal(0)
    floor: Positive
    cap: Positive


class Credibility(Part):
    """Buhlmann-Straub: Z x actual / expected + (1 - Z) with Z = m / (m + k), m the expected of the record's years.

    H. Buhlmann and E. Straub (1970), "Glaubwuerdigkeit fuer Schadensaetze", MVSVM 70, 111-133. The record that counts is that
    of `expected.years`; k is in units of `expected`: the expected losses (or accidents) at which the record weighs one half.
    """

    formula: Literal["credibility"]
    actual: Name
    expected: Expected
    k: Positive
    floor: Positive
    cap: Positive


class Ncci(Part):
    """NCCI's experience modification: (Ap + C(1-A) + G + A F) / (E + C(1-A) + G + A C).

    Ap, F: actual primary and actual excess losses; E, C: expected primary and expected excess losses; A: the weight of excess
    losses; G: the ballast. primary: the share of expected losses that is primary (the bureau's D-ratio). Weight and ballast are
    one number each, or by bands of the expected losses, as the bureau's tables are. National Council on Compensation Insurance,
    Experience Rating Plan Manual; explained in its "ABCs of Experience Rating".
    """

    formula: Literal["ncci"]
    actual_primary: Name
    actual_excess: Name
    expected: Expected
    primary: Share
    weight: Share | tuple[Band, ...]
    ballast: Annotated[Number, Field(ge=0)] | tuple[Band, ...]
    floor: Positive
    cap: Positive


Rule = Annotated[First | Linear | Credibility | Ncci, Field(discriminator="formula")]


class Factor(Part):
    """A floating factor: what the amount is multiplied by, by what is known of one fact or, as a rule, of several.

    levels: value by code (a flag's codes are "true" and "false").  bands: value by stretches of a number.  rule: a formula.
    missing: what is done where the fact is not known: "neutral" (1, and the worksheet says so), "refuse", or the level to take.
    """

    name: Name
    words_en: Text
    words_zh: Text
    clause: Text
    kind: Literal["table", "bands", "rule"]
    fact: Name | None = None
    levels: dict[str, Positive] = Field(default_factory=dict)
    bands: tuple[Band, ...] = ()
    rule: Rule | None = None
    missing: Text

    @model_validator(mode="after")
    def _whole(self) -> Self:
        given = {"table": bool(self.levels), "bands": bool(self.bands), "rule": self.rule is not None}
        if not given.pop(self.kind):
            raise ValueError(f"a factor of kind {self.kind} needs {'levels' if self.kind == 'table' else self.kind}")
        if any(given.values()):
            raise ValueError(f"a factor of kind {self.kind} takes nothing of the other kinds")
        if (self.fact is None) != isinstance(self.rule, First | Credibility | Ncci):
            raise ValueError("a factor names its fact, unless its rule names facts of its own")
        return self


class Base(Part):
    """The amount that everything else multiplies: quantity x rate / per, a year.

    fact: the quantity (headcount, payroll, project_cost ...); without it the base is an amount a policy. The rate is one
    `rate`, `rates` by the codes of the fact `by`, or `tiers` of a number `by` (of the quantity itself where `by` is left out).
    tiers_apply: "whole": the tier's rate is that of the whole quantity; "slice": each slice of it has its own tier's rate.
    rates_are: "gross" rates hold expenses and profit, "pure" rates are of losses alone and are loaded.
    """

    clause: Text
    words_en: Text
    words_zh: Text
    rates_are: Literal["gross", "pure"]
    fact: Name | None = None
    per: Positive = Decimal(1)
    by: Name | None = None
    rate: Positive | None = None
    rates: dict[str, Positive] = Field(default_factory=dict)
    tiers: tuple[Band, ...] = ()
    tiers_apply: Literal["whole", "slice"] | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.rate is not None) + bool(self.rates) + bool(self.tiers) != 1:
            raise ValueError("a base has one of rate, rates and tiers")
        if self.rates and self.by is None:
            raise ValueError("rates need the fact that they go by: `by`")
        if bool(self.tiers) != (self.tiers_apply is not None):
            raise ValueError("tiers, and only they, say whether they apply to the whole or by slice: `tiers_apply`")
        if self.tiers and self.by is None and self.fact is None:
            raise ValueError("tiers of a base without a fact need the fact that they go by: `by`")
        if self.tiers_apply == "slice" and self.by not in (None, self.fact):
            raise ValueError("slices are of the quantity itself: leave out `by`")
        return self
