"""What a score leaves behind so that it can be rebuilt: its row in the store, with the input deflated."""

import zlib
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from features.errors import NotFound
from features.history import Series
from features.kinds import MachineKind
from features.known import KnownMachine, Shared, known_machine, rows_document, rows_of_document
from features.lake import Lake
from features.view import View
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


def posted_evidence(body: bytes, lake_id: str = "", versions: Mapping[str, int] = MappingProxyType({})) -> bytes:
    """The evidence of a posted history: the body as it came, after a line that names what it was compared with, if anything."""
    return lake_evidence(lake_id, versions) + b"\n" + body if versions else body


def posted_of(evidence: bytes) -> tuple[bytes, dict[str, Any] | None]:
    """The posted body, and what it was compared with. No accepted body has a field `lake`: such a line is not part of one."""
    head, found, body = evidence.partition(b"\n")
    return (body, orjson.loads(head)) if found and head.startswith(b'{"lake":') else (evidence, None)


def machine_of(evidence: bytes, lake: Lake, machine_id: str, kind_name: str, score_id: str) -> KnownMachine:
    """The machine as a score from the lake saw it, as of that kind.

    Raises NotFound if that was another lake, or its versions are gone.
    """
    document = orjson.loads(evidence)
    view = _view(document, lake, score_id)
    return known_machine(view, machine_id, rows_of_document(document.get("added", {}), view), kind_name)


def peers_of(document: Mapping[str, Any], lake: Lake, kind: MachineKind, score_id: str) -> Series:
    """The peers that a posted history was compared with. Raises NotFound if that was another lake, or its version is gone."""
    return Shared(_view(document, lake, score_id)).reference(kind)


def _view(document: Mapping[str, Any], lake: Lake, score_id: str) -> View:
    if document.get("lake") != lake.id:
        raise NotFound("it was read from another lake", where=f"score {score_id}", mend="restore that lake")
    return lake.at(document["lake_versions"])


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


def vector_differences(names: list[str] | tuple[str, ...], stored: bytes, x: npt.NDArray[np.float32]) -> list[str]:
    """Features whose bits differ, as lines; at most five are named."""
    before = np.frombuffer(stored, dtype="<f4")
    if len(before) != len(x):
        return [f"{len(before)} features stored, {len(x)} rebuilt"]
    changed = np.flatnonzero(before.view("<u4") != np.ascontiguousarray(x, dtype="<f4").view("<u4"))
    lines = [f"{names[i]} was {before[i]:g}, is {x[i]:g}" for i in changed[:5]]
    return lines + ([f"and {len(changed) - 5} more features"] if len(changed) > 5 else [])
