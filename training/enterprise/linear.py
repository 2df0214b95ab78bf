"""A log-linear rate whose effects keep their signs: the readable half of the price score.

    log(rate) = level + sum over features of effect x (transformed value - mean) / deviation

A value that cannot be negative enters as log(1 + value), which rises with it, any other as it is; beyond what all but a
hundredth of the training rows had it moves nothing any more, so that nothing is extrapolated. A missing one enters as the mean,
beside an effect of its own. Codes have an effect each. Ridge penalty (a normal prior on every effect); an effect whose feature
raises risk by the table of directions is held at 0 or above, one that lowers it at 0 or below: monotone by construction. As
GLM with offset: Ohlsson & Johansson 2010, Non-Life Insurance Pricing with GLMs, section 2.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from training.frequency import CountRows, grouped

Floats = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float32]
_FARTHEST = 12.0
_ROWS = 50_000  # rows whose design is held at a time when predicting
_STEPS, _ENOUGH = 60, 1e-10
_OUTER = (0.005, 0.995)


class Column(BaseModel):
    """How one feature enters. low, high: where its transformed value is cut off; codes: of a categorical one, with an effect
    each; gap: what its absence adds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    log: bool = False
    low: float = 0.0
    high: float = 0.0
    mean: float = 0.0
    deviation: float = 1.0
    effect: float = 0.0
    gap: float = 0.0
    codes: tuple[float, ...] = ()
    effects: tuple[float, ...] = ()


class LogLinear(BaseModel):
    """A fitted model. names: the features of the matrix that it is given, in order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    names: tuple[str, ...]
    level: float
    penalty: float
    columns: tuple[Column, ...]

    def log_rate(self, x: Matrix) -> Floats:
        """Log of the rate per unit of exposure [n]."""
        found = np.empty(len(x))
        for start in range(0, len(x), _ROWS):
            part = x[start : start + _ROWS]
            found[start : start + _ROWS] = self.effects(part).sum(axis=1)
        return np.asarray(self.level + np.clip(found, -_FARTHEST, _FARTHEST))

    def expected(self, x: Matrix, exposure: Floats) -> Floats:
        """Expected number [n] over the exposure given [n]."""
        return np.asarray(exposure * np.exp(self.log_rate(x)))

    def effects(self, x: Matrix) -> Floats:
        """[n, columns]: what each column adds to the log rate."""
        at = {name: place for place, name in enumerate(self.names)}
        found = np.empty((len(x), len(self.columns)))
        for place, column in enumerate(self.columns):
            value = x[:, at[column.name]].astype(np.float64)
            if column.codes:
                own = np.searchsorted(column.codes, np.nan_to_num(value, nan=-1.0))
                own = np.minimum(own, len(column.codes) - 1)
                known = np.asarray(column.codes)[own] == value
                found[:, place] = np.where(known, np.asarray(column.effects)[own], 0.0)
                continue
            missing = np.isnan(value)
            found[:, place] = np.where(missing, column.gap, column.effect * _standard(value, column))
        return found


def _transformed(value: Floats, log: bool) -> Floats:
    return np.asarray(np.log1p(np.maximum(value, 0.0))) if log else value


def _standard(value: Floats, column: Column) -> Floats:
    return np.asarray((np.clip(_transformed(value, column.log), column.low, column.high) - column.mean) / column.deviation)


def fit_linear(
    rows: CountRows,
    names: Sequence[str],
    *,
    directions: Mapping[str, int],
    penalties: Sequence[float],
    folds: int = 3,
    seed: int = 0,
) -> LogLinear:
    """Fit on the named features with the penalty of the least deviance on enterprises left out (a single one is taken).

    Raises BadInput without an accident.
    """
    from training.count_metrics import unit_deviance  # scipy, which serving does without

    design = _Design.of(rows, names, directions)
    best = penalties[0]
    if len(penalties) > 1:
        fold = grouped(rows.group, folds, seed)
        losses = dict.fromkeys(penalties, 0.0)
        for number in range(folds):
            fitted_on, asked = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
            start = None
            for penalty in sorted(penalties, reverse=True):
                start = design.solve(rows, fitted_on, penalty, start)
                losses[penalty] += float(
                    rows.weights[asked] @ unit_deviance(rows.count[asked], design.said(rows, asked, start))
                )
        best = min(losses, key=lambda one: losses[one])
    theta = design.solve(rows, np.arange(len(rows)), best, None)
    return design.model(rows.names, theta, best, float(np.log(rows.mean_rate)))


class _Design:
    """The columns of the rows, standardised; bounds of their effects; how they go back into Columns."""

    def __init__(
        self, values: npt.NDArray[np.float32], bounds: list[tuple[float | None, float | None]], plain: list[Column], base: float
    ) -> None:
        self.values, self.bounds, self.plain, self.base = values, bounds, plain, base

    @classmethod
    def of(cls, rows: CountRows, names: Sequence[str], directions: Mapping[str, int]) -> "_Design":
        parts: list[npt.NDArray[np.float32]] = []
        bounds: list[tuple[float | None, float | None]] = []
        plain: list[Column] = []
        for name in names:
            place = rows.names.index(name)
            value = rows.x[:, place].astype(np.float64)
            missing = np.isnan(value)
            if place in rows.categorical:
                codes = np.unique(value[~missing])
                if len(codes) < 2:
                    continue
                parts += [(value == code).astype(np.float32) for code in codes]
                bounds += [(None, None)] * len(codes)
                plain.append(Column(name=name, codes=tuple(codes.tolist()), effects=(0.0,) * len(codes)))
                continue
            known = value[~missing]
            if not len(known):
                continue
            log = bool(known.min() >= 0.0)
            moved = _transformed(known, log)
            low, high = (float(one) for one in np.quantile(moved, _OUTER))
            if high - low < 1e-9:
                low, high = float(moved.min()), float(moved.max())
            moved = np.clip(moved, low, high)
            deviation = float(moved.std())
            if deviation < 1e-9:
                continue
            column = Column(name=name, log=log, low=low, high=high, mean=float(moved.mean()), deviation=deviation)
            parts += [np.where(missing, 0.0, _standard(value, column)).astype(np.float32), missing.astype(np.float32)]
            direction = directions.get(name, 0)
            bounds += [(0.0 if direction > 0 else None, 0.0 if direction < 0 else None)]
            bounds += [(None, None) if missing.any() else (0.0, 0.0)]
            plain.append(column)
        values = np.stack(parts, axis=1) if parts else np.empty((len(rows), 0), dtype=np.float32)
        return cls(values, bounds, plain, float(np.log(rows.mean_rate)))

    def solve(self, rows: CountRows, used: npt.NDArray[np.int64], penalty: float, start: Floats | None) -> Floats:
        """Level (above the base) and effects by maximum penalised likelihood on some of the rows."""
        x = np.column_stack([np.ones(len(used)), self.values[used]])
        ridge = np.concatenate([[0.0], np.full(x.shape[1] - 1, penalty)])
        low = np.array([-np.inf, *(-np.inf if low is None else low for low, _ in self.bounds)])
        high = np.array([np.inf, *(np.inf if high is None else high for _, high in self.bounds)])
        mean = rows.exposure[used] * np.exp(self.base)
        first = np.zeros(x.shape[1]) if start is None else start
        return _projected_newton(x, mean, rows.count[used], rows.weights[used], ridge, low, high, first)

    def said(self, rows: CountRows, asked: npt.NDArray[np.int64], theta: Floats) -> Floats:
        eta = np.clip(theta[0] + self.values[asked] @ theta[1:], -_FARTHEST, _FARTHEST)
        return np.asarray(rows.exposure[asked] * np.exp(self.base + eta))

    def model(self, names: tuple[str, ...], theta: Floats, penalty: float, base: float) -> LogLinear:
        columns, at = [], 1
        for column in self.plain:
            if column.codes:
                own = theta[at : at + len(column.codes)]
                columns.append(column.model_copy(update={"effects": tuple(own.tolist())}))
                at += len(column.codes)
            else:
                columns.append(column.model_copy(update={"effect": float(theta[at]), "gap": float(theta[at + 1])}))
                at += 2
        return LogLinear(names=names, level=base + float(theta[0]), penalty=penalty, columns=tuple(columns))


def _projected_newton(
    x: Floats, mean: Floats, count: Floats, weight: Floats, ridge: Floats, low: Floats, high: Floats, theta: Floats
) -> Floats:
    """The effects within bounds that make weighted counts likeliest: Newton steps on those that are free to move, cut off at
    the bounds (Bertsekas 1982, Projected Newton Methods for Optimization Problems with Simple Constraints)."""

    def loss(at: Floats) -> tuple[float, Floats]:
        eta = np.clip(x @ at, -_FARTHEST, _FARTHEST)
        expected = mean * np.exp(eta)
        return float(weight @ (expected - count * eta)) + 0.5 * float(ridge @ at**2), expected

    value, expected = loss(theta)
    for _ in range(_STEPS):
        slope = (weight * (expected - count)) @ x + ridge * theta
        held = ((theta <= low) & (slope > 0)) | ((theta >= high) & (slope < 0))
        free = np.flatnonzero(~held)
        own = x[:, free]
        bend = (own * (weight * expected)[:, None]).T @ own + np.diag(ridge[free] + 1e-9)
        step = np.zeros(len(theta))
        step[free] = np.linalg.solve(bend, slope[free])
        size, moved = 1.0, theta
        while size > 1e-6:
            moved = np.clip(theta - size * step, low, high)
            after, expected_after = loss(moved)
            if after <= value + 1e-4 * float(slope @ (moved - theta)):
                break
            size /= 2.0
        else:
            break
        gain, value, expected, theta = value - after, after, expected_after, moved
        if gain < _ENOUGH * max(1.0, abs(value)):
            break
    return theta
