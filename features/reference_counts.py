"""How many row versions of a kind became known by each day: what a row of its reference table is checked by."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from features.clock import NEVER, Micros, in_order, known_spans, times
from features.history import HOUR, Ints, of_kind
from features.kinds import MachineKind
from features.schema import EVENT_TIME, MACHINES, RECORDED_AT

DAY = 24 * HOUR


@dataclass(frozen=True)
class Known:
    """How many row versions of each table became known by each day that may have a row."""

    kind: MachineKind
    days: Ints
    found: dict[str, Counter[int]]

    @classmethod
    def empty(cls, kind: MachineKind, days: Ints) -> "Known":
        return cls(kind, days, {name: Counter() for name in ("readings", "machines", "failures")})

    def add(self, tables: Mapping[str, pa.Table]) -> None:
        """Count readings; machines where failures come with them: else they are there for the readings' sake."""
        names = {self.kind.readings_table: "readings"}
        if "failures" in tables:
            names |= {"machines": "machines", "failures": "failures"}
        for table, name in names.items():
            if table in tables:
                day, count = np.unique(-(-_known(tables[table], self.kind, table) // DAY), return_counts=True)
                self.found[name].update(dict(zip(day.tolist(), count.tolist(), strict=True)))

    def counts(self) -> dict[str, Ints]:
        return {name: _up_to(self.days // DAY, counts) for name, counts in self.found.items()}


def _up_to(days: Ints, counts: Mapping[int, int]) -> Ints:
    """How many there were up to each day."""
    moments = np.array(sorted(counts), dtype=np.int64)
    total = np.concatenate([[0], np.cumsum([counts[day] for day in moments.tolist()], dtype=np.int64)])
    return np.asarray(total[np.searchsorted(moments, days, side="right")])


def _known(rows: pa.Table, kind: MachineKind, table_name: str) -> Micros:
    """When each row became known; of machines those of the kind, and when each of these became one of another kind."""
    if table_name != MACHINES.name:
        return np.maximum(times(rows, EVENT_TIME), times(rows, RECORDED_AT))
    rows = in_order(rows, MACHINES)
    known_from, known_to = known_spans(rows, MACHINES)
    mine = of_kind(rows, kind)
    left = mine & ~np.append(mine[1:], True) & (known_to != NEVER)
    return np.concatenate([known_from[mine], known_to[left]])
