"""A search for better settings of the enterprise scores: by deviance on later stretches of the training period alone.

Families: the log-linear model, the price's boosters, the alarm's. The search itself, its page and its runs are those of
`training.tuning` and `training.tuning_runs`.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import RootModel, ValidationError, model_validator

from features.enterprise.catalog import EVERY
from features.errors import BadInput, NotFound
from features.lake import Lake
from features.settings import Settings
from features.snapshots import open_snapshot
from training import splits, tracking, tuning
from training.enterprise.config import EnterpriseConfig
from training.enterprise.fit import periods
from training.enterprise.fitting import fit_models
from training.enterprise.model import FREE, LINEAR, SIGNED
from training.enterprise.rows import Past
from training.frequency import CountRows
from training.tuning import Budget, Found
from training.tuning_folds import Watch
from training.tuning_runs import Asked, Outcome, tell, write
from training.tuning_space import Choice, OneOf, Range, Value, read_space

SHIPPED = Path(__file__).resolve().parent / "tuning.toml"
FAMILIES = {"linear": LINEAR, "price": SIGNED, "alarm": FREE}
PENALTY = "linear.penalty"
MEMBERS = 2  # of boosters while they are tuned
_OWN_PENALTY = 10.0  # that of the trial that stands for the experiment where it lets one of several be chosen
Say = Callable[[str], None]


class EnterpriseSpace(RootModel[dict[str, dict[str, Range | OneOf]]]):
    """By family (`linear`, `price`, `alarm`): keys of an experiment, dotted, and what each may be."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        for family, asked in self.root.items():
            if family not in FAMILIES:
                raise ValueError(f"{family} is no family; one of: {', '.join(FAMILIES)}")
            if not asked:
                raise ValueError(f"{family} names nothing to tune")
            for key in asked:
                if key != PENALTY if family == "linear" else not key.startswith(f"{family}.boosters."):
                    raise ValueError(f"{key} is not a key of the family {family}")
        return self


@dataclass(frozen=True)
class Fold:
    """Rows to fit on as known at a cut, and the later rows to judge by as known when the training period ended."""

    rows: CountRows
    later: CountRows


def load_space(path: Path | None = None) -> EnterpriseSpace:
    """The search space of a TOML file, by default the shipped one. Raises NotFound, or BadInput naming the key."""
    return read_space(EnterpriseSpace, path or SHIPPED)


def folds_of(config: EnterpriseConfig, past: Past, count: int) -> list[Fold]:
    """Rolling origins inside the training period. Raises BadInput if one has nothing to learn or judge by."""
    cuts, lag = periods(past.as_of, config.periods), config.periods.reporting_lag_days
    inside = cuts.train
    found = []
    for number, one in enumerate(splits.rolling_origin(past.as_of[inside], count), start=1):
        rows = past.counted(inside[one.train], past.labels(one.cut, lag_days=lag))
        later = past.counted(inside[one.test], past.labels(cuts.calibration_from, lag_days=lag))
        for part, told in ((rows, "to learn from"), (later, "to judge by")):
            if not len(part) or not part.count.sum():
                mend = "fewer --folds, more enterprises or a longer history"
                raise BadInput(f"fold {number} has no accident {told}", where="forewarn tune", mend=mend)
        found.append(Fold(rows, later))
    return found


def loss(config: EnterpriseConfig, family: str, folds: list[Fold], watch: Watch) -> float:
    """Mean Poisson deviance of a family's model per unit of weight on later rows, over all folds; told after each."""
    from training.count_metrics import unit_deviance

    quick = config.linear if family == "linear" else config.linear.model_copy(update={"penalties": (_OWN_PENALTY,)})
    few = {
        which: one.model_copy(update={"boosters": one.boosters.model_copy(update={"members": MEMBERS})})
        for which, one in (("price", config.price), ("alarm", config.alarm))
    }
    asked = config.model_copy(update={"linear": quick, **few})
    name, losses = FAMILIES[family], list[float]()
    for step, fold in enumerate(folds):
        models = fit_models(asked, fold.rows, progress=lambda text: None, names=() if name == LINEAR else (name,))
        said = models.said(fold.later.x, fold.later.exposure, threads=config.threads)[name]
        losses.append(float(np.average(unit_deviance(fold.later.count, said), weights=fold.later.weights)))
        watch(step, float(np.mean(losses)))
    return float(np.mean(losses))


def with_values(config: EnterpriseConfig, values: Choice) -> EnterpriseConfig:
    """The experiment with some keys changed. Raises BadInput for a key that it does not have or a value it cannot take."""
    document = config.model_dump(mode="json", exclude_none=True)
    for key, value in values.items():
        if key == PENALTY:
            document["linear"]["penalties"] = [value]
            continue
        *path, last = key.split(".")
        place: Any = document
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    try:
        return EnterpriseConfig.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        what = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
        raise BadInput(what, where="tuned values", mend="correct the ranges") from None


def own_values(config: EnterpriseConfig, asked: Mapping[str, Range | OneOf]) -> dict[str, Value]:
    """What the experiment already says of the keys, as far as the space holds it."""
    document: Any = config.model_dump(mode="json")
    found: dict[str, Value] = {}
    for key, among in asked.items():
        value = document
        if key == PENALTY:
            value = min(config.linear.penalties, key=lambda one: abs(np.log(one / _OWN_PENALTY)))
        else:
            for part in key.split("."):
                value = value.get(part) if isinstance(value, dict) else None
        if among.holds(value):
            found[key] = value
    return found


def run_tuning(
    settings: Settings,
    config: EnterpriseConfig,
    space: EnterpriseSpace,
    asked: Asked,
    *,
    snapshot_id: str = "latest",
    progress: Say | None = None,
) -> Outcome:
    """Search each family, write tuned experiment, page and document under home, log a run with a nested one for each trial.

    Raises NotFound without the snapshot or lake, BadInput if there is nothing to learn from, Conflict if the studies' storage
    cannot be used.
    """
    started, say = time.monotonic(), progress or (lambda text: None)
    snapshot = open_snapshot(settings.home, snapshot_id, EVERY.name)
    snapshot.check_current()
    for family in asked.families:
        if family not in space.root:
            raise NotFound(f"the space says nothing of {family}", where="--space", mend=f"one of: {', '.join(space.root)}")
    past = Past.of(snapshot, Lake.open(snapshot.lake))
    tracking.check(settings)
    say(f"{asked.folds} folds inside the training period")
    folds = folds_of(config, past, asked.folds)
    found = []
    for place, family in enumerate(asked.families):
        left = None if asked.seconds is None else max(0.0, asked.seconds - (time.monotonic() - started))
        budget = Budget(asked.trials, None if left is None else left / (len(asked.families) - place))
        found.append(_search(settings, past, config, family, folds, space.root[family], asked, budget, say))
    best = {one.family: one.best for one in found if one.best is not None}
    if not best:
        mend = "give it more --seconds, or run it again: the studies go on"
        raise BadInput("no trial was finished within the budget", where="forewarn tune", mend=mend)
    values = {key: value for one in best.values() if not one.own for key, value in one.values.items()}
    tuned = with_values(config, values).model_copy(update={"name": f"{config.name}_tuned"})
    name = f"tune-{EVERY.name}-{tuning.digest({one.name: len(one.trials) for one in found})}"
    made = Outcome(
        name, tuple(found), snapshot.id, config, write(tuned, settings.home / "tuning" / f"{name}.toml"),
        settings.reports / f"{name}.html", "", 0.0,
    )  # fmt: skip
    return tell(settings, snapshot, made, "forewarn train enterprise", started, say)


def _search(
    settings: Settings, past: Past, config: EnterpriseConfig, family: str, folds: list[Fold],
    among: Mapping[str, Range | OneOf], asked: Asked, budget: Budget, say: Say,
) -> Found:  # fmt: skip
    """One study."""
    identity = {
        "snapshot": past.snapshot.id,
        "catalog": past.snapshot.manifest["catalog_hash"],
        "experiment": config.model_dump(mode="json", exclude={"name", "threads", "ablations"}),
        "space": {key: one.model_dump(mode="json") for key, one in among.items()},
        "folds": len(folds),
    }
    name = f"{asked.study}-{family}" if asked.study else f"{EVERY.name}-{family}-{tuning.digest(identity)}"

    def trial(values: Choice, watch: Watch) -> float:
        return loss(with_values(config, values), family, folds, watch)

    own = own_values(config, among)
    return tuning.search(settings.study, name, family, identity, among, own, trial, budget, seed=config.seed, progress=say)
