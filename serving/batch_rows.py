"""Rows of a batch as bytes for the store: what was said of each machine or enterprise, and a digest of what was seen of it.

No evidence each: a batch keeps it once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.schema import ENTERPRISE, EVENT_TIME, MACHINE, TEXT, TIME
from serving.contracts import HORIZON_HOURS
from serving.risk_contracts import HORIZON_DAYS, RISK

# Rows that are stored, and read again for one score, as one piece.
PART_ROWS = 65_536
_SAID = pa.list_(pa.float64(), len(HORIZON_HOURS))
_RISK = pa.list_(pa.float64(), len(RISK) * len(HORIZON_DAYS))
_SEEN = ("digest", pa.binary(8))
SCHEMA = pa.schema([(MACHINE, TEXT), (EVENT_TIME, TIME), ("p", _SAID), ("low", _SAID), ("high", _SAID), _SEEN])
# Of enterprises each score's numbers lie side by side: horizon after horizon of RISK[0], then of RISK[1], ...
RISK_SCHEMA = pa.schema(
    [(ENTERPRISE, TEXT), (EVENT_TIME, TIME), ("price", _RISK), ("alarm", _RISK), ("loss_per_accident", pa.float64()), _SEEN]
)


@dataclass(frozen=True)
class BatchRow:
    """One row again. risk: what entities are ranked by; result: as a score of its own has it."""

    entity_id: str
    as_of: datetime
    risk: float
    result: dict[str, Any]
    digest: bytes


def digest(x: npt.NDArray[np.float32]) -> bytes:
    """Eight bytes that another feature vector does not have (BLAKE2b over the bits, little-endian)."""
    return blake2b(np.ascontiguousarray(x, dtype="<f4").tobytes(), digest_size=8).digest()


def digests(x: npt.NDArray[np.float32]) -> pa.Array:
    """The digest of each row of x float32[n, features]."""
    rows = np.ascontiguousarray(x, dtype="<f4")
    return pa.array([blake2b(row, digest_size=8).digest() for row in rows], pa.binary(8))


def said(values: npt.NDArray[np.float64]) -> pa.Array:
    """[n, numbers] as a column."""
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])


def parts(rows: pa.Table) -> Iterator[bytes]:
    """Rows of SCHEMA or RISK_SCHEMA in pieces of PART_ROWS, each a small Arrow stream."""
    for start in range(0, rows.num_rows, PART_ROWS):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, rows.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
            writer.write_table(rows.slice(start, PART_ROWS).combine_chunks())
        yield sink.getvalue().to_pybytes()


def row(part: bytes, place: int) -> BatchRow:
    """One row of a piece. Raises ValueError (pa.ArrowInvalid is one) on a damaged piece, IndexError beyond its end."""
    table = pa.ipc.open_stream(part).read_all()
    if not 0 <= place < table.num_rows:
        raise IndexError(place)
    found = table.slice(place, 1).to_pylist()[0]
    made = _of_machine if MACHINE in found else _of_enterprise
    return made(found)


def _of_machine(found: Mapping[str, Any]) -> BatchRow:
    numbers = {name: tuple(found[name]) for name in ("p", "low", "high")}
    result = {"horizon_hours": list(HORIZON_HOURS), **numbers}
    return BatchRow(found[MACHINE], found[EVENT_TIME], numbers["p"][-1], result, found["digest"])


def _of_enterprise(found: Mapping[str, Any]) -> BatchRow:
    count = len(HORIZON_DAYS)
    scores = {
        which: {name: tuple(found[which][place * count : (place + 1) * count]) for place, name in enumerate(RISK)}
        for which in ("price", "alarm")
    }
    result = {"horizon_days": list(HORIZON_DAYS), "loss_per_accident": found["loss_per_accident"], **scores}
    return BatchRow(found[ENTERPRISE], found[EVENT_TIME], scores["alarm"]["expected"][-1], result, found["digest"])
