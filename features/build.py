"""Observations x history -> features, bucket by bucket. `compute` is the one definition, offline and online."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
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
from features.differences import diff
from features.errors import BadInput
from features.groups import Group, Grouping, tables_of
from features.history import STATIC, History, Ints, Series, ever_of_kind, of_kind, vocabulary
from features.kernel_steps import FAULT, PACKED
from features.kinds import MachineKind
from features.observations import Grid, observations, while_of_kind
from features.schema import MACHINE
from features.settings import settings
from features.snapshots import Snapshot, list_snapshots, open_snapshot
from features.view import View

if TYPE_CHECKING:
    from features.lake import Lake

Matrix = npt.NDArray[np.float32]
Room = npt.NDArray[np.float32]
Progress = Callable[[int], None]
# Observations computed and written at a time by each thread. Part of what makes two builds byte-identical. They are an odd
# number of cache lines (16 numbers each): a power of two would put all the places that a kernel writes for one observation into
# the same cache set.
ROWS_AT_A_TIME = 16 * 1023


def compute(wanted: Catalog, history: History, entity: Ints, as_of: Ints, room: Room | None = None) -> Matrix:
    """Features of observations, float32[observations, features], NaN missing; stored feature by feature.

    entity: index into `history.machine_ids`, or -1 (every feature missing). as_of: microseconds. room: float32[n] that the
    matrix (of a pooled catalog that of its base) is put into, if it is large enough.
    """
    if wanted.base is not None:
        matrix = compute(wanted.base, history, entity, as_of, room)
        return pooled.put_together(wanted.kind, wanted.specs, wanted.base.names, matrix)
    entity = np.ascontiguousarray(entity, dtype=np.int64)
    as_of = np.array(as_of, dtype=np.int64)
    size = len(wanted.specs) * len(as_of)
    room = np.empty(size, dtype=np.float32) if room is None or len(room) < size else room[:size]
    out = room.reshape(len(wanted.specs), len(as_of))
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


def _computed(wanted: Catalog, group: Group, cut: slice, room: Room | None = None) -> tuple[pa.Table, Matrix]:
    matrix = compute(wanted, group.history, group.entity[cut], group.as_of[cut], room)
    return group.observations.slice(cut.start, cut.stop - cut.start), matrix


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
    grouping = Grouping(view, wanted)
    groups = (group for bucket in numbers for group in grouping.groups(bucket, watch(bucket)))
    tasks = ((group, cut) for group in groups for cut in group.cuts(rows_at_a_time))
    threads = settings().threads if threads is None else threads
    return engine.run(lambda task: _computed(wanted, *task), tasks, threads=threads)


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
        grouping = None
        for number, bucket, wanted in places:
            if grouping is None or grouping.wanted is not wanted:
                grouping = Grouping(view, wanted)
            for group in grouping.groups(bucket, watched(view, wanted, bucket, grid)):
                if group.observations.num_rows:
                    yield number, wanted, group

    # Memory that is fresh for every chunk would have to be cleared by the system every time.
    rooms = threading.local()

    def room(wanted: Catalog) -> Room:
        size = len((wanted.base or wanted).specs) * ROWS_AT_A_TIME
        if len(getattr(rooms, "room", ())) < size:
            rooms.room = np.empty(size, dtype=np.float32)
        found: Room = rooms.room
        return found

    def part(task: tuple[int, Catalog, Group]) -> drafts.Part:
        number, wanted, group = task
        chunks = (_computed(wanted, group, cut, room(wanted)) for cut in group.cuts(ROWS_AT_A_TIME))
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
