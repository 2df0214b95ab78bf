"""The torch training loop: from windows and targets to a fitted network. One process, one device, the same result by seed."""

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from features.errors import BadInput
from training import checkpoint as checkpoints
from training.losses import begin, loss_of, outputs_of
from training.network_config import LoopConfig, NetworkConfig
from training.networks import INTERVALS, Network, build, fit_inputs
from training.windows import Layout, Rows, Source, Steps, batches, cuts

Floats = npt.NDArray[np.float64]
Say = Callable[[str], None]
Watch = Callable[[int, float], None]
_FITTED_ON = 1024  # windows that the input layer is fitted on


@dataclass(frozen=True)
class Fitted:
    """A network with the weights to keep, the layout of its windows, and (training, validation) loss by epoch."""

    network: Network
    layout: Layout
    history: tuple[tuple[float, float], ...]
    best_epoch: int


class _Task(NamedTuple):
    """What is learned: targets float32[n, k], NaN = does not count; weight float64[n]; the rows of both parts."""

    targets: npt.NDArray[np.float32]
    weight: npt.NDArray[np.float64]
    train: Rows
    valid: Rows


def fit(
    source: Source,
    targets: npt.NDArray[np.float32],
    weight: npt.NDArray[np.float64],
    train_rows: Rows,
    valid_rows: Rows,
    network: NetworkConfig,
    loop: LoopConfig,
    *,
    seed: int,
    device: str = "cpu",
    progress: Say | None = None,
    watch: Watch | None = None,
) -> Fitted:
    """Fit a network; with a head of hazards by the discrete-time survival likelihood, in which censored intervals do not count.

    targets: interval outcomes (`hazard.interval_outcomes`), then auxiliary events; or the remaining life; or counts and logs
    of numbers expected (`losses.loss_of`). valid_rows: of other machines or later; without any, all epochs are run and the last
    weights kept. device: `cpu` or `cuda`.
    watch: told each epoch, from 1, and its loss on the validation rows; what it raises ends the training.
    Inside `checkpoint.kept` each epoch is kept, and a training that was killed goes on to the identical result.
    Raises BadInput without rows to learn from, or if the loss is not a number.
    """
    task = _Task(targets, weight, np.asarray(train_rows, dtype=np.int64), np.asarray(valid_rows, dtype=np.int64))
    _check(source, task, network)
    with _alone(loop.threads):
        model = _fresh(source, task, network, seed)
        run = partial(_run_of, source, task, model, loop, seed, device)
        slot = checkpoints.slot(f"{network.family}-{seed}", run, progress)
        standing = slot.read() if slot else None
        model = model.to(device)
        training = _Training(model, task, loop, seed, device)
        if standing:
            training.resume(standing, progress, watch)
        else:
            standing = checkpoints.Standing(run() if slot else {})
        while standing.epoch < loop.epochs and not _stale(standing, loop):
            training.epoch(source, standing, progress)
            if slot:
                slot.write(standing)
            if watch:
                watch(standing.epoch, standing.history[-1][1])
        model.load_state_dict(standing.best)
    return Fitted(
        model.cpu().eval(), source.layout, tuple((one, other) for one, other in standing.history), standing.best_epoch
    )


def predict(fitted: Fitted, source: Source, rows: Rows, *, batch: int = 1024, threads: int = 1) -> Floats:
    """float64[n, outputs] raw answers. Raises BadInput for windows of another layout than the network was trained on."""
    if source.layout.hash != fitted.layout.hash:
        what = f"the network reads windows of layout {fitted.layout.hash}, not {source.layout.hash}"
        raise BadInput(what, where="windows", mend="train the network anew on these windows")
    with _alone(threads):
        return _raw(fitted.network, source, np.asarray(rows, dtype=np.int64), batch, torch.device("cpu"))


def _raw(network: Network, source: Source, rows: Rows, batch: int, device: torch.device) -> Floats:
    network.eval()
    parts = [rows[start : start + batch] for start in range(0, len(rows), batch)]
    found = [np.empty((0, network.out.out_features))]
    with torch.inference_mode():
        for steps, static in batches(source, parts):
            answer = network(torch.from_numpy(steps).to(device), torch.from_numpy(static).to(device))
            found.append(answer.double().cpu().numpy())
    return np.concatenate(found)


class _Training:
    """A network with its optimiser, on its way."""

    def __init__(self, model: Network, task: _Task, loop: LoopConfig, seed: int, device: str) -> None:
        self.model, self.task, self.loop, self.seed, self.device = model, task, loop, seed, torch.device(device)
        decayed = [one for one in model.parameters() if one.ndim > 1]
        others = [one for one in model.parameters() if one.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": loop.weight_decay}, {"params": others, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=loop.learning_rate, betas=(0.9, 0.99))
        self.averaged = copy.deepcopy(model) if loop.ema else model
        failed = np.nansum(task.targets[task.train, :INTERVALS], axis=1) > 0
        # Nothing is drawn of a remaining life, nor of fewer rows than would be drawn.
        drawn = loop.rows_per_epoch if model.config.head == "hazards" else None
        whole = drawn is None or int((~failed).sum()) <= drawn
        self.always: Rows = task.train if whole else task.train[failed]
        self.sampled: Rows = task.train[:0] if whole else task.train[~failed]
        self.drawn = 0 if whole or drawn is None else drawn
        self.steps = loop.epochs * len(cuts(len(self.always) + self.drawn, loop.batch))
        # Mean weight 1, so that a learning rate means the same whatever the prior.
        self.scale = 1.0 / float(self.task.weight[task.train].mean())

    def resume(self, standing: checkpoints.Standing, progress: Say | None, watch: Watch | None) -> None:
        self.model.load_state_dict(standing.weights)
        self.averaged.load_state_dict(standing.averaged or standing.weights)
        self.optimiser.load_state_dict(standing.optimiser)
        if progress:
            progress(f"goes on after epoch {standing.epoch} of {self.loop.epochs}, from a checkpoint")
        for epoch, (_, judged) in enumerate(standing.history, start=1):
            if watch:
                watch(epoch, judged)

    def epoch(self, source: Source, standing: checkpoints.Standing, progress: Say | None) -> None:
        """One epoch. All chance in it comes from the seed and its number, so a resumed run takes the same one."""
        started = time.monotonic()
        torch.manual_seed(self.seed * 100_003 + standing.epoch)
        rows, factor = self._rows(np.random.default_rng([self.seed, standing.epoch]))
        order = cuts(len(rows), self.loop.batch)
        self.model.train()
        total = 0.0
        each = self.steps // self.loop.epochs
        for number, (part, window) in enumerate(zip(order, batches(source, [rows[one] for one in order]), strict=True)):
            rate = self.loop.rate(standing.epoch * each + number, self.steps)
            loss = self._step(*window, rows[part], factor[part], rate)
            if not np.isfinite(loss):
                what = f"the loss is {loss} in epoch {standing.epoch + 1}, batch {number + 1}"
                raise BadInput(what, where="network training", mend="lower loop.learning_rate or loop.clip_norm")
            total += loss * len(rows[part])
        seconds = time.monotonic() - started
        standing.epoch += 1
        self._keep(source, standing, total / len(rows))
        if progress:
            text = f"epoch {standing.epoch} of {self.loop.epochs}: loss {standing.history[-1][0]:.5f}"
            text += f", validation {standing.history[-1][1]:.5f}" if len(self.task.valid) else ""
            progress(f"{text}, {len(rows) / seconds:,.0f} windows/s")

    def _rows(self, random: np.random.Generator) -> tuple[Rows, npt.NDArray[np.float32]]:
        """The rows of an epoch in random order, and by how much each stands for more than itself."""
        drawn = random.choice(self.sampled, self.drawn, replace=False) if self.drawn else self.sampled[:0]
        factor = np.ones(len(self.always) + len(drawn), dtype=np.float32)
        factor[len(self.always) :] = len(self.sampled) / max(1, len(drawn))
        order = random.permutation(len(factor))
        return np.concatenate([self.always, drawn])[order], factor[order]

    def _step(self, steps: Steps, static: Steps, rows: Rows, factor: npt.NDArray[np.float32], rate: float) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.loop.mixed and self.device.type == "cuda"):
            raw = self.model(torch.from_numpy(steps).to(self.device), torch.from_numpy(static).to(self.device))
        loss = self._loss(raw.float(), rows, factor)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), self.loop.clip_norm)
        self.optimiser.step()
        if self.loop.ema:
            with torch.no_grad():
                for mean, now in zip(self.averaged.parameters(), self.model.parameters(), strict=True):
                    mean.lerp_(now, 1.0 - self.loop.ema)
                for kept, present in zip(self.averaged.buffers(), self.model.buffers(), strict=True):
                    kept.copy_(present)
        return float(loss.detach())

    def _loss(self, raw: Tensor, rows: Rows, factor: npt.NDArray[np.float32] | None = None) -> Tensor:
        weight = self.task.weight[rows] * self.scale * (1.0 if factor is None else factor)
        both = self.model.config.head == "counts"
        target = torch.from_numpy(self.task.targets[rows, : None if both else raw.shape[1]]).to(self.device)
        return loss_of(self.model, raw, target, torch.from_numpy(weight.astype(np.float32)).to(self.device), self.loop)

    def _keep(self, source: Source, standing: checkpoints.Standing, trained: float) -> None:
        """Judge the epoch by the forecast of the validation rows, without auxiliary events, and keep its weights if best."""
        judged = trained
        if len(valid := self.task.valid):
            raw = _raw(self.averaged, source, valid, self.loop.valid_batch, self.device)[:, :INTERVALS]
            judged = float(self._loss(torch.from_numpy(raw).float().to(self.device), valid))
        standing.history.append((trained, judged if len(valid) else float("nan")))
        standing.weights = _copied(self.model)
        standing.averaged = _copied(self.averaged) if self.loop.ema else {}
        standing.optimiser = copy.deepcopy(self.optimiser.state_dict())
        if judged < standing.best_loss or not len(valid):
            standing.best, standing.best_loss, standing.best_epoch = _copied(self.averaged), judged, standing.epoch


def _fresh(source: Source, task: _Task, config: NetworkConfig, seed: int) -> Network:
    """A new network whose input layer knows the training windows and whose answers start at what training rows show."""
    torch.manual_seed(seed * 100_003 + 99_991)
    layout, targets, weight = source.layout, task.targets[task.train], task.weight[task.train]
    model = build(config, layout, outputs_of(config.head, targets))
    chosen = task.train[:: max(1, len(task.train) // _FITTED_ON)]
    fit_inputs(model, *source.take(chosen))
    begin(model, targets, weight)
    return model


def _check(source: Source, task: _Task, config: NetworkConfig) -> None:
    if len(task.train) < 2:
        raise BadInput(f"{len(task.train)} rows to train on", where="network training", mend="widen the training period")
    if len(task.targets) != len(source) or len(task.weight) != len(source):
        raise ValueError(f"{len(source)} windows need as many targets and weights")
    if config.head == "hazards":
        for k in range(min(INTERVALS, task.targets.shape[1])):
            if not np.nansum(task.targets[task.train, k]):
                what = f"no training row has the event of target {k + 1}"
                raise BadInput(what, where="network training", mend="train on a longer history or more machines")


def _run_of(source: Source, task: _Task, model: Network, loop: LoopConfig, seed: int, device: str) -> dict[str, str]:
    """What makes a run this one. Another number of threads is another run too: sums are taken in another order."""
    shapes = repr([(name, *one.shape) for name, one in model.state_dict().items()])
    return checkpoints.run_of(
        source, np.concatenate([task.train, task.valid]), (task.targets, task.weight), split=str(len(task.train)),
        network=model.config.model_dump_json(), definition=shapes, loop=loop.model_dump_json(), seed=str(seed),
        device=device, torch=str(torch.__version__),
    )  # fmt: skip


def _stale(standing: checkpoints.Standing, loop: LoopConfig) -> bool:
    return loop.patience is not None and standing.epoch - standing.best_epoch >= loop.patience


def _copied(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}


@contextmanager
def _alone(threads: int) -> Iterator[None]:
    """torch's number of threads and its random state are the caller's again afterwards."""
    before = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)
