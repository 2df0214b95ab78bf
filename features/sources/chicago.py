"""Chicago's food inspections: restaurants and groceries, September 2011 to October 2014, with what was found and by whom.

File, Parquet or CSV: `30_xgboost_data*`, the model data of the city's public evaluation of its own forecast.

Mapping. A licence is an enterprise (`chicago-<License>`) of industry `services`, its process the type of facility. An
inspection is one by the authority, unannounced (canvass inspections are), with all violations as its findings. Each critical
and each serious violation is a row of `violations`, code and grade naming which. Minor ones are findings alone: nearly every
inspection has some (3.7 in the mean), so their count would tell how often somebody came. Nothing becomes a hazard: when a
violation was mended is not published, and hazards that stay open for ever would count as overdue.

Clocks. Dates declared UTC. An inspection stands on its day and is known when the day is over. An enterprise is observed from
its first inspection in the file; founded is the licence's first term, as `ageAtInspection` (years of 365 days) tells of it.

What is left out of the lake. The inspectors: six groups of people by what they usually find, no persons, and no table of the
lake is of inspectors. `score` is the city's forecast, not a fact. Licences beside the retail one, densities of burglaries and
complaints around, weather and `past*`, `timeSinceLast`, `firstRecord` (which the rows themselves tell) have no table;
`frame` reads what a benchmark needs of them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.enterprise.schema import ENTERPRISES, INSPECTIONS, VIOLATIONS
from features.errors import BadInput
from features.schema import ENTERPRISE, EVENT_TIME, RECORDED_AT
from features.sources import files, frames, panels
from features.sources.files import Chunk
from features.sources.frames import Sort
from features.sources.panels import Times
from features.sources.reader import Batch, Source

NAME = "chicago"
STEM = "30_xgboost_data"
DAY = "Inspection_Date"
FOUND = ("criticalCount", "seriousCount", "minorCount")
GRADES = {"critical": "criticalCount", "serious": "seriousCount"}
# Licences that the same place holds beside the one for retail food: 1 if any covers the day of the inspection.
LICENCES = (
    "consumption_on_premises_incidental_activity", "tobacco_retail_over_counter", "package_goods", "limited_business_license",
    "outdoor_patio", "public_place_of_amusement", "childrens_services_facility_license", "tavern", "regulated_business_license",
    "filling_station", "caterers_liquor_license", "mobile_food_license",
)  # fmt: skip
# What the city's forecast is made of and ours is not: as of the day of the inspection, not of the day of a plan.
DATED = ("pastCritical", "pastSerious", "timeSinceLast", "heat_burglary", "heat_sanitation", "heat_garbage", "temperatureMax")
# More than these of one inspection is another thing than a count: each violation becomes a row.
MOST_FOUND = 200.0
_NUMBERS = ("License", "Inspection_ID", "ageAtInspection", *FOUND)
_TEXTS = (DAY, "Facility_Type")
_FLAGS = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}


def frame(folder: Path, *, told: bool = True) -> pd.DataFrame:
    """The inspections in the order of the file, `Inspection_Date` as a day. told: False: what was found may be missing.

    Where the file has them also `score`, `DATED`, and the split, `Train` and `Test` as bool.
    Raises BadInput naming file, row and column of what is missing or of another sort.
    """
    columns: dict[str, Sort] = {
        "License": "whole",
        "Inspection_ID": "whole",
        DAY: "name",
        "Facility_Type": "name",
        "ageAtInspection": "given",
        **dict.fromkeys(LICENCES, "given"),
    }
    outcomes: dict[str, Sort] = dict.fromkeys((*FOUND, "fail_flag"), "given" if told else "number")
    others: dict[str, Sort] = {
        **dict.fromkeys(("Inspector_Assigned", "Train", "Test"), "text"),
        **dict.fromkeys(("score", *DATED), "number"),
    }
    found = (
        frames.frame(folder, STEM, columns | outcomes, others)
        if told
        else frames.frame(folder, STEM, columns, outcomes | others)
    )
    for name in ("Train", "Test"):
        if name in found:
            found[name] = _flags(found[name], name, folder)
    days = pd.to_datetime(found[DAY], errors="coerce", format="ISO8601")
    if days.isna().any():
        raise _at_row(found, days.isna(), "not a day", DAY, folder)
    if found["Inspection_ID"].duplicated().any():
        raise _at_row(found, found["Inspection_ID"].duplicated(), "an inspection is there twice", "Inspection_ID", folder)
    return found.assign(**{DAY: days.dt.normalize().to_numpy("datetime64[D]").astype("datetime64[us]")})


def _flags(values: pd.Series, name: str, folder: Path) -> pd.Series:
    known = values.str.lower().map(_FLAGS)
    if known.isna().any():
        raise _at_row(values.to_frame(), known.isna(), "neither true nor false", name, folder)
    return known.astype(bool)


def _at_row(table: pd.DataFrame, wrong: "pd.Series[bool]", what: str, name: str, folder: Path) -> BadInput:
    row = int(np.flatnonzero(wrong)[0])
    where = f"{folder / STEM}*, row {row + 1}, column {name}"
    return BadInput(f"{what}: {table[name].iloc[row]}", where=where, mend="correct the value")


def read(directory: Path) -> Source:
    """The folder as a Source. Raises BadInput on a missing or unreadable file or column, before any row is read."""
    folder = files.folder(directory)
    paths = frames.paths(folder, STEM)
    for path in paths:
        files.check_columns(path, [*_NUMBERS, *_TEXTS])

    def batches() -> Iterator[Batch]:
        # Twice over the file: an enterprise comes before its inspections, and its first one may stand at the end.
        first = _First()
        for path in paths:
            for chunk in files.chunks(path, [*_NUMBERS, *_TEXTS]):
                first.add(_usable(chunk))
        yield first.batch(paths[0])
        for path in paths:
            for chunk in files.chunks(path, [*_NUMBERS, *_TEXTS]):
                usable = _usable(chunk)
                yield _inspections(path, usable)
                yield from (_violations(path, usable, grade) for grade in GRADES)

    return Source(NAME, (), batches, ("when a violation was mended is not published: none becomes a hazard",))


def _usable(raw: Chunk) -> Chunk:
    """The rows with a licence, an id, a day and counts; the others refused."""
    chunk = files.numeric(raw, *_NUMBERS)
    for name, high in (("License", 2.0**53), ("Inspection_ID", 2.0**53), *((one, MOST_FOUND) for one in FOUND)):
        values = _floats(chunk, name)
        chunk = files.keep(chunk, (values == np.round(values)) & (values >= 0) & (values <= high), name, "not a whole number")
    age = _floats(chunk, "ageAtInspection")
    chunk = files.keep(chunk, ~(age < 0) & ~(age > panels.LAST_YEAR), "ageAtInspection", "not an age")
    days = files.utc(chunk.table[DAY]).combine_chunks()
    years = pc.fill_null(pc.year(days), 0).to_numpy(zero_copy_only=False)
    return files.keep(chunk, (years >= panels.FIRST_YEAR) & (years <= panels.LAST_YEAR), DAY, "not a day")


def _floats(chunk: Chunk, name: str) -> npt.NDArray[np.float64]:
    return files.floats(files.numbers(chunk.table[name]))


def _days(chunk: Chunk) -> Times:
    moments = files.utc(chunk.table[DAY]).cast(pa.int64()).to_numpy()
    return np.asarray(moments.astype("datetime64[us]").astype("datetime64[D]").astype("datetime64[us]"))


def _ids(chunk: Chunk) -> list[str]:
    return [f"chicago-{int(one)}" for one in _floats(chunk, "License")]


class _First:
    """The first inspection of each licence so far: a row each, whatever the length of the file."""

    def __init__(self) -> None:
        self._rows = pd.DataFrame()

    def add(self, chunk: Chunk) -> None:
        """Take in a chunk."""
        age = np.round(_floats(chunk, "ageAtInspection") * 365.0)
        facility = chunk.table["Facility_Type"].cast(pa.string()).to_pandas().astype("str")
        rows = pd.DataFrame({
            "licence": _floats(chunk, "License").astype(np.int64),
            "day": _days(chunk),
            "age": age,
            "facility": facility.to_numpy(),
            "row": chunk.rows,
        })  # fmt: skip
        every = pd.concat([self._rows, rows]).sort_values(["licence", "day", "row"], kind="stable")
        self._rows = every.drop_duplicates("licence").reset_index(drop=True)

    def batch(self, path: Path) -> Batch:
        """The enterprises."""
        rows = self._rows
        days = rows["day"].to_numpy("datetime64[us]")
        known = rows["age"].notna().to_numpy()
        founded = days - np.where(known, rows["age"].fillna(0.0), 0.0).astype("timedelta64[D]")
        columns: dict[str, Any] = {
            ENTERPRISE: [f"chicago-{one}" for one in rows["licence"]],
            EVENT_TIME: days,
            "founded": np.where(known, founded, np.datetime64("NaT", "us")),
            "industry": "services",
            "process": panels.codes(rows["facility"]),
            "region": "Chicago",
            "currency": "USD",
        }
        return panels.batch(ENTERPRISES, path, rows["row"].tolist(), columns)


def _inspections(path: Path, chunk: Chunk) -> Batch:
    days = _days(chunk)
    columns: dict[str, Any] = {
        ENTERPRISE: _ids(chunk),
        EVENT_TIME: days,
        RECORDED_AT: panels.days_later(days, 1),
        "visit_id": [str(int(one)) for one in _floats(chunk, "Inspection_ID")],
        "visitor": "authority",
        "mode": "unannounced",
        "outcome": "done",
        "findings": np.sum([_floats(chunk, name) for name in FOUND], axis=0),
    }
    table = pa.table({name: panels.array(values, len(days)) for name, values in columns.items()})
    return Batch(INSPECTIONS, table, path.name, chunk.rows, chunk.refused)


def _violations(path: Path, chunk: Chunk, grade: str) -> Batch:
    """As many rows as there were violations of a grade."""
    at = np.repeat(np.arange(len(chunk.rows)), _floats(chunk, GRADES[grade]).astype(np.int64))
    days, number = _days(chunk)[at], pd.Series(at).groupby(at).cumcount() + 1
    visits = _floats(chunk, "Inspection_ID").astype(np.int64)[at]
    columns: dict[str, Any] = {
        ENTERPRISE: np.array(_ids(chunk), dtype=object)[at].tolist(),
        EVENT_TIME: days,
        RECORDED_AT: panels.days_later(days, 1),
        "violation_id": [f"{visit}-{grade}-{one}" for visit, one in zip(visits, number, strict=True)],
        "code": grade,
        "grade": grade,
    }
    return panels.batch(VIOLATIONS, path, chunk.rows[at].tolist(), columns)
