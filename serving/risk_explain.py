"""A stored score of an enterprise again from its evidence: the features at the lake's versions, both scores, the reasons."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from features.errors import BadInput
from features.lake import Lake
from serving import batch_rows
from serving.evidence import inflated, vector_differences
from serving.risk import SCORES, document, notes_of, of_upstream, reasons_of, told
from serving.risk_champion import load_risk_bundle
from serving.risk_contracts import RISK
from serving.risk_evidence import knowledge_of
from serving.store import StoredScore


@dataclass(frozen=True)
class RiskExplanation:
    """The stored score, what came out this time, and the differences as lines; none means equal to the bit."""

    stored: StoredScore
    told: dict[str, Any]
    notes: tuple[str, ...]
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
            "enterprise_id": stored.entity_id,
            "as_of": stored.as_of.isoformat(),
            "scored_at": stored.scored_at.isoformat(),
            "bundle": stored.bundle_id,
            "source": stored.source,
            **self.told,
            "reproduced": self.reproduced,
            "verdict": self.verdict,
            "differences": list(self.differences),
            "notes": list(self.notes),
        }


def explain_risk(home: Path, stored: StoredScore, n_reasons: int = 5) -> RiskExplanation:
    """Rebuild a score of an enterprise. Raises NotFound if its bundle, its lake or the lake's versions are gone."""
    champion = load_risk_bundle(home, stored.bundle_id)
    try:
        evidence = inflated(stored.evidence)
    except zlib.error:
        mend = "restore the store from a copy"
        raise BadInput("its evidence is damaged", where=f"score {stored.score_id}", mend=mend) from None
    known = knowledge_of(evidence, Lake.open(home / "lake"), stored.score_id)
    # Whether it had consented was asked when it was scored.
    x = known.features(champion.catalog, stored.entity_id, stored.as_of, consent=False)
    result = told(champion.bundle, x[None]).result(0)
    if stored.source == "batch":
        differences = [] if batch_rows.digest(x) == stored.features else ["the features are not those that were seen"]
    else:
        differences = vector_differences(champion.catalog.names, stored.features, x)
    differences += result_differences(stored.result, result)
    notes = (
        *notes_of(champion.catalog.names, x),
        *known.notes(stored.as_of),
        *of_upstream(champion.bundle, known.upstream(stored.as_of, stored.entity_id)),
    )
    why = reasons_of(champion, x[None], n_reasons)[0]
    return RiskExplanation(stored, document(result, why), notes, tuple(differences))


def result_differences(stored: Mapping[str, Any], result: Mapping[str, Any]) -> list[str]:
    """Numbers of a stored result that are not the same to the last bit, as lines."""
    pairs = [("loss_per_accident", [stored["loss_per_accident"]], [result["loss_per_accident"]])]
    pairs += [(f"{which} {name}", list(stored[which][name]), list(result[which][name])) for which in SCORES for name in RISK]
    return [f"{name} was {before}, is {now}" for name, before, now in pairs if not np.array_equal(before, now)]
