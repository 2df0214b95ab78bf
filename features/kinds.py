"""Machine kinds: a kind is a sensor layout, declared in TOML, never in code."""

import hashlib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from features import documents
from features.errors import BadInput, Conflict

_NAME = r"^[a-z][a-z0-9_]{0,39}$"


def slug(code: str) -> str:
    """A code as part of a name: lower case, anything but letters and digits becomes `_`."""
    return "".join(letter if letter.isalnum() else "_" for letter in code.lower())


class Sensor(BaseModel):
    """One column of a kind's readings. Values outside [low, high] are quarantined, not clipped.

    fault: a counter whose increase is a sign of wear. packed: the raw value packs three 16-bit counters.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=_NAME)
    unit: str
    low: float | None = None
    high: float | None = None
    fault: bool = False
    packed: bool = False
    words_en: str
    words_zh: str


class Term(BaseModel):
    """A code of events, a component or an operating mode, with its words."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str = Field(min_length=1, max_length=40)
    words_en: str
    words_zh: str


class Action(Term):
    """A code of operator actions. state: what the action shows the machine to be from then on, where it shows it."""

    state: Literal["running", "stopped"] | None = None


class MachineKind(BaseModel):
    """A sensor layout and the vocabularies that go with it. What a kind does not declare gives no features.

    sampling: `regular` readings arrive about every `period_hours` (window statistics make sense); `on_change` readings are
    written when a value changes and hold until the next row (last value, change over a window, time since change).
    past_hours: the lookback that stands for a machine's own past; by default the longest window. Where it is given, the last
    values are also compared with the median of that past.
    equal_load_hours: the machine's own pasts that sensors are compared with at equal load and ambient temperature; the longest
    tells what these two do (`equal_load`). It takes several readings a day, and operations or the environment to be kept.
    calendar: moments whose calendar carries meaning for this kind; `season` and `date` can stand for a date in less than two
    years of history, see features/sources/mapped.py.
    modes, shifts, actions: vocabularies of the operations table; any of them brings the features of operation and load.
    environment: the environment table is kept for this kind. hot_c: from which ambient temperature on it is hot.
    reference: machines are compared with their peers and told their base rates, through the dated table `reference_<kind>`.
    models: the machine models seen when the kind was declared, in a fixed order; a model feature is an index into it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=_NAME)
    words_en: str
    words_zh: str
    sampling: Literal["regular", "on_change"] = "regular"
    period_hours: float = Field(default=1.0, gt=0)
    # Floats, as they come back from JSON: the digest sees the difference between 3 and 3.0.
    window_hours: tuple[float, ...] = (3.0, 12.0, 24.0, 72.0, 168.0)
    past_hours: float | None = Field(default=None, gt=0)
    equal_load_hours: tuple[Annotated[float, Field(gt=0)], ...] = ()
    calendar: tuple[Literal["season", "weekday", "date", "made"], ...] = ()
    sensors: tuple[Sensor, ...]
    error_codes: tuple[Term, ...] = ()
    components: tuple[Term, ...] = ()
    modes: tuple[Term, ...] = ()
    shifts: tuple[Term, ...] = ()
    actions: tuple[Action, ...] = ()
    environment: bool = False
    hot_c: float | None = None
    reference: bool = False
    models: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _unique(self) -> "MachineKind":
        for what, names in (
            ("sensor", [sensor.name for sensor in self.sensors]),
            *((sort, [term.code for term in terms]) for sort, terms in self.vocabularies.items()),
        ):
            if len(set(names)) != len(names):
                raise ValueError(f"a {what} is declared twice")
        return self

    @model_validator(mode="after")
    def _sensible(self) -> "MachineKind":
        if self.reference and self.sampling != "regular":
            raise ValueError("reference compares means of regular readings; leave it out where sampling is on_change")
        if self.equal_load_hours and (self.sampling != "regular" or not (self.operated or self.environment)):
            raise ValueError("equal_load_hours needs regular readings, and modes, shifts, actions or environment = true")
        if len(set(self.equal_load_hours)) < len(self.equal_load_hours):
            raise ValueError("equal_load_hours names a past twice")
        if self.hot_c is not None and not self.environment:
            raise ValueError("hot_c needs environment = true")
        return self

    @property
    def readings_table(self) -> str:
        return f"readings_{self.name}"

    @property
    def reference_table(self) -> str:
        return f"reference_{self.name}"

    @property
    def operated(self) -> bool:
        """Whether the operations table is kept for this kind."""
        return bool(self.modes or self.shifts or self.actions)

    @property
    def vocabularies(self) -> dict[str, tuple[Term, ...]]:
        """The declared codes by what they name."""
        return {
            "error code": self.error_codes,
            "component": self.components,
            "mode": self.modes,
            "shift": self.shifts,
            "action": self.actions,
        }

    @property
    def digest(self) -> str:
        """Twelve hex digits over the whole declaration."""
        # A kind that does not declare what came later keeps the digits that its bundles and snapshots know it by.
        later = set() if self.equal_load_hours else {"equal_load_hours"}
        return hashlib.sha256(self.model_dump_json(exclude=later).encode()).hexdigest()[:12]


def parse_kind(document: dict[str, Any], where: str) -> MachineKind:
    """A kind from a parsed TOML table. Raises BadInput naming the field."""
    return documents.validated(MachineKind, document, where, "correct the kind declaration")


def extended(stored: MachineKind, kind: MachineKind, where: str) -> MachineKind:
    """What `stored` becomes when it is declared anew as `kind`: models seen before keep their places.

    Raises Conflict if a stored sensor would go or change its unit, or a stored code would go: rows in the lake hold it, and
    others that were acknowledged may be on the way there.
    """
    units = {sensor.name: sensor.unit for sensor in kind.sensors}
    for sensor in stored.sensors:
        if units.get(sensor.name) != sensor.unit:
            what = f"kind {kind.name} holds sensor '{sensor.name}' in '{sensor.unit}'"
            raise Conflict(what, where=where, mend="keep the sensor and its unit, or give the new layout another kind name")
    for sort, terms in stored.vocabularies.items():
        kept = {term.code for term in kind.vocabularies[sort]}
        for term in terms:
            if term.code not in kept:
                what = f"kind {kind.name} holds {sort} '{term.code}'"
                raise Conflict(what, where=where, mend=f"keep the {sort}, or give the new kind another name")
    models = (*stored.models, *(model for model in kind.models if model not in stored.models))
    return kind.model_copy(update={"models": models})


def load_kind(path: Path) -> MachineKind:
    """Read `[kind]` of a TOML file. Raises BadInput on a missing or malformed file."""
    document = documents.read_toml(path, "name an existing TOML file")
    if "kind" not in document:
        raise BadInput("no [kind] table", where=str(path), mend="declare the machine kind")
    return parse_kind(document["kind"], str(path))
