"""Row metrics of a probability: ranking, proper scores, calibration. Pure functions of arrays.

Every metric is a `Statistic`: a function from machine weights [B, machines] to values [B]. With one row of ones it is the
metric itself; with bootstrap weights it is the metric on B resamples of machines. To that end rows are folded once into a
sparse table machine x cell in which the metric is exact, and a resample is a matrix product, not a copy of the rows: 8 M rows
with 2,000 events fold into some 100,000 entries.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

Floats = npt.NDArray[np.float64]
Statistic = Callable[[Floats], Floats]
_TINY = 1e-12
_CHUNK = 4_000_000  # cells x replicates held at once: 32 MB per array


@dataclass(frozen=True)
class Rows:
    """Ripe observations of one horizon: machine code int32[n] in [0, machines), outcome bool[n], weight float64[n].

    Weights restore the prior where negatives were sampled. Rows whose outcome is not known yet must not be here: see `ripe`.
    """

    machine: npt.NDArray[np.int32]
    machines: int
    y: npt.NDArray[np.bool_]
    weight: Floats

    @property
    def base_rate(self) -> float:
        """Weighted share of positive rows."""
        return float(self.weight[self.y].sum() / self.weight.sum())

    @property
    def events(self) -> int:
        return int(self.y.sum())


def ripe(
    machine: npt.NDArray[np.int32], machines: int, y: npt.NDArray[np.floating], weight: Floats | None = None
) -> tuple[Rows, npt.NDArray[np.bool_]]:
    """Rows whose label is known, and the mask that picks the same rows from a score. Unripe = NaN, never a negative."""
    known = ~np.isnan(y)
    full = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=np.float64)
    rows = Rows(machine[known].astype(np.int32, copy=False), machines, y[known] > 0.5, full[known])
    return rows, known


def once(machines: int) -> Floats:
    """The weights of the data as they are: every machine one time."""
    return np.ones((1, machines))


def value(statistic: Statistic, machines: int) -> float:
    return float(statistic(once(machines))[0])


def fold(rows: Rows, cell: npt.NDArray[np.int64], cells: int, amount: Floats) -> sparse.csr_matrix:
    """Sum `amount` over the rows of each (machine, cell): sparse [machines, cells]."""
    table = sparse.csr_matrix((amount, (rows.machine, cell)), shape=(rows.machines, cells))
    table.sum_duplicates()
    return table


def chunked(statistic: Statistic, cells: int) -> Statistic:
    """The same statistic, asked for as many replicates at a time as fit a bounded memory."""

    def run(weights: Floats) -> Floats:
        step = max(1, _CHUNK // max(1, cells))
        return np.concatenate([statistic(weights[start : start + step]) for start in range(0, len(weights), step)])

    return run


def weigh(weights: Floats, table: sparse.csr_matrix) -> Floats:
    """Cell totals of each replicate: weights [B, machines] x table [machines, cells] -> dense [B, cells]."""
    return np.asarray((table.T @ weights.T).T)


@dataclass(frozen=True)
class Ranking:
    """Rows folded at the distinct scores of positives (`levels`, ascending); exact for every rank metric, ties included.

    Cell 2i+1 holds rows that score exactly levels[i], cell 2i those strictly between levels[i-1] and levels[i].
    """

    levels: Floats
    positive: sparse.csr_matrix
    negative: sparse.csr_matrix

    @property
    def cells(self) -> int:
        return 2 * len(self.levels) + 1

    def auc(self) -> Statistic:
        """Area under the ROC curve; a tie counts one half (Mann-Whitney)."""

        def run(weights: Floats) -> Floats:
            up, down = weigh(weights, self.positive), weigh(weights, self.negative)
            below = np.cumsum(down, axis=1) - 0.5 * down
            return _ratio((up * below).sum(axis=1), up.sum(axis=1) * down.sum(axis=1))

        return chunked(run, self.cells)

    def average_precision(self) -> Statistic:
        """Sum over thresholds of precision x gain in recall (no interpolation), as scikit-learn defines it."""

        def run(weights: Floats) -> Floats:
            up = weigh(weights, self.positive)
            precision = _ratio(_from_top(up), _from_top(up) + _from_top(weigh(weights, self.negative)), empty=0.0)
            return _ratio((up * precision).sum(axis=1), up.sum(axis=1))

        return chunked(run, self.cells)

    def curve(self) -> tuple[Floats, Floats, Floats]:
        """(recall, precision, threshold) at each level, from the highest down."""
        ones = np.ones((1, self.positive.shape[0]))
        hits, misses = _from_top(weigh(ones, self.positive))[0], _from_top(weigh(ones, self.negative))[0]
        at = np.arange(self.cells - 2, 0, -2)
        return hits[at] / hits[0], hits[at] / (hits[at] + misses[at]), self.levels[::-1]


def ranking(rows: Rows, score: npt.NDArray[np.floating]) -> Ranking:
    """Fold rows by score [n] for `auc`, `average_precision` and `curve`."""
    score = np.asarray(score)
    levels = np.unique(score[rows.y])
    cell = 2 * np.searchsorted(levels, score, side="left")
    if len(levels):
        cell += levels[np.minimum(cell // 2, len(levels) - 1)] == score
    cells = 2 * len(levels) + 1
    positive, negative = (
        fold(Rows(rows.machine[part], rows.machines, rows.y[part], rows.weight[part]), cell[part], cells, rows.weight[part])
        for part in (rows.y, ~rows.y)
    )
    return Ranking(levels.astype(np.float64), positive, negative)


def _from_top(totals: Floats) -> Floats:
    return np.cumsum(totals[:, ::-1], axis=1)[:, ::-1]


def _ratio(above: Floats, below: Floats, empty: float = np.nan) -> Floats:
    return np.asarray(np.divide(above, below, out=np.full(np.shape(above), empty), where=below > 0))


def totals(cell: npt.NDArray[np.integer], amount: Floats, cells: int) -> Floats:
    """Sum of an amount over the rows of each cell [cells]."""
    return np.asarray(np.bincount(cell, weights=amount, minlength=cells), dtype=np.float64)


def _sums(rows: Rows, *amounts: Floats) -> Floats:
    """Weighted sum of each amount by machine: [machines, amounts]."""
    return np.stack([totals(rows.machine, rows.weight * amount, rows.machines) for amount in amounts], axis=1)


def _squared_error(rows: Rows, p: npt.NDArray[np.floating]) -> Floats:
    return np.asarray((np.asarray(p, dtype=np.float64) - rows.y) ** 2)


def brier(rows: Rows, p: npt.NDArray[np.floating]) -> Statistic:
    """Mean squared error of the probability."""
    sums = _sums(rows, _squared_error(rows, p), np.ones(len(p)))
    return lambda weights: _ratio(*(weights @ sums).T)


def brier_skill(rows: Rows, p: npt.NDArray[np.floating]) -> Statistic:
    """1 - Brier / Brier of the rows' own base rate: the constant forecast is given the benefit of hindsight."""
    sums = _sums(rows, _squared_error(rows, p), rows.y.astype(np.float64), np.ones(len(p)))

    def run(weights: Floats) -> Floats:
        loss, events, total = (weights @ sums).T
        rate = _ratio(events, total)
        return 1.0 - _ratio(_ratio(loss, total), rate * (1.0 - rate))

    return run


def log_loss(rows: Rows, p: npt.NDArray[np.floating]) -> Statistic:
    """Mean negative log likelihood in nats; probabilities are kept 1e-12 away from 0 and 1."""
    clipped = np.clip(np.asarray(p, dtype=np.float64), _TINY, 1.0 - _TINY)
    sums = _sums(rows, -np.log(np.where(rows.y, clipped, 1.0 - clipped)), np.ones(len(p)))
    return lambda weights: _ratio(*(weights @ sums).T)


def log_loss_skill(rows: Rows, p: npt.NDArray[np.floating]) -> Statistic:
    """1 - log loss / log loss of the rows' own base rate, as in `brier_skill`."""
    loss, rates = log_loss(rows, p), _sums(rows, rows.y.astype(np.float64), np.ones(len(p)))

    def run(weights: Floats) -> Floats:
        rate = np.clip(_ratio(*(weights @ rates).T), _TINY, 1.0 - _TINY)
        entropy = -rate * np.log(rate) - (1.0 - rate) * np.log1p(-rate)
        return 1.0 - _ratio(loss(weights), np.where(rate > 2 * _TINY, entropy, 0.0))

    return run


def observed_over_expected(rows: Rows, p: npt.NDArray[np.floating]) -> Statistic:
    """Calibration in the large: events that came over events that the probabilities announced."""
    sums = _sums(rows, rows.y.astype(np.float64), np.asarray(p, dtype=np.float64))
    return lambda weights: _ratio(*(weights @ sums).T)


@dataclass(frozen=True)
class Reliability:
    """Bins of about equal events, by rising probability.

    low, high: range of p in the bin; predicted, observed: mean p and event rate; expected, events: their weighted sums.
    chance: standard error of log(observed / expected) if the forecast were right and rows independent.
    by_machine: [machines, 2 * bins], events then expected, from which resamples are made.
    """

    low: Floats
    high: Floats
    predicted: Floats
    observed: Floats
    expected: Floats
    events: Floats
    chance: Floats
    by_machine: sparse.csr_matrix

    def log_ratio(self, weights: Floats) -> Floats:
        """log(observed / expected) of each replicate and bin [B, bins]; half an event is added so that none is infinite."""
        both = weigh(weights, self.by_machine)
        bins = len(self.low)
        return np.asarray(np.log((both[:, :bins] + 0.5) / (both[:, bins:] + 0.5)))


def reliability(rows: Rows, p: npt.NDArray[np.floating], bins: int = 10) -> Reliability:
    """Cut the probabilities so that each bin holds about as many events. Equal probabilities stay in one bin."""
    p = np.asarray(p, dtype=np.float64)
    risen = np.sort(p[rows.y])
    edges = np.unique(risen[(len(risen) * np.arange(1, bins) / bins).astype(int)]) if len(risen) else np.empty(0)
    edges = edges[edges > p.min()]  # equal probabilities at the bottom would leave an empty bin below them
    cell = np.searchsorted(edges, p, side="right")
    cells = len(edges) + 1
    total, events, expected = (totals(cell, amount, cells) for amount in (rows.weight, rows.weight * rows.y, rows.weight * p))
    low, high = np.full(cells, np.inf), np.full(cells, -np.inf)
    np.minimum.at(low, cell, p)
    np.maximum.at(high, cell, p)
    table = sparse.hstack(
        [fold(rows, cell, cells, rows.weight * rows.y), fold(rows, cell, cells, rows.weight * p)], format="csr"
    )
    variance = totals(cell, rows.weight**2 * p * (1.0 - p), cells)
    chance = _ratio(np.sqrt(variance), np.maximum(expected, 0.5), empty=0.0)
    return Reliability(low, high, _ratio(expected, total), _ratio(events, total), expected, events, chance, table)
