"""From a snapshot and its lake to the arrays that models are fitted on and judged by."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.build import Snapshot
from features.build_pooled import READINGS, kinds_among
from features.catalog import catalog
from features.clock import Micros, times
from features.errors import BadInput
from features.kinds import MachineKind
from features.lake import Lake
from features.observations import AS_OF
from features.pooled import EVERY
from features.schema import EVENT_TIME, MACHINE
from features.sequences import Windows, windows
from features.view import View
from training.config import GbmConfig
from training.gbm import TrainingRows
from training.labels import HORIZON_HOURS, label
from training.manifest import Facts
from training.model import Matrix, Structure
from training.prediction import Prediction
from training.sampling import Sample, sample

TARGETS = ("y24", "y48", "y72")
FEWEST = 10  # failing machines that a kind needs for a model of its own
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Past:
    """A snapshot's observations with what its lake knows of failures and of how long each machine was watched."""

    snapshot: Snapshot
    observations: pa.Table
    failures: pa.Table
    watched: pa.Table
    view: View
    _windows: dict[float, Windows] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, snapshot: Snapshot, lake: Lake) -> "Past":
        """Read at the lake versions that the snapshot was built on. Raises BadInput if it was built on another lake."""
        snapshot.check_lake(lake.id)
        view = lake.at(snapshot.manifest["lake_versions"])
        watched = _watched(view, kinds_of(snapshot.kind, view.versions))
        return cls(snapshot, snapshot.observations(), view.read("failures"), watched, view)

    @cached_property
    def as_of(self) -> Micros:
        return times(self.observations, AS_OF)

    def windows(self, hours: float, *, threads: int = 1) -> Windows:
        """Windows of all observations in their order, for the networks; gathered once, whoever asks.

        Raises BadInput for a snapshot of several kinds: their readings have no channel in common.
        """
        if hours not in self._windows:
            if self.snapshot.kind == EVERY:
                mend = "leave [network] out of the experiment, or train the kinds one by one"
                raise BadInput("the readings of several kinds make no windows", where="snapshot of kind pooled", mend=mend)
            self._windows[hours] = windows(self.view, self.snapshot.kind, self.observations, hours=hours, threads=threads)
        return self._windows[hours]

    def labels(
        self,
        *,
        known_until: int | None = None,
        lag_hours: float = 0.0,
        components: tuple[str, ...] = (),
        horizon_hours: tuple[float, ...] = HORIZON_HOURS,
    ) -> pd.DataFrame:
        """Labels of all observations, as they were known at a moment (microseconds; less a reporting lag) or are now."""
        until = None if known_until is None else moment(known_until)
        return label(
            self.observations, self.failures, self.watched,
            known_until=until, reporting_lag_hours=lag_hours, components=components, horizon_hours=horizon_hours,
        )  # fmt: skip

    def rows(
        self,
        period: Rows,
        *,
        known_until: int,
        max_negatives: int | None,
        seed: int,
        lag_hours: float = 0.0,
        components: tuple[str, ...] = (),
    ) -> TrainingRows:
        """What to fit on in a period, labelled as known at `known_until`: all failures and a sample of the other rows."""
        labels = self.labels(known_until=known_until, lag_hours=lag_hours, components=components)
        chosen = sampled(labels, period, max_negatives=max_negatives, seed=seed)
        picked = labels.iloc[chosen.rows]
        return TrainingRows(
            x=gather(self.snapshot, chosen.rows),
            hours_to_failure=picked["hours_to_failure"].to_numpy(),
            followed_hours=picked["followed_hours"].to_numpy(),
            weight=chosen.weight,
            machine=machine_codes(self.observations)[chosen.rows],
            names=tuple(self.snapshot.features),
            categorical=tuple(spec.name for spec in catalog(self.snapshot.kind).specs if spec.categorical),
            hours_to_component=tuple(picked[f"hours_to_{component}"].to_numpy() for component in components),
            at=chosen.rows,
        )

    def facts(self, trained_on: Rows, calibrated_on: Rows, params: dict[str, Any]) -> Facts:
        """Where a model of these rows comes from."""
        return Facts(
            kind=self.snapshot.kind,
            snapshot_id=self.snapshot.id,
            lake_versions=self.snapshot.manifest["lake_versions"],
            train_from=moment(self.as_of[trained_on].min()),
            train_until=moment(self.as_of[trained_on].max()),
            calibrated_until=moment(self.as_of[np.concatenate([trained_on, calibrated_on])].max()),
            created_at=datetime.now(UTC),
            params=params,
            kinds=tuple(kinds_of(self.snapshot.kind, self.snapshot.manifest["lake_versions"])),
        )


def labels_of(snapshot: Snapshot, *, components: tuple[str, ...] = ()) -> pd.DataFrame:
    """Labels of a snapshot's observations in its row order, from the lake versions that it was built on.

    Columns as `training.labels.label` gives them. Raises NotFound if the snapshot's lake is gone.
    """
    return Past.of(snapshot, Lake.open(snapshot.lake)).labels(components=components)


def sampled(labels: pd.DataFrame, period: Rows, *, max_negatives: int | None, seed: int) -> Sample:
    """Of the rows of a period that are ripe in the first interval all failures and a sample of the others."""
    positive, eligible = np.zeros((2, len(labels)), dtype=bool)
    positive[:] = labels["y72"].to_numpy() == 1.0
    eligible[period] = ~np.isnan(labels["y24"].to_numpy()[period])
    return sample(positive, eligible, max_negatives=max_negatives, seed=seed)


def moment(micros: int) -> datetime:
    """Microseconds since 1970 as an aware time."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(micros))


def gather(snapshot: Snapshot, rows: Rows) -> Matrix:
    """float32[rows, features] of ascending row numbers of the snapshot, read bucket by bucket."""
    parts, start = [], 0
    for bucket in snapshot.buckets:
        matrix = snapshot.matrix(bucket)
        inside = rows[(rows >= start) & (rows < start + len(matrix))] - start
        parts.append(np.ascontiguousarray(matrix[inside]))
        start += len(matrix)
    return np.concatenate(parts) if parts else np.empty((0, len(snapshot.features)), dtype=np.float32)


def machine_codes(observations: pa.Table) -> Rows:
    """An integer per row that names its machine."""
    column = observations.column(MACHINE)
    return np.asarray(pc.rank(column.cast(pa.string()), tiebreaker="dense").to_numpy(), dtype=np.int64)


def check_enough(rows: TrainingRows, kind: MachineKind) -> None:
    """Raises BadInput where so few machines of a kind failed that a model of its own would know little but them."""
    failing = len(np.unique(rows.machine[rows.hours_to_failure <= HORIZON_HOURS[-1]]))
    if failing < FEWEST and kind != EVERY:
        what = f"only {failing} failing machine{'' if failing == 1 else 's'} in the training period, {FEWEST} are needed"
        mend = "bring in more history, or let `forewarn train machine --kind pooled` learn from all kinds together"
        raise BadInput(what, where=f"kind {kind.name}", mend=mend)


def kinds_of(kind: MachineKind, versions: Mapping[str, int]) -> list[str]:
    """The kinds of a snapshot's machines."""
    return kinds_among(versions) if kind == EVERY else [kind.name]


def _watched(view: View, kinds: list[str]) -> pa.Table:
    """Rows that show how long each machine was watched: its coverage, or where no source stated any, its readings."""
    columns = [MACHINE, EVENT_TIME]
    coverage = view.read("coverage", columns=columns)
    covered = coverage.column(MACHINE).combine_chunks()
    machines = view.read("machines")
    found = [coverage]
    for kind in kinds:
        of_kind = machines.filter(pc.equal(machines.column("kind"), kind)).column(MACHINE)
        if not pc.all(pc.is_in(of_kind, value_set=covered), min_count=0).as_py():
            seen = view.read(f"{READINGS}{kind}", columns=columns)
            found.append(seen.filter(pc.invert(pc.is_in(seen.column(MACHINE), value_set=covered))))
    return pa.concat_tables(found)


def structure_of(kind: MachineKind, config: GbmConfig) -> Structure:
    """The views of a kind's components: what is its own first, the same quantity at the same place, then what they share.

    A component's own columns are those of its maintenance and of the sensors and error codes that the config gives it. Columns
    that no booster may split on are left out.
    Raises BadInput if a component owns something that another has no counterpart of.
    """
    components = config.components
    if not components:
        return Structure(intervals=config.intervals)
    owned = [(one.code, *one.own) for one in components]
    slots: list[dict[tuple[object, ...], int]] = [{} for _ in owned]
    shared = []
    for index, spec in enumerate(catalog(kind).specs):
        owners = [(number, names.index(spec.column)) for number, names in enumerate(owned) if spec.column in names]
        if not owners:
            shared.append(index)
        for number, place in owners:
            slots[number][(spec.table, spec.op, place, spec.window_hours, spec.against_hours)] = index
    for number, component in enumerate(components):
        lacking = set(slots[0]) ^ set(slots[number])
        if lacking or not slots[0]:
            raise BadInput(
                f"component {component.code} and {components[0].code} do not own the same sorts of columns",
                where="gbm.components", mend="give each component as many sensors and error codes, in the same order",
            )  # fmt: skip
    names = catalog(kind).names
    kept = [key for key, index in slots[0].items() if _seen(names[index], config)]
    shared = [index for index in shared if _seen(names[index], config)]
    views = tuple((*(part[key] for key in kept), *shared) for part in slots)
    return Structure(intervals=config.intervals, views=views)


def _seen(name: str, config: GbmConfig) -> bool:
    return any(booster.sees(name) for booster in config.boosters)


def predictions_frame(past: Past, lake: Lake, rows: Rows, said: Prediction) -> pd.DataFrame:
    """Keys, kind, model, labels, the component that fails (None without a failure), and probabilities of the chosen rows."""
    chosen = past.observations.take(pa.array(rows))
    ids = chosen.column(MACHINE).cast(pa.string())
    machines = lake.machines()
    frame = pd.DataFrame({MACHINE: ids.to_pandas(), AS_OF: chosen.column(AS_OF).to_pandas()})
    for column in ("kind", "model"):
        latest = dict(zip(machines.column(MACHINE).to_pylist(), machines.column(column).to_pylist(), strict=True))
        frame[column] = [latest.get(name) for name in ids.to_pylist()]
    components = tuple(component.code for component in past.snapshot.kind.components)
    labels = past.labels(components=components).iloc[rows].reset_index(drop=True)
    frame = frame.join(labels[[*TARGETS, "followed_hours", "hours_to_failure"]]).assign(component=_first(labels, components))
    probabilities = {name: said.p[:, k] for k, name in enumerate(("p24", "p48", "p72"))}
    return frame.assign(**probabilities, low72=said.low[:, -1], high72=said.high[:, -1])


def _first(labels: pd.DataFrame, components: tuple[str, ...]) -> npt.NDArray[np.object_]:
    """Of each row the component that fails at `hours_to_failure`; of several at one moment the last one declared."""
    found = np.full(len(labels), None, dtype=object)
    for component in components:
        found[labels[f"hours_to_{component}"].to_numpy() == labels["hours_to_failure"].to_numpy()] = component
    return found
