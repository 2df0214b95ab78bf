"""Facts of many prospects as arrays, and rows of the enterprise tables made of them, by contract."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.enterprise.kernel import DAY
from features.enterprise.schema import ENTERPRISE_TABLES
from features.errors import BadInput
from features.history import Ints
from features.schema import ENTERPRISE, EVENT_TIME, RECORDED_AT

Floats = npt.NDArray[np.float64]


@dataclass
class Stated:
    """Facts as arrays: numbers NaN, texts null where not stated."""

    facts: pa.Table
    as_of: Ints

    def __len__(self) -> int:
        return int(self.facts.num_rows)

    def text(self, name: str) -> pa.Array:
        if name not in self.facts.column_names:
            return pa.nulls(len(self), pa.string())
        return pc.cast(self.facts.column(name), pa.string()).combine_chunks()

    def number(self, name: str) -> Floats:
        if name not in self.facts.column_names:
            return np.full(len(self), np.nan)
        found = self.facts.column(name).cast(pa.float64()).combine_chunks()
        return np.asarray(pc.fill_null(found, np.nan).to_numpy(zero_copy_only=False), dtype=np.float64)

    def count(self, name: str) -> Ints:
        """A number of things; none where it is not stated."""
        return np.rint(np.nan_to_num(self.number(name))).astype(np.int64)

    def refuse(self, wrong: npt.NDArray[np.bool_], what: str, mend: str) -> None:
        if wrong.any():
            where = f"facts, row {int(wrong.argmax()) + 1}" if len(self) > 1 else "facts"
            raise BadInput(what, where=where, mend=mend)


@dataclass(frozen=True)
class Made:
    """Rows of a table: whose each is [m], how long before `as_of` it happened (microseconds) [m], and its columns."""

    of: Ints
    ago: Ints
    columns: Mapping[str, object] = field(default_factory=dict)


def table_of(name: str, ids: list[str], stated: Stated, rows: Made) -> pa.Table:
    """Rows as the contract has them. A column is an array, one value for all, or (text, numbers) for names of their own."""
    contract, size = ENTERPRISE_TABLES[name], len(rows.of)
    moment = stated.as_of[rows.of]
    event = moment - rows.ago
    given: dict[str, object] = {
        ENTERPRISE: pa.array(ids, pa.string()).take(pa.array(rows.of)), EVENT_TIME: event, RECORDED_AT: event, **rows.columns,
    }  # fmt: skip
    columns = []
    for column in contract.arrow:
        value = given.get(column.name)
        if value is None:
            columns.append(pa.nulls(size, column.type))
        elif isinstance(value, np.ndarray | pa.Array | pa.ChunkedArray):
            columns.append(_cast(value, column.type))
        else:
            columns.append(pa.array([value] * size, column.type))
    return pa.table(columns, schema=contract.arrow)


def _cast(value: "npt.NDArray[np.generic] | pa.Array", type_: pa.DataType) -> pa.Array:
    found = pa.array(value) if isinstance(value, np.ndarray) else value
    return found.cast(pa.int64()).cast(type_) if pa.types.is_timestamp(type_) else found.cast(type_)


def each(count: Ints) -> tuple[Ints, Ints]:
    """Of so many rows of each prospect: whose each is, and its number among that one's."""
    of = np.repeat(np.arange(len(count)), count)
    return of, np.arange(len(of)) - np.repeat(np.cumsum(count) - count, count)


def days_ago(number: Ints, days: int) -> Ints:
    """So many days ago, each a microsecond earlier than the one before: things found at once would count as one."""
    return np.asarray(number + days * DAY, dtype=np.int64)


def some(known: npt.NDArray[np.bool_]) -> Ints:
    return np.flatnonzero(known)


def named(number: Ints, text: str) -> pa.Array:
    return pc.binary_join_element_wise(pa.scalar(text), pa.array(number).cast(pa.string()), "-")
