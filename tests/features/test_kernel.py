"""What the kernels hold from one observation to the next never shows. Their values: tests/properties/test_three_oracles.py."""

from datetime import timedelta

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
from features.schema import readings
from tests.properties.histories import (
    KINDS,
    MACHINES,
    REGULAR,
    START,
    bits,
    breaks_law,
    features_of,
    histories,
    known_by,
    table,
)


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
    entity = table.column_names[0]
    rows = {(row[entity], row["event_time"]): row | {"recorded_at": row["event_time"]} for row in table.to_pylist()[::-1]}
    return pa.Table.from_pylist(list(rows.values()), schema=table.schema)


@given(seed=st.integers(0, 10_000), hour=st.integers(20, 160))
@settings(max_examples=30, deadline=None)
def test_rows_that_are_not_known_move_no_bit(seed: int, hour: int) -> None:
    """Large numbers that nearly cancel: another order of additions shows. No hidden row may decide how a window is added up."""
    random = np.random.default_rng(seed)
    hours = np.concatenate([np.flatnonzero(random.random(170) < 0.97), random.choice(170, 5)])  # gaps and corrections
    delays = np.where(random.random(len(hours)) < 0.85, 0.0, random.choice([0.25, 3.0, 30.0], len(hours))).tolist()
    numbers = np.where(hours % 2, 1e17, -1e17)[:, None] + random.normal(0, 1e3, (len(hours), 2))
    rows = [("m1", at, delay, *pair) for at, delay, pair in zip(hours.tolist(), delays, numbers.tolist(), strict=True)]
    tables = {REGULAR.readings_table: table(readings(REGULAR), rows, ["heat", "shake"])}
    as_of = START + timedelta(hours=hour)
    assert breaks_law(features_of(catalog(REGULAR)), tables, as_of).size == 0
    # What an earlier observation held shows as little.
    moments = micros(as_of) - np.arange(12, -1, -1) * 1_800_000_000
    run = compute(catalog(REGULAR), from_tables(REGULAR, tables, MACHINES), np.zeros(13, dtype=np.int64), moments)
    alone = features_of(catalog(REGULAR))(known_by(tables, as_of), as_of)
    assert np.array_equal(bits(run[-1]), bits(alone[0]))
