"""A run from a snapshot of enterprises to a registered challenger: train, judge against the rivals, report, track."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.enterprise.catalog import EVERY
from features.enterprise.vocabulary import INDUSTRIES
from features.errors import BadInput
from features.lake import Lake
from features.schema import MACHINE_SCORES, RECORDED_AT
from features.settings import Settings
from features.snapshots import Snapshot, open_snapshot
from training import checkpoint, tracking
from training.enterprise import report, rivals, truth
from training.enterprise.bundle import RiskBundle, RiskFacts
from training.enterprise.config import EnterpriseConfig
from training.enterprise.evaluation import AgainstTruth, Judged, against_truth, judge
from training.enterprise.fit import Training, forecast, train_enterprise, without
from training.enterprise.parts import EXPOSURE
from training.enterprise.rows import moment
from training.enterprise.sequence_words import entry_of
from training.enterprise.severity import INDUSTRY, Severity
from training.enterprise.words import ALARM, MUTE, PRICE, WITHOUT
from training.labels import HORIZON_DAYS
from training.report_words import Text
from training.runs import flat_params

_GOLDEN = 8
# Worker-years a year that part small, middling and large enterprises: the bands of the State's classification of enterprises by
# staff are wider; these are the headcount bands that rulebooks use.
SIZES = (20.0, 100.0, 300.0)


@dataclass(frozen=True)
class Outcome:
    """What a run left behind. judged: by horizon, 30, 90 and 365 days; beside_truth: of a simulated world, by score."""

    bundle: RiskBundle
    path: Path
    training: Training
    judged: tuple[Judged, ...]
    beside_truth: Mapping[str, tuple[AgainstTruth, ...]]
    report: Path
    registered: tracking.Registered

    @property
    def entry(self) -> tuple[Text, ...]:
        """What was decided of a sequence network, where one was tried."""
        return entry_of(self.training.learned.heard)

    def document(self) -> dict[str, Any]:
        """The run as JSON."""
        return {
            "bundle": self.bundle.manifest.bundle_id,
            "path": str(self.path),
            "report": str(self.report),
            "run_id": self.registered.run_id,
            "model": self.registered.model,
            "version": self.registered.version,
            "metrics": dict(self.bundle.manifest.metrics),
            "network": [{"en": one.en, "zh": one.zh} for one in self.entry],
            "horizons": [
                {
                    "days": one.days,
                    "rows": one.rows,
                    "enterprises": one.enterprises,
                    "accidents": one.accidents,
                    "figures": {name: {key: _plain(value) for key, value in of.items()} for name, of in one.figures.items()},
                    "gains": [
                        {"of": ours, "over": rival, **{key: _plain(value) for key, value in of.items()}}
                        for (ours, rival), of in one.gains.items()
                    ],
                }
                for one in self.judged
            ],
            "beside_truth": {
                name: [
                    {
                        "days": days,
                        "covered": one.covered,
                        "deciles": [_plain(value) for value in one.deciles],
                        **{key: _plain(getattr(one, key)) for key in ("slope", "over_expected", "gini_share")},
                    }
                    for days, one in zip(HORIZON_DAYS, of, strict=True)
                ]
                for name, of in self.beside_truth.items()
            },
        }


def run_enterprise(
    settings: Settings,
    config: EnterpriseConfig,
    *,
    snapshot_id: str = "latest",
    progress: Callable[[str], None] | None = None,
) -> Outcome:
    """Train and judge both scores on a snapshot, write bundle and report under home, register them as challenger.

    Raises NotFound without the snapshot or lake, BadInput if there is nothing to learn from or to judge by, Conflict if the
    tracking store cannot be used.
    """
    say = progress or (lambda text: None)
    snapshot = open_snapshot(settings.home, snapshot_id, EVERY.name)
    lake = Lake.open(snapshot.lake)
    tracking.check(settings)
    with checkpoint.kept(settings.checkpoints, "train", EVERY.name, config.name):
        training = train_enterprise(config, snapshot, lake, progress=say)
    say("what accidents cost")
    severity = Severity.fit(training.past, training.learned.cuts.test_from)
    say("rivals on the same rows, and the price score without some features")
    judged = judge_run(training, config)
    say("write bundle and report")
    bundle = assembled(training, severity, config, snapshot, lake).with_metrics(flat(judged))
    path = bundle.save(settings.bundles / bundle.manifest.bundle_id)
    beside = beside_truth(training, truth.of(settings.home, training.past, training.test))
    about = report.describe(bundle, training, judged, flat_params(bundle.manifest.params))
    page = report.write(about, judged, beside, settings.reports / f"{bundle.manifest.bundle_id}.html")
    say("register")
    registered = tracking.record(settings, _record(bundle, path, page, about, judged))
    return Outcome(bundle, path, training, judged, beside, page, registered)


def _record(bundle: RiskBundle, path: Path, page: Path, about: report.Run, judged: tuple[Judged, ...]) -> tracking.Record:
    made = bundle.manifest
    versions = {"snapshot": made.snapshot_id, "catalog": made.catalog_hash}
    versions |= {f"lake.{name}": str(version) for name, version in made.lake_versions.items()}
    return tracking.Record(
        EVERY.name, made.bundle_id, path, page, about.parameters, versions, made.metrics, report.pictures(judged)
    )


def judge_run(training: Training, config: EnterpriseConfig) -> tuple[Judged, ...]:
    """Both scores and the rivals on the rows of the test period, at each horizon.

    Raises BadInput if no accident falls among them.
    """
    fitted = rivals.fit_rivals(training.learned.rows, seed=config.seed, threads=config.threads)
    said = {PRICE: training.said["price"].expected, ALARM: training.said["alarm"].expected}
    said |= rivals.forecasts(fitted, training.x, training.exposure)
    against = [(one, rival) for one in (PRICE, ALARM) for rival in rivals.WORDS] + [(ALARM, PRICE)]
    if training.learned.models.network:
        mute = replace(training.learned.models, network=None)
        said[MUTE] = forecast(mute, training.past, training.test, "alarm", ranges=False, threads=config.threads).expected
        against.append((ALARM, MUTE))
    for name, patterns in config.ablations.items():
        blind = without(config, training.learned, patterns)
        said[WITHOUT + name] = forecast(
            blind, training.past, training.test, "price", ranges=False, threads=config.threads
        ).expected
        against.append((PRICE, WITHOUT + name))
    segments = segments_of(training)
    enterprise = training.past.enterprise[training.test]
    try:
        return tuple(
            judge(training.labels, said, training.exposure, enterprise, horizon=number, against=against, segments=segments)
            for number in range(len(HORIZON_DAYS))
        )
    except ValueError as error:
        raise BadInput(str(error), where="test period", mend="test on a longer period, or bring in more history") from None


def beside_truth(training: Training, known: truth.Truth | None) -> dict[str, tuple[AgainstTruth, ...]]:
    """Both scores beside the intensities of a simulated world, at each horizon; nothing where there is no truth."""
    if known is None:
        return {}
    enterprise = training.past.enterprise[training.test]
    return {
        which: tuple(
            against_truth(
                known.accidents[:, number], said.expected[:, number], said.low[:, number], said.high[:, number],
                training.exposure * days / 365.0, enterprise,
            )
            for number, days in enumerate(HORIZON_DAYS)
        )
        for which, said in training.said.items()
    }  # fmt: skip


def segments_of(training: Training) -> Mapping[str, npt.NDArray[np.generic]]:
    """What a forecast must be right on, each by itself: industry, size and region of each row of the test."""
    names = training.past.snapshot.features
    code = training.x[:, names.index(INDUSTRY)]
    known = np.where(np.isnan(code), -1, code).astype(int)
    industries = np.array([*(one.code for one in INDUSTRIES), "unknown"])
    size = np.searchsorted(SIZES, training.x[:, names.index(EXPOSURE)])
    between = [f"{least:g} to {most:g}" for least, most in pairwise(SIZES)]
    bands = np.array([f"below {SIZES[0]:g}", *between, f"{SIZES[-1]:g} and more"])
    regions = np.array([training.past.regions.get(one, "unknown") for one in training.past.ids[training.test]])
    return {"industry": industries[known], "size": bands[size], "region": regions}


def assembled(training: Training, severity: Severity, config: EnterpriseConfig, snapshot: Snapshot, lake: Lake) -> RiskBundle:
    """The bundle of a run, with where it comes from."""
    cuts, past = training.learned.cuts, training.past
    fitted_on = past.as_of[np.concatenate([cuts.train, cuts.calibration])]
    versions = snapshot.manifest["lake_versions"]
    facts = RiskFacts(
        snapshot_id=snapshot.id,
        lake_versions=versions,
        machine_bundles=_upstream(lake, moment(int(fitted_on.max()))),
        train_from=moment(int(fitted_on.min())),
        train_until=moment(int(fitted_on.max())),
        created_at=datetime.now(UTC),
        params=config.model_dump(mode="json"),
    )
    rows = training.test[:: max(1, len(training.test) // _GOLDEN)][:_GOLDEN]
    return RiskBundle.assemble(training.learned.models, severity, facts, past.x[rows])


def _upstream(lake: Lake, until: datetime) -> tuple[str, ...]:
    """The bundles whose scores of machines the features were made of: of those known at the end of the fitted rows."""
    view, found = lake.at(), set[str]()
    for bucket in range(lake.buckets if MACHINE_SCORES.name in view.versions else 0):
        rows = view.read(MACHINE_SCORES.name, buckets=[bucket], columns=["bundle_id", RECORDED_AT])
        known = pc.less_equal(rows.column(RECORDED_AT), pa.scalar(until, rows.schema.field(RECORDED_AT).type))
        found.update(pc.unique(rows.column("bundle_id").filter(known)).to_pylist())
    return tuple(sorted(found))


def flat(judged: tuple[Judged, ...]) -> dict[str, float]:
    """Figures by name: score, horizon, figure."""
    return {
        f"{name}_{one.days:g}d_{key}": value.value
        for one in judged
        for name, of in one.figures.items()
        if name in (PRICE, ALARM)
        for key, value in of.items()
    }


def _plain(value: Any) -> dict[str, float | None]:
    numbers: dict[str, float] = {"value": value.value, "low": value.low, "high": value.high}
    return {key: None if np.isnan(number) else float(number) for key, number in numbers.items()}
