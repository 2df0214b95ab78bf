"""Small windows for tests of the networks."""

import numpy as np

from training.windows import ArrayLayout, Arrays

NAMES = ("gap_hours", "sensor:a", "sensor:b", "load", "error:e")
STATIC = ("age_hours", "capacity")


def layout(steps, names=NAMES, static=STATIC):
    return ArrayLayout(tuple(names), tuple(static), steps)


def random_windows(n, steps, seed=0):
    """[n, steps, 5] and [n, 2]: gaps of about an hour, two sensors, load, rare events."""
    random = np.random.default_rng(seed)
    window = random.standard_normal((n, steps, len(NAMES))).astype(np.float32)
    window[:, :, 0] = random.exponential(1.0, (n, steps))
    window[:, :, 4] = random.random((n, steps)) < 0.05
    return window, np.abs(random.standard_normal((n, len(STATIC)))).astype(np.float32)


def knocking(n=1200, steps=48, seed=0):
    """A source, and whether each reading of the second sensor is much as the one three steps before, or as its opposite.

    Level, spread and every window statistic of single readings are the same for both.
    """
    random = np.random.default_rng(seed)
    window, static = random_windows(n, steps, seed)
    ordered = random.random(n) < 0.4
    noise = random.standard_normal((n, steps))
    value = noise.copy()
    for t in range(3, steps):
        value[:, t] = np.where(ordered, 0.8, -0.8) * value[:, t - 3] + 0.6 * noise[:, t]
    window[:, :, 2] = value
    return Arrays(window, static, NAMES, STATIC), ordered
