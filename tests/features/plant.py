"""A small plant for the lake's tests: one kind of presses, its rows and its sources."""

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from features.account import TableCount
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


def batch(contract: Any, rows: Rows) -> Batch:
    # pylist takes its columns from the first row; a column that some rows lack must still be there.
    names = list(dict.fromkeys(key for row in rows for key in row))
    table = pa.table({key: [row.get(key) for row in rows] for key in names})
    return Batch(contract, table, f"{contract.name}.csv", np.arange(1, len(rows) + 1))


def source(*tables: tuple[Any, Rows], name: str = "plant") -> Source:
    def batches() -> Iterator[Batch]:
        for contract, rows in tables:
            yield batch(contract, rows)

    return Source(name, (KIND,), batches)


def counts(count: TableCount) -> tuple[int, int, int, int, int]:
    return count.rows_in, count.accepted, count.corrected, count.duplicate, count.quarantined


FLEET = (MACHINES, [machine("m1"), machine("m2")])


def big_plant() -> Source:
    """40 machines, 30 hours of readings, an event each, and an event of a machine that nobody knows."""
    names = [f"m{number}" for number in range(40)]
    rows = [reading(name, hour, hour / 10) for name in names for hour in range(30)]
    events = [{"machine_id": name, "event_time": hours(1), "code": "E1"} for name in [*names, "ghost"]]
    return source((MACHINES, [machine(name) for name in names]), (EVENTS, events), (READINGS, rows), name="big")


def aged(lake: Lake, days: float) -> None:
    """Make the files of the readings, and all removals of them, so many days older."""
    then = time.time() - days * 86_400
    for log in lake.path("readings_press").glob("_delta_log/*.json"):
        actions = [json.loads(line) for line in log.read_text().splitlines()]
        for action in actions:
            if "remove" in action:
                action["remove"]["deletionTimestamp"] = int(then * 1000)
        log.write_text("\n".join(json.dumps(action) for action in actions))
    for file in lake.path("readings_press").glob("bucket=*/*"):
        os.utime(file, (then, then))
