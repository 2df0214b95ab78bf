"""Tracking on a SQLite file: what a run leaves, aliases, no network and no home but ours."""

import logging

import pytest

from features.errors import Conflict
from features.settings import Settings
from training import tracking
from training.tracking import CHALLENGER, CHAMPION, Record


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return Settings(home=tmp_path_factory.mktemp("home"))


def record_of(settings, bundle_id):
    bundle = settings.home / "bundles" / bundle_id
    bundle.mkdir(parents=True, exist_ok=True)
    (bundle / "manifest.json").write_text("{}")
    page = settings.home / f"{bundle_id}.html"
    page.write_text("<p>")
    parameters, versions = {"gbm.rounds": "3", "long": "x" * 9000}, {"snapshot": "mill-1", "lake.events": "2"}
    what = Record("mill", bundle_id, bundle, page, parameters, versions, {"ap_72h": 0.9}, {"reliability.svg": "<svg/>"})
    return tracking.record(settings, what)


@pytest.fixture(scope="module")
def registered(settings):
    return [record_of(settings, name) for name in ("b1", "b2")]


def test_run_holds_parameters_versions_figures_and_files(settings, registered):
    client = tracking._client(settings)
    run = client.get_run(registered[0].run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["gbm.rounds"] == "3"
    assert run.data.metrics == {"ap_72h": 0.9}
    assert run.data.tags["data.snapshot"] == "mill-1" and run.data.tags["data.lake.events"] == "2"
    names = {one.path for one in client.list_artifacts(registered[0].run_id)}
    assert names == {"b1.html", "bundle", "pictures"}


def test_last_trained_is_challenger_and_points_at_its_bundle(settings, registered):
    client = tracking._client(settings)
    version = client.get_model_version_by_alias("forewarn-machine-mill", CHALLENGER)
    assert str(version.version) == registered[1].version == "2"
    assert version.tags[tracking.BUNDLE_TAG] == "b2"
    assert version.source.endswith(f"{registered[1].run_id}/artifacts/bundle")


def test_artifacts_lie_under_home(settings, registered):
    found = list((settings.home / "tracking" / "artifacts").glob("*/artifacts/bundle/manifest.json"))
    assert len(found) == 2
    assert (settings.home / "tracking" / "mlflow.db").is_file()


def test_champion_alias_follows_promotion(settings, registered):
    client = tracking._client(settings)
    for bundle, version in (("b1", "1"), ("b2", "2"), ("b1", "1")):
        assert tracking.mark_champion(settings, "mill", bundle) == version
        assert str(client.get_model_version_by_alias("forewarn-machine-mill", CHAMPION).version) == version


def test_bundle_from_elsewhere_has_no_version_here(settings, registered):
    assert tracking.mark_champion(settings, "mill", "unknown") is None
    assert tracking.mark_champion(settings, "press", "b1") is None


def test_forced_promotion_keeps_its_reason_with_the_version(settings, registered):
    tracking.mark_champion(settings, "mill", "b2", reason="new line")
    client = tracking._client(settings)
    assert client.get_model_version("forewarn-machine-mill", "2").tags[tracking.FORCED_TAG] == "new line"


def test_decision_is_a_run_with_its_document(settings, registered, tmp_path):
    document = tmp_path / "decision.json"
    document.write_text("{}")
    facts = {"before": "b1", "snapshot": "mill-1"}
    what = tracking.DecisionRecord("mill", "b2", "refused", document, facts, {"challenger_ap": 0.4})
    client = tracking._client(settings)
    run = client.get_run(tracking.record_decision(settings, what))
    assert run.info.status == "FINISHED" and run.data.metrics == {"challenger_ap": 0.4}
    assert run.data.tags["forewarn.decision"] == "refused" and run.data.tags["decision.before"] == "b1"
    assert [one.path for one in client.list_artifacts(run.info.run_id)] == ["decision.json"]


def test_a_series_is_a_run_with_a_nested_run_for_each_part(settings, registered, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<p>")
    steps = [tracking.Nested(f"2024-0{n}-01", {"bundle": f"b{n}"}, {"ap": n / 10}) for n in (1, 2, 3)]
    many = {f"p{number}": "1" for number in range(150)}  # more than the store takes at once
    what = tracking.Series(
        "mill", "backtest-1", "cutoff", many, {"snapshot": "mill-1"}, {"ap": 0.25}, steps, (page,), {"ap.svg": "<svg/>"}
    )
    client = tracking._client(settings)
    run = client.get_run(tracking.record_series(settings, what))
    assert run.data.metrics["ap"] == 0.25 and len(run.data.params) == 150
    assert [one.value for one in client.get_metric_history(run.info.run_id, "by_cutoff/ap")] == [0.1, 0.2, 0.3]
    of = f"tags.`mlflow.parentRunId` = '{run.info.run_id}'"
    nested = client.search_runs([run.info.experiment_id], of)
    assert {one.info.status for one in nested} == {"FINISHED"}
    names = {one.info.run_name: one.data.params["bundle"] for one in nested}
    assert names == {"cutoff 2024-01-01": "b1", "cutoff 2024-02-01": "b2", "cutoff 2024-03-01": "b3"}
    assert {one.path for one in client.list_artifacts(run.info.run_id)} == {"page.html", "pictures"}


def test_failed_run_is_marked_failed(settings, registered, tmp_path):
    what = Record("mill", "b3", tmp_path / "none", tmp_path / "none.html", {}, {}, {}, {})
    with pytest.raises(OSError):
        tracking.record(settings, what)
    client = tracking._client(settings)
    experiment = client.get_experiment_by_name(tracking.EXPERIMENT).experiment_id
    failed = [run for run in client.search_runs([experiment]) if run.info.run_name == "b3"]
    assert [run.info.status for run in failed] == ["FAILED"]


def test_long_parameters_are_cut(settings, registered):
    assert len(tracking._client(settings).get_run(registered[0].run_id).data.params["long"]) == tracking._LONGEST


def test_migrations_are_not_announced(settings, registered):
    assert logging.getLogger("alembic").getEffectiveLevel() >= logging.WARNING


def test_unusable_store_is_told_in_one_line(tmp_path):
    (tmp_path / "tracking").mkdir()
    (tmp_path / "tracking" / "mlflow.db").write_text("not a database" * 50)
    for broken in (Settings(home=tmp_path), Settings(home=tmp_path, tracking_uri="nonsense://me:secret@x")):
        with pytest.raises(Conflict, match="tracking store cannot be used") as told:
            tracking.mark_champion(broken, "mill", "b1")
        assert "\n" not in str(told.value) and "FOREWARN_TRACKING_URI" in str(told.value)
        assert "secret" not in str(told.value)
