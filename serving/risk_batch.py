"""Scores of all enterprises at one moment from the lake: both of them, with evidence kept once for the whole batch.

The lake is read at fixed versions, which is the evidence; of each enterprise the store holds what was said and a digest of its
features. Reasons cost much more than scores, so only those of the riskiest are told.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.clock import micros
from features.enterprise import build
from features.enterprise.schema import ENTERPRISES
from features.errors import NotFound
from features.lake import Lake
from features.schema import ENTERPRISE, EVENT_TIME, TEXT, TIME
from serving import batch_rows
from serving.evidence import deflated
from serving.risk import Told, Vectors, document, joined, notes_of, of_upstream, reasons_of, told
from serving.risk_champion import KIND, RiskChampion
from serving.risk_evidence import Knowledge
from serving.scoring import new_score_id
from serving.store import Store, StoredBatch, batch_score_id

# Of so many of the riskiest the features are kept, so that reasons can be told.
TOP = 1000
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class RiskScores:
    """Scores of all enterprises at one moment. order: the riskiest first; best: features of the TOP riskiest, in that order."""

    champion: RiskChampion
    batch_id: str
    scored_at: datetime
    as_of: datetime
    ids: pa.ChunkedArray
    said: Told
    digests: pa.ChunkedArray
    order: npt.NDArray[np.int64]
    best: Vectors
    evidence: bytes
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def top(self, count: int, n_reasons: int = 3) -> list[dict[str, Any]]:
        """The `count` (at most TOP) riskiest enterprises, with the strongest reasons of both scores if asked for."""
        chosen = self.best[:count]
        why = reasons_of(self.champion, chosen, n_reasons)
        names = self.champion.catalog.names
        return [
            {
                "score_id": batch_score_id(self.batch_id, row),
                "enterprise_id": self.ids[row].as_py(),
                "as_of": self.as_of.isoformat(),
                **document(self.said.result(row), why[place]),
                "notes": list(notes_of(names, chosen[place])),
            }
            for place, row in enumerate(self.order[: len(chosen)].tolist())
        ]


def score_enterprises(
    lake: Lake, champion: RiskChampion, *, as_of: datetime | None = None, threads: int = 1, progress: Progress | None = None
) -> RiskScores:
    """Score every enterprise that was known at `as_of`, is still watched, and had consented to being scored.

    as_of: default is the end of what the lake knows of enterprises. Nothing is written (see `keep`). Raises NotFound.
    """
    known = Knowledge.of(lake)
    at = known.until if as_of is None else as_of.astimezone(UTC)
    scored_at = datetime.now(UTC)
    ids, digests = [pa.array([], TEXT)], [pa.array([], pa.binary(8))]
    parts: list[Told] = []
    seen: list[Vectors] = []
    done, of = 0, 0 if progress is None else len(known.view.read(ENTERPRISES.name, columns=[ENTERPRISE]).column(0).unique())
    for table, matrix in build.stream(known.view, champion.catalog, None, at, buckets=lake.buckets, threads=threads):
        if not table.num_rows:
            continue
        x = np.ascontiguousarray(matrix)
        ids.append(table.column(ENTERPRISE).cast(TEXT).combine_chunks())
        digests.append(batch_rows.digests(x))
        parts.append(told(champion.bundle, x, threads=threads))
        seen.append(x)
        done += len(x)
        if progress is not None:
            progress(done, of)
    if not parts:
        what = f"no enterprise that has consented to it was known at {at.isoformat()}"
        raise NotFound(what, where="as_of", mend="choose a later moment or import enterprises")
    said, names = joined(parts), pa.chunked_array(ids, TEXT)
    ranked = pa.table({"risk": said.risk["alarm"].expected[:, -1], ENTERPRISE: names})
    order = pc.sort_indices(ranked, [("risk", "descending"), (ENTERPRISE, "ascending")]).to_numpy().astype(np.int64)
    return RiskScores(
        champion=champion,
        batch_id=new_score_id("b_"),
        scored_at=scored_at,
        as_of=at,
        ids=names,
        said=said,
        digests=pa.chunked_array(digests, pa.binary(8)),
        order=order,
        best=_taken(seen, order[:TOP]),
        evidence=known.evidence,
        notes=(*known.notes(at), *of_upstream(champion.bundle, known.upstream(at))),
    )


def _taken(parts: Sequence[Vectors], rows: npt.NDArray[np.int64]) -> Vectors:
    """Some rows of matrices that stand one after the other."""
    starts = np.cumsum([0, *(len(part) for part in parts)])
    part = np.searchsorted(starts, rows, side="right") - 1
    return np.stack([parts[one][row - starts[one]] for one, row in zip(part, rows, strict=True)])


def keep(scores: RiskScores, store: Store) -> None:
    """Write scores with their evidence into the store, all or none."""
    store.record_batch(*stored(scores))


def stored(scores: RiskScores) -> tuple[StoredBatch, Iterable[bytes]]:
    """Scores with their evidence as the store keeps them."""
    rows = len(scores)
    moments = pa.array(np.full(rows, micros(scores.as_of))).cast(TIME)
    columns = {ENTERPRISE: scores.ids, EVENT_TIME: moments, **scores.said.columns(), "digest": scores.digests}
    table = pa.table({name: columns[name] for name in batch_rows.RISK_SCHEMA.names}, schema=batch_rows.RISK_SCHEMA)
    batch = StoredBatch(
        batch_id=scores.batch_id,
        entity="enterprise",
        kind=KIND,
        as_of=scores.as_of,
        scored_at=scores.scored_at,
        bundle_id=scores.champion.bundle_id,
        snapshot_id=None,
        rows=rows,
        evidence=deflated(scores.evidence),
    )
    return batch, batch_rows.parts(table)
