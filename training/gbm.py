"""LightGBM interval hazards: one booster per interval and member, each member fitted on resampled machines.

Each booster sees the rows at risk in its interval (person-periods) with a binomial likelihood. With views, the components of
a machine are competing risks: one pooled booster sees each component's own columns in the same places, and the machine's hazard
is the sum of its components' (Prentice et al. 1978).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from features.errors import BadInput
from training.config import BoosterConfig, GbmConfig
from training.hazard import INTERVAL_ENDS, Floats, interval_outcomes
from training.model import HazardModel, Matrix, Structure, stacked
from training.trees import Forest, merge

INTERVALS = len(INTERVAL_ENDS)
COMPONENT = "component"


@dataclass(frozen=True)
class TrainingRows:
    """What a model is fitted on.

    x [n, features] float32, NaN = missing; hours_to_failure, followed_hours, weight [n]; machine [n] integer codes, the unit of
    resampling; names of the features; which of them are categorical; hours to the first failure of each component, where the
    model has views.
    """

    x: Matrix
    hours_to_failure: Floats
    followed_hours: Floats
    weight: Floats
    machine: npt.NDArray[np.int64]
    names: tuple[str, ...]
    categorical: tuple[str, ...] = ()
    hours_to_component: tuple[Floats, ...] = ()


def fit(
    rows: TrainingRows,
    config: GbmConfig,
    structure: Structure | None = None,
    *,
    seed: int,
    threads: int = 1,
    progress: Callable[[str], None] | None = None,
) -> HazardModel:
    """Fit all members (and the full model, where the config asks for one). The same seed gives the same text.

    Raises BadInput if an interval has no failure to learn from.
    """
    structure = structure or Structure()
    outcomes = _outcomes(rows, structure)
    for interval, end in enumerate(INTERVAL_ENDS):
        if not np.nansum(outcomes[:, interval]):
            raise BadInput(
                f"no failure in the {end - 24:g} to {end:g} hours after any training row",
                where="training rows", mend="train on a longer history or more machines",
            )  # fmt: skip
    dataset, copies = _binned(rows, structure, config), max(1, len(structure.views))
    names = _columns(rows, structure)
    boosters = [(_params(one, names, config.max_bin, threads), one.rounds) for one in config.boosters]
    fitted: list[str] = []
    for number, weight in enumerate(_resampled(rows, config.members, seed)):
        if progress:
            progress(f"fit member {number + 1} of {config.members}")
        fitted += _fit_intervals(dataset, outcomes, np.tile(weight, copies), boosters, seed + 1000 * (number + 1))
    full = None
    if config.point == "full":
        full = Forest(merge(_fit_intervals(dataset, outcomes, np.tile(rows.weight, copies), boosters, seed)))
    return HazardModel(structure, Forest(merge(fitted)), full)


def _outcomes(rows: TrainingRows, structure: Structure) -> npt.NDArray[np.float32]:
    """[views x n, 3]: outcome of each interval; with views a component's row is 1 only where this component failed first."""
    machine = interval_outcomes(rows.hours_to_failure, rows.followed_hours)
    if not structure.views:
        return machine
    if len(rows.hours_to_component) != len(structure.views):
        raise ValueError(f"{len(structure.views)} views need as many component labels, not {len(rows.hours_to_component)}")
    parts = []
    for hours in rows.hours_to_component:
        own = np.where((machine == 1) & (hours > rows.hours_to_failure)[:, None], 0, machine)
        parts.append(np.where((machine == 1) & np.isnan(hours)[:, None], 0, own))
    return np.concatenate(parts)


def _columns(rows: TrainingRows, structure: Structure) -> list[str]:
    """Names of the boosters' columns; a view's own columns go by the names that they have for the first component."""
    return [rows.names[column] for column in structure.views[0]] + [COMPONENT] if structure.views else list(rows.names)


def _binned(rows: TrainingRows, structure: Structure, config: GbmConfig) -> lgb.Dataset:
    names = _columns(rows, structure)
    categorical = [name for name in (*rows.categorical, COMPONENT) if name in names]
    return lgb.Dataset(
        stacked(rows.x, structure.views),
        np.zeros(len(rows.x) * max(1, len(structure.views))),
        feature_name=names,
        categorical_feature=categorical,
        params={"max_bin": config.max_bin, "min_data_in_bin": 3, "feature_pre_filter": False, "verbosity": -1},
    ).construct()


def _resampled(rows: TrainingRows, members: int, seed: int) -> Iterator[Floats]:
    """Weights of each member: machines drawn with replacement, a machine's rows counting as often as it was drawn."""
    machines, position = np.unique(rows.machine, return_inverse=True)
    for number in range(members):
        draw = np.random.default_rng([seed, number]).integers(0, len(machines), len(machines))
        yield rows.weight * np.bincount(draw, minlength=len(machines))[position]


def _fit_intervals(
    dataset: lgb.Dataset,
    outcomes: npt.NDArray[np.float32],
    weight: Floats,
    boosters: Sequence[tuple[dict[str, object], int]],
    seed: int,
) -> list[str]:
    return [
        _fit_one(dataset, outcomes[:, interval], weight, params | {"seed": seed + interval}, rounds)
        for interval, (params, rounds) in enumerate(boosters)
    ]


def _fit_one(
    dataset: lgb.Dataset, outcome: npt.NDArray[np.float32], weight: Floats, params: dict[str, object], rounds: int
) -> str:
    at_risk = np.flatnonzero(~np.isnan(outcome) & (weight > 0))
    # Constructed first: a subset that is constructed later would take over the parent's labels.
    part = dataset.subset(at_risk.tolist()).construct()
    part.set_label(outcome[at_risk])
    part.set_weight(weight[at_risk])
    return str(lgb.train(params, part, rounds).model_to_string())


def _params(config: BoosterConfig, names: Sequence[str], max_bin: int, threads: int) -> dict[str, object]:
    seen = [name == COMPONENT or config.sees(name) for name in names]
    return {
        "objective": "binary",
        "learning_rate": config.learning_rate,
        "num_leaves": config.num_leaves,
        "min_data_in_leaf": config.min_data_in_leaf,
        "min_sum_hessian_in_leaf": config.min_hessian_in_leaf,
        "feature_fraction": config.feature_fraction,
        "bagging_fraction": config.bagging_fraction,
        "bagging_freq": 1 if config.bagging_fraction < 1 else 0,
        "lambda_l2": config.l2,
        "max_bin": max_bin,
        "min_data_in_bin": 3,
        "feature_pre_filter": False,
        # A split's gain times 0 is never the best: all boosters keep the same columns, each splits on its own.
        **({} if all(seen) else {"feature_contri": [float(one) for one in seen]}),
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": threads,
        "verbosity": -1,
    }
