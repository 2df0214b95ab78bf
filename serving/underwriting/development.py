"""Claims grow after their year is over: chain-ladder development with its standard error, and the trend of what is left.

T. Mack, "Distribution-free calculation of the standard error of chain ladder reserve estimates", ASTIN Bulletin 23/2 (1993)
213-225: age-to-age factors weighted by amount, variance proportional to the amount reached. No tail beyond the oldest age seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
# Student's 97.5 % point at 1, 2, ... degrees of freedom (any table of it); from the last on the normal one is near enough.
_T975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131)
_NORMAL975 = 1.96


@dataclass(frozen=True)
class Triangle:
    """Cumulated amounts [periods, ages]; NaN where an age has not come yet.

    ends: last day of each period of twelve months, oldest first; the last is the day of valuation. Age k: k + 1 years after a
    period's first day.
    """

    ends: tuple[date, ...]
    amounts: Floats


@dataclass(frozen=True)
class Developed:
    """A triangle carried to its oldest age. factors: age to age [ages-1]; sigma2: Mack's variance parameters [ages-1];
    ultimate, error: of each period [n] with standard error; total_error: of the sum."""

    factors: Floats
    sigma2: Floats
    latest: Floats
    ultimate: Floats
    error: Floats
    total_error: float

    @property
    def to_ultimate(self) -> Floats:
        """What the latest amount of each period is multiplied by [n]; 1 where nothing has come."""
        # An amount of nothing is carried to nothing, whatever the factor.
        known = self.latest > 0
        return np.where(known, self.ultimate / np.where(known, self.latest, 1.0), 1.0)


@dataclass(frozen=True)
class Trend:
    """Change a year as a share, with a 95 % interval."""

    yearly: float
    low: float
    high: float


def years_back(day: date, years: int) -> date:
    """The same day so many years earlier; of a 29 February the 28th."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return day.replace(year=day.year - years, day=28)


def triangle(claim: Ints, happened: Ints, valued: Ints, amount: Floats, until: date, periods: int) -> Triangle:
    """Valuations of claims -> the triangle whose newest period ends on `until`.

    claim: [n] number of the claim; happened, valued: [n] days (since 1970-01-01) of the accident and the valuation; amount: [n]
    what the claim was worth then (paid + reserved). At an age a claim is worth its last valuation by then. Claims from before
    the oldest of `periods` are left out.
    """
    ends = tuple(years_back(until, back) for back in range(periods - 1, -1, -1))
    edges = np.array([_day(years_back(until, periods)), *map(_day, ends)])
    order = np.lexsort((valued, claim))
    claim, happened, valued, amount = claim[order], happened[order], valued[order], amount[order]
    cells = np.full((periods, periods), np.nan)
    for period in range(periods):
        mine = (happened > edges[period]) & (happened <= edges[period + 1])
        for age in range(periods - period):
            known = np.flatnonzero(mine & (valued <= edges[period + age + 1]))
            last = known[np.flatnonzero(np.diff(claim[known], append=-1))]
            cells[period, age] = amount[last].sum()
    return Triangle(ends, cells)


def chain_ladder(cells: Floats) -> Developed:
    """Mack's chain ladder of cumulated amounts [n, n] (NaN below the diagonal).

    An age at which nothing had come in any period is taken to grow by nothing (factor 1), as no factor can be told from it.
    """
    size = cells.shape[1]
    factors, sigma2 = np.ones(size - 1), np.zeros(size - 1)
    for age in range(size - 1):
        seen = ~np.isnan(cells[:, age + 1])
        now, then = cells[seen, age], cells[seen, age + 1]
        if now.sum() > 0:
            factors[age] = then.sum() / now.sum()
        paid = now > 0
        if paid.sum() > 1:
            sigma2[age] = (now[paid] * (then[paid] / now[paid] - factors[age]) ** 2).sum() / (paid.sum() - 1)
    if size > 3 and sigma2[-1] == 0 and sigma2[-3] > 0:  # Mack's extrapolation of the last one, which has one period alone
        sigma2[-1] = min(sigma2[-2] ** 2 / sigma2[-3], sigma2[-3], sigma2[-2])
    return _carried(cells, factors, sigma2)


def _carried(cells: Floats, factors: Floats, sigma2: Floats) -> Developed:
    count, size = cells.shape
    ages = np.array([int(np.flatnonzero(~np.isnan(row))[-1]) for row in cells])
    latest = cells[np.arange(count), ages]
    columns = np.array([np.nansum(cells[~np.isnan(cells[:, age + 1]), age]) for age in range(size - 1)])
    ultimate, own, shared = latest.copy(), np.zeros(count), np.zeros(count)
    for row in range(count):
        reached = latest[row]
        for age in range(ages[row], size - 1):
            relative = sigma2[age] / factors[age] ** 2 if factors[age] > 0 else 0.0
            own[row] += relative / reached if reached > 0 else 0.0
            shared[row] += relative / columns[age] if columns[age] > 0 else 0.0
            reached *= factors[age]
        ultimate[row] = reached
    variance = ultimate**2 * (own + shared)
    # Periods share the estimated factors: the younger's part of that variance is the older's too (Mack's corollary).
    crossed = sum(
        2.0 * ultimate[row] * ultimate[row + 1 :].sum() * shared[row] for row in range(count)
    )  # fmt: skip
    return Developed(factors, sigma2, latest, ultimate, np.sqrt(variance), float(np.sqrt(variance.sum() + crossed)))


def trend(values: Floats) -> Trend | None:
    """Change a year of yearly values [n], by least squares on their logarithms; None with fewer than three above zero."""
    places = np.flatnonzero(values > 0).astype(np.float64)
    if len(places) < 3:
        return None
    y = np.log(values[values > 0])
    x = places - places.mean()
    slope = float((x * y).sum() / (x**2).sum())
    free = len(places) - 2
    spread = y - y.mean() - slope * x
    error = float(np.sqrt((spread**2).sum() / free / (x**2).sum()))
    half = (_T975[free - 1] if free <= len(_T975) else _NORMAL975) * error
    return Trend(*(float(np.expm1(one)) for one in (slope, slope - half, slope + half)))


def known_at(claim: Ints, valued: Ints, amount: Floats, day: int) -> tuple[Ints, Floats]:
    """Of the claims valued by a day: their numbers, ascending, and their last value by then."""
    order = np.lexsort((valued, claim))
    order = order[valued[order] <= day]
    last = order[np.flatnonzero(np.diff(claim[order], append=-1))]
    return claim[last], amount[last]


def valuation_dates(valued: Sequence[date], most: int = 12) -> tuple[date, ...]:
    """The days on which claims were valued, oldest first; of many, the last of each of the latest `most` months, quarters or
    years that have any."""
    days = sorted(set(valued))
    spans = (
        lambda day: day,
        lambda day: (day.year, day.month),
        lambda day: (day.year, (day.month - 1) // 3),
        lambda day: day.year,
    )
    for span in spans:
        last = {span(day): day for day in days}
        if len(last) <= most:
            return tuple(last.values())
    return tuple(last.values())[-most:]


def _day(day: date) -> int:
    return day.toordinal() - _EPOCH


_EPOCH = date(1970, 1, 1).toordinal()
