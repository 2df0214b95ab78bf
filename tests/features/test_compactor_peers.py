"""The compactor publishes the peers of a day once it is over, and never of one that has not come."""

import errno
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from features import compaction, compactor, reference
from features.compactor import Compactor, compact_log
from features.lake import Lake
from features.log import Writer
from tests.features.streams import KIND, READINGS, START, Post, hours, made_lake, send, total


def plant_of_six(root: Path) -> tuple[Lake, Callable[[int], Post]]:
    """A lake of six machines (fewer have no peers), and a batch: a reading of each at the hour."""
    ids = [f"m{number}" for number in range(6)]
    lake = made_lake(root, ids)

    def post(hour: int) -> Post:
        columns = {"machine_id": ids, "event_time": [hours(hour)] * 6, "oil": [20.0 + hour] * 6, "force": [1.0] * 6}
        return READINGS, pa.table(columns), hours(hour)

    return lake, post


def test_peers_are_published_once_a_day_and_never_of_a_day_that_has_not_come(tmp_path: Path) -> None:
    lake, post = plant_of_six(tmp_path)
    writer = Writer.open(lake.root)
    table = KIND.reference_table

    def publish(now: float) -> tuple[int, list[int]]:
        assert compactor.publish_peers(lake, hours(now))
        days = lake.read(table).filter(pc.equal(lake.read(table)["peer_group"], "press"))["event_time"].to_pylist()
        return lake.versions()[table], [(day - START).days for day in days]

    for hour in (1, 23, 25):
        send(lake, writer, [post(hour)])
    compact_log(lake)
    first, days = publish(26)
    assert days == [1]
    send(lake, writer, [post(47)])
    compact_log(lake)
    assert publish(47.5) == (first, [1])
    assert publish(48.5) == (first + 1, [1, 2])
    assert publish(49) == publish(80) == (first + 1, [1, 2])
    # A build looks at all days, also at that of which only the beginning is known.
    send(lake, writer, [post(50)])
    compact_log(lake)
    reference.publish(lake, KIND)
    assert publish(51) == (first + 2, [1, 2, 3])
    send(lake, writer, [post(71)])
    compact_log(lake)
    assert publish(72) == (first + 3, [1, 2, 3])
    whole = lake.read(table)
    reference.publish(lake, KIND)
    assert lake.read(table).equals(whole)
    writer.close()


def test_a_kind_that_wants_its_peers_no_longer_stops_nothing(tmp_path: Path) -> None:
    lake, post = plant_of_six(tmp_path)
    writer = Writer.open(lake.root)
    for hour in (1, 23, 25):
        send(lake, writer, [post(hour)])
    compactor.drain(lake)
    reference.publish(lake, KIND)
    lake.put_kind(KIND.model_copy(update={"reference": False}))
    send(lake, writer, [post(50)])
    compactor.drain(lake)
    assert total(lake).rows_in == 24
    assert {one.table for one in compaction.compact(lake, whole=True)} == {READINGS.name}
    before = lake.versions()
    assert compactor.publish_peers(lake, hours(100)) and lake.versions() == before
    writer.close()


def test_the_thread_publishes_peers_and_tries_again_after_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lake, post = plant_of_six(tmp_path)
    writer = Writer.open(lake.root)
    publish, failures = reference.publish, [OSError(errno.ENOSPC, "No space left on device"), ValueError("a defect")]

    def sometimes(*given: Any, **named: Any) -> int:
        if failures:
            raise failures.pop()
        return publish(*given, **named)

    monkeypatch.setattr(reference, "publish", sometimes)
    thread = Compactor(lake.root, 0.02)
    send(lake, writer, [post(hour) for hour in range(0, 72, 6)])
    deadline = time.monotonic() + 30
    while KIND.reference_table not in lake.versions() and time.monotonic() < deadline:
        time.sleep(0.02)
    thread.close()
    assert lake.read(KIND.reference_table).num_rows
    assert total(lake).rows_in == 72
    assert ["the peers of kind press are not published" in one.getMessage() for one in caplog.records] == [True, True]
    writer.close()


def test_readings_from_before_their_machine_was_known_make_no_peers(tmp_path: Path) -> None:
    lake, post = plant_of_six(tmp_path)
    writer = Writer.open(lake.root)
    send(lake, writer, [post(-30)])
    compact_log(lake)
    assert compactor.publish_peers(lake, hours(1))
    assert KIND.reference_table not in lake.versions()
    writer.close()
