"""The lake end to end: accounts that balance, reruns that change nothing, corrections, versions, kills and second writers."""

import fcntl
import signal
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import clock
from features.account import TableCount
from features.errors import BadInput, Conflict, NotFound
from features.kinds import MachineKind, Sensor
from features.lake import Lake
from features.schema import EVENTS, MACHINES, readings
from features.sources.reader import Batch, Source

START = datetime(2023, 1, 1, tzinfo=UTC)
NOW = datetime(2024, 1, 1, tzinfo=UTC)
KIND = MachineKind(
    name="press",
    words_en="press",
    words_zh="压力机",
    sensors=(Sensor(name="oil", unit="°C", low=-40, high=150, words_en="oil", words_zh="油温"),),
)
READINGS = readings(KIND)
Rows = list[dict[str, Any]]


def hours(count: float) -> datetime:
    return START + timedelta(hours=count)


def machine(name: str) -> dict[str, Any]:
    return {"machine_id": name, "event_time": START, "kind": "press", "model": "A"}


def reading(name: str, hour: float, oil: float | None, **more: Any) -> dict[str, Any]:
    return {"machine_id": name, "event_time": hours(hour), "oil": oil, **more}


def event(name: str) -> dict[str, Any]:
    return {"machine_id": name, "event_time": START, "code": "E1"}


def source(*tables: tuple[Any, Rows], name: str = "plant") -> Source:
    def batches() -> Iterator[Batch]:
        for contract, rows in tables:
            # pylist takes its columns from the first row; a column that some rows lack must still be there.
            names = list(dict.fromkeys(key for row in rows for key in row))
            table = pa.table({key: [row.get(key) for row in rows] for key in names})
            yield Batch(contract, table, f"{contract.name}.csv", np.arange(1, len(rows) + 1))

    return Source(name, (KIND,), batches)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake", create=True, buckets=4)


def counts(count: TableCount) -> tuple[int, int, int, int, int]:
    return count.rows_in, count.accepted, count.corrected, count.duplicate, count.quarantined


FLEET = (MACHINES, [machine("m1"), machine("m2")])


def test_rows_come_back_in_order_with_both_clocks(lake: Lake) -> None:
    # Readings before machines in the source, and out of order: neither matters.
    rows = [reading("m2", 1, 2.0), reading("m1", 3, None), reading("m1", 1, 1.0)]
    lake.ingest(source((READINGS, rows), FLEET), imported_at=NOW)
    table = lake.read("readings_press")
    assert table.schema == READINGS.arrow
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        ("m1", hours(1), hours(1), 1.0),
        ("m1", hours(3), hours(3), None),
        ("m2", hours(1), hours(1), 2.0),
    ]
    assert lake.tables() == ["machines", "readings_press"]


def test_every_row_is_accounted_for(lake: Lake) -> None:
    same_hour = [reading("m1", 1, oil) for oil in (1.0, 1.0, 5.0)]
    rows = [*same_hour, reading("m1", 2, 999.0), reading("ghost", 1, 1.0)]
    account = lake.ingest(source(FLEET, (READINGS, rows)), imported_at=NOW)
    assert counts(account.tables["readings_press"]) == (5, 1, 1, 1, 2)
    assert counts(account.total) == (7, 3, 1, 1, 2)
    assert lake.accounts() == [account.document()]
    stored = lake.quarantined(table="readings_press").to_pylist()
    assert [(row["file"], row["row"], row["column"], row["reason"], row["value"]) for row in stored] == [
        ("readings_press.csv", 4, "oil", "above 150 °C", "999"),
        ("readings_press.csv", 5, "machine_id", "unknown machine", "ghost"),
    ]
    assert {(row["source"], row["imported_at"]) for row in stored} == {("plant", NOW)}


def test_a_rerun_changes_nothing_and_counts_everything(lake: Lake) -> None:
    plant = source(FLEET, (READINGS, [reading("m1", 1, 1.0), reading("m1", 1, 2.0), reading("m1", 2, 999.0)]))
    lake.ingest(plant, imported_at=NOW)
    before, versions = lake.read("readings_press"), lake.versions()
    again = lake.ingest(plant, imported_at=NOW + timedelta(days=1))
    assert counts(again.tables["readings_press"]) == (3, 0, 0, 2, 1)
    assert lake.read("readings_press").equals(before)
    assert lake.versions() == versions
    assert lake.quarantined().num_rows == 1
    assert len(lake.accounts()) == 2


def test_a_correction_is_a_new_row_and_history_before_it_stays(lake: Lake) -> None:
    lake.ingest(source(FLEET, (READINGS, [reading("m1", 1, 1.0)])), imported_at=NOW)
    later = NOW + timedelta(days=30)
    account = lake.ingest(source((READINGS, [reading("m1", 1, 7.0)])), imported_at=later)
    assert counts(account.total) == (1, 0, 1, 0, 0)
    table = lake.read("readings_press")
    assert [(row["recorded_at"], row["oil"]) for row in table.to_pylist()] == [(hours(1), 1.0), (later, 7.0)]
    for as_of, oil in ((later - timedelta(seconds=1), 1.0), (later, 7.0)):
        assert clock.known_at(table, READINGS, as_of)["oil"].to_pylist() == [oil]
    # The first file, imported once more, does not bring the old value back.
    assert counts(lake.ingest(source((READINGS, [reading("m1", 1, 1.0)])), imported_at=later).total) == (1, 0, 0, 1, 0)


def test_a_correction_with_its_own_later_clock_keeps_it(lake: Lake) -> None:
    rows = [reading("m1", 1, 7.0, recorded_at=hours(50)), reading("m1", 1, 1.0, recorded_at=hours(1))]
    account = lake.ingest(source(FLEET, (READINGS, rows)), imported_at=NOW)
    assert counts(account.tables["readings_press"]) == (2, 1, 1, 0, 0)
    assert lake.read("readings_press")["recorded_at"].to_pylist() == [hours(1), hours(50)]


def test_reading_some_buckets_machines_columns_or_an_old_version(lake: Lake) -> None:
    fleet = [f"m{number}" for number in range(20)]
    first = [reading(name, 1, 1.0) for name in fleet]
    lake.ingest(source((MACHINES, [machine(name) for name in fleet]), (READINGS, first)), imported_at=NOW)
    lake.ingest(source((READINGS, [reading(name, 2, 2.0) for name in fleet])), imported_at=NOW)
    assert lake.bucket_of(fleet).tolist() == [zlib.crc32(name.encode()) % 4 for name in fleet]
    parts = [lake.read("readings_press", buckets=[bucket]) for bucket in range(4)]
    for bucket, part in enumerate(parts):
        assert set(lake.bucket_of(part["machine_id"]).tolist()) <= {bucket}
    assert sum(part.num_rows for part in parts) == lake.read("readings_press").num_rows == 40
    some = lake.read("readings_press", machine_ids=["m7", "m3", "nobody"], columns=["oil", "machine_id"])
    assert some.to_pylist() == [{"oil": oil, "machine_id": name} for name in ("m3", "m7") for oil in (1.0, 2.0)]
    assert lake.read("readings_press", machine_ids=[]).num_rows == 0
    assert lake.read("readings_press", version=0).num_rows == 20
    with pytest.raises(NotFound, match="no version 9 of table readings_press"):
        lake.read("readings_press", version=9)


def test_ids_longer_than_the_statistics_of_a_file(lake: Lake) -> None:
    fleet = ["machine-" * 12 + str(number) for number in range(8)]
    plant = source((MACHINES, [machine(name) for name in fleet]), (READINGS, [reading(name, 1, 1.0) for name in fleet]))
    lake.ingest(plant, imported_at=NOW)
    assert lake.read("readings_press", machine_ids=fleet).num_rows == 8


def test_tables_without_rows_and_without_contract(lake: Lake) -> None:
    assert lake.read("events").equals(EVENTS.arrow.empty_table())
    with pytest.raises(NotFound, match=r"no table 'reading_press'.*there are: .*machines"):
        lake.read("reading_press")
    with pytest.raises(NotFound, match="no machine kind 'pump'"):
        lake.kind("pump")


def test_a_program_appends_rows_through_the_same_checks(lake: Lake) -> None:
    lake.ingest(source(FLEET), imported_at=NOW)
    table = pa.table({"machine_id": ["m1", "ghost"], "event_time": [hours(1)] * 2, "code": ["E1", "E1"]})
    assert counts(lake.append_rows(EVENTS, table, NOW, "monitor").total) == (2, 1, 0, 0, 1)


def test_one_bad_file_stores_nothing_of_the_import(lake: Lake) -> None:
    plant = source(FLEET, (READINGS, [{"machine_id": "m1", "event_time": hours(1), "oel": 1.0}]))
    with pytest.raises(BadInput, match=r"readings_press\.csv: unknown column 'oel'.*did you mean 'oil'"):
        lake.ingest(plant, imported_at=NOW)
    assert (lake.tables(), lake.accounts()) == ([], [])


def test_an_import_without_rows_is_an_error(lake: Lake) -> None:
    with pytest.raises(BadInput, match="no rows in any file"):
        lake.ingest(source(), imported_at=NOW)


def test_kinds_grow_and_never_lose_what_is_stored(lake: Lake) -> None:
    lake.ingest(source(FLEET, (READINGS, [reading("m1", 1, 1.0)])), imported_at=NOW)
    lake.put_kind(KIND.model_copy(update={"models": ("B",)}))
    speed = Sensor(name="speed", unit="rpm", words_en="s", words_zh="速")
    wider = lake.put_kind(KIND.model_copy(update={"models": ("A", "B"), "sensors": (*KIND.sensors, speed)}))
    assert wider.models == ("B", "A")  # a model's place is a feature value
    assert lake.kind("press") == wider
    # Rows of before the sensor read as empty there, and new rows bring the column.
    assert lake.read("readings_press")["speed"].to_pylist() == [None]
    row = reading("m1", 2, 1.0, speed=900.0)
    plant = Source("plant", (wider,), source((readings(wider), [row])).batches)
    lake.ingest(plant, imported_at=NOW)
    assert lake.read("readings_press")["speed"].to_pylist() == [None, 900.0]
    assert lake.read("readings_press", version=0)["speed"].to_pylist() == [None]
    with pytest.raises(Conflict, match="holds sensor 'oil' in '°C'"):
        lake.put_kind(KIND.model_copy(update={"sensors": (speed,)}))


def test_damage_is_one_line(lake: Lake) -> None:
    lake.ingest(source((MACHINES, [machine("a")]), (READINGS, [reading("a", 1, 20.0)])), imported_at=NOW)
    [file] = (lake.root / "tables" / READINGS.name).glob("bucket=*/*.parquet")
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput, match=r"readings_press: not readable as a table \(.*\); restore it from a copy"):
        lake.read(READINGS.name)
    file.unlink()
    with pytest.raises(BadInput, match=r"bucket=\d/part-.*parquet: a data file of the table is gone; restore it from a copy"):
        lake.read(READINGS.name)
    for path in (lake.root / "kinds" / "press.json", lake.root / "accounts" / "000001.json"):
        path.write_text("{")
        with pytest.raises(BadInput, match=f"{path.name}: not readable; restore it"):
            lake.kinds() if "kinds" in str(path) else lake.accounts()


def test_text_that_no_database_takes_is_quarantined_and_machines_stand_first(lake: Lake) -> None:
    names = ["a" * 200, "b" * 201, "c\0", "d\te"]
    plant = source((MACHINES, [machine(name) for name in names]), (EVENTS, [event(name) for name in names]))
    lake.ingest(plant, imported_at=NOW)
    assert lake.machines().column("machine_id").to_pylist() == names[:1]
    refused = lake.quarantined().to_pylist()
    assert [row["table"] for row in refused] == ["machines"] * 3 + ["events"] * 3
    reasons = ["text of more than 200 characters", "text with a control character", "text with a control character"]
    assert [row["reason"] for row in refused] == reasons * 2


def test_opening(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no lake here; import or simulate histories first"):
        Lake.open(tmp_path)
    made = Lake.open(tmp_path, create=True, buckets=3)
    found = Lake.open(tmp_path, create=True, buckets=8)
    assert (found.buckets, found.id) == (3, made.id)
    (tmp_path / "lake.json").write_text('{"format": 9, "id": "x", "buckets": 3}')
    with pytest.raises(BadInput, match="lake of format 9"):
        Lake.open(tmp_path)
    (tmp_path / "lake.json").write_text('{"form')
    with pytest.raises(BadInput, match="not readable"):
        Lake.open(tmp_path)
    with pytest.raises(BadInput, match="0 buckets"):
        Lake.open(tmp_path / "other", create=True, buckets=0)


def test_a_second_writer_is_turned_away_and_the_lake_stays_readable(lake: Lake) -> None:
    lake.ingest(source(FLEET), imported_at=NOW)
    with (lake.root / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(Conflict, match="another process is writing into this lake; wait"):
            lake.ingest(source(FLEET), imported_at=NOW)
        assert lake.machines().num_rows == 2
    lake.ingest(source(FLEET), imported_at=NOW)


def test_an_account_that_does_not_balance_is_a_defect() -> None:
    with pytest.raises(ValueError, match="does not balance: 3 rows in, 2 accounted for"):
        TableCount(rows_in=3, accepted=1, duplicate=1)


RANDOM_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "machine_id": st.sampled_from(["m1", "m2", "ghost", ""]),
            "hour": st.integers(0, 2),
            "oil": st.sampled_from([None, float("nan"), 1.0, 2.0, 999.0]),
        }
    ),
    min_size=1,
    max_size=12,
)


@settings(deadline=None, max_examples=10)
@given(RANDOM_ROWS, RANDOM_ROWS)
def test_accounts_balance_and_reruns_are_idempotent(
    tmp_path_factory: pytest.TempPathFactory, first: Rows, second: Rows
) -> None:
    lake = Lake.open(tmp_path_factory.mktemp("lake"), create=True, buckets=2)
    lake.ingest(source(FLEET), imported_at=NOW)
    totals = TableCount()
    for round_, rows in enumerate((first, second, first, [*second, *second])):
        batch = (READINGS, [reading(row["machine_id"], row["hour"], row["oil"]) for row in rows])
        before = lake.tables() and lake.read("readings_press").num_rows
        account = lake.ingest(source(FLEET, batch), imported_at=NOW + timedelta(days=round_))
        count = account.tables["readings_press"]
        assert count.rows_in == len(rows)
        assert count.quarantined == sum(row["machine_id"] in {"ghost", ""} or row["oil"] == 999.0 for row in rows)
        assert lake.read("readings_press").num_rows - before == count.accepted + count.corrected
        if round_ >= 2:
            assert count.accepted == count.corrected == 0
        totals += count
    good = [row for row in first + second if row["machine_id"] in {"m1", "m2"} and row["oil"] != 999.0]
    assert totals.accepted == len({(row["machine_id"], row["hour"]) for row in good})


# Where a process is killed: the function that dies (before or after its work) on its nth call.
KILLS = [
    ("features.ingest", "_merge_bucket", 4, "after"),
    ("features.datafiles", "sync", 9, "before"),  # in the middle of writing Parquet files
    ("features.delta", "append", 2, "after"),  # machines and the first readings committed, the rest not
    ("features.delta", "add_rows", 1, "after"),
]

CHILD = """
import functools, importlib, os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_lake as here
from features.lake import Lake
module, name, nth, moment = sys.argv[3], sys.argv[4], int(sys.argv[5]), sys.argv[6]
owner = importlib.import_module(module)
*path, name = name.split(".")
for part in path:
    owner = getattr(owner, part)
whole = getattr(owner, name)
calls = 0
@functools.wraps(whole)
def dying(*args, **kwargs):
    global calls
    calls += 1
    result = whole(*args, **kwargs) if calls < nth or moment == "after" else None
    if calls == nth:
        os.kill(os.getpid(), signal.SIGKILL)
    return result
setattr(owner, name, dying)
Lake.open(Path(sys.argv[2]), create=True, buckets=4).ingest(here.big_plant(), imported_at=here.NOW)
"""


def big_plant() -> Source:
    names = [f"m{number}" for number in range(40)]
    rows = [reading(name, hour, hour / 10) for name in names for hour in range(30)]
    events = [{"machine_id": name, "event_time": hours(1), "code": "E1"} for name in [*names, "ghost"]]
    return source((MACHINES, [machine(name) for name in names]), (EVENTS, events), (READINGS, rows), name="big")


@pytest.mark.parametrize("kill", KILLS, ids=[f"{name}-{nth}" for _, name, nth, _ in KILLS])
def test_kill_9_leaves_the_lake_readable_and_the_rerun_completes_it(tmp_path: Path, kill: tuple[str, str, int, str]) -> None:
    arguments = [str(Path(__file__).parent), str(tmp_path / "lake"), *map(str, kill)]
    child = subprocess.run([sys.executable, "-c", CHILD, *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert child.returncode == -signal.SIGKILL, child.stderr
    lake = Lake.open(tmp_path / "lake")
    assert sorted(lake.versions()) == lake.tables()
    for name in lake.tables():
        lake.read(name)
    assert lake.accounts() == []
    account = lake.ingest(big_plant(), imported_at=NOW)
    assert counts(account.total)[0] == 40 + 41 + 1200
    whole = Lake.open(tmp_path / "whole", create=True, buckets=4)
    whole.ingest(big_plant(), imported_at=NOW)
    for name in whole.tables():
        assert lake.read(name).equals(whole.read(name)), name
    assert lake.quarantined().drop(["imported_at"]).equals(whole.quarantined().drop(["imported_at"]))
    assert asdict(lake.ingest(big_plant(), imported_at=NOW).total)["duplicate"] == 40 + 40 + 1200
    assert not (lake.root / ".spill").exists()
