"""Every way in which a row or a file breaks its contract, and what is said about it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from features.errors import BadInput
from features.intake import WHOLE_COLUMN, check, check_references
from features.kinds import MachineKind, Sensor, Term
from features.schema import EVENTS, FAILURES, MACHINES, TIME, TableContract, readings
from features.sources.reader import Batch, Refusal

NOW = datetime(2024, 1, 1, tzinfo=UTC)
KIND = MachineKind(
    name="press",
    words_en="press",
    words_zh="压力机",
    sensors=(Sensor(name="oil", unit="°C", low=-40, high=150, words_en="oil", words_zh="油温"),),
    error_codes=(Term(code="E1", words_en="one", words_zh="一"),),
    components=(Term(code="pump", words_en="pump", words_zh="泵"),),
)
READINGS = readings(KIND)
GOOD = {"machine_id": "m1", "event_time": "2023-06-01T00:00:00Z", "oil": 20.0}


def batch(contract: TableContract, rows: list[dict[str, Any]], refused: tuple[Refusal, ...] = ()) -> Batch:
    return Batch(contract, pa.Table.from_pylist(rows), "plant.csv", np.arange(1, len(rows) + 1), refused)


def said(rows: list[dict[str, Any]], contract: TableContract = READINGS) -> list[tuple[int, str, str, str]]:
    checked = check(batch(contract, rows), NOW)
    assert checked.rows_in == len(rows) == len(checked.rows) + checked.refused.num_rows
    return [tuple(row.values()) for row in checked.refused.to_pylist()]


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("machine_id", None, "empty id"),
        ("machine_id", "  ", "empty id"),
        ("event_time", None, "empty"),
        ("event_time", "yesterday", "not a time (ISO 8601 is due)"),
        ("event_time", "2023-06-01T00:00:00", "a time without zone"),
        ("event_time", "2023-06-01", "a time without zone"),
        ("event_time", "2024-01-01T00:05:01Z", "in the future of the import"),
        ("event_time", "0001-01-01T00:00:00Z", "before 1970"),
        ("oil", "150.1", "above 150 °C"),
        ("oil", "-41", "below -40 °C"),
        ("oil", "warm", "not a number"),
        ("oil", "inf", "not a finite number"),
    ],
)
def test_a_bad_cell_is_refused_with_its_reason(column: str, value: str | None, reason: str) -> None:
    good = {**GOOD, "oil": "20"}
    assert said([good, {**good, column: value}, good]) == [(2, column, reason, value or "")]


@pytest.mark.parametrize("age", [-1.0, "-1"])
def test_a_negative_age_is_refused(age: object) -> None:
    row = {"machine_id": "m1", "event_time": "2023-06-01T00:00:00Z", "kind": "press", "age_hours": age}
    assert [(column, reason) for _, column, reason, _ in said([row], MACHINES)] == [("age_hours", "below 0 h")]


def test_a_row_is_refused_once_for_its_first_fault() -> None:
    assert len(said([{"machine_id": "", "event_time": "never", "oil": 1e9}])) == 1


def test_clean_rows_have_contract_types_and_both_clocks() -> None:
    rows = [
        {"machine_id": 7, "event_time": "2023-06-01T08:00:00+08:00", "oil": "NA"},
        {"machine_id": 8, "event_time": "2023-06-01 00:00Z", "oil": " 2.5 "},
    ]
    checked = check(batch(READINGS, rows), NOW)
    assert checked.table.schema == READINGS.arrow
    assert not checked.own_recorded
    first, second = checked.table.to_pylist()
    assert (first["machine_id"], first["oil"], second["oil"]) == ("7", None, 2.5)
    assert first["event_time"] == second["event_time"] == first["recorded_at"] == datetime(2023, 6, 1, tzinfo=UTC)


def test_the_readers_own_knowledge_time_is_kept() -> None:
    checked = check(batch(READINGS, [{**GOOD, "recorded_at": "2023-06-02T00:00:00Z"}]), NOW)
    assert checked.own_recorded
    assert checked.table["recorded_at"][0].as_py() == datetime(2023, 6, 2, tzinfo=UTC)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_of_any_resolution(unit: str) -> None:
    moments = pa.array([NOW - timedelta(days=1)], pa.timestamp(unit, "Asia/Shanghai"))
    table = pa.table({"machine_id": ["m"], "event_time": moments})
    checked = check(Batch(READINGS, table, "x.parquet", np.array([1])), NOW)
    assert checked.table["event_time"].type == TIME
    assert checked.table["event_time"][0].as_py() == NOW - timedelta(days=1)


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ([{"machine_id": "m", "oil": 1.0}], "column 'event_time' of table readings_press is missing"),
        ([{**GOOD, "Oil": 1.0}], "unknown column 'Oil' for table readings_press; did you mean 'oil'?"),
        ([{"machine_id": "m", "event_tme": "x"}], "did you mean 'event_time'?"),
        ([{**GOOD, "oil": "hot"}] * WHOLE_COLUMN, "column 'oil' holds no usable value: 'hot' is not a number"),
        ([{**GOOD, "event_time": datetime(2023, 1, 1)}] * WHOLE_COLUMN, "a time without zone; say in which zone they are"),  # noqa: DTZ001
    ],
)
def test_a_fault_of_the_whole_file_stops_the_import(rows: list[dict[str, Any]], line: str) -> None:
    with pytest.raises(BadInput) as caught:
        check(batch(READINGS, rows), NOW)
    assert str(caught.value).startswith("plant.csv: ")
    assert line in str(caught.value)


def test_some_good_values_keep_a_column_alive() -> None:
    assert len(said([{**GOOD, "oil": "hot"}] * 50 + [{**GOOD, "oil": "1"}])) == 50


def test_refusals_of_the_reader_are_counted_once_in_or_out_of_the_table() -> None:
    refused = (Refusal(2, "oil", "sensor in repair"), Refusal(2, "", "twice"), Refusal(9, "", "broken line", "a;b"))
    checked = check(batch(READINGS, [GOOD, {**GOOD, "oil": 55.0}], refused), NOW)
    assert checked.rows_in == 3
    assert checked.rows.tolist() == [1]
    assert [tuple(row.values()) for row in checked.refused.to_pylist()] == [
        (2, "oil", "sensor in repair", "55.0"),
        (9, "", "broken line", "a;b"),
    ]


def references(contract: TableContract, rows: list[dict[str, Any]]) -> list[tuple[int, str, str]]:
    table = check(batch(contract, rows), NOW).table
    found = check_references(table, contract, {"m1": "press", "m2": "open"}, {"press": KIND, "open": open_kind()})
    return [(row["row"], row["column"], row["reason"]) for row in found.table().to_pylist()]


def open_kind() -> MachineKind:
    return KIND.model_copy(update={"name": "open", "error_codes": (), "components": ()})


def test_unknown_machines_and_undeclared_codes() -> None:
    at = "2023-06-01T00:00:00Z"
    rows = [
        {"machine_id": "m1", "event_time": at, "code": "E1"},
        {"machine_id": "ghost", "event_time": at, "code": "E1"},
        {"machine_id": "m1", "event_time": at, "code": "E9"},
        {"machine_id": "m2", "event_time": at, "code": "E9"},  # this kind declares no codes, so it takes any
    ]
    assert references(EVENTS, rows) == [(1, "machine_id", "unknown machine"), (2, "code", "not declared by kind press")]
    failed = [{"machine_id": "m1", "event_time": at, "component": "engine"}]
    assert references(FAILURES, failed) == [(0, "component", "not declared by kind press")]


def test_a_machine_of_an_undeclared_kind() -> None:
    row = {"machine_id": "m9", "event_time": "2023-06-01T00:00:00Z", "kind": "rocket"}
    assert references(MACHINES, [row]) == [(0, "kind", "kind is not declared")]
