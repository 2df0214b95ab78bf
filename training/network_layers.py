"""Layers of the networks: what looks at a window step by step, and what sums up over time."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

PARTS = (1, 2, 4)  # sums are taken over the whole window, its newest half and quarter
_SHUT = 1e3  # an update gate's log-odds on a step that is padding


class Causal(nn.Module):
    """A convolution over the past: the answer at a step sees that step and earlier ones. [n, c, t] to [n, d, t]."""

    def __init__(self, inputs: int, outputs: int, kernel: int, dilation: int = 1) -> None:
        super().__init__()
        self.past = (kernel - 1) * dilation
        self.conv = nn.Conv1d(inputs, outputs, kernel, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.conv(functional.pad(x, (self.past, 0))))


class Dilated(nn.Module):
    """Residual blocks of causal convolutions with dilations 1, 2, 4, ..."""

    def __init__(self, inputs: int, width: int, layers: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.enter = nn.Conv1d(inputs, width, 1)
        self.convs = nn.ModuleList(Causal(width, width, kernel, 2**layer) for layer in range(layers))
        self.mixes = nn.ModuleList(nn.Conv1d(width, width, 1) for _ in range(layers))
        self.drop = nn.Dropout(dropout)
        for mix in self.mixes:  # a block starts as almost nothing added, so depth costs nothing at first
            nn.init.normal_(cast(Tensor, mix.weight), std=0.3 * (width * layers) ** -0.5)

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        x = self.enter(x) * present
        for conv, mix in zip(self.convs, self.mixes, strict=True):
            x = (x + mix(self.drop(functional.relu(conv(x))))) * present
        return functional.relu(x)


class Recurrent(nn.Module):
    """GRU layers. On padding each one's update gate is held shut, so its state stays 0 until the first known step."""

    def __init__(self, inputs: int, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        sizes = [inputs, *[width] * (layers - 1)]
        self.layers = nn.ModuleList(nn.GRU(size + 1, width, batch_first=True) for size in sizes)
        self.drop = nn.Dropout(dropout)
        with torch.no_grad():
            for layer in self.layers:
                weight = cast(Tensor, layer.weight_ih_l0)
                weight[:, -1] = 0.0
                weight[width : 2 * width, -1] = _SHUT

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        padding, x = 1.0 - present.transpose(1, 2), x.transpose(1, 2)
        for number, layer in enumerate(self.layers):
            x = layer(torch.cat([self.drop(x) if number else x, padding], dim=2))[0]
        return x.transpose(1, 2) * present


class Bank(nn.Module):
    """Filters over the recent past of each reading on its own. [n, t, readings] to [n, t, readings * filters].

    A reading's own filters are few enough to be learnt from some hundred failures; over all channels at once they are not.
    Without constants: nothing is found where nothing is.
    """

    def __init__(self, readings: int, filters: int, kernel: int) -> None:
        super().__init__()
        self.past = kernel - 1
        self.conv = nn.Conv1d(readings, readings * filters, kernel, groups=readings, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.conv(functional.pad(x.transpose(1, 2), (self.past, 0)))).transpose(1, 2)


def first_as_it_is(channels: int, readings: Sequence[int]) -> nn.Linear:
    """Each reading less what other channels say of it: at first next to nothing."""
    clear = nn.Linear(channels, len(readings), bias=False)
    with torch.no_grad():
        clear.weight.mul_(0.1)
        for row, channel in enumerate(readings):
            clear.weight[row, channel] += 1.0
    return clear


def echoes(x: Tensor, present: Tensor, most: int) -> Tensor:
    """[n, parts, most * c]: means of each channel, less its mean over the window, times what it was most - 1, ..., 1, 0 steps
    before, over the newest 1 / p of the window. x [n, t, c], present [n, t, 1]."""
    steps = int(x.shape[1])
    x = (x - x.sum(dim=1, keepdim=True) / present.sum(dim=1, keepdim=True).clamp(min=1.0)) * present
    x = x.transpose(1, 2).contiguous()
    earlier, newest = functional.pad(x, (most - 1, 0)), _newest(x, steps).t().contiguous()
    # Lag by lag what is multiplied stays small enough for the processor's cache.
    sums = [torch.matmul(x * earlier[:, :, start : start + steps], newest) for start in range(most)]
    count = torch.matmul(present.transpose(1, 2), newest).clamp(min=1e-3)
    return (torch.cat(sums, dim=1) / count).transpose(1, 2)


def _newest(like: Tensor, steps: int) -> Tensor:
    """[parts, steps]: 1 in the newest 1 / p of the window, for p in PARTS, else 0: a constant of the exported network."""
    newest = np.zeros((len(PARTS), steps), dtype=np.float32)
    for row, part in enumerate(PARTS):
        newest[row, steps - (steps + part - 1) // part :] = 1.0
    return torch.from_numpy(newest).to(like)


def parts(sums: Tensor, count: Tensor) -> Tensor:
    """[n, parts, c]: means over the newest 1 / p of the window, for p in PARTS.

    sums, count: of the steps in each place, by the same share.
    """
    newest = _newest(sums, int(sums.shape[1]))
    return torch.matmul(newest, sums) / torch.matmul(newest, count).clamp(min=1e-3)


def coarser(x: Tensor, stride: int) -> Tensor:
    """[n, t, c] to means of `stride` steps each, counted back from the last one; steps before the first count as 0."""
    if stride == 1:
        return x
    steps = int(x.shape[1])
    places = (steps + stride - 1) // stride
    x = functional.pad(x, (0, 0, places * stride - steps, 0))
    return x.reshape(-1, places, stride, int(x.shape[2])).mean(dim=2)
