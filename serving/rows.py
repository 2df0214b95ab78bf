"""A posted batch of rows as an Arrow table, its cells as loose as they came: JSON rows or columns, or an Arrow stream."""

import json
from typing import Any

import orjson
import pyarrow as pa

from features.errors import BadInput
from serving.contracts import named, quoted
from serving.errors import TooLarge, WrongMediaType

JSON, ARROW = "application/json", "application/vnd.apache.arrow.stream"
# Reading JSON holds up every other request of the worker, reading Arrow does not.
MOST_BYTES = {JSON: 8 * 2**20, ARROW: 64 * 2**20}
MOST_ROWS = 1_000_000
_PLAIN = (
    pa.types.is_null, pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_integer,
    pa.types.is_floating, pa.types.is_timestamp, pa.types.is_date, pa.types.is_boolean,
)  # fmt: skip


def most_bytes(media_type: str) -> int:
    """The bound of a body. Raises WrongMediaType."""
    if media_type not in MOST_BYTES:
        raise WrongMediaType(f"{quoted(media_type)} is not read", where="content-type", mend=f"send {JSON} or {ARROW}")
    return MOST_BYTES[media_type]


def read_rows(media_type: str, body: bytes) -> pa.Table:
    """A body as a table. Raises BadInput, TooLarge, WrongMediaType."""
    if len(body) > most_bytes(media_type):
        raise too_large(media_type)
    table = _arrow(body) if media_type == ARROW else _json(body)
    if not table.num_rows:
        raise BadInput("no rows", where="body", mend="send at least one")
    if table.num_rows > MOST_ROWS:
        raise TooLarge(f"more than {MOST_ROWS} rows", where="body", mend="send them in several batches")
    return table


def too_large(media_type: str) -> TooLarge:
    return TooLarge(f"body above {most_bytes(media_type) // 2**20} MiB", where="body", mend="send it in several batches")


def _arrow(body: bytes) -> pa.Table:
    try:
        table = pa.ipc.open_stream(pa.py_buffer(body)).read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = (str(error).splitlines() or ["damaged"])[0]
        what = f"not readable as an Arrow stream: {reason}"
        raise BadInput(what, where="body", mend="send one stream with one schema") from None
    if table.nbytes > 8 * MOST_BYTES[ARROW]:
        raise too_large(ARROW)
    twice = {name for name in table.column_names if table.column_names.count(name) > 1}
    if twice:
        raise BadInput("a column stands twice", where=named(min(twice)), mend="send each column once")
    for field in table.schema:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if not any(known(kind) for known in _PLAIN):
            mend = "send numbers, texts and timestamps"
            raise BadInput(f"columns of type {field.type} are not read", where=named(field.name), mend=mend)
    return _without_flags(table.replace_schema_metadata(None))


def _json(body: bytes) -> pa.Table:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadInput(f"not readable as JSON: {error}", where="body", mend="send rows or columns") from None
    if isinstance(document, list):
        document = _turned(document)
    if not isinstance(document, dict):
        raise BadInput("neither rows nor columns", where="body", mend="send a list of objects or an object of lists")
    lengths = {name: len(values) if isinstance(values, list) else -1 for name, values in document.items()}
    if len(set(lengths.values())) > 1 or -1 in lengths.values():
        shown = {named(name): length for name, length in list(lengths.items())[:20]}
        raise BadInput(f"columns of different length: {shown}", where="body", mend="send lists of one length")
    return pa.table({name: _column(values) for name, values in document.items()})


def _turned(rows: list[Any]) -> dict[str, list[Any]]:
    """Rows as columns; a cell that a row does not have is empty."""
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise BadInput("a row that is not an object", where=f"row {number + 1}", mend="send rows as objects")
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _column(values: list[Any]) -> pa.Array:
    """Cells that are all numbers or all texts as they are; others as text, so that each is judged by itself."""
    kinds = set(map(type, values)) - {type(None)}
    if kinds == {str}:
        return pa.array(values, pa.string())
    if kinds <= {int, float}:
        try:
            return pa.array(values)
        except (pa.ArrowException, OverflowError):
            pass
    return pa.array([value if value is None or isinstance(value, str) else json.dumps(value) for value in values], pa.string())


def _without_flags(table: pa.Table) -> pa.Table:
    """True and false as text: they are no numbers, and no table that takes rows has a column for them."""
    for place, field in enumerate(table.schema):
        if pa.types.is_boolean(field.type):
            table = table.set_column(place, field.name, table.column(place).cast(pa.string()))
    return table
