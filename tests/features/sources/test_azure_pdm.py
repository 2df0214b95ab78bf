"""The Azure PdM reader: clocks, what it leaves out, what it refuses."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from features.errors import BadInput
from features.sources import azure_pdm
from features.sources.reader import Batch, Refusal

CSV = {
    "PdM_machines.csv": "machineID,model,age\n1,model3,18\n2,model4,0\n",
    "PdM_errors.csv": "datetime,machineID,errorID\n2015-01-03 07:00:00,1,error1\n",
    "PdM_maint.csv": "datetime,machineID,comp\n2014-06-01 06:00:00,1,comp2\n2015-01-05 06:00:00,1,comp4\n",
    "PdM_failures.csv": (
        "datetime,machineID,failure\n2015-01-05 06:00:00,1,comp4\n2015-01-05 06:00:00,1,comp1\n2015-01-07 03:00:00,2,comp1\n"
    ),
    "PdM_telemetry.csv": (
        "datetime,machineID,volt,rotate,pressure,vibration\n"
        "1/1/2015 6:00:00 AM,1,176.2,418.5,113.1,45.1\n"
        "1/1/2015 1:00:00 PM,1,162.9,402.7,95.5,43.4\n"
        "1/1/2015 6:00:00 AM,2,170.0,,98.0,40.0\n"
    ),
}


def at(day: int, hour: int, *, month: int = 1, year: int = 2015) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in CSV.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def add_daily(folder: Path, **columns: list[int]) -> None:
    days = pd.to_datetime(["2015-01-01", "2015-01-02", "2016-01-01"])
    table = {"machineID": 1, "date": days, "mean_daily_voltage": [1.0, 2, 3], "mean_daily_rotation": 4.0}
    table |= {"mean_daily_pressure": 5.0, "mean_daily_vibration": 6.0, **columns}
    pd.DataFrame(table).to_parquet(folder / "PdM_daily_mean_100machines.parquet")


def add_partial(folder: Path) -> None:
    (folder / "PdM_telemetry.csv").unlink(missing_ok=True)
    times = pd.to_datetime(["2015-01-01 06:00", "2015-01-01 07:00", "2015-06-01 09:00"])
    table = {"datetime": times, "machineID": [1, 1, 2], "volt": 1.0, "rotate": 2.0, "pressure": 3.0, "vibration": 4.0}
    blocks = ["first-quarter", "first-quarter", "windows"]
    pd.DataFrame(table | {"block": blocks}).to_parquet(folder / "PdM_telemetry_hourly_partial.parquet")


def rows(folder: Path, table: str) -> list[dict[str, object]]:
    return [row for batch in batches(folder, table) for row in batch.table.to_pylist()]


def batches(folder: Path, table: str) -> list[Batch]:
    return [batch for batch in azure_pdm.read(folder).batches() if batch.contract.name == table]


def refused(folder: Path, table: str) -> list[Refusal]:
    return [Refusal(*entry) for batch in batches(folder, table) for entry in batch.refused]


def test_publishers_csv(folder: Path) -> None:
    source = azure_pdm.read(folder)
    assert [kind.name for kind in source.kinds] == ["azure_pdm"]
    assert source.kinds[0].models == ("model3", "model4")
    assert rows(folder, "machines")[0] == {
        "machine_id": "1", "event_time": at(1, 6), "kind": "azure_pdm", "model": "model3", "age_hours": 18 * 8766.0
    }  # fmt: skip
    assert rows(folder, "events") == [{"machine_id": "1", "event_time": at(3, 7), "code": "error1"}]
    assert rows(folder, "maintenance")[0]["event_time"] == at(1, 6, month=6, year=2014)
    readings = rows(folder, "readings_azure_pdm")
    assert [row["event_time"] for row in readings] == [at(1, 6), at(1, 13), at(1, 6)]
    assert readings[0]["volt"] == 176.2
    assert readings[2]["rotate"] is None


def test_components_that_fail_together_are_all_failures(folder: Path) -> None:
    assert [row["component"] for row in rows(folder, "failures")] == ["comp4", "comp1", "comp1"]


def test_observation_ends_with_the_last_reading(folder: Path) -> None:
    assert {row["machine_id"]: row["event_time"] for row in rows(folder, "coverage")} == {"1": at(1, 13), "2": at(1, 6)}


def test_stretches_chosen_around_failures_are_refused_one_by_one(folder: Path) -> None:
    add_partial(folder)
    table = "readings_azure_pdm"
    assert [row["machine_id"] for row in rows(folder, table)] == ["1", "1"]
    assert [(entry.row, entry.column, entry.value) for entry in refused(folder, table)] == [(3, "block", "windows")]
    assert "failure" in refused(folder, table)[0].reason
    assert [row["machine_id"] for row in rows(folder, "coverage")] == ["1"], "a refused row says nothing about observation"


def test_daily_means_are_known_after_their_day(folder: Path) -> None:
    add_partial(folder)
    add_daily(folder)
    assert {row["kind"] for row in rows(folder, "machines")} == {"azure_pdm_daily"}
    daily = rows(folder, "readings_azure_pdm_daily")
    assert [row["event_time"] for row in daily] == [at(2, 0), at(3, 0), at(2, 0, year=2016)]
    assert [row["volt"] for row in daily] == [1.0, 2.0, 3.0]
    assert rows(folder, "coverage")[0]["event_time"] == at(1, 6, year=2016), "the last day ends at 06:00"


def test_outcome_columns_of_the_daily_file_change_nothing(folder: Path) -> None:
    def everything() -> list[tuple[str, list[dict[str, object]]]]:
        return [(batch.contract.name, batch.table.to_pylist()) for batch in azure_pdm.read(folder).batches()]

    add_partial(folder)
    add_daily(folder, comp1_failure=[0, 0, 0], error1=[0, 0, 0], comp1=[0, 0, 0])
    before = everything()
    add_daily(folder, comp1_failure=[1, 1, 0], error1=[1, 0, 1], comp1=[0, 1, 1])
    assert everything() == before


def test_whole_telemetry_decides_the_kind(folder: Path) -> None:
    add_daily(folder)
    assert {row["kind"] for row in rows(folder, "machines")} == {"azure_pdm"}
    assert [kind.name for kind in azure_pdm.read(folder).kinds] == ["azure_pdm", "azure_pdm_daily"]


def test_fields_at_fault_are_refused_and_the_others_kept(folder: Path) -> None:
    (folder / "PdM_machines.csv").write_text("machineID,model,age\n1,model3,old\n2,model4,7\n", encoding="utf-8")
    (folder / "PdM_errors.csv").write_text(
        "datetime,machineID,errorID\n2015-01-03 07:00:00,1,error1\nbroken\n2015-01-32,1,error2\n2015-01-04,1,error3\n",
        encoding="utf-8",
    )
    assert [row["age_hours"] for row in rows(folder, "machines")] == [7 * 8766.0]
    assert [entry[:2] for entry in refused(folder, "machines")] == [(1, "age")]
    assert [row["code"] for row in rows(folder, "events")] == ["error1", "error3"]
    assert sorted(entry[:2] for entry in refused(folder, "events")) == [(2, ""), (3, "datetime")]
    assert [row for batch in batches(folder, "events") for row in batch.rows.tolist()] == [1, 4]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("PdM_errors.csv", None, "no PdM_errors.csv"),
        ("PdM_telemetry.csv", None, "no PdM_telemetry.csv"),
        ("PdM_machines.csv", b"machineID,model,years\n1,model3,18\n", "no column 'age'"),
        ("PdM_telemetry.csv", b"datetime,machineID,volt,rotate,pressure\n", "no column 'vibration'"),
        ("PdM_failures.csv", b"", "empty"),
        ("PdM_failures.parquet", b"PAR1 cut short", "not readable as Parquet"),
        ("PdM_daily_mean_100machines.parquet", b"", "empty"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_before_any_row_is_read(
    folder: Path, name: str, content: bytes | None, words: str
) -> None:
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(BadInput, match=words) as raised:
        azure_pdm.read(folder)
    assert raised.value.mend
    assert str(folder) in raised.value.where


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such folder"):
        azure_pdm.read(tmp_path / "nowhere")


@pytest.mark.data
def test_shared_set() -> None:
    folder = Path(os.environ.get("FOREWARN_DATA", "")) / "azure-pdm"
    if "FOREWARN_DATA" not in os.environ or not folder.is_dir():
        pytest.skip("FOREWARN_DATA with azure-pdm is absent")
    counts: dict[str, list[int]] = {}
    for batch in azure_pdm.read(folder).batches():
        count = counts.setdefault(batch.contract.name, [0, 0])
        count[0] += len(batch.table)
        count[1] += len(batch.refused)
    assert counts == {
        "machines": [100, 0],
        "events": [3919, 0],
        "maintenance": [3286, 0],
        "failures": [761, 0],
        "readings_azure_pdm": [43_200, 97_384],
        "readings_azure_pdm_daily": [36_600, 0],
        "coverage": [100, 0],
    }
