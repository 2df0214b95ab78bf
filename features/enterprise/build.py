"""Observations x history -> features of enterprises: snapshots offline, some or all enterprises at one moment online."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features import drafts, engine
from features.clock import times
from features.enterprise import observations as cohorts
from features.enterprise.catalog import Catalog, catalog
from features.enterprise.compute import Matrix, compute
from features.enterprise.history import GROUP_TABLES, TABLES, History, Published, entities, from_tables, published_of
from features.enterprise.publish import publish
from features.errors import BadInput, NotFound
from features.observations import AS_OF, Grid
from features.schema import ENTERPRISE
from features.settings import settings
from features.snapshots import Snapshot
from features.view import View

if TYPE_CHECKING:
    from features.lake import Lake

Progress = Callable[[int], None]
# Observations computed and written at a time. Part of what makes two builds byte-identical.
ROWS_AT_A_TIME = 16 * 1023
# So many enterprises' histories are held at a time by each thread. Part of what makes two builds byte-identical, too.
ENTERPRISES_AT_A_TIME = 4000
USED = tuple(dict.fromkeys((*TABLES, *GROUP_TABLES, *cohorts.TABLES)))


def build(lake: "Lake", grid: Grid, *, home: Path, threads: int | None = None, progress: Progress | None = None) -> Snapshot:
    """Build, or find again, the snapshot of enterprises on a grid; the cohort is that of training.

    The reference tables are brought up to date first. The same lake, catalog and grid give the same snapshot.
    Raises BadInput where no enterprise is eligible on the grid.
    """
    publish(lake)
    wanted = catalog()
    versions = {name: version for name, version in lake.versions().items() if name in USED}
    draft = drafts.Draft.of(wanted, versions, grid, lake_root=lake.root, lake_id=lake.id)
    ready = draft.existing(home)
    if ready is not None:
        return ready
    view = lake.at(versions)
    until, shared = known_until(view), groups_of(view)

    with draft.open(home) as work:

        def part(group: Group) -> drafts.Part | None:
            tables = group.read(view, cohorts.TABLES)
            found = cohorts.observations(tables, grid, until=until, purpose="train")
            if not found.num_rows:
                return None
            return work.write(group.bucket, group.number, _chunks(wanted, found, _history(view, shared, group, tables)))

        parts = []
        groups = grouped(view, lake.buckets)
        for written in engine.run(part, groups, threads=settings().threads if threads is None else threads):
            if written is not None:
                parts.append(written)
                if progress is not None:
                    progress(written.rows)
        if not parts:
            where = f"enterprises, grid {grid.model_dump_json(exclude_none=True)}"
            raise BadInput("no enterprise is in the cohort on this grid", where=where, mend="widen the grid or import data")
        return work.publish(parts)


def at(
    lake: "Lake",
    ids: Sequence[str] | None,
    as_of: datetime,
    *,
    versions: Mapping[str, int] | None = None,
    threads: int | None = None,
) -> tuple[pa.Table, Matrix]:
    """Features of some enterprises at one moment, by id, or of all that had consented to being scored.

    versions: of the lake's tables, by default as they are now. Returns (enterprise_id and as_of, float32[n, features]).
    Raises NotFound for an id that the lake does not know.
    """
    view, wanted = lake.at(versions), catalog()
    found = list(stream(view, wanted, ids, as_of, buckets=lake.buckets, threads=threads))
    table = pa.concat_tables([cohorts.SCHEMA.empty_table(), *(part for part, _ in found)]).unify_dictionaries()
    matrix = np.concatenate([np.empty((0, len(wanted.specs)), dtype=np.float32), *(part for _, part in found)])
    order = pc.sort_indices(table.column(ENTERPRISE).cast(pa.string()))
    return table.take(order), matrix[order.to_numpy()]


def stream(
    view: View, wanted: Catalog, ids: Sequence[str] | None, as_of: datetime, *, buckets: int, threads: int | None = None
) -> Iterator[tuple[pa.Table, Matrix]]:
    """As `at`, group by group. Raises NotFound for an id that the lake does not know."""
    shared = groups_of(view)
    threads = settings().threads if threads is None else threads
    if ids is None:
        return engine.run(partial(_group_at, view, wanted, shared, as_of), grouped(view, buckets), threads=threads)
    mine = np.array(sorted(set(ids)), dtype=object)
    place = view.buckets_of(list(mine))
    groups = [mine[place == bucket].tolist() for bucket in np.unique(place)]
    return engine.run(partial(_some_at, view, wanted, shared, as_of), groups, threads=threads)


def _group_at(
    view: View, wanted: Catalog, shared: Mapping[str, Published], as_of: datetime, group: "Group"
) -> tuple[pa.Table, Matrix]:
    tables = group.read(view, cohorts.TABLES)
    found = cohorts.at(tables, as_of, "score")
    return found, _matrix(wanted, found, _history(view, shared, group, tables))


def _some_at(
    view: View, wanted: Catalog, shared: Mapping[str, Published], as_of: datetime, ids: list[str]
) -> tuple[pa.Table, Matrix]:
    history = history_of(view, ids, shared)
    if unknown := sorted(set(ids) - set(history.ids)):
        raise NotFound(f"no enterprise {unknown[0]}", where="the lake", mend="import its row in the enterprises table first")
    found = cohorts.of_ids(ids, as_of)
    return found, _matrix(wanted, found, history)


def _matrix(wanted: Catalog, found: pa.Table, history: History) -> Matrix:
    return compute(wanted, history, entities(found, history.ids), times(found, AS_OF))


def _chunks(wanted: Catalog, found: pa.Table, history: History) -> Iterator[tuple[pa.Table, Matrix]]:
    for start in range(0, found.num_rows, ROWS_AT_A_TIME):
        part = found.slice(start, ROWS_AT_A_TIME)
        yield part, _matrix(wanted, part, history)


@dataclass(frozen=True)
class Group:
    """Enterprises of one bucket that are computed together, from the first id to the last. number: counts the groups."""

    bucket: int
    number: int
    between: tuple[str, str]

    def read(self, view: View, names: Sequence[str]) -> dict[str, pa.Table]:
        """All versions of their rows, the entity as a dictionary."""
        return {name: view.read(name, buckets=[self.bucket], between=self.between, coded=True) for name in names}


def grouped(view: View, buckets: int) -> Iterator[Group]:
    """The enterprises of the lake, so many at a time that their histories fit well into memory."""
    for bucket in range(buckets):
        ids = sorted(view.read("enterprises", buckets=[bucket], columns=[ENTERPRISE]).column(ENTERPRISE).unique().to_pylist())
        for number, start in enumerate(range(0, len(ids), ENTERPRISES_AT_A_TIME)):
            yield Group(bucket, number, (ids[start], ids[min(start + ENTERPRISES_AT_A_TIME, len(ids)) - 1]))


def _history(view: View, shared: Mapping[str, Published], group: Group, have: Mapping[str, pa.Table]) -> History:
    """Of a group of which some tables were read already."""
    tables = {**have, **group.read(view, [name for name in TABLES if name not in have])}
    return from_tables(tables, tables["enterprises"].column(ENTERPRISE).unique().to_pylist(), shared, ordered=True)


def history_of(view: View, ids: Sequence[str], shared: Mapping[str, Published] | None = None) -> History:
    """The history of some enterprises. shared: the published tables of groups, where they were read already."""
    tables = {name: view.read(name, machine_ids=ids, coded=True) for name in TABLES}
    known = tables["enterprises"].column(ENTERPRISE).unique().to_pylist()
    return from_tables(tables, known, groups_of(view) if shared is None else shared, ordered=True)


def groups_of(view: View) -> dict[str, Published]:
    """The published tables of groups, which every enterprise may look at."""
    return {name: published_of(name, view.read(name)) for name in GROUP_TABLES}


def known_until(view: View) -> datetime:
    """The moment up to which anything is known of enterprises: the latest recording of theirs, 1970 without any."""
    recorded = (view.latest(name) for name in TABLES)
    return max((one for one in recorded if one is not None), default=datetime.fromtimestamp(0, UTC))


__all__ = ["at", "build", "compute", "publish", "stream"]
