"""The slow oracle: every feature of a kind from lists of dicts, one plain function for each operation.

Written from the words of the catalog, not from the kernels. A row is known at `as_of` when it happened and was recorded by then
and no later version of its key was. An operation that stands in a catalog and not in `OPERATIONS` fails the tests.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from features.catalog import Catalog
from features.kinds import MachineKind
from features.schema import FIXED, MACHINE, TableContract, readings, reference
from tests.oracles.slow_equal import EQUAL
from tests.oracles.slow_look import Look, Operation, Row
from tests.oracles.slow_peers import PEERS
from tests.oracles.slow_points import POINTS, STATIC
from tests.oracles.slow_pooled import put_together
from tests.oracles.slow_states import STATES
from tests.oracles.slow_steps import STEPPED, TOGETHER
from tests.oracles.slow_windows import WINDOWED

OPERATIONS: dict[str, Operation] = WINDOWED | EQUAL | PEERS | STEPPED | TOGETHER | STATES | POINTS | STATIC
# Actions of maintenance after which the same part goes on.
KEEPING = {"inspect", "inspection", "check", "clean", "lubricate", "adjust"}


def features(wanted: Catalog, tables: Mapping[str, Sequence[Row]], machine: str, as_of: datetime) -> dict[str, float]:
    """Every feature of a machine at `as_of` by name; NaN missing. tables: rows by contract name, all versions, in any order."""
    if wanted.base is not None:
        return put_together(wanted, features(wanted.base, tables, machine, as_of))
    look = Look(wanted.kind, as_of, known(wanted.kind, tables, machine, as_of), wanted.specs)
    return {spec.name: OPERATIONS[spec.op](look, spec) for spec in wanted.specs}


def known(kind: MachineKind, tables: Mapping[str, Sequence[Row]], machine: str, as_of: datetime) -> dict[str, list[Row]]:
    """What was known of a machine: of each key the version recorded last among those that happened and were recorded.

    Of the reference table, which speaks of groups of machines, every row that was known.
    """
    found = {}
    own = {kind.readings_table: ("readings", readings(kind)), kind.reference_table: ("reference", reference(kind))}
    for table, rows in tables.items():
        name, contract = own.get(table) or (table, FIXED[table])
        newest: dict[tuple[Any, ...], Row] = {}
        for row in sorted(rows, key=lambda row: row["recorded_at"]):
            if row.get(MACHINE, machine) == machine and row["event_time"] <= as_of and row["recorded_at"] <= as_of:
                newest[_key(contract, row)] = row
        mine = sorted(newest.values(), key=lambda row: row["event_time"])
        found[name] = mine
    renewed = [row for row in found.get("maintenance", []) if (row["action"] or "").lower() not in KEEPING]
    both = [*renewed, *found.get("failures", [])]
    return found | {"replacements": sorted(both, key=lambda row: row["event_time"])}


def _key(contract: TableContract, row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in contract.key)
