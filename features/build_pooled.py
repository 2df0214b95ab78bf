"""The snapshot that a pooled bundle is trained on: kind-free features of the machines of all kinds, side by side."""

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from features import drafts, reference
from features.build import Progress, fill
from features.catalog import catalog, pooled
from features.errors import NotFound
from features.groups import tables_of
from features.observations import Grid
from features.pooled import EVERY
from features.snapshots import Snapshot

if TYPE_CHECKING:
    from features.lake import Lake

READINGS = "readings_"


def kinds_among(versions: Mapping[str, int]) -> list[str]:
    """The kinds whose readings are among some tables."""
    return sorted(name.removeprefix(READINGS) for name in versions if name.startswith(READINGS))


def build_pooled(
    lake: "Lake", grid: Grid, *, home: Path, threads: int | None = None, progress: Progress | None = None
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
    draft = drafts.Draft.of(catalog(EVERY), versions, grid, lake_root=lake.root, lake_id=lake.id)
    ready = draft.existing(home)
    if ready is not None:
        return ready

    wanted = [pooled(kind) for kind in kinds]
    places = ((number, bucket, one) for number, (one, bucket) in enumerate(product(wanted, range(lake.buckets))))
    with draft.open(home) as work:
        return fill(work, lake.at(versions), places, grid, threads=threads, progress=progress)
