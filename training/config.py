"""What a training run is told: one frozen TOML document. Unknown or misspelt keys are refused by name."""

import math
import tomllib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from features.errors import BadInput, NotFound
from training.network_config import LoopConfig, NetworkConfig

EXPERIMENTS = Path(__file__).resolve().parent / "experiments"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SplitConfig(_Frozen):
    """Train | calibration | test in time order. A date, where given, overrules its share.

    refit: after the map is fitted, fit the boosters again with the calibration period among their rows; the map stays.
    reporting_lag_hours: how long failures may take to be recorded; before a period ends, what is younger is not yet known to
    have gone well.
    """

    calibration_share: float = Field(default=0.15, gt=0, lt=0.5)
    test_share: float = Field(default=0.2, gt=0, lt=0.6)
    gap_hours: float = Field(default=72.0, ge=72.0)
    calibration_from: AwareDatetime | None = None
    test_from: AwareDatetime | None = None
    refit: bool = False
    reporting_lag_hours: float = Field(default=0.0, ge=0, le=8760)


class StratumConfig(_Frozen):
    """Rows in which a feature lies within bounds, and the share of them that is kept."""

    feature: str
    at_least: float = -math.inf
    at_most: float = math.inf
    share: float = Field(gt=0, le=1)


class SamplingConfig(_Frozen):
    """How many rows without a failure to keep; None keeps them all.

    Of a fleet too large for a snapshot: the share of each stratum that is kept (a row belongs to the first that fits it), the
    share of all other rows, and how near before a failure every row is kept.
    """

    max_negatives: int | None = Field(default=200_000, gt=0)
    max_calibration_negatives: int | None = Field(default=400_000, gt=0)
    strata: tuple[StratumConfig, ...] = ()
    share: float = Field(default=1.0, gt=0, le=1)
    near_failure_hours: float = Field(default=72.0, ge=72.0)


class ComponentConfig(_Frozen):
    """A component as a risk of its own: its code, and the sensors and error codes that speak for it, in a fixed order."""

    code: str
    own: tuple[str, ...] = ()


class BoosterConfig(_Frozen):
    """One booster. features: patterns of the names of the features that it may split on, as a shell would match them; with
    components, what is a component's own goes by the name that it has for the first one."""

    rounds: int = Field(default=200, gt=0, le=5000)
    learning_rate: float = Field(default=0.05, gt=0, le=1)
    num_leaves: int = Field(default=15, ge=2, le=1024)
    min_data_in_leaf: int = Field(default=20, ge=1)
    min_hessian_in_leaf: float = Field(default=1.0, ge=0)
    feature_fraction: float = Field(default=0.7, gt=0, le=1)
    bagging_fraction: float = Field(default=0.7, gt=0, le=1)
    l2: float = Field(default=5.0, ge=0)
    categorical_l2: float = Field(default=10.0, ge=0)
    categorical_smooth: float = Field(default=10.0, ge=0)
    features: tuple[str, ...] = ("*",)

    def sees(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self.features)


class GbmConfig(BoosterConfig):
    """The boosters. `members` models are fitted on resampled machines; they give the range and, averaged, the score.

    resample: false: members see all machines and differ by their seeds alone: a better score from rare failures, but no range.
    point: `mean` averages the cumulative hazards of the members; `full` fits one more model on all machines for the score.
    components: where given, one pooled booster sees the components as competing risks.
    intervals: `separate` fits a booster for each interval's hazard; `shares` fits one for the whole horizon and a small one,
    on failures alone, for how they spread over the intervals: better where failures are rare.
    first_day, second_day, third_day: where given, the booster of that interval in place of the common settings; spread: the
    booster of the shares.
    """

    intervals: Literal["separate", "shares"] = "separate"

    max_bin: int = Field(default=255, ge=2, le=255)
    members: int = Field(default=5, ge=2, le=50)
    resample: bool = True
    point: Literal["mean", "full"] = "mean"
    components: tuple[ComponentConfig, ...] = ()
    first_day: BoosterConfig | None = None
    second_day: BoosterConfig | None = None
    third_day: BoosterConfig | None = None
    spread: BoosterConfig = BoosterConfig(rounds=60, num_leaves=7, min_data_in_leaf=100, l2=20.0)

    @property
    def boosters(self) -> tuple[BoosterConfig, ...]:
        """One per interval, or the one of the whole horizon and that of its shares."""
        if self.intervals == "shares":
            return (self, self.spread)
        return tuple(one or self for one in (self.first_day, self.second_day, self.third_day))


class CalibrationConfig(_Frozen):
    """The one monotone map. A segment more for every `events_per_segment` failing machines, up to `max_segments`.

    on: what is mapped (see training.calibration). Where one booster gives all horizons it is never the hazards.
    left_out: training rows speak too, each by the members that did not see its machine: the map then knows several times the
    failures of the calibration period alone.
    """

    on: Literal["hazards", "cumulative", "total"] = "hazards"
    max_segments: int = Field(default=5, ge=1, le=20)
    events_per_segment: int = Field(default=60, ge=1)
    left_out: bool = False


class NetworksConfig(_Frozen):
    """The networks that read windows of raw readings, beside the boosters; of each family that is named, `seeds` are fitted.

    hours: of a window. fewest_steps: a window with fewer readings than this is left to the boosters. max_negatives: training
    rows without a failure, at most (those of the boosters are a part of them or the other way round). valid_share: of the
    training machines, whose rows end the training of a network early. auxiliary_hours: ends of intervals in which each
    component's own failure is learnt as well. max_judged_negatives: rows without a failure by which weights are fitted, and
    the networks' entry is decided. device: where they are fitted; `auto` takes a GPU where there is one.
    """

    gru: NetworkConfig | None = None
    tcn: NetworkConfig | None = None
    loop: LoopConfig = LoopConfig()
    seeds: int = Field(default=1, ge=1, le=20)
    hours: float = Field(default=168.0, gt=0, le=8760)
    fewest_steps: int = Field(default=24, ge=1)
    max_negatives: int | None = Field(default=20_000, gt=0)
    max_judged_negatives: int | None = Field(default=40_000, gt=0)
    valid_share: float = Field(default=0.15, gt=0, lt=0.5)
    auxiliary_hours: tuple[float, ...] = ()
    device: Literal["cpu", "cuda", "auto"] = "cpu"

    @model_validator(mode="after")
    def _named_by_family(self) -> Self:
        if not self.families:
            raise ValueError("names no network: add [network.gru] or [network.tcn]")
        for name, one in self.families.items():
            if one.family != name:
                raise ValueError(f"network.{name} must have family {name!r}, not {one.family!r}")
            if one.head != "hazards":
                raise ValueError(f"network.{name} must have the head 'hazards'")
        return self

    @property
    def families(self) -> dict[str, NetworkConfig]:
        """The networks by name, in a fixed order."""
        return {name: one for name, one in (("gru", self.gru), ("tcn", self.tcn)) if one is not None}


class TrainConfig(_Frozen):
    """One training run. network: without it the boosters stand alone."""

    entity: Literal["machine"] = "machine"
    name: str = "machine"
    seed: int = Field(default=7, ge=0)
    threads: int = Field(default=2, ge=1)
    split: SplitConfig = SplitConfig()
    sampling: SamplingConfig = SamplingConfig()
    gbm: GbmConfig = GbmConfig()
    calibration: CalibrationConfig = CalibrationConfig()
    network: NetworksConfig | None = None

    @model_validator(mode="after")
    def _somebody_left_out(self) -> Self:
        if self.calibration.left_out and (self.gbm.point == "full" or not self.gbm.resample):
            what = "calibration.left_out asks members that did not see a machine"
            raise ValueError(f"{what}: gbm.point must be mean, gbm.resample true")
        return self

    @property
    def calibrated_on(self) -> Literal["hazards", "cumulative", "total"]:
        if self.gbm.intervals == "shares" and self.calibration.on == "hazards":
            return "cumulative"
        return self.calibration.on


def parse_config(document: dict[str, Any], where: str) -> TrainConfig:
    """A configuration from a parsed TOML document. Raises BadInput naming the key."""
    try:
        return TrainConfig.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "document"
        raise BadInput(f"{field}: {first['msg']}", where=where, mend="correct the experiment file") from None


def load_config(name_or_path: str | Path) -> TrainConfig:
    """An experiment by its file, or by the name of one that is shipped in training/experiments.

    Raises NotFound if there is none, BadInput if it is malformed.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = EXPERIMENTS / f"{name_or_path}.toml"
    try:
        return parse_config(tomllib.loads(path.read_text(encoding="utf-8")), str(path))
    except FileNotFoundError:
        known = ", ".join(sorted(shipped.stem for shipped in EXPERIMENTS.glob("*.toml")))
        raise NotFound("no such experiment", where=str(name_or_path), mend=f"name a TOML file or one of: {known}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, IsADirectoryError) as error:
        raise BadInput(f"not readable as TOML: {error}", where=str(path), mend="correct the file") from None
