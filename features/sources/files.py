"""Opening a publisher's file: CSV or Parquet as a bounded stream of chunks whose rows can be named.

What stops a file from being read at all (absent, empty, cut short, a column missing) is BadInput; a broken line inside a CSV
is refused with its row number and the rest is read on.
"""

import codecs
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from features.errors import BadInput
from features.schema import TIME
from features.sources import lines
from features.sources.lines import PLAIN, Form
from features.sources.reader import Refusal

Rows = npt.NDArray[np.int64]
Refused = tuple[Refusal, ...]
SUFFIXES = (".parquet", ".csv")
_CHUNK_ROWS = 1 << 17
_MISSING = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"]
# The second form is how Microsoft's own CSV writes "1/1/2015 6:00:00 AM".
_TIME_FORMATS = ("%Y-%m-%d %H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d")


@dataclass(frozen=True)
class Chunk:
    """Consecutive rows of one file. rows: 1-based number of each row of `table`; refused rows are not in `table`."""

    table: pa.Table
    rows: Rows
    refused: Refused = ()


def folder(directory: Path) -> Path:
    """The directory itself. Raises BadInput unless it is one."""
    if not directory.is_dir():
        raise BadInput("no such folder", where=str(directory), mend="name the folder that holds the publisher's files")
    return directory


def find(directory: Path, stem: str) -> Path | None:
    """`stem`.parquet or `stem`.csv in the folder, Parquet first."""
    return next((path for suffix in SUFFIXES if (path := directory / f"{stem}{suffix}").is_file()), None)


def need(directory: Path, stem: str) -> Path:
    """As `find`. Raises BadInput if there is neither."""
    path = find(directory, stem)
    if path is None:
        raise BadInput(f"no {stem}.csv or {stem}.parquet", where=str(directory), mend="put the publisher's file there")
    return path


def header(path: Path, form: Form = PLAIN) -> dict[str, pa.DataType]:
    """Column names and types, those of a CSV all text. Raises BadInput on an unreadable file or a name that is twice there."""
    if path.suffix == ".parquet":
        schema = _parquet(path).schema_arrow
        names, kinds = schema.names, schema.types
    else:
        names = _csv(path, _csv_header(path, form), form).schema.names
        kinds = [pa.string()] * len(names)
    for name in names:
        if names.count(name) > 1:
            raise BadInput(f"column {name!r} is there twice", where=str(path), mend="rename or drop one of them")
    return dict(zip(names, kinds, strict=True))


def check_columns(
    path: Path,
    columns: Sequence[str],
    optional: Sequence[str] = (),
    form: Form = PLAIN,
) -> list[str]:
    """The wanted columns that the file has. Raises BadInput naming the first one of `columns` that is missing."""
    types = header(path, form)
    present = list(types)
    for name in (*columns, *optional):
        if name in types and pa.types.is_nested(types[name]):
            what = f"column {name!r} holds several values a row ({types[name]})"
            raise BadInput(what, where=str(path), mend="store one text, number or time a row")
    for name in columns:
        if name not in present:
            shown = ", ".join(present[:12]) + (", ..." if len(present) > 12 else "")
            raise BadInput(f"no column {name!r}", where=str(path), mend=f"name it as the publisher does; the file has {shown}")
    return [*columns, *(name for name in optional if name in present)]


def chunks(
    path: Path,
    columns: Sequence[str],
    optional: Sequence[str] = (),
    form: Form = PLAIN,
) -> Iterator[Chunk]:
    """Stream `columns` (and those of `optional` that exist), about 10^5 rows at a time; at least one chunk, if an empty one.

    CSV fields arrive as text with empty ones null; Parquet columns keep their types, dictionaries decoded.
    Raises BadInput with the file on anything that makes it unreadable.
    """
    names = check_columns(path, columns, optional, form)
    yield from _parquet_chunks(path, names) if path.suffix == ".parquet" else _csv_chunks(path, names, form)


def _parquet(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except FileNotFoundError:
        raise BadInput("no such file", where=str(path), mend="name an existing file") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise _unreadable(path, "Parquet", error) from None


def _unreadable(path: Path, form: str, error: Exception) -> BadInput:
    if path.exists() and path.stat().st_size == 0:
        return BadInput("the file is empty", where=str(path), mend="fetch it again")
    reason = str(error).splitlines()[0].rstrip(".")
    return BadInput(f"not readable as {form} ({reason})", where=str(path), mend="fetch it again, it may be cut short")


def _parquet_chunks(path: Path, names: list[str]) -> Iterator[Chunk]:
    start = 1
    with _parquet(path) as file:
        try:
            for batch in file.iter_batches(_CHUNK_ROWS, columns=names):
                table = pa.table({name: plain(batch.column(name)) for name in names})
                yield Chunk(table, np.arange(start, start + len(table), dtype=np.int64))
                start += len(table)
            if start == 1:
                nothing = {name: plain(pa.nulls(0, file.schema_arrow.field(name).type)) for name in names}
                yield Chunk(pa.table(nothing), np.empty(0, np.int64))
        except (pa.ArrowInvalid, OSError) as error:
            raise _unreadable(path, "Parquet", error) from None


def _csv(
    path: Path,
    content: bytes,
    form: Form,
    names: list[str] | None = None,
    on_broken: Callable[[pacsv.InvalidRow], str] | None = None,
) -> pa.Table:
    """Lines of `path` in UTF-8, the header first, as a table of texts; without `names` only the header matters.

    Never as a stream of Arrow's: its threads would call back into Python (to read, decode, or tell of a broken line) while an
    error ends the process, which aborts it or hangs it for good.
    """
    # In memory of Arrow's own, since one of its threads may be the last to let go of it.
    held = pa.allocate_buffer(len(content))
    np.frombuffer(held, dtype=np.uint8)[:] = np.frombuffer(content, dtype=np.uint8)
    try:
        return pacsv.read_csv(
            pa.BufferReader(held),
            # Row numbers of broken lines are known only to a single-threaded read.
            read_options=pacsv.ReadOptions(use_threads=False, block_size=len(content) + 1),
            parse_options=pacsv.ParseOptions(invalid_row_handler=on_broken, delimiter=form.delimiter, newlines_in_values=True),
            convert_options=pacsv.ConvertOptions(
                include_columns=names,
                column_types=dict.fromkeys(names or (), pa.string()),
                strings_can_be_null=True,
                null_values=_MISSING,
                check_utf8=False,
            ),
        )
    except (pa.ArrowInvalid, OSError) as error:
        raise _unreadable(path, "CSV", error) from None


def _csv_header(path: Path, form: Form) -> bytes:
    """The header line. Raises BadInput."""
    try:
        codecs.lookup(form.encoding)
    except LookupError:
        mend = "use a name such as 'utf-8' or 'gb18030'"
        raise BadInput(f"no encoding {form.encoding!r}", where=str(path), mend=mend) from None
    try:
        return lines.header(path, form)
    except FileNotFoundError:
        raise BadInput("no such file", where=str(path), mend="name an existing file") from None
    except OSError as error:
        raise _unreadable(path, "CSV", error) from None


def _csv_chunks(path: Path, names: list[str], form: Form) -> Iterator[Chunk]:
    head, next_row = _csv_header(path, form), 1
    for content, texts in lines.records(path, form, lines.unclosed(path, form)):
        table, broken = _block(path, head + content, texts, names, form)
        broken = {next_row - 1 + row: said for row, said in broken.items()}
        next_row += table.num_rows + len(broken)
        span = np.arange(next_row - table.num_rows - len(broken), next_row, dtype=np.int64)
        good = span[~np.isin(span, np.fromiter(broken, np.int64, len(broken)))]
        yield Chunk(table.select(names), good, tuple(Refusal(row, "", *said) for row, said in sorted(broken.items())))


def _block(
    path: Path, content: bytes, texts: list[str], names: list[str], form: Form
) -> tuple[pa.Table, dict[int, tuple[str, str]]]:
    """The good rows behind a header, and what is wrong with the others by their number."""
    broken: dict[int, tuple[str, str]] = {}

    def on_broken(row: pacsv.InvalidRow) -> str:
        if row.text.startswith(lines.OUT):
            said = ("broken line: a quote is not closed", texts[int(row.text.rpartition(form.delimiter)[2])])
        else:
            said = (f"broken line: {row.actual_columns} fields where the header has {row.expected_columns}", row.text)
        broken[row.number - 1] = said
        return "skip"

    return _csv(path, content, form, names, on_broken), broken


def plain(column: pa.Array) -> pa.Array:
    """Decode a dictionary column, and text that its writer left as bytes."""
    column = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    loose = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_string_view, pa.types.is_binary_view)
    return column.cast(pa.string()) if any(is_(column.type) for is_ in loose) else column


def numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Float64 if every field parses, else the text as it stands: the lake quarantines the rows at fault."""
    try:
        return column.cast(pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return column


def numeric(chunk: Chunk, *names: str) -> Chunk:
    """The chunk with the rows refused whose field in one of the columns is there and is no number."""
    for name in names:
        column = chunk.table[name]
        if not pa.types.is_floating(numbers(column).type):
            good = np.array([_is_number(field) for field in column.to_pylist()], dtype=bool)
            chunk = keep(chunk, good, name, "not a number")
    return chunk


def _is_number(field: object) -> bool:
    try:
        float("0" if field is None else str(field))
    except ValueError:
        return False
    return True


def floats(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    """A numeric column as float64 with NaN for null. Raises ArrowInvalid on text that is no number."""
    return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def utc(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A publisher's naive times, declared UTC, as timestamps in microseconds; null where a field is no time."""
    kind = column.type
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return column.cast(TIME)
    naive = column if pa.types.is_timestamp(kind) or pa.types.is_date(kind) else _parse(column.cast(pa.string()))
    return pc.assume_timezone(naive.cast(pa.timestamp("us"), safe=False), "UTC")


def _parse(text: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        return text.cast(pa.timestamp("us"))
    except pa.ArrowInvalid:
        parsed = [pc.strptime(text, format=form, unit="us", error_is_null=True) for form in _TIME_FORMATS]
        return pc.coalesce(*parsed)


def keep(chunk: Chunk, good: npt.NDArray[np.bool_], column: str, reason: str) -> Chunk:
    """The chunk with the rows that are not `good` refused for one reason."""
    if good.all():
        return chunk
    texts = chunk.table[column].filter(pa.array(~good)).cast(pa.string()).to_pylist()
    rows = chunk.rows[~good].tolist()
    more = tuple(Refusal(row, column, reason, text or "") for row, text in zip(rows, texts, strict=True))
    return Chunk(chunk.table.filter(pa.array(good)), chunk.rows[good], chunk.refused + more)
