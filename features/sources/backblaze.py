"""Backblaze Drive Stats: hard drives, their SMART counters and their failures, as daily CSV files or as stretches in Parquet.

Readings are on change: a row when one of the nine counters differs from the row before, holding until the next one.

Clocks. Dates are declared UTC. In the Parquet form hour t of a drive's power-on time is `min_date + (t - min_hours)` hours;
a stretch is known at its own start, a failure at the end of its last stretch. The CSV form says on which day a snapshot was
taken and not when, so it stands, known, at the end of that day; a row with `failure = 1` is a failure at the same moment, and
the drive is under observation until the end of the last day it was seen.

What is left out. `n_fails`, `n_records`, `max_date`, `max_hours` and the `*_cumsum` columns describe a drive's whole life and
are not opened. `tstop` of a stretch lies in the future while the stretch lasts: it enters only as the end of coverage and the
moment of a failure, which labels and cohorts read and features never do. `failure` of the CSV likewise.
"""

import itertools
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.clock import micros
from features.errors import BadInput
from features.kinds import MachineKind, load_kind
from features.schema import COVERAGE, EVENT_TIME, FAILURES, MACHINE, MACHINES, TEXT, TIME, readings
from features.sources import files
from features.sources.files import Chunk
from features.sources.reader import Batch, Source

NAME = "backblaze"
SMART = (5, 10, 12, 187, 188, 189, 196, 197, 198)
SENSORS = tuple(f"smart_{number}" for number in SMART)
COMPONENT = "drive"
OLDEST_HOURS = 1_000_000.0
_HOUR = 3_600_000_000
_DAY = timedelta(days=1)
_STRETCH = ["serial_number", "min_date", "min_hours", "tstart", *SENSORS]
_DRIVE = ["serial_number", "model", "size_tb", "min_date", "min_hours", "tstop", "fails"]
_DAILY = ["date", "serial_number", "model", "capacity_bytes", "failure"]
_RAW = [f"{name}_raw" for name in SENSORS]
_AGE = "smart_9_raw"
_DATED = re.compile(r"\d{4}-\d{2}-\d{2}")

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def read(directory: Path) -> Source:
    """The folder as a Source: every `*.parquet` of stretches in it, or else every daily `YYYY-MM-DD.csv` below it.

    Raises BadInput if there is neither, or on a missing column or an unreadable file.
    """
    folder = files.folder(directory)
    stretches = sorted(folder.glob("*.parquet"))
    days = [] if stretches else _days(folder)
    if not stretches and not days:
        mend = "name the folder of the daily CSV files (YYYY-MM-DD.csv) or of the Parquet stretches"
        raise BadInput("no Drive Stats file", where=str(directory), mend=mend)
    for path in stretches:
        files.check_columns(path, [*_STRETCH, *_DRIVE])
    for path in days:
        files.check_columns(path, [*_DAILY, *_RAW, _AGE])
    kind = _kind(stretches or days)

    def batches() -> Iterator[Batch]:
        for path in stretches:
            yield from _stretches(path, kind)
        if days:
            yield from _snapshots(folder, days, kind)

    return Source(NAME, (kind,), batches)


def _days(folder: Path) -> list[Path]:
    """Daily files in order of their dates. Raises BadInput if a day stands twice or is none."""
    found = sorted((path for path in folder.rglob("*.csv") if _DATED.fullmatch(path.stem)), key=lambda path: path.stem)
    for one, other in itertools.pairwise(found):
        if one.stem == other.stem:
            raise BadInput(f"the day {one.stem} stands in two files", where=str(other), mend=f"keep it or {one}")
    for path in found:
        try:
            date.fromisoformat(path.stem)
        except ValueError:
            raise BadInput(f"there is no day {path.stem}", where=str(path), mend="name it as the publisher does") from None
    return found


def _kind(paths: list[Path]) -> MachineKind:
    """The kind with all models of the files; one pass over a single column."""
    names: set[str] = set()
    for path in paths:
        for chunk in files.chunks(path, ["model"]):
            names.update(name for name in pc.unique(chunk.table["model"]).to_pylist() if name)
    return load_kind(Path(__file__).with_suffix(".toml")).model_copy(update={"models": tuple(sorted(names))})


# Parquet: stretches of unchanged values


def _stretches(path: Path, kind: MachineKind) -> Iterator[Batch]:
    yield from _drives(path, kind)
    contract = readings(kind)
    for raw in files.chunks(path, _STRETCH):
        chunk = files.numeric(raw, "min_hours", "tstart")
        table = chunk.table
        when = _calendar(table, "tstart")
        columns = {name: files.numbers(table[name]) for name in SENSORS}
        rows = pa.table({MACHINE: table["serial_number"].cast(TEXT), EVENT_TIME: when, **columns})
        yield Batch(contract, rows, path.name, chunk.rows, chunk.refused)


def _calendar(table: pa.Table, hour: str) -> pa.ChunkedArray:
    """Calendar time of a column of power-on hours."""
    hours = pc.subtract(files.numbers(table[hour]), files.numbers(table["min_hours"]))
    micros_passed = pc.multiply(hours, float(_HOUR)).cast(pa.int64(), safe=False)
    return pc.add(files.utc(table["min_date"]).cast(pa.int64()), micros_passed).cast(TIME)


def _drives(path: Path, kind: MachineKind) -> Iterator[Batch]:
    """One row per drive: machines at its first hour, coverage at its last, failures at the end of a failed stretch."""
    gathered = []
    for raw in files.chunks(path, _DRIVE):
        chunk = files.numeric(raw, "min_hours", "tstop", "fails", "size_tb")
        told = np.isin(files.floats(chunk.table["fails"]), (0.0, 1.0))
        chunk = files.keep(chunk, told, "fails", "neither 0 nor 1")
        part = chunk.table.append_column("row", pa.array(chunk.rows))
        part = part.set_column(0, MACHINE, part["serial_number"].cast(TEXT)).append_column("end", _calendar(part, "tstop"))
        gathered.append(_fold(part.select([MACHINE, "model", "size_tb", "min_date", "min_hours", "end", "row"])))
        failed = part.filter(pc.equal(files.numbers(part["fails"]), 1.0))
        if len(failed) or chunk.refused:
            table = pa.table({MACHINE: failed[MACHINE], EVENT_TIME: failed["end"], "component": _all(COMPONENT, failed)})
            yield Batch(FAILURES, table, path.name, failed["row"].to_numpy(), chunk.refused)
    drives = _fold(pa.concat_tables(gathered)) if gathered else None
    if drives is None:
        return
    rows = drives["row"].to_numpy()
    machines = pa.table(
        {
            MACHINE: drives[MACHINE],
            EVENT_TIME: files.utc(drives["min_date"]),
            "kind": _all(kind.name, drives),
            "model": drives["model"].cast(TEXT),
            "age_hours": drives["min_hours"].cast(pa.float64()),
            "capacity": drives["size_tb"].cast(pa.float64()),
        }
    )
    yield Batch(MACHINES, machines, path.name, rows)
    yield Batch(COVERAGE, pa.table({MACHINE: drives[MACHINE], EVENT_TIME: drives["end"]}), path.name, rows)


def _fold(table: pa.Table) -> pa.Table:
    """One row per machine: its first attributes, its last end, the number of its first row."""
    firsts = ["model", "size_tb", "min_date", "min_hours", "row"]
    # Order decides what is first, and only a single thread keeps it.
    folded = table.group_by(MACHINE, use_threads=False).aggregate([("end", "max"), *((name, "first") for name in firsts)])
    return folded.select([MACHINE, *(f"{name}_first" for name in firsts), "end_max"]).rename_columns([MACHINE, *firsts, "end"])


def _all(text: str, table: pa.Table) -> pa.Array:
    return pa.repeat(pa.scalar(text, TEXT), len(table))


# CSV: one snapshot of every drive a day


class _Seen:
    """The last counters of every drive met so far; the memory of the on-change compression."""

    def __init__(self) -> None:
        self.serials: pa.Array = pa.array([], TEXT)
        self.counters: Floats = np.empty((0, len(SMART)))
        self.last_day: Ints = np.empty(0, np.int64)
        self.last_row: Ints = np.empty(0, np.int64)
        self.last_file: Ints = np.empty(0, np.int64)

    def lookup(self, serials: pa.Array) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """(position, is new) of serials that are unique among themselves; new ones are added without counters."""
        found = pc.index_in(serials, value_set=self.serials)
        fresh = np.asarray(found.is_null().to_numpy(zero_copy_only=False), dtype=bool)
        count, known = int(fresh.sum()), len(self.serials)
        place = np.asarray(pc.fill_null(found, -1).to_numpy(), dtype=np.int64)
        place[fresh] = np.arange(known, known + count)
        self.serials = pa.concat_arrays([self.serials, serials.filter(pa.array(fresh))])
        self.counters = np.vstack([self.counters, np.full((count, len(SMART)), np.nan)])
        for name in ("last_day", "last_row", "last_file"):
            setattr(self, name, np.concatenate([getattr(self, name), np.zeros(count, np.int64)]))
        return place, fresh

    def changed(self, place: Ints, counters: Floats) -> npt.NDArray[np.bool_]:
        """Which drives show another value than before; a value that is missing today is no change and is not forgotten."""
        before = self.counters[place]
        given = ~np.isnan(counters)
        self.counters[place] = np.where(given, counters, before)
        return np.asarray((given & (counters != before)).any(axis=1))


def _snapshots(folder: Path, days: list[Path], kind: MachineKind) -> Iterator[Batch]:
    seen = _Seen()
    for number, path in enumerate(days):
        for chunk in files.chunks(path, [*_DAILY, *_RAW, _AGE]):
            yield from _snapshot(seen, chunk, number, str(path.relative_to(folder)), path.stem, kind)
    for number, path in enumerate(days):
        last = np.flatnonzero(seen.last_file == number)
        if len(last):
            ends = {MACHINE: seen.serials.take(pa.array(last)), EVENT_TIME: pa.array(seen.last_day[last]).cast(TIME)}
            yield Batch(COVERAGE, pa.table(ends), str(path.relative_to(folder)), seen.last_row[last])


def _snapshot(seen: _Seen, raw: Chunk, number: int, file: str, day: str, kind: MachineKind) -> Iterator[Batch]:
    """Readings of the drives that changed, machines of new drives, failures of the day; `number` is that of the file."""
    chunk = _usable(seen, raw, number, day)
    table, count = chunk.table, len(chunk.table)
    end = micros(datetime.fromisoformat(day).replace(tzinfo=UTC) + _DAY)
    counters = np.column_stack([files.floats(table[name]) for name in _RAW]) if count else np.empty((0, len(SMART)))
    place, fresh = seen.lookup(_serials(table))
    changed = seen.changed(place, counters) | fresh
    seen.last_day[place], seen.last_row[place], seen.last_file[place] = end, chunk.rows, number
    when = pa.array(np.full(count, end)).cast(TIME)
    every = pa.table({MACHINE: table["serial_number"], EVENT_TIME: when})
    values = {name: pa.array(counters[:, c], from_pandas=True) for c, name in enumerate(SENSORS)}
    written = pa.table({MACHINE: table["serial_number"], EVENT_TIME: when, **values}).filter(pa.array(changed))
    yield Batch(readings(kind), written, file, chunk.rows[changed], chunk.refused)
    if fresh.any():
        yield Batch(MACHINES, _newcomers(table, every, kind).filter(pa.array(fresh)), file, chunk.rows[fresh])
    failed = files.floats(table["failure"]) == 1
    if failed.any():
        lost = every.append_column("component", _all(COMPONENT, every)).filter(pa.array(failed))
        yield Batch(FAILURES, lost, file, chunk.rows[failed])


def _newcomers(table: pa.Table, every: pa.Table, kind: MachineKind) -> pa.Table:
    """Machines rows. Drive Stats writes -1 bytes and hours of many lifetimes where a drive did not answer: missing here."""
    size, age = files.floats(table["capacity_bytes"]), files.floats(table[_AGE])
    columns = {
        "kind": _all(kind.name, every),
        "model": table["model"],
        "age_hours": pa.array(np.where((age >= 0) & (age <= OLDEST_HOURS), age, np.nan), from_pandas=True),
        "capacity": pa.array(np.where(size > 0, size / 1e12, np.nan), from_pandas=True),
    }
    return pa.table({**{name: every[name] for name in every.column_names}, **columns})


def _serials(table: pa.Table) -> pa.Array:
    column = table["serial_number"].combine_chunks()
    return column if isinstance(column, pa.Array) else pa.concat_arrays(column.chunks)


def _usable(seen: _Seen, chunk: Chunk, number: int, day: str) -> Chunk:
    """Rows with a serial, the file's own date, numbers in every counter, failure 0 or 1, and no second row of a drive."""
    chunk = files.keep(chunk, _valid(chunk.table["serial_number"]), "serial_number", "empty")
    dates = pc.utf8_slice_codeunits(chunk.table["date"].cast(TEXT), 0, 10)
    same = pc.fill_null(pc.equal(dates, day), False)
    chunk = files.keep(chunk, np.asarray(same.to_numpy(), dtype=bool), "date", f"not the day of the file, {day}")
    chunk = files.numeric(chunk, *_RAW, _AGE, "capacity_bytes")
    flag = pc.fill_null(pc.is_in(chunk.table["failure"].cast(TEXT), pa.array(["0", "1", "0.0", "1.0"])), False)
    chunk = files.keep(chunk, np.asarray(flag.to_numpy(), dtype=bool), "failure", "neither 0 nor 1")
    return files.keep(chunk, _first_today(seen, chunk, number), "serial_number", "a second row of this drive on the day")


def _valid(column: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    return np.asarray(column.is_valid().to_numpy(), dtype=bool)


def _first_today(seen: _Seen, chunk: Chunk, number: int) -> npt.NDArray[np.bool_]:
    serials = _serials(chunk.table)
    codes = serials.dictionary_encode().indices.to_numpy()
    first = np.zeros(len(serials), dtype=bool)
    first[np.unique(codes, return_index=True)[1]] = True
    found = np.asarray(pc.fill_null(pc.index_in(serials, value_set=seen.serials), -1).to_numpy(), dtype=np.int64)
    known = found >= 0
    # A drive may stand in an earlier chunk of the same file.
    earlier = np.zeros(len(serials), dtype=bool)
    earlier[known] = (seen.last_file[found[known]] == number) & (seen.last_row[found[known]] > 0)
    return first & ~earlier
