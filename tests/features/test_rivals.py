"""What an import reads of the table: every version that its rows may meet, and little else."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import datafiles, delta
from features.datafiles import Reader
from features.lake import Lake
from features.rivals import rivals
from features.schema import MACHINES, TableContract
from tests.features.plant import NOW, READINGS, Rows, batch, machine, reading, source

NAMES = [f"m{number}" for number in range(6)]
CELLS = st.lists(st.tuples(st.sampled_from([*NAMES, "new"]), st.integers(0, 30)), max_size=12)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> delta.Frozen:
    """Six machines over 24 hours, in two imports of twelve; the fifth hour corrected. Row groups of 5 rows."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(datafiles, "ROW_GROUP", 5)
        lake = Lake.open(tmp_path_factory.mktemp("lake"), create=True, buckets=1)
        lake.ingest(source((MACHINES, [machine(name) for name in NAMES])), imported_at=NOW)
        for first in (0, 12):
            rows = [reading(name, hour, 1.0) for name in NAMES for hour in range(first, first + 12)]
            lake.ingest(source((READINGS, rows)), imported_at=NOW)
        lake.ingest(source((READINGS, [reading(name, 5, 2.0) for name in NAMES])), imported_at=NOW)
    table = lake.current(READINGS)
    assert table is not None
    return table


def incoming(contract: TableContract, rows: Rows) -> object:
    table = batch(contract, [{**row, "recorded_at": row["event_time"]} for row in rows]).table
    return table.select(contract.arrow.names).cast(contract.arrow)


@settings(deadline=None)
@given(CELLS)
def test_all_versions_of_the_cells_and_no_others(stored: delta.Frozen, cells: list[tuple[str, int]]) -> None:
    rows = [reading(name, hour, 9.0) for name, hour in cells]
    table = incoming(READINGS, rows) if rows else READINGS.arrow.empty_table()
    found = rivals(stored, 0, table, READINGS)
    expected = [
        (name, hour, oil)
        for name, hour in set(cells)
        if name in NAMES and hour < 24
        for oil in ((1.0, 2.0) if hour == 5 else (1.0,))
    ]
    start = rows[0]["event_time"].replace(day=1, hour=0) if rows else None
    told = [(row["machine_id"], (row["event_time"] - start).total_seconds() / 3600, row["oil"]) for row in found.to_pylist()]
    assert sorted(told) == sorted(expected)


@pytest.mark.parametrize(("hour", "keys", "rows"), [(30, 0, 0), (3, 3, 3), (3.5, 3, 0)])
def test_contents_are_decoded_only_where_a_key_is_met(
    stored: delta.Frozen, monkeypatch: pytest.MonkeyPatch, hour: float, keys: int, rows: int
) -> None:
    read, seen = Reader.read, []
    monkeypatch.setattr(
        Reader,
        "read",
        lambda self, schema, where, groups: seen.append((len(schema), len(groups))) or read(self, schema, where, groups),
    )
    rivals(stored, 0, incoming(READINGS, [reading("m2", hour, 9.0)]), READINGS)
    of_keys = [groups for columns, groups in seen if columns == 2]
    of_rows = [groups for columns, groups in seen if columns == len(READINGS.arrow)]
    assert (sum(of_keys), sum(of_rows)) == (keys, rows)
    assert len(of_keys) + len(of_rows) == len(seen)


def test_a_table_without_time_in_its_key(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake", create=True, buckets=1)
    lake.ingest(source((MACHINES, [machine(name) for name in NAMES])), imported_at=NOW)
    table = lake.current(MACHINES)
    assert table is not None
    moved = [machine(name) | {"event_time": NOW} for name in ("m1", "m4", "zz")]
    whole = [{column.name: row.get(column.name) for column in MACHINES.columns} for row in moved]
    found = rivals(table, 0, incoming(MACHINES, whole), MACHINES)
    assert sorted(found.column("machine_id").to_pylist()) == ["m1", "m4"]
    assert np.unique(found.column("event_time").to_numpy()).size == 1
