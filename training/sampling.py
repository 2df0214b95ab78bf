"""Negative sampling: keep every failure, thin out the rest, and weight what stays so that the prior is restored."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Sample:
    """Chosen row numbers (ascending) and their weights; the weights add up to the number of eligible rows."""

    rows: npt.NDArray[np.int64]
    weight: npt.NDArray[np.float64]


def sample(positive: npt.NDArray[np.bool_], eligible: npt.NDArray[np.bool_], *, max_negatives: int | None, seed: int) -> Sample:
    """All eligible positives with weight 1, at most `max_negatives` others drawn without replacement, each weighing N / n.

    positive, eligible: one flag per row.  Every weighted sum over the sample is unbiased for the sum over all eligible rows,
    and the total weight is exact.
    """
    certain = np.flatnonzero(eligible & positive)
    others = np.flatnonzero(eligible & ~positive)
    weight = 1.0
    if max_negatives is not None and len(others) > max_negatives:
        weight = len(others) / max_negatives
        others = np.random.default_rng(seed).choice(others, max_negatives, replace=False, shuffle=False)
    rows = np.concatenate([certain, others])
    weights = np.concatenate([np.ones(len(certain)), np.full(len(others), weight)])
    order = np.argsort(rows, kind="stable")
    return Sample(rows[order], weights[order])


def thin(rate: npt.NDArray[np.float64], *, seed: int | np.random.Generator) -> Sample:
    """Keep each row on its own with probability `rate` [n] (0 to 1), weighing 1 / rate (Horvitz & Thompson 1952).

    Rows that matter more may get a higher rate, so long as it is decided by what was known at as_of, or the row is a failure.
    """
    rows = np.flatnonzero(np.random.default_rng(seed).random(len(rate)) < rate)
    return Sample(rows, 1.0 / rate[rows])
