"""Splits by time with a gap of at least the horizon, and by machine.

A training row at as_of carries a label that reaches to as_of + horizon, so it must end before the next period starts; otherwise
training would hold outcomes of the period that it is judged on.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.clock import Micros, micros
from features.errors import BadInput

MICROS_PER_HOUR = 3_600_000_000
MIN_GAP_HOURS = 72.0
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Fold:
    """Row numbers of one origin; `cut` (microseconds) is where its test period starts."""

    train: Rows
    test: Rows
    cut: int


@dataclass(frozen=True)
class Periods:
    """Row numbers of three periods in time order, and the microseconds at which the later two start."""

    train: Rows
    calibration: Rows
    test: Rows
    calibration_from: int
    test_from: int


def rolling_origin(
    as_of: Micros | pd.Series, n_folds: int, *, gap_hours: float = MIN_GAP_HOURS, test_share: float = 0.5
) -> list[Fold]:
    """`n_folds` folds whose test periods are equal stretches of the last `test_share` of the time span.

    Each fold trains on every row whose label window ended by its cut: as_of + gap <= cut. Raises BadInput if a fold would be
    left without training or test rows.
    """
    moments = _moments(as_of)
    _check_gap(gap_hours)
    if n_folds < 1 or not 0 < test_share < 1:
        raise BadInput(f"{n_folds} folds over a share of {test_share}", where="splits", mend="at least 1 fold, 0 < share < 1")
    if not len(moments):
        raise BadInput("no observations to split", where="splits", mend="build a larger snapshot")
    first, last = int(moments.min()), int(moments.max()) + 1
    edges = [last - round((last - first) * test_share * (n_folds - i) / n_folds) for i in range(n_folds + 1)]
    folds = []
    for cut, end in pairwise(edges):
        train = np.flatnonzero(moments <= cut - _gap(gap_hours))
        test = np.flatnonzero((moments >= cut) & (moments < end))
        if not len(train) or not len(test):
            raise BadInput("a fold has no training or no test rows", where="splits", mend="fewer folds or a longer history")
        folds.append(Fold(train, test, cut))
    return folds


def by_time(
    as_of: Micros | pd.Series,
    *,
    calibration_share: float = 0.15,
    test_share: float = 0.2,
    gap_hours: float = MIN_GAP_HOURS,
    calibration_from: datetime | None = None,
    test_from: datetime | None = None,
) -> Periods:
    """Train, later calibration, latest test; before each later period lies a gap. Dates, where given, overrule the shares.

    Raises BadInput if a period would be empty or the dates are out of order.
    """
    moments = _moments(as_of)
    _check_gap(gap_hours)
    if not len(moments):
        raise BadInput("no observations to split", where="splits", mend="build a larger snapshot")
    first, last = int(moments.min()), int(moments.max()) + 1
    test_cut = micros(test_from) if test_from else last - round((last - first) * test_share)
    calibration_cut = (
        micros(calibration_from) if calibration_from else last - round((last - first) * (test_share + calibration_share))
    )
    if calibration_cut >= test_cut:
        raise BadInput("calibration starts at or after the test", where="splits", mend="set calibration_from before test_from")
    gap = _gap(gap_hours)
    periods = Periods(
        np.flatnonzero(moments <= calibration_cut - gap),
        np.flatnonzero((moments >= calibration_cut) & (moments <= test_cut - gap)),
        np.flatnonzero(moments >= test_cut),
        calibration_cut,
        test_cut,
    )
    for name in ("train", "calibration", "test"):
        if not len(getattr(periods, name)):
            raise BadInput(f"the {name} period holds no observation", where="splits", mend="a longer history or other dates")
    return periods


def cutoffs(
    as_of: Micros | pd.Series,
    *,
    count: int | None = None,
    share: float = 0.5,
    every_days: float | None = None,
    first: datetime | None = None,
) -> list[int]:
    """Moments (microseconds) at which a backtest retrains; each one's period ends with the next, the last one's with the data.

    Either every so many days from `first` on, or `count` (6) moments that cut the last `share` of the time span into equal
    stretches, at midnight UTC where these are longer than two days. Raises BadInput if that leaves no cut-off inside the data.
    """
    moments = _moments(as_of)
    if not len(moments):
        raise BadInput("no observations to split", where="splits", mend="build a larger snapshot")
    begin, last = int(moments.min()), int(moments.max())
    if (every_days is None) != (first is None):
        raise BadInput("days between cut-offs and a first date go together", where="cut-offs", mend="give both, or a number")
    if count is not None and every_days is not None:
        raise BadInput("cut-offs are given in two ways", where="cut-offs", mend="either a number, or days and a first date")
    if every_days is not None and first is not None:
        if not 1 <= every_days <= 3650:
            raise BadInput(f"{every_days:g} days between cut-offs", where="cut-offs", mend="from 1 to 3650")
        found = list(range(micros(first), last + 1, int(every_days * 24 * MICROS_PER_HOUR)))
        if not found or found[0] <= begin:
            raise BadInput(f"no cut-off inside the data from {first:%Y-%m-%d} on", where="cut-offs", mend="another first date")
        return found
    count = 6 if count is None else count
    if not 1 <= count <= 500:
        raise BadInput(f"{count} cut-offs", where="cut-offs", mend="from 1 to 500")
    step, day = (last + 1 - begin) * share / count, 24 * MICROS_PER_HOUR
    exact = [last + 1 - round(step * (count - number)) for number in range(count)]
    return [cut // day * day if step > 2 * day else cut for cut in exact]


def at_cutoff(
    as_of: Micros, cut: int, until: int, *, calibration_share: float = 0.15, test_share: float = 0.2, gap_hours: float = 72.0
) -> Periods:
    """The periods of a model that is trained at `cut` and used until `until`, in microseconds.

    The shares are those of `by_time`: of the history before the cut, as much is for calibration as there. Raises BadInput if a
    period would be empty.
    """
    _check_gap(gap_hours)
    moments, gap = _moments(as_of), _gap(gap_hours)
    begin = int(moments.min())
    calibration_cut = cut - round((cut - begin) * calibration_share / (1.0 - test_share))
    train = np.flatnonzero(moments <= calibration_cut - gap)
    calibration = np.flatnonzero((moments >= calibration_cut) & (moments <= cut - gap))
    test = np.flatnonzero((moments >= cut) & (moments < until))
    for name, rows in (("train", train), ("calibration", calibration), ("test", test)):
        if not len(rows):
            raise BadInput(f"the {name} period holds no observation", where="splits", mend="a longer history or later cut-offs")
    return Periods(train, calibration, test, calibration_cut, cut)


def machine_share(machine_ids: Sequence[str], share: float, *, salt: str = "") -> npt.NDArray[np.bool_]:
    """True for about `share` of the machines, chosen by a hash of the id: the same machines on every run and every subset."""
    unique, inverse = np.unique(np.asarray(machine_ids, dtype=object).astype(str), return_inverse=True)
    chosen = np.array([zlib.crc32((salt + name).encode()) < share * 2**32 for name in unique], dtype=bool)
    return chosen[inverse]


def _moments(as_of: Micros | pd.Series) -> Micros:
    if isinstance(as_of, pd.Series):
        return np.asarray(as_of.dt.tz_convert("UTC").dt.as_unit("us").astype("int64"), dtype=np.int64)
    return as_of


def _gap(gap_hours: float) -> int:
    return int(gap_hours * MICROS_PER_HOUR)


def _check_gap(gap_hours: float) -> None:
    if gap_hours < MIN_GAP_HOURS:
        raise BadInput(f"a gap of {gap_hours:g} h is shorter than the 72 h horizon", where="splits", mend="use at least 72")
