"""Scores from a snapshot that is ready: nothing is computed anew, a million machines in a minute."""

from collections.abc import Iterator
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.clock import NEVER, micros, times
from features.errors import BadInput, NotFound
from features.history import HOUR
from features.lake import Lake
from features.observations import AS_OF
from features.pooled import EVERY
from features.schema import MACHINE, TEXT
from features.snapshots import Snapshot
from serving.batch import BatchScores, Chunk, Progress, collected
from serving.champion import Champion
from serving.evidence import lake_evidence
from serving.latest import moment


def score_snapshot(
    lake: Lake,
    champion: Champion,
    snapshot: Snapshot,
    *,
    as_of: datetime | None = None,
    threads: int = 1,
    progress: Progress | None = None,
) -> BatchScores:
    """Score each machine at its latest observation in a snapshot (by `as_of`).

    Machines that the grid left behind, by more than the longest window, are silent: they are watched no longer.
    Nothing is written (see `batch.keep`). Raises BadInput where the snapshot is not of the champion's features or of another
    lake, NotFound where it has no observation by then.
    """
    if snapshot.kind == EVERY:
        mend = "score the kinds from the lake, or name a snapshot of one kind"
        raise BadInput("a pooled snapshot is there to train on", where=f"snapshot {snapshot.id}", mend=mend)
    if snapshot.manifest["catalog_hash"] != champion.catalog.hash:
        what = f"its features are not those of the champion of {champion.kind.name}"
        raise BadInput(what, where=f"snapshot {snapshot.id}", mend="run `forewarn features build` and take the new one")
    snapshot.check_lake(lake.id)
    chosen = {bucket: _latest(snapshot, bucket, as_of) for bucket in snapshot.buckets}
    end = max((int(stamps.max()) for _, stamps in chosen.values() if len(stamps)), default=None)
    if end is None:
        raise NotFound("no observation by then", where=f"snapshot {snapshot.id}", mend="choose a later moment")
    oldest = end - round(max(champion.kind.window_hours) * HOUR)
    silent: list[str] = []

    def chunks() -> Iterator[Chunk]:
        done, of = 0, sum(len(rows) for rows, _ in chosen.values())
        for bucket, (rows, stamps) in chosen.items():
            names = snapshot.observations(buckets=[bucket]).column(MACHINE)
            watched = stamps > oldest
            silent.extend(names.take(pa.array(rows[~watched])).cast(TEXT).to_pylist())
            done += int((~watched).sum())
            for taken, x in snapshot.taken(bucket, rows[watched]):
                ids = names.take(pa.array(taken)).cast(TEXT).combine_chunks()
                yield ids, stamps[np.searchsorted(rows, taken)], x
                done += len(taken)
                if progress is not None:
                    progress(done, of)

    versions = snapshot.manifest["lake_versions"]
    return collected(
        champion, chunks(), moment(end), lake_evidence(lake.id, versions),
        silent=silent, view=lake.at(versions), snapshot_id=snapshot.id, threads=threads,
    )  # fmt: skip


def _latest(snapshot: Snapshot, bucket: int, as_of: datetime | None) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The row of each machine's latest observation by `as_of` (a bucket's rows stand by machine and time), and its moment."""
    keys = snapshot.observations(buckets=[bucket])
    machine = keys.column(MACHINE).combine_chunks().indices.to_numpy()
    stamps = times(keys, AS_OF)
    by_then = np.flatnonzero(stamps <= (NEVER if as_of is None else micros(as_of)))
    last = np.append(machine[by_then][1:] != machine[by_then][:-1], True)[: len(by_then)]
    rows = by_then[last]
    return rows, stamps[rows]
