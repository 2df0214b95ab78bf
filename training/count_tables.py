"""The table of a benchmark of counts: every forecast's figures, and what the last word gains on each, paired by group."""

from collections.abc import Mapping, Sequence

import numpy as np

from training import count_metrics as metrics
from training.count_metrics import Counted
from training.intervals import Draws, Interval, draw, resample
from training.metrics import Floats

Row = dict[str, Interval | float | int | str | None]


def table(
    rows: Counted,
    said: Mapping[str, Floats],
    own: str,
    *,
    scale: float = 1.0,
    replicates: int = 400,
    top: float | None = None,
    p_any: Mapping[str, Floats] | None = None,
) -> list[Row]:
    """One row per forecast, by its name in words: mean Poisson deviance x scale, what `own` gains on it (in deviance, above
    zero where `own` is better), AUC for any accident and what `own` gains there, Gini per unit of exposure, actual over
    expected, calibration slope; with `top` the share of accidents in the riskiest part of exposure, and what `own` gains there.

    said: expected numbers [n] by forecast; p_any: its chance of any [n], where it does not rise with the number.
    Intervals are 95 %, from resampled groups, the same for all forecasts.
    """
    weights = resample(rows.groups, replicates, seed=0)
    deviance = {name: _scaled(draw(metrics.deviance(rows, one), weights), scale) for name, one in said.items()}
    auc = {name: draw(metrics.any_auc(rows, (p_any or {}).get(name, one)), weights) for name, one in said.items()}
    shares = {name: draw(metrics.top_share(rows, one, top), weights) for name, one in said.items()} if top is not None else {}
    found: list[Row] = []
    for name, one in said.items():
        row: Row = {
            "forecast": name,
            "deviance" if scale == 1.0 else f"deviance x {scale:g}": deviance[name].interval(),
            "gain in deviance": None if name == own else deviance[name].minus(deviance[own]).interval(),
            "AUC any": auc[name].interval(),
            "gain in AUC": None if name == own else auc[own].minus(auc[name]).interval(),
            "Gini per exposure": draw(metrics.gini(rows, one), weights).interval(),
            "actual/expected": draw(metrics.actual_over_expected(rows, one), weights).interval(),
            "slope": draw(metrics.calibration_slope(rows, one), weights).interval(),
        }
        if top is not None:
            row[f"in riskiest {top * 100:g} %"] = shares[name].interval()
            row["gain in riskiest"] = None if name == own else shares[own].minus(shares[name]).interval()
        found.append(row)
    return found


def _scaled(draws: Draws, scale: float) -> Draws:
    return Draws(draws.value * scale, draws.drawn * scale)


def calibration_facts(rows: Counted, expected: Floats, p_any: Floats, *, replicates: int = 400) -> dict[str, object]:
    """Actual over expected by decile of the rate and of the number, of any accident too, and how many rows stand behind it."""
    weights = resample(rows.groups, replicates, seed=0)
    hit = Counted((rows.count > 0).astype(np.float64), rows.exposure, rows.group, rows.groups, rows.weight)

    def bins(per_exposure: bool) -> list[Interval]:
        masks = metrics.deciles(rows, expected, per_exposure=per_exposure)
        return [draw(metrics.actual_over_expected(rows, expected, mask), weights).interval() for mask in masks]

    return {
        "rows": len(expected),
        "accidents": int(rows.count.sum()),
        "actual/expected by decile of rate": bins(True),
        "actual/expected by decile of number": bins(False),
        "any, actual/expected": draw(metrics.actual_over_expected(hit, p_any), weights).interval(),
    }


def verdict(found: Sequence[Row], own: str) -> list[str]:
    """In words, of each rival and gain: whether its paired interval lies above zero, about it, or below."""
    said = []
    for row in found:
        for name, gain in row.items():
            if isinstance(gain, Interval) and name.startswith("gain"):
                how = "better than" if gain.low > 0 else "worse than" if gain.high < 0 else "not told apart from"
                said.append(f"{own} is {how} {row['forecast']}: {name} {gain}.")
    return said
