"""freMTPL2: French motor third-party policies with exposure and number of claims, the pricing field's common frequency set.

Files, Parquet or CSV: `freMTPL2freq*`; `freMTPL2sev*` (IDpol, ClaimAmount) where it is there.

Mapping. A policy is an enterprise of its own (`fremtpl2-<IDpol>`, industry `motoring`), observed once: no experience to learn
from. Its exposure has the basis `vehicle_years`; each claim of `ClaimNb` is an accident without loss. Rating factors (age,
power, bonus, density) have no place in the enterprise tables: the benchmark reads them from the file.

Clocks. No date is published. Every policy is declared to begin on 2009-01-01 and to end after its exposure; accidents stand at
that end and are known then, amounts a year later.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from features.enterprise.schema import ACCIDENTS, CLAIMS, ENTERPRISES, EXPOSURES, POLICIES
from features.schema import ENTERPRISE, EVENT_TIME, RECORDED_AT, TableContract
from features.sources import files, frames, panels
from features.sources.files import Chunk
from features.sources.frames import Sort
from features.sources.panels import Times
from features.sources.reader import Batch, Source

NAME = "fremtpl2"
STEM, AMOUNTS_STEM = "freMTPL2freq", "freMTPL2sev"
START = np.datetime64("2009-01-01", "us")
YEAR_HOURS = 8766.0
VALUATION_DAYS = 365
# Exposures are parts of a year and published up to 2; more than that is another unit.
MOST_YEARS = 10.0
_NUMBERS = ("IDpol", "Exposure", "ClaimNb")
_TEXTS = ("Region",)


def frame(folder: Path, *, told: bool = True) -> pd.DataFrame:
    """The policies in the order of the file, which leaks as `IDpol` does. told: False leaves `ClaimNb` unread.

    Raises BadInput naming file, row and column.
    """
    columns: dict[str, Sort] = {
        "IDpol": "whole",
        "Exposure": "given",
        "Area": "name",
        "VehPower": "whole",
        "VehAge": "whole",
        "DrivAge": "whole",
        "BonusMalus": "whole",
        "VehBrand": "name",
        "VehGas": "name",
        "Density": "given",
        "Region": "name",
    }
    columns |= {"ClaimNb": "whole"} if told else {}
    return frames.frame(folder, STEM, columns)


def read(directory: Path) -> Source:
    """The folder as a Source. Raises BadInput on a missing or unreadable file or column, before any row is read."""
    folder = files.folder(directory)
    policies = frames.paths(folder, STEM)
    for path in policies:
        files.check_columns(path, [*_NUMBERS, *_TEXTS])
    amounts = [path for path in (files.find(folder, AMOUNTS_STEM),) if path is not None]
    for path in amounts:
        files.check_columns(path, ["IDpol", "ClaimAmount"])

    def batches() -> Iterator[Batch]:
        ends = _Ends()
        for path in policies:
            for chunk in files.chunks(path, [*_NUMBERS, *_TEXTS]):
                yield from _policies(path, _usable(chunk), ends)
        for path in amounts:
            for chunk in files.chunks(path, ["IDpol", "ClaimAmount"]):
                yield _claims(path, files.numeric(chunk, "IDpol", "ClaimAmount"), ends)

    return Source(NAME, (), batches, ("no date is published: every policy is declared to begin on 2009-01-01",))


class _Ends:
    """When each policy ended: sorted numbers and their ends, sixteen bytes each."""

    def __init__(self) -> None:
        self._parts: list[tuple[np.ndarray[Any, Any], Times]] = []

    def add(self, numbers: "np.ndarray[Any, Any]", ends: Times) -> None:
        self._parts.append((numbers, ends))

    def of(self, numbers: "np.ndarray[Any, Any]") -> Times:
        """The end of each policy; START of one that is not there."""
        known = np.concatenate([part for part, _ in self._parts])
        ends = np.concatenate([part for _, part in self._parts])
        order = np.argsort(known, kind="stable")
        place = order[np.minimum(np.searchsorted(known, numbers, sorter=order), len(known) - 1)]
        self._parts = [(known, ends)]
        return np.asarray(np.where(known[place] == numbers, ends[place], START))


def _usable(raw: Chunk) -> Chunk:
    chunk = files.numeric(raw, *_NUMBERS)
    for name, high in (("IDpol", 2.0**53), ("ClaimNb", 1_000.0)):
        values = _floats(chunk, name)
        chunk = files.keep(chunk, (values == np.round(values)) & (values >= 0) & (values <= high), name, "not a whole number")
    years = _floats(chunk, "Exposure")
    return files.keep(chunk, (years > 0) & (years <= MOST_YEARS), "Exposure", f"not between 0 and {MOST_YEARS:g} years")


def _floats(chunk: Chunk, name: str) -> "np.ndarray[Any, np.dtype[np.float64]]":
    return files.floats(files.numbers(chunk.table[name]))


def _policies(path: Path, chunk: Chunk, ends: _Ends) -> Iterator[Batch]:
    numbers, years = _floats(chunk, "IDpol").astype(np.int64), _floats(chunk, "Exposure")
    until = START + np.round(years * YEAR_HOURS * 3.6e9).astype("timedelta64[us]")
    ends.add(numbers, until)
    ids = _ids(numbers)

    def made(contract: TableContract, columns: dict[str, Any], *, first: bool = False) -> Batch:
        table = pa.table({name: panels.array(values, len(ids)) for name, values in {ENTERPRISE: ids, **columns}.items()})
        return Batch(contract, table, path.name, chunk.rows, chunk.refused if first else ())

    region = chunk.table["Region"].cast(pa.string()).combine_chunks()
    yield made(ENTERPRISES, {EVENT_TIME: START, "industry": "motoring", "region": region, "currency": "EUR"}, first=True)
    yield made(POLICIES, {EVENT_TIME: START, "policy_id": ids, "ends": until})
    yield made(EXPOSURES, {EVENT_TIME: until, "basis": "vehicle_years", "starts": START, "amount": years})
    at = np.repeat(np.arange(len(ids)), _floats(chunk, "ClaimNb").astype(np.int64))
    columns = {
        ENTERPRISE: ids.take(pa.array(at)),
        EVENT_TIME: until[at],
        "accident_id": (pd.Series(at).groupby(at).cumcount() + 1).astype(str),
        "deaths": 0.0,
        "injuries": 0.0,
    }
    yield panels.batch(ACCIDENTS, path, chunk.rows[at].tolist(), columns)


def _claims(path: Path, chunk: Chunk, ends: _Ends) -> Batch:
    numbers = np.nan_to_num(_floats(chunk, "IDpol"), nan=-1.0).astype(np.int64)
    happened = ends.of(numbers)
    valued = panels.days_later(happened, VALUATION_DAYS)
    columns = {
        ENTERPRISE: _ids(numbers),
        EVENT_TIME: happened,
        RECORDED_AT: valued,
        "claim_id": [str(row) for row in chunk.rows.tolist()],
        "valued_at": valued,
        "paid": _floats(chunk, "ClaimAmount"),
        "currency": "EUR",
    }
    table = pa.table({name: panels.array(values, len(numbers)) for name, values in columns.items()})
    return Batch(CLAIMS, table, path.name, chunk.rows, chunk.refused)


def _ids(numbers: "np.ndarray[Any, Any]") -> pa.Array:
    return pa.array(np.char.add("fremtpl2-", numbers.astype(str)), pa.string())
