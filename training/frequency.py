"""LightGBM for numbers of accidents: Poisson deviance, exposure as offset, monotone where the price must be.

The expected number is exposure x rate(features). An exposure may carry any factor that is known beforehand (a rulebook's
relativities, another model's rate): what is learnt is then the relativity on top of it.

Offset: LightGBM starts at log(exposure x mean rate) as its init_score. Weights: it is given count / exposure with the exposure
as weight. Both have the same likelihood and the same gradients (Yan et al. 2009, Applications of the Offset in
Property-Casualty Predictive Modeling), and give the same trees but for rounding.
"""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Protocol, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from features.errors import BadInput
from training.trees import Forest, merge

if TYPE_CHECKING:
    import lightgbm as lgb

Floats = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float32]
Whole = npt.NDArray[np.int64]
Chosen = npt.NDArray[np.bool_] | Whole
FARTHEST = 30.0  # a log rate beyond e^30 times the mean is held there


@dataclass(frozen=True)
class CountRows:
    """Periods with exposure and what happened in them.

    x [n, features] float32, NaN = missing; names of the features; categorical: columns that hold codes; exposure [n] > 0; count
    [n] >= 0; group [n]: whose row it is, the unit of folds and resamples; weight [n], None = all alike; loss [n], where known.
    """

    x: Matrix
    names: tuple[str, ...]
    categorical: tuple[int, ...]
    exposure: Floats
    count: Floats
    group: Whole
    weight: Floats | None = None
    loss: Floats | None = None

    def __post_init__(self) -> None:
        if self.x.shape != (len(self.count), len(self.names)):
            raise ValueError(f"{len(self.count)} counts and {len(self.names)} names for features of shape {self.x.shape}")
        if not (np.isfinite(self.exposure).all() and (self.exposure > 0).all()):
            raise BadInput("an exposure is zero, negative or missing", where="exposure", mend="leave the row out or floor it")
        if not (np.isfinite(self.count).all() and (self.count >= 0).all()):
            raise BadInput("a count is negative or missing", where="count", mend="leave the row out")

    def __len__(self) -> int:
        return len(self.count)

    def of(self, chosen: Chosen) -> Self:
        """The rows chosen, by mask or by number."""
        return replace(
            self, x=self.x[chosen], exposure=self.exposure[chosen], count=self.count[chosen], group=self.group[chosen],
            weight=None if self.weight is None else self.weight[chosen], loss=None if self.loss is None else self.loss[chosen],
        )  # fmt: skip

    @property
    def weights(self) -> Floats:
        return np.ones(len(self)) if self.weight is None else self.weight

    @property
    def mean_rate(self) -> float:
        """Accidents per unit of exposure. Raises BadInput if there is not one accident."""
        events = float(self.weights @ self.count)
        if events <= 0:
            raise BadInput("not one accident to learn a rate from", where="training period", mend="take a longer one")
        return events / float(self.weights @ self.exposure)


class CountModel(Protocol):
    """Any model of a number of accidents."""

    def expected(self, x: Matrix, exposure: Floats) -> Floats:
        """Expected number [n] over the exposure given [n], of features [n, f]."""
        ...


Fit = Callable[[CountRows], CountModel]


class CountBoosterConfig(BaseModel):
    """The boosters. `members` of them are averaged on the log scale.

    resample: a member sees groups drawn with replacement (and can tell a range); without it members differ by their seed.
    exposure: how it enters. max_step: largest step of a leaf's log rate, before the learning rate: where hardly anything was
    expected and much came, Poisson's own step has no bound. monotone_method: LightGBM's; its `advanced` has open reports of
    violations and is not offered.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rounds: int = Field(default=300, gt=0, le=20_000)
    learning_rate: float = Field(default=0.05, gt=0, le=1)
    num_leaves: int = Field(default=15, ge=2, le=1024)
    min_data_in_leaf: int = Field(default=20, ge=1)
    min_hessian_in_leaf: float = Field(default=1e-3, ge=0)
    feature_fraction: float = Field(default=0.7, gt=0, le=1)
    bagging_fraction: float = Field(default=0.7, gt=0, le=1)
    l2: float = Field(default=1.0, ge=0)
    path_smooth: float = Field(default=0.0, ge=0)
    max_step: float = Field(default=1.0, gt=0)
    categorical_l2: float = Field(default=10.0, ge=0)
    categorical_smooth: float = Field(default=10.0, ge=0)
    max_bin: int = Field(default=255, ge=2, le=1023)
    members: int = Field(default=3, ge=1, le=50)
    resample: bool = False
    exposure: Literal["offset", "weights"] = "offset"
    monotone_method: Literal["basic", "intermediate"] = "intermediate"


@dataclass(frozen=True)
class Boosted:
    """Fitted members: log of the rate = base + mean of the members' raw scores."""

    base: float
    forest: Forest

    def log_rates(self, x: Matrix, *, threads: int = 1) -> Floats:
        """[n, members]: what each member says of the log rate per unit of exposure."""
        return np.asarray(self.base + np.clip(self.forest.raw(x, threads=threads), -FARTHEST, FARTHEST))

    def expected(self, x: Matrix, exposure: Floats, *, threads: int = 1) -> Floats:
        """Expected number [n] over the exposure given [n]."""
        return np.asarray(exposure * np.exp(self.log_rates(x, threads=threads).mean(axis=1)))


def fit_boosted(
    rows: CountRows, config: CountBoosterConfig, *, monotone: Mapping[str, int] | None = None, seed: int = 0, threads: int = 1
) -> Boosted:
    """Fit all members side by side, each on one thread: the same seed gives the same forest on any number of threads.

    monotone: features by name and +1 (never lowers the rate as it rises) or -1. Raises BadInput without an accident, ValueError
    if a direction names a feature that is not there or holds codes.
    """
    base = float(np.log(rows.mean_rate))
    data = _dataset(rows, config)
    params = {**_params(config), **_constraints(rows, monotone or {}, config)}
    groups, position = np.unique(rows.group, return_inverse=True)

    def member(number: int) -> str:
        weight = rows.weights
        if config.resample:
            random = np.random.default_rng([seed, number])
            weight = weight * np.bincount(random.integers(0, len(groups), len(groups)), minlength=len(groups))[position]
        return _fit_one(data, rows, weight, base, config, params | {"seed": seed + 1000 * number})

    with ThreadPoolExecutor(threads) as pool:
        texts = list(pool.map(member, range(config.members)))
    return Boosted(base, Forest(merge(texts)))


def out_of_fold(fit: Fit, rows: CountRows, fold: Whole, *, threads: int = 1) -> Floats:
    """What models say of rows that they were not fitted on: expected number [n]. fold [n]: -1 = always fitted on, never asked.

    Rows never asked are NaN. `grouped` makes folds in which a group is never on both sides.
    """
    found = np.full(len(rows), np.nan)

    def one(number: int) -> tuple[npt.NDArray[np.bool_], Floats]:
        asked = fold == number
        return asked, fit(rows.of(~asked)).expected(rows.x[asked], rows.exposure[asked])

    with ThreadPoolExecutor(threads) as pool:
        for asked, said in pool.map(one, (int(number) for number in np.unique(fold) if number >= 0)):
            found[asked] = said
    return found


def grouped(group: Iterable[int] | Whole, folds: int, seed: int = 0) -> Whole:
    """A fold [n] in 0..folds-1 for each row, the same for all rows of a group, groups dealt at random."""
    names, position = np.unique(np.asarray(group), return_inverse=True)
    dealt = np.random.default_rng(seed).permutation(np.arange(len(names)) % folds)
    return np.asarray(dealt[position], dtype=np.int64)


def _dataset(rows: CountRows, config: CountBoosterConfig) -> "lgb.Dataset":
    import lightgbm as lgb

    return lgb.Dataset(
        rows.x, np.zeros(len(rows)), feature_name=[f"f{place}" for place in range(len(rows.names))],
        categorical_feature=[f"f{place}" for place in rows.categorical],
        params={**_SHARED, "max_bin": config.max_bin},
    ).construct()  # fmt: skip


def _fit_one(
    data: "lgb.Dataset", rows: CountRows, weight: Floats, base: float, config: CountBoosterConfig, params: dict[str, object]
) -> str:
    import lightgbm as lgb

    used = np.flatnonzero(weight > 0)
    # A subset of its own: members fitted side by side must not share labels. Constructed before its labels are set.
    part = data.subset(used.tolist(), params={**_SHARED, "max_bin": config.max_bin}).construct()
    level = rows.exposure[used] * np.exp(base)
    if config.exposure == "offset":
        part.set_label(rows.count[used])
        part.set_weight(weight[used])
        part.set_init_score(np.log(level))
    else:  # relative to the expected number at the mean rate, so that trees start at 0 here as well
        part.set_label(rows.count[used] / level)
        part.set_weight(weight[used] * level)
        part.set_init_score(np.zeros(len(used)))
    return str(lgb.train(params, part).model_to_string())


_SHARED: dict[str, object] = {"min_data_in_bin": 3, "feature_pre_filter": False, "verbosity": -1, "num_threads": 1}


def _params(config: CountBoosterConfig) -> dict[str, object]:
    return {
        **_SHARED,
        "objective": "poisson",
        "boost_from_average": False,
        "num_iterations": config.rounds,
        "learning_rate": config.learning_rate,
        "num_leaves": config.num_leaves,
        "min_data_in_leaf": config.min_data_in_leaf,
        "min_sum_hessian_in_leaf": config.min_hessian_in_leaf,
        "feature_fraction": config.feature_fraction,
        "bagging_fraction": config.bagging_fraction,
        "bagging_freq": 1 if config.bagging_fraction < 1 else 0,
        "lambda_l2": config.l2,
        "path_smooth": config.path_smooth,
        "max_delta_step": config.max_step,
        "cat_l2": config.categorical_l2,
        "cat_smooth": config.categorical_smooth,
        "max_bin": config.max_bin,
        "deterministic": True,
        "force_col_wise": True,
    }


def _constraints(rows: CountRows, monotone: Mapping[str, int], config: CountBoosterConfig) -> dict[str, object]:
    for name, direction in monotone.items():
        if name not in rows.names or rows.names.index(name) in rows.categorical or direction not in (-1, 0, 1):
            raise ValueError(f"monotone direction {direction} of {name!r}: needs a numeric feature of the rows, and -1, 0 or 1")
    if not any(monotone.values()):
        return {}
    return {
        "monotone_constraints": [int(monotone.get(name, 0)) for name in rows.names],
        "monotone_constraints_method": config.monotone_method,
    }
