"""The grade of an accident, from deaths, serious injuries and direct loss: a dated rule with its citation (grades.toml)."""

from datetime import date
from functools import cache
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from features import documents
from features.errors import NotFound
from features.kinds import Term

DEFAULT = Path(__file__).with_name("grades.toml")


class Grade(Term):
    """An accident has this grade from any one of these numbers on."""

    deaths: float = Field(ge=0)
    injuries: float = Field(ge=0)
    direct_loss_cny: float = Field(ge=0)


class Rule(BaseModel):
    """The grades from the gravest to the lightest, in force from a day on; the lightest takes every accident."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    effective: date
    citation: str
    grades: tuple[Grade, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _falls(self) -> Self:
        for name in ("deaths", "injuries", "direct_loss_cny"):
            steps = [getattr(grade, name) for grade in self.grades]
            if sorted(steps, reverse=True) != steps or steps[-1] > 0:
                raise ValueError(f"{name} does not fall from the gravest grade to 0")
        return self

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes from the lightest to the gravest: what `of` numbers."""
        return tuple(grade.code for grade in reversed(self.grades))

    def of(self, deaths: npt.ArrayLike, injuries: npt.ArrayLike, direct_loss_cny: npt.ArrayLike) -> npt.NDArray[np.int8]:
        """The grade of each accident as a place in `codes`, int8[n]; what is not known (NaN) does not raise it."""
        dead, hurt, lost = (
            np.atleast_1d(np.asarray(values, dtype=np.float64)) for values in (deaths, injuries, direct_loss_cny)
        )
        found = np.zeros(np.broadcast_shapes(dead.shape, hurt.shape, lost.shape), dtype=np.int8)
        for place, grade in enumerate(reversed(self.grades)):
            # Each threshold of 0 is reached by every accident: the lightest grade is the one that is left.
            reached = (dead >= grade.deaths) | (hurt >= grade.injuries) | (lost >= grade.direct_loss_cny)
            found[reached & (place > 0)] = place
        return found


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: tuple[Rule, ...] = Field(min_length=1)


@cache
def rules(path: Path = DEFAULT) -> tuple[Rule, ...]:
    """The rules of a file, the newest first. Raises BadInput naming the field."""
    document = documents.read_toml(path, "name an existing file of grades")
    found = documents.validated(_Document, document, str(path), "correct the grades").rules
    return tuple(sorted(found, key=lambda rule: rule.effective, reverse=True))


def rule_at(day: date, path: Path = DEFAULT) -> Rule:
    """The rule in force on a day. Raises NotFound before the first one."""
    for rule in rules(path):
        if rule.effective <= day:
            return rule
    raise NotFound(f"no rule of grades in force on {day}", where=str(path), mend="add the rule of that time")
