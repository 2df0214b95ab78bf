"""Rows of a batch as bytes for the store: what each machine was told, and a digest of what was seen of it. No evidence each."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.schema import EVENT_TIME, MACHINE, TEXT, TIME
from serving.contracts import HORIZON_HOURS

# Rows that are stored, and read again for one score, as one piece.
PART_ROWS = 65_536
_SAID = pa.list_(pa.float64(), len(HORIZON_HOURS))
SCHEMA = pa.schema(
    [(MACHINE, TEXT), (EVENT_TIME, TIME), ("p", _SAID), ("low", _SAID), ("high", _SAID), ("digest", pa.binary(8))]
)


@dataclass(frozen=True)
class BatchRow:
    """One row again: p, low and high by horizon."""

    machine_id: str
    as_of: datetime
    p: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    digest: bytes


def digest(x: npt.NDArray[np.float32]) -> bytes:
    """Eight bytes that another feature vector does not have (BLAKE2b over the bits, little-endian)."""
    return blake2b(np.ascontiguousarray(x, dtype="<f4").tobytes(), digest_size=8).digest()


def digests(x: npt.NDArray[np.float32]) -> pa.Array:
    """The digest of each row of x float32[n, features]."""
    rows = np.ascontiguousarray(x, dtype="<f4")
    return pa.array([blake2b(row, digest_size=8).digest() for row in rows], pa.binary(8))


def said(values: npt.NDArray[np.float64]) -> pa.Array:
    """[n, horizons] as a column."""
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), len(HORIZON_HOURS))


def parts(rows: pa.Table) -> Iterator[bytes]:
    """Rows of SCHEMA in pieces of PART_ROWS, each a small Arrow stream."""
    for start in range(0, rows.num_rows, PART_ROWS):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, SCHEMA, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
            writer.write_table(rows.slice(start, PART_ROWS).combine_chunks())
        yield sink.getvalue().to_pybytes()


def row(part: bytes, place: int) -> BatchRow:
    """One row of a piece. Raises ValueError (pa.ArrowInvalid is one) on a damaged piece, IndexError beyond its end."""
    table = pa.ipc.open_stream(part).read_all()
    if not 0 <= place < table.num_rows:
        raise IndexError(place)
    found = table.slice(place, 1).to_pylist()[0]
    p, low, high = (tuple(found[name]) for name in ("p", "low", "high"))
    return BatchRow(found[MACHINE], found[EVENT_TIME], p, low, high, found["digest"])
