"""Ridge Poisson GLM with log link: the honest rival, and a price score of its own.

A design declares how each feature enters: as it is, as log(1 + value), as a spline, as one-hot codes, or as crossed codes.
Exposure enters as offset: count / exposure with weight exposure has the same likelihood. The ridge is a normal prior on every
effect (Ohlsson & Johansson 2010, Non-Life Insurance Pricing with GLMs, section 4): rare codes shrink towards the mean, as
under credibility. penalty = 1 / variance of a code's log effect; chosen by folds in which no group stands on both sides.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator
from scipy import sparse

from training.count_metrics import unit_deviance
from training.frequency import CountRows, grouped

Floats = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float32]
Whole = npt.NDArray[np.int64]
PENALTIES = (1.0, 3.0, 10.0, 30.0, 100.0)
_FARTHEST = 12.0  # a log relativity is held within e^-12..e^12


class Term(BaseModel):
    """How one feature enters, or how several cross.

    linear: (value - mean) / deviation; log: the same of log(1 + value), values below 0 held at 0; spline: natural cubic of that
    many knots at quantiles, of log(1 + value) with `log`; category: one-hot codes, crossed where several features are named;
    codes with fewer training rows than `least` stay at the mean. A missing value enters as the mean and in a column of its own.
    prior: variance of the term's effects beside that of the others (1).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    features: tuple[str, ...] = Field(min_length=1)
    kind: Literal["linear", "log", "spline", "category"] = "linear"
    log: bool = False
    knots: int = Field(default=5, ge=3, le=20)
    least: int = Field(default=1, ge=1)
    prior: float = Field(default=1.0, gt=0)

    @model_validator(mode="after")
    def _one_unless_crossed(self) -> Self:
        if len(self.features) > 1 and self.kind != "category":
            raise ValueError("only categories cross")
        return self


def linear(*names: str) -> tuple[Term, ...]:
    return tuple(Term(features=(name,)) for name in names)


def log(*names: str) -> tuple[Term, ...]:
    return tuple(Term(features=(name,), kind="log") for name in names)


def spline(*names: str, knots: int = 5, log: bool = False) -> tuple[Term, ...]:
    return tuple(Term(features=(name,), kind="spline", knots=knots, log=log) for name in names)


def category(*names: str, least: int = 1, prior: float = 1.0) -> tuple[Term, ...]:
    return tuple(Term(features=(name,), kind="category", least=least, prior=prior) for name in names)


def crossed(*names: str, least: int = 1, prior: float = 1.0) -> Term:
    return Term(features=names, kind="category", least=least, prior=prior)


@dataclass(frozen=True)
class _Numeric:
    """A fitted numeric term: place of its column, what fills a gap, the spline's knots, mean and deviation of its columns."""

    place: int
    term: Term
    fill: float
    knots: Floats
    mean: Floats
    deviation: Floats
    gaps: bool

    def columns(self, x: Matrix) -> sparse.csr_matrix:
        value, gap = self.raw(x)
        basis = (_basis(value, self.knots) - self.mean) / self.deviation
        basis[gap] = 0.0
        if self.gaps:
            basis = np.column_stack([basis, gap])
        return sparse.csr_matrix(basis * np.sqrt(self.term.prior))

    def raw(self, x: Matrix) -> tuple[Floats, npt.NDArray[np.bool_]]:
        value = x[:, self.place].astype(np.float64)
        gap = np.isnan(value)
        value = np.where(gap, self.fill, value)
        return (np.log1p(np.maximum(value, 0.0)) if self.term.log or self.term.kind == "log" else value), gap


@dataclass(frozen=True)
class _Codes:
    """A fitted one-hot term: its columns, and the codes that have an effect of their own, in order."""

    places: tuple[int, ...]
    term: Term
    codes: npt.NDArray[np.float32]  # [levels, features crossed]

    def columns(self, x: Matrix) -> sparse.csr_matrix:
        own = _joined(x, self.places)
        _, place = np.unique(np.concatenate([self.codes, own]), axis=0, return_inverse=True)
        place = place.ravel()
        column = np.full(int(place.max(initial=0)) + 1, -1)
        column[place[: len(self.codes)]] = np.arange(len(self.codes))
        level = column[place[len(self.codes) :]]
        rows = np.flatnonzero(level >= 0)
        value = np.full(len(rows), np.sqrt(self.term.prior))
        return sparse.csr_matrix((value, (rows, level[rows])), shape=(len(x), len(self.codes)))


_Fitted = _Numeric | _Codes


@dataclass(frozen=True)
class Glm:
    """Fitted effects. penalty: as chosen; scored: mean held-out deviance by penalty, where folds chose."""

    terms: tuple[_Fitted, ...]
    effects: Floats
    level: float
    penalty: float
    scored: dict[float, float]

    def log_rate(self, x: Matrix) -> Floats:
        """Log of the rate per unit of exposure [n]."""
        away = _columns(self.terms, x) @ self.effects
        return np.asarray(self.level + np.clip(away, -_FARTHEST, _FARTHEST))

    def expected(self, x: Matrix, exposure: Floats) -> Floats:
        """Expected number [n] over the exposure given [n]."""
        return np.asarray(exposure * np.exp(self.log_rate(x)))


def fit_glm(
    rows: CountRows, terms: Sequence[Term], penalties: Sequence[float] = PENALTIES, *, folds: int | Whole = 5, seed: int = 0
) -> Glm:
    """Fit with the penalty of the least held-out deviance (one penalty is taken as it is).

    folds: how many, dealt by group, or the fold of each row [n] (-1 = always fitted on).
    Raises BadInput without an accident, ValueError if a term names a feature that is not there.
    """
    scored: dict[float, float] = {}
    if len(penalties) > 1:
        fold = grouped(rows.group, folds, seed) if isinstance(folds, int) else folds
        parts = [int(one) for one in np.unique(fold) if one >= 0]
        split = [_Prepared.of(rows.of(fold != one), terms) for one in parts]
        held = [rows.of(fold == one) for one in parts]
        designs = [_columns(one.terms, asked.x) for one, asked in zip(split, held, strict=True)]
        for penalty in penalties:
            losses = 0.0
            for one, asked, design in zip(split, held, designs, strict=True):
                level, effects = one.solve(penalty)
                rate = np.exp(level + np.clip(design @ effects, -_FARTHEST, _FARTHEST))
                losses += float(asked.weights @ unit_deviance(asked.count, asked.exposure * rate))
            scored[penalty] = losses / float(sum(asked.weights.sum() for asked in held))
    best = min(scored, key=lambda one: scored[one]) if scored else penalties[0]
    whole = _Prepared.of(rows, terms)
    level, effects = whole.solve(best)
    return Glm(whole.terms, effects, level, best, scored)


@dataclass(frozen=True)
class _Prepared:
    """A design with its columns, ready to be solved for any penalty."""

    terms: tuple[_Fitted, ...]
    design: sparse.csr_matrix
    rate: Floats
    weight: Floats
    base: float

    @classmethod
    def of(cls, rows: CountRows, terms: Sequence[Term]) -> Self:
        base = rows.mean_rate
        fitted = tuple(_fitted(term, rows) for term in terms)
        expected = rows.exposure * base
        return cls(fitted, _columns(fitted, rows.x), rows.count / expected, rows.weights * expected, base)

    def solve(self, penalty: float) -> tuple[float, Floats]:
        from sklearn.linear_model import PoissonRegressor

        # scikit-learn's alpha is per mean of the weights; weights are expected numbers, so this is the log-likelihood's ridge.
        alpha = penalty / float(self.weight.sum())
        wide = self.design.shape[1] > 400
        found: Any = PoissonRegressor(alpha=alpha, solver="lbfgs" if wide else "newton-cholesky", tol=1e-5, max_iter=2000)
        found.fit(self.design if wide else self.design.toarray(), self.rate, sample_weight=self.weight)
        return float(found.intercept_ + np.log(self.base)), np.asarray(found.coef_, dtype=np.float64)


def _columns(terms: Sequence[_Fitted], x: Matrix) -> sparse.csr_matrix:
    return sparse.hstack([term.columns(x) for term in terms], format="csr")


def _fitted(term: Term, rows: CountRows) -> _Fitted:
    missing = [name for name in term.features if name not in rows.names]
    if missing:
        raise ValueError(f"no feature {missing[0]!r} for a term of the design")
    places = tuple(rows.names.index(name) for name in term.features)
    if term.kind == "category":
        codes, count = np.unique(_joined(rows.x, places), axis=0, return_counts=True)
        return _Codes(places, term, codes[count >= term.least])
    column = rows.x[:, places[0]]
    known = column[~np.isnan(column)]
    fill = float(np.median(known)) if len(known) else 0.0
    plain = _Numeric(places[0], term, fill, np.empty(0), np.zeros(1), np.ones(1), bool(np.isnan(column).any()))
    value, gap = plain.raw(rows.x)
    knots = _knots(value[~gap], term)
    basis = _basis(value, knots)[~gap] if len(known) else np.zeros((1, 1))
    deviation = basis.std(axis=0)
    return replace(plain, knots=knots, mean=basis.mean(axis=0), deviation=np.where(deviation > 1e-9, deviation, 1.0))


def _knots(value: Floats, term: Term) -> Floats:
    """Distinct quantiles; none (a straight line) for other kinds of term and for values too few to bend at."""
    if term.kind != "spline" or not len(value):
        return np.empty(0)
    knots = np.unique(np.quantile(value, np.linspace(0.02, 0.98, term.knots)))
    return knots if len(knots) >= 3 else np.empty(0)


def _joined(x: Matrix, places: Sequence[int]) -> npt.NDArray[np.float32]:
    """The codes of the columns [n, columns], a gap as a code of its own."""
    return np.nan_to_num(x[:, list(places)], nan=-1e9)


def _basis(value: Floats, knots: Floats) -> Floats:
    """[n, columns]: the value alone, or the natural cubic spline's basis, straight beyond its outer knots.

    Restricted cubic spline in the truncated-power form of Harrell 2015, Regression Modeling Strategies, section 2.4.5.
    """
    if not len(knots):
        return value[:, None]
    width = knots[-1] - knots[0]

    def cubed(knot: float) -> Floats:
        return np.asarray(np.maximum((value - knot) / width, 0.0) ** 3)

    last, before = knots[-1], knots[-2]
    bent = [
        cubed(knot) - cubed(before) * (last - knot) / (last - before) + cubed(last) * (before - knot) / (last - before)
        for knot in knots[:-2]
    ]
    return np.column_stack([value, *bent])
