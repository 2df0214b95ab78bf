"""Records of the append log: a header (magic, length, checksum, stamp), then a batch as two Arrow streams."""

import json
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.intake import REFUSED

_HEADER = struct.Struct("<4sIIq")
_MAGIC = b"FWL1"
_ABOUT = b"forewarn"
HEADER_BYTES = _HEADER.size


@dataclass(frozen=True)
class Entry:
    """One batch as it was taken: rows that keep their table's contract, and those that were refused.

    rows: columns of the contract, recorded_at among them. refused: intake.REFUSED; their numbers count the rows of the batch
    from 1. own_recorded: whether the sender gave recorded_at. received_at: microseconds; stamped on rows without recorded_at.
    """

    table_name: str
    rows: pa.Table
    refused: pa.Table
    own_recorded: bool
    received_at: int

    @property
    def rows_in(self) -> int:
        return int(self.rows.num_rows + self.refused.num_rows)

    def numbers(self) -> npt.NDArray[np.int64]:
        """The numbers of `rows` in the batch: all that are not refused."""
        everything = np.arange(1, self.rows_in + 1, dtype=np.int64)
        return np.setdiff1d(everything, self.refused.column("row").to_numpy()) if self.refused.num_rows else everything


def frames(file: BinaryIO) -> Iterator[tuple[int, int, memoryview]]:
    """(place, stamp, payload) of the whole records from where `file` stands, one at a time, up to the size it has now."""
    place, size = file.tell(), os.fstat(file.fileno()).st_size
    while place + _HEADER.size <= size:
        magic, length, checksum, stamp = _HEADER.unpack(file.read(_HEADER.size))
        if magic != _MAGIC or place + _HEADER.size + length > size:
            return
        payload = memoryview(file.read(length))
        if len(payload) < length or _checksum(zlib.crc32(payload), stamp) != checksum:
            return
        yield place, stamp, payload
        place += _HEADER.size + length


def encode(entry: Entry) -> memoryview:
    """The payload of a record: two Arrow streams, the rows with what is known of the batch, then the refused ones."""
    about = {"table": entry.table_name, "own_recorded": entry.own_recorded, "received_at": entry.received_at}
    rows = entry.rows.replace_schema_metadata({_ABOUT: json.dumps(about).encode()})
    sink = pa.BufferOutputStream()
    for table in (rows, entry.refused):
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
    return memoryview(sink.getvalue())


def decode(payload: memoryview) -> Entry:
    """The entry of a payload; its tables are views into it."""
    source = pa.BufferReader(pa.py_buffer(payload))
    rows = pa.ipc.open_stream(source).read_all()
    refused = pa.ipc.open_stream(source).read_all()
    about = json.loads(rows.schema.metadata[_ABOUT])
    rows = rows.replace_schema_metadata(None)
    return Entry(about["table"], rows, refused.cast(REFUSED), about["own_recorded"], about["received_at"])


def header(payload: memoryview, checksum: int, stamp: int) -> bytes:
    """What stands before `payload`, whose own checksum is `checksum`."""
    return _HEADER.pack(_MAGIC, len(payload), _checksum(checksum, stamp), stamp)


def _checksum(of_payload: int, stamp: int) -> int:
    return zlib.crc32(stamp.to_bytes(8, "little"), of_payload)
