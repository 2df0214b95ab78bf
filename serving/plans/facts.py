"""Inspectors, and what the lake does not know of sites: skills, homes, hours, leave, windows, pins; of files or of a request.

One definition of the rows for both: a request's are a sheet, too, whose places are named as `inspectors[3].hours`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any, get_args

from features.errors import BadInput
from serving.books.cells import Column, Faults, values
from serving.books.sheet import Sheet, read_sheets
from serving.inspection.model import DAY, Inspector, Mode, Window
from serving.inspection.rules import Colour
from serving.plans.cells import HOURS, WORKING_DAYS, days_of, held, hours_of, leave_of, listed, moment_of, windows_of

_MOST_MINUTES = 1_440.0


def _place(name: str, words: str, most: float, *, required: bool) -> Column:
    return Column(name, "number", words, "", required=required, least=-most, most=most)


OF_INSPECTOR = (
    Column("inspector_id", "text", "inspector id", "", required=True),
    _place("latitude", "latitude of the home", 90.0, required=True),
    _place("longitude", "longitude of the home", 180.0, required=True),
    Column("name", "text", "name", ""), Column("provider", "text", "provider", ""),
    Column("skills", "text", "skills", ""), Column("regions", "text", "regions", ""),
    Column("days", "text", "days", ""), Column("hours", "text", "hours", ""), Column("leave", "text", "leave", ""),
)  # fmt: skip
_MODES = {mode.value: mode.value for mode in Mode}
_COLOURS = {name: name for name in get_args(Colour)} | {"红": "red", "橙": "orange", "黄": "yellow", "蓝": "blue"}
OF_SITE = (
    Column("enterprise_id", "text", "enterprise id", "", required=True),
    Column("site_id", "text", "site id", "", required=True),
    _place("latitude", "latitude", 90.0, required=False), _place("longitude", "longitude", 180.0, required=False),
    Column("windows", "text", "windows", ""), Column("skills", "text", "skills", ""),
    Column("minutes", "number", "minutes of a visit", "", least=1.0, most=_MOST_MINUTES, whole=True),
    Column("mode", "code", "mode", "", codes=_MODES), Column("colour", "code", "risk colour", "", codes=_COLOURS),
    Column("known", "text", "inspector whom the site knows", ""), Column("region", "text", "region", ""),
    Column("pinned_inspector", "text", "pinned inspector", ""), Column("pinned_start", "text", "pinned start", ""),
)  # fmt: skip
OF_HOLIDAY = (Column("day", "date", "day", "", required=True),)
OF_WAY = (
    Column("from", "text", "start of the way", "", required=True), Column("to", "text", "end of the way", "", required=True),
    Column("minutes", "number", "minutes of the way", "", required=True, least=0.0, most=10_080.0),
)  # fmt: skip


@dataclass(frozen=True)
class Person:
    """An inspector with a home in degrees. `inspector.place` is the row in the file until the plan gives places."""

    inspector: Inspector
    latitude: float
    longitude: float


@dataclass(frozen=True)
class SiteSheet:
    """What a file says of a site; None or empty: what the lake or the rules say."""

    enterprise_id: str
    site_id: str
    latitude: float | None = None
    longitude: float | None = None
    windows: tuple[Window, ...] | None = None
    skills: frozenset[str] = frozenset()
    minutes: int | None = None
    mode: Mode | None = None
    colour: Colour | None = None
    known: str = ""
    region: str = ""
    pinned: tuple[str, int] | None = None


def read_inspectors(path: Path, monday: date, holidays: Iterable[date] = ()) -> tuple[Person, ...]:
    """The inspectors of a file with their shifts in a week; a sheet `holidays` (column day) joins the holidays.

    Raises BadInput naming row and column of the first fault, with the number of the others.
    """
    sheets = read_sheets(path)
    off = set(holidays)
    if "holidays" in sheets:
        off |= holidays_of(sheets["holidays"])
    return inspectors_of(_chosen(sheets, "inspectors", path), monday, off)


def inspectors_of(sheet: Sheet, monday: date, holidays: Iterable[date] = ()) -> tuple[Person, ...]:
    """The inspectors of a sheet with their shifts in a week. Raises BadInput as `read_inspectors` does."""
    faults, found, off = Faults(sheet.among), [], set(holidays)
    seen: set[str] = set()
    for place, row in enumerate(_rows(sheet, OF_INSPECTOR)):
        if row["inspector_id"] in seen:
            faults.add(f"inspector {row['inspector_id']} is there twice", sheet.line(place), "keep one row of each")
        seen.add(row["inspector_id"])
        try:
            found.append(_person(row, place, monday, off, partial(sheet.spot, place)))
        except BadInput as error:
            faults.add(error.what, error.where, error.mend)
    faults.check()
    return tuple(found)


def read_sites(path: Path, monday: date) -> dict[tuple[str, str], SiteSheet]:
    """What a file says of sites, by enterprise and site. Raises BadInput as `read_inspectors` does."""
    return sites_of(_chosen(read_sheets(path), "sites", path), monday)


def sites_of(sheet: Sheet, monday: date) -> dict[tuple[str, str], SiteSheet]:
    """What a sheet says of sites, by enterprise and site. Raises BadInput as `read_inspectors` does."""
    faults, found = Faults(sheet.among), {}
    for place, row in enumerate(_rows(sheet, OF_SITE)):
        key = (row["enterprise_id"], row["site_id"])
        if key in found:
            faults.add(f"site {key[0]}/{key[1]} is there twice", sheet.line(place), "keep one row of each")
        try:
            found[key] = _site(row, monday, sheet, place)
        except BadInput as error:
            faults.add(error.what, error.where, error.mend)
    faults.check()
    return found


def has_sites(path: Path) -> bool:
    """Whether a workbook of inspectors has a sheet of sites too."""
    return path.suffix.lower() == ".xlsx" and "sites" in read_sheets(path)


def read_ways(path: Path) -> dict[tuple[str, str], int]:
    """Minutes by (from, to): ids of inspectors, and of sites as enterprise/site. Raises BadInput."""
    return ways_of(_chosen(read_sheets(path), "travel", path))


def ways_of(sheet: Sheet) -> dict[tuple[str, str], int]:
    """Minutes by (from, to) of a sheet. Raises BadInput."""
    return {(row["from"], row["to"]): round(row["minutes"]) for row in _rows(sheet, OF_WAY)}


def holidays_of(sheet: Sheet) -> set[date]:
    """The days off of a sheet. Raises BadInput."""
    return {row["day"] for row in _rows(sheet, OF_HOLIDAY)}


def _chosen(sheets: dict[str, Sheet], name: str, path: Path) -> Sheet:
    if name in sheets:
        return sheets[name]
    if len(sheets) != 1:
        raise BadInput(f"no sheet {name!r} among {', '.join(sheets) or 'none'}", where=path.name, mend=f"name one {name}")
    return next(iter(sheets.values()))


def _rows(sheet: Sheet, columns: Sequence[Column]) -> list[dict[str, Any]]:
    """Rows as dicts. Raises BadInput."""
    known = {one.name: one for one in columns}
    for name in sheet.header:
        if name not in known:
            raise BadInput("unknown column", where=f"{sheet.where}, {name}", mend=f"known are {', '.join(known)}")
    for one in columns:
        if one.required and one.name not in sheet.header:
            raise BadInput(f"no column {one.name}", where=sheet.where, mend=f"give the {one.words_en} of every row")
    faults = Faults(sheet.among)
    found = {name: values(sheet, place, known[name], faults) for place, name in enumerate(sheet.header)}
    faults.check()
    blank = dict.fromkeys(known)
    return [blank | {name: column[at] for name, column in found.items()} for at in range(len(sheet.rows))]


def _person(row: dict[str, Any], place: int, monday: date, holidays: set[date], spot: Callable[[str], str]) -> Person:
    start, end = hours_of(row["hours"] or HOURS, spot("hours"))
    off = holidays | leave_of(row["leave"] or "", spot("leave"))
    days = [day for day in days_of(row["days"] or WORKING_DAYS, spot("days")) if monday + timedelta(days=day) not in off]
    shifts = tuple(Window(day * DAY + start, day * DAY + end) for day in days)
    # A certificate that ends on the last day worked lasts the week.
    last = monday + timedelta(days=max(days, default=6))
    skills = frozenset(held(row["skills"] or "", last, spot("skills")))
    regions = frozenset(listed(row["regions"] or ""))
    inspector = Inspector(
        row["inspector_id"], place, shifts, skills, regions, row["name"] or "", row["provider"] or ""
    )  # fmt: skip
    return Person(inspector, row["latitude"], row["longitude"])


def _site(row: dict[str, Any], monday: date, sheet: Sheet, place: int) -> SiteSheet:
    where, spot = sheet.line(place), partial(sheet.spot, place)
    if (row["latitude"] is None) != (row["longitude"] is None):
        raise BadInput("half a coordinate", where=where, mend="give latitude and longitude, or neither")
    if (row["pinned_inspector"] is None) != (row["pinned_start"] is None):
        raise BadInput("half a pin", where=where, mend="give pinned_inspector and pinned_start, or neither")
    pinned = None
    if row["pinned_inspector"] is not None:
        pinned = (row["pinned_inspector"], moment_of(row["pinned_start"], monday, spot("pinned_start")))
    windows = None if row["windows"] is None else windows_of(row["windows"], spot("windows"))
    skills = frozenset(listed(row["skills"] or ""))
    return SiteSheet(
        row["enterprise_id"], row["site_id"], row["latitude"], row["longitude"], windows, skills,
        None if row["minutes"] is None else int(row["minutes"]), None if row["mode"] is None else Mode(row["mode"]),
        row["colour"], row["known"] or "", row["region"] or "", pinned,
    )  # fmt: skip
