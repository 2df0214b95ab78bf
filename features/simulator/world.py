"""The simulated world's parameters: what machines are made of, how they wear, and how people report. All of it is TOML."""

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from features import documents
from features.errors import BadInput
from features.kinds import MachineKind, Sensor, Term
from features.simulator.vocabulary import ACTIONS, EQUAL_LOAD_HOURS, HOT_C, SHIFTS

DEFAULT = Path(__file__).with_name("fleet.toml")
Floats = npt.NDArray[np.float64]
# Where the wear of a component shows: in windows of sensors and codes, in the order of readings alone, or nowhere.
Signs = Literal["windows", "order", "none"]


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _ordered(pair: tuple[float, float]) -> tuple[float, float]:
    if not 0 <= pair[0] <= pair[1]:
        raise ValueError("a range is two numbers, 0 <= low <= high")
    return pair


Range = Annotated[tuple[float, float], AfterValidator(_ordered)]


class Part(Strict):
    """A component, which is a failure mode. Its wear is 0 when new; 1 is the nominal end of life.

    Wear begins after a random time of mean `onset_days` (exponential; 0: at once) and then grows per hour by
    `1 / (24 life_days) * quality * load^load_power * heat * make * aging * (1 + runaway * wear^4)`. The hazard per day is
    `sudden_per_year / 365.25 + end_hazard_per_day * exp(steepness * (wear - 1))`, a Gompertz law in wear; a part without
    `life_days` never wears and fails at the constant rate alone.
    quality_spread: sigma of the log of a part's quality. planned_days: the usual interval of planned replacement, if any.
    """

    code: str
    words_en: str
    words_zh: str
    life_days: float | None = Field(default=None, gt=0)
    onset_days: float = Field(default=0.0, ge=0)
    quality_spread: float = Field(default=0.0, ge=0, le=1)
    load_power: float = Field(default=0.0, ge=0, le=5)
    heat_per_10c: float = Field(default=0.0, ge=0, le=1)
    runaway: float = Field(default=0.0, ge=0)
    sudden_per_year: float = Field(default=0.0, ge=0)
    end_hazard_per_day: float = Field(default=0.0, ge=0)
    steepness: float = Field(default=1.0, gt=0)
    planned_days: float | None = Field(default=None, gt=1)
    repair_hours: Range


class Waveform(Strict):
    """Knocks on one sensor: `size * (1, -3, 3, -1)` over four hours, one every `gap_hours`, of `claws` claws in turn.

    Each comes upright or upside down. A sound part leaves that to chance; in a worn one a claw's knock repeats the claw's last
    one with a chance of 1/2 + min(1, wear) / 2. How often knocks come, how large they are, how often one stands upright, and
    how neighbours stand to each other does not depend on wear: only the order of readings `gap_hours * claws` apart does. By
    default that is 20 hours, near to none of the spans over which features take differences.
    """

    part: str
    size: float = Field(gt=0)
    gap_hours: int = Field(default=5, ge=4, le=24)
    claws: int = Field(default=4, ge=1, le=12)


class Gauge(Strict):
    """A sensor: `at_rest + per_load * load + per_10c * (ambient - 20) / 10 + sum(drift * wear^bend) + noise`.

    drift: by component, the shift at wear 1; unrest: by component, by how many times the noise grows at wear 1.
    offset_spread: sigma of a machine's own offset. creep: sigma of the drift of calibration, in `noise` per 100 days.
    """

    name: str
    unit: str
    low: float
    high: float
    words_en: str
    words_zh: str
    at_rest: float
    per_load: float = 0.0
    per_10c: float = 0.0
    noise: float = Field(gt=0)
    offset_spread: float = Field(default=0.0, ge=0)
    creep: float = Field(default=0.0, ge=0)
    drift: dict[str, float] = {}
    unrest: dict[str, float] = {}
    waveform: Waveform | None = None

    @property
    def parts(self) -> set[str]:
        """The components whose wear shows in windows of this sensor."""
        return {*self.drift, *self.unrest}


class Fault(Strict):
    """An error code: `base_per_day + sum(rise * wear^6)` events a day. rise: by component, events a day at wear 1."""

    code: str
    words_en: str
    words_zh: str
    base_per_day: float = Field(ge=0)
    rise: dict[str, float] = {}


class Mode(Strict):
    code: str
    words_en: str
    words_zh: str
    load: float = Field(ge=0, le=1.5)
    share: float = Field(gt=0)


class Make(Strict):
    """A model name and how much faster than nominal its parts wear."""

    name: str
    wear: float = Field(gt=0)


class KindWorld(Strict):
    """One machine kind with its physics.

    demand_spread: standard deviation of a day's demand, as a share of the load. bend: by which power of wear sensors move.
    """

    name: str
    words_en: str
    words_zh: str
    share: float = Field(gt=0)
    period_hours: float = Field(default=1.0, gt=0)
    mode_hours: float = Field(gt=1)
    demand_spread: float = Field(ge=0, le=0.5)
    bend: float = Field(gt=0, le=6)
    makes: tuple[Make, ...] = Field(min_length=1)
    modes: tuple[Mode, ...] = Field(min_length=1)
    parts: tuple[Part, ...] = Field(min_length=1)
    gauges: tuple[Gauge, ...] = Field(min_length=1)
    faults: tuple[Fault, ...] = ()

    @model_validator(mode="after")
    def _known_parts(self) -> Self:
        known = {part.code for part in self.parts}
        for name, links in [(g.name, g.parts) for g in self.gauges] + [(f.code, {*f.rise}) for f in self.faults]:
            if links - known:
                raise ValueError(f"{name} names an unknown component {min(links - known)!r}")
        seen = {code for thing in self.gauges for code in thing.parts} | {code for f in self.faults for code in f.rise}
        for gauge in self.gauges:
            if gauge.waveform and gauge.waveform.part not in known:
                raise ValueError(f"{gauge.name} names an unknown component {gauge.waveform.part!r}")
            if gauge.waveform and gauge.waveform.part in seen:
                raise ValueError(f"{gauge.waveform.part} shows in the order of readings alone, yet a sensor or code names it")
        return self

    def signs(self) -> dict[str, Signs]:
        """By component: where its wear shows, in windows of sensors and codes, in the order of readings, or nowhere."""
        seen = {code for g in self.gauges for code in g.parts} | {code for f in self.faults for code in f.rise}
        order = {gauge.waveform.part for gauge in self.gauges if gauge.waveform}
        return {part.code: "windows" if part.code in seen else "order" if part.code in order else "none" for part in self.parts}

    def kind(self, period_hours: float | None = None) -> MachineKind:
        """The sensor layout as the lake declares it."""
        return MachineKind(
            name=self.name,
            words_en=self.words_en,
            words_zh=self.words_zh,
            period_hours=period_hours or self.period_hours,
            sensors=tuple(Sensor(**g.model_dump(include=set(Sensor.model_fields))) for g in self.gauges),
            error_codes=tuple(_term(fault) for fault in self.faults),
            components=tuple(_term(part) for part in self.parts),
            modes=tuple(_term(mode) for mode in self.modes),
            shifts=tuple(term for _, term in SHIFTS),
            actions=ACTIONS,
            environment=True,
            hot_c=HOT_C,
            calendar=("season",),
            reference=True,
            equal_load_hours=EQUAL_LOAD_HOURS,
            models=tuple(sorted(make.name for make in self.makes)),
        )


class Habit(Strict):
    """How an enterprise keeps its machines.

    Planned intervals are stretched by `interval`, jittered by `slack` (log sigma). Of the error codes that point at a part a
    share `heed` is answered within `response_hours` by an inspection; besides, every `inspect_days` the next part in turn is
    looked at. What an inspection finds worn to `replace_at` or beyond is replaced early, anything else stays.
    calibrate_days: how often the sensors are calibrated anew.
    """

    name: str
    share: float = Field(gt=0)
    interval: float = Field(gt=0)
    slack: float = Field(ge=0)
    heed: float = Field(ge=0, le=1)
    response_hours: Range
    inspect_days: float = Field(gt=1)
    replace_at: float = Field(gt=0)
    calibrate_days: float = Field(gt=1)


class Climate(Strict):
    """Ambient conditions at a site: yearly mean, half-swing of the year and of the day, hourly weather noise."""

    mean_c: Range
    season_c: float
    day_c: float
    weather_c: float
    humidity_pct: float = Field(ge=0, le=100)
    every_hours: int = Field(ge=1)


class Reporting(Strict):
    """How rows become known, and what goes wrong on the way.

    missing_share: single sensor values that are lost. stuck_per_year, stuck_hours: how often a sensor repeats its last value,
    and for how long. forgotten_share: planned work that nobody writes down.
    """

    missing_share: float = Field(ge=0, lt=1)
    stuck_per_year: float = Field(ge=0, le=100)
    stuck_hours: Range
    late_share: float = Field(ge=0, lt=1)
    late_hours: Range
    failure_delay_hours: Range
    maintenance_delay_hours: Range
    forgotten_share: float = Field(ge=0, lt=1)


class Fitted(Strict):
    """An aggregate that the numbers were fitted to: its public value, and how near the simulated one must stay."""

    aggregate: str
    public: float
    within: float = Field(gt=0)
    source: str


class World(Strict):
    """Everything but the size of the fleet, the length of time and the seed.

    age_hours: of machines at the start. aging_per_year: by how much a year of a machine's age raises the log of its wear.
    """

    start: datetime
    sites: int = Field(ge=1)
    enterprises: int = Field(ge=1)
    age_hours: Range
    aging_per_year: float
    climate: Climate
    reporting: Reporting
    habits: tuple[Habit, ...] = Field(min_length=1)
    kinds: tuple[KindWorld, ...] = Field(min_length=1)
    fitted: tuple[Fitted, ...] = ()

    @model_validator(mode="after")
    def _aware(self) -> Self:
        if self.start.tzinfo is None:
            raise ValueError("start has no time zone")
        return self

    @property
    def begin(self) -> datetime:
        return self.start.astimezone(UTC)

    @property
    def digest(self) -> str:
        """Twelve hex digits over all that shapes the fleet."""
        return hashlib.sha256(self.model_dump_json(exclude={"fitted"}).encode()).hexdigest()[:12]


def _term(thing: Part | Fault | Mode) -> Term:
    return Term(code=thing.code, words_en=thing.words_en, words_zh=thing.words_zh)


def whole_hours(text: str) -> int:
    """Hours of a span such as `1h`, `6h` or `1d`. Raises BadInput on anything else."""
    found = re.fullmatch(r"(\d{1,5})([hd])", text.strip())
    if not found or int(found[1]) < 1:
        raise BadInput(f"{text!r} is no span of whole hours", where="--every", mend="write 1h, 6h or 1d")
    return int(found[1]) * (24 if found[2] == "d" else 1)


def load_world(path: Path = DEFAULT) -> World:
    """Read a world file. Raises BadInput naming the field at fault."""
    document = documents.read_toml(path, "name an existing world file")
    return documents.validated(World, document, str(path), "correct the world file")
