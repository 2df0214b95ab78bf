"""One recurrent and one dilated causal convolution network over windows of raw readings, behind one interface.

A window is standardised. A bank of filters looks at each reading's recent past, and a linear mix at all channels of a step. A
trunk, GRU (Cho et al. 2014) or dilated causal convolutions (van den Oord et al. 2016; Bai, Kolter & Koltun 2018), reads what
both say. Pools over time count and weigh what bank and trunk found, and a small head speaks.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.network_config import NetworkConfig
from training.windows import Layout, Steps

INTERVALS = 3
PARTS = (1, 2, 4)  # the bank is counted over the whole window, its newest half and quarter
_FITTED_ON = 200_000  # steps
_SMALL_SHARE = -4.0  # log of what the machine's odds have of an auxiliary event's, at first
_SHUT = 1e3  # an update gate's log-odds on a step that is padding


class Standardised(nn.Module):
    """Raw values to standard ones: log(1 + x) where told, robust centre and scale, held to +-clip, 0 where missing.

    Fitted on training windows alone. A channel that was never known there is ignored; one that was constant counts in its own
    units; an infinite value counts as the largest, and where a logarithm is taken a negative one as 0.
    told: the channels whose presence the network is told; it may be missing elsewhere too, and is 0 there.
    """

    centre: Tensor
    factor: Tensor
    logged: Tensor
    told: Tensor

    def __init__(self, names: Sequence[str], config: NetworkConfig) -> None:
        super().__init__()
        self.clip, channels = config.clip, len(names)
        self.shown, logged = ~named(names, config.unseen), named(names, config.logged)
        self.register_buffer("centre", torch.zeros(channels))
        self.register_buffer("factor", torch.ones(channels))
        self.register_buffer("told", torch.ones(channels))
        self.register_buffer("logged", torch.as_tensor(logged))
        self.logs = bool(logged.any())

    def fit(self, values: Steps) -> None:
        """values: float32[m, channels] of known steps; NaN = missing."""
        if not values.size:
            return
        rows = np.where(np.isfinite(values), values, np.nan).astype(np.float64)
        logged = self.logged.numpy()
        rows[:, logged] = np.log1p(np.maximum(rows[:, logged], 0.0))
        known = ~np.isnan(rows)
        seen = known.any(axis=0) & self.shown
        rows[:, ~seen] = 0.0
        centre, around = np.nanmedian(rows, axis=0), np.nanstd(rows, axis=0)
        least, low, high, most = np.nanpercentile(rows, [2, 25, 75, 98], axis=0)
        # Counts and flags are mostly 0: their middle half says nothing, so the standard deviation stands in.
        scale = np.where(high > low, np.maximum((high - low) / 1.349, (most - least) / 16.0), around)
        scale = np.where(scale > 1e-6 * np.maximum(1.0, np.abs(centre)), scale, 1.0)
        for buffer, found in ((self.centre, centre), (self.factor, seen / scale), (self.told, ~known.all(axis=0) & seen)):
            buffer.copy_(torch.as_tensor(found.astype(np.float32)))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[..., channels] raw to standard values and to 1 where known, else 0."""
        known = x == x  # false for NaN alone
        # Expanded, though torch would do so by itself: onnxruntime takes twice as long to spread a mask over the steps.
        if self.logs:
            x = torch.where(self.logged.expand_as(x), torch.log1p(x.clamp(min=0.0)), x)
        standard = torch.addcmul(-self.centre * self.factor, x, self.factor)
        standard = torch.where(known & (self.factor > 0).expand_as(x), standard, torch.zeros_like(standard))
        return standard.clamp(-self.clip, self.clip), known.to(x.dtype)


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


class Network(nn.Module):
    """forward(steps [n, t, channels], static [n, s], both float32 and raw with NaN) to [n, outputs].

    outputs: log-odds of the three interval hazards and then of auxiliary events, which enter those of the hazards as competing
    risks; or the remaining life.
    readings: the channels that the bank's filters see.
    """

    target_centre: Tensor
    target_scale: Tensor

    def __init__(self, config: NetworkConfig, layout: Layout, outputs: int) -> None:
        super().__init__()
        self.config = config
        channels, static, width = len(layout.names), len(layout.static), config.width
        readings = np.flatnonzero(named(layout.names, config.readings)).tolist() or list(range(channels))
        banked = len(readings) if config.filters else 0
        found = banked * (config.filters + config.echoes)
        self.steps_in, self.static_in = Standardised(layout.names, config), Standardised(layout.static, config)
        self.bank = Bank(banked, config.filters, config.filter_steps) if banked else None
        # What is present is the constant, so that padding stays 0.
        self.mix = nn.Linear(2 * channels + 1, config.mix, bias=False)
        self.clear = _first_as_it_is(channels, readings[:banked]) if banked else None
        entering = banked + found + config.mix
        self.trunk: Dilated | Recurrent = (
            Dilated(entering, width, config.layers, config.kernel, config.dropout)
            if config.family == "tcn"
            else Recurrent(entering, width, config.layers, config.dropout)
        )
        self.attend = nn.Conv1d(width, 1, 1)
        pooled = len(PARTS) * found + 4 * width + 2 * static
        self.level = nn.BatchNorm1d(pooled) if config.level else nn.Identity()
        self.hidden = nn.Linear(pooled, config.hidden)
        self.out = nn.Linear(config.hidden, outputs)
        self.direct = nn.Linear(len(PARTS) * found, outputs, bias=False) if found else None
        events = outputs - INTERVALS if config.head == "hazards" else 0
        self.shares = nn.Parameter(torch.full((INTERVALS, events), _SMALL_SHARE)) if events > 0 else None
        self.drop = nn.Dropout(config.dropout)
        self.drop_channels = nn.Dropout1d(config.input_dropout)
        self.register_buffer("target_centre", torch.zeros(outputs))
        self.register_buffer("target_scale", torch.ones(outputs))

    def forward(self, steps: Tensor, static: Tensor) -> Tensor:
        x, known = self.steps_in(steps)
        present = known.amax(dim=2, keepdim=True)
        if self.config.input_dropout > 0:
            x = self.drop_channels(x.transpose(1, 2)).transpose(1, 2)
        coarse, count = partial(_coarser, stride=self.config.stride), _coarser(present, self.config.stride)
        share = count.clamp(min=0.5 / self.config.stride)
        entering, sizes = [coarse(functional.relu(self._mixed(x, known, present)))], []
        if self.bank is not None and self.clear is not None:
            cleared = self.clear(x)
            size = coarse(torch.cat([self.bank(cleared).abs(), *_echoes(cleared, present, self.config.echoes)], dim=2))
            entering, sizes = [coarse(cleared), size, *entering], [_parts(size, count).flatten(1)]
        x, there = torch.cat(entering, dim=2), present
        if self.config.stride > 1:
            x, there = x / share, (count > 0).to(x.dtype)
        there = there.transpose(1, 2)
        pools = [*sizes, *self._pools(self.trunk(x.transpose(1, 2), there), there)]
        pooled = torch.cat([*pools, *self._fixed(static)], dim=1)
        pooled = self.level(pooled)
        raw = self.out(self.drop(functional.relu(self.hidden(self.drop(pooled)))))
        if self.direct is not None:
            raw = raw + self.direct(pooled[:, : self.direct.in_features])
        if self.shares is not None:
            # Competing risks: odds that no auxiliary event accounts for, and a share of the odds of each of these.
            parts = torch.cat([raw[:, :INTERVALS, None], raw[:, None, INTERVALS:] + self.shares], dim=2)
            raw = torch.cat([torch.logsumexp(parts, dim=2), raw[:, INTERVALS:]], dim=1)
        return raw * self.target_scale + self.target_centre if self.config.head == "life" else cast(Tensor, raw)

    def _fixed(self, static: Tensor) -> tuple[Tensor, ...]:
        """Static covariates, and whether those are known whose presence is told."""
        if not static.shape[1]:
            return ()
        values, known = self.static_in(static)
        return values, known * self.static_in.told

    def _mixed(self, x: Tensor, known: Tensor, present: Tensor) -> Tensor:
        """The mix of values, of the presence of those whose presence is told, and of the constant."""
        told = self.steps_in.told
        heard = torch.cat([torch.ones_like(told), told, told.new_ones(1)])
        return functional.linear(torch.cat([x, known, present], dim=2), self.mix.weight * heard)

    def _pools(self, x: Tensor, present: Tensor) -> list[Tensor]:
        """Last state, mean and maximum over the known steps, and their mean by attention. x: 0 on all others."""
        away = 1e4 * (1.0 - present)
        largest = (x - away).amax(dim=2) * present.amax(dim=2)
        weight = torch.softmax(self.attend(x) - away, dim=2)
        mean = x.sum(dim=2) / present.sum(dim=2).clamp(min=1.0)
        return [x[:, :, -1], mean, largest, (x * weight).sum(dim=2)]


def _first_as_it_is(channels: int, readings: Sequence[int]) -> nn.Linear:
    """Each reading less what other channels say of it: at first next to nothing."""
    clear = nn.Linear(channels, len(readings), bias=False)
    with torch.no_grad():
        clear.weight.mul_(0.1)
        for row, channel in enumerate(readings):
            clear.weight[row, channel] += 1.0
    return clear


def _echoes(x: Tensor, present: Tensor, echoes: int) -> list[Tensor]:
    """[n, t, c] each: a reading, less its mean over the window, times what it was ..., 2, 1, 0 steps before."""
    if not echoes:
        return []
    x = (x - x.sum(dim=1, keepdim=True) / present.sum(dim=1, keepdim=True).clamp(min=1.0)) * present
    earlier, steps = functional.pad(x, (0, 0, echoes - 1, 0)), x.shape[1]
    return [x * earlier[:, start : start + steps] for start in range(echoes)]


def _parts(sums: Tensor, count: Tensor) -> Tensor:
    """[n, parts, c]: means over the newest 1 / p of the window, for p in PARTS.

    sums, count: of the steps in each place, by the same share.
    """
    steps = sums.shape[1]
    # (a + b - 1) // b: the exporter cuts a negative quotient off instead of rounding it down.
    newest = sums.new_zeros((len(PARTS), steps))
    for row, part in enumerate(PARTS):
        newest[row, steps - (steps + part - 1) // part :] = 1.0
    return torch.matmul(newest, sums) / torch.matmul(newest, count).clamp(min=1e-3)


def _coarser(x: Tensor, stride: int) -> Tensor:
    """[n, t, c] to means of `stride` steps each, counted back from the last one; steps before the first count as 0."""
    if stride == 1:
        return x
    x = functional.pad(x, (0, 0, stride - 1 - (x.shape[1] + stride - 1) % stride, 0))
    return x.reshape(x.shape[0], x.shape[1] // stride, stride, x.shape[2]).mean(dim=2)


def build(config: NetworkConfig, layout: Layout, outputs: int = INTERVALS) -> Network:
    """A network for windows of a layout, with fresh weights from torch's generator."""
    return Network(config, layout, outputs)


def named(names: Sequence[str], patterns: Sequence[str]) -> npt.NDArray[np.bool_]:
    """bool[names]: which of them fit one of the patterns, as a shell would match them."""
    return np.array([any(fnmatchcase(name, pattern) for pattern in patterns) for name in names], dtype=bool)


def fit_inputs(network: Network, steps: Steps, static: Steps) -> None:
    """Fit the input layer on training windows: steps float32[n, t, c], static float32[n, s]."""
    flat = steps.reshape(-1, steps.shape[2])
    flat = flat[~np.isnan(flat).all(axis=1)]
    if not len(flat):
        flat = np.full((1, steps.shape[2]), np.nan, dtype=np.float32)
    network.steps_in.fit(flat[:: 1 + len(flat) // _FITTED_ON])
    network.static_in.fit(static)
