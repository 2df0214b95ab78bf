"""Ridge Poisson GLM with log link: the honest rival, and a price score of its own.

A design declares how each feature enters: as it is, as log(1 + value), as a spline, as one-hot codes, or as crossed codes.
Exposure enters as offset: count / exposure with weight exposure has the same likelihood. The ridge is a normal prior on every
effect (Ohlsson & Johansson 2010, Non-Life Insurance Pricing with GLMs, section 4): rare codes shrink towards the mean, as
under credibility. penalty = 1 / variance of a code's log effect; chosen by folds in which no group stands on both sides.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from training.frequency import CountRows, grouped

if TYPE_CHECKING:
    from scipy import sparse

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


class Numeric(BaseModel):
    """A fitted numeric term: place of its column, what fills a gap, the spline's knots, mean and deviation of its columns."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    form: Literal["numeric"] = "numeric"
    place: int
    term: Term
    fill: float
    knots: tuple[float, ...] = ()
    mean: tuple[float, ...] = (0.0,)
    deviation: tuple[float, ...] = (1.0,)
    gaps: bool

    def columns(self, x: Matrix) -> Floats:
        """Standardised columns [n, columns]; with gaps in training a last one that marks them."""
        value, gap = self.raw(x)
        basis = (_basis(value, self.knots) - np.asarray(self.mean)) / np.asarray(self.deviation)
        basis[gap] = 0.0
        if self.gaps:
            basis = np.column_stack([basis, gap])
        return np.asarray(basis * np.sqrt(self.term.prior))

    def effect(self, x: Matrix, effects: Floats) -> Floats:
        return np.asarray(self.columns(x) @ effects)

    def raw(self, x: Matrix) -> tuple[Floats, npt.NDArray[np.bool_]]:
        value = x[:, self.place].astype(np.float64)
        gap = np.isnan(value)
        value = np.where(gap, self.fill, value)
        return (np.log1p(np.maximum(value, 0.0)) if self.term.log or self.term.kind == "log" else value), gap


class Codes(BaseModel):
    """A fitted one-hot term: its columns, and the codes that have an effect of their own [levels, columns], in order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    form: Literal["codes"] = "codes"
    places: tuple[int, ...]
    term: Term
    codes: tuple[tuple[float, ...], ...]

    def columns(self, x: Matrix) -> "sparse.csr_matrix":
        """One-hot [n, levels], all zero where a code was not seen."""
        from scipy import sparse

        level = self._level(x)
        rows = np.flatnonzero(level >= 0)
        value = np.full(len(rows), np.sqrt(self.term.prior))
        return sparse.csr_matrix((value, (rows, level[rows])), shape=(len(x), len(self.codes)))

    def effect(self, x: Matrix, effects: Floats) -> Floats:
        return np.asarray(np.append(effects, 0.0)[self._level(x)] * np.sqrt(self.term.prior))

    def _level(self, x: Matrix) -> Whole:
        """Which code each row has [n], -1 for one without an effect."""
        known = np.asarray(self.codes, dtype=np.float32).reshape(-1, len(self.places))
        _, place = np.unique(np.concatenate([known, _joined(x, self.places)]), axis=0, return_inverse=True)
        place = place.ravel()
        column = np.full(int(place.max(initial=0)) + 1, -1)
        column[place[: len(known)]] = np.arange(len(known))
        return np.asarray(column[place[len(known) :]])


Fitted = Annotated[Numeric | Codes, Field(discriminator="form")]


class Glm(BaseModel):
    """Fitted effects by term. penalty: as chosen; scored: mean held-out deviance by penalty, where folds chose."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    terms: tuple[Fitted, ...]
    effects: tuple[tuple[float, ...], ...]
    level: float
    penalty: float
    scored: dict[float, float] = {}

    def log_rate(self, x: Matrix) -> Floats:
        """Log of the rate per unit of exposure [n]."""
        away = np.zeros(len(x))
        for term, effects in zip(self.terms, self.effects, strict=True):
            away += term.effect(x, np.asarray(effects))
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
    from training.count_metrics import unit_deviance

    scored: dict[float, float] = {}
    if len(penalties) > 1:
        fold = grouped(rows.group, folds, seed) if isinstance(folds, int) else folds
        numbers = [int(one) for one in np.unique(fold) if one >= 0]
        split = [_Prepared.of(rows.of(fold != one), terms) for one in numbers]
        held = [rows.of(fold == one) for one in numbers]
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
    widths = [_width(term) for term in whole.terms]
    parts = [tuple(one.tolist()) for one in np.split(effects, np.cumsum(widths)[:-1])]
    return Glm(terms=whole.terms, effects=tuple(parts), level=level, penalty=best, scored=scored)


@dataclass(frozen=True)
class _Prepared:
    """A design with its columns, ready to be solved for any penalty."""

    terms: tuple[Numeric | Codes, ...]
    design: "sparse.csr_matrix"
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
        from threadpoolctl import threadpool_limits

        # scikit-learn's alpha is per mean of the weights; weights are expected numbers, so this is the log-likelihood's ridge.
        alpha = penalty / float(self.weight.sum())
        wide = self.design.shape[1] > 400
        found: Any = PoissonRegressor(alpha=alpha, solver="lbfgs" if wide else "newton-cholesky", tol=1e-5, max_iter=2000)
        with threadpool_limits(1):  # on matrices as small as these, threads mostly wait for each other
            found.fit(self.design if wide else self.design.toarray(), self.rate, sample_weight=self.weight)
        return float(found.intercept_ + np.log(self.base)), np.asarray(found.coef_, dtype=np.float64)


def _columns(terms: Sequence[Numeric | Codes], x: Matrix) -> "sparse.csr_matrix":
    from scipy import sparse

    return sparse.hstack([sparse.csr_matrix(term.columns(x)) for term in terms], format="csr")


def _width(term: Numeric | Codes) -> int:
    return len(term.codes) if isinstance(term, Codes) else len(term.mean) + term.gaps


def _fitted(term: Term, rows: CountRows) -> Numeric | Codes:
    missing = [name for name in term.features if name not in rows.names]
    if missing:
        raise ValueError(f"no feature {missing[0]!r} for a term of the design")
    places = tuple(rows.names.index(name) for name in term.features)
    if term.kind == "category":
        codes, count = np.unique(_joined(rows.x, places), axis=0, return_counts=True)
        return Codes(places=places, term=term, codes=tuple(map(tuple, codes[count >= term.least].tolist())))
    column = rows.x[:, places[0]]
    known = column[~np.isnan(column)]
    fill = float(np.median(known)) if len(known) else 0.0
    plain = Numeric(place=places[0], term=term, fill=fill, gaps=bool(np.isnan(column).any()))
    value, gap = plain.raw(rows.x)
    knots = _knots(value[~gap], term)
    basis = _basis(value, knots)[~gap] if len(known) else np.zeros((1, 1))
    deviation = np.where((spread := basis.std(axis=0)) > 1e-9, spread, 1.0)
    mean = basis.mean(axis=0)
    return plain.model_copy(update={"knots": knots, "mean": tuple(mean.tolist()), "deviation": tuple(deviation.tolist())})


def _knots(value: Floats, term: Term) -> tuple[float, ...]:
    """Distinct quantiles; none (a straight line) for other kinds of term and for values too few to bend at."""
    if term.kind != "spline" or not len(value):
        return ()
    knots = np.unique(np.quantile(value, np.linspace(0.02, 0.98, term.knots)))
    return tuple(knots.tolist()) if len(knots) >= 3 else ()


def _joined(x: Matrix, places: Sequence[int]) -> npt.NDArray[np.float32]:
    """The codes of the columns [n, columns], a gap as a code of its own."""
    return np.nan_to_num(x[:, list(places)], nan=-1e9)


def _basis(value: Floats, knots: Sequence[float]) -> Floats:
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
