"""Whether a challenger becomes champion: both judged on the same later rows, gate by gate; then one pointer moves, or none.

bundle + champion -> later rows -> figures -> gates -> decision (kept under home) -> pointer and registry alias

What is kept first is the decision, then the pointer moves in one step, then the registry follows: whoever is killed in between
leaves the old champion or the new one, and promoting the same bundle again mends the alias.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import numpy as np
from pydantic import BaseModel

from features.catalog import catalog
from features.clock import micros
from features.errors import BadInput, Conflict, ForewarnError, NotFound
from features.lake import Lake
from features.pooled import EVERY
from features.settings import Settings
from features.snapshots import Snapshot, open_snapshot
from training import comparison, gates, pointer, tables, tracking
from training.bundle import Bundle
from training.comparison import Comparison
from training.decisions import Decision, Outcome, decided, keep, record_of
from training.gates import CHALLENGER, CHAMPION, Gates, Verdict
from training.manifest import read_manifest
from training.outcomes import outcomes
from training.panel import SERVED, forecasts
from training.report_words import Text
from training.rows import Past, Rows, gather

_TIMED = 60


@dataclass(frozen=True)
class Judgement:
    """The figures of a challenger, and of the champion where it can be asked, with the verdict of every gate."""

    snapshot: str
    verdicts: tuple[Verdict, ...]
    notes: tuple[Text, ...]
    compared: Comparison | None
    score_ms: float | None = None

    @property
    def passed(self) -> bool:
        return all(one.passed for one in self.verdicts)

    def document(self) -> dict[str, Any] | None:
        if self.compared is None:
            return None
        one = self.compared
        counts = {name: getattr(one, name) for name in ("rows", "positive", "machines", "failures", "failing", "budget")}
        period = {"first": one.first.isoformat(), "last": one.last.isoformat()}
        figures = {"figures": tables.plain(one.figures), "gains": tables.plain(one.gains), "score_ms": self.score_ms}
        return counts | period | figures


def promote(
    settings: Settings,
    kind: str,
    bundle_id: str | None = None,
    *,
    bounds: Gates | None = None,
    snapshot_id: str = "latest",
    force: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> Decision:
    """Judge a bundle (the newest of the kind by default) and make it champion if it passes every gate, or is forced.

    The champion itself is left as it is, unjudged. Raises NotFound or BadInput if the bundle cannot serve or there is nothing
    to judge by, Conflict if another process decides or the registry cannot be used; then nothing has changed. A registry that
    fails once the pointer has moved is a note of the decision: the new champion serves.
    """
    say = progress or (lambda text: None)
    check_reason(force)
    home, asked = settings.home, bounds or gates.load_gates()
    bundle_id = bundle_id or pointer.newest_bundle(home, kind, say)
    challenger = pointer.whole_bundle(home, kind, bundle_id)

    def judged(before: str | None) -> Judgement:
        return _judged_if_possible(settings, kind, challenger, before, asked, snapshot_id, force, say)

    return decide(settings, kind, bundle_id, judged, asked, force)


def check_reason(force: str | None) -> None:
    """Raises BadInput for a promotion that is forced without a reason."""
    if force is not None and not force.strip():
        raise BadInput("a promotion is forced for a reason", where="--force", mend="say why in a few words")


class Judged(Protocol):
    """What a decision asks of a judgement: of which snapshot, the verdict of every gate, notes, and figures as JSON."""

    @property
    def snapshot(self) -> str: ...
    @property
    def verdicts(self) -> tuple[Verdict, ...]: ...
    @property
    def notes(self) -> tuple[Text, ...]: ...
    @property
    def passed(self) -> bool: ...
    def document(self) -> dict[str, Any] | None: ...


def decide(
    settings: Settings, kind: str, bundle_id: str, judged: Callable[[str | None], Judged], bounds: BaseModel, force: str | None
) -> Decision:
    """Make a bundle that could serve the champion if its judgement, given the champion's id, passes or is forced."""
    home = settings.home
    tracking.check(settings)
    with pointer.deciding(home, kind):
        now = pointer.read_pointer(home, kind)
        before = now.bundle if now else None
        facts: dict[str, Any] = {"verb": "promote", "kind": kind, "bundle": bundle_id, "before": before}
        if now and before == bundle_id:
            tracking.mark_champion(settings, kind, bundle_id, reason=now.forced)
            return decided(facts, "unchanged", champion=before)
        judgement = judged(before)
        outcome: Outcome = "promoted" if judgement.passed else "refused" if force is None else "forced"
        decision = decided(
            facts, outcome, champion=before if outcome == "refused" else bundle_id, snapshot=judgement.snapshot or None,
            verdicts=judgement.verdicts, notes=tuple({"en": note.en, "zh": note.zh} for note in judgement.notes), force=force,
            judged=judgement.document(), bounds=bounds.model_dump(mode="json"),
        )  # fmt: skip
        keep(home, decision)
        if outcome != "refused":
            reason = force if outcome == "forced" else None
            pointer.advance(home, kind, bundle_id, decision=decision.id, forced=reason)
            decision = _followed(settings, decision, reason)
    return _recorded(settings, decision)


def rollback(settings: Settings, kind: str) -> Decision:
    """Return to the champion before; a further rollback goes one further back. The registry's alias follows.

    Raises NotFound without a champion, Conflict without one before it, BadInput if that one cannot serve: nothing has changed.
    """
    home = settings.home
    pointer.before(home, kind)
    tracking.check(settings)
    with pointer.deciding(home, kind):
        former, now = pointer.before(home, kind)[-1].bundle, pointer.read_pointer(home, kind)
        pointer.check_whole(home, kind, former)
        facts = {"verb": "rollback", "kind": kind, "bundle": former, "before": now.bundle if now else None}
        decision = decided(facts, "rolled back", champion=former)
        keep(home, decision)
        pointer.step_back(home, kind, decision=decision.id)
        decision = _followed(settings, decision, None)
    return _recorded(settings, decision)


def _followed(settings: Settings, decision: Decision, reason: str | None) -> Decision:
    """The registry's alias follows the pointer; where it cannot, the decision says so."""
    try:
        tracking.mark_champion(settings, decision.kind, decision.bundle, reason=reason)
    except Conflict as error:
        en = f"{decision.bundle} serves, but the registry's alias is not yet its own ({error}); then promote it again"
        zh = f"{decision.bundle} 已生效，但注册表别名仍指向原模型（{error}）；修复后请再次执行 promote"
        return _noted(settings.home, decision, Text(en, zh))
    return decision


def _recorded(settings: Settings, decision: Decision) -> Decision:
    """The decision as a run of the tracking server, or with a note that it is not there."""
    try:
        tracking.record_decision(settings, record_of(settings.home, decision))
    except Conflict as error:
        en, zh = f"the decision holds, but is not in the tracking store ({error})", f"决定有效，但未写入跟踪库（{error}）"
        return _noted(settings.home, decision, Text(en, zh))
    return decision


def _noted(home: Path, decision: Decision, note: Text) -> Decision:
    made = decision.model_copy(update={"notes": (*decision.notes, {"en": note.en, "zh": note.zh})})
    keep(home, made)
    return made


def judge(
    home: Path, kind: str, challenger: Bundle, before: str | None, bounds: Gates, snapshot: Snapshot, *, threads: int = 1
) -> Judgement:
    """Compare a challenger with the champion on the snapshot's rows that are later than both, or judge it alone.

    Raises BadInput if the snapshot is not of the catalog that this installation computes, or of another lake.
    """
    snapshot.check_current()
    champion, notes = _champion(home, kind, before)
    bundles = {CHALLENGER: challenger} | ({CHAMPION: champion} if champion else {})
    notes += tuple(_without_networks(name, one) for name, one in bundles.items() if one.lacking is not None)
    past = Past.of(snapshot, Lake.open(snapshot.lake))
    since = max(one.manifest.calibrated_until for one in bundles.values()) + timedelta(hours=bounds.judged_on.gap_hours)
    frame = outcomes(past, bounds.judged_on.reporting_lag_hours)
    rows = np.flatnonzero((past.as_of >= micros(since)) & frame["y72"].notna().to_numpy())
    compared = None
    if len(rows):
        said = {name: forecasts(bundle, past, rows, threads=threads)[SERVED].p[:, 2] for name, bundle in bundles.items()}
        on = bounds.judged_on
        compared = comparison.compare(frame.iloc[rows], said, budget=on.alarm_budget, replicates=on.replicates)
    verdicts = [gates.enough(compared, bounds.judged_on, f"{since:%Y-%m-%d}")]
    if compared is None or not verdicts[0].passed:
        return Judgement(snapshot.id, tuple(verdicts), notes, compared)
    score_ms = milliseconds(challenger, past, rows)
    verdicts += gates.absolute(compared, score_ms, bounds)
    if champion:
        verdicts += gates.against(compared, bounds)
    return Judgement(snapshot.id, tuple(verdicts), notes, compared, score_ms)


def milliseconds(bundle: Bundle, past: Past, rows: Rows) -> float:
    """Median time of a score of one row with its range, from features, and a window where it reads one, that are there."""
    rows = rows[:: max(1, len(rows) // _TIMED)][:_TIMED]
    x, facts, taken = gather(past.snapshot, rows), bundle.manifest.windows, []
    for number, row in enumerate(rows):
        window = None if facts is None else past.windows(facts.hours).take(np.array([row]))
        started = perf_counter()
        bundle.predict(x[number : number + 1], window)
        taken.append(perf_counter() - started)
    return round(1000.0 * float(np.median(taken)), 3)


def _champion(home: Path, kind: str, before: str | None) -> tuple[Bundle | None, tuple[Text, ...]]:
    """The champion as a rival, or why it cannot be one."""
    if before is None:
        return None, (_none_yet(home, kind),)
    try:
        made = read_manifest(home / "bundles" / before)
        ours = catalog(made.kind).hash
        if made.catalog_hash != ours:
            en = f"the champion {before} was trained on catalog {made.catalog_hash}, this installation computes {ours}"
            zh = f"现役模型 {before} 基于特征目录 {made.catalog_hash}，本安装计算的是 {ours}"
            return None, (Text(f"{en}: judged by the absolute gates alone", f"{zh}：仅按绝对门槛评判"),)
        return pointer.whole_bundle(home, kind, before), ()
    except ForewarnError as error:
        en, zh = f"the champion {before} cannot be asked ({error})", f"现役模型 {before} 无法使用（{error}）"
        return None, (Text(f"{en}: judged by the absolute gates alone", f"{zh}：仅按绝对门槛评判"),)


def _none_yet(home: Path, kind: str) -> Text:
    """A first champion has no rival here; the pooled one, which has scored the kind so far, reads other features."""
    served = None if kind == EVERY.name else pointer.read_pointer(home, EVERY.name)
    if served is None:
        return Text("no champion yet: judged by the absolute gates alone", "尚无现役模型：仅按绝对门槛评判")
    return Text(
        f"no champion of its own yet; the pooled bundle {served.bundle}, which scores the kind so far, is not asked: judged by "
        "the absolute gates alone",
        f"该机型尚无自己的现役模型；目前为其评分的通用模型 {served.bundle} 未参与比较：仅按绝对门槛评判",
    )


def _without_networks(role: str, bundle: Bundle) -> Text:
    """A bundle is judged as it would serve here, which is not as it was made."""
    zh = {CHALLENGER: "挑战者", CHAMPION: "现役模型"}[role]
    return Text(
        f"the networks of the {role} have no say here ({bundle.lacking}): it is judged by LightGBM alone",
        f"{zh}的网络在此无法使用（{bundle.lacking}）：仅按 LightGBM 评判",
    )


def _judged_if_possible(
    settings: Settings,
    kind: str,
    challenger: Bundle,
    before: str | None,
    bounds: Gates,
    snapshot_id: str,
    force: str | None,
    say: Callable[[str], None],
) -> Judgement:
    """The judgement; of a forced promotion without a snapshot to judge by, what was lacking."""
    try:
        snapshot = open_snapshot(settings.home, snapshot_id, kind)
        say(f"judge on the later rows of {snapshot.id}")
        return judge(settings.home, kind, challenger, before, bounds, snapshot, threads=settings.threads)
    except (BadInput, NotFound) as error:
        if force is None:
            raise
        return Judgement("", (gates.not_judged(error),), (), None)
