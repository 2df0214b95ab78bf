"""Remaining life: boosters and networks fitted on engines that ran until they failed, and their blend.

A model here is a name in the experiment. Each answers for rows of other engines, a seed at a time; seeds and models are fitted
side by side in processes of one thread each, so the same seed gives the same answer on any number of them. The blend's weights
come from engines of the training part that no model in that step had seen.
"""

import tomllib
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from features.sources.cmapss import Engines
from training import checkpoint
from training.config import EXPERIMENTS
from training.cycles import Fleet, Reference, Windows, features
from training.network_config import LoopConfig, NetworkConfig
from training.splits import machine_share

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Say = Callable[[str], None]
BOOSTERS = "lightgbm"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CutConfig(_Frozen):
    """Where a record is cut off to ask how much life is left: `each` times an engine, uniformly by the cycles left.

    The publisher cut its test engines at about uniform remaining lives: mean life in training less the mean length of the test
    records is 75 to 81 cycles in all four sets, the middle of these bounds (records alone tell this, no outcome does).
    """

    least_left: int = Field(default=5, ge=0)
    most_left: int = Field(default=150, ge=1)
    least_seen: int = Field(default=20, ge=1)
    each: int = Field(default=5, ge=1)


class BoosterConfig(_Frozen):
    """LightGBM with a squared error. share: of the training rows, drawn anew by each seed."""

    rounds: int = Field(default=300, ge=1)
    share: float = Field(default=1.0, gt=0, le=1)
    learning_rate: float = Field(default=0.04, gt=0)
    num_leaves: int = Field(default=16, ge=2)
    min_data_in_leaf: int = Field(default=100, ge=1)
    feature_fraction: float = Field(default=0.3, gt=0, le=1)
    bagging_fraction: float = Field(default=0.7, gt=0, le=1)
    l2: float = Field(default=10.0, ge=0)
    max_bin: int = Field(default=63, ge=2)


class NetworksConfig(_Frozen):
    """Windows of `steps` moments `stride` cycles apart; the networks by name; the loop. share: as for the boosters."""

    steps: int = Field(default=25, ge=1)
    stride: int = Field(default=4, ge=1)
    share: float = Field(default=0.2, gt=0, le=1)
    loop: LoopConfig = LoopConfig()
    of: dict[str, NetworkConfig]


class LifeConfig(_Frozen):
    """An experiment on remaining life.

    cap: cycles beyond which a life counts as this long (Heimes 2008). late_weight: of training rows with more left than any cut
    would leave them. pooled: one model learns from the engines of all sets, else each set has its own. blend_share: of the
    training engines, for the blend's weights. processes: fits side by side.
    """

    name: str
    seeds: tuple[int, ...] = Field(min_length=1)
    cap: float = Field(default=125.0, gt=0)
    late_weight: float = Field(default=0.2, gt=0, le=1)
    pooled: bool = True
    held_out: float = Field(default=0.2, gt=0, lt=1)
    blend_share: float = Field(default=0.2, gt=0, lt=1)
    processes: int = Field(default=2, ge=1)
    cuts: CutConfig = CutConfig()
    boosters: BoosterConfig = BoosterConfig()
    networks: NetworksConfig

    @property
    def models(self) -> tuple[str, ...]:
        return (BOOSTERS, *self.networks.of)

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if BOOSTERS in self.networks.of or any(one.head != "life" for one in self.networks.of.values()):
            raise ValueError(f"a network has a head of remaining life and another name than {BOOSTERS}")
        return self


def load_life(name: str) -> LifeConfig:
    """A shipped experiment on remaining life."""
    return LifeConfig.model_validate(tomllib.loads((EXPERIMENTS / f"{name}.toml").read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Asked:
    """Rows of a fleet at which the remaining life is asked for."""

    fleet: Fleet
    rows: Whole


def split(engines: Sequence[Engines], share: float, salt: str) -> tuple[list[Engines], list[Engines]]:
    """Training engines and those held out, by a hash of set and unit. At least one engine of each set is in either part."""
    kept, held = [], []
    for one in engines:
        out = machine_share([f"{one.name}/{unit}" for unit in one.unit.tolist()], share, salt=salt)
        if out.all() or not out.any():
            out = one.unit == one.unit.max()
        kept.append(one.of(~out))
        held.append(one.of(out))
    return kept, held


def cut(fleet: Fleet, config: CutConfig, seed: int) -> Whole:
    """Rows at which engines that ran until they failed are cut off. An engine's cuts hang on its name and the seed alone."""
    rows, ids = [], fleet.ids
    for last in fleet.last.tolist():
        random = np.random.default_rng([seed, zlib.crc32(ids[last].encode())])
        most = max(config.least_left, min(config.most_left, int(fleet.cycle[last]) - config.least_seen))
        left = config.least_left + random.permutation(most - config.least_left + 1)[: config.each]
        rows.append(last - np.minimum(left, fleet.cycle[last] - 1))
    return np.concatenate(rows)


def answer(config: LifeConfig, model: str, seed: int, engines: Fleet, asked: Asked) -> Floats:
    """Fit one model with one seed on engines that ran until they failed; the cycles left that it sees [rows], 0 to cap."""
    target = np.minimum(engines.left, config.cap)
    weight = np.where(engines.left > config.cuts.most_left, config.late_weight, 1.0)
    share = config.boosters.share if model == BOOSTERS else config.networks.share
    rows = np.random.default_rng(seed).permutation(len(engines))[: max(1, round(share * len(engines)))]
    if model == BOOSTERS:
        raw = _boosted(config.boosters, engines, target, weight, rows, seed, asked)
    else:
        raw = _read(config.networks, model, engines, target, weight, rows, seed, asked)
    return np.asarray(np.clip(raw, 0.0, config.cap))


def _boosted(
    config: BoosterConfig, engines: Fleet, target: Floats, weight: Floats, rows: Whole, seed: int, asked: Asked
) -> Floats:
    import lightgbm as lgb

    params = {
        "objective": "regression", "learning_rate": config.learning_rate, "num_leaves": config.num_leaves,
        "min_data_in_leaf": config.min_data_in_leaf, "feature_fraction": config.feature_fraction, "lambda_l2": config.l2,
        "bagging_fraction": config.bagging_fraction, "bagging_freq": 1, "max_bin": config.max_bin, "seed": seed,
        "num_threads": 1, "deterministic": True, "verbose": -1,
    }  # fmt: skip
    x, names = features(engines)
    learned = lgb.Dataset(x[rows], target[rows], weight=weight[rows], feature_name=list(names), categorical_feature=["set"])
    booster = lgb.train(params, learned, config.rounds)
    return np.asarray(booster.predict(features(asked.fleet)[0][asked.rows], num_threads=1))


def _read(
    config: NetworksConfig, model: str, engines: Fleet, target: Floats, weight: Floats, rows: Whole, seed: int, asked: Asked
) -> Floats:
    from training import loop

    source = Windows(engines, config.steps, config.stride)
    none = np.empty(0, dtype=np.int64)
    fitted = loop.fit(source, target[:, None].astype(np.float32), weight, rows, none, config.of[model], config.loop, seed=seed)
    return loop.predict(fitted, Windows(asked.fleet, config.steps, config.stride), asked.rows)[:, 0]


@dataclass(frozen=True)
class Task:
    """One fit: key, whatever the caller calls it; model and seed; on which engines; asked what."""

    key: tuple[str, ...]
    model: str
    seed: int
    engines: Fleet
    asked: Asked


def answers(config: LifeConfig, tasks: Iterable[Task], say: Say) -> dict[tuple[str, ...], Floats]:
    """All tasks by key, `config.processes` side by side."""
    tasks = list(tasks)
    if config.processes == 1:
        return {one.key: answer(config, one.model, one.seed, one.engines, one.asked) for one in tasks}
    found: dict[tuple[str, ...], Floats] = {}
    # A fresh interpreter each: a fork would inherit the locks of threads that it does not have.
    place, spawn = (checkpoint.place(),), get_context("spawn")
    with ProcessPoolExecutor(config.processes, spawn, initializer=checkpoint.keep_in, initargs=place) as pool:
        coming: dict[Future[Floats], Task] = {
            pool.submit(answer, config, one.model, one.seed, one.engines, one.asked): one for one in tasks
        }
        for number, done in enumerate(as_completed(coming), 1):
            task = coming[done]
            try:
                found[task.key] = done.result()
            except BaseException:  # what has not begun need not be fitted any more
                pool.shutdown(wait=True, cancel_futures=True)
                raise
            say(f"fitted {number} of {len(tasks)}: {' '.join(task.key)}")
    return found


@dataclass(frozen=True)
class Answers:
    """What each model says at the rows asked: by name [seeds, rows]; and the blend's weights by model."""

    by_model: Mapping[str, Floats]
    weights: Mapping[str, float]

    @property
    def blend(self) -> Floats:
        """[seeds, rows]: of each seed the weighted mean of its models."""
        return np.asarray(sum(weight * self.by_model[name] for name, weight in self.weights.items()))


def blended(config: LifeConfig, engines: Sequence[Engines], asked: Asked, say: Say) -> Answers:
    """Every model and seed fitted on all `engines`, and weights that were fitted on a part of them kept apart for it."""
    kept, held = split(engines, config.blend_share, "blend")
    inner = Fleet.of(Reference.of(kept), kept)
    unseen = Fleet.of(inner.reference, held)
    rows = cut(unseen, config.cuts.model_copy(update={"each": 4 * config.cuts.each}), seed=1)
    whole = Fleet.of(asked.fleet.reference, engines)
    # The longest first, so that no process ends alone.
    models = [*config.networks.of, BOOSTERS]
    tasks = [Task((name, f"seed {seed}"), name, seed, whole, asked) for name in models for seed in config.seeds]
    tasks += [Task((name, "weight"), name, config.seeds[0], inner, Asked(unseen, rows)) for name in models]
    found = answers(config, tasks, say)
    weights = mixed({name: found[name, "weight"] for name in config.models}, np.minimum(unseen.left[rows], config.cap))
    by_model = {name: np.stack([found[name, f"seed {seed}"] for seed in config.seeds]) for name in config.models}
    return Answers(by_model, weights)


def mixed(said: Mapping[str, Floats], truth: Floats) -> dict[str, float]:
    """Weights of models, none negative, summing to 1, with the least squared error on rows that they had not seen."""
    from scipy.optimize import nnls

    table = np.column_stack(list(said.values()))
    # One more row, heavy, holds the sum at 1.
    heavy = 1e4 * np.sqrt(len(truth))
    found, _ = nnls(np.vstack([table, np.full(table.shape[1], heavy)]), np.append(truth, heavy))
    return dict(zip(said, (found / found.sum()).tolist(), strict=True))
