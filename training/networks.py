"""One recurrent and one dilated causal convolution network over windows of raw readings, behind one interface.

A window is standardised, mixed to a few channels and passed through one wide causal convolution (the stem). A trunk, GRU (Cho
et al. 2014) or dilated causal convolutions (van den Oord et al. 2016; Bai, Kolter & Koltun 2018), reads the stem's answers.
Pools over time count and weigh what both found, and a small head speaks.
"""

from fnmatch import fnmatchcase
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.network_config import NetworkConfig
from training.windows import Layout, Steps

INTERVALS = 3
_TOO_LARGE = 1e30  # also infinite: no reading
_FITTED_ON = 200_000  # steps
_SHUT = 1e3  # an update gate's log-odds on a step that is padding


class Standardised(nn.Module):
    """Raw values to standard ones: log(1 + x) where told, robust centre and scale, 0 where missing.

    Buffers are fitted on training windows alone. A channel that was never known there is ignored; one that was constant counts
    in its own units. masked: the channels whose presence is told beside their value.
    """

    centre: Tensor
    scale: Tensor
    seen: Tensor
    logged: Tensor
    masked: Tensor

    def __init__(self, channels: int, clip: float) -> None:
        super().__init__()
        self.clip = clip
        for name, value in (("centre", 0.0), ("scale", 1.0), ("seen", 1.0), ("logged", 0.0), ("masked", 1.0)):
            self.register_buffer(name, torch.full((channels,), value))

    def fit(self, values: Steps, logged: np.ndarray) -> None:
        """values: float32[m, channels] of known steps; NaN = missing. logged: bool[channels]."""
        if not values.size:
            return
        rows = np.where(np.abs(values) < _TOO_LARGE, values, np.nan).astype(np.float64)
        rows[:, logged] = np.log1p(np.maximum(rows[:, logged], 0.0))
        known = ~np.isnan(rows)
        seen = known.any(axis=0)
        rows[:, ~seen] = 0.0
        centre = np.nanmedian(rows, axis=0)
        low, high = np.nanpercentile(rows, [25, 75], axis=0)
        spread = (high - low) / 1.349
        # Counts and flags are mostly 0: their middle half says nothing, so the standard deviation stands in.
        scale = np.where(spread > 1e-6 * np.maximum(1.0, np.abs(centre)), np.maximum(spread, 0.2 * np.nanstd(rows, axis=0)), 0)
        scale = np.where(scale > 0, scale, np.nanstd(rows, axis=0))
        scale = np.where(scale > 1e-6 * np.maximum(1.0, np.abs(centre)), scale, 1.0)
        for buffer, found in (
            (self.centre, centre), (self.scale, scale), (self.seen, seen),
            (self.logged, logged), (self.masked, ~known.all(axis=0) & seen),
        ):  # fmt: skip
            buffer.copy_(torch.as_tensor(found.astype(np.float32)))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[..., channels] raw to standard values and 1 where known, else 0."""
        known = (x.abs() < _TOO_LARGE) & (self.seen > 0)
        x = torch.where(known, x, torch.zeros_like(x))
        x = torch.where(self.logged > 0, torch.log1p(x.clamp(min=0.0)), x)
        x = ((x - self.centre) / self.scale).clamp(-self.clip, self.clip)
        return torch.where(known, x, torch.zeros_like(x)), known.to(x.dtype)


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
    """GRU layers. On padding the update gate is held shut, so the state stays 0 until the first known step."""

    def __init__(self, inputs: int, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.gru = nn.GRU(inputs + 1, width, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        with torch.no_grad():
            first = cast(Tensor, self.gru.weight_ih_l0)
            first[:, -1] = 0.0
            first[width : 2 * width, -1] = _SHUT

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        padded = torch.cat([x, 1.0 - present], dim=1).transpose(1, 2)
        return cast(Tensor, self.gru(padded)[0]).transpose(1, 2) * present


class Network(nn.Module):
    """forward(steps [n, t, channels], static [n, s]), raw values with NaN, to [n, outputs].

    outputs: log-odds of the three interval hazards and then of auxiliary events, or the remaining life.
    """

    target_centre: Tensor
    target_scale: Tensor

    def __init__(self, config: NetworkConfig, channels: int, static: int, outputs: int) -> None:
        super().__init__()
        self.config = config
        self.steps_in, self.static_in = Standardised(channels, config.clip), Standardised(static, config.clip)
        stem, width = config.stem_width, config.width
        self.mix = nn.Linear(2 * channels + 1, stem)
        self.stem = Causal(stem, stem, config.stem_kernel)
        self.trunk: Dilated | Recurrent = (
            Dilated(stem, width, config.layers, config.kernel, config.dropout)
            if config.family == "tcn"
            else Recurrent(stem, width, config.layers, config.dropout)
        )
        self.attend = nn.Conv1d(width, 1, 1)
        self.hidden = nn.Linear(stem + 4 * width + 2 * static, config.hidden)
        self.out = nn.Linear(config.hidden, outputs)
        self.drop = nn.Dropout(config.dropout)
        self.drop_channels = nn.Dropout1d(config.input_dropout)
        self.register_buffer("target_centre", torch.zeros(outputs))
        self.register_buffer("target_scale", torch.ones(outputs))

    def forward(self, steps: Tensor, static: Tensor) -> Tensor:
        x, known = self.steps_in(steps)
        present = known.amax(dim=2, keepdim=True)
        told = known * self.steps_in.masked
        if self.config.input_dropout > 0:
            x = self.drop_channels(x.transpose(1, 2)).transpose(1, 2)
        x = self.mix(torch.cat([x, told, present], dim=2)).transpose(1, 2)
        present = present.transpose(1, 2)
        x = functional.relu(self.stem(x * present)) * present
        counted = _mean(x, present)
        x, present = _coarser(x, present, self.config.stride)
        x = self.trunk(x, present)
        pooled = torch.cat([counted, *self._pools(x, present), *(self.static_in(static) if static.shape[1] else ())], dim=1)
        raw = self.out(self.drop(functional.relu(self.hidden(self.drop(pooled)))))
        return cast(Tensor, raw * self.target_scale + self.target_centre)

    def _pools(self, x: Tensor, present: Tensor) -> list[Tensor]:
        """Last state, mean and maximum over the known steps, and their mean by attention."""
        away = 1e4 * (1.0 - present)
        largest = (x - away).amax(dim=2) * present.amax(dim=2)
        weight = torch.softmax(self.attend(x) - away, dim=2) * present
        return [x[:, :, -1], _mean(x, present), largest, (x * weight).sum(dim=2)]


def _mean(x: Tensor, present: Tensor) -> Tensor:
    return (x * present).sum(dim=2) / present.sum(dim=2).clamp(min=1.0)


def _coarser(x: Tensor, present: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Means of `stride` steps each, counted back from the last one."""
    if stride == 1:
        return x, present
    short = -x.shape[2] % stride
    x, present = functional.pad(x, (short, 0)), functional.pad(present, (short, 0))
    counted = functional.avg_pool1d(present, stride)
    return functional.avg_pool1d(x, stride) / counted.clamp(min=1e-6), (counted > 0).to(x.dtype)


def build(config: NetworkConfig, channels: int, static: int, outputs: int = INTERVALS) -> Network:
    """A network with fresh weights, drawn from torch's generator."""
    return Network(config, channels, static, outputs)


def logged_channels(names: tuple[str, ...], config: NetworkConfig) -> np.ndarray:
    """bool[channels]: which enter as log(1 + x)."""
    return np.array([any(fnmatchcase(name, pattern) for pattern in config.logged) for name in names], dtype=bool)


def fit_inputs(network: Network, layout: Layout, steps: Steps, static: Steps) -> None:
    """Fit the input layer on training windows: steps float32[n, t, c], static float32[n, s]."""
    flat = steps.reshape(-1, steps.shape[2])
    flat = flat[~np.isnan(flat).all(axis=1)]
    if not len(flat):
        flat = np.full((1, steps.shape[2]), np.nan, dtype=np.float32)
    network.steps_in.fit(flat[:: 1 + len(flat) // _FITTED_ON], logged_channels(layout.names, network.config))
    network.static_in.fit(static, logged_channels(layout.static, network.config))
