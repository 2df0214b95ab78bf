"""The last observations of an enterprise as a window: what was known at each of the moments before, newest last.

Every step holds the features as they were known at that step's own moment, so that nothing later than as_of can enter.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property

import numpy as np
import numpy.typing as npt

from features.digest import digest
from training.enterprise.config import EnterpriseConfig
from training.enterprise.parts import Matrix, Rows
from training.enterprise.rows import Past
from training.enterprise.sequence_model import SequenceLayout, SequenceModel

# What an enterprise reports of itself, and counts that such reports enter: more of them must never raise a score, and a network
# keeps no signs. Codes are no quantities.
HIDDEN = (
    "hazard_self*", "hazard_overdue*", "hazard_rectified*", "hazard_late*", "hazard_verified*", "hazard_days_open*", "industry",
)  # fmt: skip
_MICROS_PER_DAY = 86_400_000_000


def layout_of(config: EnterpriseConfig, past: Past) -> SequenceLayout:
    """The features that fit the experiment's patterns and may be shown. Raises ValueError if none does."""
    assert config.network is not None, "asked only where the experiment names a network"
    names = tuple(
        name
        for name in past.snapshot.features
        if config.sees(name)
        and any(fnmatchcase(name, pattern) for pattern in config.network.channels)
        and not any(fnmatchcase(name, pattern) for pattern in HIDDEN)
    )
    if not names:
        raise ValueError("no feature fits network.channels")
    return SequenceLayout(names=names, steps=config.network.steps, every_days=past.step_days)


@dataclass(frozen=True)
class Sequences:
    """Windows of a past's rows by number: a `training.windows.Source`. A moment without an observation is NaN."""

    layout: SequenceLayout
    x: Matrix
    before: Rows
    """[n, steps]: the row of each step, newest last; -1 where there is none."""

    @classmethod
    def of(cls, layout: SequenceLayout, past: Past) -> "Sequences":
        columns = [past.snapshot.features.index(name) for name in layout.names]
        x = np.ascontiguousarray(past.x[:, columns])
        return cls(layout, x, earlier(past.enterprise, past.as_of, layout))

    @cached_property
    def digest(self) -> str:
        return digest(self.x, self.before)

    def __len__(self) -> int:
        return len(self.before)

    def take(self, rows: Rows, /) -> tuple[Matrix, Matrix]:
        """float32 [n, steps, channels], and no static covariates [n, 0]."""
        place = self.before[rows]
        steps = self.x[np.maximum(place, 0)]
        steps[place < 0] = np.nan
        return steps, np.empty((len(rows), 0), dtype=np.float32)


def earlier(enterprise: Rows, as_of: npt.NDArray[np.int64], layout: SequenceLayout) -> Rows:
    """[n, steps]: the row of the same enterprise at each step's moment, newest last; -1 where there is none.

    enterprise: a code of each row [n]; as_of: microseconds [n].
    """
    order = np.lexsort((as_of, enterprise))
    who, when = enterprise[order], as_of[order]
    found = np.full((len(order), layout.steps), -1, dtype=np.int64)
    back = round(layout.every_days * _MICROS_PER_DAY)
    starts, ends = np.searchsorted(who, who, "left"), np.searchsorted(who, who, "right")
    span = int(when.max() - when.min()) + back * layout.steps + 1 if len(when) else 1
    key = who * span + (when - (when.min() if len(when) else 0)) + back * layout.steps
    for step in range(layout.steps):
        wanted = key - back * (layout.steps - 1 - step)
        place = np.clip(np.searchsorted(key, wanted), starts, ends - 1)
        found[order, step] = np.where(key[place] == wanted, order[place], -1)
    return found


def windows_of(model: SequenceModel | None, past: Past, rows: Rows) -> Matrix | None:
    """The windows that a network reads of rows of a past; None without a network."""
    return Sequences.of(model.facts.layout, past).take(rows)[0] if model else None
