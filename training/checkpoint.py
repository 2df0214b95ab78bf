"""Where a training run stands, on disk: written whole or not at all, and taken up again only by the same run."""

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from features.errors import BadInput

State = dict[str, Any]


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


def write(path: Path, standing: Standing) -> None:
    """Replace the file in one step; a process killed meanwhile leaves the one before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.draft")
    with draft.open("wb") as file:
        torch.save(asdict(standing), file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def read(path: Path, run: dict[str, str]) -> Standing | None:
    """The standing of this run, None without a file. Raises BadInput on a file of another run, or one that is none."""
    if not path.exists():
        return None
    try:
        standing = Standing(**torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch raises whatever its reader stumbles over
        what = f"not a checkpoint: {str(error).splitlines()[0][:200]}"
        raise BadInput(what, where=str(path), mend="delete it and train anew") from None
    other = next((name for name in run if standing.run.get(name) != run[name]), None)
    if other:
        what = f"the checkpoint is of another {other}: {standing.run.get(other)}, not {run[other]}"
        raise BadInput(what, where=str(path), mend="train as then, or delete the checkpoint and train anew")
    return standing
