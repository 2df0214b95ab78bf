"""MSHA: mine-years of the USA, 2013 to 2015, with hours worked and injuries, and no mine id.

File, Parquet or CSV: `usMSHA*` (as `usMSHA1315`).

Mapping. Nothing says which rows are the same mine, so each row is an enterprise of its own, `msha-<year>-<row>`, of industry
`mining`: these enterprises are synthetic, have no history, and serve to check a model of frequency, not one of experience.
Exposures are hours worked and headcount. Each injury is an accident on the last day of the year, since its own day is not
published.

Clocks. A year's hours and injuries are known on 15 January of the next one: reports are due 15 days after each quarter (30 CFR
50.30), those of injuries sooner (50.20).

What is left out. `MINE_STATUS` is the status when the file was drawn: it leaks the future and no reading function returns it.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from features.enterprise.schema import ACCIDENTS, ENTERPRISES, EXPOSURES
from features.schema import ENTERPRISE, EVENT_TIME, RECORDED_AT
from features.sources import files, frames, panels
from features.sources.frames import Sort
from features.sources.panels import Rows
from features.sources.reader import Batch, Source

NAME = "msha"
STEM = "usMSHA"
REPORT_DAYS = 14
SHARES = (
    "PCT_HRS_UNDERGROUND", "PCT_HRS_SURFACE", "PCT_HRS_STRIP", "PCT_HRS_AUGER", "PCT_HRS_CULM_BANK", "PCT_HRS_DREDGE",
    "PCT_HRS_OTHER_SURFACE", "PCT_HRS_SHOP_YARD", "PCT_HRS_MILL_PREP", "PCT_HRS_OFFICE",
)  # fmt: skip
_NUMBERS = ("YEAR", "EMP_HRS_TOTAL", "AVG_EMP_TOTAL", "NUM_INJURIES")
_TEXTS = ("US_STATE", "COMMODITY", "TYPE_OF_MINE")


def frame(folder: Path, *, told: bool = True) -> pd.DataFrame:
    """The mine-years in the order of the file, without `MINE_STATUS`. told: False leaves `NUM_INJURIES` unread.

    Raises BadInput naming file, row and column of what is missing or of another sort.
    """
    columns: dict[str, Sort] = {
        "YEAR": "year",
        "US_STATE": "text",
        "COMMODITY": "name",
        "PRIMARY": "text",
        "SEAM_HEIGHT": "number",
        "TYPE_OF_MINE": "name",
        "AVG_EMP_TOTAL": "given",
        "EMP_HRS_TOTAL": "given",
        **dict.fromkeys(SHARES, "number"),
    }
    columns |= {"NUM_INJURIES": "whole"} if told else {}
    return frames.frame(folder, STEM, columns)


def read(directory: Path) -> Source:
    """The folder as a Source. Raises BadInput on a missing or unreadable file or column, before any row is read."""
    folder = files.folder(directory)
    for path in frames.paths(folder, STEM):
        files.check_columns(path, [*_NUMBERS, *_TEXTS])

    def batches() -> Iterator[Batch]:
        for found in panels.read(folder, STEM, _NUMBERS, _TEXTS):
            rows = _usable(found)
            yield _enterprises(rows)
            yield _exposures(rows, "hours_worked", "EMP_HRS_TOTAL")
            yield _exposures(rows, "headcount", "AVG_EMP_TOTAL")
            yield _accidents(rows)

    return Source(NAME, (), batches, ("no mine id is published: each row is an enterprise of its own, without history",))


def _usable(rows: Rows) -> Rows:
    rows = rows.dated("YEAR")
    injuries = rows.table["NUM_INJURIES"]
    return rows.keep((injuries >= 0) & (injuries == injuries.round()), "NUM_INJURIES", "not a number of injuries")


def _ids(table: pd.DataFrame) -> list[str]:
    return [f"msha-{int(year)}-{row}" for row, year in table["YEAR"].items()]


def _enterprises(rows: Rows) -> Batch:
    table = rows.table
    processes = panels.codes(table["COMMODITY"] + " " + table["TYPE_OF_MINE"])
    columns = {
        ENTERPRISE: _ids(table),
        EVENT_TIME: panels.years(table["YEAR"]),
        "industry": "mining",
        "process": processes,
        "region": table["US_STATE"],
        "currency": "USD",
    }
    return panels.batch(ENTERPRISES, rows, table.index.tolist(), columns)


def _exposures(rows: Rows, basis: str, column: str) -> Batch:
    table = rows.table
    ends = panels.years(table["YEAR"], 1)
    columns = {
        ENTERPRISE: _ids(table),
        EVENT_TIME: ends,
        RECORDED_AT: panels.days_later(ends, REPORT_DAYS),
        "basis": basis,
        "starts": panels.years(table["YEAR"]),
        "amount": table[column],
    }
    return panels.batch(EXPOSURES, rows.path, table.index.tolist(), columns)


def _accidents(rows: Rows) -> Batch:
    """As many rows as there were injuries; one person each."""
    table = rows.table.loc[np.repeat(rows.table.index, rows.table["NUM_INJURIES"].astype(int))]
    number = table.groupby(level=0).cumcount() + 1
    ends = panels.years(table["YEAR"], 1)
    columns = {
        ENTERPRISE: _ids(table),
        EVENT_TIME: panels.days_later(ends, -1),
        RECORDED_AT: panels.days_later(ends, REPORT_DAYS),
        "accident_id": [str(one) for one in number],
        "deaths": 0.0,
        "injuries": 1.0,
    }
    return panels.batch(ACCIDENTS, rows.path, table.index.tolist(), columns)
