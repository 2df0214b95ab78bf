"""What the slow oracle's operations are given: one machine's known rows, in plain lists."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from features.kinds import MachineKind
from features.spec import FeatureSpec

NAN = math.nan
HOUR = timedelta(hours=1)
DAY_HOURS, MONTH_HOURS = 24.0, 720.0
Row = Mapping[str, Any]
Pairs = list[tuple[float, float]]  # hours ago, value


@dataclass(frozen=True)
class Look:
    """One machine's rows as known at `as_of`, table by table, oldest first, and the features that are asked for."""

    kind: MachineKind
    as_of: datetime
    rows: Mapping[str, list[Row]]
    specs: Sequence[FeatureSpec]

    def ago(self, row: Row) -> float:
        """Hours from the row to `as_of`."""
        return float((self.as_of - row["event_time"]) / HOUR)


Operation = Callable[[Look, FeatureSpec], float]


def window(spec: FeatureSpec) -> float:
    return math.inf if spec.window_hours is None else spec.window_hours
