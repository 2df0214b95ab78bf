"""What a trial is worth: the loss of its models on later stretches of the training period; nothing later is ever seen."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from training import gbm, sequence_fit, splits
from training.blend import log_losses
from training.config import TrainConfig
from training.gbm import TrainingRows
from training.hazard import INTERVAL_ENDS, Floats, held, interval_outcomes
from training.model import Structure
from training.rows import Past, Rows, structure_of
from training.splits import Fold, Periods

MEMBERS = 2  # of the boosters while they are tuned: enough to rank settings by, and a third of the time
STRETCHES = 0.5  # of the training period, its end, is what folds are judged on
Tell = Callable[[str], None]
# Told (step, loss so far) on the way; what it raises ends the trial.
Watch = Callable[[int, float], None]


@dataclass(frozen=True)
class Judge:
    """One fold: rows to fit on as known at its cut, and the later rows to judge by as known when the training period ended."""

    fold: Fold
    rows: TrainingRows
    later: TrainingRows
    at_risk: Floats


def judges(config: TrainConfig, past: Past, *, folds: int) -> list[Judge]:
    """Rolling origins inside the training period of the experiment. Raises BadInput if one has nothing to learn or judge by."""
    split = config.split
    periods: Periods = splits.by_time(past.as_of, **split.model_dump(exclude={"refit", "reporting_lag_hours"}))
    inside = periods.train
    found = []
    origins = splits.rolling_origin(past.as_of[inside], folds, gap_hours=split.gap_hours, test_share=STRETCHES)
    for number, one in enumerate(origins):
        fold = Fold(inside[one.train], inside[one.test], one.cut)
        rows = _rows(config, past, fold.train, one.cut, config.seed + number)
        later = _rows(config, past, fold.test, periods.calibration_from, config.seed + 100 + number)
        at_risk = interval_outcomes(later.hours_to_failure, later.followed_hours).astype(np.float64)
        found.append(Judge(fold, rows, later, at_risk))
    return found


def _rows(config: TrainConfig, past: Past, period: Rows, known_until: int, seed: int) -> TrainingRows:
    components = tuple(component.code for component in config.gbm.components)
    return past.rows(
        period, known_until=known_until, max_negatives=config.sampling.max_negatives, seed=seed,
        lag_hours=config.split.reporting_lag_hours, components=components,
    )  # fmt: skip


def loss_of_boosters(config: TrainConfig, past: Past, folds: list[Judge], watch: Watch) -> float:
    """Mean loss in nats of an observation over all folds; told after each."""
    few = config.gbm.model_copy(update={"members": MEMBERS, "point": "mean"})
    structure: Structure = structure_of(past.snapshot.kind, few)
    total, weight = 0.0, 0.0
    for number, one in enumerate(folds):
        model = gbm.fit(one.rows, few, structure, seed=config.seed, threads=config.threads)
        losses = log_losses(model.point_scores(one.later.x, threads=config.threads), one.at_risk)
        total, weight = total + float(losses @ one.later.weight), weight + float(one.later.weight.sum())
        watch(number, total / weight)
    return total / weight


def loss_of_network(config: TrainConfig, past: Past, folds: list[Judge], watch: Watch) -> float:
    """Mean loss in nats of an observation over all folds; told each epoch once the rate has risen, by the least loss so far
    on this fold's validation rows: its weights are those that would be kept."""
    assert config.network is not None
    wanted = config.network
    (family,) = wanted.families
    source = past.windows(wanted.hours, threads=config.threads)
    rising = round(wanted.loop.warmup * wanted.loop.epochs)
    total, weight = 0.0, 0.0
    for number, one in enumerate(folds):
        seen: list[float] = []

        def told(epoch: int, loss: float, first: int = number * wanted.loop.epochs, so_far: list[float] = seen) -> None:
            so_far.append(loss)
            if epoch > rising:  # before, a network has hardly begun, and the slow ones would be given up
                watch(first + epoch - 1, min(so_far))

        fitted = sequence_fit.fit(config, past, one.fold.train, one.fold.cut, watch=told)
        logs, enough = sequence_fit.logs(fitted, source, one.later.at)
        losses = log_losses(held(np.log(np.cumsum(np.exp(logs[family][:, : len(INTERVAL_ENDS)]), axis=1))), one.at_risk)
        total += float((losses * one.later.weight)[enough].sum())
        weight += float(one.later.weight[enough].sum())
    return total / weight if weight else float("nan")
