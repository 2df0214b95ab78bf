"""Observations x history -> features, bucket by bucket. `compute` is the one definition, offline and online."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features import (
    drafts,
    engine,
    equal_load,
    kernel,
    kernel_points,
    kernel_states,
    kernel_steps,
    kernel_windows,
    peers,
    pooled,
    reference,
    static,
)  # fmt: skip
from features.catalog import STATIC_OPS, Catalog, Plan, catalog
from features.datafiles import Ids
from features.differences import diff
from features.errors import BadInput
from features.history import (
    REPLACEMENTS,
    STATIC,
    TABLES,
    History,
    Ints,
    Series,
    ever_of_kind,
    from_tables,
    of_kind,
    vocabulary,
)  # fmt: skip
from features.kernel_steps import FAULT, PACKED
from features.kinds import MachineKind
from features.observations import Grid, entities, observations, while_of_kind
from features.schema import MACHINE
from features.settings import settings
from features.snapshots import Snapshot, list_snapshots, open_snapshot
from features.view import View

if TYPE_CHECKING:
    from features.lake import Lake

Matrix = npt.NDArray[np.float32]
Progress = Callable[[int], None]
# What is held in memory at a time by each thread: readings loaded, observations computed and written. Both are part of what
# makes two builds byte-identical. The latter are an odd number of cache lines (16 numbers each): a power of two would put all
# the places that a kernel writes for one observation into the same cache set.
READINGS_AT_A_TIME = 120_000
ROWS_AT_A_TIME = 16 * 1023


def compute(wanted: Catalog, history: History, entity: Ints, as_of: Ints) -> Matrix:
    """Features of observations, float32[observations, features], NaN missing; stored feature by feature.

    entity: index into `history.machine_ids`, or -1 (every feature missing). as_of: microseconds.
    """
    if wanted.base is not None:
        matrix = compute(wanted.base, history, entity, as_of)
        return pooled.put_together(wanted.kind, wanted.specs, wanted.base.names, matrix)
    entity = np.ascontiguousarray(entity, dtype=np.int64)
    as_of = np.array(as_of, dtype=np.int64)
    out = np.empty((len(wanted.specs), len(as_of)), dtype=np.float32)
    for plan in wanted.plans:
        if plan.kernel == "peers":
            peers.compare(wanted.kind, history, entity, as_of, plan.program, plan.target, out)
        elif plan.kernel == "equal":
            equal_load.compare(wanted.kind, history, entity, as_of, plan.windows, plan.program, plan.target, out)
        else:
            _run(plan, wanted, history.series[plan.table], entity, as_of, out)
    return out.T


def _run(plan: Plan, wanted: Catalog, rows: Series, entity: Ints, as_of: Ints, out: Matrix) -> None:
    if plan.kernel == "static":
        _static(plan, rows, wanted.kind, entity, as_of, out)
        return
    spans = (rows.offsets, rows.event, rows.known_from, rows.known_to)
    if plan.kernel == "points":
        codes = len(vocabulary(wanted.kind, plan.table))
        kernel_points.point_stats(*spans, rows.codes, entity, as_of, plan.windows, codes, plan.program, plan.target, out)
        return
    look = (entity, as_of, plan.windows, plan.program, plan.target)
    if plan.kernel == "states":
        kernel_states.state_stats(*spans, rows.values, *look, out)
        return
    if plan.kernel == "steps":
        flags = np.array([FAULT * one.fault + PACKED * one.packed for one in wanted.kind.sensors], dtype=np.int64)
        kernel_steps.step_stats(*spans, rows.odd, rows.values, flags, *look, out)
        return
    kernel_windows.window_stats(*spans, rows.values, *look, float(wanted.kind.period_hours), out)


def _static(plan: Plan, rows: Series, kind: MachineKind, entity: Ints, as_of: Ints, out: Matrix) -> None:
    """Numbers of the version of the machine's row that was known at `as_of`, and the calendar."""
    row_of = np.empty(len(as_of), dtype=np.int64)
    kernel.version_at(rows.offsets, rows.known_from, rows.known_to, entity, as_of, row_of)
    # Row -1 reads the NaN appended behind the last version.
    values = np.concatenate([rows.values, np.full((len(STATIC), 1), np.nan)], axis=1)[:, row_of]
    event = np.append(rows.event, 0)[row_of]
    for (op, *_), target in zip(plan.program, plan.target, strict=True):
        found = static.value(STATIC_OPS[op], values, event, as_of, kind)
        out[target] = np.where(row_of < 0, np.nan, found)


@dataclass(frozen=True)
class Group:
    """Machines of one bucket that are computed together, by the first and last id (None: no machine), and their observations.

    number: counts the groups of a bucket.
    """

    bucket: int
    number: int
    between: Ids | None
    observations: pa.Table


@dataclass(frozen=True)
class Loaded:
    """A group's history, and its observations as indices."""

    history: History
    observations: pa.Table
    entity: Ints
    as_of: Ints

    def chunks(self, size: int) -> Iterator[tuple["Loaded", slice]]:
        for start in range(0, len(self.as_of), size):
            yield self, slice(start, min(start + size, len(self.as_of)))

    def computed(self, wanted: Catalog, cut: slice) -> tuple[pa.Table, Matrix]:
        matrix = compute(wanted, self.history, self.entity[cut], self.as_of[cut])
        return self.observations.slice(cut.start, cut.stop - cut.start), matrix


def tables_of(wanted: Catalog) -> list[str]:
    """The lake tables that the catalog's features look at."""
    used = {plan.table for plan in wanted.plans}
    if REPLACEMENTS in used:
        used |= {"maintenance", "failures"}
    names = [*(name for name in TABLES if name in used or name == "machines"), wanted.kind.readings_table]
    return [*names, wanted.kind.reference_table] if wanted.kind.reference else names


def load(view: View, wanted: Catalog, bucket: int, between: Ids | None = None) -> dict[str, pa.Table]:
    """Every table of the kind, of one bucket or of its machines `between` two ids; machines that were ever of it."""
    # Of the reference table every machine may look at any group, whatever bucket the group is in.
    everywhere = wanted.kind.reference_table
    tables = {
        name: view.read(name) if name == everywhere else view.read(name, buckets=[bucket], between=between)
        for name in tables_of(wanted)
    }
    tables["machines"] = ever_of_kind(tables["machines"], wanted.kind)
    return tables


def history_of(wanted: Catalog, tables: Mapping[str, pa.Table]) -> History:
    """The History of the machines in `tables["machines"]`."""
    machines = tables.get("machines")
    ids = [] if machines is None else pc.unique(machines.column(MACHINE)).to_pylist()
    return from_tables(wanted.kind, tables, ids)


def grouped(view: View, wanted: Catalog, bucket: int, table: pa.Table) -> Iterator[Group]:
    """The observations of a bucket by groups of machines, by id, whose readings fit into memory together.

    Observations of machines that the bucket does not have come with the first group.
    """
    machines = view.read("machines", buckets=[bucket])
    known = machines.filter(pc.equal(machines.column("kind"), wanted.kind.name)).column(MACHINE)
    ids = sorted(set(known.to_pylist()))
    highs = [high for _, high in view.groups(wanted.kind.readings_table, bucket, READINGS_AT_A_TIME)][:-1]
    cuts = [0, *(bisect_right(ids, high) for high in highs), len(ids)]
    spans = [(low, high) for low, high in pairwise(cuts) if low < high]
    if len(spans) < 2:
        yield Group(bucket, 0, (ids[0], ids[-1]) if ids else None, table)
        return
    place = np.maximum(entities(table, ids)[0], 0)
    for number, (low, high) in enumerate(spans):
        yield Group(bucket, number, (ids[low], ids[high - 1]), table.filter(pa.array((low <= place) & (place < high))))


def _loaded(view: View, wanted: Catalog, group: Group) -> Loaded:
    history = history_of(wanted, load(view, wanted, group.bucket, group.between))
    return Loaded(history, group.observations, *entities(group.observations, history.machine_ids))


def stream(
    lake: "Lake",
    wanted: Catalog,
    watch: Callable[[int], pa.Table],
    *,
    buckets: Sequence[int] | None = None,
    threads: int | None = None,
    rows_at_a_time: int = 250_000,
    view: View | None = None,
) -> Iterator[tuple[pa.Table, Matrix]]:
    """Features of any number of observations in bounded memory: (machine_id and as_of, float32[rows, features]) chunks.

    watch: the observations of a bucket (machines of other buckets are unknown there: all missing). They come back by groups of
    machines, by id, within a group in their own order. view: the lake at other versions than now.
    """
    view = view or lake.at()
    numbers = range(lake.buckets) if buckets is None else buckets
    groups = (group for bucket in numbers for group in grouped(view, wanted, bucket, watch(bucket)))
    loaded = engine.prefetch(lambda group: _loaded(view, wanted, group), groups)
    tasks = (task for one in loaded for task in one.chunks(rows_at_a_time))
    threads = settings().threads if threads is None else threads
    return engine.run(lambda task: task[0].computed(wanted, task[1]), tasks, threads=threads)


def watched(view: View, wanted: Catalog, bucket: int, grid: Grid) -> pa.Table:
    """The observations of one bucket on a grid, by the lake's machines and coverage."""
    machines, coverage = view.read("machines", buckets=[bucket]), view.read("coverage", buckets=[bucket])
    versions = ever_of_kind(machines, wanted.kind)
    machines = versions.filter(pa.array(of_kind(versions, wanted.kind)))
    readings = wanted.kind.readings_table
    last_seen = None
    covered = pc.is_in(machines.column(MACHINE), value_set=coverage.column(MACHINE).combine_chunks())
    if not pc.all(covered, min_count=0).as_py():
        last_seen = view.read(readings, buckets=[bucket], columns=[MACHINE, "event_time"])
    found = observations(machines, coverage, grid, last_seen=last_seen)
    return found if machines.num_rows == versions.num_rows else while_of_kind(found, versions, wanted.kind)


def build(
    lake: "Lake", kind_name: str, grid: Grid, *, home: Path, threads: int | None = None, progress: Progress | None = None
) -> Snapshot:
    """Build, or find again, the snapshot of a kind on a grid. The same lake, catalog and grid give the same snapshot.

    Raises NotFound for a kind that the lake does not know, BadInput where no machine is eligible on the grid.
    """
    wanted = catalog(lake.kind(kind_name))
    reference.publish(lake, wanted.kind)
    versions = {name: version for name, version in lake.versions().items() if name in (*tables_of(wanted), "coverage")}
    draft = drafts.Draft.of(wanted, versions, grid, lake_root=lake.root, lake_id=lake.id)
    ready = draft.existing(home)
    if ready is not None:
        return ready

    places = ((bucket, bucket, wanted) for bucket in range(lake.buckets))
    with draft.open(home) as work:
        return fill(work, lake.at(versions), places, grid, threads=threads, progress=progress)


def fill(
    work: drafts.Work,
    view: View,
    places: Iterable[tuple[int, int, Catalog]],
    grid: Grid,
    *,
    threads: int | None,
    progress: Progress | None,
) -> Snapshot:
    """Compute, write and publish a snapshot, group of machines by group.

    places: number of a bucket in the snapshot, its number in the lake, and the catalog of the kind of machines to look at.
    Raises BadInput where no machine is eligible on the grid.
    """

    def groups() -> Iterator[tuple[int, Catalog, Group]]:
        for number, bucket, wanted in places:
            for group in grouped(view, wanted, bucket, watched(view, wanted, bucket, grid)):
                if group.observations.num_rows:
                    yield number, wanted, group

    def part(task: tuple[int, Catalog, Group]) -> drafts.Part:
        number, wanted, group = task
        loaded = _loaded(view, wanted, group)
        chunks = (held.computed(wanted, cut) for held, cut in loaded.chunks(ROWS_AT_A_TIME))
        return work.write(number, group.number, chunks)

    # Arrow's own pools keep what threads free, group after group; what the system's keeps is a fifth less memory in all.
    pa.set_memory_pool(pa.system_memory_pool())
    parts = []
    for finished in engine.run(part, groups(), threads=settings().threads if threads is None else threads):
        parts.append(finished)
        if progress is not None:
            progress(finished.rows)
    if not parts:
        where = f"kind {work.draft.catalog.kind.name}, grid {grid.model_dump_json(exclude_none=True)}"
        raise BadInput("no machine is under observation on this grid", where=where, mend="widen the grid or import data")
    return work.publish(parts)


__all__ = ["Snapshot", "build", "compute", "diff", "list_snapshots", "open_snapshot", "stream"]
