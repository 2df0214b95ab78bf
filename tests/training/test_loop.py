"""The training loop: it learns what it should, the same by seed and after a kill, and stops on what it cannot learn from."""

import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext

import numpy as np
import pytest
import torch

from features.errors import BadInput
from tests.training.windows import NAMES, STATIC, knocking, random_windows
from training import checkpoint, loop, losses
from training.hazard import INTERVAL_ENDS, interval_outcomes
from training.network_config import LoopConfig, NetworkConfig
from training.networks import build
from training.windows import ArrayLayout, Arrays, batches, cuts

SMALL = NetworkConfig(width=6, layers=1, filters=3, filter_steps=5, mix=4, stride=3, hidden=8)
SHORT = LoopConfig(epochs=3, batch=64, patience=None)
FAMILIES = ("gru", "tcn")
ROWS = np.arange(300)


def made(n=300, seed=0):
    """Windows and interval outcomes: the level of the first sensor tells how soon."""
    steps, static = random_windows(n, 18, seed)
    steps[:, :, 1] += np.random.default_rng(seed).standard_normal((n, 1))
    hours = 60.0 * np.exp(-steps[:, :, 1].mean(axis=1).astype(float))
    hours[hours > 72] = np.nan
    return Arrays(steps, static, NAMES, STATIC), interval_outcomes(hours, np.full(n, 72.0))


def fitted(source, targets, network=SMALL, config=SHORT, rows=ROWS, valid=ROWS[:0], weight=None, **more):
    weight = np.ones(len(source)) if weight is None else weight
    return loop.fit(source, targets, weight, rows, valid, network, config, seed=more.pop("seed", 1), **more)


def weights(one):
    return {name: value.numpy() for name, value in one.network.state_dict().items()}


def same(one, other):
    a, b = weights(one), weights(other)
    return all(np.array_equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("family", FAMILIES)
def test_it_learns_hazards(family):
    source, targets = made(900)
    config = LoopConfig(epochs=8, batch=64, learning_rate=1e-2)
    one = fitted(source, targets, SMALL.model_copy(update={"family": family}), config, np.arange(600), np.arange(600, 800))
    said = loop.predict(one, source, np.arange(800, 900))
    truth = targets[800:, 0]
    assert said.shape == (100, 3) and said.dtype == np.float64
    assert said[truth == 1, 0].mean() > said[truth == 0, 0].mean() + 1
    assert one.history[one.best_epoch - 1][1] == min(valid for _, valid in one.history)


@pytest.mark.parametrize("family", FAMILIES)
def test_it_learns_a_remaining_life_in_its_own_units(family):
    source, _ = made(900)
    life = (200 + 40 * source.take(np.arange(900))[0][:, :, 1].mean(axis=1)).astype(np.float32)[:, None]
    network = SMALL.model_copy(update={"family": family, "head": "life"})
    one = fitted(source, life, network, LoopConfig(epochs=8, batch=64, learning_rate=1e-2), np.arange(600), np.arange(600, 800))
    error = loop.predict(one, source, np.arange(800, 900)) - life[800:]
    assert np.sqrt((error**2).mean()) < 0.5 * life.std()


def test_it_learns_what_only_the_order_of_readings_tells():
    """No level, spread or other summary of single readings differs; see tests.training.windows.knocking."""
    source, ordered = knocking()
    targets = np.where(ordered, 1.0, 0.0).astype(np.float32)[:, None].repeat(3, axis=1)
    config = LoopConfig(epochs=10, batch=64, learning_rate=1e-2)
    one = fitted(source, targets, SMALL, config, np.arange(800), np.arange(800, 1000))
    said = loop.predict(one, source, np.arange(1000, 1200))[:, 0]
    assert ((said > 0) == ordered[1000:]).mean() > 0.9


def test_the_loss_is_the_survival_likelihood():
    """Minus the log-likelihood of each row's interval hazards, by hand; a censored interval says nothing."""
    raw = torch.tensor([[-1.0, -2.0, -3.0], [0.5, -1.0, 0.0], [1.0, 1.0, 1.0]])
    outcomes = interval_outcomes(np.array([30.0, np.nan, np.nan]), np.array([72.0, 72.0, 30.0]), INTERVAL_ENDS)
    h = 1 / (1 + np.exp(-raw.numpy().astype(float)))
    by_hand = [
        np.log(1 - h[0, 0]) + np.log(h[0, 1]),
        np.log(1 - h[1]).sum(),
        np.log(1 - h[2, 0]),
    ]
    model = fitted(*made(), config=LoopConfig(epochs=1, patience=None)).network
    weight = torch.tensor([1.0, 2.0, 3.0])
    found = losses.loss_of(model, raw, torch.from_numpy(outcomes), weight, SHORT)
    assert float(found) == pytest.approx(-(by_hand[0] + 2 * by_hand[1] + 3 * by_hand[2]) / 3, rel=1e-6)


def test_the_same_seed_gives_the_same_weights_and_another_does_not():
    source, targets = made()
    one = fitted(source, targets)
    assert same(one, fitted(source, targets))
    assert not same(one, fitted(source, targets, seed=2))


def test_training_leaves_torchs_random_state_and_threads_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    before = torch.get_num_threads()
    fitted(*made())
    assert torch.equal(torch.rand(3), expected) and torch.get_num_threads() == before


def test_drawn_rows_are_weighted_back_to_the_prior():
    source, targets = made(600)
    targets = np.where(np.nan_to_num(targets) > 0, np.nan, targets)
    targets[:30, 0] = 1.0
    seen = []
    task = loop._Task(targets, np.ones(600), np.arange(600), np.arange(0))
    training = loop._Training(build(SMALL, source.layout), task, LoopConfig(rows_per_epoch=95), 1, "cpu")
    for epoch in range(3):
        rows, factor = training._rows(np.random.default_rng(epoch))
        assert len(rows) == 125 and set(range(30)) <= set(rows.tolist())
        assert factor[np.isin(rows, np.arange(30))].tolist() == [1.0] * 30
        assert factor.sum() == pytest.approx(600)
        seen.append(frozenset(rows.tolist()))
    assert len(set(seen)) == 3


def test_a_lone_last_row_joins_the_batch_before():
    assert [len(range(9)[cut]) for cut in cuts(9, 4)] == [4, 5]
    assert [len(range(8)[cut]) for cut in cuts(8, 4)] == [4, 4]
    assert [len(range(10)[cut]) for cut in cuts(10, 4)] == [4, 4, 2]
    source, targets = made()
    fitted(source, targets, rows=np.arange(65))


def test_early_stopping_keeps_the_best_weights():
    source, targets = made(400)
    random = np.random.default_rng(0)
    noise = np.where(np.isnan(targets), np.nan, random.permutation(np.nan_to_num(targets))).astype(np.float32)
    noise[:200] = targets[:200]
    config = LoopConfig(epochs=30, batch=32, learning_rate=3e-2, patience=2, warmup=0.02)
    one = fitted(source, noise, config=config, rows=np.arange(200), valid=np.arange(200, 400))
    assert len(one.history) == one.best_epoch + 2 < 30


def test_a_run_that_was_killed_goes_on_to_the_identical_result(tmp_path):
    """A real process, killed hard in the midst of an epoch."""
    code = f"""
from pathlib import Path
from tests.training import test_loop as here
import time
def slowly(text):
    print(text, flush=True)
    time.sleep(0.1)
here.resumable(Path({str(tmp_path)!r}), slowly)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env={**os.environ})
    for _ in range(3):
        assert process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    (path,) = (tmp_path / "pump").iterdir()
    standing = checkpoint.Standing(**torch.load(path, weights_only=True))
    assert 2 <= standing.epoch < 6
    resumed, watched = [], []
    one = resumable(tmp_path, resumed.append, lambda epoch, loss: watched.append(loss))
    assert resumed.pop(0) == f"goes on after epoch {standing.epoch} of 6, from a checkpoint"
    assert len(resumed) == 6 - standing.epoch
    assert watched == [valid for _, valid in one.history]  # who watches hears of the epochs before as well
    whole = resumable(None, None)
    assert same(one, whole) and one.history == whole.history
    assert not (tmp_path / "pump").exists()


def resumable(root, progress, watch=None):
    source, targets = made()
    network = SMALL.model_copy(update={"dropout": 0.3})
    config = LoopConfig(epochs=6, batch=64, patience=None, rows_per_epoch=80, ema=0.9)
    with checkpoint.kept(root, "pump") if root else nullcontext():
        return fitted(source, targets, network, config, np.arange(250), np.arange(250, 300), progress=progress, watch=watch)


class Killed(BaseException):
    pass


def begun(root, *asked, **more):
    """A training that ends after its first epoch as if killed."""

    def watch(epoch, loss):
        raise Killed

    with pytest.raises(Killed), checkpoint.kept(root, "pump"):
        fitted(*asked, watch=watch, **more)


def test_an_interrupted_training_is_not_gone_on_with_on_anything_else(tmp_path):
    """Other values in one window, another target, weight, seed, network, loop, split, catalog: never the old weights."""
    source, targets = made()
    steps, static = source.take(np.arange(300))
    moved = steps.copy()
    moved[150, -1, 1] += 1.0
    other = targets.copy()
    other[7] = [0, 0, 1]
    weight = np.ones(300)
    weight[3] = 2.0
    names = ("gap_hours", "sensor:a", "sensor:c", "load", "error:e")
    changes = [
        ("windows", (Arrays(moved, static, NAMES, STATIC), targets), {}),
        ("layout", (Arrays(steps, static, names, STATIC), targets), {}),
        ("targets", (source, other), {}),
        ("targets", (source, targets), {"weight": weight}),
        ("rows", (source, targets), {"rows": np.arange(290)}),
        ("split", (source, targets), {"rows": np.arange(280), "valid": np.arange(280, 300)}),
        ("network", (source, targets), {"network": SMALL.model_copy(update={"dropout": 0.2})}),
        ("loop", (source, targets), {"config": SHORT.model_copy(update={"learning_rate": 1e-3})}),
    ]
    for number, (named, asked, more) in enumerate(changes):
        root, said = tmp_path / str(number), []
        begun(root, source, targets)
        with checkpoint.kept(root, "pump"):
            one = fitted(*asked, progress=said.append, **more)
        told = said[0].split(" is of other ")[1].split(" and not used: training begins anew")[0]
        assert named in told.split(", "), (named, told)
        assert same(one, fitted(*asked, **more))


def test_the_checkpoints_of_a_runs_other_networks_are_no_matter(tmp_path):
    source, targets = made()
    begun(tmp_path, source, targets, seed=2)
    said = []
    with checkpoint.kept(tmp_path, "pump"):
        fitted(source, targets, progress=said.append)
        fitted(source, targets, config=SHORT.model_copy(update={"epochs": 2}), progress=said.append)
    assert not any("checkpoint" in text for text in said)


def test_a_checkpoint_of_another_catalog_version_is_told_and_not_used(tmp_path):
    """Another declaration or another version of the windows changes the layout's hash, and nothing else."""

    class Newer(Arrays):
        layout = ArrayLayout(NAMES, STATIC, 18)

    source, targets = made()
    begun(tmp_path, source, targets)
    newer, said = Newer(*source.take(np.arange(300)), NAMES, STATIC), []
    object.__setattr__(newer.layout, "hash", "of a newer catalog")
    with checkpoint.kept(tmp_path, "pump"):
        fitted(newer, targets, progress=said.append)
    assert "is of other layout and not used" in said[0]


def test_a_damaged_checkpoint_is_named_and_not_used(tmp_path):
    source, targets = made()
    begun(tmp_path, source, targets)
    (path,) = (tmp_path / "pump").iterdir()
    path.write_bytes(b"no checkpoint")
    said = []
    with checkpoint.kept(tmp_path, "pump"):
        one = fitted(source, targets, progress=said.append)
    assert f"{path} is damaged and not used: " in said[0] and same(one, fitted(source, targets))
    begun(tmp_path, source, targets, seed=3)
    (other,) = (tmp_path / "pump").iterdir()
    other.rename(path)
    with checkpoint.kept(tmp_path, "pump"):
        one = fitted(source, targets, progress=said.append)
    assert "not of the same training" in said[4] and same(one, fitted(source, targets))


def test_a_training_goes_on_without_room_for_checkpoints(tmp_path):
    (tmp_path / "pump").write_text("a file where a folder should be")
    said = []
    with checkpoint.kept(tmp_path, "pump"):
        fitted(*made(), progress=said.append)
    assert sum("no checkpoint can be written" in text for text in said) == 1 and len(said) == 4


def test_checkpoints_go_when_nobody_will_ask_again(tmp_path):
    root = tmp_path / "checkpoints"
    (root / "of a run long ago").mkdir(parents=True)
    os.utime(root / "of a run long ago", (0, 0))
    begun(root, *made())
    assert [one.name for one in root.iterdir()] == ["pump"]
    with pytest.raises(KeyError), checkpoint.kept(root, "pump"):
        raise KeyError  # a fault that is mended: what was learnt is there again
    assert (root / "pump").exists()
    with pytest.raises(KeyError), checkpoint.kept(root, "pump", spent=(KeyError,)):
        raise KeyError
    assert not (root / "pump").exists()


def test_windows_of_another_layout_are_refused_when_predicting():
    source, targets = made()
    one = fitted(source, targets)
    steps, static = source.take(np.arange(3))
    with pytest.raises(BadInput, match="layout"):
        loop.predict(one, Arrays(steps, static), np.arange(3))


def test_a_loss_that_is_no_number_stops_with_its_place():
    source, targets = made()
    weight = np.ones(300)
    weight[7] = np.nan
    with pytest.raises(BadInput, match="the loss is nan in epoch 1, batch"):
        fitted(source, targets, weight=weight)


def test_nothing_to_learn_from():
    source, targets = made()
    with pytest.raises(BadInput, match="rows to train on"):
        fitted(source, targets, rows=np.arange(1))
    with pytest.raises(BadInput, match="event of target 2"):
        fitted(source, np.where(targets == 1, np.float32(0), targets) + np.array([1, 0, 0], dtype=np.float32))


def test_progress_tells_loss_and_rate():
    said = []
    fitted(*made(), valid=np.arange(10), progress=said.append)
    assert len(said) == 3
    assert said[0].startswith("epoch 1 of 3: loss ") and ", validation " in said[0] and said[0].endswith(" windows/s")


def test_a_watcher_may_end_the_training():
    source, targets = made()
    told = []

    def watch(epoch, loss):
        told.append((epoch, loss))
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fitted(source, targets, valid=np.arange(250, 300), watch=watch)
    assert [epoch for epoch, _ in told] == [1, 2]
    one = fitted(source, targets, valid=np.arange(250, 300))
    assert [loss for _, loss in told] == [loss for _, loss in one.history[:2]] and len(one.history) == 3


def test_auxiliary_events_do_not_judge_an_epoch():
    source, targets = made()
    extra = np.concatenate([targets, np.full((300, 1), np.nan, dtype=np.float32)], axis=1)
    rows, valid = np.arange(250), np.arange(250, 300)
    quiet = fitted(source, extra, rows=rows, valid=valid)
    extra[valid, 3] = 1.0
    assert fitted(source, extra, rows=rows, valid=valid).history == quiet.history


def test_batches_are_gathered_ahead():
    gathered = []

    class Slow:
        def take(self, rows):
            gathered.append(rows.tolist())
            return rows, rows

    parts = [np.array([k]) for k in range(4)]
    coming = batches(Slow(), parts)
    next(coming)
    time.sleep(0.2)
    assert gathered == [[0], [1]]
    assert [int(one[0][0]) for one in coming] == [1, 2, 3]
    assert list(batches(Slow(), [])) == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("family", FAMILIES)
def test_cuda_learns_as_the_processor_does(family):
    source, targets = made(900)
    network, config = SMALL.model_copy(update={"family": family}), LoopConfig(epochs=8, batch=64, learning_rate=1e-2)
    rows, valid = np.arange(600), np.arange(600, 900)
    here, there = (fitted(source, targets, network, config, rows, valid, device=one) for one in ("cpu", "cuda"))
    best = [min(loss for _, loss in one.history) for one in (here, there)]
    assert best[1] == pytest.approx(best[0], rel=0.2)
