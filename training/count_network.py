"""A small network for numbers of accidents: codes as embeddings, Poisson deviance, exposure as offset.

As in Schelldorfer & Wuthrich 2019, Nesting Classical Actuarial Models into Neural Networks, without the nested GLM. It informs
an alarm or a benchmark's blend, never a price: nothing about it is monotone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from training.frequency import CountRows

if TYPE_CHECKING:
    import torch

Floats = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float32]
_FARTHEST = 8.0
_ASKED = 65_536  # rows asked at once


class CountNetworkConfig(BaseModel):
    """embedding: numbers per code; hidden: widths of the layers; members: networks of different seeds, averaged on the log
    scale. The rate of learning falls along a half cosine over the epochs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    embedding: int = Field(default=4, ge=1)
    hidden: tuple[int, ...] = (64, 32)
    dropout: float = Field(default=0.05, ge=0, lt=1)
    epochs: int = Field(default=15, ge=1)
    batch: int = Field(default=2048, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0)
    weight_decay: float = Field(default=1e-4, ge=0)
    members: int = Field(default=2, ge=1)


@dataclass(frozen=True)
class CountNetwork:
    """Fitted networks; base: log of the mean rate; how columns were scaled."""

    base: float
    categorical: tuple[int, ...]
    levels: tuple[int, ...]
    mean: Floats
    deviation: Floats
    members: tuple["torch.nn.Module", ...]

    def expected(self, x: Matrix, exposure: Floats) -> Floats:
        """Expected number [n] over the exposure given [n]."""
        import torch

        numbers, codes = _inputs(self, x)
        with torch.no_grad():
            said = [
                torch.cat([member(numbers[at : at + _ASKED], codes[at : at + _ASKED]) for at in range(0, len(x), _ASKED)])
                for member in self.members
            ]
        away = torch.stack(said).mean(dim=0).numpy().astype(np.float64)
        return np.asarray(exposure * np.exp(self.base + np.clip(away, -_FARTHEST, _FARTHEST)))


def fit_network(rows: CountRows, config: CountNetworkConfig, *, seed: int = 0) -> CountNetwork:
    """Fit all members. Missing numbers stand at the mean; codes unseen in training share one embedding."""
    import torch

    numeric = [place for place in range(len(rows.names)) if place not in rows.categorical]
    levels = tuple(int(np.nanmax(rows.x[:, place], initial=0)) + 1 for place in rows.categorical)
    known = rows.x[:, numeric].astype(np.float64)
    deviation = np.nanstd(known, axis=0)
    empty = CountNetwork(
        float(np.log(rows.mean_rate)), rows.categorical, levels,
        np.nanmean(known, axis=0), np.where(deviation > 1e-9, deviation, 1.0), (),
    )  # fmt: skip
    inputs = _inputs(empty, rows.x)
    level = torch.from_numpy((rows.exposure * rows.mean_rate).astype(np.float32))
    count = torch.from_numpy(rows.count.astype(np.float32))
    weight = torch.from_numpy(rows.weights.astype(np.float32))
    members = tuple(
        _fit_one((*inputs, level, count, weight), levels, config, seed + 1000 * number) for number in range(config.members)
    )
    return CountNetwork(empty.base, empty.categorical, levels, empty.mean, empty.deviation, members)


def _inputs(network: CountNetwork, x: Matrix) -> "tuple[torch.Tensor, torch.Tensor]":
    import torch

    numeric = [place for place in range(x.shape[1]) if place not in network.categorical]
    numbers = (x[:, numeric] - network.mean) / network.deviation
    codes = x[:, list(network.categorical)]
    unseen = np.array(network.levels, dtype=np.float32)
    codes = np.where((codes >= 0) & (codes < unseen), codes, unseen)  # a gap is neither
    return (
        torch.from_numpy(np.clip(np.nan_to_num(numbers, nan=0.0), -6, 6).astype(np.float32)),
        torch.from_numpy(codes.astype(np.int64)),
    )


def _module(numbers: int, levels: Sequence[int], config: CountNetworkConfig) -> "torch.nn.Module":
    import torch
    from torch import nn

    class Embedded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tables = nn.ModuleList(nn.Embedding(one + 1, config.embedding) for one in levels)
            layers: list[nn.Module] = []
            width = numbers + config.embedding * len(levels)
            for hidden in config.hidden:
                layers += [nn.Linear(width, hidden), nn.SiLU(), nn.Dropout(config.dropout)]
                width = hidden
            last = nn.Linear(width, 1)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            self.layers = nn.Sequential(*layers, last)

        def forward(self, given: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
            embedded = [table(codes[:, place]) for place, table in enumerate(self.tables)]
            out: torch.Tensor = self.layers(torch.cat([given, *embedded], dim=1))
            return out.squeeze(1)

    return Embedded()


def _fit_one(
    data: "tuple[torch.Tensor, ...]", levels: Sequence[int], config: CountNetworkConfig, seed: int
) -> "torch.nn.Module":
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = _module(data[0].shape[1], levels, config)
        optimiser = torch.optim.AdamW(module.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
        batches = -(-len(data[0]) // config.batch)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=config.epochs * batches)
        module.train()
        for _ in range(config.epochs):
            order = torch.randperm(len(data[0]))
            for start in range(0, len(order), config.batch):
                part = order[start : start + config.batch]
                numbers, codes, level, count, weight = (one[part] for one in data)
                away = module(numbers, codes).clamp(-_FARTHEST, _FARTHEST)
                loss = (weight * (level * away.exp() - count * away)).mean()
                optimiser.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
                optimiser.step()
                schedule.step()
    module.eval()
    return module
