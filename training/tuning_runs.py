"""A search from a snapshot to a tuned experiment: folds, studies, TOML, report, runs in the tracker."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tomli_w

from features.build import Snapshot
from features.documents import write_json, write_text
from features.errors import BadInput, NotFound
from features.lake import Lake
from features.settings import Settings
from features.snapshots import open_snapshot
from training import checkpoint, tables, tracking, tuning, tuning_report, tuning_words
from training.config import TrainConfig
from training.enterprise.config import EnterpriseConfig
from training.report_words import Text
from training.rows import Past
from training.runs import flat_params
from training.tuning import Budget, Found
from training.tuning_folds import Judge, Watch, judges, loss_of_boosters, loss_of_network
from training.tuning_space import BOOSTERS, NETWORKS, Choice, Space, alone, own_values, with_values


@dataclass(frozen=True)
class Asked:
    """What to search: families, trials in each study, seconds of this process (None: no bound), folds, a study's name."""

    families: tuple[str, ...]
    trials: int
    seconds: float | None = None
    folds: int = 3
    study: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What a search left behind."""

    id: str
    found: tuple[Found, ...]
    snapshot: str
    config: TrainConfig | EnterpriseConfig
    tuned: Path
    report: Path
    tracked: str
    seconds: float

    def verdict(self) -> list[Text]:
        """The search in a few sentences."""
        return tuning_words.verdict(self.found)

    def table(self) -> list[dict[str, tables.Cell]]:
        """A row for each family."""
        return [_row(one) for one in self.found]

    def document(self) -> dict[str, Any]:
        """The search as JSON."""
        studies = [
            {
                "study": one.name, "family": one.family, "own": one.own, "importance": dict(one.importance),
                "best": None if one.best is None else {"trial": one.best.number, "loss": one.best.loss, **one.best.values},
                "trials": [{**vars(trial), "values": dict(trial.values)} for trial in one.trials],
            }
            for one in self.found
        ]  # fmt: skip
        return {
            "id": self.id, "snapshot": self.snapshot, "config": self.config.name, "tuned": str(self.tuned), "studies": studies,
            "verdict": [{"en": one.en, "zh": one.zh} for one in self.verdict()], "report": str(self.report),
            "run_id": self.tracked, "seconds": self.seconds,
        }  # fmt: skip


def run_tuning(
    settings: Settings,
    kind: str,
    config: TrainConfig,
    space: Space,
    asked: Asked,
    *,
    snapshot_id: str = "latest",
    progress: Callable[[str], None] | None = None,
) -> Outcome:
    """Search each family, write tuned experiment, page and document under home, log a run with a nested one for each trial.

    Raises NotFound without the snapshot or lake, BadInput if there is nothing to learn from, Conflict if the studies' storage
    cannot be used.
    """
    started, say = time.monotonic(), progress or (lambda text: None)
    snapshot = open_snapshot(settings.home, snapshot_id, kind)
    snapshot.check_current()
    for family in asked.families:
        if family not in space.root:
            raise NotFound(f"the space says nothing of {family}", where="--space", mend=f"one of: {', '.join(space.root)}")
    alone_of = {family: alone(config, family) for family in asked.families}
    past = Past.of(snapshot, Lake.open(snapshot.lake))
    tracking.check(settings)
    say(f"{asked.folds} folds inside the training period")
    folds = judges(config, past, folds=asked.folds)
    found = []
    for place, family in enumerate(asked.families):
        left = None if asked.seconds is None else max(0.0, asked.seconds - (time.monotonic() - started))
        budget = Budget(asked.trials, None if left is None else left / (len(asked.families) - place))
        found.append(_search(settings, past, folds, alone_of[family], family, space, asked, budget, say))
    tuned, best = tuned_experiment(config, found), {one.family: one.best for one in found}
    if not any(best.values()):
        mend = "give it more --seconds, or run it again: the studies go on"
        raise BadInput("no trial was finished within the budget", where="forewarn tune", mend=mend)
    name = f"tune-{kind}-{tuning.digest({one.name: len(one.trials) for one in found})}"
    made = Outcome(
        name, tuple(found), snapshot.id, config, write(tuned, settings.home / "tuning" / f"{name}.toml"),
        settings.reports / f"{name}.html", "", 0.0,
    )  # fmt: skip
    return tell(settings, snapshot, made, "forewarn train machine", started, say)


def _search(
    settings: Settings, past: Past, folds: list[Judge], config: TrainConfig, family: str, space: Space, asked: Asked,
    budget: Budget, say: Callable[[str], None],
) -> Found:  # fmt: skip
    """One study."""
    kind, among = past.snapshot.kind.name, space.root[family]
    identity = {
        "snapshot": past.snapshot.id,
        "catalog": past.snapshot.manifest["catalog_hash"],
        "experiment": config.model_dump(mode="json", exclude={"name", "threads"}),
        "space": {key: one.model_dump(mode="json") for key, one in among.items()},
        "folds": asked.folds,
    }
    name = f"{asked.study}-{family}" if asked.study else f"{kind}-{family}-{tuning.digest(identity)}"
    worth = loss_of_boosters if family == BOOSTERS else loss_of_network

    def trial(values: Choice, watch: Watch) -> float:
        # A trial that was killed is tried again with the same values.
        with checkpoint.kept(settings.checkpoints, "tune", name, tuning.digest(values), spent=(Exception,)):
            return worth(with_values(config, values), past, folds, watch)

    return tuning.search(
        settings.study, name, family, identity, among, own_values(config, among), trial, budget, seed=config.seed, progress=say
    )


def tuned_experiment(config: TrainConfig, found: list[Found]) -> TrainConfig:
    """The experiment with the best settings found: those of the boosters, and of the better network where any was searched.

    Networks of an experiment share their loop, so one of them is tuned; the other one is left out.
    """
    best = {one.family: one.best for one in found if one.best is not None}
    networks = {family: one for family, one in best.items() if family in NETWORKS}
    values: dict[str, Any] = dict(best[BOOSTERS].values) if BOOSTERS in best else {}
    base = config
    if networks:
        family = min(networks, key=lambda name: networks[name].loss or 0.0)
        base, values = alone(config, family), {**values, **networks[family].values}
    return with_values(base, values).model_copy(update={"name": f"{config.name}_tuned"})


def write(config: TrainConfig | EnterpriseConfig, path: Path) -> Path:
    """The experiment as TOML, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_text(path, tomli_w.dumps(config.model_dump(mode="json", exclude_none=True)))


def tell(
    settings: Settings, snapshot: Snapshot, made: Outcome, verb: str, started: float, say: Callable[[str], None]
) -> Outcome:
    """Page, document and runs. verb: what takes the tuned experiment."""
    kind = snapshot.kind
    page = tuning_report.Page(
        Text(f"{kind.words_en} ({kind.name})", kind.words_zh),
        datetime.now(UTC),
        _identity(made),
        made.config,
        made.tuned.name,
        verb,
    )
    tuning_report.write(page, made.found, made.report)
    say("log the runs")
    made = replace(made, seconds=round(time.monotonic() - started, 1))
    document = settings.home / "tuning" / f"{made.id}.json"
    write_json(document, made.document())
    tracked = tracking.record_series(settings, _record(kind.name, made, document))
    made = replace(made, tracked=tracked, seconds=round(time.monotonic() - started, 1))
    write_json(document, made.document())
    return made


def _identity(made: Outcome) -> dict[str, str]:
    trials = sum(len(one.trials) for one in made.found)
    return {
        "Search 搜索": made.id,
        "Snapshot 特征快照": made.snapshot,
        "Experiment 实验": made.config.name,
        "Studies 搜索记录": ", ".join(one.name for one in made.found),
        "Trials 试验": str(trials),
        "Tuned experiment 调优后的实验": str(made.tuned),
    }


def _row(one: Found) -> dict[str, tables.Cell]:
    states = [trial.state for trial in one.trials]
    best = one.best
    return {
        "family": one.family,
        "trials": len(one.trials),
        "pruned": states.count("PRUNED"),
        "failed": states.count("FAIL"),
        "own loss": "" if one.own is None else f"{one.own:.6f}",
        "best loss": "" if best is None or best.loss is None else f"{best.loss:.6f}",
        "gain": "" if one.own is None or best is None or best.loss is None else f"{100 * (1 - best.loss / one.own):.2f} %",
        "trial": "" if best is None else best.number,
    }


def _record(kind: str, made: Outcome, document: Path) -> tracking.Series:
    metrics: dict[str, float] = {}
    parts = []
    for one in made.found:
        best = one.best
        metrics |= {} if best is None or best.loss is None else {f"{one.family}_best_loss": best.loss}
        metrics |= {} if one.own is None else {f"{one.family}_own_loss": one.own}
        for trial in one.trials:
            facts: Mapping[str, str] = {"family": one.family, "state": trial.state, **flat_params(trial.values)}
            figures = {"seconds": trial.seconds} | ({} if trial.loss is None else {f"{one.family}_loss": trial.loss})
            parts.append(tracking.Nested(f"{one.family} {trial.number}", facts, figures))
    return tracking.Series(
        kind=kind,
        name=made.id,
        of="trial",
        parameters=flat_params(made.config.model_dump(mode="json")),
        versions={"snapshot": made.snapshot},
        metrics=metrics,
        parts=parts,
        files=(made.report, document, made.tuned),
        pictures=tuning_report.pictures(made.found),
    )
