"""From a snapshot, its labels and chosen row numbers to the arrays that models are fitted on."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.build import Snapshot
from features.catalog import catalog
from features.errors import BadInput
from features.kinds import MachineKind
from features.lake import Lake
from features.observations import AS_OF
from features.schema import EVENT_TIME, MACHINE
from training.config import GbmConfig
from training.gbm import TrainingRows
from training.labels import label
from training.model import Matrix, Structure
from training.sampling import Sample, sample


def followed(lake: Lake, kind: MachineKind, version_of: dict[str, int]) -> pa.Table:
    """Rows that show how long each machine was watched: its coverage, or where no source stated any, its readings."""
    coverage = lake.read("coverage", version=version_of.get("coverage"))
    if coverage.num_rows:
        return coverage
    name = kind.readings_table
    return lake.read(name, version=version_of.get(name), columns=[MACHINE, EVENT_TIME])


def draw(labels: pd.DataFrame, period: npt.NDArray[np.int64], max_negatives: int | None, seed: int) -> Sample:
    """Rows of a period whose first interval is known, failures all, others sampled."""
    positive, eligible = np.zeros((2, len(labels)), dtype=bool)
    positive[:] = labels["y72"].to_numpy() == 1.0
    eligible[period] = ~np.isnan(labels["y24"].to_numpy()[period])
    return sample(positive, eligible, max_negatives=max_negatives, seed=seed)


def gather(snapshot: Snapshot, rows: npt.NDArray[np.int64]) -> Matrix:
    """float32[rows, features] of ascending row numbers of the snapshot, read bucket by bucket."""
    parts, start = [], 0
    for bucket in snapshot.buckets:
        matrix = snapshot.matrix(bucket)
        inside = rows[(rows >= start) & (rows < start + len(matrix))] - start
        parts.append(np.ascontiguousarray(matrix[inside]))
        start += len(matrix)
    return np.concatenate(parts) if parts else np.empty((0, len(snapshot.features)), dtype=np.float32)


def training_rows(
    snapshot: Snapshot, observations: pa.Table, labels: pd.DataFrame, chosen: Sample, components: tuple[str, ...] = ()
) -> TrainingRows:
    """Everything a model is fitted on, for a sample of the snapshot's rows."""
    specs = catalog(snapshot.kind).specs
    picked = labels.iloc[chosen.rows]
    return TrainingRows(
        x=gather(snapshot, chosen.rows),
        hours_to_failure=picked["hours_to_failure"].to_numpy(),
        followed_hours=picked["followed_hours"].to_numpy(),
        weight=chosen.weight,
        machine=machine_codes(observations)[chosen.rows],
        names=tuple(snapshot.features),
        categorical=tuple(spec.name for spec in specs if spec.categorical),
        hours_to_component=tuple(picked[f"hours_to_{component}"].to_numpy() for component in components),
    )


def machine_codes(observations: pa.Table) -> npt.NDArray[np.int64]:
    """An integer per row that names its machine."""
    column = observations.column(MACHINE)
    return np.asarray(pc.rank(column.cast(pa.string()), tiebreaker="dense").to_numpy(), dtype=np.int64)


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


def predictions_frame(
    lake: Lake, kind: MachineKind, observations: pa.Table, labels: pd.DataFrame, rows: npt.NDArray[np.int64]
) -> pd.DataFrame:
    """Keys, kind, model and labels of the chosen rows; probabilities are added by the caller."""
    chosen = observations.take(pa.array(rows))
    ids = chosen.column(MACHINE).cast(pa.string())
    machines = lake.machines()
    latest = dict(zip(machines.column(MACHINE).to_pylist(), machines.column("model").to_pylist(), strict=True))
    frame = pd.DataFrame({MACHINE: ids.to_pandas(), AS_OF: chosen.column(AS_OF).to_pandas(), "kind": kind.name})
    frame["model"] = [latest.get(name) for name in ids.to_pylist()]
    names = ["y24", "y48", "y72", "followed_hours", "hours_to_failure"]
    return frame.join(labels[names].iloc[rows].reset_index(drop=True))


def labels_of(snapshot: Snapshot, *, components: tuple[str, ...] = ()) -> pd.DataFrame:
    """Labels of a snapshot's observations in its row order, from the lake versions that it was built on.

    Columns as `training.labels.label` gives them. Raises NotFound if the snapshot's lake is gone.
    """
    lake, versions = Lake.open(Path(snapshot.manifest["lake"])), dict(snapshot.manifest["lake_versions"])
    failures = lake.read("failures", version=versions.get("failures"))
    return label(snapshot.observations(), failures, followed(lake, snapshot.kind, versions), components=components)
