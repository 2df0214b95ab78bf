"""A fleet in bounded memory: observations, features and labels bucket by bucket, never all at once.

Where a snapshot would not fit (tens of millions of observations), rows are made as they are needed: a sample of them to fit on,
all of them to score.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.build import stream, watched
from features.catalog import Catalog
from features.clock import times
from features.lake import Lake
from features.observations import AS_OF, Grid
from features.schema import EVENT_TIME, MACHINE
from training.config import SamplingConfig
from training.gbm import TrainingRows
from training.labels import HORIZON_HOURS, label
from training.model import Matrix
from training.sampling import thin

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
ROWS_AT_A_TIME = 100_000


@dataclass(frozen=True)
class Chunk:
    """Some observations of one bucket: machine [n] as positions in `Fleet.ids`, as_of [n] microseconds, x [n, features]."""

    observations: pa.Table
    machine: Ints
    as_of: Ints
    x: Matrix


@dataclass(frozen=True)
class Fleet:
    """The machines of one kind in a lake, watched on a grid. The catalog may come from another fleet: that of the training."""

    lake: Lake
    catalog: Catalog
    grid: Grid

    @cached_property
    def machines(self) -> pa.Table:
        """The machines of the kind, by id: the first version of each."""
        rows = self.lake.read("machines")
        rows = rows.filter(pc.equal(rows.column("kind"), self.catalog.kind.name)).sort_by(MACHINE)
        _, first = np.unique(rows.column(MACHINE).to_numpy(zero_copy_only=False).astype(str), return_index=True)
        return rows.take(pa.array(first))

    @cached_property
    def ids(self) -> list[str]:
        return [str(one) for one in self.machines.column(MACHINE).to_pylist()]

    @cached_property
    def failures(self) -> pa.Table:
        return self.lake.read("failures")

    @cached_property
    def coverage(self) -> pa.Table:
        return self.lake.read("coverage")

    @cached_property
    def end(self) -> int:
        """The last moment at which any machine was watched, in microseconds."""
        return int(times(self.coverage, EVENT_TIME).max())

    def chunks(self, chosen: Flags | None = None, *, threads: int = 1) -> Iterator[Chunk]:
        """Observations of the chosen machines (a flag for each of `ids`; None: all) with their features, in a fixed order."""
        view, names = self.lake.at(), pa.array(self.ids, pa.string())
        wanted = None if chosen is None else names.filter(pa.array(chosen))

        def watch(bucket: int) -> pa.Table:
            table = watched(view, self.catalog, bucket, self.grid)
            if wanted is None:
                return table
            column = table.column(MACHINE).combine_chunks()
            inside = pc.is_in(column.dictionary, value_set=wanted).to_numpy(zero_copy_only=False)
            return table.filter(pa.array(inside[column.indices.to_numpy()]))

        for observations, x in stream(self.lake, self.catalog, watch, threads=threads, rows_at_a_time=ROWS_AT_A_TIME):
            column = observations.column(MACHINE).combine_chunks()
            place = np.asarray(pc.index_in(column.dictionary, value_set=names).to_numpy(), dtype=np.int64)
            yield Chunk(observations, place[column.indices.to_numpy()], times(observations, AS_OF), x)

    def labels(self, chunk: Chunk, horizon_hours: tuple[float, ...] = HORIZON_HOURS) -> pd.DataFrame:
        """What followed each observation of a chunk: see `training.labels`."""
        return label(chunk.observations, self.failures, self.coverage, horizon_hours=horizon_hours)


def training_rows(
    fleet: Fleet,
    config: SamplingConfig,
    chosen: Flags | None = None,
    *,
    until: int | None = None,
    seed: int,
    threads: int = 1,
    progress: Callable[[int], None] | None = None,
) -> TrainingRows:
    """A sample of the chosen machines' observations up to `until` (microseconds), weighted so that the prior is restored.

    Whether a row is kept depends on its stratum, which is known at as_of, and on whether a failure is near; its weight is the
    inverse of the probability with which it was kept.
    """
    random = np.random.default_rng(seed)
    horizons = tuple(sorted({*HORIZON_HOURS, max(config.near_failure_hours, HORIZON_HOURS[-1])}))
    names = tuple(fleet.catalog.names)
    kept: list[tuple[Matrix, Floats, Floats, Floats, Ints, Ints]] = []
    for chunk in fleet.chunks(chosen, threads=threads):
        labels = fleet.labels(chunk, horizons)
        share = shares(config, names, chunk.x)
        to_failure = labels["hours_to_failure"].to_numpy()
        share[to_failure <= config.near_failure_hours] = 1.0
        share[np.isnan(labels["y24"].to_numpy())] = 0.0
        if until is not None:
            share[chunk.as_of > until] = 0.0
        drawn = thin(share, seed=random)
        rows = drawn.rows
        followed = labels["followed_hours"].to_numpy()[rows]
        keys = chunk.machine[rows], chunk.as_of[rows]
        kept.append((np.ascontiguousarray(chunk.x[rows]), to_failure[rows], followed, drawn.weight, *keys))
        if progress is not None:
            progress(len(chunk.as_of))
    x = np.concatenate([part[0] for part in kept])
    to_failure, followed, weight, machine, moments = (np.concatenate(column) for column in list(zip(*kept, strict=True))[1:])
    categorical = tuple(spec.name for spec in fleet.catalog.specs if spec.categorical)
    return TrainingRows(x, to_failure, followed, weight, machine, names, categorical, moments=moments)


def shares(config: SamplingConfig, names: tuple[str, ...], x: Matrix) -> Floats:
    """[n] the share of rows to keep of each row's stratum: the first one that it belongs to."""
    share = np.full(len(x), config.share)
    for stratum in reversed(config.strata):
        value = x[:, names.index(stratum.feature)]
        # NaN belongs to no stratum.
        inside = (value >= stratum.at_least) & (value <= stratum.at_most)
        share[inside] = stratum.share
    return share


def counted(say: Callable[[str], None]) -> Callable[[int], None]:
    """Says how many observations have passed, every two million."""
    passed = 0

    def count(rows: int) -> None:
        nonlocal passed
        before, passed = passed, passed + rows
        if passed // 2_000_000 > before // 2_000_000:
            say(f"{passed:,} observations")

    return count
