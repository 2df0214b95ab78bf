"""Rolling origin of the enterprise scores: learnt at each cut-off from what was known then, judged on the rows until the next.

cut-offs -> (at each: labels known then -> learn -> both scores and the rivals say what follows -> kept on disk) -> figures over
time. Features are those of one snapshot, computed once. A finished cut-off is kept under home/backtests/parts and taken from
there by any later run with the same snapshot, experiment and dates.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.enterprise.catalog import EVERY, catalog
from features.errors import BadInput, UserError
from training.backtest import KEPT, Cutoff, Part, load, save
from training.enterprise import rivals
from training.enterprise.config import EnterpriseConfig, PeriodsConfig
from training.enterprise.evaluation import Judged, judge
from training.enterprise.fit import Cuts, Learned, forecast, learn
from training.enterprise.parts import Floats, Rows
from training.enterprise.rows import Past, moment
from training.enterprise.words import ALARM, PRICE
from training.labels import HORIZON_DAYS
from training.manifest import canonical, sha256

FORMAT = 1
HORIZONS = tuple(f"expected{days:g}" for days in HORIZON_DAYS)
AGAINST = [(PRICE, KEPT), (PRICE, rivals.GLM), (PRICE, rivals.BOOSTED), (PRICE, rivals.INDUSTRY), (PRICE, rivals.RATE),
           (ALARM, rivals.GLM), (ALARM, rivals.BOOSTED), (ALARM, PRICE)]  # fmt: skip
_LONGEST = len(HORIZON_DAYS) - 1
Say = Callable[[str], None]


@dataclass(frozen=True)
class Run:
    """All cut-offs of one backtest with what was said of the rows after each. kept: the first price score on all of them."""

    id: str
    cutoffs: tuple[Cutoff, ...]
    parts: tuple[Part, ...]

    @cached_property
    def rows(self) -> Rows:
        """Row numbers of the snapshot, cut-off by cut-off."""
        return np.concatenate([part.rows for part in self.parts])

    def said(self) -> dict[str, Floats]:
        """By forecast the expected numbers [n, 3] of all rows."""
        return {name: np.concatenate([part.said[name] for part in self.parts]) for name in self.parts[0].said}


@dataclass(frozen=True)
class OverTime:
    """together: by horizon, over all rows; periods: of the longest horizon, None where no accident came."""

    together: tuple[Judged, ...]
    periods: tuple[Judged | None, ...]


def rolling(past: Past, config: EnterpriseConfig, cuts: Sequence[int], folder: Path, *, progress: Say | None = None) -> Run:
    """Learn at each cut-off (microseconds, ascending) and keep what is said of the rows until the next.

    Raises BadInput naming the cut-off at which there is too little to learn from.
    """
    say = progress or (lambda text: None)
    folder.mkdir(parents=True, exist_ok=True)
    planned = plan(past, config, cuts)
    parts: list[Part] = []
    first: Learned | None = None
    for cutoff in planned:
        head = f"cut-off {cutoff.number} of {len(planned)}, {cutoff.date}"
        part = load(cutoff.path(folder, EVERY.name), HORIZONS)
        if part is None:
            if first is None and cutoff.number > 1:
                say(f"cut-off 1 once more, {planned[0].date}: what it would have said of later rows")
                first = _learnt(past, config, planned[0], say)
            learned = _learnt(past, config, cutoff, partial(_headed, say, head))
            first = first or learned
            part = _said(past, config, learned, first)
            save(part, cutoff.path(folder, EVERY.name), HORIZONS)
        else:
            say(f"{head}: kept from an earlier run")
        parts.append(part)
    name = sha256(canonical([cutoff.digest for cutoff in planned]))[:12]
    return Run(f"backtest-{EVERY.name}-{moment(planned[-1].until):%Y%m%d}-{name}", planned, tuple(parts))


def plan(past: Past, config: EnterpriseConfig, cuts: Sequence[int]) -> tuple[Cutoff, ...]:
    """The cut-offs with the digest of everything that their answers follow from."""
    asked = config.model_dump(mode="json", exclude={"threads", "name", "ablations"})
    ends = [*cuts, int(past.as_of.max()) + 1]
    found = []
    for number, (cut, until) in enumerate(pairwise(ends), start=1):
        origin = [FORMAT, past.snapshot.id, catalog().hash, asked, cut, until, cuts[0]]
        found.append(Cutoff(number, cut, until, sha256(canonical(origin))[:16]))
    return tuple(found)


def cuts_at(past: Past, cut: int, until: int, config: PeriodsConfig) -> Cuts:
    """Train | calibration before a cut-off, in the proportion of an ordinary run; test: the rows from it until the next.

    Raises BadInput if one of them is empty.
    """
    begin = int(past.as_of.min())
    start = cut - round((cut - begin) * config.calibration_share / (1.0 - config.test_share))
    spans = ((begin, start), (start, cut), (cut, until))
    train, calibration, test = (np.flatnonzero((past.as_of >= low) & (past.as_of < high)) for low, high in spans)
    for name, rows in (("train", train), ("calibration", calibration), ("test", test)):
        if not len(rows):
            raise BadInput(f"the {name} period holds no observation", where="splits", mend="a longer history or other dates")
    return Cuts(train, calibration, test, start, cut)


def judged(run: Run, past: Past, config: EnterpriseConfig, *, replicates: int = 400) -> OverTime:
    """Figures over all rows and period by period. Raises ValueError if no accident came after any cut-off."""
    labels = past.labels(lag_days=config.periods.reporting_lag_days)
    said, rows = run.said(), run.rows

    def of(chosen: Rows, horizon: int) -> Judged:
        at = rows[chosen]
        told = {name: one[chosen] for name, one in said.items()}
        mine: pd.DataFrame = labels.iloc[at].reset_index(drop=True)
        return judge(
            mine, told, past.exposure[at], past.enterprise[at], horizon=horizon, against=AGAINST, replicates=replicates
        )

    everything = np.arange(len(rows))
    together = tuple(of(everything, horizon) for horizon in range(len(HORIZON_DAYS)))
    stretch = np.repeat(np.arange(len(run.parts)), [len(part.rows) for part in run.parts])
    periods: list[Judged | None] = []
    for number in range(len(run.parts)):
        try:
            periods.append(of(np.flatnonzero(stretch == number), _LONGEST))
        except ValueError:
            periods.append(None)
    return OverTime(together, tuple(periods))


def _headed(say: Say, head: str, text: str) -> None:
    say(f"{head}: {text}")


def _learnt(past: Past, config: EnterpriseConfig, cutoff: Cutoff, say: Say) -> Learned:
    try:
        return learn(config, past, cuts_at(past, cutoff.cut, cutoff.until, config.periods), progress=say)
    except UserError as error:
        mend = "start later (--first), with fewer --cutoffs, or bring in more history"
        raise BadInput(f"{error.where}: {error.what}", where=f"cut-off {cutoff.date}", mend=mend) from None


def _said(past: Past, config: EnterpriseConfig, learned: Learned, first: Learned) -> Part:
    """Both scores, the first price score kept, and the rivals fitted on the same rows, of the rows until the next cut-off."""
    started = time.monotonic()
    rows, threads = learned.cuts.test, config.threads

    def asked(of: Learned, which: Any) -> Floats:
        return forecast(of.models, past, rows, which, ranges=False, threads=threads).expected

    said = {which: asked(learned, which) for which in (PRICE, ALARM)}
    found: dict[str, Floats] = {**said, KEPT: said[PRICE] if first is learned else asked(first, PRICE)}
    fitted = rivals.fit_rivals(learned.rows, seed=config.seed, threads=threads)
    found |= rivals.forecasts(fitted, past.x[rows], past.exposure[rows])
    known = np.concatenate([learned.cuts.train, learned.cuts.calibration])
    facts = {
        "train_until": moment(int(past.as_of[known].max())).isoformat(),
        "training_rows": len(known),
        "enterprises": len(np.unique(past.enterprise[known])),
        "seconds": round(time.monotonic() - started, 1),
    }
    return Part(rows, found, facts)
