"""LGPIF: the property fund of Wisconsin's local governments, policy-years 2006 to 2009 with cover, premium and claims.

Files, Parquet or CSV: `policy_years*`, `claims*`.

Mapping. A policy number is an enterprise (`lgpif-<PolicyNum>`) of industry `public_services`, its process the type of
government. Cover in dollars (`BCcov`) is its exposure of basis `insured_value` and the limit of an accident. A claim is an
accident (property: no deaths, no injuries) and a claim with one valuation. `ClaimNum` does not tell claims apart, so they are
numbered by their row. Cause is the coverage code.

Clocks. A policy runs over the calendar year and is known at its start; cover is an exposure once the year is over. The day of a
claim is not published: the last day of its year stands for it; it is known 31 days later. All claims are closed, and none says
when: the amount paid is valued, and known, a year after the end of the policy year.

What is left out. `county` stands with claims alone: to know it is to know that there was one.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from features.enterprise.schema import ACCIDENTS, CLAIMS, ENTERPRISES, EXPOSURES, POLICIES
from features.schema import ENTERPRISE, EVENT_TIME, RECORDED_AT
from features.sources import files, frames, panels
from features.sources.frames import Sort
from features.sources.panels import Rows
from features.sources.reader import Batch, Source

NAME = "lgpif"
POLICIES_STEM, CLAIMS_STEM = "policy_years", "claims"
REPORT_DAYS, VALUATION_YEARS = 31, 1
TYPES = ("TypeCity", "TypeCounty", "TypeMisc", "TypeSchool", "TypeTown", "TypeVillage")
_YEARS = ("PolicyNum", "Year", "BCcov", "Premium", "Deduct", *TYPES)
_CLAIM = ("PolicyNum", "Year", "Claim")


def policy_years(folder: Path, *, told: bool = True) -> pd.DataFrame:
    """The policy-years in the order of the file: `Freq` claims, of cost `y` together.

    told: False reads these two where they are there, and leaves them missing where they are not.
    Raises BadInput naming file, row and column of what is missing or of another sort.
    """
    columns: dict[str, Sort] = {
        "PolicyNum": "whole",
        "Year": "year",
        "BCcov": "given",
        "Premium": "number",
        "Deduct": "given",
        "Fire5": "number",
        **dict.fromkeys(TYPES, "given"),
    }
    outcomes: dict[str, Sort] = {"Freq": "whole", "y": "given"} if told else {"Freq": "number", "y": "number"}
    optional: dict[str, Sort] = dict.fromkeys(
        ("LnCoverage", "lnDeduct", "lny", "yAvg", "NoClaimCredit", "AC00", "AC05", "AC10", "AC15"), "number"
    )
    if told:
        return frames.frame(folder, POLICIES_STEM, columns | outcomes, optional)
    return frames.frame(folder, POLICIES_STEM, columns, optional | outcomes)


def claims(folder: Path, *, empty: bool = False) -> pd.DataFrame:
    """The claims in the order of the file, with the amount of each. empty: there need be none. Raises BadInput as above."""
    columns: dict[str, Sort] = {"PolicyNum": "whole", "Year": "year", "Claim": "given"}
    texts = ("ClaimStatus", "EntityType", "Description", "CoverageGroup", "CoverageCode", "CountyCode", "county")
    return frames.frame(folder, CLAIMS_STEM, columns, {"Deduct": "number", **dict.fromkeys(texts, "text")}, empty=empty)


def read(directory: Path) -> Source:
    """The folder as a Source. Raises BadInput on a missing or unreadable file or column, before any row is read."""
    folder = files.folder(directory)
    for path in frames.paths(folder, POLICIES_STEM):
        files.check_columns(path, _YEARS)
    for path in frames.paths(folder, CLAIMS_STEM):
        files.check_columns(path, [*_CLAIM, "CoverageCode", "ClaimStatus"])

    def batches() -> Iterator[Batch]:
        insured = [_usable(rows) for rows in panels.read(folder, POLICIES_STEM, _YEARS, ())]
        claimed = [_usable(rows) for rows in panels.read(folder, CLAIMS_STEM, _CLAIM, ["CoverageCode", "ClaimStatus"])]
        yield _enterprises(insured)
        for rows in insured:
            yield _policies(rows)
            yield _exposures(rows)
        for rows in claimed:
            yield _accidents(rows)
            yield _claims(rows)

    return Source(NAME, (), batches)


def _usable(rows: Rows) -> Rows:
    rows = rows.dated("Year")
    number = rows.table["PolicyNum"]
    return rows.keep(number == number.round(), "PolicyNum", "not a policy number")


def _ids(table: pd.DataFrame) -> list[str]:
    return [f"lgpif-{int(number)}" for number in table["PolicyNum"]]


def _enterprises(insured: list[Rows]) -> Batch:
    every = pd.concat([rows.table for rows in insured]).sort_values(["PolicyNum", "Year"], kind="stable")
    found = every.drop_duplicates("PolicyNum")
    sorts = found[list(TYPES)].to_numpy()
    words = [TYPES[at].removeprefix("Type").lower() for at in np.nan_to_num(sorts).argmax(axis=1)]
    columns = {
        ENTERPRISE: _ids(found),
        EVENT_TIME: panels.years(found["Year"]),
        "industry": "public_services",
        "process": [word if some else None for word, some in zip(words, (sorts == 1).any(axis=1), strict=True)],
        "region": "WI",
        "currency": "USD",
    }
    return panels.batch(ENTERPRISES, insured[0].path, found.index.tolist(), columns)


def _policies(rows: Rows) -> Batch:
    table = rows.table
    columns = {
        ENTERPRISE: _ids(table),
        EVENT_TIME: panels.years(table["Year"]),
        "policy_id": [f"{int(year)}" for year in table["Year"]],
        "ends": panels.years(table["Year"], 1),
        "premium": table["Premium"],
        "currency": "USD",
        "limit_per_accident": table["BCcov"],
        "deductible": table["Deduct"],
    }
    return panels.batch(POLICIES, rows, table.index.tolist(), columns)


def _exposures(rows: Rows) -> Batch:
    table = rows.table
    columns = {
        ENTERPRISE: _ids(table),
        EVENT_TIME: panels.years(table["Year"], 1),
        "basis": "insured_value",
        "starts": panels.years(table["Year"]),
        "amount": table["BCcov"],
        "currency": "USD",
    }
    return panels.batch(EXPOSURES, rows.path, table.index.tolist(), columns)


def _accidents(rows: Rows) -> Batch:
    table = rows.table
    last_day = panels.days_later(panels.years(table["Year"], 1), -1)
    columns = {
        ENTERPRISE: _ids(table),
        EVENT_TIME: last_day,
        RECORDED_AT: panels.days_later(last_day, REPORT_DAYS),
        "accident_id": [f"{int(year)}-{row}" for row, year in table["Year"].items()],
        "cause": table["CoverageCode"],
        "deaths": 0.0,
        "injuries": 0.0,
        "direct_loss": table["Claim"],
        "currency": "USD",
    }
    return panels.batch(ACCIDENTS, rows, table.index.tolist(), columns)


def _claims(rows: Rows) -> Batch:
    table = rows.table
    valued = panels.years(table["Year"], 1 + VALUATION_YEARS)
    numbers = [f"{int(year)}-{row}" for row, year in table["Year"].items()]
    columns = {
        ENTERPRISE: _ids(table),
        EVENT_TIME: panels.days_later(panels.years(table["Year"], 1), -1),
        RECORDED_AT: valued,
        "claim_id": numbers,
        "valued_at": valued,
        "accident_id": numbers,
        "paid": table["Claim"],
        "currency": "USD",
        "status": panels.codes(table["ClaimStatus"]),
    }
    return panels.batch(CLAIMS, rows.path, table.index.tolist(), columns)
