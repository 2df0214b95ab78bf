"""Networks as a bundle holds them, for tests that need one that runs and not one that has learnt."""

import numpy as np

from features.digest import digest
from features.kinds import MachineKind
from features.sequences import Batch, Layout, layout
from training.blend import BOOSTERS, Blend
from training.bundle_files import Networks
from training.calibration import Calibration
from training.window_model import WindowModel, facts_of

MAP = Calibration(
    knots=(-3.0,), level=-3.1, slopes=(1.1, 0.9), on="total", events=50,
    covariance=tuple(tuple(row) for row in (0.01 * np.eye(3)).tolist()),
)  # fmt: skip


class Held:
    """Windows that are held, as a source."""

    def __init__(self, wanted: Layout, batch: Batch) -> None:
        self.layout, self.batch, self.digest = wanted, batch, digest(*batch)

    def __len__(self) -> int:
        return len(self.batch.steps)

    def take(self, rows, /):
        return Batch(self.batch.steps[rows], self.batch.static[rows])


def fresh(kind: MachineKind, batch: Batch, families=("gru",), seeds=1, hours=168.0, fewest_steps=24, shape=None) -> Networks:
    """Networks after an epoch on invented outcomes of `batch`, whose first three windows are the golden ones.

    shape: the configuration by family, by default a tiny one.
    """
    from training.loop import fit
    from training.network_config import LoopConfig, NetworkConfig
    from training.onnx_export import to_onnx

    source, n = Held(layout(kind, hours), batch), len(batch.steps)
    outcomes = np.tile(np.eye(3, dtype=np.float32), (n // 3 + 1, 1))[:n]
    loop, rows = LoopConfig(epochs=1, patience=None, batch=32), np.arange(n)
    data = {
        family: [
            to_onnx(
                fit(
                    source, outcomes, np.ones(n), rows, rows[:0],
                    (shape or {}).get(family) or NetworkConfig(family=family, width=6, layers=1, hidden=8), loop, seed=seed,
                )
            )
            for seed in range(seeds)
        ]
        for family in families
    }  # fmt: skip
    facts = facts_of(source.layout, batch.steps, fewest_steps, dict.fromkeys(families, seeds))
    models = (BOOSTERS, *families)
    blend = Blend(models=models, weights=(0.8, *(0.5 for _ in families)), either=0.2, level=-0.3, calibration=MAP)
    return Networks(WindowModel(facts, data), blend, (batch.steps[:3].copy(), batch.static[:3].copy()))


def invented(kind: MachineKind, count: int, hours=168.0, seed=1) -> Batch:
    """Windows of random numbers in which every channel is known."""
    wanted = layout(kind, hours)
    random = np.random.default_rng(seed)
    steps = random.normal(size=(count, wanted.steps, len(wanted.names))).astype(np.float32)
    return Batch(steps, random.normal(size=(count, len(wanted.static))).astype(np.float32))
