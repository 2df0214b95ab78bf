"""Networks with fresh weights as a bundle holds them, for tests that need one that runs and not one that has learnt."""

import numpy as np

from features.kinds import MachineKind
from features.sequences import Batch, layout
from training.blend import BOOSTERS, Blend
from training.bundle_files import Networks
from training.calibration import Calibration
from training.window_model import WindowModel, facts_of

MAP = Calibration(
    knots=(-3.0,), level=-3.1, slopes=(1.1, 0.9), on="total", events=50,
    covariance=tuple(tuple(row) for row in (0.01 * np.eye(3)).tolist()),
)  # fmt: skip


def fresh(kind: MachineKind, batch: Batch, families=("gru",), seeds=1, hours=168.0, fewest_steps=24) -> Networks:
    """Networks whose input layers know `batch`, whose first three windows are the golden ones."""
    import torch

    from training.loop import Fitted
    from training.network_config import NetworkConfig
    from training.networks import build, fit_inputs
    from training.onnx_export import to_onnx

    wanted = layout(kind, hours)
    data: dict[str, list[bytes]] = {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        for family in families:
            data[family] = []
            for _ in range(seeds):
                network = build(NetworkConfig(family=family, width=6, layers=1, hidden=8), wanted)
                fit_inputs(network, wanted, *batch)
                data[family].append(to_onnx(Fitted(network.eval(), wanted, (), 0)))
    facts = facts_of(wanted, batch.steps, fewest_steps, dict.fromkeys(families, seeds))
    models = (BOOSTERS, *families)
    blend = Blend(models=models, weights=(0.8, *(0.5 for _ in families)), either=0.2, level=-0.3, calibration=MAP)
    return Networks(WindowModel(facts, data), blend, (batch.steps[:3].copy(), batch.static[:3].copy()))


def invented(kind: MachineKind, count: int, hours=168.0, seed=1) -> Batch:
    """Windows of random numbers in which every channel is known."""
    wanted = layout(kind, hours)
    random = np.random.default_rng(seed)
    steps = random.normal(size=(count, wanted.steps, len(wanted.names))).astype(np.float32)
    return Batch(steps, random.normal(size=(count, len(wanted.static))).astype(np.float32))
