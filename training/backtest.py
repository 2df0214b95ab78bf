"""Rolling origin: retrained at each of many cut-offs as it would have happened, used until the next, and judged on what came.

cut-offs -> (at each: labels known then -> learn -> say what follows -> kept on disk) -> what came of it -> figures over time

Features are those of one snapshot, computed once: they see by nature only what was known at as_of. A finished cut-off is kept
under home/backtests/parts and taken from there by any later run with the same snapshot, experiment and dates.
"""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.catalog import catalog
from features.errors import BadInput, UserError
from features.snapshots import Snapshot
from training import checkpoint, rivals, splits
from training.blend import BOOSTERS
from training.config import TrainConfig
from training.hazard import Floats
from training.manifest import canonical, sha256
from training.panel import BLENDED, SERVED, forecasts
from training.prediction import Prediction
from training.rows import Past, Rows, gather, moment
from training.train import Learned, learn

FORMAT = 2  # 1 kept no ranges
KEPT, RIVAL = "kept", rivals.RIVALS[0]
HORIZONS, RANGE = ("p24", "p48", "p72"), ("low72", "high72")
Said = Mapping[str, Floats]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Cutoff:
    """One retraining: its number from 1, when, until when it is used (microseconds), and its part file's digest."""

    number: int
    cut: int
    until: int
    digest: str

    @property
    def date(self) -> str:
        return f"{moment(self.cut):%Y-%m-%d}"

    def path(self, folder: Path, kind: str, what: str = "used") -> Path:
        return folder / f"{kind}-{moment(self.cut):%Y%m%dT%H%M}-{what}-{self.digest}.parquet"


@dataclass(frozen=True)
class Part:
    """What was said at one cut-off: rows of the snapshot, probabilities [n, 3] by forecast, and facts of the training.

    ranges [n, 2]: the 90 % range of the served forecast within 72 h; empty where nobody keeps it.
    """

    rows: Rows
    said: Said
    facts: dict[str, Any]
    ranges: Floats = field(default_factory=lambda: np.empty((0, 2)))


@dataclass(frozen=True)
class Run:
    """All cut-offs of one backtest with what was said. kept: the first model's word on all later rows."""

    id: str
    cutoffs: tuple[Cutoff, ...]
    parts: tuple[Part, ...]
    kept: Part

    @property
    def names(self) -> tuple[str, ...]:
        """The forecasts that speak at every cut-off: the served one first, the first model kept second."""
        every = [name for name in self.parts[0].said if all(name in part.said for part in self.parts)]
        return (SERVED, KEPT, *(name for name in every if name != SERVED))

    @cached_property
    def order(self) -> Rows:
        """The order of the snapshot's rows: parts follow each other in time, the snapshot goes machine by machine."""
        return np.argsort(np.concatenate([part.rows for part in self.parts]))

    @property
    def rows(self) -> Rows:
        """Ascending row numbers of the snapshot, from the first cut-off on."""
        return np.concatenate([part.rows for part in self.parts])[self.order]

    @property
    def stretch(self) -> Rows:
        """Of each row the number of its cut-off."""
        return np.repeat(np.arange(1, len(self.parts) + 1), [len(part.rows) for part in self.parts])[self.order]

    def p72(self, name: str) -> Floats:
        """[n]: what a forecast said of each row."""
        if name == KEPT:
            both = (self.parts[0], self.kept)
            order = np.argsort(np.concatenate([part.rows for part in both]))
            return np.asarray(np.concatenate([part.said[SERVED] for part in both])[order, 2])
        return np.asarray(np.concatenate([part.said[name] for part in self.parts])[self.order, 2])


def rolling(past: Past, config: TrainConfig, cuts: Sequence[int], folder: Path, *, progress: Say | None = None) -> Run:
    """Retrain at each cut-off (microseconds, ascending) and keep what is said of the rows until the next.

    folder: where finished cut-offs are kept and looked for. Raises BadInput naming the cut-off at which there is too little to
    learn from.
    """
    say = progress or (lambda text: None)
    folder.mkdir(parents=True, exist_ok=True)
    planned = plan(past.snapshot, config, cuts, int(past.as_of.max()) + 1)
    parts = []
    for cutoff in planned:
        part = load(cutoff.path(folder, past.snapshot.kind.name))
        if part is None or (cutoff.number == 1 and load(cutoff.path(folder, past.snapshot.kind.name, KEPT)) is None):
            head = f"{cutoff.number} of {len(planned)}, {cutoff.date}"
            with checkpoint.kept(folder / "checkpoints", cutoff.path(folder, past.snapshot.kind.name).stem):
                part = _retrain(past, config, cutoff, folder, partial(_headed, say, head))
        else:
            say(f"cut-off {cutoff.number} of {len(planned)}, {cutoff.date}: kept from an earlier run")
        parts.append(part)
    kept = load(planned[0].path(folder, past.snapshot.kind.name, KEPT))
    assert kept is not None
    name = sha256(canonical([cutoff.digest for cutoff in planned]))[:12]
    run = f"backtest-{past.snapshot.kind.name}-{moment(planned[-1].until):%Y%m%d}-{name}"
    return Run(run, planned, tuple(parts), kept)


def plan(snapshot: Snapshot, config: TrainConfig, cuts: Sequence[int], end: int) -> tuple[Cutoff, ...]:
    """The cut-offs with the digest of everything that their answers follow from."""
    asked = config.model_dump(mode="json", exclude={"threads", "name"})
    found = []
    for number, (cut, until) in enumerate(pairwise([*cuts, end]), start=1):
        origin = [FORMAT, snapshot.id, catalog(snapshot.kind).hash, asked, RIVAL.name, cut, until, end if number == 1 else 0]
        found.append(Cutoff(number, cut, until, sha256(canonical(origin))[:16]))
    return tuple(found)


def _headed(say: Say, head: str, text: str) -> None:
    say(f"cut-off {head}: {text}")


def _retrain(past: Past, config: TrainConfig, cutoff: Cutoff, folder: Path, say: Say) -> Part:
    """Learn what could be learnt at the cut-off, say what follows, keep it."""
    started = time.monotonic()
    split = config.split
    try:
        periods = splits.at_cutoff(
            past.as_of, cutoff.cut, cutoff.until, calibration_share=split.calibration_share, test_share=split.test_share,
            gap_hours=split.gap_hours,
        )  # fmt: skip
        learned = learn(config, past, periods, progress=say)
    except UserError as error:
        mend = "start later (--first), with fewer --cutoffs, or bring in more history"
        raise BadInput(f"{error.where}: {error.what}", where=f"cut-off {cutoff.date}", mend=mend) from None
    say("say what follows")
    said, ranges = _each(past, periods.test, learned, config.threads)
    said |= _rival(past, periods.test, learned, config, say)
    facts = _facts(learned, periods, time.monotonic() - started)
    kind = past.snapshot.kind.name
    if cutoff.number == 1:
        rest = np.flatnonzero(past.as_of >= cutoff.until)
        later = forecasts(learned.bundle, past, rest, threads=config.threads)[SERVED].p if len(rest) else np.empty((0, 3))
        save(Part(rest, {SERVED: later}, {}), cutoff.path(folder, kind, KEPT))
    part = Part(periods.test, said, facts, ranges)
    save(part, cutoff.path(folder, kind))
    return part


def _each(past: Past, rows: Rows, learned: Learned, threads: int) -> tuple[dict[str, Floats], Floats]:
    """The served forecast, then each single model; of blend and boosters the one that is served goes by its name as well. And
    the served one's range [n, 2] within 72 h."""
    told: dict[str, Prediction] = forecasts(learned.bundle, past, rows, panel=learned.panel, threads=threads)
    said = {name: one.p for name, one in told.items()}
    if learned.panel is not None:
        said |= {name: said[SERVED] for name in (BOOSTERS, BLENDED) if name not in said}
    return said, np.column_stack([told[SERVED].low[:, -1], told[SERVED].high[:, -1]])


def _rival(past: Past, rows: Rows, learned: Learned, config: TrainConfig, say: Say) -> dict[str, Floats]:
    """The afternoon's LightGBM on the same training rows, labelled as they were known at the cut-off; 72 h alone."""
    say(f"rival: {RIVAL.words.en}")
    fitted = learned.rows
    y = fitted.outcomes[:, -1]
    known = ~np.isnan(y)
    sample = rivals.Sample(fitted.x[known], y[known] > 0.5, fitted.weight[known], learned.bundle.catalog.specs, config.seed)
    p = RIVAL.fit(sample)(gather(past.snapshot, rows))
    return {RIVAL.name: np.column_stack([np.full((len(p), 2), np.nan), p])}


def _facts(learned: Learned, periods: splits.Periods, seconds: float) -> dict[str, Any]:
    made = learned.bundle.manifest
    failing = np.unique(learned.rows.machine[~np.isnan(learned.rows.hours_to_failure)])
    return {
        "bundle": made.bundle_id,
        "train_until": made.train_until.isoformat(),
        "calibrated_until": made.calibrated_until.isoformat(),
        "training_rows": len(learned.rows.x),
        "failing_machines": len(failing),
        "networks": [] if learned.bundle.networks is None else list(learned.bundle.networks.blend.models),
        "seconds": round(seconds, 1),
    }


def save(part: Part, path: Path, horizons: Sequence[str] = HORIZONS) -> None:
    """Write a part whole or not at all. horizons: what the columns of a forecast are called."""
    columns: dict[str, Any] = {"row": pa.array(part.rows)}
    for name, p in part.said.items():
        columns |= {f"{name}.{horizon}": pa.array(p[:, k]) for k, horizon in enumerate(horizons)}
    if len(part.ranges):
        columns |= {name: pa.array(part.ranges[:, k]) for k, name in enumerate(RANGE)}
    table = pa.table(columns).replace_schema_metadata({"said": json.dumps(list(part.said)), "facts": json.dumps(part.facts)})
    half = path.with_name(f".{path.name}.{os.getpid()}")
    pq.write_table(table, half)
    half.replace(path)


def load(path: Path, horizons: Sequence[str] = HORIZONS) -> Part | None:
    """A part that was kept; None without one, or where it is damaged and has to be made again."""
    try:
        table = pq.read_table(path)
        told = table.schema.metadata
        names, facts = json.loads(told[b"said"]), json.loads(told[b"facts"])
        said = {name: np.stack([table.column(f"{name}.{one}").to_numpy() for one in horizons], axis=1) for name in names}
        kept = [table.column(one).to_numpy() for one in RANGE if one in table.column_names]
        return Part(table.column("row").to_numpy(), said, facts, np.stack(kept, axis=1) if kept else np.empty((0, 2)))
    except (FileNotFoundError, KeyError, TypeError, ValueError, pa.ArrowInvalid, OSError):
        return None


def champion_says(home: Path, past: Past, rows: Rows, gap_hours: float, threads: int) -> tuple[str, Floats] | None:
    """(id, probabilities [n]) of the champion for ascending rows, NaN for those not later than it was fitted on.

    None without a champion. Raises NotFound or BadInput with one that cannot be asked here.
    """
    from training import pointer

    kind = past.snapshot.kind.name
    now = pointer.read_pointer(home, kind)
    if now is None:
        return None
    bundle = pointer.whole_bundle(home, kind, now.bundle)
    since = int(bundle.manifest.calibrated_until.timestamp() * 1e6) + int(gap_hours * splits.MICROS_PER_HOUR)
    later = past.as_of[rows] >= since
    found = np.full(len(rows), np.nan)
    if later.any():
        found[later] = forecasts(bundle, past, rows[later], threads=threads)[SERVED].p[:, 2]
    return bundle.manifest.bundle_id, found
