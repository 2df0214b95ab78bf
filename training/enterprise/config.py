"""What a training run of the enterprise scores is told: one frozen TOML document."""

import tomllib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from features.errors import BadInput, NotFound
from training.config import EXPERIMENTS
from training.frequency import CountBoosterConfig
from training.network_config import LoopConfig, NetworkConfig


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PeriodsConfig(_Frozen):
    """Train | calibration | test in time order, as shares of the snapshot's span; dates, where given, overrule the shares.

    reporting_lag_days: how long an accident may take to become known: before a period ends, nobody is followed into its last
    days, since what is not reported there yet has not therefore gone well.
    """

    calibration_share: float = Field(default=0.15, gt=0, lt=0.5)
    test_share: float = Field(default=0.35, gt=0, lt=0.7)
    calibration_from: AwareDatetime | None = None
    test_from: AwareDatetime | None = None
    reporting_lag_days: float = Field(default=30.0, ge=0, le=730)


class LinearConfig(_Frozen):
    """The log-linear model with signs: which ridge penalties to try, on so many folds of enterprises."""

    penalties: tuple[Annotated[float, Field(gt=0, le=1e9)], ...] = Field(default=(3.0, 10.0, 30.0, 100.0), min_length=1)
    folds: int = Field(default=3, ge=2, le=10)


class ScoreConfig(_Frozen):
    """One score. pull: how many expected accidents a prior towards equal weights is worth when the models are blended."""

    boosters: CountBoosterConfig = CountBoosterConfig(resample=True, members=5)
    pull: float = Field(default=20.0, ge=0)

    @model_validator(mode="after")
    def _with_a_range(self) -> Self:
        if not self.boosters.resample or self.boosters.members < 2:
            raise ValueError("members that all see every enterprise give no range, and a score is served with one")
        return self


class SequenceConfig(_Frozen):
    """A network over the last `steps` observations of an enterprise, which may inform the alarm score alone.

    channels: patterns of the features that it is shown; what an enterprise reports of itself never is, nor what is `unseen`.
    valid_share: of the enterprises of the training period, by which it is stopped early. pull: how many expected accidents a
    prior towards no say at all is worth.
    """

    steps: int = Field(default=12, ge=2, le=120)
    channels: tuple[str, ...] = Field(min_length=1)
    network: NetworkConfig = NetworkConfig(family="gru", head="counts", width=16, layers=1, filters=0, mix=12, hidden=16)
    loop: LoopConfig = LoopConfig()
    valid_share: float = Field(default=0.25, gt=0, le=0.5)
    pull: float = Field(default=20.0, ge=0)

    @model_validator(mode="after")
    def _of_counts(self) -> Self:
        if self.network.head != "counts":
            raise ValueError("the network of an enterprise score has the head `counts`")
        return self


class EnterpriseConfig(_Frozen):
    """A whole run. price: monotone by construction; alarm: may see everything.

    unseen: patterns of features that no model looks at: what only tells how long a record is would stand for the date in a lake
    whose records all begin at one time. ablations: features by pattern that the price score is fitted again without, by name,
    to see what they add. network: None tries none.
    """

    name: str = Field(min_length=1, max_length=100)
    seed: int = 7
    threads: int = Field(default=2, ge=1, le=256)
    periods: PeriodsConfig = PeriodsConfig()
    unseen: tuple[str, ...] = ("observed_days", "insured_days", "exposure_1y", "exposure_3y", "case_*count*")
    ablations: dict[str, tuple[str, ...]] = {}
    linear: LinearConfig = LinearConfig()
    price: ScoreConfig = ScoreConfig()
    alarm: ScoreConfig = ScoreConfig()
    network: SequenceConfig | None = None

    def sees(self, feature: str) -> bool:
        return not any(fnmatchcase(feature, pattern) for pattern in self.unseen)


def load_enterprise(name: str = "enterprise") -> EnterpriseConfig:
    """Read an experiment by the name of a shipped one or by path. Raises NotFound, or BadInput naming the key at fault."""
    path = Path(name) if name.endswith(".toml") else EXPERIMENTS / f"{name}.toml"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        return EnterpriseConfig.model_validate(document)
    except (FileNotFoundError, IsADirectoryError):
        raise NotFound("no such experiment", where=str(path), mend="name a TOML file or a shipped one: enterprise") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"not TOML: {error}", where=str(path), mend="correct the file") from None
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "experiment"
        raise BadInput(f"{field}: {first['msg']}", where=str(path), mend="correct the experiment") from None
