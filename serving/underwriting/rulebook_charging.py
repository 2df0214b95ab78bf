"""The parts of a rulebook that go from the amount to what is charged, and on to the end of the term."""

from decimal import Decimal
from typing import Annotated, Literal, get_args

from pydantic import Field

from serving.underwriting.rulebook_parts import Band, Case, Number, Part, Positive, Share, Text

Stage = Literal["base", "factors", "model", "incentives", "product", "loading", "change", "minimum", "pro_rata", "rounding"]
Grade = Literal["ordinary", "larger", "major", "especially_major"]
GRADES: tuple[Grade, ...] = get_args(Grade)


class ModelClause(Part):
    """How far the model's relativity may move the amount. weight: "fitted" to the record of enterprises, or a credibility."""

    clause: Text
    floor: Annotated[Number, Field(gt=0, le=1)]
    cap: Annotated[Number, Field(ge=1)]
    weight: Literal["fitted"] | Share


class Limits(Part):
    """Floor and cap of the product of all factors; and how far a premium may change against the expiring one (shares)."""

    clause: Text
    product_floor: Positive | None = None
    product_cap: Positive | None = None
    change_down: Share | None = None
    change_up: Annotated[Number, Field(ge=0)] | None = None


class Loading(Part):
    """Shares of the premium: expense (other than commission), commission, and the losses that it should carry."""

    clause: Text
    expense: Share
    commission: Share
    target_loss_ratio: Annotated[Number, Field(gt=0, le=1)]


class Cover(Part):
    """What a policy under the rulebook covers. covered_share: the share of an accident's loss that is insured."""

    clause: Text
    least_limit_per_person: Positive
    terms: tuple[Literal["per_accident", "aggregate", "deductible"], ...] = ()
    covered_share: Annotated[Number, Field(gt=0, le=1)] = Decimal(1)


class Premium(Part):
    """From the amount to what is charged. maximum, minimum: of a year.

    order: the stages one after another. pro_rata: of a policy that is no whole year, days / 365 ("365") or days / days of the
    policy's year ("actual"); "none": the amount is of the whole policy, however long it runs (a project).
    """

    clause: Text
    minimum: Annotated[Number, Field(ge=0)]
    maximum: Positive | None = None
    order: tuple[Stage, ...]
    rounding_step: Positive
    rounding_mode: Literal["half_up", "half_even", "up", "down"]
    pro_rata: Literal["365", "actual", "none"]


class Term(Part):
    """Adjustments while the policy runs, of the premium of the days that are left.

    overdue: by the number of hazards overdue for rectification; accidents: by grade. The product stays at or below `cap`.
    """

    clause: Text
    overdue: tuple[Band, ...] = ()
    accidents: dict[Grade, Positive] = Field(default_factory=dict)
    cap: Annotated[Number, Field(ge=1)]


class Visits(Part):
    """Visits a year that are due in some industries (in all others where none is named), whatever the premium."""

    clause: Text
    visits: Annotated[Number, Field(ge=0)]
    industries: tuple[Text, ...] = ()


class Prevention(Part):
    """What of the premium received is set aside for prevention services: at least and at most these shares."""

    clause: Text
    floor: Share
    cap: Share
    minimum_visits: tuple[Visits, ...] = Field(min_length=1)


class Rebate(Part):
    """Part of the premium that is returned at the end: the share of the first case that holds."""

    clause: Text
    cases: tuple[Case, ...] = Field(min_length=1)
