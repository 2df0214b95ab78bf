"""One recurrent and one dilated causal convolution network over windows of raw readings, behind one interface.

A window is standardised. A bank of filters looks at each reading's recent past, and a linear mix at all channels of a step. A
trunk, GRU (Cho et al. 2014) or dilated causal convolutions (van den Oord et al. 2016; Bai, Kolter & Koltun 2018), reads what
both say. Pools over time count and weigh what bank and trunk found; products of readings with earlier ones, lag by lag, are
summed up beside it and tell how their order goes on. A small head speaks.
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
from training.network_layers import PARTS, Bank, Dilated, Recurrent, coarser, echoes, first_as_it_is, parts
from training.windows import Layout, Steps

INTERVALS = 3
_FITTED_ON = 200_000  # steps
_SMALL_SHARE = -4.0  # log of what the machine's odds have of an auxiliary event's, at first


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
        self.looked_at, explaining = readings, named(layout.names, config.explained_by)
        explaining[readings] = False
        self.explaining = np.flatnonzero(explaining).tolist()
        banked = len(readings) if config.filters else 0
        found = banked * (config.filters + config.echoes)
        self.steps_in, self.static_in = Standardised(layout.names, config), Standardised(layout.static, config)
        self.bank = Bank(banked, config.filters, config.filter_steps) if banked else None
        # What is present is the constant, so that padding stays 0.
        self.mix = nn.Linear(2 * channels + 1, config.mix, bias=False)
        self.clear = first_as_it_is(channels, readings[:banked]) if banked else None
        entering = banked * (1 + config.filters) + config.mix
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
        coarse, count = partial(coarser, stride=self.config.stride), coarser(present, self.config.stride)
        share = count.clamp(min=0.5 / self.config.stride)
        entering, sizes = [coarse(functional.relu(self._mixed(x, known, present)))], []
        if self.bank is not None and self.clear is not None:
            cleared = self.clear(x)
            size = coarse(self.bank(cleared).abs())
            entering, sizes = [coarse(cleared), size, *entering], [parts(size, count).flatten(1)]
            if self.config.echoes:
                sizes.append(echoes(cleared, present, self.config.echoes).flatten(1))
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
            risks = torch.cat([raw[:, :INTERVALS, None], raw[:, None, INTERVALS:] + self.shares], dim=2)
            raw = torch.cat([torch.logsumexp(risks, dim=2), raw[:, INTERVALS:]], dim=1)
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


def build(config: NetworkConfig, layout: Layout, outputs: int = INTERVALS) -> Network:
    """A network for windows of a layout, with fresh weights from torch's generator."""
    return Network(config, layout, outputs)


def named(names: Sequence[str], patterns: Sequence[str]) -> npt.NDArray[np.bool_]:
    """bool[names]: which of them fit one of the patterns, as a shell would match them."""
    return np.array([any(fnmatchcase(name, pattern) for pattern in patterns) for name in names], dtype=bool)


def fit_inputs(network: Network, steps: Steps, static: Steps) -> None:
    """Fit the input layer on training windows: steps float32[n, t, c], static float32[n, s].

    Where channels are named that explain readings, what these say of them is taken out at first, by least squares.
    """
    flat = steps.reshape(-1, steps.shape[2])
    flat = flat[~np.isnan(flat).all(axis=1)]
    if not len(flat):
        flat = np.full((1, steps.shape[2]), np.nan, dtype=np.float32)
    flat = flat[:: 1 + len(flat) // _FITTED_ON]
    network.steps_in.fit(flat)
    network.static_in.fit(static)
    if network.clear is not None and len(explain := network.explaining):
        x = network.steps_in(torch.from_numpy(np.ascontiguousarray(flat)))[0].double().numpy()
        told = x[:, explain] - x[:, explain].mean(axis=0)
        ridge = told.T @ told + 1e-3 * len(x) * np.eye(len(explain))
        share = np.linalg.solve(ridge, told.T @ x[:, network.looked_at])
        with torch.no_grad():
            network.clear.weight[:, torch.as_tensor(explain)] = torch.as_tensor(-share.T.astype(np.float32))
