"""Every feature of every catalog, computed three times: by the kernels, by Polars, and by a few plain lines of Python.

Histories are irregular, gappy, duplicated, late and corrected. All agree to 1e-6 of the scale and are missing alike; the
kernels give one machine online the bits that they give all machines offline. Nothing here names a feature: a new spec is found
through its catalog, and one with an operation that an oracle does not know fails.
"""

from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from features.build import compute
from features.catalog import Catalog, catalog, pooled
from features.clock import micros
from features.history import HOUR, from_tables
from features.observations import table_of
from features.online import vector
from tests.oracles import pandas_catalog, polars_catalog, slow
from tests.properties.histories import KINDS, MACHINES, REGULAR, START, Tables, bits, histories, moments

Matrix = np.ndarray
# Shrinking takes minutes and tells little more than the feature's name in the message.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
WANTED = [made(kind) for made in (catalog, pooled) for kind in KINDS]
# Medians have no short cut, and the bench's kind has none.
HOURLY = REGULAR.model_copy(update={"name": "hourly", "past_hours": None})
WHOSE = [f"{'pooled' if wanted.base else 'own'}-{wanted.kind.name}" for wanted in WANTED]


def examples(count: int) -> int:
    """So many by default, more under a profile that searches longer."""
    return round(count * settings.default.max_examples / 100) if settings.default else count


def by_kernels(wanted: Catalog, tables: Tables, machine: np.ndarray, as_of: np.ndarray) -> Matrix:
    return compute(wanted, from_tables(wanted.kind, tables, MACHINES), machine, as_of)


def by_polars(wanted: Catalog, tables: Tables, machine: np.ndarray, as_of: np.ndarray, *, bulk: bool = False) -> Matrix:
    observations = table_of(MACHINES, machine.astype(np.int32), as_of)
    return _matrix(wanted, polars_catalog.features(wanted, tables, observations, bulk=bulk))


def _matrix(wanted: Catalog, found: pa.Table) -> Matrix:
    assert found.column_names[2:] == wanted.names
    return np.stack([np.array(found.column(name).to_numpy(), dtype=np.float64) for name in wanted.names], axis=1)


def by_plain_python(wanted: Catalog, tables: Tables, looks: list[tuple[str, datetime]]) -> Matrix:
    rows = {name: table.to_pylist() for name, table in tables.items()}
    found = [slow.features(wanted, rows, name, moment) for name, moment in looks]
    return np.array([[one[name] for name in wanted.names] for one in found])


def differing(wanted: Catalog, found: Matrix, expected: Matrix, scale: float = 1.0) -> list[str]:
    """Where two oracles differ by more than 1e-6 of the value or of the scale, in words."""
    alike = np.isclose(found, expected, rtol=1e-6, atol=1e-6 * scale, equal_nan=True)
    return [f"{wanted.names[j]} of look {i}: {found[i, j]}, expected {expected[i, j]}" for i, j in np.argwhere(~alike)[:5]]


@pytest.mark.parametrize("wanted", WANTED, ids=WHOSE)
@given(data=st.data())
@settings(max_examples=examples(16), deadline=None, phases=PHASES)
def test_the_oracles_agree(wanted: Catalog, data: st.DataObject) -> None:
    tables = data.draw(histories(wanted.kind))
    looks = [(name, moment) for moment in data.draw(st.lists(moments, min_size=1, max_size=4)) for name in MACHINES]
    machine = np.array([MACHINES.index(name) for name, _ in looks])
    as_of = np.array([micros(moment) for _, moment in looks])
    kernels = by_kernels(wanted, tables, machine, as_of)
    plain = by_plain_python(wanted, tables, looks)
    assert differing(wanted, kernels.astype(np.float64), plain) == []
    assert differing(wanted, by_polars(wanted, tables, machine, as_of), plain) == []
    for place, (name, moment) in enumerate(looks):
        alone = vector(wanted, from_tables(wanted.kind, tables, [name]), moment)
        assert np.array_equal(bits(alone), bits(kernels[place]))


@given(data=st.data())
@settings(max_examples=examples(10), deadline=None, phases=PHASES)
def test_the_peers_of_the_bench_agree(data: st.DataObject) -> None:
    """Windows and cumulative counts over settled rows with the rest merged in, by Polars and by pandas."""
    wanted = catalog(HOURLY)
    tables = data.draw(histories(HOURLY))
    step, phase = data.draw(st.sampled_from([(3, 0), (3, HOUR // 4), (8, 0)]))
    grid = micros(START) + phase + np.arange(0, 180, step) * HOUR
    machine, as_of = np.repeat([0, 1], len(grid)), np.tile(grid, 2)
    exact = by_kernels(wanted, tables, machine, as_of).astype(np.float64)
    # Running sums keep a rounding error of the largest number that ever went through them.
    scale = _scale(tables)
    assert differing(wanted, by_polars(wanted, tables, machine, as_of, bulk=True), exact, scale) == []
    found = pandas_catalog.features(wanted, tables, table_of(MACHINES, machine.astype(np.int32), as_of))
    assert differing(wanted, _matrix(wanted, found), exact, scale) == []


def _scale(tables: Tables) -> float:
    values = [tables[HOURLY.readings_table].column(sensor.name).to_numpy() for sensor in HOURLY.sensors]
    return float(np.nanmax(np.abs(np.concatenate([*values, [1.0]]))))


def test_every_operation_has_its_oracles() -> None:
    in_polars = {op for ops, _ in polars_catalog.FAMILIES for op in ops}
    for wanted in WANTED:
        used = {spec.op for spec in (wanted.base or wanted).specs}
        assert used - set(slow.OPERATIONS) == set()
        assert used - in_polars == set()
