"""The snapshot that a pooled bundle is trained on: kind-free features of the machines of all kinds, side by side."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from features import engine, reference, snapshots
from features.build import ROWS_AT_A_TIME, Bucket, Matrix, compute, history_of, load, tables_of, watched
from features.catalog import catalog, pooled
from features.errors import BadInput, NotFound
from features.kinds import MachineKind
from features.observations import Grid, entities
from features.pooled import EVERY
from features.settings import settings
from features.snapshots import Snapshot

if TYPE_CHECKING:
    from features.lake import Lake

READINGS = "readings_"


def kinds_among(versions: Mapping[str, int]) -> list[str]:
    """The kinds whose readings are among some tables."""
    return sorted(name.removeprefix(READINGS) for name in versions if name.startswith(READINGS))


def build_pooled(
    lake: "Lake", grid: Grid, *, home: Path, threads: int | None = None, progress: Callable[[int], None] | None = None
) -> Snapshot:
    """Build, or find again, the pooled snapshot of all kinds that have readings: a file for each kind and bucket.

    Raises NotFound where no kind has readings, BadInput where no machine is eligible on the grid.
    """
    kinds = [lake.kind(name) for name in kinds_among(lake.versions())]
    if not kinds:
        raise NotFound("no kind has readings", where=str(lake.root), mend="import or simulate histories first")
    for kind in kinds:
        reference.publish(lake, kind)
    used = {"coverage", *(name for kind in kinds for name in tables_of(pooled(kind)))}
    versions = {name: version for name, version in lake.versions().items() if name in used}
    draft = snapshots.Draft.of(catalog(EVERY), versions, grid, lake_root=lake.root, lake_id=lake.id)
    ready = draft.existing(home)
    if ready is not None:
        return ready

    def part(task: tuple[int, MachineKind, int]) -> snapshots.Part:
        number, kind, bucket = task
        return work.write(number, _chunks(lake, kind, bucket, grid, versions))

    places = ((kind, bucket) for kind in kinds for bucket in range(lake.buckets))
    tasks = ((number, *place) for number, place in enumerate(places))
    with draft.open(home) as work:
        parts = []
        for finished in engine.run(part, tasks, threads=settings().threads if threads is None else threads):
            parts.append(finished)
            if progress is not None:
                progress(finished.rows)
        if not sum(one.rows for one in parts):
            where = f"grid {grid.model_dump_json(exclude_none=True)}"
            raise BadInput("no machine is under observation on this grid", where=where, mend="widen the grid or import data")
        return work.publish(parts)


def _chunks(
    lake: "Lake", kind: MachineKind, bucket: int, grid: Grid, versions: Mapping[str, int]
) -> Iterator[tuple[pa.Table, Matrix]]:
    wanted = pooled(kind)
    table = watched(lake, wanted, bucket, grid, versions)
    history = history_of(wanted, load(lake, wanted, bucket, versions))
    held = Bucket(bucket, history, table, *entities(table, history.machine_ids))
    for _, cut in held.chunks(ROWS_AT_A_TIME):
        yield table.slice(cut.start, cut.stop - cut.start), compute(wanted, history, held.entity[cut], held.as_of[cut])
