"""What goes over the wire about an enterprise: two scores at three horizons, with ranges, losses and reasons."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from serving.contracts import Range, Reason

HORIZON_DAYS = (30, 90, 365)
# Of each score what is stored, by horizon: expected accidents with their range, chance of any with its own.
RISK = ("expected", "low", "high", "p", "p_low", "p_high")


class RiskAhead(BaseModel):
    """The days ahead: expected number of accidents, chance of any, each with its 90 % range."""

    days: int
    expected: float = Field(description="Expected number of accidents.")
    expected_range: Range
    p_any: float = Field(description="Chance of at least one accident.")
    p_any_range: Range


class RiskScore(BaseModel):
    """One of the two scores. expected_loss: of the coming 365 days."""

    ahead: list[RiskAhead]
    expected_loss: float
    expected_loss_range: Range
    reasons: list[Reason] = Field(description="What moves the number expected within 365 days, the strongest first.")


class RiskResponse(BaseModel):
    """The answer. price: monotone by construction, for premiums; alarm: may see everything, for inspectors and alarms.

    `score_id` can be explained as soon as it is answered.
    """

    score_id: str
    entity: Literal["enterprise"]
    enterprise_id: str
    as_of: datetime
    bundle: str
    price: RiskScore
    alarm: RiskScore
    loss_per_accident: float = Field(description="Mean loss of one accident, in `currency`.")
    currency: str
    notes: list[str]
