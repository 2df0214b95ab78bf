"""Scores of all machines at one moment: from the lake, or from a snapshot that is ready (see `ready`).

A batch keeps its evidence once: the lake's table versions, and the snapshot. Of each machine the store holds what it was told
and a digest of its features; the lake's table machine_scores holds the scores for whoever learns from them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features import build, observations, schema
from features.clock import known_at, micros, times
from features.errors import NotFound
from features.known import end_of
from features.lake import Lake
from features.schema import EVENT_TIME, MACHINE, MACHINE_SCORES, RECORDED_AT, TEXT, TIME
from features.view import View
from serving import batch_rows
from serving.champion import Champion
from serving.contracts import HORIZON_HOURS
from serving.evidence import deflated, lake_evidence
from serving.latest import last_seen, moment
from serving.scoring import ALONE, OF_REASONS, new_score_id, reasons_of
from serving.store import Store, StoredBatch, batch_score_id
from training.prediction import Prediction, joined

SOURCE = "score machine"
# Of so many of the riskiest the features are kept, so that reasons can be told.
TOP = 1000
Progress = Callable[[int, int], None]
Vectors = npt.NDArray[np.float32]
# Windows that are gathered and scored at a time.
WINDOWS = 2048
# Machine ids, microseconds and features of some machines.
Chunk = tuple[pa.Array, npt.NDArray[np.int64], Vectors]


@dataclass(frozen=True)
class BatchScores:
    """Scores of one kind. Rows as they were scored; order: the riskiest first.

    as_of: the latest moment of all; moments: each row's own, microseconds. best: features of the TOP riskiest by row.
    """

    champion: Champion
    batch_id: str
    scored_at: datetime
    as_of: datetime
    machine_ids: pa.ChunkedArray
    moments: npt.NDArray[np.int64]
    said: Prediction
    digests: pa.ChunkedArray
    order: npt.NDArray[np.int64]
    best: Mapping[int, Vectors]
    silent: tuple[str, ...]
    evidence: bytes
    snapshot_id: str | None = None

    def __len__(self) -> int:
        return len(self.moments)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of all these scores should know: who scored them, and in how many the networks had no say."""
        bundle = self.champion.bundle
        if bundle.manifest.windows is None or not len(self):
            return self.champion.notes
        told, alone = list(self.champion.notes), len(self) - int(self.said.blended.sum())
        if alone:
            why = bundle.lacking or "their windows are too short"
            told.append(f"the networks had no say in {alone} of {len(self)} ({why}): {ALONE}")
        return (*told, OF_REASONS) if alone < len(self) else tuple(told)

    def top(self, count: int, n_reasons: int = 3) -> list[dict[str, Any]]:
        """The `count` (at most TOP) riskiest machines with their strongest reasons."""
        chosen = list(islice((row for row in self.order.tolist() if row in self.best), count))
        if not chosen:
            return []
        why = reasons_of(self.champion, np.stack([self.best[row] for row in chosen]), n_reasons)
        return [self._shown(row) | {"reasons": list(found)} for row, found in zip(chosen, why, strict=True)]

    def _shown(self, row: int) -> dict[str, Any]:
        p, low, high = (getattr(self.said, name)[row].tolist() for name in ("p", "low", "high"))
        return {
            "score_id": batch_score_id(self.batch_id, row),
            "machine_id": self.machine_ids[row].as_py(),
            "kind": self.champion.kind.name,
            "as_of": moment(int(self.moments[row])).isoformat(),
            **{f"p{hours}": value for hours, value in zip(HORIZON_HOURS, p, strict=True)},
            "low72": low[-1],
            "high72": high[-1],
        }


def end_of_knowledge(lake: Lake, champion: Champion, view: View) -> datetime:
    """Until when the kind's machines were observed: by their coverage, else by their readings. Raises NotFound."""
    machines = pa.array(_machines(champion, view), schema.TEXT)
    coverage = view.read("coverage")
    end = end_of([coverage.filter(pc.is_in(coverage.column(MACHINE), value_set=machines))])
    name = champion.kind.readings_table
    if end is None:
        buckets = (view.read(name, buckets=[i], columns=[EVENT_TIME, RECORDED_AT]) for i in range(lake.buckets))
        end = max((found for bucket in buckets if (found := end_of([bucket]))), default=None)
    if end is None:
        raise NotFound(f"no machine of kind {champion.kind.name} in the lake", where="kind", mend="import its history first")
    return end


def _machines(champion: Champion, view: View, as_of: datetime | None = None) -> list[str]:
    machines = view.read("machines")
    if as_of is not None:
        machines = known_at(machines, schema.MACHINES, as_of, ordered=True)
    kinds = dict(zip(machines.column(MACHINE).to_pylist(), machines.column("kind").to_pylist(), strict=True))
    return sorted(machine for machine, kind in kinds.items() if kind == champion.kind.name)


def score_machines(
    lake: Lake, champion: Champion, *, as_of: datetime | None = None, threads: int = 1, progress: Progress | None = None
) -> BatchScores:
    """Score every machine of the champion's kind that was watched in the longest window before `as_of`; the rest are silent.

    as_of: default is the end of what the lake knows of the kind. Nothing is written (see `keep`). Raises NotFound.
    """
    view = lake.at()
    at = as_of.astimezone(UTC) if as_of is not None else end_of_knowledge(lake, champion, view)
    ids = _machines(champion, view, at)
    if not ids:
        what = f"no machine of kind {champion.kind.name} was known at {at.isoformat()}"
        raise NotFound(what, where="as_of", mend="choose a later moment or import histories")
    silent: list[str] = []
    by_bucket: dict[int, list[str]] = {}
    for machine, place in zip(ids, lake.bucket_of(ids).tolist(), strict=True):
        by_bucket.setdefault(place, []).append(machine)

    def watch(bucket: int) -> pa.Table:
        watched = _watched(champion, view, bucket, by_bucket[bucket], at)
        silent.extend(sorted(set(by_bucket[bucket]) - set(watched)))
        return observations.at(watched, at)

    def chunks() -> Iterator[Chunk]:
        done, most = 0, batch_rows.PART_ROWS
        for table, x in build.stream(
            lake, champion.catalog, watch, buckets=sorted(by_bucket), threads=threads, rows_at_a_time=most, view=view
        ):
            yield table.column(MACHINE).cast(TEXT).combine_chunks(), times(table, observations.AS_OF), x
            done += table.num_rows
            if progress is not None:
                progress(done + len(silent), len(ids))

    evidence = lake_evidence(lake.id, view.versions)
    return collected(champion, chunks(), at, evidence, silent=silent, view=view, threads=threads)


def _watched(champion: Champion, view: View, bucket: int, ids: list[str], as_of: datetime) -> list[str]:
    """Those of the machines of a bucket that were watched in the longest window before `as_of`."""
    kind = champion.kind
    # A machine that writes what changes may well be watched without a word; one that reports regularly has to be heard.
    until = as_of if kind.sampling == "regular" else None
    oldest = micros(as_of - timedelta(hours=max(kind.window_hours)))
    seen = last_seen([view.read("coverage", buckets=[bucket])], until)
    if any(seen.get(machine, oldest) <= oldest for machine in ids):
        heard = last_seen([view.read(kind.readings_table, buckets=[bucket], columns=[MACHINE, EVENT_TIME])], until)
        seen = {machine: max(seen.get(machine, oldest), heard.get(machine, oldest)) for machine in ids}
    return [machine for machine in ids if seen.get(machine, oldest) > oldest]


def collected(
    champion: Champion,
    chunks: Iterator[Chunk],
    as_of: datetime,
    evidence: bytes,
    *,
    silent: list[str],
    view: View,
    snapshot_id: str | None = None,
    threads: int = 1,
) -> BatchScores:
    """Predict chunk by chunk; of the features only digests stay, and those of the riskiest.

    view: the lake as the features saw it, from which the windows are gathered that networks look at.
    """
    scored_at = datetime.now(UTC)
    ids: list[pa.Array] = [pa.array([], TEXT)]
    moments, digests = [np.empty(0, dtype=np.int64)], [pa.array([], pa.binary(8))]
    none = np.empty((0, len(HORIZON_HOURS)))
    told = [Prediction(none, none, none)]
    best: dict[int, tuple[float, Vectors]] = {}
    rows = 0
    for names, stamps, x in chunks:
        if not len(x):
            continue
        said = _predicted(champion, view, names, stamps, x, threads)
        risk = said.p[:, -1]
        for row in np.argsort(-risk, kind="stable")[:TOP].tolist():
            best[rows + row] = (float(risk[row]), x[row].copy())
        if len(best) > 8 * TOP:
            best = dict(sorted(best.items(), key=lambda item: -item[1][0])[:TOP])
        ids.append(names)
        moments.append(stamps)
        digests.append(batch_rows.digests(x))
        told.append(said)
        rows += len(x)
    whole = joined(told)
    machines = pa.chunked_array(ids, TEXT)
    ranked = pa.table({"risk": whole.p[:, -1], MACHINE: machines})
    order = pc.sort_indices(ranked, [("risk", "descending"), (MACHINE, "ascending")]).to_numpy().astype(np.int64)
    return BatchScores(
        champion=champion,
        batch_id=new_score_id("b_"),
        scored_at=scored_at,
        as_of=as_of,
        machine_ids=machines,
        moments=np.concatenate(moments),
        said=whole,
        digests=pa.chunked_array(digests, pa.binary(8)),
        order=order,
        best={row: x for row, (_, x) in best.items()},
        silent=tuple(silent),
        evidence=evidence,
        snapshot_id=snapshot_id,
    )


def _predicted(
    champion: Champion, view: View, ids: pa.Array, moments: npt.NDArray[np.int64], x: Vectors, threads: int
) -> Prediction:
    windows = champion.windows(view, ids, moments, threads)
    if windows is None:
        return champion.bundle.predict(x, ranges=True, threads=threads)
    cuts = (np.arange(start, min(start + WINDOWS, len(x))) for start in range(0, len(x), WINDOWS))
    return joined([champion.bundle.predict(x[rows], windows.take(rows), ranges=True, threads=threads) for rows in cuts])


def keep(scores: BatchScores, store: Store, lake: Lake) -> None:
    """Write scores with their evidence into the store, then into the lake's table `machine_scores`.

    While somebody else holds the lake, it refuses before anything is written: raises Conflict then. Once it is held, the store
    comes first: a process killed in between leaves a batch that nobody was told of, never a score that nobody can explain.
    """
    if not len(scores):
        return
    batch = StoredBatch(
        batch_id=scores.batch_id,
        entity="machine",
        kind=scores.champion.kind.name,
        as_of=scores.as_of,
        scored_at=scores.scored_at,
        bundle_id=scores.champion.bundle_id,
        snapshot_id=scores.snapshot_id,
        rows=len(scores),
        evidence=deflated(scores.evidence),
    )
    said = {name: batch_rows.said(getattr(scores.said, name)) for name in ("p", "low", "high")}
    columns = {MACHINE: scores.machine_ids, EVENT_TIME: _times(scores), **said, "digest": scores.digests}
    parts = batch_rows.parts(pa.table(columns, schema=batch_rows.SCHEMA))
    rows = lake_table(scores)
    lake.append_new(MACHINE_SCORES, rows, scores.scored_at, SOURCE, lambda: store.record_batch(batch, parts))


def lake_table(scores: BatchScores) -> pa.Table:
    """Scores in the columns of MACHINE_SCORES: live scores, known from the moment they were made."""
    rows = len(scores)
    numbers = pc.cast(pa.array(np.arange(rows)), TEXT)
    columns: dict[str, Any] = {
        MACHINE: scores.machine_ids,
        EVENT_TIME: _times(scores),
        RECORDED_AT: pa.repeat(pa.scalar(scores.scored_at, TIME), rows),
        "score_id": pc.binary_join_element_wise(batch_score_id(scores.batch_id, 0)[:-1], numbers, ""),
        "bundle_id": pa.repeat(pa.scalar(scores.champion.bundle_id, TEXT), rows),
        "low72": scores.said.low[:, -1],
        "high72": scores.said.high[:, -1],
        "reconstructed": pa.repeat(pa.scalar(False), rows),
        **{f"p{hours}": scores.said.p[:, place] for place, hours in enumerate(HORIZON_HOURS)},
    }
    return pa.table({field.name: columns[field.name] for field in MACHINE_SCORES.arrow}).cast(MACHINE_SCORES.arrow)


def _times(scores: BatchScores) -> pa.Array:
    return pa.array(scores.moments).cast(TIME)
