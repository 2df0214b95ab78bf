"""How grave accidents are: the chances of their classes, and what each costs on average."""

from math import erf

import numpy as np

from features.simulator.enterprise_roll import Roll
from features.simulator.world import Floats


def class_shares(roll: Roll) -> Floats:
    """[enterprise, class]: chances of an accident's class."""
    graver = np.array([industry.graver for industry in roll.world.industries])[roll.industry]
    return np.concatenate([1.0 - graver.sum(axis=1, keepdims=True), graver], axis=1)


def class_losses(roll: Roll) -> Floats:
    """[enterprise, class]: mean of min(cap, log-normal), CNY (Klugman, Panjer, Willmot: Loss Models, appendix A.5)."""
    out = np.empty((roll.size, len(roll.world.losses)))
    phi = np.vectorize(lambda z: 0.5 * (1.0 + erf(z / 2**0.5)))
    for at, loss in enumerate(roll.world.losses):
        mu, cap = np.log(loss.median * roll.severity), np.log(loss.cap)
        below = np.exp(mu + loss.spread**2 / 2) * phi((cap - mu - loss.spread**2) / loss.spread)
        out[:, at] = below + loss.cap * (1.0 - phi((cap - mu) / loss.spread))
    return out
