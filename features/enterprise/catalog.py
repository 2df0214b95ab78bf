"""The ordered features of enterprises, and the hash that names their definition."""

import hashlib
import json
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import numpy.typing as npt

from features.catalog import FOREVER
from features.enterprise import (
    accidents,
    cases,
    exposure,
    hazards,
    industry,
    inspections,
    kernel,
    machine,
    people,
    spending,
    static,
    violations,
)
from features.enterprise.columns import GROUP_LAYOUTS, LAYOUTS
from features.enterprise.derived import CALENDAR, FUNCTIONS
from features.enterprise.directions import direction
from features.enterprise.spec import EnterpriseSpec, Whose
from features.errors import BadInput
from features.history import HOUR
from features.kinds import MachineKind
from features.schema import ENTERPRISE

# The families of enterprises, in the order of the catalog. A new family is one line here, a new feature one spec in a family.
FAMILIES = (static, exposure, industry, cases, accidents, hazards, inspections, violations, people, spending, machine)
# What a snapshot, a bundle and a champion of enterprises go by in place of a machine kind.
EVERY = MachineKind(name="enterprise", words_en="enterprise", words_zh="企业", sensors=())
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Plan:
    """The features that the kernel computes from one table in one call; program: see `kernel.row_stats`."""

    table: str
    whose: Whose
    names: tuple[str, ...]
    windows: Ints
    program: Ints


@dataclass(frozen=True)
class Catalog:
    """The features of enterprises in a fixed order. parts: all that is computed, hidden ones among them."""

    parts: tuple[EnterpriseSpec, ...]
    kind: MachineKind = EVERY

    def __post_init__(self) -> None:
        names = [spec.name for spec in self.parts]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise BadInput(f"features share a name: {', '.join(twice)}", where="the catalog of enterprises", mend="rename one")

    @property
    def entity(self) -> str:
        return ENTERPRISE

    @cached_property
    def specs(self) -> tuple[EnterpriseSpec, ...]:
        return tuple(spec for spec in self.parts if not spec.hidden)

    @cached_property
    def names(self) -> list[str]:
        return [spec.name for spec in self.specs]

    @cached_property
    def directions(self) -> dict[str, int]:
        """+1: more of it never lowers a price, -1: never raises it, 0: free (features/enterprise/directions.py)."""
        return {name: direction(name).sign for name in self.names}

    @cached_property
    def charged(self) -> list[str]:
        """The features that the price score may use."""
        return [name for name in self.names if direction(name).charged]

    @cached_property
    def categorical(self) -> list[str]:
        return [spec.name for spec in self.specs if spec.categorical]

    @cached_property
    def hash(self) -> str:
        """Twelve hex digits over the specs, their directions and the kernel's version."""
        told = [[spec.document() for spec in self.parts], self.directions, self.charged]
        return hashlib.sha256(json.dumps([kernel.VERSION, *told], sort_keys=True).encode()).hexdigest()[:12]

    @cached_property
    def plans(self) -> tuple[Plan, ...]:
        """What the kernel computes, table by table."""
        groups: dict[tuple[str, Whose], list[EnterpriseSpec]] = {}
        for spec in self.parts:
            if spec.table:
                groups.setdefault((spec.table, spec.whose), []).append(spec)
        return tuple(_plan(table, whose, specs) for (table, whose), specs in groups.items())

    @cached_property
    def derived(self) -> tuple[EnterpriseSpec, ...]:
        """What is made of other features, each after those that it is made of. Raises KeyError for one that there is not."""
        done = {spec.name for spec in self.parts if spec.table or spec.op in CALENDAR}
        left = [spec for spec in self.parts if spec.name not in done]
        found: list[EnterpriseSpec] = []
        while left:
            ready = [spec for spec in left if done.issuperset(spec.of)]
            if not ready or any(spec.op not in FUNCTIONS for spec in ready):
                raise KeyError(f"not to be computed: {', '.join(spec.name for spec in left)}")
            found += ready
            done |= {spec.name for spec in ready}
            left = [spec for spec in left if spec.name not in done]
        return tuple(found)


def _plan(table: str, whose: Whose, specs: list[EnterpriseSpec]) -> Plan:
    layout = LAYOUTS[table] if whose == "enterprise" else GROUP_LAYOUTS[table]
    windows = sorted({_micros(spec.window_hours) for spec in specs})
    program = [
        (
            kernel.OPS.index(spec.op),
            *(layout.names.index(name) if name else -1 for name in (spec.column, spec.second, spec.select)),
            windows.index(_micros(spec.window_hours)),
            int(spec.newest),
        )
        for spec in specs
    ]
    names = tuple(spec.name for spec in specs)
    return Plan(table, whose, names, np.array(windows, dtype=np.int64), np.array(program, dtype=np.int64))


def _micros(hours: float | None) -> int:
    return FOREVER if hours is None else round(hours * HOUR)


@cache
def catalog() -> Catalog:
    """The catalog of enterprises."""
    return Catalog(tuple(spec for family in FAMILIES for spec in family.specs()))
