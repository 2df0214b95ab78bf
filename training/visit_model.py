"""Which visit will find a critical violation: boosted trees and a logistic regression, halved on the scale of log odds.

Settings are chosen by rolling origin: every two months of the training rows are planned by models of the rows that end as long
before them as the training rows end before the rows asked in earnest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.sources.chicago import DAY
from training.visit_order import Visits, days_earlier
from training.visit_record import RAW, WHO, Rates, features, plan_day

Floats = npt.NDArray[np.float64]
LEAST_HISTORY_DAYS = 270
LEAST_FOUND = 20
MEMBERS = 5
# (leaves, rounds) of the trees and inverse penalties of the regression, to be chosen from.
TREES = ((4, 150), (4, 300), (8, 120))
PENALTIES = (0.001, 0.003, 0.01, 0.03)
MOST_YEARS = 2.0
_TREES = {
    "objective": "binary", "learning_rate": 0.03, "min_data_in_leaf": 50, "feature_fraction": 0.6, "bagging_fraction": 0.7,
    "bagging_freq": 1, "lambda_l2": 10.0, "verbose": -1, "num_threads": 1, "deterministic": True,
}  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """What was chosen: leaves and rounds of the trees, the regression's inverse penalty; who: the inspector is known."""

    who: bool
    leaves: int
    rounds: int
    inverse_penalty: float


@dataclass(frozen=True)
class Origin:
    """Two months to plan: the rows to learn from, and the rows asked."""

    start: pd.Timestamp
    known: pd.DataFrame
    asked: pd.DataFrame


@dataclass(frozen=True)
class Model:
    """The fitted parts and what features are made of."""

    settings: Settings
    rates: Rates
    parts: Sequence[Callable[[pd.DataFrame], Floats]]

    def odds(self, asked: pd.DataFrame, history: pd.DataFrame) -> Floats:
        """Log odds [n] that a visit finds a critical violation, by what lies before its plan day."""
        x = _chosen(features(asked, history, self.rates), self.settings.who)
        return np.asarray(np.mean([part(x) for part in self.parts], axis=0))


def fit(known: pd.DataFrame, settings: Settings, *, members: int | None = None) -> Model:
    """Learn from visits with their outcomes."""
    rates = Rates.learn(known)
    x, y = _chosen(features(known, known, rates), settings.who), known["found"].to_numpy(np.float64)
    trees = _trees(x, y, settings, MEMBERS if members is None else members)
    return Model(settings, rates, (trees, _regression(x, y, settings.inverse_penalty)))


def choose(origins: Sequence[Origin], who: bool) -> Settings:
    """The trees and the penalty with which most days were gained in the mean over the origins, each for itself."""
    trees, regressions = np.zeros(len(TREES)), np.zeros(len(PENALTIES))
    for one in origins:
        rates = Rates.learn(one.known)
        x, y = _chosen(features(one.known, one.known, rates), who), one.known["found"].to_numpy(np.float64)
        z, visits = _chosen(features(one.asked, one.known, rates), who), as_visits(one.asked)
        for place, (leaves, rounds) in enumerate(TREES):
            trees[place] += gained(visits, _trees(x, y, Settings(who, leaves, rounds, 1.0), 1)(z))
        for place, penalty in enumerate(PENALTIES):
            regressions[place] += gained(visits, _regression(x, y, penalty)(z))
    leaves, rounds = TREES[int(trees.argmax())]
    return Settings(who, leaves, rounds, PENALTIES[int(regressions.argmax())])


def origins(known: pd.DataFrame, gap_days: int) -> list[Origin]:
    """Every two months with enough visits before them; what is known ends `gap_days` days before they begin."""
    plan, first = plan_day(known[DAY]), known[DAY].min()
    found = []
    for start in sorted(plan.unique()):
        until = start - pd.Timedelta(days=gap_days)
        asked, before = known[plan == start], known[known[DAY] < until]
        enough = min(asked["found"].sum(), before["found"].sum()) >= LEAST_FOUND
        if enough and until - first >= pd.Timedelta(days=LEAST_HISTORY_DAYS):
            found.append(Origin(start, before, asked))
    return found


def as_visits(asked: pd.DataFrame) -> Visits:
    """For the figures; resampled by licence."""
    return Visits(
        asked[DAY].to_numpy("datetime64[D]").astype(np.float64),
        asked["found"].to_numpy(np.float64),
        pd.factorize(asked["License"])[0].astype(np.int64),
        pd.factorize(asked["Inspector_Assigned"])[0].astype(np.int64),
    )


def gained(visits: Visits, score: Floats) -> float:
    """Days earlier, without interval."""
    return float(days_earlier(visits, score)(np.ones((1, visits.units)))[0])


def _chosen(x: pd.DataFrame, who: bool) -> pd.DataFrame:
    return x if who else x.drop(columns=list(WHO))


def _trees(x: pd.DataFrame, y: Floats, settings: Settings, members: int) -> Callable[[pd.DataFrame], Floats]:
    import lightgbm as lgb

    rows = x.to_numpy(np.float64)
    models = [
        lgb.train({**_TREES, "num_leaves": settings.leaves, "seed": seed}, lgb.Dataset(rows, y), settings.rounds)
        for seed in range(members)
    ]
    return lambda asked: np.mean([one.predict(asked.to_numpy(np.float64), raw_score=True) for one in models], axis=0)


def _regression(x: pd.DataFrame, y: Floats, inverse_penalty: float) -> Callable[[pd.DataFrame], Floats]:
    """Logistic regression with an L2 penalty on standardised columns; a place never seen before has a column of its own."""
    from sklearn.linear_model import LogisticRegression

    design = _Design.of(x)
    model: Any = LogisticRegression(C=inverse_penalty, max_iter=1000).fit(design(x), y)
    return lambda asked: np.asarray(model.decision_function(design(asked)), dtype=np.float64)


@dataclass(frozen=True)
class _Design:
    """Columns of a regression, standardised as in the rows learnt from; what is missing stands at their mean."""

    mean: Floats
    spread: Floats

    @classmethod
    def of(cls, x: pd.DataFrame) -> "_Design":
        rows = _columns(x)
        present = np.isfinite(rows)
        count = np.maximum(present.sum(axis=0), 1)
        mean = np.where(present, rows, 0.0).sum(axis=0) / count
        spread = np.sqrt((np.where(present, rows - mean, 0.0) ** 2).sum(axis=0) / len(rows))
        return cls(mean, np.maximum(spread, 1e-9))

    def __call__(self, x: pd.DataFrame) -> Floats:
        rows = _columns(x)
        return np.where(np.isfinite(rows), rows - self.mean, 0.0) / self.spread


def _columns(x: pd.DataFrame) -> Floats:
    """Rates as log odds, years since at most two, and whether the place was never seen."""
    columns = {"never seen": (x["visits"] == 0).to_numpy(np.float64)}
    for name in x.columns.drop(list(RAW)):
        values = x[name].to_numpy(np.float64)
        if name in ("finds", "last finds"):
            values = np.log(np.maximum(values, 1e-3) / np.maximum(1.0 - values, 1e-3))
        columns[name] = np.minimum(values, MOST_YEARS) if name == "years since" else values
    return np.column_stack(list(columns.values()))
