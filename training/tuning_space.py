"""What may be tuned, and how a choice becomes an experiment. Read from TOML; knows nothing of how values are searched."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError, model_validator

from features.errors import BadInput, NotFound
from training.config import TrainConfig, parse_config

SHIPPED = Path(__file__).resolve().parent / "tuning.toml"
BOOSTERS = "boosters"
NETWORKS = ("gru", "tcn")
Value = int | float | str | bool
Choice = Mapping[str, Value]


class Range(BaseModel):
    """Numbers from `low` to `high`, both included; whole ones where both are. log: evenly spread in their logarithm."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: int | float
    high: int | float
    log: bool = False

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low {self.low} must be below high {self.high}")
        if self.log and self.low <= 0:
            raise ValueError("a logarithmic range must lie above 0")
        return self

    def holds(self, value: object) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high


class OneOf(BaseModel):
    """One of some values."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    choices: tuple[Value, ...] = Field(min_length=2)

    def holds(self, value: object) -> bool:
        return value in self.choices


class Space(RootModel[dict[str, dict[str, Range | OneOf]]]):
    """By family (`boosters`, `gru`, `tcn`): the keys of an experiment, dotted, and what each may be."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="after")
    def _known(self) -> Self:
        for family, asked in self.root.items():
            if family not in (BOOSTERS, *NETWORKS):
                raise ValueError(f"{family} is no family; one of: {', '.join((BOOSTERS, *NETWORKS))}")
            own = ("gbm.",) if family == BOOSTERS else (f"network.{family}.", "network.loop.")
            for key in asked:
                if not key.startswith(own):
                    raise ValueError(f"{key} is not a key of the {family}: it starts with {' or '.join(own)}")
            if not asked:
                raise ValueError(f"{family} names nothing to tune")
        return self


S = TypeVar("S", bound=RootModel[dict[str, dict[str, Range | OneOf]]])


def load_space(path: Path | None = None) -> Space:
    """The search space of a TOML file, by default the shipped one. Raises NotFound, or BadInput naming the key."""
    return read_space(Space, path or SHIPPED)


def read_space(form: type[S], path: Path) -> S:
    """A search space of some form. Raises NotFound, or BadInput naming the key."""
    try:
        return form.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise NotFound("no such file", where=str(path), mend="name a TOML file of ranges") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"] if not str(part).endswith(("Range", "Range]", "OneOf"))) or "document"
        raise BadInput(
            f"{key}: {first['msg'].removeprefix('Value error, ')}", where=str(path), mend="correct the ranges"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, IsADirectoryError) as error:
        raise BadInput(f"not readable as TOML: {error}", where=str(path), mend="correct the file") from None


def alone(config: TrainConfig, family: str) -> TrainConfig:
    """The experiment with one family: the boosters without networks, or one network with the settings it is given or none.

    Raises BadInput where a network is asked for and the experiment says nothing of windows.
    """
    if family == BOOSTERS:
        return config.model_copy(update={"network": None})
    if config.network is None:
        what, mend = (
            f"says nothing of networks, {family} cannot be tuned",
            "add a [network] section, e.g. --config machine_blend",
        )
        raise BadInput(what, where=f"experiment {config.name}", mend=mend)
    document = config.model_dump(mode="json", exclude_none=True)
    network = document["network"]
    own = network.get(family, {"family": family})
    document["network"] = {key: value for key, value in network.items() if key not in NETWORKS} | {family: own}
    return parse_config(document, f"experiment {config.name}")


def own_values(config: TrainConfig, asked: Mapping[str, Range | OneOf]) -> dict[str, Value]:
    """What an experiment already says of the keys, as far as the space holds it."""
    document = config.model_dump(mode="json")
    found = {}
    for key, space in asked.items():
        value: Any = document
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if space.holds(value):
            found[key] = value
    return found


def with_values(config: TrainConfig, values: Choice) -> TrainConfig:
    """The experiment with some keys changed. Raises BadInput for a key that it does not have or a value it cannot take."""
    document = config.model_dump(mode="json", exclude_none=True)
    for key, value in values.items():
        *path, last = key.split(".")
        place = document
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    loop = document.get("network", {}).get("loop", {})
    if loop.get("patience") is not None and "network.loop.epochs" in values:  # patience cannot be longer than the training
        loop["patience"] = min(loop["patience"], loop["epochs"])
    return parse_config(document, "tuned values")
