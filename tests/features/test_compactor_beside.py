"""The compactor beside imports, writers, a full disk and a lake that is not there yet."""

import errno
import fcntl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pytest

from features import compactor, delta, documents, log
from features.compactor import Compactor, compact_log
from features.errors import Conflict
from features.log import Tail, Writer
from features.receive import receive
from features.schema import MACHINES
from tests.features.streams import (
    COUNT,
    NOW,
    READINGS,
    SEED,
    Died,
    Post,
    contents,
    hours,
    machines,
    made_lake,
    posts,
    send,
    total,
)


def test_an_import_that_holds_the_lake_makes_it_wait(tmp_path: Path) -> None:
    lake = made_lake(tmp_path)
    writer = Writer.open(lake.root)
    send(lake, writer, posts(SEED, 3))
    asked = []

    def patient() -> bool:
        asked.append(1)
        if len(asked) == 3:
            held.close()
        return True

    held = (lake.root / ".lock").open("w")
    fcntl.flock(held, fcntl.LOCK_EX)
    with pytest.raises(Conflict, match="another process is writing"):
        compact_log(lake)
    account = compact_log(lake, wait=patient)
    assert account is not None and account.total.rows_in == 36 and len(asked) == 3
    writer.close()


def test_an_import_waits_for_a_round_that_holds_the_lake(tmp_path: Path) -> None:
    lake = made_lake(tmp_path)
    held, go = threading.Event(), threading.Event()

    def hold() -> None:
        with lake.writing(brief=True):
            held.set()
            go.wait(20)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(20)
    threading.Timer(0.3, go.set).start()
    contract, table, moment = posts(SEED, 1)[0]
    assert lake.append_rows(contract, table, moment, "import").total.rows_in == 12
    holder.join()
    with lake.writing(), pytest.raises(Conflict, match="another process is writing"):
        lake.append_rows(contract, table, moment, "import")


def test_the_thread_compacts_and_leaves_the_rest_to_the_next_process(tmp_path: Path) -> None:
    lake = made_lake(tmp_path)
    writer = Writer.open(lake.root)
    threads = [Compactor(lake.root, 0.05) for _ in range(2)]
    send(lake, writer, posts(SEED, 10))
    deadline = time.monotonic() + 30
    while total(lake).rows_in < 120 and time.monotonic() < deadline:
        time.sleep(0.02)
    for one in threads:
        one.close()
    assert total(lake).rows_in == 120
    assert threading.active_count() < 20
    send(lake, writer, posts(SEED + 1, 1))
    assert total(lake).rows_in == 120
    assert compact_log(lake) is not None
    writer.close()


def test_a_full_disk_leaves_the_rows_in_the_log_and_the_next_round_takes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lake = made_lake(tmp_path)
    writer = Writer.open(lake.root)
    send(lake, writer, posts(SEED, 3))
    before = contents(lake)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(delta, "append", full)
        thread = Compactor(lake.root, 0.02)
        deadline = time.monotonic() + 30
        while not caplog.records and time.monotonic() < deadline:
            time.sleep(0.02)
        assert contents(lake) == before and total(lake).rows_in == 0
    while total(lake).rows_in < 36 and time.monotonic() < deadline:
        time.sleep(0.02)
    thread.close()
    assert total(lake).rows_in == 36
    assert all("the log is not moved into the tables: " in one.getMessage() for one in caplog.records)
    assert all("no space left" in one.getMessage() and one.exc_info is None for one in caplog.records)
    writer.close()


def test_a_lake_that_is_not_there_yet_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    thread = Compactor(tmp_path / "lake", 0.01)
    time.sleep(0.1)
    thread.close()
    assert not caplog.records
    assert compactor.compacted(tmp_path / "lake").round == 0


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """What happens when a round has read the records of the first writer and not yet those of the second."""
    read, happens = Tail._new, list[Callable[[], None]]()

    def new(self: Tail, writer: str) -> Any:
        if writer == "w001" and happens:
            happens.pop()()
        return read(self, writer)

    monkeypatch.setattr(Tail, "_new", new)
    return happens


def test_a_round_takes_no_row_without_those_that_were_acknowledged_before_it(
    tmp_path: Path, meanwhile: list[Callable[[], None]]
) -> None:
    lake = made_lake(tmp_path)
    first, second = Writer.open(tmp_path), Writer.open(tmp_path)

    def reading(machine_id: str, hour: int, oil: float) -> Post:
        columns = {"machine_id": [machine_id], "event_time": [hours(hour)], "oil": [oil], "force": [1.0]}
        return READINGS, pa.table(columns), NOW

    def sent() -> None:
        """A new machine to one worker, then its reading to the other; a reading to one, then its correction to the other."""
        send(lake, first, [(MACHINES, machines(["m9"]), NOW), reading("m1", 2, 20.0)])
        contract, table, moment = reading("m9", 3, 7.0)
        second.append(receive(contract, table, moment, lambda _: {"m9": "press"}, lake.kinds()))
        send(lake, second, [reading("m1", 2, 30.0)])

    send(lake, second, [reading("m1", 1, 10.0)])
    meanwhile.append(sent)
    while compact_log(lake) is not None:
        pass
    assert not meanwhile
    assert lake.quarantined().num_rows == 0
    rows = lake.read(READINGS.name).select(["machine_id", "oil"]).to_pylist()
    assert sorted((row["machine_id"], row["oil"]) for row in rows) == [("m1", 10.0), ("m1", 20.0), ("m1", 30.0), ("m9", 7.0)]
    assert lake.read(READINGS.name, machine_ids=["m1"]).column("oil").to_pylist() == [10.0, 20.0, 30.0]
    first.close(), second.close()


def test_a_killed_round_is_finished_without_reading_all_that_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = made_lake(tmp_path)
    first, second = Writer.open(tmp_path), Writer.open(tmp_path)
    for number, post in enumerate(posts(SEED, COUNT)):
        send(lake, (first, second)[number % 2], [post])

    def die(*_: Any) -> None:
        raise Died

    with mock.patch.object(documents, "write_json", die), pytest.raises(Died):
        compact_log(lake, most_rows=24)
    read, decode = list[Any](), log.decode
    monkeypatch.setattr(log, "decode", lambda payload: read.append(payload) or decode(payload))
    account = compact_log(lake, most_rows=24)
    assert account is not None and account.total.rows_in == 24
    assert len(read) <= 8 < COUNT
    first.close(), second.close()
