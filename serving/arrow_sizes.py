"""How large an Arrow stream is once it is unpacked, before anything of it is: a compressed one may be a thousand times smaller.

A record batch's metadata is a FlatBuffer (Arrow's Message.fbs): a table begins with the distance back to its vtable, which
holds the place of each field, 0 for one that is not there. A compressed buffer begins with its unpacked size, or -1.
"""

import struct

import pyarrow as pa

_DICTIONARY, _RECORDS = 2, 3
# The version of the format since Arrow 1.0 (a short integer of two bytes): before it, compression was said elsewhere.
_V5 = 4


def unpacked_bytes(stream: bytes) -> int:
    """The bytes of all buffers of an Arrow IPC stream. Raises ValueError (pa.ArrowInvalid is one) on a damaged one."""
    total = 0
    try:
        for message in pa.ipc.MessageReader.open_stream(pa.py_buffer(stream)):
            if message.body is not None:
                total += _of_message(memoryview(message.metadata), memoryview(message.body))
    except (struct.error, IndexError):
        raise ValueError("damaged metadata") from None
    return total


def _of_message(metadata: memoryview, body: memoryview) -> int:
    message = _number("<I", metadata, 0)
    version = _field(metadata, message, 0)
    if not version or _number("<h", metadata, version) < _V5:
        raise ValueError("written by an Arrow before 1.0")
    kind = _field(metadata, message, 1)
    header = _table(metadata, message, 2)
    if kind and metadata[kind] == _DICTIONARY:
        header = _table(metadata, header, 1)
    elif not kind or metadata[kind] != _RECORDS:
        return len(body)
    buffers = _table(metadata, header, 2)
    if not _field(metadata, header, 3) or not buffers:
        return len(body)
    sizes = 0
    for number in range(_number("<I", metadata, buffers)):
        offset, length = struct.unpack_from("<qq", metadata, buffers + 4 + 16 * number)
        unpacked = _number("<q", body, offset) if length >= 8 and offset >= 0 else 0
        if unpacked < -1:
            raise ValueError("a buffer of negative size")
        sizes += length if unpacked == -1 else unpacked
    return sizes


def _number(form: str, data: memoryview, place: int) -> int:
    return int(struct.unpack_from(form, data, place)[0])


def _field(data: memoryview, table: int, slot: int) -> int:
    """Where a field of a table stands; 0 if it is not there."""
    if not table:
        return 0
    vtable = table - _number("<i", data, table)
    place = 4 + 2 * slot
    if vtable < 0 or place >= _number("<H", data, vtable):
        return 0
    offset = _number("<H", data, vtable + place)
    return table + offset if offset else 0


def _table(data: memoryview, table: int, slot: int) -> int:
    """Where the table or vector begins that a field points to; 0 if there is none."""
    place = _field(data, table, slot)
    return place + _number("<I", data, place) if place else 0
