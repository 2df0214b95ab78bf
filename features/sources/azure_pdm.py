"""Azure PdM: Microsoft's simulated fleet of 100 machines over 2015, as the publisher's five CSV files or as Parquet.

Clocks. The publisher's naive times are declared UTC. Every row is taken as known at once: `recorded_at = event_time`. A daily
mean is known at 00:00 after its day (the first day starts 06:00, the last one ends 06:00). A machine's `age` is in years as of
the first reading, 2015-01-01 06:00, where its observation begins; maintenance of 2014 precedes it.

What is left out. Of a telemetry file with a `block` column only `first-quarter` is read: the stretches of block `windows` were
chosen around failures, so that their presence alone gives a failure away; they are refused row by row with that reason. The
error, component and failure columns of the daily file repeat the exact tables at a coarser clock and are never read.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.clock import micros
from features.kinds import MachineKind, load_kind
from features.schema import (
    COVERAGE,
    EVENT_TIME,
    EVENTS,
    FAILURES,
    MACHINE,
    MACHINES,
    MAINTENANCE,
    TEXT,
    TIME,
    TableContract,
    readings,
)
from features.sources import files
from features.sources.files import Chunk
from features.sources.reader import Batch, Source

NAME = "azure-pdm"
FIRST_READING = datetime(2015, 1, 1, 6, tzinfo=UTC)
LAST_READING = datetime(2016, 1, 1, 6, tzinfo=UTC)
HOURS_PER_YEAR = 8766.0

_HOURLY = {"volt": "volt", "rotate": "rotate", "pressure": "pressure", "vibration": "vibration"}
_DAILY = {
    "volt": "mean_daily_voltage",
    "rotate": "mean_daily_rotation",
    "pressure": "mean_daily_pressure",
    "vibration": "mean_daily_vibration",
}
_LEDGERS = (("PdM_errors", "errorID", EVENTS), ("PdM_maint", "comp", MAINTENANCE), ("PdM_failures", "failure", FAILURES))
_HONEST_BLOCK = "first-quarter"
_BIASED = "stretch chosen around failures: its presence tells that one is near"


def read(directory: Path) -> Source:
    """The folder as a Source. Raises BadInput on a missing or unreadable file or column, before any row is read.

    Machines are of kind `azure_pdm` where the folder holds the whole hourly telemetry (PdM_telemetry), else of kind
    `azure_pdm_daily` (PdM_daily_mean_100machines); hourly rows of an honest block are stored beside it.
    """
    folder = files.folder(directory)
    machines = files.need(folder, "PdM_machines")
    files.check_columns(machines, ["machineID", "model", "age"])
    for stem, code, _ in _LEDGERS:
        files.check_columns(files.need(folder, stem), ["datetime", "machineID", code])
    full, daily = files.find(folder, "PdM_telemetry"), files.find(folder, "PdM_daily_mean_100machines")
    hourly = full or files.find(folder, "PdM_telemetry_hourly_partial")
    if hourly is None and daily is None:
        files.need(folder, "PdM_telemetry")
    if hourly is not None:
        files.check_columns(hourly, ["datetime", "machineID", *_HOURLY.values()])
    if daily is not None:
        files.check_columns(daily, ["date", "machineID", *_DAILY.values()])
    models = _models(machines)
    kinds = tuple(
        load_kind(Path(__file__).with_name(f"{name}.toml")).model_copy(update={"models": models})
        for name, file in (("azure_pdm", hourly), ("azure_pdm_daily", daily))
        if file is not None
    )
    main = kinds[-1] if full is None else kinds[0]

    def batches() -> Iterator[Batch]:
        yield from _machines(machines, main)
        for stem, code, contract in _LEDGERS:
            yield from _ledger(files.need(folder, stem), code, contract)
        seen: dict[str, int] = {}
        for kind in kinds:
            if kind.name == "azure_pdm" and hourly is not None:
                yield from _hourly(hourly, kind, seen)
            elif daily is not None:
                yield from _daily(daily, kind, seen)
        yield _coverage(seen, (full or daily or hourly or machines).name)

    return Source(NAME, kinds, batches, ("simulated by Microsoft: every score on it is easy",))


def _models(path: Path) -> tuple[str, ...]:
    names = {text for chunk in files.chunks(path, ["model"]) for text in chunk.table["model"].cast(TEXT).to_pylist()}
    return tuple(sorted(name for name in names if name))


def _machines(path: Path, kind: MachineKind) -> Iterator[Batch]:
    for raw in files.chunks(path, ["machineID", "model", "age"]):
        chunk = files.numeric(raw, "age")
        hours = pc.multiply(files.numbers(chunk.table["age"]), HOURS_PER_YEAR)
        count = len(chunk.table)
        table = pa.table(
            {
                MACHINE: chunk.table["machineID"].cast(TEXT),
                EVENT_TIME: pa.array([FIRST_READING] * count, TIME),
                "kind": pa.array([kind.name] * count, TEXT),
                "model": chunk.table["model"].cast(TEXT),
                "age_hours": hours,
            }
        )
        yield Batch(MACHINES, table, path.name, chunk.rows, chunk.refused)


def _ledger(path: Path, code: str, contract: TableContract) -> Iterator[Batch]:
    """Errors, maintenance or failures; several rows may share a moment, the code or component tells them apart."""
    for raw in files.chunks(path, ["datetime", "machineID", code]):
        chunk, moments = _timed(raw, "datetime")
        column = "code" if contract is EVENTS else "component"
        table = pa.table(
            {MACHINE: chunk.table["machineID"].cast(TEXT), EVENT_TIME: moments, column: chunk.table[code].cast(TEXT)}
        )
        yield Batch(contract, table, path.name, chunk.rows, chunk.refused)


def _hourly(path: Path, kind: MachineKind, seen: dict[str, int]) -> Iterator[Batch]:
    for raw in files.chunks(path, ["datetime", "machineID", *_HOURLY.values()], ["block"]):
        chunk, _ = _timed(_honest(raw), "datetime")
        moments = files.utc(chunk.table["datetime"])
        yield _readings(chunk, moments, kind, _HOURLY, path.name)
        _remember(seen, chunk, moments)


def _daily(path: Path, kind: MachineKind, seen: dict[str, int]) -> Iterator[Batch]:
    for raw in files.chunks(path, ["date", "machineID", *_DAILY.values()]):
        chunk, days = _timed(raw, "date")
        moments = pc.add(days, pa.scalar(timedelta(days=1), pa.duration("us"))).cast(TIME)
        yield _readings(chunk, moments, kind, _DAILY, path.name)
        _remember(seen, chunk, moments)


def _honest(chunk: Chunk) -> Chunk:
    if "block" not in chunk.table.column_names:
        return chunk
    honest = pc.fill_null(pc.equal(chunk.table["block"].cast(TEXT), _HONEST_BLOCK), False)
    return files.keep(chunk, np.asarray(honest.to_numpy(), dtype=bool), "block", _BIASED)


def _timed(chunk: Chunk, column: str) -> tuple[Chunk, pa.ChunkedArray]:
    """The rows whose time parses, and their times; the others are refused."""
    moments = files.utc(chunk.table[column])
    good = np.asarray(moments.is_valid().to_numpy(), dtype=bool)
    return files.keep(chunk, good, column, "not a time"), moments.filter(pa.array(good))


def _readings(chunk: Chunk, moments: pa.ChunkedArray, kind: MachineKind, names: dict[str, str], file: str) -> Batch:
    columns = {sensor: files.numbers(chunk.table[name]) for sensor, name in names.items()}
    table = pa.table({MACHINE: chunk.table["machineID"].cast(TEXT), EVENT_TIME: moments, **columns})
    return Batch(readings(kind), table, file, chunk.rows, chunk.refused)


def _remember(seen: dict[str, int], chunk: Chunk, moments: pa.ChunkedArray) -> None:
    """Keep the last reading of each machine; `seen` maps machine to microseconds."""
    when: npt.NDArray[np.int64] = moments.cast(pa.int64()).to_numpy()
    machines = pa.table({MACHINE: chunk.table["machineID"].cast(TEXT), "when": when})
    for row in machines.group_by(MACHINE).aggregate([("when", "max")]).to_pylist():
        if row[MACHINE] is not None:
            seen[row[MACHINE]] = max(seen.get(row[MACHINE], row["when_max"]), row["when_max"])


def _coverage(seen: dict[str, int], file: str) -> Batch:
    """One row per machine: observed until its last reading, and never beyond the publisher's last hour."""
    ends = np.minimum(np.fromiter(seen.values(), np.int64, len(seen)), micros(LAST_READING))
    table = pa.table({MACHINE: pa.array(list(seen), TEXT), EVENT_TIME: pa.array(ends).cast(TIME)})
    return Batch(COVERAGE, table, file, np.arange(1, len(seen) + 1, dtype=np.int64))
