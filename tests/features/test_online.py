"""One machine at a time gives the bits of the whole bucket, whether its history comes from the lake or from a request."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.build import compute
from features.catalog import catalog
from features.clock import in_order, micros, times
from features.history import from_tables, reference_series
from features.kinds import MachineKind
from features.online import history_from_request, vector
from features.schema import EVENT_TIME, FIXED, MACHINE, RECORDED_AT, readings
from tests.properties.histories import KINDS, MACHINES, Tables, bits, histories, moments


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_online_is_offline_to_the_last_bit(kind: MachineKind, data: st.DataObject) -> None:
    wanted = catalog(kind)
    tables: Tables = data.draw(histories(kind))
    looks: list[datetime] = data.draw(st.lists(moments, min_size=1, max_size=3))
    entity = np.repeat(np.arange(len(MACHINES)), len(looks))
    as_of = np.array([micros(moment) for moment in looks] * len(MACHINES))
    offline = compute(wanted, from_tables(kind, tables, MACHINES), entity, as_of)
    for place, (machine, moment) in enumerate(zip(entity, looks * len(MACHINES), strict=True)):
        name = MACHINES[machine]
        alone = vector(wanted, from_tables(kind, tables, [name]), moment)
        assert np.array_equal(bits(alone), bits(offline[place]))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_a_posted_history_gives_the_same_bits(kind: MachineKind, data: st.DataObject) -> None:
    wanted = catalog(kind)
    tables: Tables = data.draw(histories(kind))
    moment: datetime = data.draw(moments)
    # A request carries one row of the machine, not its versions.
    tables["machines"] = tables["machines"].group_by(MACHINE, use_threads=False).aggregate(
        [(name, "first") for name in tables["machines"].column_names if name != MACHINE]
    ).rename_columns(tables["machines"].column_names)  # fmt: skip
    for name in MACHINES:
        stored = vector(wanted, from_tables(kind, tables, [name]), moment)
        peers = reference_series(kind, tables.get(kind.reference_table)) if kind.reference else None
        posted = vector(wanted, history_from_request(kind, payload(kind, tables, name), peers), moment)
        assert np.array_equal(bits(stored), bits(posted))


def payload(kind: MachineKind, tables: Tables, machine: str) -> dict[str, Any]:
    """One machine's rows in the form in which serving hands over a request."""
    contracts = [*(FIXED[name] for name in FIXED if name in tables), readings(kind)]
    posted = {}
    for contract in contracts:
        rows = in_order(tables[contract.name], contract)
        rows = rows.filter(pa.compute.equal(rows.column(contract.entity), machine))
        columns: dict[str, Any] = {clock: times(rows, clock) for clock in (EVENT_TIME, RECORDED_AT)}
        for column in contract.own:
            values = rows.column(column.name)
            columns[column.name] = np.array(values.to_numpy()) if column.type == pa.float64() else values.to_pylist()
        posted[contract.name] = columns
    row = {name: values[0] for name, values in posted.pop("machines").items()} | {"machine_id": machine}
    return {"machine": row, "tables": posted}


def test_an_empty_request_has_only_static_features() -> None:
    kind = KINDS[0]
    row = {"machine_id": "x", "model": "A2", "age_hours": 5.0, "capacity": None, "event_time": 0, "recorded_at": 0}
    found = vector(catalog(kind), history_from_request(kind, {"machine": row}), datetime(1970, 1, 2, tzinfo=UTC))
    named = dict(zip(catalog(kind).names, found.tolist(), strict=True))
    assert named["machine_age"] == 29.0
    assert named["machine_model"] == 1.0
    assert np.isnan(named["heat_last"])
    assert named["events_count_3h"] == 0.0
