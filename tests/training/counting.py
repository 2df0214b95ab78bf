"""A small world of counts with known rates, shared by the tests of the count models."""

import numpy as np
import numpy.typing as npt

from training.frequency import CountRows

Floats = npt.NDArray[np.float64]
NAMES = ("risk", "noise", "kind")


def world(count: int = 3000, seed: int = 0, dispersion: float = 0.0) -> tuple[CountRows, Floats]:
    """Rows of 300 groups and their true expected numbers [n]: `risk` raises the log rate by half, kind 3 by log 2."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(count, 3)).astype(np.float32)
    x[:, 2] = random.integers(0, 6, count)
    exposure = np.exp(random.normal(size=count))
    truth = exposure * np.exp(-1.0 + 0.5 * x[:, 0] + np.log(2.0) * (x[:, 2] == 3))
    frailty = random.gamma(1 / dispersion, dispersion, count) if dispersion else np.ones(count)
    came = random.poisson(truth * frailty).astype(np.float64)
    return CountRows(x, NAMES, (2,), exposure, came, random.integers(0, 300, count)), truth
