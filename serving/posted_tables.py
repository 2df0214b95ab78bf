"""A posted history as contract tables, for whoever looks at its rows one by one."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from features import schema
from features.kinds import MachineKind
from features.schema import EVENT_TIME, RECORDED_AT, TableContract

TABLES = ("readings", "events", "maintenance", "failures", "operations", "environment")


def contract_tables(kind: MachineKind, payload: Mapping[str, Any]) -> dict[str, pa.Table]:
    """The rows of a checked request's payload, in its order, by contract name."""
    machine = payload["machine"]
    columns = {name: [value] for name, value in machine.items()} | {"kind": [kind.name]}
    contracts = [*(schema.FIXED[name] for name in TABLES[1:]), schema.readings(kind)]
    found = {one.name: _as_table(payload["tables"].get(one.name, {}), one, machine) for one in contracts}
    return found | {schema.MACHINES.name: _as_table(columns, schema.MACHINES, machine)}


def _as_table(columns: Mapping[str, Any], contract: TableContract, machine: Mapping[str, Any]) -> pa.Table:
    rows = len(columns.get(EVENT_TIME, ()))
    made = []
    for field in contract.arrow:
        if field.name == contract.entity:
            made.append(pa.repeat(pa.scalar(machine["machine_id"], field.type), rows))
        elif field.name in columns:
            stamps = field.name in (EVENT_TIME, RECORDED_AT)
            values = pa.array(columns[field.name], pa.int64() if stamps else field.type, from_pandas=True)
            made.append(values.cast(field.type))
        else:
            made.append(pa.nulls(rows, field.type))
    return pa.table(made, schema=contract.arrow)
