"""Runs and the model registry: the only importer of mlflow. Works without a network, on a SQLite file and local artifacts.

A registered version points at the bundle directory that was logged with its run; no model flavour is involved, because serving
never loads a model through mlflow. Aliases: `challenger` is the last one trained, `champion` the one promoted.
"""

import logging
import os
import re
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from features.enterprise.catalog import EVERY as ENTERPRISES
from features.errors import Conflict
from features.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "forewarn-machine"
OF_ENTERPRISES = "forewarn-enterprise"
CHAMPION, CHALLENGER = "champion", "challenger"
BUNDLE_TAG, FORCED_TAG = "forewarn.bundle", "forewarn.forced"
_LONGEST = 500  # characters of a parameter
_BATCH = 100  # parameters that the store takes at once
_SECRET = re.compile(r"//[^@/\s]*@")  # user and password of an address


@dataclass(frozen=True)
class Record:
    """What one training run leaves behind."""

    kind: str
    bundle_id: str
    bundle: Path
    report: Path
    parameters: Mapping[str, str]
    versions: Mapping[str, str]
    metrics: Mapping[str, float]
    pictures: Mapping[str, str]


@dataclass(frozen=True)
class DecisionRecord:
    """A decision about the champion: its document and its figures."""

    kind: str
    bundle_id: str
    outcome: str
    document: Path
    facts: Mapping[str, str]
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Nested:
    """A run within another: a cut-off of a backtest, a trial of a study; what it was given, what came of it."""

    name: str
    facts: Mapping[str, str]
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Series:
    """What a backtest or a search leaves behind: figures of the whole, and one nested run for each `of` its parts."""

    kind: str
    name: str
    of: Literal["cutoff", "trial"]
    parameters: Mapping[str, str]
    versions: Mapping[str, str]
    metrics: Mapping[str, float]
    parts: Sequence[Nested]
    files: Sequence[Path]
    pictures: Mapping[str, str]


@dataclass(frozen=True)
class Registered:
    """Where it was recorded: the run and the version of the registered model."""

    run_id: str
    model: str
    version: str


def model_name(kind: str) -> str:
    """The registered model of a machine kind, or the one of enterprises."""
    return OF_ENTERPRISES if kind == ENTERPRISES.name else f"forewarn-machine-{kind}"


def record(settings: Settings, what: Record) -> Registered:
    """Log a run with parameters, data versions, figures, pictures, report and bundle; register it as the challenger.

    Raises Conflict if the store cannot be used.
    """
    with _store(settings) as client:
        return _record(client, settings, what)


def _record(client: "MlflowClient", settings: Settings, what: Record) -> Registered:
    from mlflow.exceptions import MlflowException

    experiment = _experiment(client, settings, what.kind)
    tags = {BUNDLE_TAG: what.bundle_id, "forewarn.kind": what.kind, **{f"data.{k}": v for k, v in what.versions.items()}}
    run = client.create_run(experiment, run_name=what.bundle_id, tags=tags)
    run_id = run.info.run_id
    with _finished(client, run_id):
        for name, value in what.parameters.items():
            client.log_param(run_id, name, str(value)[:_LONGEST])
        for name, number in what.metrics.items():
            client.log_metric(run_id, name, number)
        for name, text in what.pictures.items():
            client.log_text(run_id, text, f"pictures/{name}")
        client.log_artifact(run_id, str(what.report))
        client.log_artifacts(run_id, str(what.bundle), "bundle")
        name = model_name(what.kind)
        try:
            client.create_registered_model(name, description=_about(what.kind))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        source = f"{run.info.artifact_uri}/bundle"
        version = client.create_model_version(name, source, run_id, tags={BUNDLE_TAG: what.bundle_id}, await_creation_for=0)
        client.set_registered_model_alias(name, CHALLENGER, version.version)
    return Registered(run_id, name, str(version.version))


def mark_champion(settings: Settings, kind: str, bundle_id: str, *, reason: str | None = None) -> str | None:
    """Give the alias `champion` to the last version that holds a bundle. None if it was never registered here.

    reason: why it was forced past the gates, kept with the version. Raises Conflict if the store cannot be used.
    """
    name = model_name(kind)
    with _store(settings) as client:
        found = client.search_model_versions(f"name = '{name}'")
        versions = [int(one.version) for one in found if one.tags.get(BUNDLE_TAG) == bundle_id]
        if not versions:
            return None
        client.set_registered_model_alias(name, CHAMPION, str(max(versions)))
        if reason is not None:
            client.set_model_version_tag(name, str(max(versions)), FORCED_TAG, reason[:_LONGEST])
    return str(max(versions))


def record_decision(settings: Settings, what: DecisionRecord) -> str:
    """Log a promotion, refusal or rollback as a run of its own; return its id. Raises Conflict if the store cannot be used."""
    with _store(settings) as client:
        facts = {BUNDLE_TAG: what.bundle_id, "forewarn.kind": what.kind, "forewarn.decision": what.outcome}
        tags = {**facts, **{f"decision.{name}": text[:_LONGEST] for name, text in what.facts.items()}}
        run = client.create_run(
            _experiment(client, settings, what.kind), run_name=f"{what.outcome}: {what.bundle_id}", tags=tags
        )
        with _finished(client, run.info.run_id):
            for name, number in what.metrics.items():
                client.log_metric(run.info.run_id, name, number)
            client.log_artifact(run.info.run_id, str(what.document))
    return str(run.info.run_id)


def record_series(settings: Settings, what: Series) -> str:
    """Log one run with a nested run for each part; return its id. Raises Conflict if the store cannot be used.

    The parent holds the figures of the whole, and those of each part as steps of the same name under `by_cutoff/`, `by_trial/`.
    """
    from mlflow.entities import Metric, Param

    with _store(settings) as client:
        experiment, now = _experiment(client, settings, what.kind), int(time.time() * 1000)
        tags = {"forewarn.kind": what.kind, **{f"data.{name}": version for name, version in what.versions.items()}}
        run_id = str(client.create_run(experiment, run_name=what.name, tags=tags).info.run_id)
        with _finished(client, run_id):
            params = [Param(name, str(value)[:_LONGEST]) for name, value in what.parameters.items()]
            metrics = [Metric(name, number, now, 0) for name, number in what.metrics.items()]
            for step, one in enumerate(what.parts, start=1):
                metrics += [Metric(f"by_{what.of}/{name}", number, now, step) for name, number in one.metrics.items()]
                nested = {**tags, "mlflow.parentRunId": run_id, f"forewarn.{what.of}": one.name}
                child = str(client.create_run(experiment, run_name=f"{what.of} {one.name}", tags=nested).info.run_id)
                with _finished(client, child):
                    facts = [Param(name, str(value)[:_LONGEST]) for name, value in one.facts.items()]
                    client.log_batch(child, [Metric(name, number, now, 0) for name, number in one.metrics.items()], facts)
            for start in range(0, max(len(metrics), len(params)), _BATCH):
                client.log_batch(run_id, metrics[start : start + _BATCH], params[start : start + _BATCH])
            for name, text in what.pictures.items():
                client.log_text(run_id, text, f"pictures/{name}")
            for path in what.files:
                client.log_artifact(run_id, str(path))
    return run_id


@contextmanager
def _finished(client: "MlflowClient", run_id: str) -> Iterator[None]:
    """Mark a run as finished, or as failed if it was not logged whole."""
    try:
        yield
    except BaseException:
        client.set_terminated(run_id, "FAILED")
        raise
    client.set_terminated(run_id, "FINISHED")


def check(settings: Settings) -> None:
    """Ask whether the store answers, before anything is made that it should hold. Raises Conflict if it cannot be used."""
    with _store(settings) as client:
        client.search_registered_models(max_results=1)


@contextmanager
def _store(settings: Settings) -> Iterator["MlflowClient"]:
    """A client; whatever the store itself cannot do is the user's to mend and told in one line."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield _client(settings)
    except (MlflowException, SQLAlchemyError) as error:
        reason = str(error).strip().splitlines()[0]
        mend = "correct FOREWARN_TRACKING_URI, or move the damaged store away"
        what, where = (_SECRET.sub("//***@", text) for text in (reason, settings.tracking))
        raise Conflict(f"tracking store cannot be used: {what}", where=where, mend=mend) from error


def _client(settings: Settings) -> "MlflowClient":
    """A client of the configured store. The environment is set before mlflow is imported, which is when it is read."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    from mlflow import MlflowClient

    # Its migrations of a fresh store are announced at length; only trouble is of interest.
    for noisy in ("mlflow", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    uri = settings.tracking
    if uri.startswith("sqlite:///"):
        Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        # mlflow's own mappers still use a loader strategy that SQLAlchemy has deprecated.
        warnings.filterwarnings("ignore", message="The ``noload`` loader strategy is deprecated")
        return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _about(kind: str) -> str:
    if kind == ENTERPRISES.name:
        return "Accidents of enterprises within 30, 90 and 365 days: price score and alarm score"
    return f"72-hour failure probability, machine kind {kind}"


def _experiment(client: "MlflowClient", settings: Settings, kind: str) -> str:
    name = OF_ENTERPRISES if kind == ENTERPRISES.name else EXPERIMENT
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    local = settings.tracking.startswith("sqlite:")
    place = (settings.home.resolve() / "tracking" / "artifacts").as_uri() if local else None
    return str(client.create_experiment(name, artifact_location=place))
