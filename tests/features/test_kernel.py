"""What the kernels hold from one observation to the next never shows. Their values: tests/properties/test_three_oracles.py."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.build import compute
from features.catalog import catalog
from features.clock import micros
from features.history import from_tables
from features.kinds import MachineKind
from features.schema import MACHINE
from tests.properties.histories import KINDS, MACHINES, START, bits, histories


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_a_run_of_observations_is_each_of_them_alone(kind: MachineKind, data: st.DataObject) -> None:
    """What a kernel holds from one observation to the next never shows; punctual histories hold the most."""
    tables = data.draw(histories(kind))
    if data.draw(st.booleans()):
        tables = {name: punctual(table) for name, table in tables.items()}
    history = from_tables(kind, tables, MACHINES)
    moments = micros(START) + np.arange(0, 180 * 4, data.draw(st.sampled_from([1, 5]))) * 900_000_000
    entity, as_of = np.repeat([0, 1, -1], len(moments)), np.tile(moments, 3)
    together = compute(catalog(kind), history, entity, as_of)
    for place in data.draw(st.lists(st.integers(0, len(as_of) - 1), min_size=20, max_size=20)):
        alone = compute(catalog(kind), history, entity[place : place + 1], as_of[place : place + 1])
        assert np.array_equal(bits(alone[0]), bits(together[place]))
    assert np.isnan(together[entity < 0]).all()


def punctual(table: pa.Table) -> pa.Table:
    """The same rows, each known from its own time on; of several at one time the first stays."""
    rows = {(row[MACHINE], row["event_time"]): row | {"recorded_at": row["event_time"]} for row in table.to_pylist()[::-1]}
    return pa.Table.from_pylist(list(rows.values()), schema=table.schema)
