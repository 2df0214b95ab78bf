"""The verbs that fit networks go on after a kill: what was finished is not fitted again, and the result is the same."""

import os
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from features import settings as configured
from features.settings import Settings
from tests.training.test_life import engines, fleet, silent, small  # noqa: F401  (fixtures)
from tests.training.test_networks_in_a_run import NETWORK, past  # noqa: F401
from tests.training.test_train import CONFIG, lake, snapshot  # noqa: F401
from training import backtest, checkpoint, cli, life, loop, runs, sequence_fit, splits, tracking, tuning_runs
from training.benchmarks.result import Result
from training.config import TrainConfig
from training.life import Asked, Task
from training.tuning import Budget
from training.tuning_folds import judges
from training.tuning_runs import _search
from training.tuning_space import Space, alone


class Killed(BaseException):
    """As SIGKILL does, it ends everything, wherever it is; nothing is cleaned up."""


def asked() -> TrainConfig:
    """Two small networks of two epochs."""
    tcn = {"family": "tcn", "width": 4, "layers": 1, "filters": 0, "hidden": 8}
    return TrainConfig.model_validate(
        {**CONFIG.model_dump(), "network": {**NETWORK, "tcn": tcn, "loop": {"epochs": 2, "patience": 2}}}
    )


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, tuple[bytes, ...]]]:
    """The networks of each run that has fitted them all."""
    found: list[dict[str, tuple[bytes, ...]]] = []
    real = sequence_fit.fit

    def noted(*args, **kwargs):
        model = real(*args, **kwargs)
        found.append(dict(model.data))
        return model

    monkeypatch.setattr(sequence_fit, "fit", noted)
    return found


def killing(at: str, said: list[str]):
    def say(text: str) -> None:
        said.append(text)
        if at in text:
            raise Killed

    return say


def test_training_goes_on_where_it_was_killed(tmp_path, snapshot, lake, fitted, monkeypatch) -> None:  # noqa: F811
    monkeypatch.setattr(tracking, "check", lambda settings: None)
    monkeypatch.setattr(runs, "open_snapshot", lambda *_: snapshot)
    monkeypatch.setattr(runs, "judge", lambda *_, **__: (_ for _ in ()).throw(Killed))  # a run ends here, or before
    home = Settings(home=tmp_path)

    def run(config: TrainConfig, at: str = "nowhere") -> list[str]:
        said: list[str] = []
        with suppress(Killed):
            runs.run_machine(home, "pump", config, progress=killing(at, said))
        return [text for text in said if text.startswith("network")]

    first = run(asked(), "network tcn 1 of 1: epoch 2 of 2")  # its checkpoint has just not been written
    assert [text.split(":")[0] for text in first] == ["network gru 1 of 1"] * 2 + ["network tcn 1 of 1"] * 2
    (folder,) = home.checkpoints.iterdir()
    assert folder.name == "train-pump-machine" and len(list(folder.iterdir())) == 2
    assert run(asked())[:2] == [
        "network gru 1 of 1: goes on after epoch 2 of 2, from a checkpoint",
        "network tcn 1 of 1: goes on after epoch 1 of 2, from a checkpoint",
    ]
    assert fitted == [dict(sequence_fit.fit(asked(), *_period(snapshot, lake)).data)] * 2


def _period(snapshot, lake):  # noqa: F811
    from training.rows import Past

    found = Past.of(snapshot, lake)
    periods = splits.by_time(found.as_of, calibration_share=0.15, test_share=0.2)
    return found, periods.train, periods.calibration_from


def test_a_trial_that_was_killed_is_tried_again_from_where_it_stood(tmp_path, past, monkeypatch) -> None:  # noqa: F811
    config, home = alone(asked(), "tcn"), Settings(home=tmp_path)
    space = Space.model_validate({"tcn": {"network.tcn.hidden": {"choices": [4, 8]}}})
    folds, trials = judges(config, past, folds=1), []

    def search(url, name, family, identity, among, own, trial, budget, **_):
        trials.append(trial)

    monkeypatch.setattr(tuning_runs.tuning, "search", search)
    what = SimpleNamespace(families=("tcn",), trials=1, seconds=None, folds=1, study=None)
    _search(home, past, folds, config, "tcn", space, what, Budget(1), silent)
    told: list[int] = []

    def watch(step: int, loss: float) -> None:
        told.append(step)
        if len(told) == 2:
            raise Killed

    with pytest.raises(Killed):
        trials[0]({"network.tcn.hidden": 4}, watch)
    assert len(list(home.checkpoints.glob("tune-pump-tcn-*/tcn-*.checkpoint"))) == 1
    monkeypatch.setattr(loop._Training, "epoch", None)  # nothing is left to be trained
    told.append(-1)
    loss = trials[0]({"network.tcn.hidden": 4}, watch)
    assert told == [0, 1, -1, 0, 1] and loss > 0  # whoever judges trials on the way hears all of it
    assert not list(home.checkpoints.iterdir())
    with pytest.raises(TypeError):
        trials[0]({"network.tcn.hidden": 8}, watch)  # of other values nothing was kept
    assert not list(home.checkpoints.iterdir())  # and of a trial that has failed nothing is


def test_a_backtest_keeps_checkpoints_of_the_cutoff_that_it_is_at(tmp_path, past, monkeypatch) -> None:  # noqa: F811
    said: list[str] = []
    cuts = splits.cutoffs(past.as_of, count=2)
    with suppress(Killed):
        backtest.rolling(past, asked(), cuts, tmp_path, progress=killing("network tcn 1 of 1: epoch 1 of 2", said))
    (folder,) = (tmp_path / "checkpoints").iterdir()
    assert folder.name.startswith("pump-") and len(list(folder.iterdir())) == 1


def test_processes_keep_their_checkpoints_where_the_run_keeps_them(tmp_path, fleet) -> None:  # noqa: F811
    tasks = [Task(("gru", f"seed {seed}"), "gru", seed, fleet, Asked(fleet, fleet.last)) for seed in (1, 2)]

    def run(processes: int) -> dict[tuple[str, ...], np.ndarray]:
        with suppress(Killed), checkpoint.kept(tmp_path, "benchmark", "cmapss"):
            found = life.answers(small(processes=processes), tasks, silent)
            raise Killed
        return found

    first = run(2)
    kept = sorted((tmp_path / "benchmark-cmapss").iterdir())
    assert [one.name[:6] for one in kept] == ["gru-1-", "gru-2-"]
    for one in kept:
        os.utime(one, (1_700_000_000, 1_700_000_000))
    again = run(1)
    assert all(one.stat().st_mtime == 1_700_000_000 for one in kept)  # both had ended: nothing was trained
    for key in first:
        np.testing.assert_array_equal(first[key], again[key])


def test_a_benchmark_keeps_checkpoints_under_home_until_it_has_ended(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("FOREWARN_HOME", str(tmp_path))
    configured.settings.cache_clear()
    places: list[Path] = []

    def run(train, predict, out, progress) -> Result:
        places.append(checkpoint.place())
        places[-1].mkdir(parents=True)
        return Result("cmapss", [])

    monkeypatch.setattr(cli, "_benchmark_module", lambda name: SimpleNamespace(run=run))
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        found = CliRunner().invoke(cli.benchmark, ["cmapss", "--train", str(tmp_path / folder)])
        assert found.exit_code == 0, found.output
    configured.settings.cache_clear()
    assert places[0].parent == tmp_path / "checkpoints" and places[0].name.startswith("benchmark-cmapss-")
    assert places[0] != places[1] and not any(place.exists() for place in places)
