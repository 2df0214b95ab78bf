"""Scores of enterprises for the service: one enterprise of the lake, its evidence committed before it is answered."""

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio.to_thread
import numpy as np
import orjson

from features.errors import BadInput
from features.lake import Lake
from serving import metrics
from serving.posted import TOLERANCE
from serving.recorder import Recorder
from serving.risk import document, notes_of, of_upstream, ranked_by, reasons_of, told
from serving.risk_champion import KIND, RiskChampion, RiskChampions
from serving.risk_evidence import Knowledge
from serving.scoring import new_score_id
from serving.store import StoredScore


class RiskService:
    """The champion of enterprises and the lake as it was last seen, in one serving process."""

    def __init__(self, home: Path, recorder: Recorder) -> None:
        self._lake, self._recorder = home / "lake", recorder
        self.champions = RiskChampions(home)
        self._known: Knowledge | None = None
        self._versions: dict[str, int] = {}
        self._lock = threading.Lock()

    async def score(self, enterprise_id: str, as_of: datetime | None, n_reasons: int) -> bytes:
        """The JSON answer for an enterprise; as_of defaults to the last moment that the lake knows of enterprises.

        Raises NotFound, Withheld, BadInput for a moment to come, Unavailable if the evidence cannot be stored.
        """
        now = datetime.now(UTC)
        if as_of is not None and as_of > now + TOLERANCE:
            raise BadInput("lies in the future", where="as_of", mend="send a moment that has come")
        row, answer = await anyio.to_thread.run_sync(self._score, enterprise_id, as_of, n_reasons, now)
        await self._recorder.record(row)
        metrics.expected(row.risk)
        return orjson.dumps(answer)

    def _score(
        self, enterprise_id: str, as_of: datetime | None, n_reasons: int, now: datetime
    ) -> tuple[StoredScore, dict[str, Any]]:
        champion, known = self.champions.get(), self.knowledge()
        moment = (as_of or known.until).astimezone(UTC)
        x = known.features(champion.catalog, enterprise_id, moment)
        result = told(champion.bundle, x[None]).result(0)
        row = stored(champion, enterprise_id, moment, now, result, x.astype("<f4").tobytes(), known.evidence)
        notes = (
            *notes_of(champion.catalog.names, x),
            *known.notes(moment),
            *of_upstream(champion.bundle, known.upstream(moment, enterprise_id)),
        )
        return row, {
            "score_id": row.score_id,
            "entity": "enterprise",
            "enterprise_id": enterprise_id,
            "as_of": moment,
            "bundle": champion.bundle_id,
            **document(result, reasons_of(champion, x[None], n_reasons)[0]),
            "notes": notes,
        }

    def knowledge(self) -> Knowledge:
        """The lake as it is now; what all enterprises share is read anew only when a table has changed. Raises NotFound."""
        lake = Lake.open(self._lake)
        versions = lake.versions()
        with self._lock:
            if self._known is None or self._versions != versions or self._known.lake_id != lake.id:
                self._known, self._versions = Knowledge.of(lake, versions), versions
            return self._known


def stored(
    champion: RiskChampion,
    enterprise_id: str,
    as_of: datetime,
    now: datetime,
    result: dict[str, Any],
    features: bytes,
    evidence: bytes,
) -> StoredScore:
    """The row that keeps an enterprise's score."""
    return StoredScore(
        score_id=new_score_id(),
        entity="enterprise",
        entity_id=enterprise_id,
        kind=KIND,
        as_of=as_of,
        scored_at=now,
        bundle_id=champion.bundle_id,
        snapshot_id=None,
        risk=ranked_by(result),
        result=result,
        features=features,
        source="lake",
        evidence=evidence,
    )


def warm(champion: RiskChampion) -> None:
    """Score a golden row with reasons once, so that no request pays for compilation."""
    golden = champion.bundle.manifest.golden.x[:1]
    x = np.array([[np.nan if value is None else value for value in row] for row in golden], dtype=np.float32)
    told(champion.bundle, x.reshape(len(golden), len(champion.catalog.names)))
    reasons_of(champion, x.reshape(len(golden), len(champion.catalog.names)), 1)
