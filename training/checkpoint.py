"""Where a training stands, on disk: written whole or not at all, and taken up again only by the same training.

Whoever starts trainings says once, around all of them, where their checkpoints lie (`kept`); the loop looks for its own there.
"""

import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy.typing as npt

from features.digest import digest
from training.windows import Rows, Source

State = dict[str, Any]
Say = Callable[[str], None]
SUFFIX = ".checkpoint"
_FORGOTTEN_DAYS = 30  # folders of runs that were killed and never begun again go after so long


@dataclass
class Standing:
    """After `epoch` epochs: weights, their running mean, the optimiser's state, the best weights so far and its loss.

    run: what was asked for, as text by name; only the same run continues.
    """

    run: dict[str, str]
    epoch: int = 0
    weights: State = field(default_factory=dict)
    averaged: State = field(default_factory=dict)
    optimiser: State = field(default_factory=dict)
    best: State = field(default_factory=dict)
    best_loss: float = float("inf")
    best_epoch: int = 0
    history: list[tuple[float, float]] = field(default_factory=list)


class Slot:
    """The place of one training's checkpoint, named by everything that the training follows from."""

    def __init__(self, folder: Path, label: str, run: Mapping[str, str], met: set[str], say: Say) -> None:
        self._run, self._label, self._met, self._say = dict(run), label, met, say
        name = hashlib.sha256(repr(sorted(run.items())).encode()).hexdigest()[:16]
        self.path = folder / f"{label}-{name}{SUFFIX}"
        self._failed = False

    def read(self) -> Standing | None:
        """The standing of this training, None without one. What is damaged or of another training is told and not used."""
        self._met.add(self.path.name)
        if self.path.exists():
            return self._own()
        for other in sorted(self.path.parent.glob(f"{self._label}-*{SUFFIX}")):
            if other.name not in self._met:
                self._met.add(other.name)  # told once
                self._tell_apart(other)
        return None

    def write(self, standing: Standing) -> None:
        """Replace the checkpoint in one step: killed meanwhile, the one before stays. A full disk is told, and no more."""
        import torch

        draft = self.path.with_name(f"{self.path.name}.{os.getpid()}.draft")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with draft.open("wb") as file:
                torch.save(asdict(standing), file)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.path)
        except (OSError, RuntimeError) as error:  # torch tells a full disk as RuntimeError
            with suppress(OSError):
                draft.unlink()
            if not self._failed:
                self._say(f"no checkpoint can be written ({_line(error)}): killed, this training would begin anew")
            self._failed = True

    def _own(self) -> Standing | None:
        try:
            standing = _loaded(self.path)
            if standing.run == self._run:
                return standing
            fault = "its name and what it holds are not of the same training"
        except Exception as error:  # torch raises whatever its reader stumbles over
            fault = _line(error)
        self._say(f"{self.path} is damaged and not used: {fault}; training begins anew")
        return None

    def _tell_apart(self, other: Path) -> None:
        try:
            run = _loaded(other).run
            apart = ", ".join(name for name in self._run if run.get(name) != self._run[name])
        except Exception:
            apart = "nothing that can be read"
        self._say(f"{other} is of other {apart} and not used: training begins anew")


@dataclass(frozen=True)
class _Place:
    folder: Path
    met: set[str] = field(default_factory=set)  # checkpoints that trainings of this block have asked for


_PLACE: ContextVar[_Place | None] = ContextVar("checkpoints", default=None)


@contextmanager
def kept(root: Path, *what: str, spent: tuple[type[BaseException], ...] = ()) -> Iterator[None]:
    """Trainings inside the block keep checkpoints in a folder of `root`, named by `what` is trained.

    It is removed with all in it when the block ends well; killed or failed, it stays, and the same block goes on from it.
    spent: errors after which nobody will ask again.
    """
    _forget(root)
    folder = root / re.sub(r"[^\w.-]", "_", "-".join(what))
    token = _PLACE.set(_Place(folder))
    try:
        yield
    except spent:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    else:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        _PLACE.reset(token)


def place() -> Path | None:
    """The folder of the block around, None without one: what a process that trains for this one is told by `keep_in`."""
    now = _PLACE.get()
    return now.folder if now else None


def keep_in(folder: Path | None) -> None:
    """All trainings of this process from now on keep their checkpoints in a folder that another process removes."""
    _PLACE.set(_Place(folder) if folder else None)


def slot(label: str, run: Callable[[], Mapping[str, str]], say: Say | None = None) -> Slot | None:
    """Where a training finds its checkpoint; None where none are kept. label: what a reader knows it by."""
    now = _PLACE.get()
    return Slot(now.folder, label, run(), now.met, say or (lambda text: None)) if now else None


def run_of(source: Source, rows: Rows, learnt: Sequence[npt.NDArray[Any]], **asked: str) -> dict[str, str]:
    """What makes a training this one: the windows, their layout, the rows of them, what is learnt of these, what is asked."""
    found = {"layout": source.layout.hash, "windows": source.digest, "rows": digest(rows)}
    return found | {"targets": digest(*(one[rows] for one in learnt))} | asked


def _loaded(path: Path) -> Standing:
    import torch

    return Standing(**torch.load(path, map_location="cpu", weights_only=True))


def _forget(folder: Path) -> None:
    for one in folder.iterdir() if folder.is_dir() else ():
        try:
            old = one.stat().st_mtime < time.time() - 86_400 * _FORGOTTEN_DAYS
        except FileNotFoundError:  # another process has just removed it
            continue
        if old:
            shutil.rmtree(one, ignore_errors=True)


def _line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0][:200] or type(error).__name__
