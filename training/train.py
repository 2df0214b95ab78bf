"""START HERE: a whole training run, from a snapshot to a bundle, read from top to bottom.

snapshot -> train | calibration | test -> labelled sample -> fit -> calibrate -> networks, if asked for: fit, blend, decide
-> bundle -> out-of-time predictions
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.build import Snapshot
from features.lake import Lake
from training import calibration, gbm, splits
from training.bundle import Bundle
from training.config import TrainConfig
from training.hazard import Floats
from training.model import HazardModel, Matrix, pooled
from training.panel import SERVED, Panel, forecasts, judged
from training.rows import TARGETS, Past, check_enough, gather, predictions_frame, structure_of

GOLDEN, GOLDEN_WINDOWS = 8, 3


@dataclass(frozen=True)
class Training:
    """A bundle and what it is judged by.

    predictions: one row per observation of the test period: machine_id, as_of, kind, model, y24, y48, y72 (NaN = unripe),
    followed_hours, hours_to_failure, component (which fails), p24, p48, p72, low72, high72; test_x: its features [n, features].
    train_*: the rows the model was fitted on, for rivals; the weight restores the prior. singles: where networks were fitted,
    probabilities [n, 3] of each model on its own, on the same rows; panel: those models, and what was decided of them.
    """

    bundle: Bundle
    predictions: pd.DataFrame
    test_x: Matrix
    train_x: Matrix
    train_labels: pd.DataFrame
    train_weight: npt.NDArray[np.float64]
    singles: Mapping[str, Floats] = field(default_factory=dict)
    panel: Panel | None = None


class Learned(NamedTuple):
    """A bundle, the rows that its boosters were fitted on, and where networks were fitted all single models."""

    bundle: Bundle
    rows: gbm.TrainingRows
    panel: Panel | None = None


def train_machine(
    config: TrainConfig, snapshot: Snapshot, lake: Lake, *, progress: Callable[[str], None] | None = None
) -> Training:
    """Train, calibrate on later data, predict still later data. Same inputs and seed: the same boosters, byte for byte.

    Raises BadInput if a period is empty or an interval has no failure to learn from.
    """
    snapshot.check_current()
    past = Past.of(snapshot, lake)
    periods = splits.by_time(past.as_of, **config.split.model_dump(exclude={"refit", "reporting_lag_hours"}))
    bundle, rows, panel = learn(config, past, periods, progress=progress)
    if progress:
        progress("predict the test period")
    test_x = gather(snapshot, periods.test)
    said = forecasts(bundle, past, periods.test, panel=panel, threads=config.threads)
    predictions = predictions_frame(past, lake, periods.test, said.pop(SERVED))
    train_labels = pd.DataFrame(rows.outcomes, columns=list(TARGETS))
    singles = {name: one.p for name, one in said.items()}
    return Training(bundle, predictions, test_x, rows.x, train_labels, rows.weight, singles, panel)


def learn(
    config: TrainConfig, past: Past, periods: splits.Periods, *, progress: Callable[[str], None] | None = None
) -> Learned:
    """Fit on the training period and calibrate on the next; where that one is empty, the boosters' probabilities stand.

    Rows are labelled as they were known at the start of the next period. Raises BadInput without failures to learn from.
    """
    say = progress or (lambda text: None)
    snapshot, sampling, seed, threads = past.snapshot, config.sampling, config.seed, config.threads
    rows_of = partial(past.rows, lag_hours=config.split.reporting_lag_hours)
    structure = structure_of(snapshot.kind, config.gbm)
    components = tuple(component.code for component in config.gbm.components)

    def fit_on(period: npt.NDArray[np.int64], known_until: int) -> tuple[gbm.TrainingRows, HazardModel]:
        most = sampling.max_negatives
        rows = rows_of(period, known_until=known_until, max_negatives=most, seed=seed, components=components)
        check_enough(rows, snapshot.kind)
        return rows, gbm.fit(rows, config.gbm, structure, seed=seed, threads=threads, progress=say)

    trained_on, monotone, panel = periods.train, calibration.IDENTITY, None
    rows, model = fit_on(trained_on, periods.calibration_from)

    if len(periods.calibration):
        say("calibrate")
        most = sampling.max_calibration_negatives
        unseen = rows_of(periods.calibration, known_until=periods.test_from, max_negatives=most, seed=seed + 1)
        monotone = calibrate(config, model, rows, unseen)
        if config.network is not None:
            panel = judged(config, past, periods, model, monotone, progress=say)
        if config.split.refit:
            say("fit again, with the calibration period")
            trained_on = np.flatnonzero(past.as_of <= past.as_of[periods.calibration].max())
            rows, model = fit_on(trained_on, periods.test_from)

    facts = past.facts(trained_on, periods.calibration, config.model_dump(mode="json"))
    golden = np.arange(0, len(rows.x), max(1, len(rows.x) // GOLDEN))[:GOLDEN]
    entered = None if panel is None else panel.entered(past, rows.at[golden[:GOLDEN_WINDOWS]])
    return Learned(Bundle.assemble(model, monotone, facts, rows.x[golden], entered), rows, panel)


def calibrate(
    config: TrainConfig, model: HazardModel, rows: gbm.TrainingRows, unseen: gbm.TrainingRows
) -> calibration.Calibration:
    """The map from rows later than the model saw and, where the config says so, from its own, left out in turn."""
    scores, outcomes = model.point_scores(unseen.x, threads=config.threads), unseen.outcomes
    weight, machine = unseen.weight, unseen.machine
    if config.calibration.left_out:
        apart = gbm.left_out(rows, config.gbm, model.structure, seed=config.seed)
        once = apart.any(axis=1)
        own = pooled(model.member_scores(rows.x[once], threads=config.threads), apart[once])
        scores, outcomes = np.concatenate([own, scores]), np.concatenate([rows.outcomes[once], outcomes])
        weight, machine = np.concatenate([rows.weight[once], weight]), np.concatenate([rows.machine[once], machine])
    return calibration.fit(scores, outcomes, weight, machine, config.calibration, on=config.calibrated_on)
