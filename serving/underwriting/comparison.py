"""Two premiums of one policy: by how much each factor moves it, to the cent.

A premium is a product: the base amount, each factor, and what a floor, a cap or rounding made of it, each as what it multiplied
by. The difference of two products is shared out by logarithmic means (B. W. Ang, "Decomposition analysis for policymaking in
energy", Energy Policy 32 (2004) 1131-1139): part k = L(a, b) x ln(ratio of k), L(a, b) = (b - a) / ln(b / a). The parts add up
without a rest, and do not hang on an order of the factors. They explain; no premium is computed from them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Cents = npt.NDArray[np.int64]
WHOLE = "premium"  # where one of the two is zero nothing can be shared out


@dataclass(frozen=True)
class Moved:
    """Differences of n policies in hundredths. parts: by factor [n, k], which add up to `total` [n] in every row."""

    names: tuple[str, ...]
    parts: Cents
    total: Cents


def by_factor(before: Mapping[str, Floats], after: Mapping[str, Floats], was: Cents, now: Cents) -> Moved:
    """Shares out now - was [n] (hundredths).

    before, after: what each step multiplied by [n], under its name; one that a side does not know is 1 there. Names come in the
    order of `before`, those that it lacks at the end.
    """
    names = (*before, *(name for name in after if name not in before), WHOLE)
    total = np.asarray(now - was, dtype=np.int64)
    logs = np.zeros((len(total), len(names)))
    for place, name in enumerate(names[:-1]):
        for sign, side in ((1.0, after), (-1.0, before)):
            if name in side:
                logs[:, place] += sign * np.log(np.maximum(side[name], 1e-300))
    ratio = logs.sum(axis=1)
    # A step of 0 or a premium of 0 has no logarithm; nor is a change told whose steps cancel.
    told = (was > 0) & (now > 0) & (np.abs(logs).max(axis=1, initial=0.0) < 300.0)
    exact = np.log(np.maximum(now, 1)) - np.log(np.maximum(was, 1))
    mean = np.where(np.abs(exact) < 1e-12, was, total / np.where(np.abs(exact) < 1e-12, 1.0, exact))
    found = np.where(told[:, None], logs * mean[:, None], 0.0)
    # What steps kept to a few digits leave of the exact ratio is with the last name, as is what cannot be shared out.
    found[:, -1] = np.where(told, (exact - ratio) * mean, total)
    return Moved(names, rounded(found, total), total)


def rounded(parts: Floats, total: Cents) -> Cents:
    """Parts [n, k] that add up to about `total` [n] as whole numbers that add up to it: largest remainders, row by row."""
    whole = np.floor(parts).astype(np.int64)
    left = total - whole.sum(axis=1)
    # More or fewer than the number of parts comes of floats alone; it goes round them all.
    turns, left = np.divmod(left, parts.shape[1])
    rank = np.argsort(np.argsort(-(parts - whole), axis=1, kind="stable"), axis=1, kind="stable")
    return np.asarray(whole + turns[:, None] + (rank < left[:, None]), dtype=np.int64)


def steepest(moved: Moved, count: int) -> tuple[Sequence[int], Sequence[int]]:
    """Rows that rise the most and that fall the most, `count` of each at most; none that stays."""
    order = np.argsort(moved.total, kind="stable")
    up = [int(row) for row in order[::-1][:count] if moved.total[row] > 0]
    return up, [int(row) for row in order[:count] if moved.total[row] < 0]
