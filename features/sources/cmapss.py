"""C-MAPSS: NASA's simulated turbofan engines, run until they fail (Saxena, Goebel, Simon & Eklund 2008).

Four sets FD001 to FD004. `train_<set>` holds engines to their last cycle, `test_<set>` engines cut off some time before,
`RUL_<set>` the cycles that each of those had left. The publisher's own files are text without a header, columns in the order
unit, cycle, three settings, 21 sensors, and one number a line for RUL; Parquet and CSV name the columns so.

Time is a flight cycle, not a clock, so these engines go to a benchmark's arrays and not into a lake. A row is known at its
cycle.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.errors import BadInput
from features.sources import files

NAME = "cmapss"
SETS = ("FD001", "FD002", "FD003", "FD004")
SETTINGS = tuple(f"setting_{number}" for number in range(1, 4))
SENSORS = tuple(f"sensor_{number}" for number in range(1, 22))
COLUMNS = ("unit", "cycle", *SETTINGS, *SENSORS)

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Part = Literal["train", "test"]


@dataclass(frozen=True)
class Engines:
    """The engines of one file by unit and cycle: name of the set; unit, cycle [n]; settings [n, 3], sensors [n, 21], raw."""

    name: str
    unit: Whole
    cycle: Whole
    settings: Floats
    sensors: Floats

    def __len__(self) -> int:
        return len(self.unit)

    @property
    def starts(self) -> Whole:
        """Row of each engine's first cycle."""
        return np.flatnonzero(np.r_[True, self.unit[1:] != self.unit[:-1]])

    def of(self, chosen: npt.NDArray[np.bool_]) -> "Engines":
        """The rows chosen [n]; of an engine its first cycles or none."""
        return Engines(self.name, self.unit[chosen], self.cycle[chosen], self.settings[chosen], self.sensors[chosen])


def sets_in(folder: Path, part: Part) -> tuple[str, ...]:
    """The sets whose `part` file the folder holds. Raises BadInput if it holds none."""
    files.folder(folder)
    found = tuple(name for name in SETS if holds(folder, f"{part}_{name}"))
    if not found:
        raise BadInput(
            f"no {part}_FD001 to {part}_FD004 (.parquet, .csv, .txt)", where=str(folder), mend="put NASA's files there"
        )
    return found


def holds(folder: Path, stem: str) -> bool:
    """Whether the folder has a file of this name, such as `RUL_FD001`."""
    return _find(folder, stem) is not None


def engines(folder: Path, part: Part, name: str) -> Engines:
    """One set's engines. Raises BadInput on a missing or unreadable file or column, a value that is no finite number, no rows,
    or an engine whose cycles are not 1, 2, 3, ...
    """
    path, found = _read(folder, f"{part}_{name}", COLUMNS)
    if not len(found):
        raise BadInput("no engine has a cycle", where=str(path), mend="the file holds no rows")
    found = found[np.lexsort((found[:, 1], found[:, 0]))]
    unit, cycle = _whole(path, found[:, 0], "unit"), _whole(path, found[:, 1], "cycle")
    read = Engines(name, unit, cycle, found[:, 2:5], found[:, 5:])
    expected = np.arange(len(unit)) - np.repeat(read.starts, np.diff(np.r_[read.starts, len(unit)])) + 1
    wrong = np.flatnonzero(cycle != expected)
    if len(wrong):
        row = wrong[0]
        twice = row > 0 and unit[row] == unit[row - 1] and cycle[row] == cycle[row - 1]
        what = f"has cycle {cycle[row]} twice" if twice else f"has no cycle {expected[row]}"
        raise BadInput(f"engine {unit[row]} {what}", where=str(path), mend="an engine's cycles are 1, 2, 3, ...")
    return read


def cycles_left(folder: Path, tested: Engines) -> Floats:
    """The cycles that each engine of a test file had left, in order of its units. Outcomes: for judging alone.

    Raises BadInput on a missing or unreadable file, or one that is not of these engines.
    """
    stem, units = f"RUL_{tested.name}", np.unique(tested.unit)
    if holds(folder, stem) and (path := _find(folder, stem)) and path.suffix == ".txt":
        path, left = _read(folder, stem, ("RUL",))
        told = np.arange(1, len(left) + 1)
    else:
        path, both = _read(folder, stem, ("unit", "RUL"))
        told, left = _whole(path, both[:, 0], "unit"), both[:, 1:]
    for one in np.setxor1d(told, units)[:1]:
        what = f"engine {one} has no cycles in test_{tested.name}" if one in told else f"no outcome of engine {one}"
        raise BadInput(what, where=str(path), mend="both files name the same engines")
    if len(told) != len(units):
        raise BadInput("an engine is there twice", where=str(path), mend="one outcome for each engine")
    return np.asarray(left[np.argsort(told), 0])


def _find(folder: Path, stem: str) -> Path | None:
    text = folder / f"{stem}.txt"
    return files.find(folder, stem) or (text if text.is_file() else None)


def _read(folder: Path, stem: str, columns: tuple[str, ...]) -> tuple[Path, Floats]:
    """The file and its values [n, columns], all finite."""
    path = _find(folder, stem)
    if path is None:
        raise BadInput(f"no {stem} (.parquet, .csv, .txt)", where=str(folder), mend="put the publisher's file there")
    values = _text(path, len(columns)) if path.suffix == ".txt" else _table(path, columns)
    wrong = np.argwhere(~np.isfinite(values))
    if len(wrong):
        row, column = wrong[0]
        where = f"{path}, row {row + 1}, column {columns[column]}"
        raise BadInput("missing or not a finite number", where=where, mend="every cycle has every value")
    return path, values


def _text(path: Path, columns: int) -> Floats:
    try:
        values = np.loadtxt(path, dtype=np.float64, ndmin=2)
    except (ValueError, UnicodeDecodeError, OSError) as error:
        raise BadInput(f"not readable as numbers: {error}", where=str(path), mend="give the publisher's own file") from None
    if values.size and values.shape[1] != columns:
        what = f"{values.shape[1]} columns where {columns} are expected"
        raise BadInput(what, where=str(path), mend="give the publisher's own file")
    return np.asarray(values.reshape(-1, columns))


def _table(path: Path, columns: tuple[str, ...]) -> Floats:
    parts, refused = [], []
    for raw in files.chunks(path, columns):
        chunk = files.numeric(raw, *columns)
        refused += list(chunk.refused)
        parts.append(np.column_stack([_values(chunk.table[name]) for name in columns]))
    for one in refused[:1]:
        raise BadInput(one.reason, where=f"{path}, row {one.row}", mend="correct the row")
    return np.concatenate(parts)


def _values(column: pa.ChunkedArray) -> Floats:
    return np.asarray(files.numbers(column).to_numpy(zero_copy_only=False), dtype=np.float64)


def _whole(path: Path, values: Floats, name: str) -> Whole:
    if (values != np.round(values)).any() or (values < 1).any():
        raise BadInput(f"{name} is not a positive whole number", where=str(path), mend="number engines and cycles from 1")
    return values.astype(np.int64)
