"""A fitted relativity as it lies under home: one sealed JSON document for each rulebook and bundle."""

import json
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from features.documents import write_json
from features.errors import BadInput
from training.manifest import seal_of

FOLDER = "relativities"
Floats = npt.NDArray[np.float64]


class Rated(NamedTuple):
    """Of each row the rulebook's amount a year before the model (NaN: it does not rate the row) and the insured loss a year."""

    amount: Floats
    insured: Floats


class Relativity(BaseModel):
    """The document under home/relativities: what was fitted, on what.

    level: insured loss per unit of the rulebook's amount at which relativities, within floor and cap, keep the total of the
    amounts on the rows it was fitted on; its interval and the weight's (95 %) are of resampled enterprises.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    rulebook: str
    version: str
    digest: str
    bundle_id: str
    snapshot_id: str
    made_at: AwareDatetime
    first: AwareDatetime
    last: AwareDatetime
    rows: int
    left_out: int
    enterprises: int
    accidents: float
    level: float = Field(gt=0)
    level_low: float
    level_high: float
    weight: float = Field(ge=0, le=1)
    weight_low: float
    weight_high: float
    seal: str = ""

    @property
    def fitted_on(self) -> str:
        """The rows in a few words."""
        return (
            f"{self.rows} rows of {self.enterprises} enterprises from {self.first:%Y-%m-%d} to {self.last:%Y-%m-%d}, "
            f"{self.accidents:.0f} accidents"
        )

    def sealed(self) -> "Relativity":
        return self.model_copy(update={"seal": seal_of(self.model_dump(mode="json"))})


def path_of(home: Path, digest: str, bundle_id: str) -> Path:
    """Where the relativity of a rulebook and a bundle is kept."""
    return home / FOLDER / f"{digest}-{bundle_id}.json"


def keep(home: Path, relativity: Relativity) -> Path:
    """Write a relativity under home, whole; one of the same rulebook and bundle is replaced."""
    path = path_of(home, relativity.digest, relativity.bundle_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, relativity.model_dump(mode="json"))
    return path


def read(home: Path, digest: str, bundle_id: str) -> Relativity | None:
    """What was fitted for a rulebook and a bundle; None if nothing was. Raises BadInput on a damaged document."""
    path = path_of(home, digest, bundle_id)
    mend = "run `forewarn train relativity --rulebook NAME` again"
    try:
        document = json.loads(path.read_bytes())
        found = Relativity.model_validate(document)
    except FileNotFoundError:
        return None
    except ValueError:
        raise BadInput("not readable as a fitted relativity", where=str(path), mend=mend) from None
    if found.seal != seal_of(document) or (found.digest, found.bundle_id) != (digest, bundle_id):
        raise BadInput("changed after it was sealed", where=str(path), mend=mend)
    return found
