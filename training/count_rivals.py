"""What a day's work would have built instead for a panel of counts: fitted on the same rows, asked of the same rows.

exposure x rate; a ridge GLM that sees the own record as further columns; a GLM of all else with Buhlmann-Straub credibility on
top; LightGBM as an afternoon makes it.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from training.credibility import fit_buhlmann_straub
from training.experience import Mask, Periods
from training.frequency import CountBoosterConfig, fit_boosted
from training.glm import Term, fit_glm

Floats = npt.NDArray[np.float64]
RATE, GLM, STRAUB, AFTERNOON = "exposure x rate", "GLM", "GLM, Buhlmann-Straub", "LightGBM, afternoon"
_AFTERNOON = CountBoosterConfig(rounds=200, num_leaves=15, members=1, feature_fraction=1.0, bagging_fraction=1.0)


def forecasts(
    panel: Periods,
    size: Floats,
    fitted: Mask,
    asked: Mask,
    design: Sequence[Term],
    record: Sequence[Term],
    *,
    seed: int = 0,
    threads: int = 1,
) -> dict[str, Floats]:
    """Expected number by rival, of the rows asked.

    size [n]: what the first rival takes as exposure; design: terms of what is known beside the record; record: its own terms.
    """
    rows = panel.rows
    train, test = rows.of(fitted), rows.of(asked)
    rate = float(train.count.sum() / size[fitted].sum())
    afternoon = fit_boosted(train, _AFTERNOON, seed=seed, threads=threads)
    return {
        RATE: rate * size[asked],
        GLM: fit_glm(train, [*design, *record], seed=seed).expected(test.x, test.exposure),
        STRAUB: _credible(panel, fitted, design, seed)[asked],
        AFTERNOON: afternoon.expected(test.x, test.exposure),
    }


def _credible(panel: Periods, fitted: Mask, design: Sequence[Term], seed: int) -> Floats:
    """A GLM without the own record, times the credibility estimate of what came over what it expected in earlier periods."""
    rows = panel.rows
    expected = fit_glm(rows.of(fitted), design, seed=seed).expected(rows.x, rows.exposure)
    ratio = rows.count[fitted] / expected[fitted]
    straub = fit_buhlmann_straub(rows.group[fitted], expected[fitted], ratio, level=1.0)
    own = panel.record(expected, 1.0)
    return expected * straub.estimate(own.expected, own.count / np.maximum(own.expected, 1e-12))
