"""Everything a run's report says, computed: figures with intervals, gains over the rivals on the same rows, curves.

Nothing here draws. All forecasts are judged on the same ripe rows and the same resamples of machines, so every difference is
paired. The first forecast is the model under test; the others are its rivals.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from training import alarms, ceiling, metrics
from training.ceiling import ORACLE, Ceiling
from training.intervals import Band, Draws, Interval, draw, never_certain, resample, simultaneous
from training.metrics import Floats, Rows
from training.slopes import calibration_line
from training.truth import Truth

HORIZONS = (24, 48, 72)
THIRD_DAY = "48-72"
Probabilities = npt.NDArray[np.floating]
Figures = dict[str, dict[str, Interval]]


@dataclass(frozen=True)
class Settings:
    """How to evaluate. budgets: shares of the observations that may alarm, the first leads; ahead_hours: what is early."""

    replicates: int = 400
    seed: int = 20
    budgets: tuple[float, ...] = (0.05, 0.01, 0.001)
    ahead_hours: float = 51.0
    fresh_days: float = 30.0
    lists: tuple[int, ...] = (5, 10, 20)
    segments: int = 8


@dataclass(frozen=True)
class Calibration:
    """Reliability of the model at one horizon: bins of equal events and their simultaneous band of observed / expected."""

    predicted: Floats
    observed: Floats
    events: Floats
    expected: Floats
    ratio: Band
    slope: Interval
    intercept: Interval
    overall: Interval

    @property
    def holds(self) -> bool:
        """All bins' intervals contain 1 at once."""
        return self.ratio.all_contain(1.0)


@dataclass(frozen=True)
class Horizon:
    """One horizon: the rows, every forecast's figures, the model's gains over each rival, curves and calibration."""

    name: str
    rows: int
    events: int
    base_rate: float
    figures: Figures
    gains: Figures
    curves: dict[str, tuple[Floats, Floats]]
    calibration: Calibration | None


@dataclass(frozen=True)
class Budget:
    """Alarms on one share of the observations: figures and gains, and the model's lead times (hours, NaN = missed)."""

    share: float
    figures: Figures
    gains: Figures
    lead_hours: Floats


@dataclass(frozen=True)
class Segment:
    """A machine model on its own: a good average may hide a segment where the probabilities are wrong."""

    name: str
    machines: int
    rows: int
    events: int
    figures: dict[str, Interval]
    curve: tuple[Floats, Floats]
    reliability: tuple[Floats, Floats]


@dataclass(frozen=True)
class Evaluation:
    """What a run's report shows. `model` is the forecast under test, `names` all forecasts in order.

    singles: those that it is blended of. ceiling: where the truth is known; then the oracle is the last of the forecasts.
    """

    model: str
    names: tuple[str, ...]
    machines: int
    failures: int
    machine_months: float
    first: pd.Timestamp
    last: pd.Timestamp
    horizons: tuple[Horizon, ...]
    budgets: tuple[Budget, ...]
    alarm_curves: dict[str, alarms.AlarmCurve]
    lists: dict[str, tuple[alarms.TopK, ...]]
    segments: tuple[Segment, ...]
    settings: Settings = field(default_factory=Settings)
    ceiling: Ceiling | None = None
    singles: tuple[str, ...] = ()

    @property
    def rivals(self) -> tuple[str, ...]:
        """The forecasts that anyone could have made: neither the model, nor what it is blended of, nor the oracle."""
        return tuple(name for name in self.names if name not in (self.model, ORACLE, *self.singles))

    def horizon(self, name: str) -> Horizon:
        return next(one for one in self.horizons if one.name == name)


def evaluate(
    frame: pd.DataFrame,
    forecasts: Mapping[str, Probabilities],
    settings: Settings | None = None,
    *,
    truth: Truth | None = None,
    singles: Sequence[str] = (),
) -> Evaluation:
    """Judge forecasts on one out-of-time frame.

    frame: machine_id, as_of (aware), model, y24, y48, y72 (NaN = unripe), hours_to_failure, optional weight.
    forecasts: name -> probabilities [n, 3] at 24, 48, 72 h; the first is the model under test.
    singles: forecasts that the model is blended of, no rivals. truth: of the frame's rows, where the fleet is simulated; the
    frame then has low72, high72 and component as well.
    Raises ValueError if no ripe row or no failure is left to judge by.
    """
    settings = settings or Settings()
    if truth is not None:
        forecasts = {**forecasts, ORACLE: truth.p}
    codes, names = pd.factorize(frame["machine_id"], sort=True)
    machine, machines = codes.astype(np.int32), len(names)
    weight = frame["weight"].to_numpy(np.float64) if "weight" in frame else np.ones(len(frame))
    resamples = resample(machines, settings.replicates, settings.seed)
    known = ~np.isnan(frame["y72"].to_numpy(np.float64))
    if not known.any() or not (frame["y72"].to_numpy(np.float64)[known] > 0.5).any():
        raise ValueError("no failure among the ripe observations: nothing to judge by")
    as_of = frame["as_of"].dt.as_unit("us").astype("int64").to_numpy()
    line = alarms.timeline(
        np.asarray(names, dtype=object), machine[known], as_of[known], frame["y72"].to_numpy()[known] > 0.5,
        frame["hours_to_failure"].to_numpy(np.float64)[known], weight[known],
    )  # fmt: skip
    last = {name: np.asarray(p)[known, 2] for name, p in forecasts.items()}
    model, p = next(iter(forecasts.items()))
    horizons = [
        _horizon(str(hours), machine, machines, frame[f"y{hours}"].to_numpy(np.float64), weight, column, forecasts, resamples)
        for column, hours in enumerate(HORIZONS)
    ]
    first, parts = settings.budgets[0], {name: np.asarray(forecasts[name], dtype=np.float64) for name in singles}
    late = np.where(frame["y48"].to_numpy(np.float64) == 0, frame["y72"].to_numpy(np.float64), np.nan)
    horizons.append(_horizon(THIRD_DAY, machine, machines, late, weight, 2, forecasts, resamples))
    return Evaluation(
        model=model,
        names=tuple(forecasts),
        machines=machines,
        failures=line.events,
        machine_months=line.machine_months,
        first=frame["as_of"].min(),
        last=frame["as_of"].max(),
        horizons=tuple(one for one in horizons if one is not None),
        budgets=tuple(_budget(share, line, last, resamples, settings) for share in settings.budgets),
        alarm_curves={name: alarms.alarm_curve(line, p) for name, p in last.items()},
        lists={name: tuple(alarms.top_k(line, p, k) for k in settings.lists) for name, p in last.items()},
        segments=_segments(frame, machine, machines, weight, np.asarray(p)[:, 2], resamples, settings),
        settings=settings,
        ceiling=None if truth is None else ceiling.against(frame, machine, np.asarray(p), truth, line, resamples, first, parts),
        singles=tuple(singles),
    )


def row_statistics(rows: Rows, p: Probabilities, rank: metrics.Ranking | None = None) -> dict[str, metrics.Statistic]:
    """The row metrics of one forecast by name. rank: its ranking, where it was made already."""
    rank = rank or metrics.ranking(rows, p)
    return {
        "auc": rank.auc(),
        "ap": rank.average_precision(),
        "brier_skill": metrics.brier_skill(rows, p),
        "log_loss": metrics.log_loss(rows, p),
    }


def compare(drawn: Mapping[str, Mapping[str, Draws]]) -> tuple[Figures, Figures]:
    """Figures of every forecast and the paired gains of the first over each other, with 95 % intervals."""
    model, *rivals = drawn
    figures = {name: {key: one.interval() for key, one in of.items()} for name, of in drawn.items()}
    gains = {rival: {key: drawn[model][key].minus(one).interval() for key, one in drawn[rival].items()} for rival in rivals}
    return figures, gains


def calibrate(rows: Rows, p: Probabilities, resamples: Floats) -> Calibration:
    """Bins of equal events with their simultaneous band, slope, intercept and observed over expected."""
    bins = metrics.reliability(rows, p, bins=max(2, min(10, rows.events // 3)))
    band = simultaneous(bins.log_ratio(metrics.once(rows.machines))[0], bins.log_ratio(resamples), bins.chance)
    slope, intercept = calibration_line(rows, p)
    return Calibration(
        bins.predicted, bins.observed, bins.events, bins.expected,
        Band(np.exp(band.value), np.exp(band.low), np.exp(band.high)),
        draw(slope, resamples).interval(), draw(intercept, resamples).interval(),
        draw(metrics.observed_over_expected(rows, p), resamples).interval(),
    )  # fmt: skip


def _horizon(
    name: str,
    machine: npt.NDArray[np.int32],
    machines: int,
    y: Floats,
    weight: Floats,
    column: int,
    forecasts: Mapping[str, Probabilities],
    resamples: Floats,
) -> Horizon | None:
    rows, known = metrics.ripe(machine, machines, y, weight)
    if not rows.events:
        return None
    drawn: dict[str, dict[str, Draws]] = {}
    curves = {}
    for forecast, p in forecasts.items():
        score = np.asarray(p)[known, column]
        rank = metrics.ranking(rows, score)
        drawn[forecast] = {key: draw(one, resamples) for key, one in row_statistics(rows, score, rank).items()}
        curves[forecast] = rank.curve()[:2]
    figures, gains = compare(drawn)
    model = np.asarray(next(iter(forecasts.values())))[known, column]
    # p72 is not the probability of a failure on the third day given two quiet ones, so it is ranked there, not calibrated.
    calibration = None if name == THIRD_DAY else calibrate(rows, model, resamples)
    return Horizon(name, len(rows.y), rows.events, rows.base_rate, figures, gains, curves, calibration)


def _budget(
    share: float, line: alarms.Timeline, scores: Mapping[str, Probabilities], resamples: Floats, settings: Settings
) -> Budget:
    drawn: dict[str, dict[str, Draws]] = {}
    leads = np.empty(0)
    for place, (name, score) in enumerate(scores.items()):
        alarm = alarms.alarms(line, score, share)
        if place == 0:
            leads = alarms.longest_lead(line, alarm)
        drawn[name] = {
            "event_recall": draw(alarms.event_recall(line, alarm), resamples),
            "event_recall_ahead": draw(alarms.event_recall(line, alarm, settings.ahead_hours), resamples),
            "fresh_share": draw(alarms.fresh_share(line, alarm, settings.fresh_days), resamples),
            "false_alarms": draw(alarms.false_alarms_per_month(line, alarm), resamples),
        }
    figures, gains = compare(drawn)
    witnesses = len(np.unique(line.event_machine))
    for one in figures.values():
        one |= {key: never_certain(one[key], witnesses) for key in one if key != "false_alarms"}
    return Budget(share, figures, gains, leads)


def _segments(
    frame: pd.DataFrame,
    machine: npt.NDArray[np.int32],
    machines: int,
    weight: Floats,
    p: Probabilities,
    resamples: Floats,
    settings: Settings,
) -> tuple[Segment, ...]:
    """The machine models with most failures; at least 5 positive rows each."""
    y = frame["y72"].to_numpy(np.float64)
    model, names = pd.factorize(frame["model"], sort=True, use_na_sentinel=True)
    events = np.bincount(model[(y > 0.5) & (model >= 0)], minlength=len(names))
    found = []
    for code in [code for code in np.argsort(-events, kind="stable") if events[code] >= 5][: settings.segments]:
        inside = model == code
        rows, known = metrics.ripe(machine[inside], machines, y[inside], weight[inside])
        score = p[inside][known]
        rank = metrics.ranking(rows, score)
        figures = {
            "auc": draw(rank.auc(), resamples).interval(),
            "ap": draw(rank.average_precision(), resamples).interval(),
            "observed_over_expected": draw(metrics.observed_over_expected(rows, score), resamples).interval(),
        }
        recall, precision, _ = rank.curve()
        bins = metrics.reliability(rows, score, bins=max(2, min(10, rows.events // 5)))
        size = len(np.unique(rows.machine)), len(rows.y), rows.events
        found.append(Segment(str(names[code]), *size, figures, (recall, precision), (bins.predicted, bins.observed)))
    return tuple(found)
