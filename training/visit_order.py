"""What an order of visits is worth: the same visits in the same daily numbers, only sorted by a score.

The first day's number of visits goes to the highest scores, the next day's to those after them, and so on. What is found is
taken to be there on whichever day the visit falls: the simulation that the city of Chicago published for its food inspections
(github.com/Chicago/food-inspections-evaluation). Its assumption is a kind one (Kannan, Shapiro & Bilgic 2019).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.metrics import Floats, Statistic

Whole = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Visits:
    """Visits [n] as they were made: on which day (a number), whether the fault was found (1 or 0), whose they are.

    unit: what is resampled, 0 to units - 1. inspector: which inspectors' days the visit took, as a code.
    """

    day: Floats
    found: Floats
    unit: Whole
    inspector: Whole

    @property
    def units(self) -> int:
        return int(self.unit.max()) + 1


class Order:
    """Visits sorted by a score, the highest first; visits of one score stand on each other's days in the mean."""

    def __init__(self, day: Floats, score: Floats) -> None:
        self._by_day = np.argsort(day, kind="stable")
        self._sorted = day[self._by_day]
        self._by_score = np.argsort(-score, kind="stable")
        falling = score[self._by_score]
        self._block = np.cumsum(np.r_[False, falling[1:] != falling[:-1]])

    def days(self, weight: Floats) -> Floats:
        """The day [n] of each visit in the new order, a visit drawn w times being w visits of that score and that day."""
        drawn = weight[self._by_day]
        places = np.r_[0.0, np.cumsum(drawn)]
        sums = np.r_[0.0, np.cumsum(drawn * self._sorted)]
        ends = np.cumsum(np.bincount(self._block, weight[self._by_score]))
        at = np.interp(np.r_[0.0, ends], places, sums)
        held = np.diff(np.r_[0.0, ends])
        mean = np.divide(np.diff(at), held, out=np.zeros(len(held)), where=held > 0)
        new = np.empty(len(weight))
        new[self._by_score] = mean[self._block]
        return new


def days_earlier(visits: Visits, score: Floats) -> Statistic:
    """How many days earlier than they were found faults would have been found, in the mean over those found."""
    return _figure(visits, score, lambda new, weight: float((visits.day - new) @ (weight * visits.found)))


def days_earlier_of_each(visits: Visits, score: Floats) -> Statistic:
    """The same where every inspector keeps the days that he has: only visits of one inspector change places."""
    parts = [np.flatnonzero(visits.inspector == one) for one in np.unique(visits.inspector)]
    orders = [(part, Order(visits.day[part], score[part])) for part in parts]

    def run(weights: Floats) -> Floats:
        drawn = weights[:, visits.unit]
        gained = np.zeros(len(drawn))
        for part, order in orders:
            for row, weight in enumerate(drawn[:, part]):
                gained[row] += (visits.day[part] - order.days(weight)) @ (weight * visits.found[part])
        return _over(gained, drawn @ visits.found)

    return run


def found_before(visits: Visits, score: Floats, day: float) -> Statistic:
    """The share of the faults that would have been found before a day."""
    return _figure(visits, score, lambda new, weight: float((new < day) @ (weight * visits.found)))


def _figure(visits: Visits, score: Floats, summed: Callable[[Floats, Floats], float]) -> Statistic:
    order = Order(visits.day, score)

    def run(weights: Floats) -> Floats:
        drawn = weights[:, visits.unit]
        return _over(np.array([summed(order.days(weight), weight) for weight in drawn]), drawn @ visits.found)

    return run


def _over(sums: Floats, found: Floats) -> Floats:
    """NaN where a resample has no fault."""
    return np.asarray(np.divide(sums, found, out=np.full(len(sums), np.nan), where=found > 0))


def found_by_day(visits: Visits, score: Floats) -> tuple[Floats, Floats]:
    """Days from the first, and the share of faults found by the end of each. Of one score the visit made first goes first."""
    first, last = visits.day.min(), visits.day.max()
    days = np.arange(first, last + 1.0)
    new = np.empty(len(score))
    new[np.lexsort((visits.day, -score))] = np.sort(visits.day)
    faults = np.sort(new[visits.found > 0])
    share = np.searchsorted(faults, days + 0.5) / max(len(faults), 1)
    return days - first, share
