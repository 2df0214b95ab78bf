"""A stored score again from its evidence: the vector, the probability, the reasons, the rows behind them, and what differs."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from features import online
from features.errors import BadInput
from features.kinds import MachineKind
from features.lake import Lake
from features.live import Live
from serving import batch_rows
from serving.champion import Champion, load_bundle
from serving.evidence import inflated, machine_of, peers_of, posted_of, vector_differences
from serving.later import Later, known_later
from serving.mattered import Occlusion, Seen
from serving.mattered_words import later_words, row_words, stretch_document
from serving.posted import parse
from serving.scoring import Result, score
from serving.store import Store, StoredScore

Vector = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Explanation:
    """The stored score, what came out this time, and the differences as lines; none means equal to the bit.

    rows: behind each reason, what of the history moved the score; later: what became known after it.
    """

    stored: StoredScore
    result: Result
    differences: tuple[str, ...]
    rows: Mapping[str, list[dict[str, Any]]]
    later: Later | None
    kind: MachineKind

    @property
    def reproduced(self) -> bool:
        return not self.differences

    @property
    def verdict(self) -> str:
        return "reproduced exactly" if self.reproduced else "not reproduced: " + "; ".join(self.differences)

    def document(self) -> dict[str, Any]:
        stored = self.stored
        return {
            "score_id": stored.score_id,
            "entity": stored.entity,
            f"{stored.entity}_id": stored.entity_id,
            "kind": stored.kind,
            "as_of": stored.as_of.isoformat(),
            "scored_at": stored.scored_at.isoformat(),
            "bundle": stored.bundle_id,
            "source": stored.source,
            **stored.result,
            "reproduced": self.reproduced,
            "verdict": self.verdict,
            "differences": list(self.differences),
            "notes": list(self.result.notes),
            "reasons": [reason | {"rows": self.rows[reason["feature"]]} for reason in self.result.reasons],
            "later": self._later(),
        }

    def _later(self) -> dict[str, Any] | None:
        if self.later is None:
            return None
        en, zh = later_words(self.later, self.result.p[-1])
        rows = [row_words(self.kind, row) for row in self.later.rows]
        return self.later.document() | {"text_en": en, "text_zh": zh, "text_rows": rows}


def explain(home: Path, store: Store, score_id: str, n_reasons: int = 5) -> Explanation:
    """Rebuild a score and find the rows behind it. Raises NotFound if the score, its bundle or its lake versions are gone."""
    stored = store.get(score_id)
    champion = load_bundle(home, stored.bundle_id)
    if champion.pooled:
        champion = champion.of(Lake.open(home / "lake").kind(stored.kind))
    seen = evidence_of(home, champion, stored)
    x = online.vector(champion.catalog, seen.history, stored.as_of)
    result = score(champion, x, n_reasons, champion.window(seen.history, stored.as_of))
    if stored.source == "batch":
        differences = [] if batch_rows.digest(x) == stored.features else ["the features are not those that were seen"]
    else:
        differences = vector_differences(champion.catalog.names, stored.features, x)
    differences += result_differences(stored.result, result)
    rows = rows_behind(champion, seen, stored.as_of, result)
    return Explanation(stored, result, tuple(differences), rows, later_than(home, champion, stored, seen), champion.kind)


def evidence_of(home: Path, champion: Champion, stored: StoredScore) -> Seen:
    """What the score saw, from its evidence: the posted body, or the lake at the versions that the score saw."""
    try:
        evidence = inflated(stored.evidence)
    except zlib.error:
        mend = "restore the store from a copy"
        raise BadInput("its evidence is damaged", where=f"score {stored.score_id}", mend=mend) from None
    if stored.source == "posted":
        # The stored moment stands in for both clocks: what was acceptable then is acceptable now.
        body, peers = posted_of(evidence)
        posted = parse(body, lambda _: champion.kind, now=max(stored.scored_at, stored.as_of), as_of=stored.as_of)
        reference = peers_of(peers, Lake.open(home / "lake"), posted.kind, stored.score_id) if peers is not None else None
        return Seen(online.history_from_request(posted.kind, posted.payload, reference), posted.contract_tables())
    if stored.source in ("lake", "batch"):
        machine = machine_of(evidence, Lake.open(home / "lake"), stored.entity_id, stored.kind, stored.score_id)
        return Seen(machine.history(champion.kind), machine.tables)
    raise BadInput(f"evidence of unknown source {stored.source!r}", where=f"score {stored.score_id}", mend="update Forewarn")


def rows_behind(champion: Champion, seen: Seen, as_of: datetime, result: Result) -> dict[str, list[dict[str, Any]]]:
    """For each reason's feature, the stretches of rows that move the score most."""
    occlusion, kind = Occlusion(champion, seen, as_of), champion.kind
    specs = {spec.name: spec for spec in champion.catalog.specs}
    found = {}
    for reason in result.reasons:
        spec = specs[reason["feature"]]
        found[spec.name] = [stretch_document(kind, table, one) for table, one in occlusion.stretches(spec)]
    return found


def later_than(home: Path, champion: Champion, stored: StoredScore, seen: Seen) -> Later | None:
    """What is known by now of the time before the score: of a posted history only what was posted with it."""
    tables = seen.tables
    if stored.source != "posted":
        tables = Live(Lake.open(home / "lake")).whole(stored.entity_id, stored.kind).tables
    return known_later(champion, tables, seen.history, stored.as_of)


def result_differences(stored: Mapping[str, Any], result: Result) -> list[str]:
    return [
        f"{name} was {list(stored[name])}, is {list(now)}"
        for name, now in (("p", result.p), ("low", result.low), ("high", result.high))
        if list(stored[name]) != list(now)
    ]
