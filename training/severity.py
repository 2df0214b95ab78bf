"""What an accident costs: distribution by family, mean by features or by grade, and what of it lies under a limit.

Expected loss = expected number x mean loss. The part of it that an insurer pays follows from the limited expected value
E[min(X, limit)] (Klugman, Panjer & Willmot 2012, Loss Models, appendix A).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from features.errors import BadInput
from training.frequency import CountRows
from training.glm import PENALTIES, Glm, Term, fit_glm

Floats = npt.NDArray[np.float64]
_SHAPES = (1e-2, 1e4)
_SPREADS = (1e-2, 6.0)


class LossDistribution(BaseModel):
    """A positive loss about a mean that is given with each question.

    gamma: shape k, so that deviation / mean = 1/sqrt(k). lognormal: shape = deviation of the logarithm.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: Literal["gamma", "lognormal"]
    shape: float = Field(gt=0)

    def limited(self, mean: Floats, limit: Floats | float) -> Floats:
        """E[min(X, limit)] [n]; an infinite limit gives the mean."""
        from scipy import special

        mean = np.asarray(mean, dtype=np.float64)
        at = np.maximum(np.asarray(limit, dtype=np.float64), 0.0) / mean
        with np.errstate(invalid="ignore"):
            if self.family == "gamma":
                below = special.gammainc(self.shape + 1.0, self.shape * at)
                above = special.gammaincc(self.shape, self.shape * at)
            else:
                z = (np.log(np.maximum(at, 1e-300)) + self.shape**2 / 2) / self.shape
                below, above = special.ndtr(z - self.shape), special.ndtr(-z)
            found = mean * (below + np.where(above > 0, at * above, 0.0))
        return np.asarray(np.where(np.isinf(at), mean, found))

    def layer(self, mean: Floats, deductible: Floats | float = 0.0, limit: Floats | float = np.inf) -> Floats:
        """E[what is paid] [n]: what lies above the deductible, at most `limit` of it, per accident."""
        least = np.asarray(deductible, dtype=np.float64)
        return np.asarray(self.limited(mean, least + limit) - self.limited(mean, least))

    def log_density(self, loss: Floats, mean: Floats) -> Floats:
        """Log density [n] of losses > 0."""
        from scipy import stats

        if self.family == "gamma":
            return np.asarray(stats.gamma.logpdf(loss, self.shape, scale=mean / self.shape))
        return np.asarray(stats.lognorm.logpdf(loss, self.shape, scale=mean * np.exp(-(self.shape**2) / 2)))


def fit_distribution(loss: Floats, mean: Floats, weight: Floats | None = None) -> LossDistribution:
    """Shape of each family by maximum likelihood given the means [n]; the family of the higher likelihood. Losses > 0.

    Raises BadInput with fewer than two losses.
    """
    from scipy.optimize import minimize_scalar

    full = checked(loss, weight)
    found: list[tuple[float, LossDistribution]] = []
    bounds: Mapping[Literal["gamma", "lognormal"], tuple[float, float]] = {"gamma": _SHAPES, "lognormal": _SPREADS}
    for family, (least, most) in bounds.items():

        def cost(log_shape: float, family: Literal["gamma", "lognormal"] = family) -> float:
            return -float(full @ LossDistribution(family=family, shape=float(np.exp(log_shape))).log_density(loss, mean))

        best = minimize_scalar(cost, bounds=(np.log(least), np.log(most)), method="bounded")
        found.append((float(best.fun), LossDistribution(family=family, shape=float(np.exp(best.x)))))
    return min(found, key=lambda one: one[0])[1]


def checked(loss: Floats, weight: Floats | None = None) -> Floats:
    """The weights [n] of losses that can be learnt from."""
    if len(loss) < 2:
        raise BadInput("fewer than two losses to learn from", where="losses", mend="take a longer period")
    if not (np.isfinite(loss).all() and (loss > 0).all()):
        raise BadInput("a loss is zero, negative or missing", where="losses", mend="leave out accidents without a loss")
    return np.ones(len(loss)) if weight is None else weight


class MeanLoss(BaseModel):
    """A GLM of the mean loss per accident."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    glm: Glm

    def mean(self, x: npt.NDArray[np.float32]) -> Floats:
        """Mean loss of an accident [n], of features [n, f]."""
        return self.glm.expected(x, np.ones(len(x)))


def fit_mean(rows: CountRows, terms: Sequence[Term], penalties: Sequence[float] = PENALTIES, *, seed: int = 0) -> MeanLoss:
    """Mean loss per accident by features, from the rows with accidents: their losses, numbers as exposure.

    A quasi-Poisson fit with log link: the level is kept (fitted losses sum to those that came), which a lognormal fit does
    not, and a heavy tail costs it less than a gamma fit (Wooldridge 1999). Penalties are in accidents' worth of loss.
    """
    if rows.loss is None:
        raise ValueError("rows without losses")
    own = rows.of((rows.count > 0) & (rows.loss > 0))
    if own.loss is None or len(own) < 2:
        raise BadInput("fewer than two losses to learn from", where="training period", mend="take a longer one")
    checked(own.loss)
    unit = float(own.loss.sum() / own.count.sum())
    relative = replace(own, exposure=own.count, count=own.loss / unit)
    fitted = fit_glm(relative, terms, penalties, seed=seed)
    return MeanLoss(glm=fitted.model_copy(update={"level": fitted.level + float(np.log(unit))}))


class GradeSeverity(BaseModel):
    """Losses by grade of accident: how often each comes in a segment (an industry), what it costs on average, its spread.

    shares, means: by segment, in the order of `grades`; segments that were not seen have the overall ones.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    grades: tuple[str, ...]
    overall_shares: tuple[float, ...]
    overall_means: tuple[float, ...]
    shares: dict[str, tuple[float, ...]]
    means: dict[str, tuple[float, ...]]
    distributions: tuple[LossDistribution, ...]

    def by_grade(self, segment: Sequence[str]) -> tuple[Floats, Floats]:
        """Shares and means [n, grades] of each segment named [n]."""
        shares = np.array([self.shares.get(one, self.overall_shares) for one in segment]).reshape(-1, len(self.grades))
        means = np.array([self.means.get(one, self.overall_means) for one in segment]).reshape(-1, len(self.grades))
        return shares, means

    def mean(self, segment: Sequence[str]) -> Floats:
        """Mean loss of an accident [n]."""
        shares, means = self.by_grade(segment)
        return np.asarray((shares * means).sum(axis=1))

    def layer(self, segment: Sequence[str], deductible: Floats | float = 0.0, limit: Floats | float = np.inf) -> Floats:
        """Mean paid loss of an accident [n] above a deductible and under a limit, grade by grade."""
        shares, means = self.by_grade(segment)
        paid = [one.layer(mean, deductible, limit) for one, mean in zip(self.distributions, means.T, strict=True)]
        return np.asarray((shares * np.stack(paid, axis=1)).sum(axis=1))

    @classmethod
    def fit(
        cls, loss: Floats, grade: Sequence[str], segment: Sequence[str], grades: Sequence[str], *, prior: float = 20.0
    ) -> Self:
        """From accidents with losses > 0 [n]. prior: how many accidents the overall shares and means are worth in a segment
        (Buhlmann & Gisler 2005, section 2.4). A grade that never came keeps a trace of half an accident over all grades, and
        ten times the mean of the grade below it: much where losses are few (the mean loss is 1.2 times theirs at a hundred
        losses, 1.03 at three hundred), next to nothing at thousands.
        """
        checked(loss)
        code = np.array([list(grades).index(one) for one in grade])
        count = np.bincount(code, minlength=len(grades)).astype(float)
        total = np.bincount(code, loss, minlength=len(grades)).astype(float)
        overall = (count + 0.5 / len(grades)) / (count.sum() + 0.5)
        means = _filled(count, total)
        names, place = np.unique(np.asarray(segment, dtype=str), return_inverse=True)
        cell = place * len(grades) + code
        own_count = np.bincount(cell, minlength=len(names) * len(grades)).reshape(len(names), -1)
        own_total = np.bincount(cell, loss, minlength=len(names) * len(grades)).reshape(len(names), -1)
        shares = (own_count + prior * overall) / (own_count.sum(axis=1, keepdims=True) + prior)
        mixed = (own_total + prior * means) / (own_count + prior)
        at = mixed[place, code]
        spread = [
            fit_distribution(loss[code == one], at[code == one]) if count[one] > 1 else None for one in range(len(grades))
        ]
        fallback = fit_distribution(loss, at)
        return cls(
            grades=tuple(grades), overall_shares=tuple(overall.tolist()), overall_means=tuple(means.tolist()),
            shares={name: tuple(one) for name, one in zip(names.tolist(), shares.tolist(), strict=True)},
            means={name: tuple(one) for name, one in zip(names.tolist(), mixed.tolist(), strict=True)},
            distributions=tuple(one or fallback for one in spread),
        )  # fmt: skip


def _filled(count: Floats, total: Floats) -> Floats:
    """Mean loss by grade, lowest first; of one that never came ten times that of the one below it, or a tenth of that above."""
    means = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
    for place in range(1, len(means)):
        if np.isnan(means[place]):
            means[place] = 10.0 * means[place - 1]
    for place in range(len(means) - 2, -1, -1):
        if np.isnan(means[place]):
            means[place] = means[place + 1] / 10.0
    return np.asarray(means)


def expected_loss(expected: Floats, mean_loss: Floats) -> Floats:
    """Pure premium [n]: expected number x mean loss, their independence assumed (the means know the same features)."""
    return np.asarray(expected * mean_loss)
