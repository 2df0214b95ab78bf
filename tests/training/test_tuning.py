"""The search itself, on made-up losses: it goes on after a kill, processes share it, what it cannot do is one line."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from contextlib import closing
from pathlib import Path

import optuna
import pytest

from features.errors import BadInput, Conflict
from training import tuning
from training.tuning import Budget, search
from training.tuning_space import OneOf, Range

SPACE = {
    "gbm.l2": Range(low=0.1, high=10.0, log=True),
    "gbm.rounds": Range(low=5, high=9),
    "gbm.resample": OneOf(choices=(True, False)),
}
OWN = {"gbm.l2": 4.0, "gbm.rounds": 8, "gbm.resample": False}
ABOUT = {"snapshot": "mill-1", "folds": 3}


def bowl(values, watch):
    """Least at l2 = 1, 6 rounds, resampled."""
    return (values["gbm.l2"] - 1.0) ** 2 + (values["gbm.rounds"] - 6) ** 2 + (not values["gbm.resample"])


def run(url, trials, trial=bowl, *, about=ABOUT, name="mill", seed=7, **how):
    return search(url, name, "boosters", about, SPACE, OWN, trial, Budget(trials), seed=seed, **how)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'deep' / 'studies.db'}"


def test_the_experiment_goes_first_and_the_best_is_kept(url: str) -> None:
    found = run(url, 25)
    assert found.trials[0].values == OWN and found.own == pytest.approx(9.0 + 4.0 + 1.0)
    assert found.best is not None and found.best.loss is not None and found.best.loss < 1.0
    assert found.best.loss == min(one.loss for one in found.trials)
    assert set(found.importance) == set(SPACE) and sum(found.importance.values()) == pytest.approx(1.0)
    assert all(type(one.values["gbm.rounds"]) is int and 5 <= one.values["gbm.rounds"] <= 9 for one in found.trials)


def test_a_study_goes_on_where_it_stood(url: str) -> None:
    first = run(url, 4)
    again = run(url, 10)
    assert [one.number for one in again.trials] == list(range(10))
    assert [one.values for one in again.trials[:4]] == [one.values for one in first.trials]
    asked = []
    assert run(url, 10, lambda values, watch: asked.append(values) or 0.0).trials == again.trials and not asked


def test_same_seed_same_trials(tmp_path: Path) -> None:
    one, other = (run(f"sqlite:///{tmp_path / name}.db", 12) for name in ("a", "b"))
    assert [trial.values for trial in one.trials] == [trial.values for trial in other.trials]


def test_a_search_that_was_cut_off_draws_as_a_whole_one(tmp_path: Path) -> None:
    """By the trial's number, so that processes which begin together do not draw the same either."""
    whole = run(f"sqlite:///{tmp_path / 'whole.db'}", 12)
    for trials in (1, 3, 12):
        parts = run(f"sqlite:///{tmp_path / 'parts.db'}", trials)
    assert [trial.values for trial in parts.trials] == [trial.values for trial in whole.trials]


def test_the_experiment_is_tried_again_where_it_was_interrupted(url: str) -> None:
    def interrupted(values, watch):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(url, 3, interrupted)
    found = run(url, 3)
    assert found.own == pytest.approx(14.0) and [one.own for one in found.trials] == [True, True, False, False]


def test_each_process_tells_its_own_trials(url: str) -> None:
    told = []

    def trial(values, watch):
        if values == OWN:  # meanwhile another process begins one
            storage = optuna.storages.RDBStorage(url)
            optuna.load_study(study_name="mill", storage=storage).ask()
            storage.remove_session()
        return bowl(values, watch)

    run(url, 1, trial, progress=told.append)
    assert len(told) == 1 and told[0].startswith("boosters trial 0: 14.000000 in")


def test_a_hopeless_trial_is_given_up_early(url: str) -> None:
    steps = []

    def trial(values, watch):
        bad = len(steps) >= tuning._STARTUP
        for step in range(3):
            watch(step, 100.0 if bad else 1.0)
            steps.append(step) if step == 0 else None
        return 100.0 if bad else 1.0

    found = run(url, tuning._STARTUP + 3, trial)
    assert [one.state for one in found.trials[-3:]] == ["PRUNED"] * 3
    assert found.trials[-1].loss is None and found.best is not None and found.best.loss == 1.0


def test_trials_are_compared_at_the_same_step_whatever_went_before(url: str) -> None:
    """The first fold is easy for all; in the second one, ten times as hard, the last three are far behind."""
    begun = []

    def trial(values, watch):
        begun.append(values)
        behind = len(begun) > tuning._STARTUP
        watch(0, 0.1)
        watch(1, 5.0 if behind else 1.0)
        return 5.0 if behind else 1.0

    found = run(url, tuning._STARTUP + 3, trial)
    assert [one.state for one in found.trials[-3:]] == ["PRUNED"] * 3


def test_few_that_came_so_far_judge_nobody(url: str) -> None:
    begun = []

    def trial(values, watch):
        begun.append(values)
        if len(begun) in (3, tuning._STARTUP + 1):  # all others had ended early
            watch(7, float(len(begun)))
        return 1.0

    assert {one.state for one in run(url, tuning._STARTUP + 1, trial).trials} == {"COMPLETE"}


def test_a_study_of_something_else_is_not_gone_on_with(url: str) -> None:
    run(url, 2)
    with pytest.raises(Conflict, match="another folds, snapshot"):
        run(url, 4, about={"snapshot": "mill-2", "folds": 2})
    assert len(run(url, 3).trials) == 3


def test_a_failing_trial_is_told_and_the_rest_goes_on(url: str) -> None:
    def trial(values, watch):
        if values["gbm.rounds"] > 6 and values != OWN:
            raise BadInput("the loss is nan", where="network training", mend="lower it")
        return bowl(values, watch)

    found = run(url, 8, trial)
    failed = [one for one in found.trials if one.state == "FAIL"]
    assert failed and all("the loss is nan" in one.why and one.loss is None for one in failed)
    assert sum(one.state == "COMPLETE" for one in found.trials) == 8


def test_a_search_in_which_everything_fails_ends(url: str) -> None:
    def trial(values, watch):
        if values != OWN:
            raise BadInput("the loss is nan", where="network training", mend="lower it")
        return bowl(values, watch)

    found = run(url, 6, trial)
    assert [one.state for one in found.trials] == ["COMPLETE", *["FAIL"] * tuning._FRUITLESS] and found.best is not None


def test_an_experiment_that_cannot_be_trained_is_said_at_once(url: str) -> None:
    def trial(values, watch):
        raise BadInput("no training row is followed by a failure", where="training period", mend="train on more")

    with pytest.raises(BadInput, match="no training row is followed"):
        run(url, 5, trial)


def test_seconds_end_the_search(url: str) -> None:
    def trial(values, watch):
        time.sleep(0.2)
        return 1.0

    found = search(url, "mill", "boosters", ABOUT, SPACE, OWN, trial, Budget(1000, 0.5), seed=1)
    assert 1 <= len(found.trials) <= 4


def test_a_locked_storage_is_one_line(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run(url, 1)
    monkeypatch.setattr(tuning, "_LOCK_SECONDS", 0.05)
    holder = sqlite3.connect(url.removeprefix("sqlite:///"))
    try:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Conflict, match="database is locked") as told:
            run(url, 2)
    finally:
        holder.close()
    assert "\n" not in str(told.value) and "FOREWARN_STUDY_URL" in told.value.mend
    assert len(run(url, 2).trials) == 2


def test_a_damaged_or_unknown_storage_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.db").write_text("no database at all, but text of some length " * 50)
    driverless = "mysql+asyncmy://me:secret@127.0.0.1:1/none"
    for url in (f"sqlite:///{tmp_path / 'bad.db'}", "postgresql+psycopg://me:secret@127.0.0.1:1/none", driverless):
        with pytest.raises(Conflict, match="cannot be used") as told:
            run(url, 1)
        assert "secret" not in str(told.value) and "\n" not in str(told.value)


SCRIPT = """
    import sys, time
    from tests.training import test_tuning as tests
    from training import tuning

    tuning._BEAT_SECONDS, tuning._GRACE_SECONDS = 1, 2

    def trial(values, watch):
        print("begun", flush=True)
        time.sleep(float(sys.argv[3]))
        return tests.bowl(values, watch)

    found = tests.run(sys.argv[1], int(sys.argv[2]), trial)
    print(len(found.trials), flush=True)
"""


def child(url: str, trials: int, seconds: float) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT), url, str(trials), str(seconds)]
    root = str(Path(__file__).parents[2])
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root, env={**os.environ, "PYTHONPATH": root})


def test_processes_share_a_study(url: str) -> None:
    run(url, 1)
    children = [child(url, 9, 0.3) for _ in range(2)]
    begun = [one.communicate(timeout=120)[0].count("begun") for one in children]
    assert [one.returncode for one in children] == [0, 0] and min(begun) >= 1
    found = run(url, 9)
    assert 9 <= len(found.trials) <= 10  # both may have been at their last one
    assert len({tuple(sorted(one.values.items())) for one in found.trials}) == len(found.trials)


def _beats(url: str) -> int:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=30.0)) as store:
        return int(store.execute("SELECT COUNT(*) FROM trial_heartbeats").fetchone()[0])


def test_a_killed_trial_is_tried_again(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "_BEAT_SECONDS", 1)
    monkeypatch.setattr(tuning, "_GRACE_SECONDS", 2)
    one = child(url, 3, 60.0)
    assert one.stdout is not None and one.stdout.readline() == "begun\n"
    # A thread of its own says that the trial lives; of one that was killed before, the storage knows nothing to believe.
    until = time.monotonic() + 30.0
    while not _beats(url) and time.monotonic() < until:
        time.sleep(0.05)
    assert _beats(url)
    one.send_signal(signal.SIGKILL)
    one.communicate()
    time.sleep(3.2)  # the storage counts in whole seconds
    found = run(url, 3)
    assert sum(trial.state == "COMPLETE" for trial in found.trials) == 3
    assert [trial.state for trial in found.trials if trial.values == OWN] == ["FAIL", "COMPLETE"]
