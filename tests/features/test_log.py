"""The append log: what was acknowledged is read back, what was cut short is not, and writers do not meet."""

import errno
import os
import threading
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from features import log, log_records
from features.log import Position, Tail, Writer
from tests.features.streams import entry_of, made_lake, posts, send


def rows_of(records: list[log.Record]) -> int:
    return sum(record.entry.rows_in for record in records)


def test_entries_come_back_as_they_were_taken(tmp_path: Path) -> None:
    lake = made_lake(tmp_path)
    sent = posts(1, 20)
    entries = [entry_of(lake, post) for post in sent]
    assert any(entry.refused.num_rows for entry in entries)
    writer = Writer.open(tmp_path)
    for entry in entries:
        writer.append(entry)
    records = Tail(tmp_path).read()
    assert [record.entry.table_name for record in records] == [entry.table_name for entry in entries]
    for record, entry in zip(records, entries, strict=True):
        assert record.entry.rows.equals(entry.rows)
        assert record.entry.refused.equals(entry.refused)
        assert (record.entry.own_recorded, record.entry.received_at) == (entry.own_recorded, entry.received_at)
        assert sorted([*entry.numbers(), *entry.refused.column("row").to_pylist()]) == list(range(1, entry.rows_in + 1))
    assert [record.start for record in records[1:]] == [record.end for record in records[:-1]]
    writer.close()


def test_a_tail_goes_on_where_it_stopped_also_into_new_segments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "SEGMENT_BYTES", 5_000)
    lake = made_lake(tmp_path)
    writer = Writer.open(tmp_path)
    tail = Tail(tmp_path)
    assert tail.read() == []
    found = []
    for post in posts(2, 12):
        send(lake, writer, [post])
        assert tail.waiting_bytes() > 0
        found += tail.read()
        assert tail.read() == [] and tail.waiting_bytes() == 0
    assert max(record.start.segment for record in found) >= 2
    assert [record.stamp for record in found] == sorted({record.stamp for record in found})
    again = Tail(tmp_path, {found[4].writer: found[4].end}).read()
    assert [record.start for record in again] == [record.start for record in found[5:]]
    log.remove_before(tmp_path, {"w000": found[-1].end})
    assert log.segments(tmp_path / "log" / "w000") == [found[-1].start.segment - 1, found[-1].start.segment]
    with pytest.raises(FileNotFoundError):
        Tail(tmp_path).read()
    writer.close()


def test_a_segment_that_goes_meanwhile_waits_for_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = made_lake(tmp_path)
    writer = Writer.open(tmp_path)
    send(lake, writer, posts(2, 2))
    waiting = Tail(tmp_path).waiting_bytes()
    monkeypatch.setattr(log, "segments", lambda folder: [0, 1])
    assert Tail(tmp_path).waiting_bytes() == waiting
    writer.close()


def test_a_record_is_read_when_its_turn_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = made_lake(tmp_path)
    writer = Writer.open(tmp_path)
    send(lake, writer, posts(2, 9))
    read, decode = list[Any](), log.decode
    monkeypatch.setattr(log, "decode", lambda payload: read.append(payload) or decode(payload))
    assert len(Tail(tmp_path).read(most_rows=24)) == len(read) == 2
    writer.close()


@pytest.mark.parametrize("cut", [1, 12, 40, 400], ids=lambda cut: f"{cut} bytes gone")
def test_a_torn_tail_is_left_out_and_the_next_process_goes_on_behind_it(tmp_path: Path, cut: int) -> None:
    lake = made_lake(tmp_path)
    writer = Writer.open(tmp_path)
    send(lake, writer, posts(3, 5))
    writer.close()
    path = tmp_path / "log" / "w000" / "000000.seg"
    os.truncate(path, path.stat().st_size - cut)
    tail = Tail(tmp_path)
    assert len(tail.read()) == 4
    after = Writer.open(tmp_path)
    assert after.name == "w000"
    send(lake, after, posts(4, 3))
    [first, *_] = records = tail.read()
    assert len(records) == 3 and first.start == Position(1, 0)
    send(lake, after, posts(5, 1))
    [last] = tail.read()
    log.remove_before(tmp_path, {"w000": Position(2, 0)})
    assert (tmp_path / "log" / "w000" / "000000.torn").exists()
    assert last.start.segment == 1
    after.close()


def test_a_record_whose_bytes_changed_ends_its_segment(tmp_path: Path) -> None:
    lake = made_lake(tmp_path)
    writer = Writer.open(tmp_path)
    send(lake, writer, posts(6, 3))
    second = Tail(tmp_path).read()[1]
    path = tmp_path / "log" / "w000" / "000000.seg"
    with path.open("r+b") as file:
        file.seek(second.start.offset + 200)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    assert len(Tail(tmp_path).read()) == 1
    writer.close()


def test_each_process_has_a_folder_of_its_own_and_stamps_order_them(tmp_path: Path) -> None:
    lake = made_lake(tmp_path)
    first, second = Writer.open(tmp_path), Writer.open(tmp_path)
    assert (first.name, second.name) == ("w000", "w001")
    for number, post in enumerate(posts(7, 9)):
        send(lake, (first, second)[number % 2], [post])
    assert [record.writer for record in Tail(tmp_path).read()] == ["w000", "w001"] * 4 + ["w000"]
    # Cut short by rows, no writer runs ahead of another one, and nothing is skipped.
    tail, found = Tail(tmp_path), []
    while records := tail.read(most_rows=1):
        found += records
    assert [record.stamp for record in found] == [record.stamp for record in Tail(tmp_path).read()]
    first.close()
    third = Writer.open(tmp_path)
    assert third.name == "w000"
    second.close(), third.close()


def test_threads_share_a_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = made_lake(tmp_path)
    writer = Writer.open(tmp_path)
    entries = [entry_of(lake, post) for post in posts(8, 16)]
    syncs, held = [], threading.Event()
    real = os.fdatasync

    def slow(file: int) -> None:
        syncs.append(file)
        held.wait(0.1)
        real(file)

    monkeypatch.setattr(os, "fdatasync", slow)
    threads = [threading.Thread(target=writer.append, args=(entry,)) for entry in entries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(syncs) < len(entries) / 2
    assert rows_of(Tail(tmp_path).read()) == sum(entry.rows_in for entry in entries)
    writer.close()


def test_a_full_disk_takes_nothing_and_the_next_batch_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = made_lake(tmp_path)
    writer = Writer.open(tmp_path)
    before, failing, after = posts(9, 3)
    send(lake, writer, [before])
    real = os.pwrite

    def full(file: int, content: memoryview, offset: int) -> int:
        real(file, content[: len(content) // 2], offset)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space left"):
        send(lake, writer, [failing])
    monkeypatch.setattr(os, "pwrite", real)
    send(lake, writer, [after])
    found = [record.entry.rows for record in Tail(tmp_path).read()]
    assert [rows.num_rows for rows in found] == [entry_of(lake, post).rows.num_rows for post in (before, after)]
    assert found[1].equals(entry_of(lake, after).rows)
    writer.close()


def test_the_payload_is_arrow_that_anyone_reads(tmp_path: Path) -> None:
    entry = entry_of(made_lake(tmp_path), posts(1, 1)[0])
    assert pa.ipc.open_stream(pa.py_buffer(log_records.encode(entry))).read_all().num_rows == entry.rows.num_rows


def test_one_failed_write_is_told_to_all_who_waited_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = made_lake(tmp_path)
    writer, entry, told = Writer.open(tmp_path), entry_of(lake, posts(4, 1)[0]), []
    write, failures = log._write_all, [MemoryError("no room")]

    def once(*args: Any) -> None:
        if failures:
            raise failures.pop()
        write(*args)

    def sender() -> None:
        try:
            writer.append(entry)
            told.append("taken")
        except MemoryError as error:
            told.append(str(error))

    monkeypatch.setattr(log, "_write_all", once)
    threads = [threading.Thread(target=sender) for _ in range(4)]
    with writer._writing:
        for thread in threads:
            thread.start()
        while len(writer._queue) < len(threads):
            time.sleep(0.01)
    for thread in threads:
        thread.join()
    assert told == ["no room"] * 4
    writer.append(entry)
    assert len(Tail(tmp_path).read()) == 1
    writer.close()
