"""START HERE: a whole training run of the enterprise scores, read from top to bottom.

snapshot -> train | calibration | test -> rows of periods -> models -> blend and distribution on later rows -> fit again
-> out-of-time forecasts
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.clock import micros
from features.enterprise.catalog import catalog
from features.errors import BadInput
from features.lake import Lake
from features.snapshots import Snapshot
from training.count_blend import fit_blend
from training.enterprise.config import EnterpriseConfig, PeriodsConfig
from training.enterprise.linear import fit_linear
from training.enterprise.model import ALARM, FREE, LINEAR, SIGNED, Models, Risk, ScoreFacts, Which
from training.enterprise.parts import INTERVAL, RECORD, STRETCHES, Floats, Matrix, Rows
from training.enterprise.rows import Past
from training.enterprise.sequence_fit import Heard, Period, heard_of
from training.enterprise.sequences import windows_of
from training.enterprise.unlike import Unlike
from training.frequency import Boosted, CountRows, fit_boosted, grouped

SCORES: dict[Which, tuple[str, ...]] = {"price": (LINEAR, SIGNED), "alarm": (LINEAR, SIGNED, FREE)}
# Whatever a score may see, more hazards that an enterprise reports of itself never raise it: reporting is what a service wants.
HONEST = {name: sign for name, sign in catalog().directions.items() if name.startswith("hazard_self") and sign < 0}
_FEWEST = 30  # accidents that a run needs before its calibration, and in it
Say = Callable[[str], None]


class Cuts(NamedTuple):
    """Rows of the three periods in time order, and the microseconds at which the later two begin."""

    train: Rows
    calibration: Rows
    test: Rows
    calibration_from: int
    test_from: int


@dataclass(frozen=True)
class Learned:
    """Models and what they were fitted on. heard: of a network that was tried, what was decided."""

    models: Models
    rows: CountRows
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
    scores = {which: _levelled(facts, said, rows) for which, facts in scores.items()}
    models = Models(last.linear, last.boosters, scores)
    if heard is not None:
        heard = heard.levelled(past, Period.of(config, past, both, cuts.test_from, rows, said), scores)
        models = replace(models, network=heard.model if heard.enters else None)
    return Learned(models, rows, cuts, heard)


def without(config: EnterpriseConfig, learned: Learned, patterns: tuple[str, ...]) -> Models:
    """The models of the price as they would be without some features: what these add is what is lost."""
    blind = config.model_copy(update={"unseen": (*config.unseen, *patterns)})
    linear = config.linear.model_copy(update={"penalties": (learned.models.linear.penalty,)})
    fitted = fit_models(blind.model_copy(update={"linear": linear}), learned.rows, progress=lambda text: None, names=(SIGNED,))
    said = fitted.said(learned.rows.x, learned.rows.exposure, threads=config.threads)
    return Models(fitted.linear, fitted.boosters, {"price": _levelled(learned.models.scores["price"], said, learned.rows)})


def _levelled(facts: ScoreFacts, said: Mapping[str, Floats], rows: CountRows) -> ScoreFacts:
    """The blend at the level of the rows that its models were fitted on, which hold the latest accidents already."""
    blend = facts.blend.model_copy(update={"level": 0.0})
    expected = float(rows.weights @ blend.expected(said, rows.exposure))
    level = float(np.log(float(rows.weights @ rows.count) / expected))
    return facts.model_copy(update={"blend": blend.model_copy(update={"level": level})})


def fit_models(config: EnterpriseConfig, rows: CountRows, *, progress: Say, names: tuple[str, ...] = (SIGNED, FREE)) -> Models:
    """The log-linear model and the sorts of boosters named on the same rows, not yet blended."""
    seed, threads = config.seed, config.threads
    charged, signs = charged_of(config)
    progress("log-linear model with signs")
    linear = fit_linear(rows, charged, directions=signs, **config.linear.model_dump(), seed=seed)
    boosters: dict[str, tuple[tuple[int, ...], Boosted]] = {}
    for name, seen, monotone, how in (
        (SIGNED, charged, signs, config.price.boosters),
        (FREE, [name for name in rows.names if config.sees(name)], HONEST, config.alarm.boosters),
    ):
        if name not in names:
            continue
        progress(f"{name} boosters")
        columns = tuple(place for place, feature in enumerate(rows.names) if feature in set(seen))
        boosters[name] = (columns, fit_boosted(_seen(rows, columns), how, monotone=monotone, seed=seed, threads=threads))
    return Models(linear, boosters, {})


def charged_of(config: EnterpriseConfig) -> tuple[list[str], dict[str, int]]:
    """The features that a price may look at, the number of the stretch behind them, and the directions that it keeps."""
    features = catalog()
    charged = [name for name in features.charged if config.sees(name)]
    return [*charged, INTERVAL], {name: features.directions[name] for name in charged if features.directions[name]}


def _seen(rows: CountRows, columns: tuple[int, ...]) -> CountRows:
    """The same rows with some of the features."""
    return CountRows(
        np.ascontiguousarray(rows.x[:, columns]), tuple(rows.names[place] for place in columns),
        tuple(columns.index(place) for place in rows.categorical if place in columns),
        rows.exposure, rows.count, rows.group, rows.weight,
    )  # fmt: skip


def earliest(enterprise: Rows, period: Rows) -> Rows:
    """The first row of each enterprise in a period whose rows stand by enterprise and time."""
    return period[np.unique(enterprise[period], return_index=True)[1]]


def left_out(config: EnterpriseConfig, rows: CountRows, asked: Sequence[CountRows], penalty: float) -> list[dict[str, Floats]]:
    """What each model expects of rows of enterprises that it was not fitted on, for each set of rows asked about.

    Two members of each sort of boosters will do: they speak of the mean alone.
    """
    told = {which: getattr(config, which) for which in SCORES}
    few = {
        which: one.model_copy(update={"boosters": one.boosters.model_copy(update={"members": 2})})
        for which, one in told.items()
    }
    linear = config.linear.model_copy(update={"penalties": (penalty,)})
    quick = config.model_copy(update={"linear": linear, **few})
    names = np.unique(np.concatenate([part.group for part in (rows, *asked)]))
    fold = np.full(int(names.max()) + 1, -1)
    fold[names] = grouped(names, config.linear.folds, config.seed)
    found: list[dict[str, Floats]] = [{} for _ in asked]
    for number in range(config.linear.folds):
        own = fit_models(quick, rows.of(fold[rows.group] != number), progress=lambda text: None)
        for part, said in zip(asked, found, strict=True):
            chosen = fold[part.group] == number
            for name, one in own.said(part.x[chosen], part.exposure[chosen], threads=config.threads).items():
                said.setdefault(name, np.empty(len(part)))[chosen] = one
    return found


Told = tuple[CountRows, Mapping[str, Floats]]


def blended(config: EnterpriseConfig, unseen: Sequence[Told], once: Sequence[Told]) -> dict[str, ScoreFacts]:
    """Blend and unlikeness of both scores from what models expect of rows that they did not see.

    once: the same, of rows that tell each accident of an enterprise once.
    """
    exposure, count, weight = (
        np.concatenate([getattr(rows, name) for rows, _ in unseen]) for name in ("exposure", "count", "weights")
    )
    scores: dict[str, ScoreFacts] = {}
    towards: dict[str, float] | None = None
    for which, names in SCORES.items():
        said = {name: np.concatenate([told[name] for _, told in unseen]) for name in names}
        blend = fit_blend(said, exposure, count, weight, pull=getattr(config, which).pull, towards=towards)
        parts = [
            _by_enterprise(rows, blend.expected({name: told[name] for name in names}, rows.exposure)) for rows, told in once
        ]
        unlike = Unlike.fit(*(np.concatenate(part) for part in zip(*parts, strict=True)))
        scores[which] = ScoreFacts(blend=blend, unlike=unlike)
        # What sees everything has to earn its say beside what is monotone.
        towards = {**blend.weights, FREE: 0.0}
    return scores


def _by_enterprise(rows: CountRows, expected: Floats) -> tuple[Floats, Floats, Floats]:
    """Of each enterprise the number that came, the number expected, and that expected over its record.

    Rows of an enterprise are stretches that follow each other, so that every accident counts once.
    """
    place = np.unique(rows.group, return_inverse=True)[1]
    record = np.nan_to_num(rows.x[:, rows.names.index(RECORD)].astype(np.float64))
    came, awaited, spent, weighed = (
        np.asarray(np.bincount(place, one), dtype=np.float64)
        for one in (rows.count, expected, rows.exposure, rows.exposure * record)
    )
    return came, awaited, awaited / spent * (weighed / spent)


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
