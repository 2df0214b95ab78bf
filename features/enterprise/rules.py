"""What rows of enterprises are judged by beyond their own columns: their enterprise, and the periods that are there already.

- Unknown enterprise: refused, as rows of an unknown machine are. So the enterprise comes first, or in the same import.
- Before the enterprise exists: it exists from the day it was founded or from the start of its observation, whichever is
  earlier; nothing happens to it before.
- Mixed currencies: amounts are in the enterprise's own currency, CNY where it names none; those without a currency are, too.
- Overlapping periods of one enterprise and basis: the one that comes in later is refused, unless it corrects a period (same
  end). Of rows that the log has acknowledged this alone is judged when they move into the table, in the order they came.

What is held in memory: of the enterprises and periods of some incoming rows, never of all.
"""

from bisect import bisect_right, insort
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features import parse
from features.clock import in_order, times
from features.enterprise.schema import ENTERPRISES
from features.enterprise.vocabulary import CURRENCY
from features.intake import Refusals
from features.parse import Mask
from features.schema import ENTERPRISE, EVENT_TIME, TEXT, TableContract

_COLUMNS = [ENTERPRISE, EVENT_TIME, "founded", "currency"]
_STARTS = "starts"
OVERLAP = "overlaps another period of the same basis"


class Tables(Protocol):
    """The lake or a view of it."""

    def read(self, table_name: str, *, columns: list[str], machine_ids: list[str]) -> pa.Table: ...


@dataclass
class Roll:
    """Since when enterprises exist (microseconds), and their currencies, by id."""

    begins: dict[str, int] = field(default_factory=dict)
    currency: dict[str, str] = field(default_factory=dict)

    def learn(self, rows: pa.Table) -> None:
        """Take in rows of the enterprises table, the later ones counting."""
        ids = rows.column(ENTERPRISE).to_pylist()
        founded = pc.fill_null(rows.column("founded").cast(pa.int64()), np.iinfo(np.int64).max).to_numpy()
        self.begins.update(zip(ids, np.minimum(times(rows, EVENT_TIME), founded).tolist(), strict=True))
        self.currency.update(zip(ids, pc.fill_null(rows.column("currency"), CURRENCY).to_pylist(), strict=True))

    def correct(self, later: "Roll", enterprise_ids: list[str]) -> None:
        """Take what a later roll says of some enterprises."""
        for one in enterprise_ids:
            if one in later.begins:
                self.begins[one], self.currency[one] = later.begins[one], later.currency[one]


def judged(contract: TableContract) -> bool:
    """Whether rows of a table are judged by the roll."""
    return contract.entity == ENTERPRISE and contract.name != ENTERPRISES.name


def enrolled(tables: Tables, enterprise_ids: list[str]) -> Roll:
    """Those of some enterprises that are known, as their latest versions say."""
    roll = Roll()
    roll.learn(tables.read(ENTERPRISES.name, columns=_COLUMNS, machine_ids=enterprise_ids))
    return roll


def check(rows: pa.Table, contract: TableContract, roll: Roll) -> Refusals:
    """The rows that the roll rules out. Row numbers of the result are positions in `rows`."""
    refusals = Refusals(np.arange(rows.num_rows, dtype=np.int64))
    ids = pa.chunked_array(rows.column(ENTERPRISE).chunks, TEXT).combine_chunks().dictionary_encode()
    names, place = ids.dictionary.to_pylist(), ids.indices.to_numpy()
    refusals.add(
        np.array([name not in roll.begins for name in names], dtype=bool)[place], ENTERPRISE, "unknown enterprise", ids
    )
    begins = np.array([roll.begins.get(name, 0) for name in names], dtype=np.int64)[place]
    moments = rows.column(EVENT_TIME).combine_chunks()
    refusals.add(times(rows, EVENT_TIME) < begins, EVENT_TIME, "before the enterprise exists", moments)
    if "currency" in rows.column_names:
        currency = rows.column("currency").combine_chunks()
        own = pa.array([roll.currency.get(name, "") for name in names], TEXT).take(ids.indices)
        other = parse.mask(pc.not_equal(currency, own))
        for code in sorted({own[int(row)].as_py() for row in np.flatnonzero(other & ~refusals.bad)}):
            chosen = other & parse.mask(pc.equal(own, code))
            refusals.add(chosen, "currency", f"not the enterprise's currency, {code}", currency)
    return refusals


def overlapping(stored: pa.Table, incoming: pa.Table, contract: TableContract) -> Mask:
    """The incoming rows, in the order in which they came, whose period overlaps one of the same entity and own key.

    stored: all versions of the periods of these entities; of each the latest counts: their order lets it replace the others.
    Periods hold their start, not their end.
    """
    before = in_order(stored, contract)
    whole = pa.concat_tables(
        [table.select([contract.entity, *contract.own_key, _STARTS, EVENT_TIME]) for table in (before, incoming)]
    )
    group = np.zeros(whole.num_rows, dtype=np.int64)
    for name in (contract.entity, *contract.own_key):
        words = pa.chunked_array(whole.column(name).chunks, TEXT).combine_chunks().dictionary_encode()
        group = group * len(words.dictionary) + words.indices.to_numpy()
    starts, ends = times(whole, _STARTS), times(whole, EVENT_TIME)
    found = np.zeros(incoming.num_rows, dtype=bool)
    order = np.lexsort((ends, starts, group))
    one, next_ = order[:-1], order[1:]
    same = (starts[one] == starts[next_]) & (ends[one] == ends[next_])
    meet = (group[one] == group[next_]) & ~same & (starts[next_] < ends[one])
    by_group = np.argsort(group, kind="stable")
    chosen = np.unique(group[one[meet]])
    bounds = [np.searchsorted(group[by_group], chosen, side=side).tolist() for side in ("left", "right")]
    for low, high in zip(*bounds, strict=True):
        periods = _Periods()
        for row in by_group[low:high].tolist():
            fits = periods.take(int(starts[row]), int(ends[row]))
            if row >= before.num_rows:
                found[row - before.num_rows] = not fits
    return found


class _Periods:
    """Periods without overlap, by their ends."""

    def __init__(self) -> None:
        self._ends: list[int] = []
        self._start_of: dict[int, int] = {}

    def take(self, start: int, end: int) -> bool:
        """Whether the period meets no other one than its own earlier version; then it is one of them."""
        place = bisect_right(self._ends, start)
        while place < len(self._ends) and self._start_of[self._ends[place]] < end:
            if self._ends[place] != end:
                return False
            place += 1
        if end not in self._start_of:
            insort(self._ends, end)
        self._start_of[end] = start
        return True


def periods_of(tables: Tables, contract: TableContract, entities: list[str]) -> pa.Table:
    """All versions of the stored periods of some entities."""
    return tables.read(contract.name, columns=contract.arrow.names, machine_ids=entities)
