"""What looks wrong about a file as a whole: a clock, a zone, a sensor in another unit. Said in the account, never acted on.

The rows themselves are judged one by one: those in the future of the import and those out of range are in quarantine, those
recorded before they happened are known from their event time on.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.clock import Micros
from features.schema import Column, TableContract

# Clocks may differ by so much (microseconds) without a word.
TOLERANCE = 300_000_000
# So many values out of range may be a matter of their unit, if nearly all of them fit in another one.
_ENOUGH = 10
_NEARLY_ALL = 0.9
_SAMPLE = 1000
_LINES = 20
_HOUR = 3_600_000_000

# What else a number of some unit may be in: x in the other unit is x * factor + shift in the first.
_OTHERS: Mapping[str, tuple[tuple[str, float, float], ...]] = {
    "°C": (("°F", 1 / 1.8, -32 / 1.8), ("K", 1.0, -273.15)),
    "bar": (("psi", 0.0689476, 0.0), ("kPa", 0.01, 0.0), ("MPa", 10.0, 0.0), ("Pa", 1e-5, 0.0)),
    "kPa": (("bar", 100.0, 0.0), ("psi", 6.89476, 0.0), ("Pa", 1e-3, 0.0), ("MPa", 1e3, 0.0)),
    "mm/s": (("in/s", 25.4, 0.0), ("m/s", 1e3, 0.0), ("µm/s", 1e-3, 0.0)),
    "rpm": (("Hz", 60.0, 0.0), ("rad/s", 9.5493, 0.0)),
    "%": (("shares of 1", 100.0, 0.0),),
}
_THOUSANDS = (("thousandths of it", 1e-3, 0.0), ("thousands of it", 1e3, 0.0))

Place = tuple[str, str, str]


@dataclass
class _Seen:
    count: int = 0
    sample: list[float] = field(default_factory=list)


@dataclass
class Suspicions:
    """What was seen of the files of one import so far. Memory is some numbers for each file and column."""

    ahead: dict[Place, _Seen] = field(default_factory=lambda: defaultdict(_Seen))
    early: dict[Place, _Seen] = field(default_factory=lambda: defaultdict(_Seen))
    outside: dict[Place, _Seen] = field(default_factory=lambda: defaultdict(_Seen))
    _columns: dict[tuple[str, str], Column] = field(default_factory=dict)

    def refused(self, contract: TableContract, refused: pa.Table, files: pa.Array, moments: Micros) -> None:
        """Note refused rows (intake.REFUSED) with the file of each and when it came in."""
        reasons = refused.column("reason").combine_chunks()
        future = pc.starts_with(reasons, "in the future").to_numpy(zero_copy_only=False)
        beyond = pc.or_(pc.starts_with(reasons, "above "), pc.starts_with(reasons, "below ")).to_numpy(zero_copy_only=False)
        self._columns |= {(contract.name, column.name): column for column in contract.columns}
        for noted, chosen in ((self.ahead, future), (self.outside, beyond)):
            if not chosen.any():
                continue
            part, said = refused.filter(pa.array(chosen)), files.filter(pa.array(chosen))
            for (file, column), rows in _places(said, part.column("column").combine_chunks()).items():
                seen = noted[(file, contract.name, column)]
                seen.count += len(rows)
                some = rows[: _SAMPLE - len(seen.sample)]
                texts = part.column("value").take(pa.array(some)).to_pylist()
                numbers = _lead(texts, moments[chosen][some]) if noted is self.ahead else _numbers(texts)
                seen.sample += numbers[~np.isnan(numbers)].tolist()

    def recorded_early(self, contract: TableContract, files: pa.Array, sites: pa.Array, lead: Micros) -> None:
        """Note rows that say that they were recorded before they happened: the file and site of each, and by how much."""
        for (file, site), chosen in _places(files, sites).items():
            seen = self.early[(file, contract.name, site)]
            seen.count += len(chosen)
            seen.sample = [max([*seen.sample, *lead[chosen].tolist()])]

    def lines(self) -> tuple[str, ...]:
        """What there is to say, a line each, the most frequent first."""
        found: list[tuple[int, str]] = []
        for (file, table, _), seen in self.ahead.items():
            far = f" by up to {_hours(max(seen.sample))}" if seen.sample else ""
            words = f"rows of {table} lie in the future{far}: a clock is ahead, or its zone is not the declared one"
            found.append((seen.count, f"{file}: {seen.count:,} {words}"))
        for (file, table, site), seen in self.early.items():
            whose = f" of site {site}" if site else ""
            words = f"rows of {table}{whose} were recorded up to {_hours(seen.sample[0])} before they happened"
            rule = "two clocks differ, or their zones; such rows count from their event_time on"
            found.append((seen.count, f"{file}: {seen.count:,} {words}: {rule}"))
        for (file, table, name), seen in self.outside.items():
            column = self._columns[table, name]
            other = _fitting(column, np.array(seen.sample))
            if seen.count >= _ENOUGH and other is not None:
                words = f"values of {name} do not fit its range in {column.unit} but would as {other}"
                found.append((seen.count, f"{file}: {seen.count:,} {words}: has the sensor's unit changed?"))
        found.sort(key=lambda one: (-one[0], one[1]))
        more = [f"and {len(found) - _LINES} more of the sort"] if len(found) > _LINES else []
        return (*(line for _, line in found[:_LINES]), *more)


def _places(files: pa.Array, others: pa.Array) -> dict[tuple[str, str], Micros]:
    """The row numbers of each pair."""
    first, second = (values.dictionary_encode() for values in (files, others))
    pairs = first.indices.to_numpy().astype(np.int64) * len(second.dictionary) + second.indices.to_numpy()
    order = np.argsort(pairs, kind="stable")
    found, starts = np.unique(pairs[order], return_index=True)
    names = [divmod(pair, len(second.dictionary)) for pair in found.tolist()]
    rows = np.split(order, starts[1:])
    return {(first.dictionary[i].as_py(), second.dictionary[j].as_py()): part for (i, j), part in zip(names, rows, strict=True)}


def _numbers(texts: list[str]) -> npt.NDArray[np.float64]:
    return np.asarray(pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce"), dtype=np.float64)


def _lead(texts: list[str], moments: Micros) -> npt.NDArray[np.float64]:
    """By how many microseconds times, as text, lie after other moments."""
    parsed = pd.to_datetime(pd.Series(texts, dtype=object), errors="coerce", utc=True, format="ISO8601")
    stamps = parsed.astype("datetime64[us, UTC]").astype("int64").to_numpy().astype(np.float64)
    return np.where(parsed.isna(), np.nan, stamps - moments)


def _fitting(column: Column, values: npt.NDArray[np.float64]) -> str | None:
    """The unit in which nearly all values would be in the column's range."""
    low = -np.inf if column.low is None else column.low
    high = np.inf if column.high is None else column.high
    for other, factor, shift in (*_OTHERS.get(column.unit, ()), *_THOUSANDS):
        converted = values * factor + shift
        if len(values) and np.mean((converted >= low) & (converted <= high)) >= _NEARLY_ALL:
            return other
    return None


def _hours(microseconds: float) -> str:
    return f"{microseconds / _HOUR:.1f} h" if microseconds < 72 * _HOUR else f"{microseconds / _HOUR / 24:.0f} days"
