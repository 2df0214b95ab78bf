"""What is sent as rows: JSON or Arrow, whole or damaged, small or pretending to be; refused before it is unpacked."""

import struct
from contextlib import suppress

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import BadInput, UserError
from serving.arrow_sizes import unpacked_bytes
from serving.errors import TooLarge, WrongMediaType
from serving.rows import ARROW, JSON, MOST_BYTES, read_rows


def arrow(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def test_an_arrow_stream_is_read_as_json_is() -> None:
    columns = {"machine_id": ["a", "b"], "volt": [1.0, None]}
    assert read_rows(ARROW, arrow(pa.table(columns))).equals(read_rows(JSON, orjson.dumps(columns)))
    coded = pa.table({"machine_id": pa.array(["a", "a"]).dictionary_encode()})
    assert read_rows(ARROW, arrow(coded)).num_rows == 2
    views = pa.table({"machine_id": pa.array(["a", None, "b"], pa.string_view())})
    assert read_rows(ARROW, arrow(views)).num_rows == 3
    for body, line in (
        (b"nothing", "not readable as an Arrow stream"),
        (arrow(coded)[:-40], "not readable as an Arrow stream|no rows"),
        (arrow(pa.table({"volt": [[1.0]]})), "volt: columns of type list<item: double> are not read"),
        (arrow(pa.table([[1], [2]], names=["volt", "volt"])), "volt: a column stands twice"),
    ):
        with pytest.raises(BadInput, match=line):
            read_rows(ARROW, body)
    with pytest.raises(TooLarge, match="body above 8 MiB"):
        read_rows(JSON, b" " * (MOST_BYTES[JSON] + 1))
    with pytest.raises(WrongMediaType, match="'text/csv' is not read"):
        read_rows("text/csv", b"a,b")


def test_json_cells_of_several_types_are_judged_one_by_one() -> None:
    table = read_rows(JSON, b'{"volt": [1, "x", null, [2], 12345678901234567890123]}')
    assert table.column("volt").to_pylist() == ["1", "x", None, "[2]", "1.2345678901234568e+22"]


@settings(deadline=None, max_examples=100)
@given(cut=st.integers(0, 2_000), byte=st.integers(0, 255), place=st.integers(0, 2_000))
def test_a_damaged_arrow_stream_is_refused_or_read(cut: int, byte: int, place: int) -> None:
    body = bytearray(arrow(pa.table({"machine_id": ["a", None, "c"], "volt": [1.0, None, 3.0]})))
    body[place % len(body)] = byte
    with suppress(UserError):
        read_rows(ARROW, bytes(body[: len(body) - cut % 100]))


WORD, TIMES = b"w" * 10_000, 100_000


def zeros(compression: str) -> bytes:
    table = pa.table({"oil": np.zeros(70_000_000)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def one_word(kind: str) -> bytes:
    """A column of a long word for each row, which the body holds once."""
    if kind == "view":
        views = pa.py_buffer(struct.pack("<i4sii", len(WORD), WORD[:4], 0, 0) * TIMES)
        words = pa.Array.from_buffers(pa.string_view(), TIMES, [None, views, pa.py_buffer(WORD)])
    else:
        words = pa.DictionaryArray.from_arrays(np.zeros(TIMES, dtype=np.int8), [WORD.decode()])
    return arrow(pa.table({"machine_id": words}))


@pytest.mark.parametrize("kind", ["view", "dictionary"])
def test_words_that_stand_once_are_counted_for_each_row(kind: str) -> None:
    body = one_word(kind)
    assert len(body) < MOST_BYTES[ARROW] / 16
    with pytest.raises(TooLarge, match="64 MiB"):
        read_rows(ARROW, body)


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_what_is_too_large_is_not_unpacked(compression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body = zeros(compression)
    assert len(body) < MOST_BYTES[ARROW] / 16
    monkeypatch.delattr(pa.ipc, "open_stream")
    with pytest.raises(TooLarge, match="64 MiB"):
        read_rows(ARROW, body)


def test_rows_of_json_with_ever_other_columns_are_too_many_cells() -> None:
    body = orjson.dumps([{f"a{number}": 0} for number in range(3_000)])
    with pytest.raises(TooLarge, match="3000 rows of 3000 columns"):
        read_rows(JSON, body)


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_a_compressed_arrow_stream_says_how_large_it_is(compression: str | None) -> None:
    ids = pa.array([f"machine {number % 7}" for number in range(5_000)])
    table = pa.table({"machine_id": ids.dictionary_encode(), "code": ids, "oil": np.arange(5_000.0)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as stream:
        stream.write_table(table, max_chunksize=2_000)
    body = sink.getvalue().to_pybytes()
    assert table.nbytes <= unpacked_bytes(body) < 1.1 * table.nbytes
    assert read_rows(ARROW, body) == table
