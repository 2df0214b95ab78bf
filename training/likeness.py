"""The record of the likes of a row: credibility where nothing says which rows are the same entity.

Rows of earlier periods in the same cell (state and mineral, say) speak by a kernel of their distance in what is known of both
rows: K = exp(-sum over traits of exp(scale) x difference^2). Their numbers and expected numbers, weighted so, are the record
of a Poisson-gamma credibility (training.credibility). Shape and scales by least deviance of later periods.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from training.count_metrics import unit_deviance
from training.credibility import PoissonGamma, Record

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
_SCALES = (-3.0, 8.0)
_FITTING = {"maxiter": 400, "xatol": 0.02, "fatol": 1e-3}


@dataclass(frozen=True)
class Places:
    """Where rows stand: cell code [n], period [n], and traits, each [n, its columns], that tell how alike two rows are.

    reach: by trait the largest distance at which rows speak to each other at all.
    """

    cell: Whole
    period: Floats
    traits: tuple[Floats, ...]
    reach: tuple[float, ...]

    def of(self, chosen: npt.NDArray[np.bool_]) -> "Places":
        return Places(self.cell[chosen], self.period[chosen], tuple(one[chosen] for one in self.traits), self.reach)


@dataclass(frozen=True)
class Links:
    """Pairs of an asked row and an earlier one: their numbers, periods between, squared distances [pairs, traits]."""

    asked: Whole
    source: Whole
    apart: Floats
    squared: Floats
    rows: int

    def record(self, scales: Sequence[float], decay: float, expected: Floats, count: Floats) -> Record:
        """Of each asked row [n], from what was expected of the sources and what came."""
        kernel = np.exp(-self.squared @ np.exp(np.asarray(scales))) * decay**self.apart
        return Record(
            np.bincount(self.asked, kernel * expected[self.source], self.rows).astype(float),
            np.bincount(self.asked, kernel * count[self.source], self.rows).astype(float),
        )


def links(asked: Places, source: Places) -> Links:
    """All pairs in one cell within reach whose source is of a strictly EARLIER period: no row ever speaks for itself."""
    found: list[tuple[Whole, Whole, Floats]] = []
    order = np.argsort(source.cell, kind="stable")
    cells, starts = np.unique(source.cell[order], return_index=True)
    members = dict(zip(cells.tolist(), np.split(order, starts[1:]), strict=True))
    reach = np.asarray(asked.reach) ** 2
    by_cell = np.argsort(asked.cell, kind="stable")
    cells, first = np.unique(asked.cell[by_cell], return_index=True)
    for cell, rows in zip(cells.tolist(), np.split(by_cell, first[1:]), strict=True):
        if cell in members:
            one, other = (part.ravel() for part in np.meshgrid(rows, members[cell], indexing="ij"))
            near = asked.period[one] > source.period[other]
            one, other = one[near], other[near]
            squared = np.stack([
                ((own[one] - its[other]) ** 2).sum(axis=1) for own, its in zip(asked.traits, source.traits, strict=True)
            ], axis=1)  # fmt: skip
            near = (squared <= reach).all(axis=1)
            found.append((one[near], other[near], squared[near]))
    if not found:
        nothing = np.empty(0, np.int64)
        return Links(nothing, nothing, np.empty(0), np.empty((0, len(reach))), len(asked.cell))
    a, b, apart = (np.concatenate([pair[side] for pair in found]) for side in (0, 1, 2))
    return Links(a, b, (asked.period[a] - source.period[b]) - 1.0, apart, len(asked.cell))


class Likeness(BaseModel):
    """Shape of the credibility, log scale of each trait, and what a record keeps for each period more between the rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shape: float = Field(gt=0)
    scales: tuple[float, ...]
    decay: float = Field(default=0.6, gt=0, le=1)

    def factor(self, pairs: Links, expected: Floats, count: Floats) -> Floats:
        """On the expected number of each asked row [n]; expected, count [m] of the sources."""
        return PoissonGamma(shape=self.shape).factor(pairs.record(self.scales, self.decay, expected, count))


def fit_likeness(
    pairs: Links, expected: Floats, count: Floats, source_expected: Floats, source_count: Floats, *, decay: float = 0.6
) -> Likeness:
    """By least Poisson deviance of the asked rows' numbers [n], of which `expected` [n] knows nothing, given the sources' [m].

    Not by the likelihood of the records: likes are not the same entity, and it would take the few that are for all.
    """
    from scipy.optimize import minimize

    traits = pairs.squared.shape[1]

    def loss(at: Floats) -> float:
        shape, scales = float(np.exp(at[0])), np.clip(at[1:], *_SCALES)
        own = pairs.record(scales.tolist(), decay, source_expected, source_count)
        return float(unit_deviance(count, expected * PoissonGamma(shape=shape).factor(own)).sum())

    bounds = [(-4.0, 9.0), *[_SCALES] * traits]
    starts = [np.concatenate([[1.0], one]) for one in _starts(pairs)]
    found = [minimize(loss, start, method="Nelder-Mead", options=_FITTING, bounds=bounds) for start in starts]
    best = min(found, key=lambda one: float(one.fun)).x
    return Likeness(shape=float(np.exp(best[0])), scales=tuple(best[1:].tolist()), decay=decay)


def _starts(pairs: Links) -> list[Floats]:
    """Log scales to begin from: rows as far apart as most are speak, or only the nearest: often each has a best."""
    if not len(pairs.squared):
        return [np.zeros(pairs.squared.shape[1])]
    near = [np.quantile(pairs.squared, share, axis=0) for share in (0.5, 0.03)]
    return [np.clip(-np.log(np.maximum(one, 1e-3)), *_SCALES) for one in near]
