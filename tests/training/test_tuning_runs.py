"""A search on a small simulated fleet: it sees the training period alone, and leaves an experiment that can be trained."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from features.build import build
from features.clock import times
from features.errors import UserError
from features.lake import Lake
from features.observations import Grid
from features.settings import Settings
from features.simulator.world import load_world
from features.snapshots import open_snapshot
from tests.training.test_backtest import CONFIG, simulate
from training import cli_tune, splits, tracking, tuning_report
from training.config import TrainConfig, load_config
from training.report_words import Text
from training.rows import Past
from training.tuning import Found, Tried
from training.tuning_folds import judges, loss_of_boosters, loss_of_network
from training.tuning_runs import tuned_experiment
from training.tuning_words import verdict

runner = CliRunner()
NETWORK = {
    "seeds": 1, "hours": 72.0, "fewest_steps": 2, "max_negatives": 300,
    "tcn": {"family": "tcn", "width": 4, "layers": 1, "filters": 0, "hidden": 8}, "loop": {"epochs": 2, "patience": 2},
}  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("home")
    lake = Lake.open(made / "lake", create=True, buckets=2)
    source = simulate(load_world(), machines=60, days=240, every_hours=12, seed=3)
    lake.ingest(source, imported_at=datetime(2026, 1, 1, tzinfo=UTC))
    build(lake, "pump", Grid(every_hours=24), home=made, threads=1)
    return made


@pytest.fixture(scope="module")
def past(home: Path) -> Past:
    snapshot = open_snapshot(home, kind="pump")
    return Past.of(snapshot, Lake.open(snapshot.lake))


def config() -> TrainConfig:
    return TrainConfig.model_validate({**CONFIG.model_dump(), "network": NETWORK})


def periods(past: Past) -> splits.Periods:
    return splits.by_time(past.as_of, **CONFIG.split.model_dump(exclude={"refit", "reporting_lag_hours"}))


def test_folds_lie_inside_the_training_period_and_see_nothing_later(past: Past) -> None:
    """Planted: whatever was recorded after the training period is dropped; the folds must be the same to the last number."""
    whole = periods(past)
    found = judges(config(), past, folds=2)
    for one in found:
        assert set(one.rows.at) <= set(one.fold.train) <= set(whole.train) and set(one.later.at) <= set(whole.train)
        assert past.as_of[one.rows.at].max() <= one.fold.cut - 72 * 3_600_000_000 < past.as_of[one.later.at].min()
    early = past.failures.filter(pa.array(times(past.failures, "recorded_at") <= whole.calibration_from))
    assert early.num_rows < past.failures.num_rows
    for one, blind in zip(found, judges(config(), replace(past, failures=early), folds=2), strict=True):
        for name in ("hours_to_failure", "followed_hours", "x", "weight"):
            np.testing.assert_array_equal(getattr(one.rows, name), getattr(blind.rows, name))
            np.testing.assert_array_equal(getattr(one.later, name), getattr(blind.later, name))
    known_at_first_cut = past.failures.filter(pa.array(times(past.failures, "recorded_at") <= found[0].fold.cut))
    blind = judges(config(), replace(past, failures=known_at_first_cut), folds=2)
    np.testing.assert_array_equal(found[0].rows.hours_to_failure, blind[0].rows.hours_to_failure)
    assert np.nansum(found[0].at_risk) > np.nansum(blind[0].at_risk)  # what came of the later rows is known later only


def test_better_settings_have_less_loss(past: Past) -> None:
    folds, told = judges(config(), past, folds=2), []
    good = loss_of_boosters(config(), past, folds, lambda step, loss: told.append((step, loss)))
    poor = config().model_copy(update={"gbm": config().gbm.model_copy(update={"rounds": 1, "learning_rate": 0.001})})
    assert good < loss_of_boosters(poor, past, folds, lambda step, loss: None)
    assert [step for step, _ in told] == [0, 1] and told[-1][1] == good


def test_a_network_is_watched_epoch_by_epoch(past: Past) -> None:
    folds, told = judges(config(), past, folds=2), []
    loss = loss_of_network(config(), past, folds, lambda step, loss: told.append((step, loss)))
    assert 0.0 < loss < 1.0 and [step for step, _ in told] == [0, 1, 2, 3]
    slow, late = config(), []
    assert slow.network is not None
    loop = slow.network.loop.model_copy(update={"warmup": 0.5})
    slow = slow.model_copy(update={"network": slow.network.model_copy(update={"loop": loop})})
    loss_of_network(slow, past, folds[:1], lambda step, loss: late.append(step))
    assert late == [1]  # while the rate rises nothing is told

    class Enough(Exception):
        pass

    def enough(step: int, loss: float) -> None:
        raise Enough

    with pytest.raises(Enough):
        loss_of_network(config(), past, folds, enough)


def test_verb_leaves_an_experiment_that_can_be_read(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tracking.Series] = []
    monkeypatch.setattr(cli_tune, "settings", lambda: Settings(home=home))
    monkeypatch.setattr("training.config.load_config", lambda name: config())
    monkeypatch.setattr(tracking, "check", lambda settings: None)
    monkeypatch.setattr(tracking, "record_series", lambda settings, what: told.append(what) or "run1")
    space = tmp_path / "space.toml"
    space.write_text('[boosters]\n"gbm.rounds" = { low = 2, high = 12 }\n[tcn]\n"network.tcn.hidden" = { choices = [4, 8] }\n')
    asked = ["machine", "--kind", "pump", "--folds", "2", "--trials", "2", "--space", str(space)]
    result = runner.invoke(cli_tune.tune, [*asked, "--json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert [study["family"] for study in document["studies"]] == ["boosters", "tcn"]
    made = load_config_file(document["tuned"])
    assert made.gbm.rounds == document["studies"][0]["best"]["gbm.rounds"] and made.network is not None
    assert json.loads((home / "tuning" / f"{document['id']}.json").read_text()) == document
    page = Path(document["report"]).read_text()
    assert "gbm.rounds" in page and "超参数搜索" in page
    assert len(told[0].parts) == 4 and {"boosters_history.svg", "tcn_history.svg"} <= set(told[0].pictures)
    result = runner.invoke(cli_tune.tune, [*asked[:-4], "--trials", "3", "--space", str(space), "--families", "boosters"])
    assert result.exit_code == 0 and "3 trials" in result.stdout  # the study of before went on
    for wrong in (["--families", "forest"], ["--families", ","], ["--families", "gru"]):
        result = runner.invoke(cli_tune.tune, [*asked, *wrong])
        assert isinstance(result.exception, UserError)


def load_config_file(path: str) -> TrainConfig:
    import tomllib

    from training.config import parse_config

    return parse_config(tomllib.loads(Path(path).read_text()), path)


def tried(number: int, loss: float | None, state: str = "COMPLETE", **values: float) -> Tried:
    return Tried(number, state, values, loss, 1.0, own=number == 0)


def found(family: str, *trials: Tried) -> Found:
    return Found(f"mill-{family}", family, trials, {})


def test_the_better_network_enters_the_tuned_experiment() -> None:
    key = "network.{}.width"
    boosters = found("boosters", tried(0, 0.2, **{"gbm.rounds": 200}), tried(1, 0.1, **{"gbm.rounds": 77}))
    tcn = found("tcn", tried(0, 0.30, **{key.format("tcn"): 20}))
    gru = found("gru", tried(0, 0.29, **{key.format("gru"): 40}), tried(1, None, "PRUNED", **{key.format("gru"): 41}))
    made = tuned_experiment(load_config("machine_blend"), [boosters, tcn, gru])
    assert made.gbm.rounds == 77 and made.network is not None and list(made.network.families) == ["gru"]
    assert made.network.families["gru"].width == 40 and made.name == "machine_blend_tuned"
    assert tuned_experiment(load_config("machine"), [boosters]).network is None


def test_verdict_tells_gain_and_no_gain() -> None:
    better = found("boosters", tried(0, 0.2), tried(1, 0.1), tried(2, None, "PRUNED"))
    same = found("tcn", tried(0, 0.2), tried(1, 0.3))
    none = found("gru", tried(0, None, "FAIL"))
    said = verdict([better, same, none])
    assert "50 % less loss" in said[0].en and "1 of them given up early" in said[0].en and said[0].tone == "good"
    assert "none was better than the experiment as it is (0.200000)" in said[1].en and said[2].tone == "bad"
    assert all(one.zh for one in said)


def test_page_without_a_whole_trial(tmp_path: Path) -> None:
    page = tuning_report.Page(Text("mill", "磨机"), datetime(2026, 1, 1, tzinfo=UTC), {}, load_config("machine"), "x.toml")
    text = tuning_report.write(page, [found("boosters", tried(0, None, "FAIL"))], tmp_path / "page.html").read_text()
    assert "no trial was finished yet" in text
