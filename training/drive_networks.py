"""Networks on hard drives: fitted on a part of the sampled rows, asked about the riskiest drive-days alone.

A window costs a hundred times what the boosters' row costs, and nine of ten failures that can be seen at all are among the few
percent that the boosters rank first. So networks speak of these; of all others the boosters do. Whether they speak at all is
decided on drives that neither saw.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.history import HOUR
from features.observations import AS_OF
from features.schema import MACHINE, TIME
from features.sequences import Windows, windows
from training import panel as panels
from training import sequence_fit
from training.blend import BOOSTERS, Judged, logs_of_scores
from training.calibration import Calibration
from training.config import TrainConfig
from training.gbm import TrainingRows
from training.hazard import Floats, from_cloglog, interval_outcomes
from training.model import HazardModel, Matrix
from training.panel import Panel
from training.splits import machine_share
from training.streaming import Chunk, Flags, Fleet
from training.window_model import WindowModel, facts_of

ASKED = 0.02  # share of the drive-days that the networks are asked about
Rows = npt.NDArray[np.int64]
Say = Callable[[str], None]


@dataclass(frozen=True)
class DriveNetworks:
    """The panel that was judged, and the boosters' 72-hour score from which on networks are asked."""

    panel: Panel
    least: float

    def improved(self, fleet: Fleet, chunk: Chunk, x: Matrix, boosters: HazardModel, p: Floats) -> Floats:
        """The boosters' probabilities [n, 3] of a chunk; where networks have entered and are asked, the blend's."""
        blend = self.panel.entry.blend
        if blend is None:
            return p
        scores = boosters.point_scores(x)
        risky = np.flatnonzero(scores[:, -1] >= self.least)
        if not len(risky):
            return p
        hours = self.panel.windows.facts.hours
        source = _windows(fleet, chunk.machine[risky], chunk.as_of[risky], hours, threads=1)
        logs, enough = sequence_fit.logs(self.panel.windows, source, np.arange(len(risky)))
        each = {BOOSTERS: logs_of_scores(scores[risky]), **logs}
        said = from_cloglog(blend.calibrated([each[name] for name in blend.models]))
        found = p.copy()
        found[risky[enough]] = said[enough]
        return found


def fitted(
    fleet: Fleet, rows: TrainingRows, unseen: Flags, first: HazardModel, monotone: Calibration, config: TrainConfig, say: Say
) -> DriveNetworks | None:
    """Fit the experiment's networks and decide on them; None without networks in it.

    rows: with their moments. unseen: the rows of drives that `first`, boosters with the map `monotone`, did not see.
    """
    if config.network is None:
        return None
    from training import loop, onnx_export

    wanted, seed = config.network, config.seed
    scores = first.point_scores(rows.x[unseen], threads=config.threads)
    least = _upper(scores[:, -1], rows.weight[unseen], ASKED)
    asked = unseen.copy()
    asked[unseen] = scores[:, -1] >= least
    taught, taught_weight = some(rows, ~unseen, wanted.max_negatives, seed)
    judged, judged_weight = some(rows, asked, wanted.max_judged_negatives, seed + 1)
    chosen = np.concatenate([taught, judged])
    say(f"windows of {len(taught):,} rows to fit networks on and {len(judged):,} to judge them by")
    source = _windows(fleet, rows.machine[chosen], rows.moments[chosen], wanted.hours, threads=config.threads)
    outcomes = interval_outcomes(rows.hours_to_failure[chosen], rows.followed_hours[chosen])
    longer = further(rows, wanted.auxiliary_hours, fleet.end)[chosen]
    targets, weight = np.concatenate([outcomes, longer], axis=1), np.concatenate([taught_weight, judged_weight])
    own = np.arange(len(taught))
    valid = machine_share([str(code) for code in rows.machine[taught].tolist()], wanted.valid_share, salt="network ")
    data = {}
    for name, network in wanted.families.items():

        def told(text: str, who: str = name) -> None:
            say(f"network {who}: {text}")

        fitted_ = loop.fit(source, targets, weight, own[~valid], own[valid], network, wanted.loop, seed=seed, progress=told)
        data[name] = [onnx_export.to_onnx(fitted_)]
    part = source.take(own[:: max(1, len(own) // 512)])
    model = WindowModel(facts_of(source.layout, part.steps, wanted.fewest_steps, dict.fromkeys(data, 1)), data)
    say("blend")
    later = np.arange(len(taught), len(chosen))
    logs, enough = sequence_fit.logs(model, source, later)
    boosters = logs_of_scores(first.point_scores(rows.x[judged], threads=config.threads))
    said = Judged(
        {BOOSTERS: boosters, **logs},
        outcomes[later].astype(np.float64),
        rows.outcomes[judged],
        judged_weight,
        rows.machine[judged],
    ).part(enough)
    return DriveNetworks(panels.decided(config, said, first, monotone, model), least)


def further(rows: TrainingRows, ends: tuple[float, ...], last: int) -> npt.NDArray[np.float32]:
    """[n, k] outcomes of auxiliary intervals; NaN where one had not passed by `last` (microseconds), the collection's end.

    Of such an interval failures alone are known, survivors not, and the date would give them away.
    """
    passed = rows.moments[:, None] + np.round(np.array(ends) * HOUR).astype(np.int64) <= last
    return np.where(passed, interval_outcomes(rows.hours_to_failure, rows.followed_hours, ends), np.float32(np.nan))


def some(rows: TrainingRows, chosen: Flags, most: int | None, seed: int) -> tuple[Rows, Floats]:
    """All failures within 72 hours among the chosen rows and about `most` of the others, with weights that restore the prior.

    The others are drawn at the square root of their weight: rare strata stay, and no row comes to stand for very many.
    """
    near = rows.hours_to_failure <= 72.0
    rate = np.where(near, 1.0, np.sqrt(rows.weight)) * chosen
    others = rate[~near].sum()
    if most is not None and others > 0:
        rate = np.where(near, rate, np.minimum(1.0, rate * most / others))
    kept = np.flatnonzero(np.random.default_rng(seed).random(len(rate)) < rate)
    return kept, rows.weight[kept] / rate[kept]


def _upper(score: Floats, weight: Floats, share: float) -> float:
    """The score that `share` of the weight lies at or above."""
    order = np.argsort(-score, kind="stable")
    place = int(np.searchsorted(np.cumsum(weight[order]), share * weight.sum()))
    return float(score[order[min(place, len(order) - 1)]])


def _windows(fleet: Fleet, machine: Rows, moments: Rows, hours: float, *, threads: int) -> Windows:
    ids = pa.array(fleet.ids, pa.string()).take(pa.array(machine))
    observations = pa.table({MACHINE: ids, AS_OF: pa.array(moments).cast(TIME)})
    return windows(fleet.lake.at(), fleet.catalog.kind, observations, hours=hours, threads=threads)
