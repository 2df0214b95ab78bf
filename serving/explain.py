"""A stored score again from its evidence: the vector, the probability, the reasons, and what differs, if anything does."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from features import online
from features.errors import BadInput
from features.lake import Lake
from serving import batch_rows
from serving.champion import Champion, load_bundle
from serving.evidence import inflated, machine_of
from serving.posted import parse
from serving.scoring import Result, posted_vector, score
from serving.store import Store, StoredScore

Vector = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Explanation:
    """The stored score, what came out this time, and the differences as lines; none means equal to the bit."""

    stored: StoredScore
    result: Result
    differences: tuple[str, ...]

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
            "reasons": list(self.result.reasons),
        }


def explain(home: Path, store: Store, score_id: str, n_reasons: int = 5) -> Explanation:
    """Rebuild a score. Raises NotFound if the score, its bundle or its lake versions are gone."""
    stored = store.get(score_id)
    champion = load_bundle(home, stored.bundle_id)
    x = rebuilt(home, champion, stored)
    result = score(champion, x, n_reasons)
    if stored.source == "batch":
        differences = [] if batch_rows.digest(x) == stored.features else ["the features are not those that were seen"]
    else:
        differences = vector_differences(champion.catalog.names, stored.features, x)
    differences += result_differences(stored.result, result)
    return Explanation(stored, result, tuple(differences))


def rebuilt(home: Path, champion: Champion, stored: StoredScore) -> Vector:
    """The feature vector from the evidence: the posted body, or the lake at the versions that the score saw."""
    try:
        evidence = inflated(stored.evidence)
    except zlib.error:
        mend = "restore the store from a copy"
        raise BadInput("its evidence is damaged", where=f"score {stored.score_id}", mend=mend) from None
    if stored.source == "posted":
        # The stored moment stands in for both clocks: what was acceptable then is acceptable now.
        posted = parse(evidence, lambda _: champion.kind, now=max(stored.scored_at, stored.as_of), as_of=stored.as_of)
        return posted_vector(champion, posted)[0]
    if stored.source in ("lake", "batch"):
        machine = machine_of(evidence, Lake.open(home / "lake"), stored.entity_id, stored.score_id)
        return online.vector(champion.catalog, machine.history(champion.kind), stored.as_of)
    raise BadInput(f"evidence of unknown source {stored.source!r}", where=f"score {stored.score_id}", mend="update Forewarn")


def vector_differences(names: list[str] | tuple[str, ...], stored: bytes, x: Vector) -> list[str]:
    """Features whose bits differ, as lines; at most five are named."""
    before = np.frombuffer(stored, dtype="<f4")
    if len(before) != len(x):
        return [f"{len(before)} features stored, {len(x)} rebuilt"]
    changed = np.flatnonzero(before.view("<u4") != np.ascontiguousarray(x, dtype="<f4").view("<u4"))
    lines = [f"{names[i]} was {before[i]:g}, is {x[i]:g}" for i in changed[:5]]
    return lines + ([f"and {len(changed) - 5} more features"] if len(changed) > 5 else [])


def result_differences(stored: Mapping[str, Any], result: Result) -> list[str]:
    return [
        f"{name} was {list(stored[name])}, is {list(now)}"
        for name, now in (("p", result.p), ("low", result.low), ("high", result.high))
        if list(stored[name]) != list(now)
    ]
