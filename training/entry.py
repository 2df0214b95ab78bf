"""Whether the networks enter the bundle: decided on rows later than any model saw, each machine judged by what others taught.

Nothing of the test period is looked at. The gain is in nats of the interval outcomes (training.blend.log_losses); its interval
resamples machines, both forecasts on the same resamples, so it is paired.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.blend import BOOSTERS, LEAST_WEIGHT, Blend, Judged, On, fit, log_losses
from training.config import CalibrationConfig
from training.hazard import Floats
from training.intervals import Interval, draw, ratio, resample
from training.metrics import totals

FOLDS, REPLICATES = 5, 1000
_ROUNDING = 1e-8  # nats: where a network weighs nothing, two fits differ by less


@dataclass(frozen=True)
class Tried:
    """One choice of networks beside the boosters: the blend fitted on all rows, and the gain in log loss.

    gain: log loss of the boosters alone minus that of the blend, nats per row, cross-fitted, with its interval: where several
    choices were tried, those of all of them hold at once with 95 % (Bonferroni), since the best of them is taken.
    """

    networks: tuple[str, ...]
    blend: Blend
    gain: Interval

    @property
    def better(self) -> bool:
        return bool(np.isfinite(self.gain.low) and self.gain.low > _ROUNDING)


@dataclass(frozen=True)
class Entry:
    """What was decided, and on what. blend: None where the networks stay out; failing: machines that failed among the rows."""

    blend: Blend | None
    tried: tuple[Tried, ...]
    rows: int
    failing: int


def decide(rows: Judged, config: CalibrationConfig | None = None, *, on: On = "total", seed: int = 0) -> Entry:
    """Try each network beside the boosters and, of several, all together. What enters has a gain whose interval is above zero.

    All together enter where their gain over the best one is above zero too; a network that weighs next to nothing does not.
    """
    names = tuple(name for name in rows.logs if name != BOOSTERS)
    failing = _failing(rows)
    if not failing:
        return Entry(None, (), len(rows.weight), failing)
    fold, options = _folds(rows.machine, seed), _options(names)
    alone = _cross_fitted(rows, (BOOSTERS,), fold, config, on)
    losses = [_cross_fitted(rows, (BOOSTERS, *chosen), fold, config, on) for chosen in options]
    tried = [
        Tried(chosen, fit(rows, (BOOSTERS, *chosen), config, on=on), _paired(alone - loss, rows, seed, len(options)))
        for chosen, loss in zip(options, losses, strict=True)
    ]
    best = max(range(len(names)), key=lambda place: tried[place].gain.value)
    if len(names) > 1 and Tried(names, tried[-1].blend, _paired(losses[best] - losses[-1], rows, seed, len(options))).better:
        best = len(names)
    blend = _worth_having(rows, tried[best].blend, config, on) if tried[best].better else None
    return Entry(blend, tuple(tried), len(rows.weight), failing)


def _options(names: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Each on its own, then all of several."""
    return [*((name,) for name in names), *([names] if len(names) > 1 else [])]


def _worth_having(rows: Judged, blend: Blend, config: CalibrationConfig | None, on: On) -> Blend | None:
    kept = [name for name in blend.models if name == BOOSTERS or blend.says(name) >= LEAST_WEIGHT]
    if len(kept) == 1:
        return None
    return blend if len(kept) == len(blend.models) else fit(rows, kept, config, on=on)


def _cross_fitted(
    rows: Judged, models: Sequence[str], fold: npt.NDArray[np.int64], config: CalibrationConfig | None, on: On
) -> Floats:
    """[n] log loss of each row by the blend that was fitted on the machines of the other folds."""
    loss = np.zeros(len(rows.weight))
    for number in range(FOLDS):
        inside = fold == number
        if inside.any() and not inside.all():
            blend = fit(rows.part(~inside), models, config, on=on)
            own = rows.part(inside)
            loss[inside] = log_losses(blend.calibrated(own.of(models)), own.at_risk)
    return loss


def _folds(machine: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    """[n] the fold of each row's machine; folds hold about as many machines each."""
    machines, position = np.unique(machine, return_inverse=True)
    order = np.random.default_rng([seed, FOLDS]).permutation(len(machines))
    return np.asarray(order[position] % FOLDS, dtype=np.int64)


def _paired(gain: Floats, rows: Judged, seed: int, choices: int) -> Interval:
    machines, position = np.unique(rows.machine, return_inverse=True)
    above, below = (totals(position, amount, len(machines)) for amount in (rows.weight * gain, rows.weight))
    return draw(ratio(above, below), resample(len(machines), REPLICATES, seed)).interval(1.0 - 0.05 / choices)


def _failing(rows: Judged) -> int:
    return len(np.unique(rows.machine[np.nan_to_num(rows.outcomes).max(axis=1) > 0]))
