"""What networks are trained to make small, by the head that speaks."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from training.network_config import LoopConfig
from training.networks import INTERVALS, Network


def outputs_of(network: str, targets: npt.NDArray[np.float32]) -> int:
    """How many outputs a head has for targets [n, k]: those of `counts` are numbers that came, then logs of those expected."""
    columns = int(targets.shape[1])
    return columns // 2 if network == "counts" else columns


def loss_of(model: Network, raw: Tensor, target: Tensor, weight: Tensor, loop: LoopConfig) -> Tensor:
    """The mean loss of rows. raw, target [n, k], NaN = does not count; weight [n].

    hazards: minus the log-likelihood of the interval outcomes, each interval that counts a Bernoulli trial. Auxiliary events
    count `loop.auxiliary` each, whatever the weight: they are there to be recognised, not to be forecast, and few heavy rows
    would drown them. life: the squared or Huber error in standard deviations of the target. counts: minus the Poisson
    log-likelihood of the numbers that came; target [n, 2 k] holds them and the logs of those expected, which are the offset.
    """
    offset = None
    if model.config.head == "counts":
        target, offset = target[:, : raw.shape[1]], target[:, raw.shape[1] :]
    counts = ~torch.isnan(target)
    target = torch.where(counts, target, torch.zeros_like(target))
    if offset is not None:
        expected = torch.exp(raw + torch.where(counts, offset, torch.zeros_like(offset)))
        each = (expected - target * raw) * weight[:, None]
    elif model.config.head == "hazards":
        each = functional.binary_cross_entropy_with_logits(raw, target, reduction="none")
        each = torch.cat([each[:, :INTERVALS] * weight[:, None], each[:, INTERVALS:] * loop.auxiliary], dim=1)
    else:
        error = (raw - target) / model.target_scale
        each = (
            0.5 * error**2
            if loop.huber is None
            else functional.huber_loss(error, error * 0, reduction="none", delta=loop.huber)
        )
        each = each * weight[:, None]
    return torch.where(counts, each, torch.zeros_like(each)).sum() / len(raw)


def begin(model: Network, targets: npt.NDArray[np.float32], weight: npt.NDArray[np.float64]) -> None:
    """Let a fresh network's answers start at what training rows show: targets [n, k], weight [n]."""
    counts = np.where(np.isnan(targets), 0.0, weight[:, None])
    with torch.no_grad():
        model.out.weight.mul_(0.1)
        if model.direct is not None:
            model.direct.weight.zero_()
        model.out.bias.zero_()
        if model.config.head == "counts":
            k = targets.shape[1] // 2
            came = (np.nan_to_num(targets[:, :k]) * counts[:, :k]).sum(axis=0)
            awaited = (np.where(counts[:, :k] > 0, np.exp(targets[:, k:]), 0.0) * counts[:, :k]).sum(axis=0)
            model.out.bias.copy_(torch.as_tensor(np.log(np.maximum(came, 1e-6) / np.maximum(awaited, 1e-6))))
            return
        mean = (np.nan_to_num(targets) * counts).sum(axis=0) / np.maximum(counts.sum(axis=0), 1e-9)
        if model.config.head == "hazards":
            model.out.bias.copy_(torch.as_tensor(np.log(np.maximum(mean, 1e-6) / np.maximum(1 - mean, 1e-6))))
        else:
            spread = np.sqrt((np.nan_to_num(targets - mean) ** 2 * counts).sum(axis=0) / np.maximum(counts.sum(axis=0), 1e-9))
            model.target_centre.copy_(torch.as_tensor(mean))
            model.target_scale.copy_(torch.as_tensor(np.where(spread > 0, spread, 1.0)))
