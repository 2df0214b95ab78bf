"""Scores of all machines in the lake at one moment: into the store with their evidence, and into the lake's machine_scores."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features import build, schema
from features.clock import known_at, micros
from features.errors import NotFound
from features.history import from_tables
from features.lake import Lake
from features.schema import EVENT_TIME, MACHINE, MACHINE_SCORES, RECORDED_AT
from features.view import View
from serving.champion import Champion
from serving.evidence import deflated, lake_evidence, stored
from serving.latest import end_of, last_seen
from serving.scoring import Result, reasons_of
from serving.store import Store, StoredScore

SOURCE = "score machine"
GROUP = 10_000
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class BatchScores:
    """Scores of one kind at `as_of`, riskiest first: rows of the store and their vectors."""

    champion: Champion
    as_of: datetime
    rows: tuple[StoredScore, ...]
    x: npt.NDArray[np.float32]
    silent: tuple[str, ...]

    def top(self, count: int, n_reasons: int = 3) -> list[dict[str, Any]]:
        """The `count` riskiest machines with their strongest reasons."""
        chosen = list(self.rows[:count])
        why = reasons_of(self.champion, self.x[:count], n_reasons)
        return [_shown(row) | {"reasons": list(found)} for row, found in zip(chosen, why, strict=True)]


def _shown(row: StoredScore) -> dict[str, Any]:
    p, low, high = row.result["p"], row.result["low"], row.result["high"]
    return {
        "score_id": row.score_id,
        "machine_id": row.entity_id,
        "kind": row.kind,
        "as_of": row.as_of.isoformat(),
        **{f"p{hours}": value for hours, value in zip(row.result["horizon_hours"], p, strict=True)},
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
        buckets = (view.read(name, buckets=[i], columns=[EVENT_TIME]) for i in range(lake.buckets))
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
    lake: Lake, champion: Champion, *, as_of: datetime | None = None, progress: Progress | None = None
) -> BatchScores:
    """Score every machine of the champion's kind that was seen in the longest window before `as_of`; the rest are silent.

    as_of: default is the end of what the lake knows of the kind. Nothing is written (see `keep`). Raises NotFound.
    """
    view = lake.at()
    now = datetime.now(UTC)
    at = as_of.astimezone(UTC) if as_of is not None else end_of_knowledge(lake, champion, view)
    ids = _machines(champion, view, at)
    if not ids:
        what = f"no machine of kind {champion.kind.name} was known at {at.isoformat()}"
        raise NotFound(what, where="as_of", mend="choose a later moment or import histories")
    places = lake.bucket_of(ids)
    rows: list[StoredScore] = []
    parts: list[npt.NDArray[np.float32]] = []
    silent: list[str] = []
    evidence = deflated(lake_evidence(lake.id, view.versions))
    buckets = sorted(set(places.tolist()))
    for done, bucket in enumerate(buckets):
        own = [machine for machine, place in zip(ids, places.tolist(), strict=True) if place == bucket]
        names, x = _vectors(lake, champion, view, bucket, own, at)
        silent += sorted(set(own) - set(names))
        rows += _scored(champion, names, x, at, now, evidence)
        parts.append(x)
        if progress is not None:
            progress(done + 1, len(buckets))
    vectors = np.concatenate(parts)
    order = sorted(range(len(rows)), key=lambda i: (-rows[i].risk, rows[i].entity_id))
    return BatchScores(champion, at, tuple(rows[i] for i in order), vectors[order], tuple(silent))


def _vectors(
    lake: Lake, champion: Champion, view: View, bucket: int, ids: list[str], as_of: datetime
) -> tuple[list[str], npt.NDArray[np.float32]]:
    kind = champion.kind
    tables = build.load(lake, champion.catalog, bucket, view.versions)
    coverage = view.read("coverage", buckets=[bucket])
    seen = last_seen([coverage, tables.get(kind.readings_table, coverage)], as_of)
    oldest = micros(as_of - timedelta(hours=max(kind.window_hours)))
    ids = [machine for machine in ids if seen.get(machine, oldest) > oldest]
    history = from_tables(kind, tables, ids)
    entity = np.arange(len(ids), dtype=np.int64)
    stamps = np.full(len(ids), micros(as_of), dtype=np.int64)
    return history.machine_ids, build.compute(champion.catalog, history, entity, stamps)


def _scored(
    champion: Champion,
    ids: Sequence[str],
    x: npt.NDArray[np.float32],
    as_of: datetime,
    now: datetime,
    evidence: bytes,
) -> list[StoredScore]:
    if not len(x):
        return []
    said = champion.bundle.predict(x, ranges=True, threads=1)
    p, low, high = said.p.tolist(), said.low.tolist(), said.high.tolist()
    return [
        stored(champion, machine, as_of, now, Result(x[i], tuple(p[i]), tuple(low[i]), tuple(high[i])), "lake", evidence)
        for i, machine in enumerate(ids)
    ]


def keep(scores: BatchScores, store: Store, lake: Lake) -> None:
    """Write scores into the lake's table `machine_scores`, then with their evidence into the store.

    The lake comes first: while an import holds it, it refuses, and nothing is half written. Raises Conflict then.
    """
    if scores.rows:
        lake.append_rows(MACHINE_SCORES, lake_table(scores.rows), scores.rows[0].scored_at, SOURCE)
    for start in range(0, len(scores.rows), GROUP):
        store.record(scores.rows[start : start + GROUP])


def lake_table(rows: Sequence[StoredScore]) -> pa.Table:
    """Scores in the columns of MACHINE_SCORES: live scores, known from the moment they were made."""
    results = [row.result for row in rows]
    columns: dict[str, Any] = {
        MACHINE: [row.entity_id for row in rows],
        EVENT_TIME: [row.as_of for row in rows],
        RECORDED_AT: [row.scored_at for row in rows],
        "score_id": [row.score_id for row in rows],
        "bundle_id": [row.bundle_id for row in rows],
        "low72": [result["low"][-1] for result in results],
        "high72": [result["high"][-1] for result in results],
        "reconstructed": [False] * len(rows),
    }
    for place, name in enumerate(("p24", "p48", "p72")):
        columns[name] = [result["p"][place] for result in results]
    return pa.table({field.name: pa.array(columns[field.name], field.type) for field in MACHINE_SCORES.arrow})
