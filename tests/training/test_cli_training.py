"""The verbs of training: output, JSON, and errors in one line."""

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pandas as pd
import pytest
from typer.testing import CliRunner

import forewarn
from features import settings as configured
from features.errors import BadInput, Conflict
from tests.training import fleet, small
from training import cli, cli_retrain, rivals, runs, tables, tracking
from training.benchmarks.result import Result
from training.evaluation import Settings as Judging
from training.evaluation import evaluate
from training.intervals import Interval

runner = CliRunner()


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FOREWARN_HOME", str(tmp_path))
    configured.settings.cache_clear()
    yield tmp_path
    configured.settings.cache_clear()


@pytest.fixture
def quiet_registry(monkeypatch):
    """The registry is tested on its own; here it only has to be told the right things."""
    told = []
    monkeypatch.setattr(tracking, "check", lambda settings: None)
    monkeypatch.setattr(tracking, "record", lambda settings, what: told.append(what) or tracking.Registered("run1", "m", "7"))
    return told


@pytest.fixture
def trained(monkeypatch):
    """A training run that has been: a bundle, and a judged fleet as its test period."""
    table = fleet.frame(machines=20, days=40)
    p = fleet.forecast(table)
    predictions = table.assign(p24=p[:, 0], p48=p[:, 1], p72=p[:, 2], kind="mill")
    done = SimpleNamespace(
        bundle=small.bundle(),
        predictions=predictions,
        train_x=None,
        train_labels=pd.DataFrame(),
        train_weight=None,
        test_x=None,
        singles={},
        panel=None,
    )
    snapshot = SimpleNamespace(lake="lake", manifest={"grid": {"every_hours": 24.0}})
    monkeypatch.setattr(runs, "open_snapshot", lambda home, name, kind: snapshot)
    monkeypatch.setattr(runs.Lake, "open", lambda path: None)
    monkeypatch.setattr(runs, "train_machine", lambda config, snapshot, lake, progress: done)
    monkeypatch.setattr(rivals, "forecasts", lambda *a, **k: {"forest": fleet.forecast(table, 2.0)})
    monkeypatch.setattr(runs.evaluation, "evaluate", lambda frame, said, **_: evaluate(frame, said, Judging(replicates=40)))
    return done


def test_train_writes_bundle_and_report_and_registers(home, trained, quiet_registry):
    result = runner.invoke(cli.train, ["machine", "--kind", "mill", "--json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    bundle_id = trained.bundle.manifest.bundle_id
    assert document["bundle"] == bundle_id and document["version"] == "7"
    assert (home / "bundles" / bundle_id / "manifest.json").is_file()
    assert Path(document["report"]).read_text(encoding="utf-8").startswith("<!doctype html>")
    assert {row["forecast"] for row in document["table"]} == {"Forewarn", "Random forest", "gain over Random forest"}
    stored = json.loads((home / "bundles" / bundle_id / "manifest.json").read_text())
    assert stored["metrics"]["ap_72h"] == pytest.approx(document["table"][0]["AP 72 h"]["value"])
    told = quiet_registry[0]
    versions = {"snapshot": "mill-20260301-0123456789ab", "catalog": trained.bundle.manifest.catalog_hash, "lake.failures": "3"}
    assert told.bundle_id == bundle_id and told.versions == versions
    assert told.parameters["gbm.rounds"] == "3" and len(told.pictures) == 5


def test_train_prints_a_table_with_intervals_and_the_verdict(home, trained, quiet_registry):
    result = runner.invoke(cli.train, ["machine", "--kind", "mill"])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split()[0] == "forecast" and "AP 72 h" in lines[0]
    assert lines[1].startswith("Forewarn") and "[" in lines[1]
    assert "gain over Random forest" in result.stdout
    assert "report" in result.stdout and "alias challenger" in result.stdout


def test_test_period_without_a_failure_is_the_users_to_mend(home, trained, quiet_registry, monkeypatch):
    labels = {"y24": 0.0, "y48": 0.0, "y72": 0.0, "hours_to_failure": float("nan")}
    monkeypatch.setattr(trained, "predictions", trained.predictions.assign(**labels))
    result = runner.invoke(cli.train, ["machine", "--kind", "mill"])
    assert isinstance(result.exception, BadInput) and result.exception.where == "test period"
    assert not (home / "bundles").exists() and not (home / "reports").exists()


@pytest.fixture
def pretend(monkeypatch, tmp_path):
    """A benchmark set that answers at once."""
    module = ModuleType("training.benchmarks.pretend")
    row = {"forecast": "Forewarn", "AP": Interval(0.905, 0.881, 0.927), "rows": 1200, "note": None}
    module.run = lambda train, predict, out, progress: Result("pretend", [row], predictions=out, notes=["easy"])
    monkeypatch.setitem(sys.modules, "training.benchmarks.pretend", module)
    (tmp_path / "sets").mkdir()
    (tmp_path / "sets" / "pretend.py").touch()
    monkeypatch.setattr(cli, "BENCHMARKS", tmp_path / "sets")
    return tmp_path


def test_benchmark_prints_its_table(pretend):
    result = runner.invoke(cli.benchmark, ["pretend", "--train", str(pretend)])
    assert result.exit_code == 0, result.output
    assert "0.905 [0.881, 0.927]" in result.stdout and "1,200" in result.stdout and "- easy" in result.stdout


def test_benchmark_as_json(pretend):
    result = runner.invoke(cli.benchmark, ["pretend", "--train", str(pretend), "--json"])
    document = json.loads(result.stdout)
    assert document["table"][0]["AP"] == {"value": 0.905, "low": 0.881, "high": 0.927}


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["train", "machine", "--kind", "mill"], "no snapshot of kind mill yet"),
        (["train", "machine", "--kind", "mill", "--snapshot", "../x"], "no snapshot ../x"),
        (["train", "machine", "--kind", "mill", "--config", "nothing"], "no such experiment"),
        (["promote", "machine", "--kind", "mill"], "no bundle of kind mill"),
        (["promote", "machine", "--kind", "mill", "--bundle", "x"], "no bundle x"),
        (["promote", "machine", "--kind", "mill", "--gates", "strict"], "no such gates"),
        (["promote", "machine", "--kind", "mill", "--gates", "none.toml"], "none.toml: no such file"),
        (["promote", "machine", "--kind", "mill", "--force", " "], "forced for a reason"),
        (["promote", "machine", "--kind", "mill", "--rollback"], "no champion of kind mill"),
        (["promote", "machine", "--kind", "mill", "--rollback", "--bundle", "x"], "takes no other option"),
        (["backtest", "machine", "--kind", "mill"], "no snapshot of kind mill yet"),
        (["backtest", "machine", "--kind", "mill", "--config", "nothing"], "no such experiment"),
        (["backtest", "machine", "--kind", "mill", "--first", "soon"], "Invalid value for '--first'"),
        (["benchmark", "nothing", "--train", "."], "no benchmark 'nothing'"),
        (["benchmark", "pretend", "--train", "missing"], "no such folder"),
        (["benchmark", "pretend", "--train", ".", "--predict", "."], "belong together"),
        (["benchmark", "pretend", "--train", ".", "--predict", ".", "--out", "x.csv"], "ends in .parquet"),
    ],
)
def test_user_errors_are_one_line_and_exit_2(home, pretend, monkeypatch, capsys, arguments, line):
    monkeypatch.setattr(sys, "argv", ["forewarn", *arguments])
    with pytest.raises(SystemExit) as stopped:
        forewarn.main()
    assert stopped.value.code == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and line in said[0] and said[0].startswith("forewarn: ")


def test_a_folder_is_no_file_for_predictions_and_nothing_is_trained(home, pretend, monkeypatch, capsys):
    (home / "there.parquet").mkdir()
    asked = ["--train", str(home), "--predict", str(home), "--out", str(home / "there.parquet")]
    monkeypatch.setattr(sys, "argv", ["forewarn", "benchmark", "pretend", *asked])
    with pytest.raises(SystemExit) as stopped:
        forewarn.main()
    assert stopped.value.code == 2 and "there.parquet: is a folder; name a file" in capsys.readouterr().err


def test_text_table_aligns_wide_letters():
    text = tables.text_table([{"forecast": "磨机", "AP": 0.5}, {"forecast": "mill", "AP": None, "more": "x"}])
    assert text.splitlines() == ["forecast     AP  more", "磨机      0.500", "mill                x"]


def test_text_table_wider_than_the_terminal_is_set_in_blocks():
    rows = [
        {"forecast": "own", "AP": 0.5, "AUC": 0.9, "skill": 0.1},
        {"forecast": "rival", "AP": 0.4, "AUC": 0.8, "skill": 0.2},
    ]
    assert len(tables.text_table(rows, 200).splitlines()) == 3
    narrow = tables.text_table(rows, 24)
    assert max(len(line) for line in narrow.splitlines()) <= 24
    assert [line.split()[0] for line in narrow.splitlines() if line] == ["forecast", "own", "rival"] * 2
    assert narrow.split("\n\n")[1].split()[1] == "skill"
    assert tables.text_table(rows, 1).count("forecast") == 3


def test_json_never_carries_what_json_has_not():
    plain = tables.plain({"a": float("nan"), "b": (1, Interval(0.5, float("nan"), 2.0))})
    assert json.dumps(plain, allow_nan=False) == '{"a": null, "b": [1, {"value": 0.5, "low": null, "high": 2.0}]}'


def test_nothing_is_trained_or_promoted_beside_a_registry_that_cannot_follow(home, trained, monkeypatch):
    small.saved(home)
    monkeypatch.setattr(runs, "train_machine", lambda *_, **__: pytest.fail("trained for nothing"))
    monkeypatch.setenv("FOREWARN_TRACKING_URI", "nonsense://x")
    configured.settings.cache_clear()
    for app in (cli.train, cli_retrain.promote):
        result = runner.invoke(app, ["machine", "--kind", "mill"])
        assert isinstance(result.exception, Conflict), result.exception
    assert not (home / "champion").exists()
