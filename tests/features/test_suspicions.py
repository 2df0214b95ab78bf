"""A wrong clock, a wrong zone, another unit: said in the account of the import, by file and site."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from features.kinds import MachineKind, Sensor
from features.lake import Lake
from features.schema import MACHINES, readings
from features.sources.reader import Source
from tests.features.plant import FLEET, KIND, NOW, READINGS, batch, hours, machine, reading, source


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake", create=True, buckets=2)


def said(lake: Lake, *tables: Any) -> tuple[str, ...]:
    account = lake.ingest(source(*tables), imported_at=NOW)
    assert lake.accounts()[-1]["suspicions"] == list(account.suspicions)
    return account.suspicions


def test_nothing_is_said_of_good_files(lake: Lake) -> None:
    rows = [reading("m1", hour, 20.0, recorded_at=hours(hour) - timedelta(minutes=4)) for hour in range(30)]
    assert said(lake, FLEET, (READINGS, [*rows, reading("m2", 1, 999.0)])) == ()


def test_rows_from_the_future_name_the_lead(lake: Lake) -> None:
    rows = [{"machine_id": "m1", "event_time": NOW + timedelta(hours=lead), "oil": 20.0} for lead in (1, 8, 5)]
    assert said(lake, FLEET, (READINGS, rows)) == (
        "readings_press.csv: 3 rows of readings_press lie in the future by up to 8.0 h: "
        "a clock is ahead, or its zone is not the declared one",
    )
    assert lake.quarantined().num_rows == 3


def test_rows_recorded_before_they_happened_name_the_site_and_the_rule(lake: Lake) -> None:
    fleet = [machine("m1") | {"site_id": "north"}, machine("m2") | {"site_id": "south"}]
    rows = [reading("m1", hour, 20.0, recorded_at=hours(hour - 3)) for hour in range(9, 13)]
    rows += [reading("m2", hour, 20.0, recorded_at=hours(hour + 3)) for hour in range(9, 13)]
    assert said(lake, (MACHINES, fleet), (READINGS, rows)) == (
        "readings_press.csv: 4 rows of readings_press of site north were recorded up to 3.0 h before they happened: "
        "two clocks differ, or their zones; such rows count from their event_time on",
    )
    assert lake.read("readings_press").num_rows == 8


@pytest.mark.parametrize(
    ("values", "other"),
    [
        ([200.0 + step for step in range(20)], "°F"),
        ([280.0 + step for step in range(20)], "°F"),  # as kelvin too; the first that fits is named
        ([310.0 + step for step in range(20)], "K"),
        ([20_000.0 + step for step in range(20)], "thousandths of it"),
        ([200.0 + step for step in range(5)], None),  # too few
        ([9e9 + step for step in range(20)], None),  # fit nothing
    ],
)
def test_a_sensor_in_another_unit(lake: Lake, values: list[float], other: str | None) -> None:
    found = said(lake, FLEET, (READINGS, [reading("m1", hour, value) for hour, value in enumerate(values)]))
    words = f"readings_press.csv: {len(values)} values of oil do not fit its range in °C but would as {other}"
    assert found == (() if other is None else (f"{words}: has the sensor's unit changed?",))
    assert lake.quarantined().num_rows == len(values)


def test_of_many_files_the_worst_are_named(lake: Lake) -> None:
    pressure = MachineKind(
        name="pipe", words_en="pipe", words_zh="管",
        sensors=(Sensor(name="p", unit="bar", low=0, high=20, words_en="p", words_zh="压"),),
    )  # fmt: skip
    table = readings(pressure)

    def batches() -> Any:
        yield batch(MACHINES, [{"machine_id": "x", "event_time": hours(0), "kind": "pipe"}])
        for number in range(25):
            rows = [{"machine_id": "x", "event_time": hours(hour), "p": 500.0} for hour in range(12 + number)]
            yield batch(table, rows).__class__(table, batch(table, rows).table, f"f{number}.csv", batch(table, rows).rows)

    account = lake.ingest(Source("many", (KIND, pressure), batches), imported_at=NOW)
    assert len(account.suspicions) == 21
    assert account.suspicions[0].startswith("f24.csv: 36 values of p do not fit its range in bar but would as kPa")
    assert account.suspicions[-1] == "and 5 more of the sort"
