"""LightGBM interval hazards, each member fitted on resampled machines.

Each booster sees the rows at risk in its interval (person-periods) with a binomial likelihood. With views, the components of
a machine are competing risks: one pooled booster sees each component's own columns in the same places, and the machine's hazard
is the sum of its components' (Prentice et al. 1978).
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from features.errors import BadInput
from training.config import BoosterConfig, GbmConfig
from training.hazard import INTERVAL_ENDS, Floats, interval_outcomes
from training.labels import outcome
from training.model import INTERVALS, HazardModel, Matrix, Structure, stacked
from training.trees import Forest, merge

Outcomes = npt.NDArray[np.float32]
Params = dict[str, object]
COMPONENT = "component"


@dataclass(frozen=True)
class TrainingRows:
    """What a model is fitted on.

    x [n, features] float32, NaN = missing; hours_to_failure, followed_hours, weight [n]; machine [n] integer codes, the unit of
    resampling; names of the features; which of them are categorical; hours to the first failure of each component, where the
    model has views; at [n]: their numbers among the snapshot's observations, where they come from one; moments [n]: as_of in
    microseconds, where they do not.
    """

    x: Matrix
    hours_to_failure: Floats
    followed_hours: Floats
    weight: Floats
    machine: npt.NDArray[np.int64]
    names: tuple[str, ...]
    categorical: tuple[str, ...] = ()
    hours_to_component: tuple[Floats, ...] = ()
    at: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    moments: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    @property
    def outcomes(self) -> Floats:
        """[n, 3]: failed by the end of each horizon, NaN = unripe."""
        return np.stack([outcome(self.hours_to_failure, self.followed_hours, end) for end in INTERVAL_ENDS], axis=1)


@dataclass(frozen=True)
class _Task:
    """One booster to fit: which rows with which label (NaN = not among them), how, and from which seed."""

    label: Outcomes
    weight: Floats
    params: Params


def fit(
    rows: TrainingRows,
    config: GbmConfig,
    structure: Structure | None = None,
    *,
    seed: int,
    threads: int = 1,
    progress: Callable[[str], None] | None = None,
) -> HazardModel:
    """Fit all members (and the full model, where the config asks for one).

    Boosters are fitted side by side, each on one thread: the same seed gives the same text on any number of threads.
    Raises BadInput if an interval has no failure to learn from.
    """
    structure = structure or Structure(intervals=config.intervals)
    outcomes = _outcomes(rows, structure)
    for end, failures in zip(INTERVAL_ENDS, np.nansum(outcomes, axis=0), strict=True):
        if not failures:
            raise BadInput(
                f"no training row is followed by a failure in the interval that ends after {end:g} hours",
                where="training period",
                mend="train on a longer history or more machines, or `forewarn train machine --kind pooled`",
            )
    dataset = _binned(rows, structure, config)
    params = [_params(booster, dataset.get_feature_name(), config.max_bin) for booster in config.boosters]
    weights = [rows.weight] if config.point == "full" else []
    weights += list(_resampled(rows, outcomes, config.members, seed)) if config.resample else [rows.weight] * config.members
    tasks = [
        task
        for number, weight in enumerate(weights)
        for task in _tasks(
            outcomes, weight, structure, [one | {"seed": seed + 1000 * number + k} for k, one in enumerate(params)]
        )
    ]
    texts = []
    with ThreadPoolExecutor(threads) as pool:
        for text in pool.map(lambda task: _fit_one(dataset, task), tasks):
            texts.append(text)
            if progress:
                progress(f"fitted booster {len(texts)} of {len(tasks)}")
    each = len(tasks) // len(weights)
    full = Forest(merge(texts[:each])) if config.point == "full" else None
    return HazardModel(structure, Forest(merge(texts[each:] if full else texts)), full)


def _outcomes(rows: TrainingRows, structure: Structure) -> Outcomes:
    """[views x n, 3]: outcome of each interval; with views a component's row is 1 only where this component failed first."""
    machine = interval_outcomes(rows.hours_to_failure, rows.followed_hours)
    if not structure.views:
        return machine
    if len(rows.hours_to_component) != len(structure.views):
        raise ValueError(f"{len(structure.views)} views need as many component labels, not {len(rows.hours_to_component)}")
    first = [hours <= rows.hours_to_failure for hours in rows.hours_to_component]
    return np.concatenate([np.where((machine == 1) & ~own[:, None], np.float32(0), machine) for own in first])


def _binned(rows: TrainingRows, structure: Structure, config: GbmConfig) -> lgb.Dataset:
    names = [rows.names[column] for column in structure.views[0]] + [COMPONENT] if structure.views else list(rows.names)
    categorical = [name for name in (*rows.categorical, COMPONENT) if name in names]
    x = stacked(rows.x, structure.views)
    return lgb.Dataset(
        x, np.zeros(len(x)), feature_name=names, categorical_feature=categorical, params={**_SHARED, "max_bin": config.max_bin}
    ).construct()


def _resampled(rows: TrainingRows, outcomes: Outcomes, members: int, seed: int) -> Iterator[Floats]:
    """Weights of each member: machines drawn with replacement, a machine's rows counting as often as it was drawn.

    A draw that misses all failures of an interval teaches nothing of it and is drawn again (all machines once, if need be).
    """
    machines, position = np.unique(rows.machine, return_inverse=True)
    row, interval = np.nonzero(outcomes == 1)
    failing = np.zeros((outcomes.shape[1], len(machines)), dtype=bool)
    failing[interval, position[row % len(position)]] = True
    for number in range(members):
        random = np.random.default_rng([seed, number])
        draws = (np.bincount(random.integers(0, len(machines), len(machines)), minlength=len(machines)) for _ in range(100))
        drawn = next((one for one in draws if (failing & (one > 0)).any(axis=1).all()), np.ones(len(machines)))
        yield rows.weight * drawn[position]


def left_out(rows: TrainingRows, config: GbmConfig, structure: Structure | None = None, *, seed: int) -> npt.NDArray[np.bool_]:
    """[n, members]: the rows whose machine a member of `fit` with the same arguments did not see (Breiman 1996, out of bag)."""
    outcomes = _outcomes(rows, structure or Structure(intervals=config.intervals))
    return np.stack([weight == 0 for weight in _resampled(rows, outcomes, config.members, seed)], axis=1)


def _tasks(outcomes: Outcomes, weight: Floats, structure: Structure, params: list[Params]) -> Iterator[_Task]:
    """The boosters of one member: one per interval, or one of the whole horizon and one of its shares."""
    weight = np.tile(weight, max(1, len(structure.views)))
    if structure.intervals == "separate":
        for interval, own in enumerate(params):
            yield _Task(outcomes[:, interval], weight, {"objective": "binary", **own})
        return
    failed = (outcomes == 1).any(axis=1)
    ever = np.where(failed, np.float32(1), outcomes[:, -1])
    when = np.where(failed, np.argmax(outcomes == 1, axis=1).astype(np.float32), np.float32(np.nan))
    yield _Task(ever, weight, {"objective": "binary", **params[0]})
    yield _Task(when, weight, {"objective": "multiclass", "num_class": INTERVALS, **params[1]})


def _fit_one(dataset: lgb.Dataset, task: _Task) -> str:
    used = np.flatnonzero(~np.isnan(task.label) & (task.weight > 0))
    # Constructed first: a subset that is constructed later would take over the parent's labels.
    part = dataset.subset(used.tolist(), params={"max_bin": task.params["max_bin"], **_SHARED}).construct()
    part.set_label(task.label[used])
    part.set_weight(task.weight[used])
    return str(lgb.train(task.params, part).model_to_string())


_SHARED: Params = {"min_data_in_bin": 3, "feature_pre_filter": False, "verbosity": -1, "num_threads": 1}


def _params(booster: BoosterConfig, names: list[str], max_bin: int) -> Params:
    seen = [name == COMPONENT or booster.sees(name) for name in names]
    if not any(booster.sees(name) for name in names):
        raise BadInput(f"no feature fits {', '.join(booster.features)}", where="gbm.features", mend="correct the patterns")
    return {
        **_SHARED,
        # A split's gain times 0 is never the best: all boosters keep the same columns, each splits on its own.
        **({} if all(seen) else {"feature_contri": [float(one) for one in seen]}),
        "num_iterations": booster.rounds,
        "learning_rate": booster.learning_rate,
        "num_leaves": booster.num_leaves,
        "min_data_in_leaf": booster.min_data_in_leaf,
        "min_sum_hessian_in_leaf": booster.min_hessian_in_leaf,
        "feature_fraction": booster.feature_fraction,
        "bagging_fraction": booster.bagging_fraction,
        "bagging_freq": 1 if booster.bagging_fraction < 1 else 0,
        "lambda_l2": booster.l2,
        "cat_l2": booster.categorical_l2,
        "cat_smooth": booster.categorical_smooth,
        "max_cat_to_onehot": 8,  # few categories, such as components: one against the rest, without their penalty
        "max_bin": max_bin,
        "deterministic": True,
        "force_row_wise": True,
    }
