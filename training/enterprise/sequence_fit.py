"""The sequence network of a run: fitted on what the price score does not see, and let into the alarm score on evidence alone.

Learnt on the training period, with the number that the price score expects of enterprises it was not fitted on as offset;
weighed and judged on the calibration period, each enterprise by what others taught. torch is imported when a run asks for it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from training.enterprise.config import EnterpriseConfig
from training.enterprise.model import ScoreFacts
from training.enterprise.parts import STRETCHES, Floats, Rows
from training.enterprise.rows import SHORTEST, Past, between
from training.enterprise.sequence_model import SequenceFacts, SequenceModel
from training.enterprise.sequences import Sequences, layout_of, windows_of
from training.frequency import CountRows, grouped
from training.intervals import Interval, draw, ratio, resample
from training.metrics import totals

FOLDS, REPLICATES = 5, 1000
_ROUNDING, _STEPS = 1e-9, 50
Say = Callable[[str], None]


class Period(NamedTuple):
    """Rows of a period as they were known at its end: their number in the past, labels of all rows, rows of stretches, and what
    each model expects of these."""

    rows: Rows
    labels: pd.DataFrame
    counted: CountRows
    said: Mapping[str, Floats]

    @classmethod
    def of(
        cls, config: EnterpriseConfig, past: Past, rows: Rows, until: int, counted: CountRows, said: Mapping[str, Floats]
    ) -> "Period":
        """until: when they were known, in microseconds."""
        return cls(rows, past.labels(until, lag_days=config.periods.reporting_lag_days), counted, said)

    def expected(self, scores: Mapping[str, ScoreFacts], which: str) -> Floats:
        """What a score expects of the rows of stretches."""
        return scores[which].blend.expected(self.said, self.counted.exposure)

    @property
    def followed(self) -> npt.NDArray[np.bool_]:
        """bool[n, 3]: the stretches of each row that became rows of `counted`, which stand stretch by stretch."""
        each = [between(self.labels, "followed", number)[self.rows] >= SHORTEST for number in range(STRETCHES)]
        return np.stack(each, axis=1)

    def flat(self, table: Floats) -> Floats:
        """[n, 3] in the order of `counted`."""
        return np.asarray(table.T[self.followed.T])

    def table(self, flat: Floats) -> Floats:
        """What is told of `counted` as [n, 3], NaN where a stretch was not followed."""
        found = np.full((STRETCHES, len(self.rows)), np.nan)
        found[self.followed.T] = flat
        return found.T


@dataclass(frozen=True)
class Heard:
    """A network and what was decided of it. gain: Poisson deviance of the alarm score without it minus that with it, per row of
    the calibration period, cross-fitted; alone: of the price score minus the price score times what the network says."""

    model: SequenceModel
    gain: Interval
    alone: Interval
    rows: int
    accidents: float

    @property
    def enters(self) -> bool:
        return bool(np.isfinite(self.gain.low) and self.gain.low > _ROUNDING and self.model.facts.weight > 0)

    def levelled(self, past: Past, fitted: Period, scores: Mapping[str, ScoreFacts]) -> "Heard":
        """At a level that leaves the alarm score's own, over the rows that it was fitted on last, as it is."""
        windows, weight = windows_of(self.model, past, fitted.rows), self.model.facts.weight
        assert windows is not None
        factor = np.exp(weight * fitted.flat(self.model.raw(windows)))
        amount = fitted.counted.weights * fitted.expected(scores, "alarm")
        return replace(self, model=self.model.weighed(weight, float(np.log(amount.sum() / (amount @ factor)))))


def heard_of(
    config: EnterpriseConfig,
    past: Past,
    known: Sequence[tuple[Rows, int, CountRows, Mapping[str, Floats]]],
    scores: Mapping[str, ScoreFacts],
    *,
    progress: Say,
) -> Heard:
    """Fit on the first period, weigh and judge on the second.

    known: what makes a `Period`, twice; of the first, what models expect that were not fitted on its enterprises.
    """
    assert config.network is not None
    train, later = (Period.of(config, past, *own) for own in known)
    source = Sequences.of(layout_of(config, past), past)
    content = fit_network(config, past, train, train.expected(scores, "price"), source, progress=progress)
    model = SequenceModel(SequenceFacts(layout=source.layout, weight=0.0), content)
    said, rows, pull = later.flat(model.raw(source.take(later.rows)[0])), later.counted, config.network.pull
    price, alarm = later.expected(scores, "price"), later.expected(scores, "alarm")
    weight, _ = weighed(rows, alarm, said, np.arange(len(rows)), pull)
    gain = gain_over(rows, alarm, alarm * cross_fitted(rows, alarm, said, pull, config.seed), config.seed)
    alone = gain_over(rows, price, price * np.exp(said), config.seed)
    came = STRETCHES * float(rows.weights[rows.x[:, -1] == 0] @ rows.count[rows.x[:, -1] == 0])
    golden = source.take(later.rows[:2])[0]
    return Heard(model.weighed(weight, 0.0).remembering(golden), gain, alone, len(later.rows), came)


def fit_network(
    config: EnterpriseConfig, past: Past, train: Period, unseen: Floats, source: Sequences, *, progress: Say
) -> bytes:
    """The network as ONNX, stopped early by other enterprises of the training period."""
    from training import loop, onnx_export

    wanted = config.network
    assert wanted is not None
    targets = np.full((len(past.x), 2 * STRETCHES), np.nan, dtype=np.float32)
    targets[train.rows] = targets_of(train, unseen)
    fold = grouped(past.enterprise[train.rows], max(2, round(1.0 / wanted.valid_share)), config.seed)
    valid = fold == 0
    fitted = loop.fit(
        source, targets, np.ones(len(targets)), train.rows[~valid], train.rows[valid], wanted.network, wanted.loop,
        seed=config.seed, progress=lambda text: progress(f"sequence network: {text}"),
    )  # fmt: skip
    return onnx_export.to_onnx(fitted)


def targets_of(train: Period, expected: Floats) -> npt.NDArray[np.float32]:
    """[n, 6]: numbers that came on each stretch, then logs of those expected; NaN where it was not followed.

    A row's weight multiplies both, which is the same in a Poisson likelihood; scaled to one accident expected a row.
    """
    weights = train.counted.weights
    scale = float(weights @ expected) / len(train.rows)
    came = train.table(weights * train.counted.count / scale)
    return np.concatenate([came, np.log(train.table(weights * expected / scale))], axis=1).astype(np.float32)


def weighed(rows: CountRows, expected: Floats, said: Floats, used: Rows, pull: float) -> tuple[float, float]:
    """Weight >= 0 of the network's say on some rows by maximum likelihood, with a prior towards 0, and the level at which it
    leaves what was expected of them, all in all, as it is: a level of its own is not the network's to give."""
    mean, count, weight, told = expected[used], rows.count[used], rows.weights[used], said[used]
    design, theta = np.stack([told, np.ones(len(told))], axis=1), np.zeros(2)
    for free in ((0, 1), (1,)):
        theta = np.zeros(2)
        own = design[:, free]
        for _ in range(_STEPS):
            now = weight * mean * np.exp(np.clip(design @ theta, -10, 10))
            slope = own.T @ (now - weight * count) + pull * theta[list(free)]
            step = np.linalg.solve((own * now[:, None]).T @ own + (pull + 1e-9) * np.eye(len(free)), slope)
            theta[list(free)] -= np.clip(step, -0.5, 0.5)
            if np.abs(step).max() < 1e-10:
                break
        if theta[0] >= 0:
            break
    share, amount = max(0.0, float(theta[0])), weight * mean
    return share, float(np.log(amount.sum() / (amount @ np.exp(share * told))))


def cross_fitted(rows: CountRows, expected: Floats, said: Floats, pull: float, seed: int) -> Floats:
    """[n]: the factor of each row by the weight and level that the enterprises of other folds taught."""
    fold, factor = grouped(rows.group, FOLDS, seed), np.ones(len(rows))
    for number in range(FOLDS):
        inside = fold == number
        weight, level = weighed(rows, expected, said, np.flatnonzero(~inside), pull)
        factor[inside] = np.exp(level + weight * said[inside])
    return factor


def gain_over(rows: CountRows, rival: Floats, ours: Floats, seed: int) -> Interval:
    """Poisson deviance of a rival minus ours, per row, with its interval by enterprise."""
    from training.count_metrics import unit_deviance

    gain = unit_deviance(rows.count, rival) - unit_deviance(rows.count, ours)
    names, place = np.unique(rows.group, return_inverse=True)
    above, below = (totals(place, amount, len(names)) for amount in (rows.weights * gain, rows.weights))
    return draw(ratio(above, below), resample(len(names), REPLICATES, seed)).interval()
