"""Whether a challenger scores enterprises from now on: both judged on the same later rows, gate by gate.

The decision, its document, the pointer and the registry alias are those of `training.promote`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.clock import known_at, micros, times
from features.enterprise.catalog import EVERY, catalog
from features.enterprise.schema import ACCIDENTS
from features.errors import BadInput, ForewarnError, NotFound
from features.lake import Lake
from features.schema import ENTERPRISE, EVENT_TIME
from features.settings import Settings
from features.snapshots import open_snapshot
from training import pointer, tables
from training import promote as deciding
from training.decisions import Decision
from training.enterprise import gates
from training.enterprise.bundle import RiskBundle, read_risk_manifest
from training.enterprise.evaluation import Judged, judge
from training.enterprise.gates import RiskGates
from training.enterprise.model import SCORES
from training.enterprise.parts import Floats, Matrix, Rows
from training.enterprise.rows import Past, moment
from training.gates import CHALLENGER, CHAMPION, Verdict, not_judged
from training.labels import HORIZON_DAYS
from training.report_words import Text

_TIMED = 30
_STEPS = 4  # values that a fact is moved to, from its best to its worst among the rows


@dataclass(frozen=True)
class Judgement:
    """The figures of a challenger, and of the champion where it can be asked, with the verdict of every gate."""

    snapshot: str
    verdicts: tuple[Verdict, ...]
    notes: tuple[Text, ...]
    judged: Judged | None
    facts: Mapping[str, Any]

    @property
    def passed(self) -> bool:
        return all(one.passed for one in self.verdicts)

    def document(self) -> dict[str, Any] | None:
        if self.judged is None:
            return None
        gains = {f"{ours} over {rival}": gain for (ours, rival), gain in self.judged.gains.items()}
        figures = {"figures": tables.plain(self.judged.figures), "gains": tables.plain(gains)}
        return {"days": self.judged.days, "rows": self.judged.rows, **self.facts, **figures}


def promote(
    settings: Settings,
    bundle_id: str | None = None,
    *,
    bounds: RiskGates | None = None,
    snapshot_id: str = "latest",
    force: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> Decision:
    """Judge a bundle of enterprise scores (by default the newest) and make it champion if it passes, or is forced.

    Raises as `training.promote.promote` does.
    """
    say = progress or (lambda text: None)
    deciding.check_reason(force)
    home, asked = settings.home, bounds or gates.load_gates()
    bundle_id = bundle_id or pointer.newest_bundle(home, EVERY.name, say)
    challenger = pointer.whole_risk_bundle(home, bundle_id)

    def judged(before: str | None) -> Judgement:
        try:
            snapshot = open_snapshot(home, snapshot_id, EVERY.name)
            say(f"judge on the later rows of {snapshot.id}")
            snapshot.check_current()
            past = Past.of(snapshot, Lake.open(snapshot.lake))
            return judgement(home, challenger, before, asked, past, threads=settings.threads)
        except (BadInput, NotFound) as error:
            if force is None:
                raise
            return Judgement("", (not_judged(error),), (), None, {})

    return deciding.decide(settings, EVERY.name, bundle_id, judged, asked, force)


def judgement(
    home: Path, challenger: RiskBundle, before: str | None, bounds: RiskGates, past: Past, *, threads: int = 1
) -> Judgement:
    """Judge a challenger, and the champion where its features are those of this installation, on rows later than both know."""
    champion, notes = _champion(home, before)
    bundles = {CHALLENGER: challenger} | ({CHAMPION: champion} if champion else {})
    on, horizon = bounds.judged_on, HORIZON_DAYS.index(bounds.judged_on.horizon_days)
    since = max(one.manifest.train_until for one in bundles.values()) + timedelta(days=on.gap_days)
    labels = past.labels(lag_days=on.reporting_lag_days)
    rows = np.flatnonzero((past.as_of >= micros(since)) & (labels[f"followed{on.horizon_days}"].to_numpy(np.float64) >= 1.0))
    accidents, enterprises = _accidents(past, rows, since, on.reporting_lag_days)
    verdicts = [gates.enough(accidents, enterprises, on, f"{since:%Y-%m-%d}")]
    if not verdicts[0].passed:
        return Judgement(past.snapshot.id, tuple(verdicts), notes, None, {})
    said: dict[str, Floats] = {
        gates.of(role, which): one.risk(which, past.x[rows], ranges=False, threads=threads).expected
        for role, one in bundles.items()
        for which in SCORES
    }
    against = [(gates.of(CHALLENGER, one), gates.of(CHAMPION, one)) for one in SCORES] if champion else []
    judged = judge(
        labels.iloc[rows].reset_index(drop=True), said, past.exposure[rows], past.enterprise[rows],
        horizon=horizon, against=against, replicates=on.replicates,
    )  # fmt: skip
    for which in SCORES:
        verdicts += gates.absolute(judged, which, bounds)
    worse, steps = lowered(challenger, past.x[_some(rows, bounds.absolute.swept_rows)], threads=threads)
    taken = milliseconds(challenger, past.x[_some(rows, _TIMED)])
    verdicts += gates.soundness(len(challenger.manifest.golden.x), worse, steps, taken, bounds)
    if champion:
        for which in SCORES:
            verdicts += gates.against(judged, which, accidents, bounds)
    facts = {
        "first": moment(int(past.as_of[rows].min())).isoformat(), "last": moment(int(past.as_of[rows].max())).isoformat(),
        "accidents": accidents, "enterprises": enterprises, "score_ms": taken,
    }  # fmt: skip
    return Judgement(past.snapshot.id, tuple(verdicts), notes, judged, facts)


def lowered(bundle: RiskBundle, x: Matrix, *, threads: int = 1) -> tuple[float, int]:
    """Each priced fact is made worse on every row, step by step over the values that the rows have.

    x: float32[n, features]. Returns the share of the steps at which the price fell, and how many there were.
    """
    wanted = catalog()
    fell = steps = 0
    for name in wanted.charged:
        sign, place = wanted.directions[name], bundle.names.index(name)
        known = x[:, place][~np.isnan(x[:, place])]
        values = (
            np.unique(np.quantile(known, np.linspace(0, 1, _STEPS), method="nearest")) if sign and len(known) else known[:0]
        )
        if len(values) < 2:
            continue
        moved = np.repeat(x[None], len(values), axis=0)
        moved[:, :, place] = (values if sign > 0 else values[::-1])[:, None]
        told = bundle.risk("price", moved.reshape(-1, x.shape[1]), ranges=False, threads=threads).expected[:, -1]
        change = np.diff(np.log(told.reshape(len(values), len(x))), axis=0)
        fell += int((change < -1e-9).sum())
        steps += change.size
    return (fell / steps if steps else 0.0), steps


def milliseconds(bundle: RiskBundle, x: Matrix) -> float:
    """Median time of both scores of one row with their ranges, from features that are there."""
    taken = []
    for row in range(len(x)):
        started = perf_counter()
        for which in SCORES:
            bundle.risk(which, x[row : row + 1])
        taken.append(perf_counter() - started)
    return round(1000.0 * float(np.median(taken)), 3)


def _accidents(past: Past, rows: Rows, since: datetime, lag_days: float) -> tuple[int, int]:
    """Accidents of the judged enterprises that came after `since` and have had time to be told, and how many had one."""
    known = known_at(past.accidents, ACCIDENTS, moment(past.known_until))
    came = times(known, EVENT_TIME)
    theirs = pc.is_in(known.column(ENTERPRISE), value_set=pa.array(np.unique(past.ids[rows]).tolist(), pa.string())).to_numpy()
    until = past.known_until - round(lag_days * 86_400e6)
    told = known.filter(pa.array((came > micros(since)) & (came <= until) & theirs))
    return told.num_rows, len(told.column(ENTERPRISE).unique())


def _champion(home: Path, before: str | None) -> tuple[RiskBundle | None, tuple[Text, ...]]:
    """The champion as a rival, or why it cannot be one."""
    alone = "judged by the absolute gates alone"
    if before is None:
        return None, (Text(f"no champion yet: {alone}", "尚无现役模型：仅按绝对门槛评判"),)
    try:
        made, ours = read_risk_manifest(home / "bundles" / before), catalog().hash
        if made.catalog_hash != ours:
            en = f"the champion {before} was trained on catalog {made.catalog_hash}, this installation computes {ours}"
            zh = f"现役模型 {before} 基于特征目录 {made.catalog_hash}，本安装计算的是 {ours}"
            return None, (Text(f"{en}: {alone}", f"{zh}：仅按绝对门槛评判"),)
        return pointer.whole_risk_bundle(home, before), ()
    except ForewarnError as error:
        en, zh = f"the champion {before} cannot be asked ({error})", f"现役模型 {before} 无法使用（{error}）"
        return None, (Text(f"{en}: {alone}", f"{zh}：仅按绝对门槛评判"),)


def _some(rows: Rows, count: int) -> Rows:
    """At most about so many of the rows, evenly spread."""
    return rows[:: max(1, len(rows) // count)][:count]
