"""What a plan is made of: inspectors, sites, visits wanted, and the visits that a plan holds.

Moments are whole minutes from the first midnight of the week, in the local time of the plan: `day * DAY + minute`.
Values are money (the loss a visit is expected to avert), in the currency of the plan.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

import numpy as np
import numpy.typing as npt

DAY = 24 * 60  # minutes
Minutes = npt.NDArray[np.int64]


class Tier(IntEnum):
    """What comes first, whatever it averts: a visit of a lower number is never given up for any of a higher one."""

    FOLLOW_UP = 0  # of a supervised major hazard
    MINIMUM = 1  # the least that law or contract asks for
    VALUE = 2


class Reason(StrEnum):
    """Why a visit is in a plan."""

    FOLLOW_UP = "follow-up"
    MINIMUM = "minimum"
    TARGETED = "targeted"
    LOT = "random"


class Mode(StrEnum):
    """How a site is visited. Remote support needs no travel; an unannounced visit is told to nobody beforehand."""

    ON_SITE = "on_site"
    REMOTE = "remote"
    UNANNOUNCED = "unannounced"


@dataclass(frozen=True, order=True)
class Window:
    """A stretch of time, [start, end) in minutes of the week. Raises ValueError where it is none."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise ValueError(f"a window from minute {self.start} to {self.end} is none")

    def holds(self, start: int, end: int) -> bool:
        """Whether it holds all of another stretch."""
        return self.start <= start and end <= self.end


@dataclass(frozen=True)
class Inspector:
    """Who visits. shifts: the hours of each day worked (leave and holidays are days without one); home and return to it.

    place: row of the travel matrix. skills: skills and certificates held on every day worked. regions: where they may
    work; none: everywhere.
    """

    inspector_id: str
    place: int
    shifts: tuple[Window, ...]
    skills: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    name: str = ""
    provider: str = ""


@dataclass(frozen=True)
class Wanted:
    """A visit that may be planned: at most one for each site of a plan.

    place: row of the travel matrix (of remote support any: it needs no travel). windows: when it may take place, each in one
    day. minutes: how long. value: what it averts. pinned: the inspector and start that are settled. inspectors: who may come;
    None: whoever has the skills and the region. known: the inspector whom the site knows (continuity).
    """

    visit_id: str
    site_id: str
    place: int
    windows: tuple[Window, ...]
    minutes: int
    value: float
    tier: Tier = Tier.VALUE
    reason: Reason = Reason.TARGETED
    mode: Mode = Mode.ON_SITE
    skills: frozenset[str] = frozenset()
    region: str = ""
    enterprise_id: str = ""
    pinned: tuple[str, int] | None = None
    inspectors: frozenset[str] | None = None
    known: str = ""


@dataclass(frozen=True)
class Costs:
    """What the soft rules cost, in the currency of the plan."""

    minute_of_travel: float = 0.0
    unfamiliar: float = 0.0  # a visit by another than the inspector whom the site knows
    uneven: float = 0.0  # for each minute by which the longest load of an inspector exceeds the mean


@dataclass(frozen=True)
class Problem:
    """What is to be planned. travel: int64[places, places], minutes from place to place."""

    inspectors: tuple[Inspector, ...]
    wanted: tuple[Wanted, ...]
    travel: Minutes
    costs: Costs = Costs()


@dataclass(frozen=True, order=True)
class Visit:
    """A visit of a plan, [start, end) in minutes of the week."""

    inspector_id: str
    start: int
    end: int
    visit_id: str

    @property
    def day(self) -> int:
        """Day of the week, from 0."""
        return self.start // DAY


@dataclass(frozen=True)
class Plan:
    """Visits in order of inspector and start; left_out: ids of what is wanted and not planned.

    bound: no plan is worth more than this in the highest tier (money), where the solver or an independent bound knows one.
    """

    visits: tuple[Visit, ...]
    left_out: tuple[str, ...]
    bound: float | None = None
    notes: tuple[str, ...] = ()
    solver: Mapping[str, str | float] = field(default_factory=dict)
