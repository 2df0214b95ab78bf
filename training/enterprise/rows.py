"""From a snapshot of enterprises and its lake to rows of periods: exposure announced, accidents that came."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from features.clock import Micros, times
from features.enterprise.catalog import catalog
from features.enterprise.columns import HOURS_PER_WORKER_YEAR
from features.enterprise.rules import Roll
from features.errors import BadInput
from features.lake import Lake
from features.observations import AS_OF
from features.schema import ENTERPRISE, RECORDED_AT
from features.snapshots import Snapshot
from training.enterprise.parts import DAYS, EDGES, EXPOSURE, INTERVAL, STRETCHES, Floats, Matrix, Rows, with_interval
from training.frequency import CountRows
from training.labels import HORIZON_DAYS, accidents_ahead

BASIS = "hours_worked"
SHORTEST = 1.0  # a row followed for less than a day says nothing


@dataclass(frozen=True)
class Past:
    """A snapshot's observations and features, with what its lake knows of accidents and exposures, as it knew them when.

    currencies, regions: of enterprises, by id; one that is not there has the usual currency, and no region that is known.
    claims, policies: what the lake holds of them; None: not read.
    """

    snapshot: Snapshot
    observations: pa.Table
    x: Matrix
    accidents: pa.Table
    exposures: pa.Table
    known_until: int
    currencies: Mapping[str, str] = field(default_factory=dict)
    regions: Mapping[str, str] = field(default_factory=dict)
    claims: pa.Table | None = None
    policies: pa.Table | None = None

    @classmethod
    def of(cls, snapshot: Snapshot, lake: Lake) -> "Past":
        """Read at the lake versions that the snapshot was built on. Raises BadInput if it was built on another lake."""
        snapshot.check_lake(lake.id)
        view = lake.at(snapshot.manifest["lake_versions"])
        accidents, exposures = view.read("accidents"), view.read("exposures")
        if not exposures.num_rows:
            mend = "import the hours worked of each enterprise"
            raise BadInput("no exposure at all", where="lake, table exposures", mend=mend)
        known = max(int(times(one, RECORDED_AT).max()) for one in (accidents, exposures) if one.num_rows)
        matrix = np.ascontiguousarray(snapshot.matrix())
        roll, enterprises = Roll(), view.read("enterprises")
        roll.learn(enterprises)
        told = zip(enterprises.column(ENTERPRISE).to_pylist(), enterprises.column("region").to_pylist(), strict=True)
        regions = {one: region for one, region in told if region}
        return cls(
            snapshot, snapshot.observations(), matrix, accidents, exposures, known, roll.currency, regions,
            view.read("claims"), view.read("policies"),
        )  # fmt: skip

    @cached_property
    def as_of(self) -> Micros:
        return times(self.observations, AS_OF)

    @cached_property
    def enterprise(self) -> Rows:
        """A code of each row's enterprise [n]."""
        column = self.observations.column(ENTERPRISE).unify_dictionaries().combine_chunks()
        return np.asarray(column.indices.to_numpy(), dtype=np.int64)

    @cached_property
    def ids(self) -> npt.NDArray[np.object_]:
        """The enterprise of each row [n]."""
        return np.asarray(self.observations.column(ENTERPRISE).cast(pa.string()).to_numpy(), dtype=object)

    @cached_property
    def exposure(self) -> Floats:
        """Worker-years per year [n], as announced at as_of."""
        return self.x[:, self.snapshot.features.index(EXPOSURE)].astype(np.float64)

    @cached_property
    def step_days(self) -> float:
        """Days from one observation of an enterprise to its next."""
        return float(self.snapshot.manifest["grid"]["every_hours"]) / 24.0

    def labels(self, known_until: int | None = None, *, lag_days: float) -> pd.DataFrame:
        """What came after each row, as known at a moment (microseconds) or now; exposure in worker-years."""
        until = moment(self.known_until if known_until is None else known_until)
        found = accidents_ahead(
            self.observations, self.accidents, self.exposures,
            known_until=until, basis=BASIS, horizon_days=HORIZON_DAYS, reporting_lag_days=lag_days,
        )  # fmt: skip
        for days in HORIZON_DAYS:
            found[f"exposure{days:g}"] /= HOURS_PER_WORKER_YEAR
        return found

    def counted(self, rows: Rows, labels: pd.DataFrame) -> CountRows:
        """Rows x intervals, as far as each was followed: exposure announced for that part, accidents that came in it.

        The last feature is the number of the interval. An accident is told by several rows: once in each interval, and by each
        row whose interval it falls into; they share its weight, so that weights sum to accidents.
        """
        parts = [self._interval(rows, labels, number) for number in range(len(HORIZON_DAYS))]
        joined = [np.concatenate([part[place] for part in parts]) for place in range(5)]
        x, exposure, count, group, weight = joined
        names = (*self.snapshot.features, INTERVAL)
        known = set(catalog().categorical)
        categorical = tuple(place for place, name in enumerate(names) if name in known)
        return CountRows(x, names, categorical, exposure, count, group.astype(np.int64), weight)

    def _interval(
        self, rows: Rows, labels: pd.DataFrame, number: int
    ) -> tuple[Matrix, Floats, Floats, npt.NDArray[np.int64], Floats]:
        followed, came = (between(labels, name, number)[rows] for name in ("followed", "accidents"))
        kept = followed >= SHORTEST
        at = rows[kept]
        length = EDGES[number + 1] - EDGES[number]
        weight = np.full(len(at), min(1.0, self.step_days / length) / STRETCHES)
        exposure = self.exposure[at] * followed[kept] / DAYS
        return with_interval(self.x[at], number), exposure, came[kept], self.enterprise[at], weight


def between(labels: pd.DataFrame, name: str, number: int) -> Floats:
    """A cumulated label's part in one interval; 0 where nothing was followed."""
    upper = np.nan_to_num(labels[f"{name}{HORIZON_DAYS[number]:g}"].to_numpy(np.float64))
    if number == 0:
        return np.asarray(upper)
    return np.asarray(upper - np.nan_to_num(labels[f"{name}{HORIZON_DAYS[number - 1]:g}"].to_numpy(np.float64)))


def moment(micros: int) -> datetime:
    """Microseconds since 1970 as an aware datetime."""
    return datetime.fromtimestamp(micros // 1_000_000, UTC).replace(microsecond=int(micros % 1_000_000))
