"""Credibility: how far an entity's own record speaks against what is expected of the likes of it.

Buhlmann-Straub (Buhlmann & Gisler 2005, A Course in Credibility Theory and its Applications, section 4.2, estimators 4.8): of
entity i in period j a ratio X_ij with weight w_ij (payroll, exposure, or the number that another model expects):

    sigma^2 = 1/I sum_i 1/(n_i - 1) sum_j w_ij (X_ij - X_i)^2        within an entity, here pooled over all degrees of freedom
    tau^2   = c (I/(I-1) sum_i w_i/w (X_i - X)^2 - I sigma^2 / w),   c = (I-1)/I / sum_i w_i/w (1 - w_i/w)
    Z_i     = w_i / (w_i + sigma^2/tau^2),   mu = sum_i Z_i X_i / sum_i Z_i,   estimate = Z_i X_i + (1 - Z_i) mu

Poisson-gamma is its case for numbers: entity i has N ~ Poisson(theta_i x expected), theta ~ gamma(shape, shape), so that after
a record of N against E the factor is (shape + N) / (shape + E): Z = E / (E + shape). A record loses weight with age by `decay`
per period, as in an evolutionary model (Pinquet, Guillen & Bolance 2001). NCCI's experience modification has this form:
actual over expected, drawn to 1 by a ballast beside the expected losses; here the ballast is estimated.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from features.errors import BadInput

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
_SHAPES = (1e-2, 1e4)
_LEAST_DECAY = 0.3


class BuhlmannStraub(BaseModel):
    """level mu, variance within an entity sigma^2 (of a ratio with weight 1), variance between entities tau^2."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: float
    within: float = Field(ge=0.0)
    between: float = Field(ge=0.0)

    def credibility(self, weight: Floats) -> Floats:
        """Z [n] of records of this weight [n]: in [0, 1), 0 without a record."""
        if self.between == 0.0:
            return np.zeros(len(weight))
        return np.asarray(weight / np.maximum(weight + self.within / self.between, 1e-300))

    def estimate(self, weight: Floats, ratio: Floats) -> Floats:
        """Credibility estimate [n] from each entity's record: its total weight and its mean ratio (ignored at weight 0)."""
        z = self.credibility(weight)
        return np.asarray(z * np.where(weight > 0, ratio, 0.0) + (1.0 - z) * self.level)


def record(entity: Whole, weight: Floats, ratio: Floats, entities: int) -> tuple[Floats, Floats]:
    """Total weight and weighted mean ratio [entities] of entities coded 0..entities-1; the mean is 0 without a record."""
    total = np.asarray(np.bincount(entity, weights=weight, minlength=entities), dtype=np.float64)
    above = np.bincount(entity, weights=weight * ratio, minlength=entities)
    return total, np.asarray(np.divide(above, total, out=np.zeros(entities), where=total > 0))


def fit_buhlmann_straub(entity: Whole, weight: Floats, ratio: Floats, level: float | None = None) -> BuhlmannStraub:
    """Estimate the structure from periods [n] of weight > 0. level: where it is known beforehand (1 on top of another model).

    Raises BadInput with fewer than two entities, or if none has two periods.
    """
    codes, position = np.unique(entity, return_inverse=True)
    count = len(codes)
    total, mean = record(position, weight, ratio, count)
    freedom = len(ratio) - count
    if count < 2 or freedom < 1 or not (weight > 0).all():
        raise BadInput(
            "credibility needs two entities and one of them with two periods, all of weight above zero",
            where="training periods", mend="take more periods",
        )  # fmt: skip
    within = float(weight @ (ratio - mean[position]) ** 2) / freedom
    share = total / total.sum()
    middle = float(share @ mean)
    c = (count - 1) / count / float(share @ (1.0 - share))
    between = c * (count / (count - 1) * float(share @ (mean - middle) ** 2) - count * within / float(total.sum()))
    found = BuhlmannStraub(level=middle, within=within, between=max(between, 0.0))
    if level is None and found.between > 0:
        z = found.credibility(total)
        level = float(z @ mean / z.sum())
    return found.model_copy(update={"level": middle if level is None else level})


@dataclass(frozen=True)
class Record:
    """An entity's own past at each row: expected number and number that came [n], older periods counting less."""

    expected: Floats
    count: Floats


def earlier(entity: Whole, period: Floats, expected: Floats, count: Floats, decay: float = 1.0) -> Record:
    """Of each row [n] the sums over the same entity's rows of EARLIER periods, each weighted decay^(periods between).

    A row's own outcome, and those of other rows of its period, do not enter. NaN in expected or count: nothing known, left out.
    """
    codes, position = np.unique(entity, return_inverse=True)
    known = np.isfinite(expected) & np.isfinite(count)
    amounts = np.stack([np.where(known, expected, 0.0), np.where(known, count, 0.0)], axis=1)
    found, kept = np.zeros_like(amounts), np.zeros((len(codes), 2))
    order = np.argsort(period, kind="stable")
    moments, starts = np.unique(period[order], return_index=True)
    for moment, until, rows in zip(moments, [*moments[1:], moments[-1]], np.split(order, starts[1:]), strict=True):
        found[rows] = kept[position[rows]]
        np.add.at(kept, position[rows], amounts[rows])
        kept *= decay ** float(until - moment)
    return Record(found[:, 0], found[:, 1])


class PoissonGamma(BaseModel):
    """shape: how much expected number the prior is worth; decay: what a record keeps from one period to the next."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shape: float = Field(gt=0.0)
    decay: float = Field(default=1.0, gt=0.0, le=1.0)

    def factor(self, own: Record) -> Floats:
        """[n] on the expected number: 1 without a record, above 1 after more accidents than expected."""
        return np.asarray((self.shape + own.count) / (self.shape + own.expected))

    def credibility(self, own: Record) -> Floats:
        """Z [n]."""
        return np.asarray(own.expected / (own.expected + self.shape))


def fit_poisson_gamma(entity: Whole, period: Floats, expected: Floats, count: Floats, *, decaying: bool = True) -> PoissonGamma:
    """Shape (and decay) by maximum likelihood of each period's number given the record of the entity's earlier ones.

    Given the record, the number is negative binomial with mean expected x factor and size shape + N; at decay 1 their product
    over an entity is its joint likelihood. expected [n] should come from a model that did not see these counts.
    """
    from scipy.optimize import minimize

    def records(decay: float) -> Record:
        return earlier(entity, period, expected, count, decay)

    whole = records(1.0)

    def loss(at: Floats) -> float:
        one = PoissonGamma(shape=float(np.exp(at[0])), decay=float(at[1]) if decaying else 1.0)
        own = records(one.decay) if decaying else whole
        return -float(log_likelihood(one.shape, own, expected, count).sum())

    bounds = [tuple(np.log(_SHAPES)), *([(_LEAST_DECAY, 1.0)] if decaying else [])]
    start = np.array([0.5, 0.9][: len(bounds)])
    found = minimize(loss, start, method="Nelder-Mead", bounds=bounds, options={"xatol": 1e-3, "fatol": 1e-4, "maxiter": 200})
    return PoissonGamma(shape=float(np.exp(found.x[0])), decay=float(found.x[1]) if decaying else 1.0)


def fit_shape(own: Record, expected: Floats, count: Floats) -> float:
    """Shape by maximum likelihood of numbers [n], given records gathered elsewhere, each without the row's own count."""
    from scipy.optimize import minimize_scalar

    def loss(log_shape: float) -> float:
        return -float(log_likelihood(float(np.exp(log_shape)), own, expected, count).sum())

    found = minimize_scalar(loss, bounds=tuple(np.log(_SHAPES)), method="bounded", options={"xatol": 1e-3})
    return float(np.exp(found.x))


def log_likelihood(shape: float, own: Record, expected: Floats, count: Floats) -> Floats:
    """Log probability [n] of the numbers that came, given the records: negative binomial."""
    from scipy.special import gammaln

    size, rate = shape + own.count, shape + own.expected
    return np.asarray(
        gammaln(count + size) - gammaln(size) - gammaln(count + 1.0)
        + size * np.log(rate / (rate + expected)) + count * np.log(np.maximum(expected, 1e-300) / (rate + expected))
    )  # fmt: skip
