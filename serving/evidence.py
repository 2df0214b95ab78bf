"""What a score leaves behind so that it can be rebuilt: its row in the store, with the input deflated."""

import zlib
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from features.errors import NotFound
from features.known import KnownMachine, known_machine, rows_document, rows_of_document
from features.lake import Lake
from serving.champion import Champion
from serving.contracts import HORIZON_HOURS
from serving.scoring import Result, new_score_id
from serving.store import StoredScore


def lake_evidence(lake_id: str, versions: Mapping[str, int], added: Mapping[str, pa.Table] = MappingProxyType({})) -> bytes:
    """The evidence of a score from the lake: which lake, and the version of each table that it was read at.

    added: rows that were in the log and not in the tables yet, by table.
    """
    document: dict[str, Any] = {"lake": lake_id, "lake_versions": dict(versions)}
    if added:
        document["added"] = rows_document(added)
    return orjson.dumps(document)


def machine_of(evidence: bytes, lake: Lake, machine_id: str, score_id: str) -> KnownMachine:
    """The machine as a score from the lake saw it. Raises NotFound if that was another lake, or its versions are gone."""
    document = orjson.loads(evidence)
    if document.get("lake") != lake.id:
        raise NotFound("it was read from another lake", where=f"score {score_id}", mend="restore that lake")
    view = lake.at(document["lake_versions"])
    return known_machine(view, machine_id, rows_of_document(document.get("added", {}), view))


def stored(
    champion: Champion, machine_id: str, as_of: datetime, now: datetime, result: Result, source: str, evidence: bytes
) -> StoredScore:
    """The row that keeps a machine's score."""
    said = {"horizon_hours": list(HORIZON_HOURS), "p": result.p, "low": result.low, "high": result.high}
    return StoredScore(
        score_id=new_score_id(),
        entity="machine",
        entity_id=machine_id,
        kind=champion.kind.name,
        as_of=as_of,
        scored_at=now,
        bundle_id=champion.bundle_id,
        snapshot_id=None,
        risk=result.p[-1],
        result=said,
        features=np.ascontiguousarray(result.x, dtype="<f4").tobytes(),
        source=source,
        evidence=evidence,
    )


def deflated(evidence: bytes) -> bytes:
    """Level 1: a posted history of 168 hours shrinks threefold in a tenth of a millisecond."""
    return zlib.compress(evidence, 1)


def inflated(evidence: bytes) -> bytes:
    return zlib.decompress(evidence)
