"""Every forecast of one training run on the same rows: what is served first, then its single models, for evidence."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from features.sequences import Windows
from training import sequence_fit
from training.blend import BOOSTERS, Blend, Judged, fit, logs_of_scores
from training.bundle import Bundle
from training.bundle_files import Networks
from training.calibration import Calibration
from training.config import TrainConfig
from training.entry import Entry, decide
from training.hazard import Floats, from_cloglog, interval_outcomes
from training.model import HazardModel, Matrix
from training.prediction import Prediction, alone, joined
from training.rows import Past, Rows, gather
from training.sequence_fit import gathered
from training.splits import Periods
from training.window_model import WindowModel, together

SERVED, BLENDED = "forewarn", "blend"


@dataclass(frozen=True)
class Panel:
    """The single models of a run, whether they entered its bundle or not.

    calibration: of the boosters alone; alone: by family its network on its own, with its own map; tried: the best blend, None
    where no network could be tried; entry: what was decided.
    """

    model: HazardModel
    calibration: Calibration
    windows: WindowModel
    alone: Mapping[str, Blend]
    tried: Blend | None
    entry: Entry

    def entered(self, past: Past, golden: Rows) -> Networks | None:
        """What goes into the bundle, with windows of its first golden rows; None where the networks stay out."""
        blend = self.entry.blend
        if blend is None:
            return None
        steps, static = past.windows(self.windows.facts.hours).take(golden)
        return Networks(sequence_fit.only(self.windows, blend.models), blend, (steps, static))


def judged(
    config: TrainConfig,
    past: Past,
    periods: Periods,
    model: HazardModel,
    calibration: Calibration,
    *,
    progress: Callable[[str], None] | None = None,
) -> Panel:
    """Fit the networks on the training period; on the next one settle weights, maps, and whether they enter.

    model, calibration: the boosters and their own map. A later refit of the boosters leaves networks and weights as they are.
    """
    assert config.network is not None
    windows = sequence_fit.fit(config, past, periods.train, periods.calibration_from, progress=progress)
    if progress:
        progress("blend")
    unseen = past.rows(
        periods.calibration, known_until=periods.test_from, max_negatives=config.network.max_judged_negatives,
        seed=config.seed + 3, lag_hours=config.split.reporting_lag_hours,
    )  # fmt: skip
    source = past.windows(config.network.hours, threads=config.threads)
    said, enough = sequence_fit.logs(windows, source, unseen.at)
    boosters = logs_of_scores(model.point_scores(unseen.x, threads=config.threads))
    at_risk = interval_outcomes(unseen.hours_to_failure, unseen.followed_hours).astype(np.float64)
    rows = Judged({BOOSTERS: boosters, **said}, at_risk, unseen.outcomes, unseen.weight, unseen.machine).part(enough)
    return decided(config, rows, model, calibration, windows)


def decided(config: TrainConfig, rows: Judged, model: HazardModel, calibration: Calibration, windows: WindowModel) -> Panel:
    """The panel of models that said what `rows` hold."""
    how = config.calibration
    on = config.calibrated_on
    entry = decide(rows, how, on=on, seed=config.seed)
    if not entry.failing:
        return Panel(model, calibration, windows, {}, None, entry)
    single = {name: fit(rows, (name,), how, on=on) for name in windows.facts.seeds}
    tried = entry.blend or max(entry.tried, key=lambda one: one.gain.value).blend
    return Panel(model, calibration, windows, single, tried, entry)


def forecasts(bundle: Bundle, past: Past, rows: Rows, *, panel: Panel | None = None, threads: int = 1) -> dict[str, Prediction]:
    """What is said of rows of a snapshot: `forewarn`, as served, then where there are networks each model on its own.

    Single models have no range. Of a bundle without a panel the boosters alone are told beside the blend.
    """
    x = gather(past.snapshot, rows)
    if panel is None and bundle.networks is None:
        return {SERVED: bundle.predict(x, threads=threads)}
    facts = bundle.networks.model.facts if bundle.networks else panel.windows.facts if panel else None
    assert facts is not None
    source = past.windows(facts.hours, threads=threads)
    parts: list[dict[str, Prediction]] = []
    for cut, batch in gathered(source, rows):
        boosters = alone(bundle.model, bundle.calibration, x[cut], ranges=False, threads=threads)
        said = {SERVED: bundle.predict(x[cut], batch, threads=threads), BOOSTERS: boosters}
        if panel is not None:
            each = {name: together(own) for name, own in panel.windows.logs(batch).items()}
            scores = {name: blend.calibrated([each[name]]) for name, blend in panel.alone.items()}
            if panel.tried is not None and bundle.networks is None:
                every = each | {BOOSTERS: logs_of_scores(bundle.model.point_scores(x[cut], threads=threads))}
                scores[BLENDED] = panel.tried.calibrated([every[name] for name in panel.tried.models])
            said |= {name: _plain(score) for name, score in scores.items()}
        parts.append(said)
    if bundle.networks is None:  # the boosters are what is served
        parts = [{name: one for name, one in part.items() if name != BOOSTERS} for part in parts]
    return {name: joined([part[name] for part in parts]) for name in parts[0]}


def spoken(
    panel: Panel, model: HazardModel, calibration: Calibration, x: Matrix, source: Windows, *, threads: int = 1
) -> dict[str, Floats]:
    """Probabilities [n, 3] by name, what would be served first, of rows x [n, features] and their windows.

    model, calibration: boosters to speak for the panel's, say such as were fitted again on more rows.
    """
    boosters = model.point_scores(x, threads=threads)
    alone_ = from_cloglog(calibration.apply(boosters))
    if panel.tried is None:
        return {SERVED: alone_}
    logs, enough = sequence_fit.logs(panel.windows, source, np.arange(len(x)))
    each = {BOOSTERS: logs_of_scores(boosters), **logs}
    blend = from_cloglog(panel.tried.calibrated([each[name] for name in panel.tried.models]))
    blend = np.where(enough[:, None], blend, alone_)
    singles = {name: from_cloglog(own.calibrated([each[name]])) for name, own in panel.alone.items()}
    if panel.entry.blend is None:
        return {SERVED: alone_, **singles, BLENDED: blend}
    return {SERVED: blend, BOOSTERS: alone_, **singles}


def _plain(score: Floats) -> Prediction:
    p = from_cloglog(score)
    return Prediction(p, p, p)
