"""What a snapshot's lake knows: how long each machine was watched."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from features.build import build
from features.lake import Lake
from features.observations import Grid
from features.schema import COVERAGE, MACHINE, MACHINES, TableContract, readings
from tests.properties.histories import REGULAR
from training.rows import labels_of

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 10


def rows(contract: TableContract, **columns: list[object]) -> pa.Table:
    return pa.table({name: pa.array(values, contract.arrow.field(name).type) for name, values in columns.items()})


def test_a_machine_without_coverage_was_watched_until_its_last_reading_whatever_others_have(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake", create=True, buckets=1)
    lake.put_kind(REGULAR)
    moments = [START + timedelta(days=day) for day in range(DAYS)]
    for contract, table in (
        (MACHINES, rows(MACHINES, machine_id=["a", "b"], event_time=[START] * 2, kind=[REGULAR.name] * 2)),
        (readings(REGULAR), rows(readings(REGULAR), machine_id=["a"] * DAYS + ["b"] * DAYS, event_time=moments * 2)),
        (COVERAGE, rows(COVERAGE, machine_id=["a"], event_time=[moments[5]])),
    ):
        lake.append_rows(contract, table, START + timedelta(days=99), "test")
    snapshot = build(lake, REGULAR.name, Grid(), home=tmp_path, threads=1)
    keys = snapshot.to_pandas([])
    assert (keys[MACHINE] == "a").sum() == 5
    assert (keys[MACHINE] == "b").sum() == DAYS
    labels = labels_of(snapshot)
    ripe = keys[labels["y24"].notna()]
    assert ripe.groupby(MACHINE).size().to_dict() == {"a": 5, "b": DAYS - 1}
