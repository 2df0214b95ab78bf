"""How near a forecast of a simulated fleet comes to what could be known: the oracle's figures beside the model's.

The oracle states the true probability. It knows the wear of every part, and the load and the visits of the coming three days,
so no model reaches it; a failure without any sign before it is no model's fault.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from training import alarms, metrics
from training.alarms import Timeline
from training.blend import BOOSTERS
from training.intervals import Interval, draw, never_certain, ratio
from training.metrics import Floats
from training.slopes import calibration_line
from training.truth import WINDOWS, Truth

ORACLE = "oracle"
BIN_ROWS = 1000
HORIZONS = ("24", "48", "72")


@dataclass(frozen=True)
class Mode:
    """A failure mode, or several together: failures in the test period, and the shares that model and oracle alarm.

    singles: the shares of the models that the forecast is blended of. found: of the failures that its boosters miss, the share
    that the blend alarms; None where there is nothing to compare, NaN where they miss none.
    """

    name: str
    signs: str
    failures: int
    model: Interval
    oracle: Interval
    singles: Mapping[str, Interval] = field(default_factory=dict)
    found: Interval | None = None

    @property
    def share(self) -> float:
        """What the model finds of what the oracle finds; NaN where that finds nothing."""
        return self.model.value / self.oracle.value if self.oracle.value > 0 else float("nan")


@dataclass(frozen=True)
class Bins:
    """Rows with like predictions, `BIN_ROWS` to a bin, by rising prediction: means of prediction, truth, and range."""

    predicted: Floats
    true: Floats
    low: Floats
    high: Floats

    @property
    def inside(self) -> npt.NDArray[np.bool_]:
        return np.asarray((self.low <= self.true) & (self.true <= self.high))

    @property
    def coverage(self) -> float:
        """Share of the bins whose mean truth lies within their mean range; NaN without a whole bin."""
        return float(self.inside.mean()) if len(self.true) else float("nan")


@dataclass(frozen=True)
class Ceiling:
    """slopes: of the truth on the prediction by horizon, 1 is calibrated; budget: the share of the observations that alarms;
    windows: the modes that show in windows of sensors and codes, together; None without such a failure."""

    slopes: dict[str, Interval]
    bins: Bins
    budget: float
    modes: tuple[Mode, ...]
    windows: Mode | None


def slope_against(true: Floats, p: Floats, machine: npt.NDArray[np.int32], resamples: Floats) -> Interval:
    """Slope of the logistic regression of true probabilities [n] on the log-odds of the predictions [n], by resampled machines.

    The limit of the calibration slope (Cox 1958) as outcomes are drawn again and again: the luck of those draws is not
    in it, but that of how many parts come to the end of their lives is.
    """
    failed = np.repeat([True, False], len(true))
    rows = metrics.Rows(np.tile(machine, 2), resamples.shape[1], failed, np.concatenate([true, 1.0 - true]))
    return draw(calibration_line(rows, np.tile(p, 2))[0], resamples).interval()


def bins_of(p: Floats, low: Floats, high: Floats, true: Floats, size: int = BIN_ROWS) -> Bins:
    """Neighbours in prediction, `size` to a bin, counted from the riskiest down; what is left at the bottom makes none."""
    count = len(p) // size
    order = np.argsort(p, kind="stable")[len(p) - count * size :].reshape(count, size)
    return Bins(*(np.asarray(values, dtype=np.float64)[order].mean(axis=1) for values in (p, true, low, high)))


def against(
    frame: pd.DataFrame,
    machine: npt.NDArray[np.int32],
    p: Floats,
    truth: Truth,
    line: Timeline,
    resamples: Floats,
    budget: float,
    singles: Mapping[str, Floats] | None = None,
) -> Ceiling:
    """The model and the oracle, both with alarms on one budget; and the models it is blended of, [n, 3] each.

    frame: low72, high72, y72 and `component`, the one that fails first within 72 h; machine [n]: codes; p [n, 3]: what the
    model said of its rows; line: of its ripe rows; resamples [B, machines].
    """
    ripe = ~np.isnan(frame["y72"].to_numpy(np.float64))
    component = np.full(line.events, None, dtype=object)
    near = line.event >= 0
    component[line.event[near]] = frame["component"].to_numpy(object)[ripe][near]
    single = dict(singles or {})
    alarmed = (alarms.alarms(line, one[ripe, -1], budget) for one in (p, truth.p, *single.values()))
    found = [~np.isnan(alarms.longest_lead(line, alarm)) for alarm in alarmed]
    missed = ~found[2 + list(single).index(BOOSTERS)] if BOOSTERS in single else None

    def mode(name: str, signs: str, own: npt.NDArray[np.bool_]) -> Mode:

        def share(hit: npt.NDArray[np.bool_], among: npt.NDArray[np.bool_]) -> Interval:
            of = alarms.by_machine(line, among.astype(np.float64))
            drawn = draw(ratio(alarms.by_machine(line, (among & hit).astype(np.float64)), of), resamples)
            return never_certain(drawn.interval(), int((of > 0).sum()))

        told = [share(hit, own) for hit in found]
        rescued = None if missed is None else share(found[0], own & missed)
        return Mode(name, signs, int(own.sum()), told[0], told[1], dict(zip(single, told[2:], strict=True)), rescued)

    modes = [mode(name, signs, component == name) for name, signs in truth.signs.items()]
    seen = np.isin(component.astype(str), [name for name, signs in truth.signs.items() if signs == WINDOWS])
    return Ceiling(
        {name: slope_against(truth.p[:, k], p[:, k], machine, resamples) for k, name in enumerate(HORIZONS)},
        bins_of(p[:, -1], frame["low72"].to_numpy(), frame["high72"].to_numpy(), truth.p[:, -1]),
        budget,
        tuple(one for one in modes if one.failures),
        mode(WINDOWS, WINDOWS, seen) if seen.any() else None,
    )
