"""Predictions are written whole or not at all."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from training.benchmarks.result import write_whole

ROWS = pa.table({"row": [0, 1], "expected": [0.5, 0.25]})


def test_the_file_is_there_whole_and_nothing_beside_it(tmp_path: Path) -> None:
    write_whole(ROWS, tmp_path / "new" / "out.parquet")
    assert pq.read_table(tmp_path / "new" / "out.parquet").equals(ROWS)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out.parquet"]


def test_where_it_cannot_be_written_no_half_is_left(tmp_path: Path) -> None:
    (tmp_path / "out.parquet").mkdir()
    with pytest.raises(IsADirectoryError):
        write_whole(ROWS, tmp_path / "out.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]
