"""Decisions about champions: documents under home that say who was judged, by which figures, and what came of it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from features.documents import write_json
from training import tracking
from training.gates import Verdict
from training.manifest import sha256
from training.pointer import entity_of

Outcome = Literal["promoted", "refused", "forced", "unchanged", "rolled back"]


class Decision(BaseModel):
    """What was decided about the champion of a kind, by which figures and why.

    before: the champion at the time; champion: the one that serves afterwards; force: why the gates were passed by.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    verb: Literal["promote", "rollback"]
    kind: str
    outcome: Outcome
    decided_at: AwareDatetime
    bundle: str
    before: str | None
    champion: str | None
    snapshot: str | None = None
    verdicts: tuple[Verdict, ...] = ()
    notes: tuple[dict[str, str], ...] = ()
    force: str | None = None
    judged: dict[str, Any] | None = None
    bounds: dict[str, Any] | None = None

    @property
    def failed(self) -> list[Verdict]:
        return [one for one in self.verdicts if not one.passed]


def decisions(home: Path, kind: str) -> Path:
    """The folder of a kind's decisions, one JSON document each, in order of time by name."""
    return home / "decisions" / entity_of(kind) / kind


def keep(home: Path, decision: Decision) -> Path:
    """Write a decision under home, whole."""
    path = decisions(home, decision.kind) / f"{decision.id}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, decision.model_dump(mode="json"))
    return path


def decided(facts: dict[str, Any], outcome: Outcome, **more: Any) -> Decision:
    """A decision of this moment."""
    now = datetime.now(UTC)
    name = f"{now:%Y%m%dT%H%M%S}-{now.microsecond:06d}-{facts['verb']}-{sha256(facts['bundle'].encode())[:8]}"
    return Decision(id=name, outcome=outcome, decided_at=now, **facts, **more)


def record_of(home: Path, decision: Decision) -> tracking.DecisionRecord:
    """A decision as the tracking store keeps it."""
    metrics: dict[str, float] = {}
    for name, figures in ((decision.judged or {}).get("figures") or {}).items():
        metrics |= {f"{name}_{key}": one["value"] for key, one in figures.items() if one["value"] is not None}
    metrics |= {one.gate: one.value for one in decision.verdicts if one.value is not None}
    return tracking.DecisionRecord(
        kind=decision.kind,
        bundle_id=decision.bundle,
        outcome=decision.outcome,
        document=decisions(home, decision.kind) / f"{decision.id}.json",
        facts={"before": decision.before or "none", "snapshot": decision.snapshot or "none", "force": decision.force or ""},
        metrics=metrics,
    )
