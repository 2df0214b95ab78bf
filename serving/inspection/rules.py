"""The rules of planning, from a TOML file: frequencies, follow-ups, colours, value, lot. Every element names its source."""

import tomllib
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from features.errors import BadInput, NotFound
from serving.inspection.model import Mode

SHIPPED = Path(__file__).with_name("rules.toml")
Colour = Literal["red", "orange", "yellow", "blue"]
COLOURS: tuple[Colour, ...] = ("red", "orange", "yellow", "blue")
Share = Annotated[float, Field(ge=0.0, le=1.0)]
_Days = Annotated[float, Field(gt=0.0, le=3_660.0)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class _Sourced(_Part):
    source: Annotated[str, Field(min_length=3)]
    trust: Literal["law", "described", "published", "assumed"]


class Industries(_Sourced):
    """Which industries count as high-risk."""

    high_risk: frozenset[str]


class Frequency(_Sourced):
    """The least number of visits a year of the sites that it fits."""

    name: str
    a_year: Annotated[float, Field(gt=0.0, le=366.0)]
    words_en: str
    words_zh: str
    high_risk: bool | None = None
    colours: frozenset[Colour] | None = None
    headcount_below: Annotated[float, Field(gt=0.0)] | None = None

    @property
    def every_days(self) -> float:
        return 365.0 / self.a_year


class Counts(_Sourced):
    """Which visits count towards the minimum."""

    visitors: frozenset[str]
    outcomes: frozenset[str]
    modes: frozenset[str]


class FollowUp(_Sourced):
    """Follow-ups of supervised major hazards: from so long before the due date on, and so often."""

    before_due_days: Annotated[float, Field(ge=0.0, le=366.0)]
    every_days: _Days


class Colours(_Sourced):
    """Bounds of the chance of any accident within 365 days, and the colours of sites without a usable score."""

    red: Share
    orange: Share
    yellow: Share
    by_rule_major_hazard: Colour
    by_rule_high_risk: Colour
    by_rule_other: Colour


class Effectiveness(_Sourced):
    """The share of the loss expected within the horizon that a visit averts, by mode."""

    on_site: Share
    unannounced: Share
    remote: Share

    def of(self, mode: Mode) -> float:
        return float(getattr(self, mode.value))


class Memory(_Sourced):
    """How much of a completed visit's effect is still there: strength * 0.5 ** (days / half_life_days)."""

    strength: Share
    half_life_days: _Days


class Value(_Sourced):
    """What a visit is worth."""

    horizon_days: _Days
    effectiveness: Effectiveness
    memory: Memory


class LotRule(_Sourced):
    """share: of the visits that the inspectors have time for; inspector_share: of those, how many inspectors are drawn too."""

    share: Share
    inspector_share: Share
    mode: Mode


class Effort(_Sourced):
    """How long visits take where the site does not say."""

    minutes: Annotated[int, Field(gt=0, le=1_440)]
    follow_up_minutes: Annotated[int, Field(gt=0, le=1_440)]
    remote_minutes: Annotated[int, Field(gt=0, le=1_440)]


class Travel(_Sourced):
    """Great-circle distance times factor at a speed, where no matrix is given."""

    speed_kmh: Annotated[float, Field(gt=0.0, le=1_000.0)]
    factor: Annotated[float, Field(ge=1.0, le=10.0)]


class CostRule(_Sourced):
    """What the soft rules cost, in the currency of the plan."""

    minute_of_travel: Annotated[float, Field(ge=0.0)]
    unfamiliar: Annotated[float, Field(ge=0.0)]
    uneven: Annotated[float, Field(ge=0.0)]


class Cover(_Sourced):
    """Whoever has been insured, and is so no more for longer than grace_days, is not planned for."""

    grace_days: Annotated[float, Field(ge=0.0, le=3_660.0)]


class Rules(_Part):
    """All rules of planning. cover: None: whoever was insured once is planned for."""

    id: str
    effective_from: date
    illustrative: bool
    note_en: str
    note_zh: str
    industries: Industries
    frequency: Annotated[tuple[Frequency, ...], Field(min_length=1)]
    counts: Counts
    follow_up: FollowUp
    colours: Colours
    value: Value
    lot: LotRule
    effort: Effort
    travel: Travel
    costs: CostRule
    cover: Cover | None = None


def load(path: Path = SHIPPED) -> Rules:
    """The rules of a file. Raises NotFound; BadInput naming the key at fault."""
    try:
        with path.open("rb") as file:
            document = tomllib.load(file)
    except OSError:
        raise NotFound("no such file", where=str(path), mend="name a TOML file of planning rules") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"no TOML: {error}", where=str(path), mend="mend the file at that place") from None
    try:
        found = Rules.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise BadInput(first["msg"].lower(), where=f"{path.name}, {key}", mend="see the shipped rules.toml") from None
    if not found.colours.red >= found.colours.orange >= found.colours.yellow:
        raise BadInput("the bounds of red, orange and yellow do not fall", where=f"{path.name}, colours", mend="order them")
    last = found.frequency[-1]
    if (last.high_risk, last.colours, last.headcount_below) != (None, None, None):
        mend = "end with a rule without a condition"
        raise BadInput("a site that no rule fits would have no minimum", where=f"{path.name}, frequency", mend=mend)
    return found
