"""The append log of the lake: a batch of rows is on disk before its sender hears that it was taken.

log/<writer>/NNNNNN.seg   records of one writing process; it holds the lock of its folder as long as it lives
log/compacted.json        up to where the log is in the tables, and the account of those rows (features/compactor.py)

The stamps of records rise within a writer; across writers they are the order in which batches count. A record that is cut short
or does not match its checksum ends its segment: whoever wrote it died before it said that it was taken. The next process begins
a new segment. Where the computer's clock is set back, a living writer's stamps run ahead of it until it has caught up; its rows
are seen at once all the same, and wait as long to be moved into the tables.
"""

import fcntl
import heapq
import logging
import os
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from features.errors import Conflict
from features.log_records import HEADER_BYTES, Entry, decode, encode, frames, header

log = logging.getLogger("forewarn.log")

FOLDER = "log"
SEGMENT_BYTES = 64 * 2**20
MOST_WRITERS = 1_000


class Position(NamedTuple):
    """A place in one writer's records: the segment's number and the byte in it."""

    segment: int
    offset: int


START = Position(0, 0)
Positions = Mapping[str, Position]


class Record(NamedTuple):
    """An entry with its place: it begins at `start` and ends where the next one begins."""

    writer: str
    start: Position
    end: Position
    stamp: int
    entry: Entry

    @property
    def place(self) -> str:
        """What the quarantine calls the file of its rows."""
        return f"{FOLDER}/{self.writer}/{_name(self.start.segment)}@{self.start.offset}"


class Writer:
    """The one appender of its folder. Threads may share it: one of them writes and syncs for all that wait."""

    def __init__(self, folder: Path, lock: Any) -> None:
        self.name = folder.name
        self._folder = folder
        self._lock_file = lock
        self._writing = threading.Lock()
        self._queue_lock = threading.Lock()
        self._queue: list[_Waiting] = []
        self._segment = max((segment for segment in segments(folder)), default=-1)
        self._file: int | None = None
        self._offset = 0
        self._stamp = 0

    @classmethod
    def open(cls, lake_root: Path) -> "Writer":
        """Take the first writer's folder that no living process holds. Raises Conflict if there are too many."""
        root = lake_root / FOLDER
        for number in range(MOST_WRITERS):
            folder = root / f"w{number:03d}"
            folder.mkdir(parents=True, exist_ok=True)
            lock = (folder / ".lock").open("w")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                continue
            _sync_folder(root)
            return cls(folder, lock)
        raise Conflict(f"{MOST_WRITERS} processes are writing into the log", where=str(root), mend="stop some of them")

    def append(self, entry: Entry) -> Position:
        """Return where `entry` begins, once it is on the disk. Raises OSError, MemoryError: send it again then."""
        waiting = _Waiting(encode(entry))
        with self._queue_lock:
            self._queue.append(waiting)
        with self._writing:  # whoever comes in writes for all that came meanwhile
            if not waiting.done:
                with self._queue_lock:
                    group, self._queue = self._queue, []
                self._write(group)
        if waiting.error is not None:
            raise waiting.error
        return waiting.position

    def _write(self, group: list["_Waiting"]) -> None:
        try:
            if self._file is None or self._offset >= SEGMENT_BYTES:
                self._rotate()
            begin = self._offset
            parts: list[bytes | memoryview] = []
            for waiting in group:
                waiting.position = Position(self._segment, self._offset)
                self._stamp = max(stamp_now(), self._stamp + 1)
                parts += (header(waiting.payload, waiting.checksum, self._stamp), waiting.payload)
                self._offset += HEADER_BYTES + len(waiting.payload)
            assert self._file is not None
            _write_all(self._file, parts, begin)
            os.fdatasync(self._file)
        except Exception as error:  # no room on the disk or in memory: nobody of the group must hear that it was taken
            self._give_up_segment()
            for waiting in group:
                waiting.error = error
        for waiting in group:
            waiting.done = True

    def _rotate(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
        path = self._folder / _name(self._segment + 1)
        self._file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        self._segment, self._offset = self._segment + 1, 0
        _sync_folder(self._folder)

    def _give_up_segment(self) -> None:
        """After a failed write nobody knows what the file holds: what follows goes into a new one."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def close(self) -> None:
        with self._writing:
            self._give_up_segment()
            self._lock_file.close()


class _Waiting:
    """A record on its way to the disk."""

    def __init__(self, payload: memoryview) -> None:
        self.payload = payload
        self.checksum = zlib.crc32(payload)
        self.position = START
        self.done = False
        self.error: Exception | None = None


class Tail:
    """What was appended since `positions`, by whichever process. `read` goes on where it stopped."""

    def __init__(self, lake_root: Path, positions: Positions | None = None) -> None:
        self._root = lake_root / FOLDER
        self.positions: dict[str, Position] = dict(positions or {})

    def read(self, most_rows: int | None = None, until: int | None = None) -> list[Record]:
        """New records in the order in which they count; at most `most_rows` rows in all, rounded up to a record.

        until: later stamps wait. Writers are looked at one after the other: without it a record may be found whose sender had
        heard of one that is not. Raises FileNotFoundError if segments that were not read yet are gone: the tables hold them.
        """
        before = dict(self.positions)
        found: list[Record] = []
        rows = 0
        try:
            # One record of each writer is held beside those that are taken, so that nothing counts before what came earlier.
            for record in heapq.merge(*map(self._new, writers(self._root)), key=lambda record: (record.stamp, record.writer)):
                if until is not None and record.stamp > until:
                    break
                found.append(record)
                self.positions[record.writer] = record.end
                rows += record.entry.rows_in
                if most_rows is not None and rows >= most_rows:
                    break
        except FileNotFoundError:
            self.positions = before
            raise
        return found

    def waiting_bytes(self) -> int:
        """How much there is to read."""
        waiting = 0
        for writer in writers(self._root):
            folder, at = self._root / writer, self.positions.get(writer, START)
            for number in segments(folder):
                if number >= at.segment:
                    with suppress(FileNotFoundError):  # in the tables, and removed just now
                        size = (folder / _name(number)).stat().st_size
                        waiting += max(size - (at.offset if number == at.segment else 0), 0)
        return waiting

    def _new(self, writer: str) -> Iterator[Record]:
        """A writer's records behind its position. Whoever takes one moves the position there before asking for the next one."""
        folder = self._root / writer
        position = self.positions.get(writer, START)
        while True:
            path = folder / _name(position.segment)
            # Asked before the read: once there is a next segment, nothing is added to this one.
            later = (folder / _name(position.segment + 1)).exists()
            try:
                file = path.open("rb")
            except FileNotFoundError:
                if any(number > position.segment for number in segments(folder)):
                    raise
                return
            with file:
                file.seek(position.offset)
                for place, stamp, payload in frames(file):
                    end = Position(position.segment, place + HEADER_BYTES + len(payload))
                    yield Record(writer, Position(position.segment, place), end, stamp, decode(payload))
            if not later:
                return
            position = self.positions[writer] = Position(position.segment + 1, 0)


def stamp_now() -> int:
    """The stamp of a record that is written now, by whichever process of this computer."""
    return time.time_ns() // 1_000


def writers(root: Path) -> list[str]:
    """The names of the writers' folders under `root`."""
    try:
        return sorted(entry.name for entry in os.scandir(root) if entry.name.startswith("w") and entry.is_dir())
    except FileNotFoundError:
        return []


def segments(folder: Path) -> list[int]:
    """The numbers of a writer's segments, ascending."""
    return sorted(int(path.stem) for path in folder.glob("[0-9]*.seg"))


def remove_before(lake_root: Path, positions: Positions) -> None:
    """Remove segments that lie wholly before `positions`, but the last of them, which others may still be reading.

    A segment that ends in unreadable bytes is kept as `.torn`.
    """
    for writer, position in positions.items():
        folder = lake_root / FOLDER / writer
        for number in segments(folder):
            if number >= position.segment - 1:
                break
            path = folder / _name(number)
            with path.open("rb") as file:
                whole = sum(HEADER_BYTES + len(payload) for _, _, payload in frames(file))
                torn = os.fstat(file.fileno()).st_size - whole
            if not torn:
                path.unlink()
            else:
                log.warning("%s ends in %d bytes of a record that was never acknowledged", path, torn)
                path.rename(path.with_suffix(".torn"))


def _name(segment: int) -> str:
    return f"{segment:06d}.seg"


def _write_all(file: int, parts: list[bytes | memoryview], offset: int) -> None:
    left = memoryview(b"".join(parts))
    while len(left):
        written = os.pwrite(file, left, offset)
        offset += written
        left = left[written:]


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
