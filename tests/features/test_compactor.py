"""The log into the tables: grouping does not matter, killing does not matter, and the account says what became of every row."""

import errno
import fcntl
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from features import compaction, compactor, datafiles, delta, documents, log, quarantine, reference
from features.account import RowAccount, TableCount
from features.compactor import Compactor, compact_log, compacted
from features.errors import Conflict
from features.lake import Lake
from features.log import Tail, Writer
from features.receive import receive
from features.schema import EVENTS, MACHINES
from tests.features.streams import (
    KIND,
    MACHINE_IDS,
    NOW,
    READINGS,
    START,
    Post,
    contents,
    hours,
    machines,
    made_lake,
    posts,
    send,
)

SEED, COUNT = 11, 18


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """The lake when every batch is compacted by itself and nobody dies."""
    lake = made_lake(tmp_path_factory.mktemp("whole"))
    writer = Writer.open(lake.root)
    for post in posts(SEED, COUNT):
        send(lake, writer, [post])
        assert compact_log(lake) is not None
    writer.close()
    return lake


def total(lake: Lake) -> TableCount:
    return compacted(lake.root).account().total


def stored_rows(lake: Lake) -> int:
    return sum(lake.read(name).num_rows for name in lake.tables()) - len(MACHINE_IDS)


def test_every_row_is_accounted_for(whole: Lake) -> None:
    count = total(whole)
    assert count.rows_in == COUNT * 12
    assert count.accepted + count.corrected == stored_rows(whole)
    assert min(count.accepted, count.corrected, count.duplicate, count.quarantined) > 0
    assert whole.quarantined(limit=None).num_rows == count.quarantined
    assert compact_log(whole) is None


@pytest.mark.parametrize("most_rows", [12, 60, 10_000])
def test_it_does_not_matter_how_much_is_compacted_at_once(whole: Lake, tmp_path: Path, most_rows: int) -> None:
    lake = made_lake(tmp_path)
    writer = Writer.open(lake.root)
    send(lake, writer, posts(SEED, COUNT))
    rounds = 0
    while compact_log(lake, most_rows=most_rows) is not None:
        rounds += 1
    assert rounds == -(-COUNT * 12 // -(-most_rows // 12 * 12))
    assert contents(lake) == contents(whole)
    assert total(lake) == total(whole)
    writer.close()


def test_a_round_takes_so_many_rows_however_many_processes_write(tmp_path: Path) -> None:
    lake = made_lake(tmp_path)
    writers = [Writer.open(tmp_path) for _ in range(4)]
    for number, post in enumerate(posts(SEED, COUNT)):
        send(lake, writers[number % 4], [post])
    account = compact_log(lake, most_rows=36)
    assert account is not None and account.total.rows_in == 36
    for writer in writers:
        writer.close()


def test_what_comes_in_meanwhile_does_not_keep_a_drain_going(tmp_path: Path) -> None:
    lake = made_lake(tmp_path)
    writer = Writer.open(tmp_path)
    first, *more = posts(SEED, COUNT)
    send(lake, writer, [first])
    told: list[int] = []

    def meanwhile(account: RowAccount) -> None:
        told.append(account.total.rows_in)
        send(lake, writer, [more.pop()])

    compactor.drain(lake, told=meanwhile)
    assert told == [12]
    compactor.drain(lake)
    assert total(lake).rows_in == 24
    writer.close()


def test_what_was_acknowledged_is_stored_whatever_its_kind_has_come_to_declare(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path, create=True, buckets=1)
    lake.put_kind(KIND.model_copy(update={"error_codes": ()}))
    lake.append_rows(MACHINES, machines().append_column("recorded_at", [[START] * len(MACHINE_IDS)]), NOW, "fleet")
    writer = Writer.open(tmp_path)
    events = pa.table({"machine_id": ["m1"], "event_time": [hours(1)], "code": ["E7"], "severity": [1.0]})
    send(lake, writer, [(EVENTS, events, NOW)])
    lake.put_kind(KIND)
    assert [term.code for term in lake.kind("press").error_codes] == ["E1"]
    account = compact_log(lake)
    assert account is not None and (account.total.accepted, account.total.quarantined) == (1, 0)
    writer.close()


class Died(BaseException):
    """Stands for kill -9: no handler of the program catches it."""


# Everything that changes the disk; a crash happens before it, or after it, or (a write to the log) in the middle.
STEPS: list[tuple[Any, str]] = [
    (log.os, "pwrite"),
    (log.os, "fdatasync"),
    (datafiles, "write"),
    (datafiles, "sync"),
    (delta, "append"),
    (quarantine, "add"),
    (documents, "write_json"),
    (log, "remove_before"),
]


@contextmanager
def crashing(after_steps: int, moment: str, die: Callable[[], None]) -> Iterator[None]:
    left = after_steps

    def dying(real: Callable[..., Any], name: str) -> Callable[..., Any]:
        def step(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            left -= 1
            mine = left == 0  # a step may hold others
            if mine and name == "pwrite":
                real(args[0], args[1][: len(args[1]) // 2], args[2])
            elif mine and moment == "after":
                real(*args, **kwargs)
            if mine:
                die()
            return real(*args, **kwargs)

        return step

    with mock.patch.multiple(log, SEGMENT_BYTES=20_000):
        patches = [mock.patch.object(owner, name, dying(getattr(owner, name), name)) for owner, name in STEPS]
        for patch in patches:
            patch.start()
        try:
            yield
        finally:
            for patch in patches:
                patch.stop()


def live_through(root: Path, sent: Path) -> None:
    """Send what was not acknowledged yet, compacting every few batches; `sent` counts the acknowledged ones."""
    lake = Lake.open(root)
    writer = Writer.open(root)
    try:
        everything = posts(SEED, COUNT)
        for number in range(int(sent.read_text()), COUNT):
            send(lake, writer, [everything[number]])
            sent.write_text(str(number + 1))
            if number % 4 == 3:
                compact_log(lake)
        while compact_log(lake, most_rows=50) is not None:
            pass
    finally:
        writer.close()


def check(lake: Lake, whole: Lake, resent: int) -> None:
    assert contents(lake) == contents(whole)
    count = total(lake)
    assert count.rows_in == sum(record.entry.rows_in for record in everything_logged(lake)) == (COUNT + resent) * 12
    assert count.accepted + count.corrected == stored_rows(lake)
    assert compact_log(lake) is None


def everything_logged(lake: Lake) -> list[log.Record]:
    with mock.patch.object(log, "remove_before"):
        return Tail(lake.root).read()


def raises() -> None:
    raise Died


@settings(deadline=None, max_examples=5, phases=(Phase.explicit, Phase.reuse, Phase.generate))  # to shrink takes minutes
@given(crashes=st.lists(st.tuples(st.integers(1, 40), st.sampled_from(["before", "after"])), min_size=1, max_size=4))
def test_a_crash_anywhere_loses_nothing_and_stores_nothing_twice(
    tmp_path_factory: pytest.TempPathFactory, whole: Lake, crashes: list[tuple[int, str]]
) -> None:
    lake = made_lake(tmp_path_factory.mktemp("lake"))
    sent = lake.root / "sent"
    sent.write_text("0")
    with mock.patch.object(log, "remove_before"):  # so that the whole log can be counted at the end
        for steps, moment in crashes:
            try:
                with crashing(steps, moment, raises):
                    live_through(lake.root, sent)
            except Died:
                pass
        live_through(lake.root, sent)
    logged = len(everything_logged(lake))
    check(lake, whole, resent=logged - COUNT)


CHILD = """
import os, signal, sys
from pathlib import Path
from tests.features import test_compactor as here
def kill():
    os.kill(os.getpid(), signal.SIGKILL)
with here.crashing(int(sys.argv[2]), sys.argv[3], kill):
    here.live_through(Path(sys.argv[1]), Path(sys.argv[1]) / "sent")
"""
KILLS = [(1, "before"), (19, "after"), (29, "before"), (10_000, "before")]


def test_kill_9_again_and_again(tmp_path: Path, whole: Lake) -> None:
    lake = made_lake(tmp_path)
    (lake.root / "sent").write_text("0")
    for steps, moment in KILLS:
        command = [sys.executable, "-c", CHILD, str(lake.root), str(steps), moment]
        child = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert child.returncode == (-signal.SIGKILL if steps < 10_000 else 0), child.stderr
    assert (lake.root / "sent").read_text() == str(COUNT)
    assert contents(lake) == contents(whole)
    count = total(lake)
    assert count.rows_in >= COUNT * 12
    assert count.accepted + count.corrected == stored_rows(lake)


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
