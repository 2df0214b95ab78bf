"""START HERE: a whole training run, from a snapshot to a bundle, read from top to bottom.

snapshot -> labels -> train | calibration | test -> sample -> fit -> calibrate -> bundle -> out-of-time predictions
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.build import Snapshot
from features.clock import times
from features.lake import Lake
from features.observations import AS_OF
from training import calibration, gbm, splits
from training.bundle import Bundle
from training.config import TrainConfig
from training.labels import label
from training.manifest import Facts
from training.model import Matrix
from training.rows import draw, followed, gather, predictions_frame, structure_of, training_rows

TARGETS = ["y24", "y48", "y72"]


@dataclass(frozen=True)
class Training:
    """A bundle and what it is judged by.

    predictions: one row per observation of the test period: machine_id, as_of, kind, model, y24, y48, y72 (NaN = unripe),
    followed_hours, hours_to_failure, p24, p48, p72, low72, high72; test_x: its features [n, features].  train_*: the rows the
    model was fitted on, for rivals; the weight restores the prior.
    """

    bundle: Bundle
    predictions: pd.DataFrame
    test_x: Matrix
    train_x: Matrix
    train_labels: pd.DataFrame
    train_weight: npt.NDArray[np.float64]
    names: tuple[str, ...]


def train_machine(
    config: TrainConfig, snapshot: Snapshot, lake: Lake, *, progress: Callable[[str], None] | None = None
) -> Training:
    """Train, calibrate on later data, predict still later data. Same inputs and seed: the same boosters, byte for byte.

    Raises BadInput if a period is empty or an interval has no failure to learn from.
    """
    say = progress or (lambda text: None)
    kind, versions = snapshot.kind, dict(snapshot.manifest["lake_versions"])
    components = tuple(component.code for component in config.gbm.components)

    say("label")
    observations = snapshot.observations()
    failures = lake.read("failures", version=versions.get("failures"))
    labels = label(observations, failures, followed(lake, kind, versions), components=components)
    as_of = times(observations, AS_OF)
    periods = splits.by_time(as_of, **config.split.model_dump(exclude={"refit"}))

    say("fit")
    chosen = draw(labels, periods.train, config.sampling.max_negatives, config.seed)
    rows = training_rows(snapshot, observations, labels, chosen, components)
    structure = structure_of(kind, config.gbm)
    model = gbm.fit(rows, config.gbm, structure, seed=config.seed, threads=config.threads, progress=say)

    say("calibrate")
    later = draw(labels, periods.calibration, config.sampling.max_calibration_negatives, config.seed + 1)
    unseen = training_rows(snapshot, observations, labels, later)
    scores = model.point_scores(unseen.x, threads=config.threads)
    outcomes = labels[TARGETS].to_numpy()[later.rows]
    monotone = calibration.fit(scores, outcomes, unseen.weight, unseen.machine, config.calibration)

    if config.split.refit:
        say("fit again, with the calibration period")
        periods = replace(periods, train=np.flatnonzero(as_of <= as_of[periods.calibration].max()))
        chosen = draw(labels, periods.train, config.sampling.max_negatives, config.seed)
        rows = training_rows(snapshot, observations, labels, chosen, components)
        model = gbm.fit(rows, config.gbm, structure, seed=config.seed, threads=config.threads, progress=say)

    facts = Facts(
        kind=kind,
        snapshot_id=snapshot.id,
        lake_versions=versions,
        train_from=_moment(as_of[periods.train].min()),
        train_until=_moment(as_of[periods.train].max()),
        calibrated_until=_moment(as_of[periods.calibration].max()),
        created_at=datetime.now(UTC),
        params=config.model_dump(mode="json"),
    )
    bundle = Bundle.assemble(model, monotone, facts, golden_x=rows.x[:: max(1, len(rows.x) // 8)][:8])

    say("predict the test period")
    test_x = gather(snapshot, periods.test)
    said = bundle.predict(test_x, threads=config.threads)
    predictions = predictions_frame(lake, kind, observations, labels, periods.test).assign(
        p24=said.p[:, 0], p48=said.p[:, 1], p72=said.p[:, 2], low72=said.low[:, 2], high72=said.high[:, 2]
    )
    return Training(bundle, predictions, test_x, rows.x, labels.iloc[chosen.rows], chosen.weight, rows.names)


def _moment(micros: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(micros))
