"""Windows for the networks: a machine's readings step by step up to a moment, as they were known at that moment.

A step is a known reading; the last step of every window is `as_of` itself, without a reading. Windows are gathered from tapes
(`features.tapes`) by one kernel, offline for many observations and online for one, to the same bits. In this order a step has

ago_hours               hours from the step to as_of: 0 at the last step. It is missing where there is no step, and only there
gap_hours               hours since the step before, also where that one lies before the window; missing for a first reading
service_hours           the machine's age at the step; from its start of observation on where its age then is not known
sensor:S                the reading, in the sensor's unit; sign(x) log(1 + |x|) for counters that are written on change
own:S                   its distance from the machine's own level, the mean of the sensor's first `baseline` known numbers;
                        missing where the history begins more than a window after the machine's start, cut short
age_hours:C             hours since component C was last new; missing before it was ever renewed
load, running           share of rated load; 1 while the machine runs, 0 while it is stopped, as they stood at the step
mode:M, shift:S         1 for the mode (shift) that stood at the step, 0 for the others; missing before any is known
ambient_temperature_c, humidity_pct     as they stood at the step
error:E, action:A, maintenance:C        how often it came since the step before

A kind has the channels that it declares; codes that it does not declare are counted nowhere. Static covariates, as of as_of:

age_hours, observed_hours, capacity     of the machine's row; model:M is 1 for its model
made_days, season_*, weekday_*          of the kind's `calendar`: day of manufacture since 1970; sine and cosine of the season
failures, failures:C                    how many failures the machine has had, in all and of component C
"""

import hashlib
import json
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features import engine, kernel_sequences
from features.clock import NEVER, micros
from features.datafiles import Ids
from features.digest import digest
from features.errors import BadInput
from features.history import HOUR, TABLES, History, Ints, ever_of_kind, from_tables, vocabulary
from features.kernel_tapes import Shape, Tapes
from features.kinds import MachineKind
from features.observations import entities
from features.schema import MACHINE
from features.settings import settings
from features.tapes import COUNTED, joined, sensor_columns, tapes_of
from features.view import View

Matrix = npt.NDArray[np.float32]
MOST_STEPS = 100_000  # of the longest window that a layout may have
BASELINE = 10  # numbers of a sensor that make up the machine's own level
READINGS_AT_A_TIME = 60_000  # that are loaded


@dataclass(frozen=True)
class Layout:
    """What a window of a kind holds. hash names the channels, their meaning and the kind's declaration.

    names: the channels of a step; static: the static covariates; both in a fixed order. steps: the longest window, `as_of`
    included; a window of more readings than fit holds the newest. window_hours: readings of (as_of - window_hours, as_of] are
    looked at. baseline: how many numbers make up a machine's own level of a sensor.
    """

    names: tuple[str, ...]
    static: tuple[str, ...]
    steps: int
    window_hours: float
    baseline: int
    hash: str


class Batch(NamedTuple):
    """Windows of n observations.

    steps: float32[n, steps, channels], right-aligned: the last step is as_of, NaN is missing, and steps before the first known
    reading of the window are NaN throughout. In memory a channel lies along the steps: `steps.swapaxes(1, 2)` is C-contiguous.
    static: float32[n, covariates].
    """

    steps: Matrix
    static: Matrix

    @property
    def known(self) -> Ints:
        """int64[n]: how many steps of each window are real, as_of included; 0 for an unknown machine."""
        return np.asarray((~np.isnan(self.steps[:, :, 0])).sum(axis=1), dtype=np.int64)


@lru_cache(maxsize=64)
def layout(kind: MachineKind, hours: float = 168.0, *, baseline: int = BASELINE) -> Layout:
    """The layout of windows of so many hours. Raises BadInput where the window holds no reading, or too many."""
    if not (math.isfinite(hours) and hours > 0 and kind.period_hours <= hours <= MOST_STEPS * kind.period_hours):
        mend = f"choose hours from {kind.period_hours:g} (one reading) to {MOST_STEPS * kind.period_hours:g}"
        raise BadInput(f"a window of {hours:g} hours", where=f"kind {kind.name}", mend=mend)
    if baseline < 1:
        raise BadInput(f"a baseline of {baseline} readings", where=f"kind {kind.name}", mend="choose 1 or more")
    # As many readings as a window holds, and as_of; where readings hold until the next, the one that held at its begin.
    steps = math.ceil(hours / kind.period_hours) + (1 if kind.sampling == "regular" else 2)
    names, static = _names(kind), _static(kind)
    document = [kernel_sequences.VERSION, kind.digest, names, static, steps, hours, baseline]
    name = hashlib.sha256(json.dumps(document).encode()).hexdigest()[:12]
    return Layout(tuple(names), tuple(static), steps, float(hours), baseline, name)


def _names(kind: MachineKind) -> list[str]:
    sensors = [name for name, _, _ in sensor_columns(kind)]
    names = ["ago_hours", "gap_hours", "service_hours"]
    names += [f"{what}:{name}" for what in ("sensor", "own") for name in sensors]
    names += [f"age_hours:{term.code}" for term in kind.components]
    if kind.operated:
        names += ["load", "running"]
    names += [f"mode:{term.code}" for term in kind.modes] + [f"shift:{term.code}" for term in kind.shifts]
    if kind.environment:
        names += ["ambient_temperature_c", "humidity_pct"]
    return names + [f"{word}:{code}" for table, word in COUNTED.items() for code in vocabulary(kind, table)]


def _static(kind: MachineKind) -> list[str]:
    names = ["age_hours", "observed_hours", "capacity", *(f"model:{model}" for model in kind.models)]
    names += ["made_days"] if "made" in kind.calendar else []
    for sort in ("season", "weekday"):
        names += [f"{sort}_sin", f"{sort}_cos"] if sort in kind.calendar else []
    return [*names, "failures", *(f"failures:{term.code}" for term in kind.components)]


def _shape(kind: MachineKind, wanted: Layout) -> Shape:
    return Shape(
        steps=wanted.steps,
        span=round(wanted.window_hours * HOUR),
        baseline=wanted.baseline,
        holds=int(kind.sampling == "on_change"),
        sensors=len(sensor_columns(kind)),
        components=len(kind.components),
        operated=int(kind.operated),
        modes=len(kind.modes),
        shifts=len(kind.shifts),
        environment=int(kind.environment),
        points=sum(len(vocabulary(kind, table)) for table in COUNTED),
        models=len(kind.models),
        season=int("season" in kind.calendar),
        weekday=int("weekday" in kind.calendar),
        made=int("made" in kind.calendar),
    )


class Windows:
    """Windows of many observations over the tapes of their machines; no two of them share memory until they are taken."""

    def __init__(self, kind: MachineKind, wanted: Layout, tapes: Tapes, entity: Ints, as_of: Ints, *, threads: int = 1) -> None:
        """entity: int64[n], a machine of the tapes or -1. as_of: int64[n], microseconds. Raises BadInput on another kind."""
        _check(kind, wanted)
        if len(entity) != len(as_of) or (len(entity) and np.max(entity) >= len(tapes.readings.offsets) - 1):
            raise ValueError("an entity is the place of a machine, one for each as_of")
        self.layout = wanted
        self._shape, self._tapes, self._threads = _shape(kind, wanted), tapes, threads
        self._entity = np.array(entity, dtype=np.int64)
        self._as_of = np.array(as_of, dtype=np.int64)
        machines, sensors = len(tapes.readings.offsets) - 1, self._shape.sensors
        self._own = np.empty((machines, sensors)), np.empty(machines, dtype=np.int64), np.empty(machines, dtype=np.int64)
        kernel_sequences.settle(tapes.readings, wanted.baseline, *self._own)
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def __len__(self) -> int:
        return len(self._as_of)

    def take(self, rows: Ints, /, into: Batch | None = None) -> Batch:
        """The windows of some observations, in the order of `rows`. into: a batch of that size to write to, else a new one."""
        entity, as_of = self._entity[rows], self._as_of[rows]
        batch = empty(self.layout, len(as_of)) if into is None else into
        self._check_room(batch, len(as_of))
        cuts = np.linspace(0, len(as_of), self._threads + 1).astype(np.int64).tolist()
        if self._pool is None or len(as_of) < 2 * self._threads:
            cuts = [0, len(as_of)]

        def part(bounds: tuple[int, int]) -> None:
            cut = slice(*bounds)
            look = (entity[cut], as_of[cut], batch.steps[cut].swapaxes(1, 2), batch.static[cut])
            kernel_sequences.gather(self._tapes, self._shape, *self._own, *look)

        # All are waited for: list() raises what a thread raised.
        list(map(part, pairwise(cuts)) if len(cuts) == 2 or self._pool is None else self._pool.map(part, pairwise(cuts)))
        return batch

    def _check_room(self, batch: Batch, n: int) -> None:
        # The kernel writes where it is told to.
        shapes = (n, self.layout.steps, len(self.layout.names)), (n, len(self.layout.static))
        if tuple(part.shape for part in batch) != shapes or any(part.dtype != np.float32 for part in batch):
            raise ValueError(f"the batch to write to must be float32 of shapes {shapes}")
        if not batch.steps.swapaxes(1, 2).flags.c_contiguous:
            raise ValueError("the batch to write to must be made by `empty`")

    @property
    def held_bytes(self) -> int:
        """What is kept in memory, all in all."""
        arrays = [array for tape in self._tapes for array in tape]
        return sum(array.nbytes for array in (*arrays, *self._own, self._entity, self._as_of))

    @cached_property
    def digest(self) -> str:
        """Names what the windows hold."""
        return digest(*(array for tape in self._tapes for array in tape), self._entity, self._as_of)


def empty(wanted: Layout, n: int) -> Batch:
    """Room for n windows, not yet written."""
    steps = np.empty((n, len(wanted.names), wanted.steps), dtype=np.float32)
    return Batch(steps.swapaxes(1, 2), np.empty((n, len(wanted.static)), dtype=np.float32))


def windows(
    view: View,
    kind: MachineKind,
    observations: pa.Table,
    *,
    hours: float = 168.0,
    baseline: int = BASELINE,
    threads: int | None = None,
) -> Windows:
    """Windows of observations (machine_id, as_of) from the lake, in their order; their machines are loaded group by group.

    threads: of loading, and of `Windows.take`. Raises BadInput as `layout` does.
    """
    wanted = layout(kind, hours, baseline=baseline)
    threads = settings().threads if threads is None else threads
    names = sorted(str(one) for one in pc.unique(observations.column(MACHINE)).to_pylist())
    loaded: list[str] = []
    # As in `build`: Arrow's own pools keep what threads free, group after group.
    pa.set_memory_pool(pa.system_memory_pool())

    def parts() -> Iterator[Tapes]:
        for ids, tapes in engine.run(lambda group: _load(view, kind, *group), _groups(view, kind, names), threads=threads):
            loaded.extend(ids)
            yield tapes

    tapes = joined(parts(), kind)
    return Windows(kind, wanted, tapes, *entities(observations, loaded), threads=threads)


def over(
    kind: MachineKind,
    history: History,
    entity: Ints,
    as_of: Ints,
    *,
    hours: float = 168.0,
    baseline: int = BASELINE,
    threads: int = 1,
) -> Windows:
    """Windows over a history that is in memory. entity: int64[n], a machine of the history or -1. as_of: microseconds."""
    return Windows(kind, layout(kind, hours, baseline=baseline), tapes_of(kind, history), entity, as_of, threads=threads)


def one(wanted: Layout, kind: MachineKind, history: History, as_of: datetime) -> Batch:
    """The window of the first (usually only) machine of `history`, n = 1: the same bits as offline.

    Raises BadInput if the layout is not the kind's, or the history of another kind.
    """
    _check(kind, wanted)
    tapes, shape, batch = tapes_of(kind, history), _shape(kind, wanted), empty(wanted, 1)
    machines = len(tapes.readings.offsets) - 1
    # Nothing is settled: levels are made for this moment.
    moment, entity = np.full(1, micros(as_of)), np.zeros(1, dtype=np.int64)
    own = np.empty((machines, shape.sensors)), np.empty(machines, dtype=np.int64), np.full(machines, NEVER)
    kernel_sequences.gather(tapes, shape, *own, entity, moment, batch.steps.swapaxes(1, 2), batch.static)
    return batch


def _check(kind: MachineKind, wanted: Layout) -> None:
    present = layout(kind, wanted.window_hours, baseline=wanted.baseline)
    if present == wanted:
        return
    unknown = sorted(set(wanted.names + wanted.static) ^ set(present.names + present.static))
    what = f"windows of layout {wanted.hash}, but this declaration of the kind gives {present.hash}"
    what += f" (only one of them has {', '.join(unknown)})" if unknown else ""
    raise BadInput(what, where=f"kind {kind.name}", mend="use the declaration that the model was trained with, or train again")


def _groups(view: View, kind: MachineKind, names: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Machines by bucket, as many at a time as have READINGS_AT_A_TIME readings."""
    buckets = view.buckets_of(names)
    for bucket in sorted(set(buckets.tolist())):
        ids = np.array(names)[buckets == bucket].tolist()
        highs = [high for _, high in view.groups(kind.readings_table, bucket, READINGS_AT_A_TIME)][:-1]
        cuts = [0, *np.searchsorted(ids, highs, side="right").tolist(), len(ids)]
        yield from ((bucket, ids[low:high]) for low, high in pairwise(cuts) if low < high)


def _load(view: View, kind: MachineKind, bucket: int, ids: list[str]) -> tuple[list[str], Tapes]:
    between: Ids = (ids[0], ids[-1])
    tables = {name: view.read(name, buckets=[bucket], between=between) for name in (*TABLES, kind.readings_table)}
    tables["machines"] = ever_of_kind(tables["machines"], kind)
    history = from_tables(kind, tables, ids)
    return history.machine_ids, tapes_of(kind, history)
