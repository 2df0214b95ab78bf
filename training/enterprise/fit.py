"""START HERE: a whole training run of the enterprise scores, read from top to bottom.

snapshot -> train | calibration | test -> rows of periods -> models -> blend and distribution on later rows -> fit again
-> out-of-time forecasts
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.clock import micros
from features.errors import BadInput
from features.lake import Lake
from features.snapshots import Snapshot
from training.enterprise.config import EnterpriseConfig, PeriodsConfig
from training.enterprise.fitting import Say, blended, earliest, fit_models, left_out, levelled
from training.enterprise.model import ALARM, SCORES, SIGNED, Models, Risk, Which
from training.enterprise.parts import RECORD, STRETCHES, Floats, Matrix, Rows
from training.enterprise.rows import Past
from training.enterprise.sequence_fit import Heard, Period, heard_of
from training.enterprise.sequences import windows_of
from training.frequency import CountRows

YEAR = 365 * 86_400_000_000  # microseconds
_FEWEST = 30  # accidents that a run needs before its calibration, and in it


class Cuts(NamedTuple):
    """Rows of the three periods in time order, and the microseconds at which the later two begin."""

    train: Rows
    calibration: Rows
    test: Rows
    calibration_from: int
    test_from: int


@dataclass(frozen=True)
class Learned:
    """Models and what they were fitted on. latest: of these rows those of the last year, at whose level they speak; heard: of a
    network that was tried, what was decided."""

    models: Models
    rows: CountRows
    latest: CountRows
    cuts: Cuts
    heard: Heard | None = None


@dataclass(frozen=True)
class Training:
    """Models and what they are judged by: forecasts of the test period's rows, in the order of `cuts.test`.

    labels: what came (see `Past.labels`); said: by score; x: features; exposure: announced worker-years per year.
    """

    learned: Learned
    past: Past
    labels: pd.DataFrame
    said: Mapping[Which, Risk]

    @property
    def test(self) -> Rows:
        return self.learned.cuts.test

    @property
    def x(self) -> Matrix:
        return self.past.x[self.test]

    @property
    def exposure(self) -> Floats:
        return self.past.exposure[self.test]


def train_enterprise(config: EnterpriseConfig, snapshot: Snapshot, lake: Lake, *, progress: Say | None = None) -> Training:
    """Train, blend on later rows, forecast still later ones. Same inputs and seed: the same models, byte for byte.

    Raises BadInput if a period is empty or holds too few accidents to learn from.
    """
    snapshot.check_current()
    say = progress or (lambda text: None)
    say("read features and accidents")
    past = Past.of(snapshot, lake)
    learned = learn(config, past, periods(past.as_of, config.periods), progress=say)
    say("forecast the test period")
    labels = past.labels(lag_days=config.periods.reporting_lag_days).iloc[learned.cuts.test].reset_index(drop=True)
    said = {which: forecast(learned.models, past, learned.cuts.test, which, threads=config.threads) for which in SCORES}
    return Training(learned, past, labels, said)


def learn(config: EnterpriseConfig, past: Past, cuts: Cuts, *, progress: Say | None = None) -> Learned:
    """Fit on the training period, blend on rows that models did not see (the calibration period, and in the training period
    enterprises left out in turn), fit again on both.

    Rows are labelled as they were known at the start of the next period. Raises BadInput with too few accidents.
    """
    say = progress or (lambda text: None)
    lag = config.periods.reporting_lag_days

    def rows_of(period: Rows, known_until: int, name: str) -> CountRows:
        rows = past.counted(period, past.labels(known_until, lag_days=lag))
        soon = rows.x[:, -1] == 0  # of the first stretches, which follow each other, every accident is told once
        came = STRETCHES * float(rows.weights[soon] @ rows.count[soon])
        if came < _FEWEST:
            what = f"{came:.0f} accidents in the {name} period"
            raise BadInput(what, where=f"snapshot {past.snapshot.id}", mend="take more enterprises or a longer history")
        return rows

    train = rows_of(cuts.train, cuts.calibration_from, "training")
    first = fit_models(config, train, progress=say)
    say("blend on later rows, and on enterprises left out in turn")
    later = rows_of(cuts.calibration, cuts.test_from, "calibration")
    before, after = (
        past.counted(earliest(past.enterprise, period), past.labels(until, lag_days=lag))
        for period, until in ((cuts.train, cuts.calibration_from), (cuts.calibration, cuts.test_from))
    )
    apart, apart_before = left_out(config, train, (train, before), first.linear.penalty)
    said, said_after = (first.said(rows.x, rows.exposure, threads=config.threads) for rows in (later, after))
    scores = blended(config, ((train, apart), (later, said)), ((before, apart_before), (after, said_after)))
    known = [(cuts.train, cuts.calibration_from, train, apart), (cuts.calibration, cuts.test_from, later, said)]
    heard = heard_of(config, past, known, scores, progress=say) if config.network else None
    say("fit again, with the calibration period")
    both = np.concatenate([cuts.train, cuts.calibration])
    rows = rows_of(both, cuts.test_from, "training")
    last = fit_models(config, rows, progress=say)
    said = last.said(rows.x, rows.exposure, threads=config.threads)
    latest = past.counted(both[past.as_of[both] >= cuts.test_from - YEAR], past.labels(cuts.test_from, lag_days=lag))
    said_latest = last.said(latest.x, latest.exposure, threads=config.threads)
    scores = {which: levelled(facts, said_latest, latest) for which, facts in scores.items()}
    models = Models(last.linear, last.boosters, scores)
    if heard is not None:
        heard = heard.levelled(past, Period.of(config, past, both, cuts.test_from, rows, said), scores)
        models = replace(models, network=heard.model if heard.enters else None)
    return Learned(models, rows, latest, cuts, heard)


def without(config: EnterpriseConfig, learned: Learned, patterns: tuple[str, ...]) -> Models:
    """The models of the price as they would be without some features: what these add is what is lost."""
    blind = config.model_copy(update={"unseen": (*config.unseen, *patterns)})
    linear = config.linear.model_copy(update={"penalties": (learned.models.linear.penalty,)})
    fitted = fit_models(blind.model_copy(update={"linear": linear}), learned.rows, progress=lambda text: None, names=(SIGNED,))
    latest = learned.latest
    said = fitted.said(latest.x, latest.exposure, threads=config.threads)
    return Models(fitted.linear, fitted.boosters, {"price": levelled(learned.models.scores["price"], said, latest)})


def forecast(models: Models, past: Past, rows: Rows, which: Which, *, ranges: bool = True, threads: int = 1) -> Risk:
    """What a score says of rows of the past."""
    record = past.x[:, past.snapshot.features.index(RECORD)].astype(np.float64)[rows]
    windows = windows_of(models.network, past, rows) if which == ALARM else None
    return models.risk(
        which, past.x[rows], past.exposure[rows], np.nan_to_num(record), sequences=windows, ranges=ranges, threads=threads
    )


def periods(as_of: npt.NDArray[np.int64], config: PeriodsConfig) -> Cuts:
    """Rows before, between and after two cuts. No gap is needed: rows are followed to the cut at most.

    Raises BadInput if a period would be empty or the dates are out of order.
    """
    if not len(as_of):
        raise BadInput("no observations to split", where="splits", mend="build a larger snapshot")
    begin, end = int(as_of.min()), int(as_of.max()) + 1
    shares = (config.calibration_share + config.test_share, config.test_share)
    dates = (config.calibration_from, config.test_from)
    first, second = (
        micros(date) if date else end - round((end - begin) * share) for date, share in zip(dates, shares, strict=True)
    )
    if first >= second:
        raise BadInput("calibration starts at or after the test", where="periods", mend="set calibration_from before test_from")
    found = Cuts(
        np.flatnonzero(as_of < first), np.flatnonzero((as_of >= first) & (as_of < second)), np.flatnonzero(as_of >= second),
        first, second,
    )  # fmt: skip
    for name in ("train", "calibration", "test"):
        if not len(getattr(found, name)):
            raise BadInput(f"the {name} period holds no observation", where="periods", mend="a longer history or other dates")
    return found
