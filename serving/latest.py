"""The moments up to which the machines of the lake are known."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from features.clock import NEVER, micros
from features.schema import EVENT_TIME, MACHINE

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Versions = Mapping[str, int]


def moment(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def last_seen(tables: list[pa.Table], as_of: datetime | None) -> dict[str, int]:
    """Microseconds of the latest row at or before `as_of` (None: of all) by machine id."""
    seen: dict[str, int] = {}
    for table in tables:
        until = NEVER if as_of is None else micros(as_of)
        by_then = table.filter(pc.less_equal(pc.cast(table.column(EVENT_TIME), pa.int64()), until))
        latest = by_then.select([MACHINE, EVENT_TIME]).group_by(MACHINE).aggregate([(EVENT_TIME, "max")])
        stamps = latest.column(f"{EVENT_TIME}_max").cast(pa.int64()).to_pylist()
        for machine_id, stamp in zip(latest.column(MACHINE).to_pylist(), stamps, strict=True):
            seen[machine_id] = max(stamp, seen.get(machine_id, stamp))
    return seen
