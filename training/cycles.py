"""Engines by flight cycle, as models of remaining life see them: standard sensors, smoothed channels, windows, features.

A sensor means something only beside the flight condition it was read under, so it is standardised by condition, fitted on
training engines. Beside it stands its deviation from the engine's own first cycles (no two engines leave the factory alike),
and how long the engine has been in service. Row t of anything here is made of the engine's cycles up to t alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.digest import digest
from features.errors import BadInput
from features.sources.cmapss import SENSORS, Engines
from training.windows import ArrayLayout

Floats = npt.NDArray[np.float64]
Single = npt.NDArray[np.float32]
Whole = npt.NDArray[np.int64]

# Settings are altitude in 1000 ft, Mach number, throttle angle; readings of one condition differ from it by less than this.
GRID = np.array([1.0, 0.05, 1.0])
_AWAY = 3.0
OWN_CYCLES = 10
_SILENT = 1e-4


@dataclass(frozen=True)
class Reference:
    """Mean and standard deviation of each sensor under each flight condition of the training engines.

    sets: the codes of sets are places in it. centres [k, 3]; mean, scale [k, 21]; kept: places of the sensors that move under
    every condition.
    """

    sets: tuple[str, ...]
    centres: Floats
    mean: Floats
    scale: Floats
    kept: Whole

    @classmethod
    def of(cls, engines: Sequence[Engines]) -> "Reference":
        """Fitted on training engines of one or more sets. Raises BadInput if no sensor moves."""
        settings, sensors = np.concatenate([one.settings for one in engines]), np.concatenate([one.sensors for one in engines])
        _, cell = np.unique(np.round(settings / GRID), axis=0, return_inverse=True)
        cells = range(int(cell.max()) + 1)
        centres = np.stack([settings[cell.ravel() == one].mean(axis=0) for one in cells])
        near, _ = _nearest(settings, centres)
        mean = np.stack([sensors[near == one].mean(axis=0) for one in cells])
        scale = np.stack([sensors[near == one].std(axis=0) for one in cells])
        kept = np.flatnonzero((scale > _SILENT).all(axis=0))
        if not len(kept):
            raise BadInput("no sensor moves", where="training engines", mend="check the sensor columns")
        return cls(tuple(one.name for one in engines), centres, mean, scale, kept)

    def standard(self, engines: Engines) -> Floats:
        """[n, kept] sensors in standard deviations of their flight condition. Raises BadInput on a condition never seen."""
        near, away = _nearest(engines.settings, self.centres)
        if (away > _AWAY).any():
            row = int(np.argmax(away > _AWAY))
            what = (
                f"engine {engines.unit[row]} flies at settings {engines.settings[row].tolist()} at cycle {engines.cycle[row]}"
            )
            raise BadInput(f"{what}, as no training engine does", where=engines.name, mend="train on engines that do")
        mean, scale = self.mean[:, self.kept], self.scale[:, self.kept]
        return np.asarray((engines.sensors[:, self.kept] - mean[near]) / scale[near])


def _nearest(settings: Floats, centres: Floats) -> tuple[Whole, Floats]:
    """The nearest condition of each row and how far it is, in steps of GRID."""
    away = np.sqrt((((settings[:, None] - centres) / GRID) ** 2).sum(axis=2))
    near = away.argmin(axis=1)
    return near, away[np.arange(len(near)), near]


@dataclass(frozen=True)
class Fleet:
    """Engines of several sets under each other.

    code: of the set, unit, cycle, row of the engine's first cycle [n]; z: standard sensors [n, kept].
    """

    reference: Reference
    code: Whole
    unit: Whole
    cycle: Whole
    first: Whole
    z: Floats

    @classmethod
    def of(cls, reference: Reference, engines: Sequence[Engines]) -> "Fleet":
        code = np.concatenate([np.full(len(one), reference.sets.index(one.name)) for one in engines])
        cycle = np.concatenate([one.cycle for one in engines])
        first = np.arange(len(cycle)) - cycle + 1
        z = np.concatenate([reference.standard(one) for one in engines])
        return cls(reference, code, np.concatenate([one.unit for one in engines]), cycle, first, z)

    def __len__(self) -> int:
        return len(self.cycle)

    @property
    def last(self) -> Whole:
        """Row of each engine's last cycle."""
        return np.flatnonzero(np.r_[self.first[1:] != self.first[:-1], True])

    @property
    def left(self) -> Whole:
        """[n] cycles to the last one on record: the remaining life where engines ran until they failed."""
        last = self.last
        return np.repeat(self.cycle[last], np.diff(np.r_[-1, last])) - self.cycle

    @property
    def ids(self) -> list[str]:
        """`FD001/17` for each row."""
        names = np.array(self.reference.sets)[self.code]
        return [f"{name}/{unit}" for name, unit in zip(names.tolist(), self.unit.tolist(), strict=True)]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(SENSORS[place] for place in self.reference.kept)

    def each(self, made: Callable[[Floats], Floats]) -> Single:
        """What is made of each engine's z [cycles, kept], under each other."""
        bounds = [*self.first[self.last].tolist(), len(self)]
        parts = [made(self.z[start:end]) for start, end in pairwise(bounds)]
        return np.concatenate(parts).astype(np.float32)

    def belongs(self) -> Single:
        """[n, sets] 1 for the set of the row."""
        return np.eye(len(self.reference.sets), dtype=np.float32)[self.code]


def features(fleet: Fleet) -> tuple[Single, tuple[str, ...]]:
    """What the boosters see: [n, features] and names. Rolling means, deviations from the engine's own first cycles, trends."""
    made = {
        "now": lambda z: z,
        "mean5": lambda z: _mean(z, 5),
        "mean10": lambda z: _mean(z, 10),
        "mean20": lambda z: _mean(z, 20),
        "mean40": lambda z: _mean(z, 40),
        "own": _own,
        "own5": lambda z: _mean(z, 5) - _own(z),
        "own20": lambda z: _mean(z, 20) - _own(z),
        "trend10": lambda z: _trend(z, 10),
        "trend20": lambda z: _trend(z, 20),
        "spread20": _spread,
    }
    parts = [fleet.each(one) for one in made.values()]
    names = [f"{sensor}_{kind}" for kind in made for sensor in fleet.names]
    return np.column_stack([*parts, fleet.cycle, fleet.code]).astype(np.float32), (*names, "cycle", "set")


class Windows:
    """Windows of a fleet, a source for `training.loop`: `steps` moments `stride` cycles apart, the last one the row's own.

    Steps: means over 5 cycles, exponential means of span 30, and of span 10 as deviation from the engine's first cycles; the
    cycle. Static: cycle, set, and how the channels stand and moved at the row.
    """

    def __init__(self, fleet: Fleet, steps: int, stride: int) -> None:
        kinds = {
            "mean5": lambda z: _mean(z, 5),
            "smooth30": lambda z: _smooth(z, 30),
            "own10": lambda z: _smooth(z, 10) - _own(z),
        }
        fixed = {
            "smooth10": lambda z: _smooth(z, 10),
            "smooth30": kinds["smooth30"],
            "own10": kinds["own10"],
            "trend20": lambda z: _trend(z, 20),
        }
        log_cycle = np.log(fleet.cycle)
        channels = np.column_stack([*(fleet.each(one) for one in kinds.values()), log_cycle]).astype(np.float32)
        nothing = np.full((1, channels.shape[1]), np.nan, dtype=np.float32)
        self._channels, self._first = np.concatenate([channels, nothing]), fleet.first
        still = [log_cycle, fleet.cycle, *(fleet.each(one) for one in fixed.values()), fleet.belongs()]
        self._static = np.column_stack(still).astype(np.float32)
        self._back = np.arange(steps - 1, -1, -1) * stride
        self.layout = ArrayLayout(
            (*(f"{sensor}_{kind}" for kind in kinds for sensor in fleet.names), "log_cycle"),
            ("log_cycle", "cycle", *(f"{sensor}_{kind}" for kind in fixed for sensor in fleet.names), *fleet.reference.sets),
            steps,
        )

    @cached_property
    def digest(self) -> str:
        """Names what the windows hold."""
        return digest(self._channels, self._static, self._first, self._back)

    def __len__(self) -> int:
        return len(self._first)

    def take(self, rows: Whole, /) -> tuple[Single, Single]:
        """float32 [n, steps, channels] and [n, static]; steps before the engine's first cycle are NaN."""
        place = rows[:, None] - self._back
        place = np.where(place < self._first[rows][:, None], len(self._channels) - 1, place)
        return self._channels[place], self._static[rows]


# One engine's z [cycles, sensors] to as many rows


def _mean(z: Floats, cycles: int) -> Floats:
    return np.asarray(pd.DataFrame(z).rolling(cycles, min_periods=1).mean().to_numpy())


def _smooth(z: Floats, span: int) -> Floats:
    return np.asarray(pd.DataFrame(z).ewm(span=span).mean().to_numpy())


def _own(z: Floats) -> Floats:
    """The mean of the engine's first cycles, as far as they are known."""
    known = np.minimum(np.arange(1, len(z) + 1), OWN_CYCLES)
    return np.asarray((np.cumsum(z[:OWN_CYCLES], axis=0) / np.arange(1, len(z[:OWN_CYCLES]) + 1)[:, None])[known - 1])


def _trend(z: Floats, cycles: int) -> Floats:
    """How far the mean over so many cycles stands from what it was as many cycles before."""
    mean = _mean(z, cycles)
    return mean - mean[np.maximum(np.arange(len(z)) - cycles, 0)]


def _spread(z: Floats) -> Floats:
    return np.asarray(pd.DataFrame(z).rolling(20, min_periods=2).std().fillna(0.0).to_numpy())
