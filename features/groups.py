"""A bucket's machines in groups whose readings fit into memory together, and what is known of each group as a History.

Tables other than the readings are small: they are read for a stretch of groups at once, so that few files are opened often.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc

from features.catalog import Catalog
from features.history import (
    READINGS,
    REFERENCE,
    REPLACEMENTS,
    TABLES,
    History,
    Ints,
    Series,
    ever_of_kind,
    from_tables,
    readings_series,
    reference_series,
)  # fmt: skip
from features.observations import entities
from features.schema import MACHINE, readings
from features.view import View

# Readings loaded at a time by each thread. Part of what makes two builds byte-identical.
READINGS_AT_A_TIME = 120_000
# So many groups' other tables are held at a time.
GROUPS_AT_A_TIME = 10


@dataclass(frozen=True)
class Group:
    """Machines of one bucket that are computed together: their observations, and their history beside that of others.

    number: counts the groups of a bucket. entity: the machine of each observation, an index into `history.machine_ids` or -1.
    as_of: microseconds.
    """

    bucket: int
    number: int
    observations: pa.Table
    history: History
    entity: Ints
    as_of: Ints

    def cuts(self, size: int) -> Iterator[slice]:
        """The observations, so many at a time."""
        for start in range(0, len(self.as_of), size):
            yield slice(start, min(start + size, len(self.as_of)))


def tables_of(wanted: Catalog) -> list[str]:
    """The lake tables that the catalog's features look at."""
    used = {plan.table for plan in wanted.plans}
    if REPLACEMENTS in used:
        used |= {"maintenance", "failures"}
    names = [*(name for name in TABLES if name in used or name == "machines"), wanted.kind.readings_table]
    return [*names, wanted.kind.reference_table] if wanted.kind.reference else names


class Grouping:
    """How the machines of a kind come in groups. What all groups look at is read once."""

    def __init__(self, view: View, wanted: Catalog) -> None:
        self._view, self.wanted = view, wanted
        self._reference: Series | None = None
        if wanted.kind.reference:
            # Every machine may look at any group of peers, whatever bucket these are in.
            self._reference = reference_series(wanted.kind, view.read(wanted.kind.reference_table))

    def groups(self, bucket: int, table: pa.Table) -> Iterator[Group]:
        """The observations of a bucket by groups of machines, by id, whose readings fit into memory together.

        Observations of machines that the bucket does not have come with the first group.
        """
        kind, view = self.wanted.kind, self._view
        machines = view.read("machines", buckets=[bucket])
        known = machines.filter(pc.equal(machines.column("kind"), kind.name)).column(MACHINE)
        ids = sorted(set(known.to_pylist()))
        highs = [high for _, high in view.groups(kind.readings_table, bucket, READINGS_AT_A_TIME)][:-1]
        cuts = [0, *(bisect_right(ids, high) for high in highs), len(ids)]
        spans = [(low, high) for low, high in pairwise(cuts) if low < high] or [(0, 0)]
        place = entities(table, ids)[0].clip(0)
        rows = view.onward(kind.readings_table, bucket, [(ids[low], ids[high - 1]) for low, high in spans if ids])
        for number, (low, high) in enumerate(spans):
            if number % GROUPS_AT_A_TIME == 0:
                end = spans[min(number + GROUPS_AT_A_TIME, len(spans)) - 1][1]
                others = self._others(bucket, ids[low:end], machines)
            read = next(rows, readings(kind).arrow.empty_table())
            series = {**others.series, READINGS: readings_series(kind, read, others.machine_ids)}
            part = table if len(spans) == 1 else table.filter(pa.array((low <= place) & (place < high)))
            yield Group(bucket, number, part, replace(others, series=series), *entities(part, others.machine_ids))

    def _others(self, bucket: int, ids: list[str], machines: pa.Table) -> History:
        kind = self.wanted.kind
        between = (ids[0], ids[-1]) if ids else None
        tables = {"machines": ever_of_kind(machines, kind)}
        for name in tables_of(self.wanted):
            if name not in ("machines", kind.readings_table, kind.reference_table):
                tables[name] = self._view.read(name, buckets=[bucket], between=between, coded=True)
        found = from_tables(kind, tables, ids)
        if self._reference is not None:
            return replace(found, series={**found.series, REFERENCE: self._reference})
        return found
