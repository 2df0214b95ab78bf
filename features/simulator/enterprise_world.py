"""Parameters of simulated enterprises: who there is, how safely they are kept, what happens. All of it is TOML.

The law. c is the culture of an enterprise, larger is safer: `lasting` times a standard normal that stays, plus `wandering`
times one that forgets within `memory_days` (an Ornstein-Uhlenbeck process). Accidents of an enterprise come at the rate per day

    w R / 365.25 * region * season * frailty * exp(-effect c) * (1 + subcontracting depth) * (1 - relief v) * (1 - programme p)
    + overdue weight * `accidents_per_weight_year` / 365.25                         hazards left beyond their term
    + failures of its machines * `accidents_per_failure` * exp(-`machines.culture` c)

with w workers, R the rate of its industry and process, v what the visits of the past months still do, p whether it runs a
programme of safety.
"""

import hashlib
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from features import documents
from features.enterprise.vocabulary import CAUSES, INDUSTRY_CODES
from features.simulator.enterprise_records import Cases, Money, Returned, Sign, Signs, Standing, Visitor
from features.simulator.world import Range, Strict

DEFAULT = Path(__file__).with_name("enterprise.toml")
CLASSES = ("injury", "fatal", "larger", "major", "especially_major")


class Culture(Strict):
    """frailty: sigma of the log of what stays unseen. programme_*: starts a year, share running at first, what they do.

    depth: of subcontracting, 0 to 4, by the lasting culture; each level raises the rate by `subcontracting`.
    """

    lasting: float = Field(ge=0)
    wandering: float = Field(ge=0)
    memory_days: float = Field(gt=1)
    effect: float
    frailty: float = Field(ge=0)
    programme_per_year: float = Field(ge=0)
    programme_share: float = Field(ge=0, lt=1)
    programme_relief: float = Field(ge=0, lt=1)
    programme_reports: float = Field(ge=1)
    growth_per_month: float = Field(ge=0, le=0.2)
    subcontracting: float = Field(ge=0)
    depth: Sign


class Hazards(Strict):
    """Found a year by the enterprise and at each visit, at 150 workers and culture 0; powers of size, slopes of culture.

    late_*: share that is not rectified by its term; those stay open for `overdue_days` more on average (exponential).
    """

    self_per_year: float = Field(ge=0)
    self_size: float
    self_culture: float
    self_spread: float = Field(ge=0)
    visit_finds: float = Field(ge=0)
    visit_size: float
    visit_culture: float
    late_self: float = Field(ge=0, le=1)
    late_found: float = Field(ge=0, le=1)
    late_culture: float
    due_days: int = Field(ge=1)
    overdue_days: float = Field(gt=0)
    major_self: float = Field(ge=0, le=1)
    major_found: float = Field(ge=0, le=1)
    major_weight: float = Field(ge=1)
    accidents_per_weight_year: float = Field(ge=0)


class Visits(Strict):
    """shares: of those who come as often as the industry says. by_lot_per_year: of each enterprise alike, drawn by lot.

    random_reach: sigma of the log of how often the others come; *_culture: slopes by lasting culture. A visit that is done
    takes `gain_done` of what is left to gain; that fades over `relief_days`.
    """

    shares: dict[Visitor, float]
    by_lot_per_year: float = Field(ge=0)
    reach_culture: float
    refused_culture: float
    partial_finds: float = Field(ge=0, le=1)
    random_reach: float = Field(ge=0)
    relief: float = Field(ge=0, lt=1)
    relief_days: float = Field(gt=0)
    gain_done: float = Field(ge=0, le=1)
    gain_partial: float = Field(ge=0, le=1)
    partial_share: float = Field(ge=0, lt=1)
    refused_share: float = Field(ge=0, lt=1)


class Machines(Strict):
    """accidents_per_failure: where `machines_per_enterprise` are watched; of fewer, each stands for more of the plant.

    habit_reach: beyond which multiple of the strict and the lax habit none goes. score_*: of stand-in scores, cloglog scale.
    """

    accidents_per_failure: float = Field(ge=0, le=0.2)
    culture: float
    habit_reach: float = Field(ge=0)
    spread: float = Field(ge=0)
    size: float
    score_days: int = Field(ge=1)
    score_noise: float = Field(ge=0)
    score_offset: float = Field(ge=0)


class Accidents(Strict):
    """delay_days, delay_spread: log-normal, until an accident is recorded. severity_spread: sigma of the log by enterprise."""

    delay_days: float = Field(gt=0)
    delay_spread: float = Field(ge=0)
    corrected_share: float = Field(ge=0, lt=1)
    dies_later_share: float = Field(ge=0, lt=1)
    severity_spread: float = Field(ge=0)
    dies_after_days: Range
    revised_after_days: Range
    machinery_share: float = Field(ge=0, le=1)
    uncoded_share: float = Field(ge=0, le=1)


class Loss(Strict):
    """A class of accidents: direct loss min(cap, log-normal) in CNY, deaths and serious injuries from the ranges."""

    name: str
    median: float = Field(gt=0)
    spread: float = Field(gt=0)
    cap: float = Field(gt=0)
    deaths: tuple[int, int]
    injuries: tuple[int, int]


class Region(Strict):
    code: str
    share: float = Field(gt=0)
    factor: float = Field(gt=0)
    latitude: float
    longitude: float


class Towns(Strict):
    """Where enterprises are: towns of each region, normally spread around its middle, and sites around the towns."""

    count: int = Field(gt=0)
    apart_degrees: tuple[float, float]
    around_degrees: tuple[float, float]
    elsewhere_share: float = Field(ge=0, le=1)


class Process(Strict):
    code: str
    share: float = Field(gt=0)
    factor: float = Field(gt=0)
    causes: dict[str, float]


class IndustryWorld(Strict):
    """rate: accidents per 1,000 worker-years. season: half-swing and day of the year of its peak. graver: of CLASSES[1:]."""

    code: str
    share: float = Field(gt=0)
    rate: float = Field(gt=0)
    headcount: float = Field(gt=1)
    spread: float = Field(ge=0)
    machines: float = Field(ge=0)
    visits: float = Field(ge=0)
    season: tuple[float, float]
    graver: tuple[float, float, float, float]
    processes: tuple[Process, ...] = Field(min_length=1)


class EnterpriseWorld(Strict):
    """Everything but the numbers of enterprises, machines and days, and the seed.

    joining_share: of enterprises that come under observation only within the first `joining_days`. unrecorded_share: accidents
    that nobody records.
    """

    hours_per_worker_year: float = Field(gt=0)
    machines_per_enterprise: float = Field(gt=0)
    joining_share: float = Field(ge=0, lt=1)
    joining_days: int = Field(ge=1)
    unrecorded_share: float = Field(ge=0, lt=1)
    culture: Culture
    hazards: Hazards
    visits: Visits
    machines: Machines
    accidents: Accidents
    reporting: Returned
    signs: Signs
    standing: Standing
    money: Money
    cases: Cases
    losses: tuple[Loss, ...]
    towns: Towns
    regions: tuple[Region, ...] = Field(min_length=1)
    industries: tuple[IndustryWorld, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _known_codes(self) -> Self:
        if tuple(loss.name for loss in self.losses) != CLASSES:
            raise ValueError(f"losses are, in this order: {', '.join(CLASSES)}")
        causes = {cause.code for cause in CAUSES}
        for industry in self.industries:
            if industry.code not in INDUSTRY_CODES:
                raise ValueError(f"unknown industry {industry.code!r}")
            strange = {code for process in industry.processes for code in process.causes} - causes
            if strange:
                raise ValueError(f"{industry.code} names an unknown cause {min(strange)!r}")
        return self

    @property
    def digest(self) -> str:
        """Twelve hex digits over all numbers."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]


def load_enterprises(path: Path = DEFAULT) -> EnterpriseWorld:
    """Read a world file of enterprises. Raises BadInput naming the field at fault."""
    document = documents.read_toml(path, "name an existing world file of enterprises")
    return documents.validated(EnterpriseWorld, document, str(path), "correct the world file")
