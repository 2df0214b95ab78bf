"""A publisher's file as one pandas table with checked columns, for benchmarks: whole or one clear line.

The lake takes the same files row by row and puts what is broken aside (panels.py); a benchmark that lost rows would answer
another question.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from features.errors import BadInput
from features.sources import files

# A number, perhaps missing; one that has to be there; one that is whole besides; a year; text, perhaps missing; text there.
Sort = Literal["number", "given", "whole", "year", "text", "name"]
_KINDS: dict[Sort, str] = {"whole": "int64", "year": "int64", "text": "str", "name": "str"}  # else float64
# Panels are laid out from their first year to their last: one year mistyped must not cost all the memory there is.
_YEARS = (1900, 2199)


def paths(folder: Path, stem: str) -> list[Path]:
    """The files whose name begins with `stem`, in name order: Parquet, or CSV where there is none. Raises BadInput if none."""
    files.folder(folder)
    for suffix in files.SUFFIXES:
        found = sorted(path for path in folder.glob(f"{stem}*{suffix}") if path.is_file())
        if found:
            return found
    raise BadInput(f"no {stem}*.csv or {stem}*.parquet", where=str(folder), mend="put the publisher's file there")


def frame(
    folder: Path,
    stem: str,
    columns: Mapping[str, Sort],
    optional: Mapping[str, Sort] | None = None,
    *,
    empty: bool = False,
) -> pd.DataFrame:
    """The rows of the files that begin with `stem`, in their order: texts, float64 numbers (NaN: missing), int64 whole ones.

    optional: columns that are read where the files have them. empty: no such file, and none with rows, is a table without rows.
    Raises BadInput on a missing file or column, or naming the row of a value that is none of its sort; on files without rows.
    """
    if empty and not any(path.suffix in files.SUFFIXES for path in folder.glob(f"{stem}*")):
        return pd.DataFrame({name: pd.Series(dtype=_KINDS.get(sort, "float64")) for name, sort in columns.items()})
    parts = [_table(path, columns, optional or {}) for path in paths(folder, stem)]
    table = pd.concat(parts, ignore_index=True)
    if table.empty and not empty:
        raise BadInput("no rows", where=str(folder / f"{stem}*"), mend="fetch the file again")
    return table


def _table(path: Path, columns: Mapping[str, Sort], optional: Mapping[str, Sort]) -> pd.DataFrame:
    parts = []
    for chunk in files.chunks(path, list(columns), list(optional)):
        for broken in chunk.refused[:1]:
            raise BadInput(broken.reason, where=f"{path}, row {broken.row}", mend="correct the line")
        sorts = {**columns, **optional}
        values = {name: _values(chunk, name, sorts[name], path) for name in chunk.table.column_names}
        parts.append(pd.DataFrame(values))
    return pd.concat(parts, ignore_index=True)


def _values(chunk: files.Chunk, name: str, sort: Sort, path: Path) -> pd.Series:
    column = chunk.table[name]
    if sort in ("text", "name"):
        text = column.cast(pa.string()).to_pandas().astype("str")
        _none(text.isna() & (sort == "name"), "missing", chunk, name, path)
        return text
    numeric = files.numeric(chunk, name)
    for wrong in numeric.refused[:1]:
        raise BadInput(wrong.reason, where=f"{path}, row {wrong.row}, column {name}", mend="correct the value")
    values = pd.Series(files.floats(files.numbers(column)))
    _none(np.isinf(values), "not a finite number", chunk, name, path)
    if sort in ("given", "whole", "year"):
        _none(values.isna(), "missing", chunk, name, path)
    if sort == "year":
        _none(~values.between(*_YEARS), "not a year", chunk, name, path)
    if sort in ("whole", "year"):
        _none(values != values.round(), "not a whole number", chunk, name, path)
        return values.astype(np.int64)
    return values


def _none(wrong: pd.Series, what: str, chunk: files.Chunk, name: str, path: Path) -> None:
    if wrong.any():
        row = int(chunk.rows[int(np.flatnonzero(wrong)[0])])
        raise BadInput(what, where=f"{path}, row {row}, column {name}", mend="correct the value")
