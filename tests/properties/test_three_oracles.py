"""Every feature of every catalog, computed three times: by the kernels, by Polars, and by a few plain lines of Python.

Histories are irregular, gappy, duplicated, late and corrected. All agree to 1e-6 of the scale and are missing alike; the
kernels give one machine online the bits that they give all machines offline. Nothing here names a feature: a new spec is found
through its catalog, and one with an operation that an oracle does not know fails.
"""

from datetime import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.build import compute
from features.catalog import catalog
from features.clock import micros
from features.history import HOUR, from_tables
from features.kinds import MachineKind
from features.observations import table_of
from features.online import vector
from tests.oracles import polars_catalog, slow
from tests.properties.histories import KINDS, MACHINES, REGULAR, START, Tables, bits, histories, moments

Matrix = np.ndarray


def examples(count: int) -> int:
    """So many by default, more under a profile that searches longer."""
    return round(count * settings.default.max_examples / 100) if settings.default else count


def by_kernels(kind: MachineKind, tables: Tables, machine: np.ndarray, as_of: np.ndarray) -> Matrix:
    return compute(catalog(kind), from_tables(kind, tables, MACHINES), machine, as_of)


def by_polars(kind: MachineKind, tables: Tables, machine: np.ndarray, as_of: np.ndarray, *, bulk: bool = False) -> Matrix:
    observations = table_of(MACHINES, machine.astype(np.int32), as_of)
    found = polars_catalog.features(kind, tables, observations, bulk=bulk)
    assert found.column_names[2:] == catalog(kind).names
    return np.stack([np.array(found.column(name).to_numpy(), dtype=np.float64) for name in catalog(kind).names], axis=1)


def by_plain_python(kind: MachineKind, tables: Tables, looks: list[tuple[str, datetime]]) -> Matrix:
    rows = {name: table.to_pylist() for name, table in tables.items()}
    return np.array([list(slow.features(kind, rows, name, moment).values()) for name, moment in looks])


def differing(kind: MachineKind, found: Matrix, expected: Matrix, scale: Matrix | float = 1.0) -> list[str]:
    """Where two oracles differ by more than 1e-6 of the value or of the scale, in words."""
    alike = np.isclose(found, expected, rtol=1e-6, atol=0) | (np.abs(found - expected) <= 1e-6 * scale)
    wrong = np.argwhere(~(alike | (np.isnan(found) & np.isnan(expected))))
    return [f"{catalog(kind).names[j]} of look {i}: {found[i, j]}, expected {expected[i, j]}" for i, j in wrong[:5]]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@given(data=st.data())
@settings(max_examples=examples(20), deadline=None)
def test_the_oracles_agree(kind: MachineKind, data: st.DataObject) -> None:
    tables = data.draw(histories(kind))
    looks = [(name, moment) for moment in data.draw(st.lists(moments, min_size=1, max_size=4)) for name in MACHINES]
    machine = np.array([MACHINES.index(name) for name, _ in looks])
    as_of = np.array([micros(moment) for _, moment in looks])
    kernels = by_kernels(kind, tables, machine, as_of)
    plain = by_plain_python(kind, tables, looks)
    assert differing(kind, kernels.astype(np.float64), plain) == []
    assert differing(kind, by_polars(kind, tables, machine, as_of), plain) == []
    for place, (name, moment) in enumerate(looks):
        alone = vector(catalog(kind), from_tables(kind, tables, [name]), moment)
        assert np.array_equal(bits(alone), bits(kernels[place]))


@given(data=st.data())
@settings(max_examples=examples(10), deadline=None)
def test_the_peer_in_bulk_agrees(data: st.DataObject) -> None:
    """Windows and cumulative counts over settled rows with the rest merged in: what the bench compares with."""
    tables = data.draw(histories(REGULAR))
    grid = (
        micros(START)
        + np.arange(0, 180, data.draw(st.sampled_from([3, 8]))) * HOUR
        + data.draw(st.sampled_from([0, HOUR // 4]))
    )
    machine, as_of = np.repeat([0, 1], len(grid)), np.tile(grid, 2)
    exact = by_kernels(REGULAR, tables, machine, as_of).astype(np.float64)
    # Running sums keep a rounding error of the largest number that ever went through them.
    assert differing(REGULAR, by_polars(REGULAR, tables, machine, as_of, bulk=True), exact, _scale(tables)) == []


def _scale(tables: Tables) -> float:
    values = [tables[REGULAR.readings_table].column(sensor.name).to_numpy() for sensor in REGULAR.sensors]
    return float(np.nanmax(np.abs(np.concatenate([*values, [1.0]]))))


def test_every_operation_has_its_oracles() -> None:
    in_polars = {op for ops, _ in polars_catalog.FAMILIES for op in ops}
    for kind in KINDS:
        used = {spec.op for spec in catalog(kind).specs}
        assert used - set(slow.OPERATIONS) == set()
        assert used - in_polars == set()
