"""What readers of small published panels share: a whole file with row numbers, years as moments, batches out of columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from features.kinds import slug
from features.schema import TIME, TableContract
from features.sources import files
from features.sources.frames import paths
from features.sources.reader import Batch, Refusal

Times = npt.NDArray[np.datetime64]
FIRST_YEAR, LAST_YEAR = 1970, 2199


@dataclass(frozen=True)
class Rows:
    """The usable rows of one file: `table` with texts and float64 numbers, indexed by row number; the refused ones."""

    path: Path
    table: pd.DataFrame
    refused: tuple[Refusal, ...] = ()

    def keep(self, good: "pd.Series[bool]", column: str, reason: str) -> "Rows":
        """These rows without those that are not `good`, which are refused for one reason."""
        if good.all():
            return self
        values = self.table.loc[~good, column]
        shown = ["" if pd.isna(value) else str(value) for value in values]
        more = tuple(Refusal(int(row), column, reason, text) for row, text in zip(values.index, shown, strict=True))
        return Rows(self.path, self.table[good], self.refused + more)

    def dated(self, year: str) -> "Rows":
        """These rows without those whose `year` is none."""
        years = self.table[year]
        return self.keep(years.between(FIRST_YEAR, LAST_YEAR) & (years == years.round()), year, "not a year")


def read(folder: Path, stem: str, numbers: Sequence[str], texts: Sequence[str], optional: Sequence[str] = ()) -> list[Rows]:
    """The files that begin with `stem`, each whole. optional: texts that are read where there are such columns.

    Raises BadInput on a missing or unreadable file or column.
    """
    found = []
    for path in paths(folder, stem):
        parts, refused = [], list[Refusal]()
        for raw in files.chunks(path, [*numbers, *texts], list(optional)):
            chunk = files.numeric(raw, *numbers)
            refused += [Refusal(*one) for one in chunk.refused]
            values: dict[str, Any] = {name: files.floats(files.numbers(chunk.table[name])) for name in numbers}
            for name in [*texts, *optional]:
                if name in chunk.table.column_names:
                    values[name] = chunk.table[name].cast(pa.string()).to_pandas().astype("str").to_numpy()
            parts.append(pd.DataFrame(values, index=chunk.rows))
        found.append(Rows(path, pd.concat(parts), tuple(refused)))
    return found


def years(values: "pd.Series[float]", more: int = 0) -> Times:
    """00:00 UTC of the first of January of each year, or of so many years later."""
    return np.asarray((values.to_numpy().astype(np.int64) - 1970 + more).astype("datetime64[Y]").astype("datetime64[us]"))


def days_later(moments: Times, days: int) -> Times:
    return np.asarray(moments + np.timedelta64(days, "D"))


def codes(values: "pd.Series[str]") -> list[str | None]:
    """Publishers' words as codes: lower case, `_` for all but letters and digits; missing ones stay so."""
    shown = {word: "_".join(filter(None, slug(word.strip()).split("_"))) for word in values.dropna().unique()}
    return [shown.get(word) or None for word in values]


def batch(contract: TableContract, rows: Rows | Path, at: Sequence[int], columns: Mapping[str, Any]) -> Batch:
    """One batch out of columns: NumPy times, lists, series, or one value for all. at: the row number of each row.

    rows: the file; with its refused rows, where this is the batch to count them in.
    """
    count = len(at)
    arrays = {name: array(values, count) for name, values in columns.items()}
    path, refused = (rows.path, rows.refused) if isinstance(rows, Rows) else (rows, ())
    return Batch(contract, pa.table(arrays), path.name, np.asarray(at, dtype=np.int64), refused)


def array(values: Any, count: int) -> pa.Array:
    """A column of so many values: NumPy times or one of them, a list, a series, an array, or one value for all."""
    if isinstance(values, np.datetime64):
        values = np.repeat(values, count)
    if isinstance(values, np.ndarray) and values.dtype.kind == "M":
        return pa.array(values.astype("datetime64[us]")).cast(TIME)
    if isinstance(values, str | int | float | bool):
        return pa.repeat(pa.scalar(values), count)
    return values if isinstance(values, pa.Array) else pa.array(values, from_pandas=True)
