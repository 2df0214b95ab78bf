"""What an accident costs: distribution by family, mean by features or by class of accident.

Expected loss = expected number x mean loss. What an insurer pays of it under limits is the matter of underwriting.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from features.errors import BadInput
from training.frequency import CountRows
from training.glm import PENALTIES, Glm, Term, fit_glm
from training.loss_credibility import drawn_means, drawn_shares, traced

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
    """Losses by grade of accident, or a finer class: how often each comes in a segment (an industry), what it costs on average,
    its spread.

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

    @classmethod
    def fit(
        cls, loss: Floats, grade: Sequence[str], segment: Sequence[str], grades: Sequence[str], alike: Collection[str] = ()
    ) -> Self:
        """From accidents with losses > 0 [n]. alike: segments of one kind, the others being of another; a segment's shares are
        drawn to those of its kind, its means to the overall ones (training.loss_credibility). A grade that never came keeps a
        trace, and ten times the mean of the grade below it: where none came but of the lightest of five, the mean loss is 1.12
        times theirs at a hundred losses, 1.04 at three hundred.
        """
        checked(loss)
        code = np.array([list(grades).index(one) for one in grade])
        count = np.bincount(code, minlength=len(grades)).astype(float)
        total = np.bincount(code, loss, minlength=len(grades)).astype(float)
        overall = traced(count)
        means = _filled(count, total)
        names, place = np.unique(np.asarray(segment, dtype=str), return_inverse=True)
        cell = place * len(grades) + code
        own_count = np.bincount(cell, minlength=len(names) * len(grades)).reshape(len(names), -1).astype(float)
        shares = drawn_shares(own_count, [name in alike for name in names.tolist()])
        mixed = drawn_means(loss, place, code, means, len(names))
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
