"""The log into the tables: grouping does not matter, killing does not matter, and the account says what became of every row."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from features import compactor, datafiles, delta, documents, log, quarantine
from features.account import RowAccount
from features.compactor import compact_log
from features.lake import Lake
from features.log import Tail, Writer
from features.schema import EVENTS, MACHINES
from tests.features.streams import (
    COUNT,
    KIND,
    MACHINE_IDS,
    NOW,
    SEED,
    START,
    Died,
    contents,
    hours,
    machines,
    made_lake,
    posts,
    send,
    total,
)


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
