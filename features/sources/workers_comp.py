"""Workers' compensation: payroll and losses of occupation classes over seven years (Klugman), the set for credibility.

File, Parquet or CSV: `usworkcomp*` (CL class, YR year 1 to 7, PR payroll, LOSS losses).

Mapping. A class is an enterprise (`workers-comp-<CL>`, industry `other`): synthetic, since a class is many employers. Payroll
is its exposure; the losses of a class and year are one claim of status `aggregate`. How many accidents there were is not
published.

Clocks. Year y is declared to be the calendar year 2000 + y. Payroll is known at its end; losses are valued and known a year
later.
"""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from features.enterprise.schema import CLAIMS, ENTERPRISES, EXPOSURES
from features.schema import ENTERPRISE, EVENT_TIME, RECORDED_AT
from features.sources import files, frames, panels
from features.sources.panels import Rows
from features.sources.reader import Batch, Source

NAME = "workers-comp"
STEM = "usworkcomp"
YEAR_0 = 2000
VALUATION_YEARS = 1
_NUMBERS = ("CL", "YR", "PR", "LOSS")


def frame(folder: Path) -> pd.DataFrame:
    """The class-years in the order of the file. Raises BadInput naming file, row and column of what is missing or no number."""
    return frames.frame(folder, STEM, {"CL": "whole", "YR": "whole", "PR": "given", "LOSS": "given"})


def read(directory: Path) -> Source:
    """The folder as a Source. Raises BadInput on a missing or unreadable file or column, before any row is read."""
    folder = files.folder(directory)
    for path in frames.paths(folder, STEM):
        files.check_columns(path, _NUMBERS)

    def batches() -> Iterator[Batch]:
        found = [_usable(rows) for rows in panels.read(folder, STEM, _NUMBERS, ())]
        yield _enterprises(found)
        for rows in found:
            yield _exposures(rows)
            yield _claims(rows)

    return Source(NAME, (), batches, ("a class is many employers: these enterprises are synthetic, their years nominal",))


def _usable(rows: Rows) -> Rows:
    table = rows.table.assign(year=rows.table["YR"] + YEAR_0)
    rows = Rows(rows.path, table, rows.refused)
    rows = rows.keep((table["YR"] == table["YR"].round()) & table["YR"].between(1, 99), "YR", "not a year of the file")
    return rows.keep(rows.table["CL"] == rows.table["CL"].round(), "CL", "not a class")


def _ids(table: pd.DataFrame) -> list[str]:
    return [f"{NAME}-{int(number)}" for number in table["CL"]]


def _enterprises(found: list[Rows]) -> Batch:
    table = pd.concat([rows.table for rows in found]).sort_values(["CL", "year"], kind="stable").drop_duplicates("CL")
    columns = {ENTERPRISE: _ids(table), EVENT_TIME: panels.years(table["year"]), "industry": "other", "currency": "USD"}
    return panels.batch(ENTERPRISES, found[0].path, table.index.tolist(), columns)


def _exposures(rows: Rows) -> Batch:
    table = rows.table
    columns = {
        ENTERPRISE: _ids(table),
        EVENT_TIME: panels.years(table["year"], 1),
        "basis": "payroll",
        "starts": panels.years(table["year"]),
        "amount": table["PR"],
        "currency": "USD",
    }
    return panels.batch(EXPOSURES, rows, table.index.tolist(), columns)


def _claims(rows: Rows) -> Batch:
    table = rows.table
    valued = panels.years(table["year"], 1 + VALUATION_YEARS)
    columns = {
        ENTERPRISE: _ids(table),
        EVENT_TIME: panels.days_later(panels.years(table["year"], 1), -1),
        RECORDED_AT: valued,
        "claim_id": [f"{int(year)}" for year in table["year"]],
        "valued_at": valued,
        "paid": table["LOSS"],
        "currency": "USD",
        "status": "aggregate",
    }
    return panels.batch(CLAIMS, rows.path, table.index.tolist(), columns)
