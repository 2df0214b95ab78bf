"""A run from a snapshot to a registered challenger: train, judge against the rivals, report, track.

snapshot -> bundle -> rivals on the same rows -> evaluation -> report -> tracking and registry
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from features.build import Snapshot, open_snapshot
from features.catalog import Catalog
from features.errors import BadInput
from features.lake import Lake
from features.settings import Settings
from training import checkpoint, evaluation, report, rivals, tables, tracking, truth
from training.bundle import Bundle
from training.ceiling import ORACLE
from training.config import TrainConfig
from training.entry import Entry
from training.evaluation import Evaluation
from training.model import HazardModel
from training.network_words import NAMES, entry_document, entry_words
from training.report_notes import notes, period
from training.report_words import Text, verdict
from training.train import Training, train_machine
from training.truth import Truth

OWN = "forewarn"
OWN_WORDS = Text("Forewarn", "本模型")
WORDS: dict[str, Text] = {
    OWN: OWN_WORDS,
    **NAMES,
    **{rival.name: rival.words for rival in rivals.RIVALS},
    ORACLE: Text("Oracle: the true probability", "理想预测（真实概率）"),
}
TITLE = Text("Machine failure within 72 hours", "72 小时机器故障预测")
_SHOWN = 20  # features in the report


@dataclass(frozen=True)
class Outcome:
    """What a run left behind."""

    bundle: Bundle
    path: Path
    report: Path
    evaluation: Evaluation
    registered: tracking.Registered
    entry: Entry | None = None

    def verdict(self) -> list[Text]:
        """The run in a few sentences."""
        return [*verdict(self.evaluation, WORDS), *([entry_words(self.entry)] if self.entry else [])]

    def document(self) -> dict[str, Any]:
        """The run as JSON."""
        return {
            "bundle": self.bundle.manifest.bundle_id,
            "path": str(self.path),
            "report": str(self.report),
            "run_id": self.registered.run_id,
            "model": self.registered.model,
            "version": self.registered.version,
            "table": tables.plain(tables.summary(self.evaluation, WORDS)),
            "metrics": tables.plain(tables.flat(self.evaluation)),
            "networks": None if self.entry is None else entry_document(self.entry),
        }


def run_machine(
    settings: Settings,
    kind: str,
    config: TrainConfig,
    *,
    snapshot_id: str = "latest",
    progress: Callable[[str], None] | None = None,
) -> Outcome:
    """Train and judge a model of one kind on a snapshot, write bundle and report under home, register it as challenger.

    Raises NotFound without the snapshot or lake, BadInput if there is nothing to learn from or to judge by.
    """
    if not config.gbm.resample:
        what = "members that all see every machine give no 90 % range, and a score is served with one"
        raise BadInput(what, where=f"experiment {config.name}: gbm.resample", mend="set it to true")
    say = progress or (lambda text: None)
    snapshot = open_snapshot(settings.home, snapshot_id, kind)
    lake = Lake.open(snapshot.lake)
    tracking.check(settings)
    with checkpoint.kept(settings.checkpoints, "train", kind, config.name):
        training = train_machine(config, snapshot, lake, progress=say)
        known = truth.of(settings.home, kind, training.predictions)
        judged = judge(training, config, known, progress=say)

        say("write bundle and report")
        bundle = training.bundle.with_metrics(tables.flat(judged))
        path = bundle.save(settings.bundles / bundle.manifest.bundle_id)
        entry = training.panel.entry if training.panel else None
        page = describe(bundle, snapshot, judged)
        if entry is not None:
            page = replace(page, notes=[entry_words(entry), *page.notes])
        written = report.write(page, judged, settings.reports / f"{bundle.manifest.bundle_id}.html")

        say("register")
        registered = tracking.record(settings, _record(bundle, path, written, page, judged))
        return Outcome(bundle, path, written, judged, registered, entry)


def judge(
    training: Training, config: TrainConfig, known: Truth | None = None, *, progress: Callable[[str], None] | None = None
) -> Evaluation:
    """The bundle, the models it is blended of, its rivals and, of a simulated fleet, the oracle on the same out-of-time rows.

    Raises BadInput if no failure falls among them.
    """
    say = progress or (lambda text: None)
    said = rivals.forecasts(
        training.train_x, training.train_labels, training.train_weight, training.test_x, training.bundle.catalog.specs,
        seed=config.seed, threads=config.threads, progress=say,
    )  # fmt: skip
    own = training.predictions[["p24", "p48", "p72"]].to_numpy(np.float64)
    say("evaluate")
    try:
        forecasts = {OWN: own, **training.singles, **said}
        return evaluation.evaluate(training.predictions, forecasts, truth=known, singles=tuple(training.singles))
    except ValueError as error:
        raise BadInput(str(error), where="test period", mend="test on a longer period, or bring in more history") from None


def describe(bundle: Bundle, snapshot: Snapshot, judged: Evaluation) -> report.Run:
    """What the report says about the run itself."""
    manifest = bundle.manifest
    versions = " · ".join(f"{name} {version}" for name, version in sorted(manifest.lake_versions.items()))
    identity = {
        "Bundle 模型包": manifest.bundle_id,
        "Snapshot 特征快照": manifest.snapshot_id,
        "Feature catalog 特征目录": f"{manifest.catalog_hash} · {len(manifest.feature_names)}",
        "Grid 观测网格": f"{snapshot.manifest['grid']['every_hours']:g} h",
        "Trained on 训练": period(manifest.train_from, manifest.train_until),
        "Calibrated until 校准至": f"{manifest.calibrated_until:%Y-%m-%d}",
        "Judged on 评估": period(judged.first, judged.last),
        "Judged by 评估样本": f"{judged.machines:,} machines 台 · {judged.failures:,} failures 次故障",
        "Lake versions 数据版本": versions,
    }
    subject = Text(f"{manifest.kind.words_en} ({manifest.kind.name})", manifest.kind.words_zh)
    return report.Run(
        TITLE,
        subject,
        manifest.created_at,
        identity,
        WORDS,
        importance(bundle.model, bundle.catalog),
        notes(bundle.manifest, judged),
        flat_params(manifest.params),
        {one.code: Text(one.words_en, one.words_zh) for one in manifest.kind.components},
    )


def importance(model: HazardModel, wanted: Catalog) -> list[report.Importance]:
    """Features by share of the boosters' gain. A column shared by component views counts once, a view's own for its part."""
    forest = model.full or model.members
    gains, views, specs = forest.gains(), model.structure.views, wanted.specs
    if views:
        by_feature = np.zeros(len(specs))
        for view in views:
            by_feature[list(view)] += gains[: len(view)] / len(views)
        gains = by_feature
    share = gains / max(float(gains.sum()), 1e-12)
    order = [int(index) for index in np.argsort(-share, kind="stable")[:_SHOWN] if share[index] > 0]
    return [report.Importance(specs[i].name, float(share[i]), Text(specs[i].words_en, specs[i].words_zh)) for i in order]


def _record(bundle: Bundle, path: Path, page: Path, about: report.Run, judged: Evaluation) -> tracking.Record:
    manifest = bundle.manifest
    versions = {"snapshot": manifest.snapshot_id, "catalog": manifest.catalog_hash}
    versions |= {f"lake.{name}": str(version) for name, version in manifest.lake_versions.items()}
    return tracking.Record(
        kind=manifest.kind.name,
        bundle_id=manifest.bundle_id,
        bundle=path,
        report=page,
        parameters=about.parameters,
        versions=versions,
        metrics=tables.flat(judged),
        pictures=report.pictures(about, judged),
    )


def flat_params(params: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in params.items():
        if isinstance(value, Mapping):
            found |= flat_params(value, f"{prefix}{key}.")
        elif value is not None:
            found[f"{prefix}{key}"] = str(value)
    return found
