"""The ordered features of a machine kind, and the hash that names their definition."""

import hashlib
import json
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Protocol

import numpy as np

from features import environment, equal_load, events, kernel, maintenance, operations, peers, sensors, static
from features import pooled as kind_free
from features.errors import BadInput
from features.history import HOUR, Ints, columns_of, vocabulary
from features.kernel_equal import EQUAL_OPS
from features.kernel_peers import PEER_OPS
from features.kernel_points import POINT_OPS
from features.kernel_states import STATE_OPS
from features.kernel_steps import STEP_OPS
from features.kernel_windows import WINDOW_OPS
from features.kinds import MachineKind
from features.schema import MACHINE
from features.spec import FeatureSpec

# The families of machines, in the order of the catalog. A new family is one line here, a new feature one spec in a family.
FAMILIES = (sensors, equal_load, peers, operations, environment, events, maintenance, static)
# A window that reaches back to the beginning of all records.
FOREVER = 1 << 61


class Definition(Protocol):
    """The features of a kind of machine, or of enterprises, as a snapshot needs to know them."""

    @property
    def kind(self) -> MachineKind: ...
    @property
    def names(self) -> list[str]: ...
    @property
    def hash(self) -> str: ...
    @property
    def entity(self) -> str: ...


@dataclass(frozen=True)
class Plan:
    """The features that one kernel computes from one table in one call.

    program: int64[features, 4] of operation, column, window, second window. target: the output row of each.
    """

    table: str
    kernel: str
    windows: Ints
    program: Ints
    target: Ints


@dataclass(frozen=True)
class Catalog:
    """The features of a kind in a fixed order. base: what the kernels compute, where `specs` are put together from it."""

    kind: MachineKind
    specs: tuple[FeatureSpec, ...]
    base: "Catalog | None" = None

    def __post_init__(self) -> None:
        names = self.names
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            mend = "rename the sensor, code, component, mode or action"
            raise BadInput(f"features share a name: {', '.join(twice)}", where=f"kind {self.kind.name}", mend=mend)

    @property
    def entity(self) -> str:
        return MACHINE

    @cached_property
    def names(self) -> list[str]:
        return [spec.name for spec in self.specs]

    @cached_property
    def hash(self) -> str:
        """Twelve hex digits over the specs, the kernel's version and the kind; kind-free features have one for all kinds."""
        whose = self.kind.digest if self.base is None else kind_free.FAMILY
        document = [kernel.VERSION, whose, [spec.document() for spec in self.specs]]
        return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:12]

    @cached_property
    def plans(self) -> tuple[Plan, ...]:
        """The catalog (or its base) as programs for the kernels."""
        if self.base is not None:
            return self.base.plans
        groups: dict[tuple[str, str], list[int]] = {}
        for index, spec in enumerate(self.specs):
            groups.setdefault((spec.table, kernel_of(spec.op)), []).append(index)
        return tuple(self._plan(table, name, indices) for (table, name), indices in groups.items())

    def _plan(self, table: str, name: str, indices: list[int]) -> Plan:
        # Like operations side by side: the kernel's branches are then foreseen.
        indices = sorted(indices, key=lambda index: (OPS[name].index(self.specs[index].op), index))
        chosen = [self.specs[index] for index in indices]
        spans = {_micros(spec.window_hours) for spec in chosen}
        windows = sorted(spans | {_micros(spec.against_hours) for spec in chosen if spec.against_hours is not None})
        columns = vocabulary(self.kind, table) if name == "points" else columns_of(self.kind, table)
        # "All together" is the place after the last code; the step kernel calls it -1.
        everything = len(columns) if name == "points" else -1
        program = [
            (
                OPS[name].index(spec.op),
                columns.index(spec.column) if spec.column else everything,
                windows.index(_micros(spec.window_hours)),
                windows.index(_micros(spec.against_hours)) if spec.against_hours is not None else 0,
            )
            for spec in chosen
        ]
        return Plan(
            table,
            name,
            np.array(windows, dtype=np.int64),
            np.array(program, dtype=np.int64).reshape(-1, 4),
            np.array(indices, dtype=np.int64),
        )


STATIC_OPS = ("age", "observed", "age_at_start", "model", "make", "capacity", "season", "weekday", "date", "made")
OPS = {
    "windows": WINDOW_OPS,
    "equal": EQUAL_OPS,
    "steps": STEP_OPS,
    "points": POINT_OPS,
    "states": STATE_OPS,
    "peers": PEER_OPS,
    "static": STATIC_OPS,
}


def kernel_of(op: str) -> str:
    """Which kernel knows an operation. Raises KeyError on one that none knows."""
    for name, ops in OPS.items():
        if op in ops:
            return name
    raise KeyError(f"no kernel computes {op!r}")


def _micros(hours: float | None) -> int:
    return FOREVER if hours is None else round(hours * HOUR)


@cache
def catalog(kind: MachineKind) -> Catalog:
    """The catalog of a machine kind; of `pooled.EVERY` the kind-free features."""
    if kind == kind_free.EVERY:
        return pooled(kind)
    return Catalog(kind, tuple(spec for family in FAMILIES for spec in family.specs(kind)))


@cache
def pooled(kind: MachineKind) -> Catalog:
    """The kind-free features, computed for machines of a kind: the same names and the same hash for every kind."""
    return Catalog(kind, kind_free.specs(), base=Catalog(kind, kind_free.base_specs(kind)))
