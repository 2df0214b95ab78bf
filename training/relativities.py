"""A multiplicative tariff fitted to losses: an amount by size, times a relativity for every banded or coded fact.

    loss a year ~ size^b x relativity_1 x relativity_2 ...    quasi-Poisson with log link, ridge on the logs of relativities

A fact with a better side has relativities that never rise as it improves: effects are sums of steps of one sign, so that levels
in the wrong order are pooled, as in isotonic regression (Barlow et al. 1972). The amount by size is laid out as rates by slice
of the size, so that a larger size never pays less: chords of size^b between the slices' ends. Quasi-Poisson keeps totals (the
amounts sum to the losses) and bears a heavy tail better than a gamma fit (Ohlsson & Johansson 2010, Non-Life Insurance Pricing
with Generalized Linear Models, sections 2 and 4). A relativity of 1 is the mean of the book (of logs), and that of a fact not
known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from features.errors import BadInput
from training.count_metrics import Counted, calibration_slope
from training.intervals import Interval, draw, resample

Floats = npt.NDArray[np.float64]
Groups = npt.NDArray[np.generic]
Columns = Mapping[str, npt.NDArray[np.generic]]
Better = Literal["lower", "higher"] | None
DIGITS = 4  # a relativity as it is printed; rates have two more
_LEAST_EXPONENT = 0.05


@dataclass(frozen=True)
class Bands:
    """A number in bands: below edges[0], from edges[0] to below edges[1], ..., from the last edge on. NaN: not known."""

    fact: str
    edges: tuple[float, ...]
    better: Better = None

    @property
    def levels(self) -> int:
        return len(self.edges) + 1

    def level(self, column: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
        """Which band each row is in [n]; -1 where the number is not known."""
        value = np.asarray(column, dtype=np.float64)
        return np.where(np.isnan(value), -1, np.searchsorted(self.edges, value, side="right")).astype(np.int64)


@dataclass(frozen=True)
class Codes:
    """A code; with `better`, codes stand from the best to the worst. A code that is not among them is refused."""

    fact: str
    codes: tuple[str, ...]
    ordered: bool = False

    @property
    def better(self) -> Better:
        return "lower" if self.ordered else None

    @property
    def levels(self) -> int:
        return len(self.codes)

    def level(self, column: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
        """Which code each row has [n]; -1 where it is not known (empty)."""
        place = {code: at for at, code in enumerate(self.codes)} | {"": -1}
        strange = sorted({str(one) for one in column} - set(place))
        if strange:
            raise BadInput(f"'{strange[0]}' is outside its table", where=self.fact, mend=f"it has {', '.join(self.codes)}")
        return np.array([place[str(one)] for one in column], dtype=np.int64)


Scale = Bands | Codes


class Size(BaseModel):
    """The amount by size: each slice of it at its own rate. edges: where slices begin, from 0; rates per `per` of size."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fact: str
    per: float
    exponent: float
    edges: tuple[float, ...]
    rates: tuple[float, ...]

    def amount(self, size: Floats) -> Floats:
        """Amount a year [n]."""
        ends = np.array([*self.edges[1:], np.inf])
        inside = np.clip(size[:, None], self.edges, ends) - np.asarray(self.edges)
        return np.asarray(inside @ np.asarray(self.rates) / self.per)


class Relativities(BaseModel):
    """Relativities of one fact by level, with the rows that each was read off and its interval over resampled groups."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    scale: Annotated[Bands | Codes, Field(union_mode="left_to_right")]
    values: tuple[float, ...]
    rows: tuple[int, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()

    def of(self, columns: Columns) -> Floats:
        """The relativity of each row [n]."""
        return np.append(self.values, 1.0)[self.scale.level(columns[self.scale.fact])]


class Tariff(BaseModel):
    """A fitted tariff: pure premium a year = amount by size x relativities."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: Size
    factors: tuple[Relativities, ...]

    def amount(self, columns: Columns) -> Floats:
        """Pure premium a year [n], with the rates and relativities as they are printed."""
        amount = self.size.amount(np.asarray(columns[self.size.fact], dtype=np.float64))
        for one in self.factors:
            amount = amount * one.of(columns)
        return amount


@dataclass(frozen=True)
class Design:
    """What a tariff is made of: the fact of size with where its slices begin, scales of the others, and the ridge.

    penalty: prior precision of a log relativity (or of a step of one), in mean losses of a row.
    """

    size: str
    edges: tuple[float, ...]
    per: float
    scales: tuple[Scale, ...]
    penalty: float = 30.0


def fit_tariff(columns: Columns, limited: Floats, loss: Floats, design: Design) -> Tariff:
    """Fit to losses of a year with large ones limited [n]; the level is that of all losses [n].

    Raises BadInput without a loss, or on a size that is not above 0.
    """
    if not (limited.sum() > 0 and loss.sum() > 0):
        raise BadInput("there is no loss to learn from", where="training years", mend="take a longer period")
    size = np.asarray(columns[design.size], dtype=np.float64)
    if not (size > 0).all():
        raise BadInput("a size is zero, negative or missing", where=design.size, mend="leave the row out")
    share = limited / limited.mean()
    steps = [_Steps.of(scale, columns) for scale in design.scales]
    exponent = _solve(share, np.zeros(len(size)), steps, design.penalty, np.log(size))[0]
    curve = _sliced(design, exponent)
    effects = _solve(share, np.log(curve.amount(size)), steps, design.penalty)[2]
    factors = tuple(one.relativities(effect) for one, effect in zip(steps, effects, strict=True))
    plain = Tariff(size=curve, factors=factors)
    level = float(loss.sum() / plain.amount(columns).sum())
    rates = tuple(float(f"{level * rate:.{DIGITS + 2}g}") for rate in curve.rates)
    return Tariff(size=curve.model_copy(update={"rates": rates}), factors=factors)


def with_intervals(tariff: Tariff, columns: Columns, limited: Floats, loss: Floats, design: Design, group: Groups, *,
                   replicates: int = 100, seed: int = 0) -> Tariff:  # fmt: skip
    """The tariff with intervals of its relativities: refitted on resampled groups (policies, enterprises)."""
    names, code = np.unique(group, return_inverse=True)
    found = []
    for drawn in resample(len(names), replicates, seed):
        rows = np.repeat(np.arange(len(code)), drawn[code].astype(int))
        part = {name: column[rows] for name, column in columns.items()}
        found.append(fit_tariff(part, limited[rows], loss[rows], design))
    factors = []
    for place, one in enumerate(tariff.factors):
        values = np.array([fitted.factors[place].values for fitted in found])
        low, high = (tuple(np.round(np.quantile(values, q, axis=0), DIGITS).tolist()) for q in (0.025, 0.975))
        factors.append(one.model_copy(update={"low": low, "high": high}))
    return tariff.model_copy(update={"factors": tuple(factors)})


@dataclass(frozen=True)
class Weight:
    """How far a model's relativity counts beside a tariff: premium ~ tariff x (model / (level x tariff)) ** weight.

    weight: the credibility Z in 0..1, with its interval.  level: at which the total of the tariff is kept.
    """

    weight: float
    low: float
    high: float
    level: float

    def relativity(self, tariff: Floats, model: Floats) -> Floats:
        """The model's relativity [n]."""
        return np.asarray((model / (self.level * tariff)) ** self.weight)


def fit_weight(tariff: Floats, model: Floats, loss: Floats, group: npt.NDArray[np.generic], *, seed: int = 0) -> Weight:
    """Fit on rows that neither the tariff nor the model has seen: losses [n] with the tariff as offset.

    Z is the slope of the log loss over the tariff's amount against the log of model / tariff (quasi-Poisson), held in 0..1:
    what the model says beyond the tariff counts as far as losses followed it, and no evidence is charged twice.
    """
    rows = Counted.of(loss, tariff, group)
    slope: Interval = draw(calibration_slope(rows, model), resample(rows.groups, 400, seed)).interval()
    weight, low, high = (float(np.clip(np.nan_to_num(one), 0.0, 1.0)) for one in (slope.value, slope.low, slope.high))
    weight = round(weight, DIGITS)
    ratio = model / tariff
    if weight == 0:
        level = float(np.exp(np.average(np.log(ratio), weights=tariff)))
    else:
        level = float((tariff @ ratio**weight / tariff.sum()) ** (1.0 / weight))
    return Weight(weight, low, high, level)


@dataclass(frozen=True)
class _Steps:
    """A scale as columns [n, levels]: of an ordered one whether a level is reached, else which code it is; gaps at the mean."""

    scale: Scale
    columns: Floats
    mean: Floats
    rows: tuple[int, ...]

    @classmethod
    def of(cls, scale: Scale, columns: Columns) -> Self:
        level = scale.level(columns[scale.fact])
        known = level >= 0
        found = cls._laid(scale, np.arange(scale.levels))[level]
        mean = found[known].mean(axis=0) if known.any() else np.zeros(found.shape[1])
        found[~known] = mean
        rows = np.bincount(level[known], minlength=scale.levels)
        return cls(scale, found - mean, mean, tuple(int(one) for one in rows))

    @staticmethod
    def _laid(scale: Scale, level: npt.NDArray[np.int64]) -> Floats:
        ordered = isinstance(scale, Bands) or scale.ordered
        if ordered:
            return (level[:, None] >= np.arange(1, scale.levels)).astype(np.float64)
        return np.eye(scale.levels)[level]

    @property
    def bounds(self) -> tuple[float, float]:
        """What a step may be: up where lower is better, down where higher is, any where neither."""
        better = self.scale.better
        return (0.0 if better == "lower" else -np.inf, 0.0 if better == "higher" else np.inf)

    def relativities(self, effect: Floats) -> Relativities:
        away = (self._laid(self.scale, np.arange(self.scale.levels)) - self.mean) @ effect
        values = tuple(max(round(float(one), DIGITS), 10.0**-DIGITS) for one in np.exp(away))
        return Relativities(scale=self.scale, values=values, rows=self.rows)


def _solve(
    share: Floats, offset: Floats, steps: Sequence[_Steps], penalty: float, log_size: Floats | None = None
) -> tuple[float, float, list[Floats]]:
    """Exponent of the size (1 without it), level and effects by scale: penalised quasi-Poisson likelihood under bounds."""
    from scipy.optimize import minimize

    n = len(share)
    size = np.empty((n, 0)) if log_size is None else (log_size - log_size.mean())[:, None]
    design = np.hstack([np.ones((n, 1)), size, *(one.columns for one in steps)])
    first = 1 + size.shape[1]
    ridge = np.r_[np.zeros(first), np.full(design.shape[1] - first, penalty)]
    bounds = [(-30.0, 30.0), *([(_LEAST_EXPONENT, 1.0)] if first == 2 else [])]
    bounds += [one.bounds for one in steps for _ in range(one.columns.shape[1])]

    def cost(effects: Floats) -> tuple[float, Floats]:
        log_mean = np.clip(offset + design @ effects, -50.0, 50.0)
        mean = np.exp(log_mean)
        value = float((mean - share * log_mean).sum() + 0.5 * ridge @ effects**2)
        return value / n, np.asarray((design.T @ (mean - share) + ridge * effects) / n)

    start = np.zeros(design.shape[1])
    start[0] = -np.log(np.exp(offset).mean())
    if first == 2:
        start[1] = 0.5
    found = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 2000, "ftol": 1e-12})
    parts = np.split(found.x[first:], np.cumsum([one.columns.shape[1] for one in steps])[:-1])
    return float(found.x[1]) if first == 2 else 1.0, float(found.x[0]), list(parts)


def _sliced(design: Design, exponent: float) -> Size:
    """The curve size^exponent as rates by slice; beyond the last edge the slice goes on to twice the edge."""
    edges = np.asarray(design.edges)
    ends = np.append(edges[1:], 2.0 * edges[-1])
    rates = (ends**exponent - edges**exponent) / (ends - edges) * design.per
    return Size(
        fact=design.size, per=design.per, exponent=round(exponent, DIGITS), edges=design.edges, rates=tuple(rates.tolist())
    )
