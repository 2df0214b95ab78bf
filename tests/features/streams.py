"""Batches of a small plant as they come in over time: new rows, duplicates, corrections, late rows, refused rows."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from features.account import TableCount
from features.clock import in_order
from features.compactor import compacted
from features.kinds import MachineKind, Sensor, Term
from features.lake import Lake
from features.log import Writer
from features.log_records import Entry
from features.receive import receive
from features.schema import EVENTS, FAILURES, MACHINES, MAINTENANCE, TableContract, readings

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = START + timedelta(days=30)
MACHINE_IDS = [f"m{number}" for number in range(5)]
KIND = MachineKind(
    name="press",
    words_en="press",
    words_zh="压力机",
    window_hours=(3.0, 12.0, 24.0),
    sensors=(
        Sensor(name="oil", unit="°C", low=-40, high=150, words_en="oil", words_zh="油温"),
        Sensor(name="force", unit="kN", low=0, high=900, words_en="force", words_zh="压力"),
    ),
    error_codes=(Term(code="E1", words_en="jam", words_zh="卡料"),),
    components=(Term(code="seal", words_en="seal", words_zh="密封"),),
    models=("A",),
    reference=True,
)
READINGS = readings(KIND)
Post = tuple[TableContract, pa.Table, datetime]
SEED, COUNT = 11, 18


class Died(BaseException):
    """Stands for kill -9: no handler of the program catches it."""


def hours(count: float) -> datetime:
    return START + timedelta(hours=count)


def machines(ids: list[str] = MACHINE_IDS) -> pa.Table:
    count = len(ids)
    return pa.table({"machine_id": ids, "event_time": [START] * count, "kind": ["press"] * count, "model": ["A"] * count})


def total(lake: Lake) -> TableCount:
    """What became of all rows that were moved into the tables."""
    return compacted(lake.root).account().total


def made_lake(root: Path, ids: list[str] = MACHINE_IDS, buckets: int = 2) -> Lake:
    """A lake that knows the machines and nothing else."""
    lake = Lake.open(root, create=True, buckets=buckets)
    lake.put_kind(KIND)
    lake.append_rows(MACHINES, machines(ids).append_column("recorded_at", [[START] * len(ids)]), NOW, "fleet")
    return lake


def posts(seed: int, count: int, rows: int = 12) -> list[Post]:
    """`count` batches, each with the moment at which it comes in."""
    rng = np.random.default_rng(seed)
    found: list[Post] = []
    for number in range(count):
        moment = NOW + timedelta(seconds=number)
        table = rng.choice(["readings", "readings", "readings", "events", "maintenance", "failures"])
        ids = [str(name) for name in rng.choice([*MACHINE_IDS, "ghost"], rows, p=[*[0.98 / 5] * 5, 0.02])]
        event = [hours(int(hour)) for hour in rng.integers(0, 60, rows)]
        columns: dict[str, Any] = {"machine_id": ids, "event_time": event}
        if rng.random() < 0.6:
            columns["recorded_at"] = [
                start + timedelta(hours=int(late)) for start, late in zip(event, rng.integers(0, 90, rows), strict=True)
            ]
        if table == "readings":
            columns["oil"] = [[20.0, 30.0, None, 999.0][one] for one in rng.choice(4, rows, p=[0.4, 0.4, 0.17, 0.03])]
            columns["force"] = rng.integers(0, 3, rows).astype(float)
        elif table == "events":
            columns |= {"code": [["E1", "E9"][one] for one in rng.choice(2, rows, p=[0.95, 0.05])], "severity": [1.0] * rows}
        elif table == "maintenance":
            columns |= {"component": ["seal"] * rows, "action": [str(one) for one in rng.choice(["inspect", "replace"], rows)]}
        else:
            columns["component"] = ["seal"] * rows
        contract = {"readings": READINGS, "events": EVENTS, "maintenance": MAINTENANCE, "failures": FAILURES}[str(table)]
        found.append((contract, pa.table(columns), moment))
    return found


def entry_of(lake: Lake, post: Post) -> Entry:
    contract, table, moment = post
    kind_of = dict(zip(*lake.machines().select(["machine_id", "kind"]).to_pydict().values(), strict=True))
    return receive(contract, table, moment, lambda _: kind_of, lake.kinds())


def send(lake: Lake, writer: Writer, sent: list[Post]) -> None:
    for post in sent:
        writer.append(entry_of(lake, post))


def contents(lake: Lake) -> Mapping[str, list[dict[str, Any]]]:
    """Everything that a lake holds, in an order that depends on the rows alone."""
    found = {name: in_order(lake.read(name), lake.contract(name)).to_pylist() for name in lake.tables()}
    quarantined = lake.quarantined(limit=None)
    # The place in the log differs where a batch was sent twice.
    told = quarantined.select(["table", "row", "column", "reason", "value"]).to_pylist()
    return found | {"quarantine": sorted({str(row): row for row in told}.values(), key=str)}
