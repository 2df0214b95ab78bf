"""Leaks of a reader, planted on purpose: a row that itself tells of the future.

They are found by reading the publisher's file as it stood at `as_of`: what the file says later must change nothing.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from features.build import compute
from features.catalog import catalog
from features.clock import micros
from features.history import from_tables
from features.schema import EVENT_TIME, RECORDED_AT
from features.sources import azure_pdm, backblaze
from features.sources.reader import Source
from tests.properties.histories import Tables, bits


def collected(source: Source) -> Tables:
    """A source's rows as contract tables, known by the reader's rule, without going through a lake."""
    found: dict[str, list[pa.Table]] = {}
    for batch in source.batches():
        table = batch.table
        if RECORDED_AT not in table.column_names:
            table = table.append_column(RECORDED_AT, table.column(EVENT_TIME))
        for column in batch.contract.columns:
            if column.name not in table.column_names:
                table = table.append_column(column.name, pa.nulls(len(table), column.type))
        schema = pa.schema([(field.name, field.type) for field in batch.contract.arrow])
        found.setdefault(batch.contract.name, []).append(table.select(schema.names).cast(schema))
    return {name: pa.concat_tables(tables) for name, tables in found.items()}


Leak = Callable[[Path, Tables], Tables]


def drive_features(folder: Path, as_of: datetime, leak: Leak | None = None) -> np.ndarray:
    """Features of all drives in a folder of stretches."""
    source = backblaze.read(folder)
    tables = collected(source)
    if leak is not None:
        tables = leak(folder, tables)
    kind = source.kinds[0]
    history = from_tables(kind, tables, ["A", "B"])
    return bits(compute(catalog(kind), history, np.arange(2), np.full(2, micros(as_of))))


FIRST = pd.Timestamp("2016-01-01")
STRETCHES = [  # serial, tstart, tstop, fails, smart_5
    ("A", 10, 100, 0, 0.0),
    ("A", 100, 300, 0, 2.0),
    ("A", 300, 420, 1, 8.0),
    ("B", 50, 260, 0, 0.0),
    ("B", 260, 700, 0, 1.0),
]


def life() -> pd.DataFrame:
    """The publisher's whole file, with the columns that describe a drive's whole life."""
    rows = pd.DataFrame(STRETCHES, columns=["serial_number", "tstart", "tstop", "fails", "smart_5"])
    rows = rows.assign(
        **{name: 0.0 for name in backblaze.SENSORS if name != "smart_5"}, model="M1", size_tb=4.0, min_date=FIRST
    )
    return with_life_columns(rows)


def with_life_columns(rows: pd.DataFrame) -> pd.DataFrame:
    drive = rows.groupby("serial_number")
    hours = drive["tstart"].transform("min")
    last = drive["tstop"].transform("max")
    return rows.assign(
        min_hours=hours,
        max_hours=last,
        max_date=FIRST + pd.to_timedelta(last - hours, unit="h"),
        n_fails=drive["fails"].transform("sum"),
        n_records=drive["tstop"].transform("size"),
    )


def as_it_stood(rows: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    """The same file written at `as_of`: no later stretch, the open one cut, no failure that has not happened."""
    now = rows["min_hours"] + (pd.Timestamp(as_of).tz_localize(None) - FIRST) / pd.Timedelta(hours=1)
    kept = rows[rows["tstart"] <= now].copy()
    open_ = kept["tstop"] > now[kept.index]
    kept["fails"] = kept["fails"].where(~open_, 0)
    kept["tstop"] = kept["tstop"].where(~open_, now[kept.index])
    return with_life_columns(kept)


def written(folder: Path, rows: pd.DataFrame) -> Path:
    folder.mkdir()
    rows.to_parquet(folder / "hds.parquet")
    return folder


def changed_by_the_future(tmp_path: Path, leak: Leak | None) -> bool:
    whole = written(tmp_path / "whole", life())
    for hour in (30, 95, 200, 300):
        as_of = datetime(2016, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
        stood = written(tmp_path / f"stood{hour}", as_it_stood(life(), as_of))
        if not np.array_equal(drive_features(whole, as_of, leak), drive_features(stood, as_of, leak)):
            return True
    return False


def _of_file(folder: Path, tables: Tables, table: str, column: str, number: Callable[[pd.DataFrame], pd.Series]) -> Tables:
    """Put a number of each file row (or of each drive's first row) into a column that the product does use."""
    rows = pd.read_parquet(folder / "hds.parquet")
    if table == "machines":
        rows = rows.groupby("serial_number").head(1)
    found = tables[table]
    values = pa.array(number(rows).to_numpy(dtype=np.float64))
    return tables | {table: found.set_column(found.schema.get_field_index(column), column, values)}


def open_stretch(folder: Path, tables: Tables) -> Tables:
    """How long the stretch lasts is known when it ends, not while it is open."""
    return _of_file(folder, tables, "readings_backblaze", "smart_10", lambda rows: rows["tstop"] - rows["tstart"])


def failures_in_life(folder: Path, tables: Tables) -> Tables:
    return _of_file(folder, tables, "machines", "capacity", lambda rows: rows["n_fails"])


def last_date_in_life(folder: Path, tables: Tables) -> Tables:
    return _of_file(folder, tables, "machines", "capacity", lambda rows: rows["max_date"].astype("int64"))


def test_the_drive_reader_reads_nothing_of_the_future(tmp_path: Path) -> None:
    assert not changed_by_the_future(tmp_path, None)


@pytest.mark.parametrize("leak", [open_stretch, failures_in_life, last_date_in_life])
def test_a_leaking_drive_reader_is_found_out(tmp_path: Path, leak: Leak) -> None:
    assert changed_by_the_future(tmp_path, leak)


def pdm_folder(folder: Path, *, windows: bool) -> Path:
    """The publisher's tables with daily means for two machines, and hourly rows with or without the chosen stretches."""
    folder.mkdir()
    days = pd.date_range("2015-01-01", periods=20)
    daily = pd.DataFrame({"machineID": np.repeat([1, 2], 20), "date": list(days) * 2})
    for place, name in enumerate(("voltage", "rotation", "pressure", "vibration")):
        daily[f"mean_daily_{name}"] = 100.0 + np.arange(40) % 7 + place
    daily.to_parquet(folder / "PdM_daily_mean_100machines.parquet")
    pd.DataFrame({"machineID": [1, 2], "model": ["m1", "m2"], "age": [3, 4]}).to_parquet(folder / "PdM_machines.parquet")
    moments = pd.to_datetime(["2015-01-05 06:00", "2015-01-11 06:00"])
    for name, column, code in (("errors", "errorID", "error1"), ("maint", "comp", "comp1"), ("failures", "failure", "comp1")):
        pd.DataFrame({"datetime": moments, "machineID": [1, 2], column: code}).to_parquet(folder / f"PdM_{name}.parquet")
    hours = pd.date_range("2015-01-01 06:00", periods=48, freq="h")
    hourly = pd.DataFrame({"datetime": hours, "machineID": 1, "block": "first-quarter"})
    chosen = pd.DataFrame(
        {"datetime": pd.date_range("2015-01-09 06:00", periods=48, freq="h"), "machineID": 2, "block": "windows"}
    )
    hourly = pd.concat([hourly, chosen]) if windows else hourly
    hourly = hourly.assign(volt=170.0, rotate=450.0, pressure=100.0, vibration=40.0)
    hourly.to_parquet(folder / "PdM_telemetry_hourly_partial.parquet")
    return folder


def pdm_features(folder: Path, *, every_block: bool = False) -> np.ndarray:
    """Features of both kinds of the folder, so that hourly rows count as well. every_block: the leaking reader."""
    if every_block:
        path = folder / "PdM_telemetry_hourly_partial.parquet"
        pd.read_parquet(path).assign(block="first-quarter").to_parquet(path)
    source = azure_pdm.read(folder)
    tables = collected(source)
    looks = [datetime(2015, 1, day, tzinfo=UTC) for day in range(2, 20)]
    found = []
    for kind in source.kinds:
        history = from_tables(kind, tables, ["1", "2"])
        as_of = np.repeat([micros(moment) for moment in looks], 2)
        found.append(bits(compute(catalog(kind), history, np.tile([0, 1], len(looks)), as_of)))
    return np.concatenate(found, axis=1)


def test_chosen_stretches_in_the_folder_change_no_feature(tmp_path: Path) -> None:
    plain, rich = pdm_folder(tmp_path / "plain", windows=False), pdm_folder(tmp_path / "rich", windows=True)
    assert np.array_equal(pdm_features(plain), pdm_features(rich))
    assert not np.array_equal(pdm_features(plain, every_block=True), pdm_features(rich, every_block=True))
