"""How far an industry's own accidents say what its accidents cost: shares and means of classes, drawn by estimated credibility.

Grave accidents are few, and most of the loss: of a hundred accidents of an industry one or none is grave, so that its own share
says little. Shares are Poisson-gamma (training.credibility): an industry's own number of a class against what its kind would
have, the shape estimated over all of them; its kind against all. Means are Buhlmann-Straub, with the credibility that the
logarithms of losses have (of the losses themselves a single one would decide), and only where they differ by more than chance
does in nineteen cases of twenty. Classes should be of one sort of harm each, or that credibility misses how tails differ.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from training.credibility import Record, fit_buhlmann_straub, fit_shape

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
_KIND_WORTH = 2.0  # accidents of a class that all others are worth against those of an industry's kind
_FEWEST = 20  # losses of a class before its mean is told apart by industry


def drawn_shares(count: Floats, kind: Sequence[bool]) -> Floats:
    """Share of each class [segments, classes] in the accidents of a segment, of numbers [segments, classes]; the first class is
    the usual one and has what the others leave. kind [segments]: which segments are alike."""
    number, like = count.sum(axis=1), np.asarray(kind)
    found = np.zeros(count.shape)
    for at in range(1, count.shape[1]):
        base = np.full(len(count), traced(count.sum(axis=0))[at])
        for one in np.unique(like):
            own = like == one
            base[own] *= (_KIND_WORTH + count[own, at].sum()) / (_KIND_WORTH + float(number[own] @ base[own]))
        expected = number * base
        known = expected > 0
        if count[:, at].any() and known.sum() > 1:
            nothing = Record(np.zeros(int(known.sum())), np.zeros(int(known.sum())))
            shape = fit_shape(nothing, expected[known], count[known, at])
            found[:, at] = base * (shape + count[:, at]) / (shape + expected)
        else:
            found[:, at] = base
    over = np.maximum(found[:, 1:].sum(axis=1, keepdims=True), 1.0)
    found[:, 1:] /= over
    found[:, 0] = 1.0 - found[:, 1:].sum(axis=1)
    return found


def drawn_means(loss: Floats, segment: Whole, code: Whole, overall: Floats, segments: int) -> Floats:
    """Mean loss [segments, classes] of losses > 0 [n] of segments and classes by code, drawn to the overall means [classes]."""
    found = np.tile(overall, (segments, 1))
    for at in range(len(overall)):
        own = code == at
        count = np.bincount(segment[own], minlength=segments).astype(np.float64)
        if own.sum() < _FEWEST or (count > 0).sum() < 2:
            continue
        logs = np.log(loss[own])
        structure = fit_buhlmann_straub(segment[own], np.ones(len(logs)), logs)
        if not _differ(np.bincount(segment[own], logs, segments).astype(np.float64), count, structure.within):
            continue
        z = structure.credibility(count)
        total = np.bincount(segment[own], loss[own], segments)
        mean = np.divide(total, count, out=found[:, at].copy(), where=count > 0)
        found[:, at] = z * mean + (1.0 - z) * overall[at]
    return found


def _differ(total: Floats, count: Floats, within: float) -> bool:
    """Whether means differ by more than chance does: Cochran's Q (1954) beyond the 95 % point of chi-squared."""
    from scipy.stats import chi2

    known = count > 0
    mean = total[known] / count[known]
    apart = float(count[known] @ (mean - total.sum() / count.sum()) ** 2)
    return bool(apart > within * float(chi2.ppf(0.95, known.sum() - 1)))


def traced(count: Floats) -> Floats:
    """Shares [classes] of classes that came so often [classes], graver ones later. A trace of half an accident is shared out,
    to each class a fifth of what the one below has: one that never came is rare, and the rarer the graver."""
    trace = 0.2 ** np.arange(len(count))
    return np.asarray((count + 0.5 * trace / trace.sum()) / (count.sum() + 0.5))
