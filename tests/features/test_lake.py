"""The lake: opening, reading at versions, kinds that grow, damage."""

import zlib
from pathlib import Path

import pytest

from features.errors import BadInput, Conflict, NotFound
from features.kinds import Action, Sensor, Term
from features.lake import Lake
from features.schema import EVENTS, MACHINES, readings
from features.sources.reader import Source
from tests.features.plant import FLEET, KIND, NOW, READINGS, hours, machine, reading, source


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake", create=True, buckets=4)


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


@pytest.mark.parametrize("field", ["error_codes", "components", "modes", "shifts", "actions"])
def test_a_kind_keeps_the_codes_that_rows_may_hold(lake: Lake, field: str) -> None:
    sort = Action if field == "actions" else Term
    first, second = (sort(code=code, words_en=code, words_zh=code) for code in ("K1", "K2"))
    lake.put_kind(KIND.model_copy(update={field: (first,)}))
    both = lake.put_kind(KIND.model_copy(update={field: (first, second)}))
    for left in ((), (second,)):
        with pytest.raises(Conflict, match=r"press\.json: kind press holds .* 'K1'; keep the"):
            lake.put_kind(KIND.model_copy(update={field: left}))
    assert lake.kind("press") == both


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
