"""Parameters of what enterprises return, are rated by, are insured for and are written about; see the world file."""

from typing import Literal

from pydantic import Field

from features.simulator.world import Range, Strict

Visitor = Literal["insurer", "authority", "third_party"]


class Sign(Strict):
    """`level + slope c + own z + noise e`: c culture, z the enterprise's own, e new each time, both standard normal."""

    level: float
    slope: float
    own: float = Field(ge=0)
    noise: float = Field(ge=0)


class Signs(Strict):
    """What shows of culture; see the world file."""

    training: Sign
    certificates: Sign
    drills: Sign
    spending: Sign
    standardisation: Sign
    credit: Sign
    violations: Sign
    standardisation_limits: tuple[float, float, float]
    credit_limits: tuple[float, float, float, float]


class Returned(Strict):
    """How rows become known, what goes missing. exposure_blur: half-width. repeated_*: share of hazards, slope of culture."""

    exposure_days: Range
    exposure_blur: float = Field(ge=0)
    exposure_lost_share: float = Field(ge=0, lt=1)
    self_found_days: float = Field(ge=0)
    found_days: float = Field(ge=0)
    rectified_days: float = Field(ge=0)
    verified_days: Range
    verified_share: float = Field(ge=0, le=1)
    supervised_share: float = Field(ge=0, le=1)
    repeated_share: float = Field(ge=0, le=1)
    repeated_culture: float
    visit_days: float = Field(ge=0)
    modes: dict[Visitor, tuple[float, float, float]]


class Standing(Strict):
    """Sizes and shares of returns. training_share: of the workers, due at each training. lost_share: what never comes in."""

    training_share: float = Field(gt=0, le=1)
    trainings_per_year: float = Field(ge=0, le=12)
    certified_share: float = Field(ge=0, le=1)
    spending_per_head: dict[Literal["high_risk", "ordinary"], float]
    penalty_cny: float = Field(ge=0)
    serious_share: float = Field(ge=0, le=1)
    suspended_share: float = Field(ge=0, le=1)
    suspended_days: int = Field(ge=1)
    permit_days: int = Field(ge=1)
    no_consent_to_train: float = Field(ge=0, lt=1)
    no_consent_to_score: float = Field(ge=0, lt=1)
    consent_to_share: float = Field(ge=0, le=1)
    lost_share: float = Field(ge=0, lt=1)


class Money(Strict):
    """premium: workers x industry rate x loss_per_accident x loading, blurred.

    insured_share: of a loss, before limits (enterprise_cover). limit_per_person: one of these by lot; the others are multiples.
    Claims: the share paid at each valuation, of what is covered; reserves are guesses at the rest, the better the older.
    """

    loss_per_accident: float = Field(gt=0)
    premium_loading: float = Field(gt=0)
    premium_spread: float = Field(ge=0)
    insured_share: float = Field(gt=0, le=1)
    limit_per_person: tuple[float, ...] = Field(min_length=1)
    persons_per_accident: float = Field(ge=1)
    accidents_per_aggregate: float = Field(ge=1)
    deductible: float = Field(ge=0)
    valued_after_days: tuple[int, ...] = Field(min_length=1)
    paid_share: tuple[float, ...] = Field(min_length=1)
    reserve_bias: float = Field(gt=0)
    reserve_spread: float = Field(ge=0)


class Cases(Strict):
    """Which accidents are published, and how many of enterprises outside the portfolio a year."""

    published_ordinary: float = Field(ge=0, le=1)
    published_graver: float = Field(ge=0, le=1)
    published_after_days: Range
    outside_per_year: float = Field(ge=0)
    outside_years_before: float = Field(ge=0)
    uncoded_share: float = Field(ge=0, le=1)
