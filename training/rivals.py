"""What a day's work would have built instead, fitted on the same training rows and judged on the same test rows.

A rival that is hard to beat is the point: logistic regression and the forest get the whole catalog; only the booster of an
afternoon sees plain columns (last values, counts, times since), because that is what an afternoon makes.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits

from features.spec import FeatureSpec
from training.report_words import Text

Matrix = npt.NDArray[np.float32]
Outcome = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Fit = Callable[["Sample"], Callable[[Matrix], Floats]]
TARGETS = ("y24", "y48", "y72")
# Counters of lost sectors and uncorrected errors; 188, which Backblaze watches too, marks too many healthy drives.
SMART_COLUMNS = ("smart_5", "smart_187", "smart_197", "smart_198")
_LINEAR_ROWS = 250_000
_PLAIN_OPS = {"last", "value", "change", "mean", "count", "since", "age", "model", "capacity"}
_FOREST_ROWS = 60_000


@dataclass(frozen=True)
class Sample:
    """Training rows of one horizon: features float32[n, f] (NaN = missing), outcome [n], weight that restores the prior.

    For a joint rival outcomes of all horizons, [n, 3]. threads: what a rival may use that is alone at the time.
    """

    x: Matrix
    y: Outcome
    weight: Floats
    specs: Sequence[FeatureSpec]
    seed: int = 0
    threads: int = 1

    @property
    def base_rate(self) -> float:
        return float(self.weight[self.y].sum() / self.weight.sum())


@dataclass(frozen=True)
class Rival:
    """A forecast to beat: its words, whether these features allow it, and how it is fitted."""

    name: str
    words: Text
    fit: Fit
    possible: Callable[[Sequence[FeatureSpec]], bool] = lambda specs: True
    joint: bool = False  # fitted once for all horizons: y is [n, 3], the answer too


def forecasts(
    train_x: Matrix,
    train_labels: pd.DataFrame,
    weight: Floats,
    test_x: Matrix,
    specs: Sequence[FeatureSpec],
    *,
    rivals: Sequence[Rival] | None = None,
    seed: int = 0,
    threads: int = 1,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Floats]:
    """Fit every possible rival at each horizon on its ripe rows: name -> probabilities [n, 3], rising with the horizon."""
    outcomes = train_labels[list(TARGETS)].to_numpy(np.float64)
    samples = [_ripe(train_x, y, weight, specs, seed) for y in outcomes.T]
    said: dict[str, Floats] = {}
    # Horizons side by side, each on one thread: boosters and BLAS that share cores with anything else crawl otherwise.
    with ThreadPoolExecutor(threads) as pool, threadpool_limits(1):
        for rival in [one for one in (RIVALS if rivals is None else rivals) if one.possible(specs)]:
            if progress:
                progress(f"rival: {rival.words.en}")
            if rival.joint:
                together = _ripe(train_x, outcomes, weight, specs, seed, threads)
                found = rival.fit(together)(test_x)
            else:
                found = np.stack(list(pool.map(partial(_guarded, rival, test_x=test_x), samples)), axis=1)
            said[rival.name] = np.maximum.accumulate(found, axis=1)
    return said


def _ripe(x: Matrix, y: Floats, weight: Floats, specs: Sequence[FeatureSpec], seed: int, threads: int = 1) -> Sample:
    """The rows whose outcome (every one of them, for a joint rival) is known."""
    known = ~np.isnan(y) if y.ndim == 1 else ~np.isnan(y).any(axis=1)
    return Sample(x[known], y[known] > 0.5, weight[known], specs, seed, threads)


def _guarded(rival: Rival, sample: Sample, test_x: Matrix) -> Floats:
    """A horizon without both outcomes can only be answered by its base rate."""
    if sample.y.all() or not sample.y.any():
        return np.full(len(test_x), sample.base_rate)
    return rival.fit(sample)(test_x)


def rate_by_age_and_model(sample: Sample) -> Callable[[Matrix], Floats]:
    """Failure rate by machine model and five bands of age, each shrunk towards the base rate as if by ten events."""
    age, model = (_first(sample.specs, op) for op in ("age", "model"))
    edges = (
        np.nanquantile(sample.x[:, age], [0.2, 0.4, 0.6, 0.8]) if age is not None and not _empty(sample, age) else np.empty(0)
    )
    models = int(np.nanmax(sample.x[:, model], initial=-1.0)) + 2 if model is not None else 1

    def cell(x: Matrix) -> npt.NDArray[np.int64]:
        band = np.searchsorted(edges, x[:, age], side="right") if age is not None else np.zeros(len(x), np.int64)
        kind = np.nan_to_num(x[:, model], nan=-1.0).astype(np.int64) + 1 if model is not None else np.zeros(len(x), np.int64)
        return np.asarray(np.minimum(kind, models - 1) * (len(edges) + 1) + band)

    cells = models * (len(edges) + 1)
    total = np.bincount(cell(sample.x), weights=sample.weight, minlength=cells)
    events = np.bincount(cell(sample.x), weights=sample.weight * sample.y, minlength=cells)
    strength = 10.0 / sample.base_rate
    rate = (events + strength * sample.base_rate) / (total + strength)
    return lambda x: np.asarray(rate[cell(x)])


def logistic(sample: Sample) -> Callable[[Matrix], Floats]:
    """Logistic regression on standardised features, medians for the missing and a flag that they were; models one-hot."""
    from sklearn.linear_model import LogisticRegression

    prepare = _Tabular.of(sample)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a rival that stops at its iteration limit is still the rival
        model = LogisticRegression(C=0.1, max_iter=200).fit(prepare(sample.x), sample.y, sample.weight / sample.weight.mean())
    return lambda x: np.asarray(model.predict_proba(prepare(x))[:, 1])


def forest(sample: Sample) -> Callable[[Matrix], Floats]:
    """Random forest of 100 trees, leaves of at least five rows; each tree sees half of the rows, at most 60,000.

    One forest for all horizons where the sample has them all: a split is good if it is good for each.
    """
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(
        100, min_samples_leaf=5, max_features="sqrt", random_state=sample.seed,
        max_samples=min(_FOREST_ROWS, max(1, len(sample.y) // 2)), n_jobs=sample.threads,
    )  # fmt: skip
    model.fit(sample.x, sample.y, sample.weight)
    model.set_params(n_jobs=1)  # several threads would add up the trees in any order

    def predict(x: Matrix) -> Floats:
        said = model.predict_proba(x)
        if sample.y.ndim == 1:
            return np.asarray(said[:, 1])
        return np.stack([p @ classes.astype(np.float64) for p, classes in zip(said, model.classes_, strict=True)], axis=1)

    return predict


def afternoon(sample: Sample, rounds: int = 100, **options: float) -> Callable[[Matrix], Floats]:
    """LightGBM as it comes (100 rounds, 31 leaves, rate 0.1) on last values, changes, counts, times since, age and model.

    options: LightGBM's own, where they should be other than by default.
    """
    import lightgbm

    columns = [index for index, spec in enumerate(sample.specs) if spec.op in _PLAIN_OPS]
    categorical = [place for place, index in enumerate(columns) if sample.specs[index].categorical]
    data = lightgbm.Dataset(
        sample.x[:, columns], sample.y.astype(np.float32), weight=sample.weight / sample.weight.mean(),
        categorical_feature=categorical, free_raw_data=False, params={"verbosity": -1},
    )  # fmt: skip
    fixed = {"objective": "binary", "verbosity": -1, "num_threads": 1, "seed": sample.seed, "deterministic": True}
    booster = lightgbm.train({**fixed, **options}, data, num_boost_round=rounds)
    return lambda x: np.asarray(booster.predict(x[:, columns], num_threads=1))


def held_back(sample: Sample) -> Callable[[Matrix], Floats]:
    """The afternoon's LightGBM, restrained enough to stand rows of very unequal weight (200 rounds, rate 0.05)."""
    restraint = {"min_data_in_leaf": 100, "min_sum_hessian_in_leaf": 0.025, "lambda_l2": 0.125, "feature_fraction": 0.8}
    return afternoon(sample, 200, learning_rate=0.05, **restraint)


def counters(sample: Sample) -> Callable[[Matrix], Floats]:
    """Logistic regression on the logarithms of counters and of their change over a week, on age and model."""
    specs = sample.specs
    counts = [i for i, spec in enumerate(specs) if spec.op == "value" or (spec.op == "change" and spec.window_hours == 168.0)]
    columns = counts + [i for i, spec in enumerate(specs) if spec.op in ("age", "model")]

    def chosen(x: Matrix) -> Matrix:
        small = x[:, columns]
        part = small[:, : len(counts)]
        small[:, : len(counts)] = np.sign(part) * np.log1p(np.abs(part))
        return small

    # Enough for a few dozen coefficients.
    rows = np.random.default_rng(sample.seed).permutation(len(sample.y))[:_LINEAR_ROWS]
    inner = Sample(chosen(sample.x[rows]), sample.y[rows], sample.weight[rows], [specs[i] for i in columns], sample.seed)
    fitted = logistic(inner)
    return lambda x: fitted(chosen(x))


def smart_rule(sample: Sample) -> Callable[[Matrix], Floats]:
    """Any of SMART 5, 187, 197, 198 above zero; the probability is the rate found on either side of the rule."""
    columns = _smart(sample.specs)

    def flagged(x: Matrix) -> npt.NDArray[np.int64]:
        return np.asarray((np.nan_to_num(x[:, columns]) > 0).any(axis=1).astype(np.int64))

    side = flagged(sample.x)
    total = np.bincount(side, weights=sample.weight, minlength=2)
    events = np.bincount(side, weights=sample.weight * sample.y, minlength=2)
    rate = np.divide(events, total, out=np.full(2, sample.base_rate), where=total > 0)
    return lambda x: np.asarray(rate[flagged(x)])


def _smart(specs: Sequence[FeatureSpec]) -> list[int]:
    return [index for index, spec in enumerate(specs) if spec.op == "value" and spec.column in SMART_COLUMNS]


def _first(specs: Sequence[FeatureSpec], op: str) -> int | None:
    return next((index for index, spec in enumerate(specs) if spec.op == op), None)


def _empty(sample: Sample, column: int) -> bool:
    return bool(np.isnan(sample.x[:, column]).all())


@dataclass(frozen=True)
class _Tabular:
    """Features as a linear model wants them; learned on the training rows alone."""

    plain: npt.NDArray[np.int64]
    holed: npt.NDArray[np.int64]
    median: Floats
    mean: Floats
    scale: Floats
    coded: Mapping[int, int]

    @classmethod
    def of(cls, sample: Sample) -> "_Tabular":
        missing = np.isnan(sample.x)
        coded = {
            index: int(np.nanmax(sample.x[:, index], initial=-1.0)) + 1
            for index, spec in enumerate(sample.specs)
            if spec.categorical
        }
        plain = np.array([i for i in range(sample.x.shape[1]) if i not in coded and not missing[:, i].all()], dtype=np.int64)
        holed = plain[missing[:, plain].any(axis=0)]
        median = np.nanmedian(sample.x[:, plain], axis=0).astype(np.float64)
        filled = np.where(missing[:, plain], median, sample.x[:, plain])
        scale = filled.std(axis=0)
        return cls(plain, holed, median, filled.mean(axis=0), np.where(scale > 1e-12, scale, 1.0), coded)

    def __call__(self, x: Matrix) -> Floats:
        values = x[:, self.plain].astype(np.float64)
        standard = (np.where(np.isnan(values), self.median, values) - self.mean) / self.scale
        parts = [np.clip(standard, -8.0, 8.0), np.isnan(x[:, self.holed]).astype(np.float64)]
        parts += [(x[:, [index]] == np.arange(size)).astype(np.float64) for index, size in self.coded.items()]
        return np.concatenate(parts, axis=1)


RIVALS: tuple[Rival, ...] = (
    Rival("lightgbm", Text("LightGBM, an afternoon's work", "LightGBM（半日工作量）"), afternoon),
    Rival("forest", Text("Random forest", "随机森林"), forest, joint=True),
    Rival("logistic", Text("Logistic regression", "逻辑回归"), logistic),
    Rival(
        "smart",
        Text("SMART rule: 5, 187, 197 or 198 above 0", "SMART 规则：5/187/197/198 任一大于 0"),
        smart_rule,
        lambda specs: bool(_smart(specs)),
    ),
    Rival("rate", Text("Rate by age band and model", "按机龄与机型的故障率"), rate_by_age_and_model),
)
# For millions of rows to score, a good part of them sampled with unequal weights.
LARGE: tuple[Rival, ...] = (
    Rival("lightgbm", Text("LightGBM, an afternoon's work", "LightGBM（半日工作量）"), held_back),
    Rival("logistic", Text("Logistic regression on counters, age, model", "逻辑回归（计数、机龄、机型）"), counters),
    *(rival for rival in RIVALS if rival.name in ("smart", "rate")),
)
