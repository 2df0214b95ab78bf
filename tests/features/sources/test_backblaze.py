"""The Backblaze reader: the two forms tell one story, compression loses no change, the future stays out."""

import math
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.errors import BadInput
from features.sources import backblaze
from features.sources.backblaze import SENSORS
from features.sources.reader import Refusal

FIRST = datetime(2016, 1, 1, tzinfo=UTC)
LIFE_COLUMNS = ["n_fails", "n_records", "max_date", "max_hours", "smart_197_cumsum", "smart_197_bin_cumsum"]


def stretches() -> pd.DataFrame:
    table = pd.DataFrame(
        [("A", 0, 9, 9, 100, 0, 0.0), ("A", 0, 9, 100, 200, 1, 8.0), ("B", 3, 50, 50, 90, 0, math.nan)],
        columns=["serial_number", "day", "min_hours", "tstart", "tstop", "fails", "smart_5"],
    )
    table["min_date"] = pd.Timestamp("2016-01-01") + pd.to_timedelta(table.pop("day"), unit="D")
    table = table.assign(model=["M2", "M2", "M1"], size_tb=4.0, **{name: 0.0 for name in SENSORS if name != "smart_5"})
    return table.assign(**dict.fromkeys(LIFE_COLUMNS, 1))


def write_stretches(folder: Path, table: pd.DataFrame) -> Path:
    for name in ("serial_number", "model"):
        table[name] = table[name].astype("category")
    table.to_parquet(folder / "hds.parquet")
    return folder


def snapshot(
    serial: str, day: int, *, failure: object = 0, hours: object = 9, size: int = 4 * 10**12, **smart: float
) -> dict[str, Any]:
    date = (FIRST + timedelta(days=day)).strftime("%Y-%m-%d")
    row = {"date": date, "serial_number": serial, "model": "M1", "capacity_bytes": size, "failure": failure}
    row |= {f"{name}_{form}": smart.get(name, math.nan) for name in SENSORS for form in ("normalized", "raw")}
    return row | {"smart_9_raw": hours, "smart_194_raw": 30}


def write_days(folder: Path, rows: list[dict[str, Any]]) -> Path:
    for date, day in pd.DataFrame(rows).groupby("date"):
        quarter = folder / "data_Q1_2016"
        quarter.mkdir(exist_ok=True)
        day.to_csv(quarter / f"{date}.csv", index=False)
    return folder


def rows(folder: Path, table: str) -> list[dict[str, Any]]:
    found = [batch.table for batch in backblaze.read(folder).batches() if batch.contract.name == table]
    return [row for part in found for row in part.to_pylist()]


def refused(folder: Path) -> list[Refusal]:
    return [Refusal(*entry) for batch in backblaze.read(folder).batches() for entry in batch.refused]


def hours(count: float) -> datetime:
    return FIRST + timedelta(hours=count)


def test_stretches(tmp_path: Path) -> None:
    folder = write_stretches(tmp_path, stretches())
    (kind,) = backblaze.read(folder).kinds
    assert kind.sampling == "on_change"
    assert kind.models == ("M1", "M2")
    assert rows(folder, "machines") == [
        {"machine_id": "A", "event_time": FIRST, "kind": "backblaze", "model": "M2", "age_hours": 9.0, "capacity": 4.0},
        {"machine_id": "B", "event_time": hours(72), "kind": "backblaze", "model": "M1", "age_hours": 50.0, "capacity": 4.0},
    ]
    readings = rows(folder, "readings_backblaze")
    assert [(row["machine_id"], row["event_time"], row["smart_5"]) for row in readings] == [
        ("A", FIRST, 0.0),
        ("A", hours(91), 8.0),
        ("B", hours(72), None),
    ]
    assert rows(folder, "failures") == [{"machine_id": "A", "event_time": hours(191), "component": "drive"}]
    ends = [(row["machine_id"], row["event_time"]) for row in rows(folder, "coverage")]
    assert ends == [("A", hours(191)), ("B", hours(112))]


def test_columns_about_a_drives_whole_life_change_nothing(tmp_path: Path) -> None:
    def everything(table: pd.DataFrame) -> list[Any]:
        folder = write_stretches(tmp_path, table)
        return [(batch.contract.name, batch.table.to_pylist()) for batch in backblaze.read(folder).batches()]

    plain = everything(stretches())
    assert everything(stretches().assign(**dict.fromkeys(LIFE_COLUMNS, 77))) == plain
    assert everything(stretches().drop(columns=LIFE_COLUMNS)) == plain


def test_the_end_of_a_stretch_reaches_only_coverage_and_failures(tmp_path: Path) -> None:
    def readable(table: pd.DataFrame) -> list[Any]:
        found = backblaze.read(write_stretches(tmp_path, table)).batches()
        return [(b.contract.name, b.table.to_pylist()) for b in found if b.contract.name not in ("coverage", "failures")]

    table = stretches()
    before = readable(table)
    assert readable(table.assign(tstop=table["tstop"] + 1000, fails=1 - table["fails"])) == before


def test_a_snapshot_is_known_at_the_end_of_its_day(tmp_path: Path) -> None:
    folder = write_days(tmp_path, [snapshot("A", 0, smart_5=0.0), snapshot("A", 1, failure=1, smart_5=8.0)])
    assert [(row["event_time"], row["smart_5"]) for row in rows(folder, "readings_backblaze")] == [
        (hours(24), 0.0),
        (hours(48), 8.0),
    ]
    (machine,) = rows(folder, "machines")
    assert (machine["event_time"], machine["age_hours"], machine["capacity"]) == (hours(24), 9.0, 4.0)
    assert [row["event_time"] for row in rows(folder, "failures")] == [hours(48)]
    assert [row["event_time"] for row in rows(folder, "coverage")] == [hours(48)]


def test_compression_keeps_exactly_the_changes(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    days, expected = [], []
    for serial in ("A", "B", "C", "D"):
        last: dict[str, float] = {}
        for day in range(12):
            if rng.random() < 0.2:
                continue
            smart = {name: float(rng.integers(2)) for name in SENSORS[:2] if rng.random() < 0.7}
            days.append(snapshot(serial, day, **smart))
            seen_before = "seen" in last
            if not seen_before or any(last.get(name) != value for name, value in smart.items()):
                expected.append((serial, hours(24 * day + 24), smart.get("smart_5"), smart.get("smart_10")))
            last |= smart | {"seen": 1.0}
    found = rows(write_days(tmp_path, days), "readings_backblaze")
    assert sorted((r["machine_id"], r["event_time"], r["smart_5"], r["smart_10"]) for r in found) == sorted(
        expected, key=lambda row: row[:2]
    )
    assert len(found) < len(days)


def test_drives_that_did_not_answer(tmp_path: Path) -> None:
    folder = write_days(tmp_path, [snapshot("A", 0, size=-1, hours=2.8e14), snapshot("B", 0, hours=math.nan)])
    assert [(row["capacity"], row["age_hours"]) for row in rows(folder, "machines")] == [(None, None), (4.0, None)]


def test_rows_at_fault_are_refused(tmp_path: Path) -> None:
    days = [snapshot("A", 0), snapshot("A", 0, smart_5=1.0), snapshot("B", 0, failure=2), snapshot("C", 0, hours="x")]
    folder = write_days(tmp_path, [*days, snapshot("", 0), snapshot("D", 0)])
    file = folder / "data_Q1_2016" / "2016-01-01.csv"
    file.write_text(file.read_text(encoding="utf-8") + "2016-01-01,E\n", encoding="utf-8")
    pd.concat([pd.read_csv(file, nrows=1), pd.DataFrame([snapshot("F", 1)])]).to_csv(
        file.with_name("2016-01-02.csv"), index=False
    )
    assert sorted((entry.row, entry.column) for entry in refused(folder)) == [
        (1, "date"),
        (2, "serial_number"),
        (3, "failure"),
        (4, "smart_9_raw"),
        (5, "serial_number"),
        (7, ""),
    ]
    assert [row["machine_id"] for row in rows(folder, "machines")] == ["A", "D", "F"]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_column_that_is_missing_is_named(tmp_path: Path, form: str) -> None:
    if form == "csv":
        write_days(tmp_path, [{k: v for k, v in snapshot("A", 0).items() if k != "smart_197_raw"}])
    else:
        write_stretches(tmp_path, stretches().drop(columns="smart_197"))
    with pytest.raises(BadInput, match="no column 'smart_197"):
        backblaze.read(tmp_path)


def test_a_stretch_that_says_neither_failed_nor_not(tmp_path: Path) -> None:
    folder = write_stretches(tmp_path, stretches().assign(fails=[0, 1, 2]))
    assert refused(folder) == [Refusal(3, "fails", "neither 0 nor 1", "2")]


def test_a_day_that_the_calendar_does_not_know(tmp_path: Path) -> None:
    (tmp_path / "2016-13-45.csv").write_text("date\n")
    with pytest.raises(BadInput, match="there is no day 2016-13-45"):
        backblaze.read(tmp_path)


def test_a_day_in_two_files(tmp_path: Path) -> None:
    file = write_days(tmp_path, [snapshot("A", 0)]) / "data_Q1_2016" / "2016-01-01.csv"
    (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(BadInput, match="two files"):
        backblaze.read(tmp_path)


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no Drive Stats file"):
        backblaze.read(tmp_path)
    day = tmp_path / "2016-01-01.csv"
    day.write_bytes(b"")
    with pytest.raises(BadInput, match="empty"):
        backblaze.read(tmp_path)
    whole = write_stretches(tmp_path, stretches()) / "hds.parquet"
    whole.write_bytes(whole.read_bytes()[:-40])
    with pytest.raises(BadInput, match="not readable as Parquet"):
        backblaze.read(tmp_path)


@pytest.mark.data
def test_shared_set() -> None:
    folder = Path(os.environ.get("FOREWARN_DATA", "")) / "backblaze-hds"
    if "FOREWARN_DATA" not in os.environ or not folder.is_dir():
        pytest.skip("FOREWARN_DATA with backblaze-hds is absent")
    counts: dict[str, int] = {}
    for batch in backblaze.read(folder).batches():
        counts[batch.contract.name] = counts.get(batch.contract.name, 0) + len(batch.table)
        assert not batch.refused
    assert counts == {"readings_backblaze": 481_531, "machines": 65_435, "coverage": 65_435, "failures": 3_965}
