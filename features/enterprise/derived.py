"""Features made of other features, observation by observation.

Only additions, multiplications, divisions, square roots and comparisons, which round alike everywhere: so the number of
observations that are computed together changes no bit.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from features.enterprise.columns import YEAR_DAYS
from features.enterprise.spec import DAY_HOURS, EnterpriseSpec
from features.history import HOUR, Ints

Floats = npt.NDArray[np.float64]
# A rate is carried on beyond the end of what it was told for, at most for so long.
CARRY_DAYS = 365.0
Function = Callable[..., Floats]


def first_of(spec: EnterpriseSpec, *columns: Floats) -> Floats:
    """The first of them that is known."""
    found = columns[0]
    for column in columns[1:]:
        found = np.where(np.isnan(found), column, found)
    return found


def at_least_one(spec: EnterpriseSpec, *columns: Floats) -> Floats:
    """The first that is known, 1 where none is, and never below 1: the floor of exposure."""
    found = first_of(spec, *columns)
    return np.where(np.isnan(found), 1.0, np.maximum(found, 1.0))


def carried_on(spec: EnterpriseSpec, *columns: Floats) -> Floats:
    """Worker-years of the window: (spread over it, latest rate, its age) of each basis, then (rate, age) of the policies."""
    *bases, policy_rate, policy_age = columns
    window = _window(spec)
    # A policy's headcount holds from the first policy on.
    found = np.asarray(policy_rate * (np.minimum(policy_age, window) / YEAR_DAYS))
    for at in range(len(bases) - 3, -1, -3):
        told, rate, age = bases[at : at + 3]
        own = told + rate * (np.minimum(age, min(window, CARRY_DAYS)) / YEAR_DAYS)
        found = np.where(np.isnan(own), found, own)
    return found


def or_since(spec: EnterpriseSpec, own: Floats, per_year: Floats, observed: Floats) -> Floats:
    """What the enterprise told of the window, else the size that stands in, from the beginning of its observation on."""
    return np.where(np.isnan(own), per_year * (np.minimum(observed, _window(spec)) / YEAR_DAYS), own)


def change(spec: EnterpriseSpec, *columns: Floats) -> Floats:
    """Amount per day told of the last year against the last two, less 1.

    columns: amount and days told of the last year, amount and days told of the last two; the first four with anything count.
    """
    found = np.full(len(columns[0]), np.nan)
    for at in range(len(columns) - 4, -1, -4):
        year, days, both, all_days = columns[at : at + 4]
        found = np.where((days > 0.0) & (both > 0.0), (year / days) / (both / all_days) - 1.0, found)
    return found


def brought_to_a_year(spec: EnterpriseSpec, told: Floats, age: Floats, observed: Floats) -> Floats:
    """What was told of the last year, as much as it would be in a whole one. age: days since the latest told."""
    part = (np.minimum(observed, CARRY_DAYS) - age) / CARRY_DAYS
    return np.where(part > 0.0, told / part, np.nan)


def credible(spec: EnterpriseSpec, count: Floats, expected: Floats, shape: Floats) -> Floats:
    """Posterior mean of a gamma relativity of mean 1 and this shape, after a Poisson count: (a + n) / (a + mu)."""
    return (shape + count) / (shape + expected)


def ratio(spec: EnterpriseSpec, one: Floats, of: Floats) -> Floats:
    """one / of; missing where there is nothing to be a share of."""
    return np.where(of > 0.0, one / of, np.nan)


def ratio_or_0(spec: EnterpriseSpec, one: Floats, of: Floats) -> Floats:
    """one / of; 0 where there is nothing to be a share of."""
    return np.where(of > 0.0, one / of, 0.0 * of)


def ratio_or_1(spec: EnterpriseSpec, one: Floats, of: Floats) -> Floats:
    """one / of; 1 where there is nothing to be a share of."""
    return np.where(of > 0.0, one / of, 1.0 + 0.0 * of)


def share_of_sum_or_0(spec: EnterpriseSpec, one: Floats, other: Floats) -> Floats:
    """one / (one + other); 0 where both are 0."""
    return ratio_or_0(spec, one, one + other)


def per(spec: EnterpriseSpec, one: Floats, of: Floats) -> Floats:
    """one / of, of which there is always some."""
    return one / of


def product(spec: EnterpriseSpec, one: Floats, other: Floats) -> Floats:
    return one * other


def plus(spec: EnterpriseSpec, one: Floats, other: Floats) -> Floats:
    return one + other


def less(spec: EnterpriseSpec, one: Floats, other: Floats) -> Floats:
    return one - other


def rate_change(spec: EnterpriseSpec, last: Floats, before: Floats, observed: Floats, size: Floats, *told: Floats) -> Floats:
    """Accidents per worker-year of one year against the year before, less 1; missing without accidents or workers to divide
    by, or with a record shorter than the window.

    told: worker-years and days told of the one year, then of the year before, for each basis; the first basis that tells of
    both counts. Where none does, an enterprise of a known `size` has had that size in both.
    """
    grown = np.where(np.isnan(size), np.nan, 1.0)
    for at in range(len(told) - 4, -1, -4):
        amount, days, earlier, earlier_days = told[at : at + 4]
        both = (days > 0.0) & (earlier_days > 0.0)
        grown = np.where(both, (amount / days) / (earlier / earlier_days), grown)
    known = (before > 0.0) & (observed >= _window(spec)) & (grown > 0.0) & np.isfinite(grown)
    return np.where(known, last / before / grown - 1.0, np.nan)


def known_or_0(spec: EnterpriseSpec, value: Floats, beside: Floats) -> Floats:
    """The value; 0 where it is missing and what stands beside it is known."""
    return np.where(np.isnan(value), 0.0 * beside, value)


def likeness(spec: EnterpriseSpec, *columns: Floats) -> Floats:
    """Cosine of two profiles: the columns of the one, then those of the other, each 0 or more. Missing where one is all 0."""
    half = len(columns) // 2
    return _cosine(columns[:half], columns[half:], columns[half:])


def weighted_likeness(spec: EnterpriseSpec, *columns: Floats) -> Floats:
    """As `likeness`, each part of what two profiles share weighing as much as the column behind them says."""
    third = len(columns) // 3
    own, other, weight = (columns[at : at + third] for at in range(0, len(columns), third))
    return _cosine(own, other, [one * by for one, by in zip(other, weight, strict=True)])


def _cosine(own: Sequence[Floats], other: Sequence[Floats], shared: Sequence[Floats]) -> Floats:
    product, left, right = (np.zeros(len(own[0])) for _ in range(3))
    for one, many, both in zip(own, other, shared, strict=True):
        product, left, right = product + one * both, left + one * one, right + many * many
    length = np.sqrt(left) * np.sqrt(right)
    return np.where(length > 0.0, product / length, np.nan)


def least_where(spec: EnterpriseSpec, *columns: Floats) -> Floats:
    """The least of the second half of the columns whose fellow in the first half is above 0; missing without any."""
    half = len(columns) // 2
    found = np.full(len(columns[0]), np.nan)
    for chosen, value in zip(columns[:half], columns[half:], strict=True):
        found = np.where((chosen > 0.0) & ~(found <= value) & ~np.isnan(value), value, found)
    return found


def exists(spec: EnterpriseSpec, count: Floats) -> Floats:
    """1 where there is one, else 0."""
    return np.where(np.isnan(count), count, (count > 0.0).astype(np.float64))


def is_known(spec: EnterpriseSpec, value: Floats) -> Floats:
    """1 where it is known, else 0."""
    return (~np.isnan(value)).astype(np.float64)


def _window(spec: EnterpriseSpec) -> float:
    return (spec.window_hours or np.inf) / DAY_HOURS


FUNCTIONS: Mapping[str, Function] = {
    one.__name__: one
    for one in (
        first_of, at_least_one, carried_on, or_since, change, brought_to_a_year, credible, ratio, ratio_or_0, ratio_or_1,
        share_of_sum_or_0, per, product, plus, less, rate_change, exists, is_known, known_or_0, likeness, weighted_likeness,
        least_where,
    )
}  # fmt: skip


def day_of_year(as_of: Ints) -> Floats:
    """Days since the beginning of the year, from 0."""
    day = (as_of // (24 * HOUR)).astype("datetime64[D]")
    return np.asarray((day - day.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.float64))


CALENDAR: Mapping[str, Callable[[Ints], Floats]] = {"day_of_year": day_of_year}
