"""PHMSA: operators of hazardous-liquid pipelines in the USA, their miles by year and their incidents with cost and narrative.

Files, Parquet or CSV: `pipelines_ungrouped` (operator x year x commodity x on/offshore, from 2004), `incidents` (from 1986).

Mapping. An operator is an enterprise (`phmsa-<ID>`) of industry `pipelines`. Rows `on_offshore = total` repeat the two others
and are left out; miles are summed over commodities. An incident is an accident and, with its narrative, a case.

Clocks. Dates are declared UTC. An operator is observed from 1 January of the first year that it stands in either file. Miles
of a year are known on 15 June of the next one, when annual reports are due (49 CFR 195.49); an accident 30 days after it
happened (195.54); its case 60 days after. Costs and narratives stand as they were amended up to 2020: how they were reported
at first is not there.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from features.enterprise.schema import ACCIDENTS, CASES, ENTERPRISES, EXPOSURES
from features.schema import ENTERPRISE, EVENT_TIME, RECORDED_AT
from features.sources import files, frames, panels
from features.sources.frames import Sort
from features.sources.panels import Rows
from features.sources.reader import Batch, Source

NAME = "phmsa"
PARTS = ("onshore", "offshore")
REPORT_DAYS, CASE_DAYS = 30, 60
# From 1 January, when the period has ended, to 15 June.
ANNUAL_REPORT_DAYS = 165
_NUMBERS = ("year", "miles")
_TEXTS = ("ID", "on_offshore", "commodity")
_HARM = ("fatalities", "injuries", "cost")
_ABOUT = ("incident_ID", "ID", "date", "MAP_CAUSE", "on_offshore", "narrative")

_PIPELINES: dict[str, Sort] = {
    "ID": "name", "year": "year", "commodity": "name", "on_offshore": "name", "miles": "given", "incidents": "number",
}  # fmt: skip
_VOLUMES = (
    "hca", "volume_all", "estimate_volume_all", "volume_specific", "estimate_volume_specific", "recovered", "net_loss_volume",
    "incidents_volume", "incidents_cost", "significant_incidents", "significant_incidents_cost", "significant_incidents_volume",
    "serious_incidents",
)  # fmt: skip
_INCIDENTS: dict[str, Sort] = {
    "incident_ID": "name", "ID": "name", "year": "year", "cause": "text", "fatalities": "number", "injuries": "number",
    "cost": "number",
}  # fmt: skip
_OF_INCIDENTS: dict[str, Sort] = {
    **dict.fromkeys(
        ("MAP_CAUSE", "subcause", "state", "on_offshore", "system", "item", "commodity", "narrative", "name"), "text"
    ),
    **dict.fromkeys(
        ("installation_year", "manufacture_year", "volume", "recovered", "net_loss", "cost_1984", "TOTAL_COST_CURRENT"),
        "number",
    ),
    **dict.fromkeys(("significant", "serious", "fire", "explosion", "water_contamination"), "number"),
}


def pipelines(folder: Path) -> pd.DataFrame:
    """The rows of `pipelines_ungrouped` as published, `total` rows included; `incidents` is missing where there were none.

    Raises BadInput naming file, row and column of what is missing or of another sort.
    """
    optional: dict[str, Sort] = {"name": "text", "state": "text", **dict.fromkeys(_VOLUMES, "number")}
    return frames.frame(folder, "pipelines_ungrouped", _PIPELINES, optional)


def incidents(folder: Path, *, empty: bool = False) -> pd.DataFrame:
    """The rows of `incidents` as published; yes and no as 1 and 0. empty: there need be none. Raises BadInput as above."""
    return frames.frame(folder, "incidents", _INCIDENTS, _OF_INCIDENTS, empty=empty)


def read(directory: Path) -> Source:
    """The folder as a Source. Raises BadInput on a missing or unreadable file or column, before any row is read."""
    folder = files.folder(directory)
    for path in frames.paths(folder, "pipelines_ungrouped"):
        files.check_columns(path, [*_NUMBERS, *_TEXTS], ["state"])
    for path in frames.paths(folder, "incidents"):
        files.check_columns(path, [*_HARM, *_ABOUT])

    def batches() -> Iterator[Batch]:
        operators = [_usable(rows) for rows in panels.read(folder, "pipelines_ungrouped", _NUMBERS, _TEXTS, ["state"])]
        accidents = [_happened(rows) for rows in panels.read(folder, "incidents", _HARM, _ABOUT)]
        yield _enterprises(operators, accidents)
        for rows in operators:
            yield _exposures(rows)
        for rows in accidents:
            yield _accidents(rows)
            yield _cases(rows)

    return Source(NAME, (), batches, ("costs and narratives stand as amended up to 2020, not as first reported",))


def _usable(rows: Rows) -> Rows:
    rows = rows.dated("year")
    rows = rows.keep(rows.table["on_offshore"].isin([*PARTS, "total"]), "on_offshore", "neither onshore nor offshore nor total")
    rows = rows.keep(rows.table["ID"].notna(), "ID", "empty id")
    return Rows(rows.path, rows.table[rows.table["on_offshore"] != "total"], rows.refused)


def _happened(rows: Rows) -> Rows:
    """Incidents with their day in `moment`."""
    moments = pd.to_datetime(rows.table["date"], errors="coerce", format="ISO8601")
    rows = Rows(rows.path, rows.table.assign(moment=moments), rows.refused)
    return rows.keep(moments.notna(), "date", "an accident without date")


def _enterprises(operators: list[Rows], accidents: list[Rows]) -> Batch:
    """One row per operator, from the first year of either file on; its state is that of the first year that names one."""
    stood = pd.concat([rows.table[["ID", "year"]].assign(state=rows.table.get("state")) for rows in operators])
    had = [rows.table[["ID"]].assign(year=rows.table["moment"].dt.year.astype(float), state=None) for rows in accidents]
    every = pd.concat([stood, *had]).dropna(subset="ID").sort_values(["ID", "year"], kind="stable")
    found = every.groupby("ID", sort=True).agg(year=("year", "first"), state=("state", "first"))
    columns = {
        ENTERPRISE: [f"phmsa-{one}" for one in found.index],
        EVENT_TIME: panels.years(found["year"]),
        "industry": "pipelines",
        "region": [None if pd.isna(state) else state for state in found["state"]],
        "currency": "USD",
    }
    return panels.batch(ENTERPRISES, operators[0].path, np.arange(1, len(found) + 1).tolist(), columns)


def _exposures(rows: Rows) -> Batch:
    numbered = rows.table.assign(row=rows.table.index)
    summed = numbered.groupby(["ID", "year"], sort=True).agg(miles=("miles", "sum"), row=("row", "min")).reset_index()
    ends = panels.years(summed["year"], 1)
    columns = {
        ENTERPRISE: [f"phmsa-{one}" for one in summed["ID"]],
        EVENT_TIME: ends,
        RECORDED_AT: panels.days_later(ends, ANNUAL_REPORT_DAYS),
        "basis": "miles",
        "starts": panels.years(summed["year"]),
        "amount": summed["miles"],
    }
    return panels.batch(EXPOSURES, rows, summed["row"].tolist(), columns)


def _accidents(rows: Rows) -> Batch:
    table, moments = rows.table, rows.table["moment"].to_numpy()
    columns = {
        ENTERPRISE: [f"phmsa-{one}" if isinstance(one, str) else None for one in table["ID"]],
        EVENT_TIME: moments,
        RECORDED_AT: panels.days_later(moments, REPORT_DAYS),
        "accident_id": table["incident_ID"],
        "process": panels.codes(table["on_offshore"]),
        "cause": panels.codes(table["MAP_CAUSE"]),
        "deaths": table["fatalities"],
        "injuries": table["injuries"],
        "direct_loss": table["cost"],
        "currency": "USD",
    }
    return panels.batch(ACCIDENTS, rows, table.index.tolist(), columns)


def _cases(rows: Rows) -> Batch:
    table = rows.table[rows.table["narrative"].notna()]
    moments = table["moment"].to_numpy()
    columns = {
        "industry": "pipelines",
        EVENT_TIME: moments,
        RECORDED_AT: panels.days_later(moments, CASE_DAYS),
        "case_id": [f"phmsa-{one}" for one in table["incident_ID"]],
        "process": panels.codes(table["on_offshore"]),
        "cause": panels.codes(table["MAP_CAUSE"]),
        "deaths": table["fatalities"],
        "injuries": table["injuries"],
        "direct_loss": table["cost"],
        "currency": "USD",
        "narrative_en": table["narrative"],
        "source": "PHMSA",
        "enterprise_id": [f"phmsa-{one}" if isinstance(one, str) else None for one in table["ID"]],
    }
    return panels.batch(CASES, rows.path, table.index.tolist(), columns)
