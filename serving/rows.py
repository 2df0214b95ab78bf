"""A posted batch of rows as an Arrow table, its cells as loose as they came: JSON rows or columns, or an Arrow stream."""

import json
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from features.errors import BadInput
from serving.arrow_sizes import unpacked_bytes
from serving.contracts import named, quoted
from serving.errors import TooLarge, WrongMediaType

JSON, ARROW = "application/json", "application/vnd.apache.arrow.stream"
# Reading JSON holds up every other request of the worker, reading Arrow does not.
MOST_BYTES = {JSON: 8 * 2**20, ARROW: 64 * 2**20}
MOST_ROWS = 1_000_000
# What a small body may not become: compressed buffers, words that stand once for many rows, cells that rows of JSON leave out.
MOST_UNPACKED_BYTES = 8 * MOST_BYTES[ARROW]
MOST_CELLS = MOST_BYTES[JSON]
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
    """The refusal of a body above its bound, or above eight times that once it is unpacked."""
    return TooLarge(f"body above {most_bytes(media_type) // 2**20} MiB", where="body", mend="send it in several batches")


def _arrow(body: bytes) -> pa.Table:
    try:
        if unpacked_bytes(body) > MOST_UNPACKED_BYTES:
            raise too_large(ARROW)
        table = pa.ipc.open_stream(pa.py_buffer(body)).read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = (str(error).splitlines() or ["damaged"])[0]
        what = f"not readable as an Arrow stream: {reason}"
        raise BadInput(what, where="body", mend="send one stream with one schema") from None
    twice = {name for name in table.column_names if table.column_names.count(name) > 1}
    if twice:
        raise BadInput("a column stands twice", where=named(min(twice)), mend="send each column once")
    for field in table.schema:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if not any(known(kind) for known in _PLAIN):
            mend = "send numbers, texts and timestamps"
            raise BadInput(f"columns of type {field.type} are not read", where=named(field.name), mend=mend)
    if table.num_rows <= MOST_ROWS and sum(map(_text_bytes, table.columns)) > MOST_UNPACKED_BYTES:
        raise too_large(ARROW)
    return _without_flags(table.replace_schema_metadata(None))


def _text_bytes(column: pa.ChunkedArray) -> int:
    """The bytes of a column's texts if each row had its own."""
    total = 0
    for chunk in column.chunks:
        words = chunk.dictionary if pa.types.is_dictionary(chunk.type) else chunk
        if pa.types.is_string_view(words.type):
            # Sixteen bytes for each: the first four are the length.
            views = np.frombuffer(words.buffers()[1] or b"", dtype=np.int32)[::4]
            lengths = pa.array(views[words.offset : words.offset + len(words)])
        elif pa.types.is_string(words.type) or pa.types.is_large_string(words.type):
            lengths = pc.binary_length(words)
        else:
            continue
        if words is not chunk:
            lengths = lengths.take(chunk.indices)
        total += pc.sum(lengths.cast(pa.int64())).as_py() or 0
    return total


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
    if len(rows) * len(names) > MOST_CELLS:
        what = f"{len(rows)} rows of {len(names)} columns in all"
        raise TooLarge(what, where="body", mend="send rows that have the same columns")
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
