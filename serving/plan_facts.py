"""Inspectors, and what the lake does not know of sites, from CSV or XLSX: skills, homes, hours, leave, windows, pins."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, get_args

from features.errors import BadInput
from serving.book_cells import Column, Faults, values
from serving.book_sheet import Sheet, read_sheets
from serving.inspection.model import DAY, Inspector, Mode, Window
from serving.inspection.rules import Colour

WORKING_DAYS, HOURS, OPEN = "mon-fri", "08:30-17:30", "mon-fri 08:00-18:00"
_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_CODES = {name: place for place, name in enumerate(_NAMES)} | {
    f"{week}{name}": place for week in ("周", "星期") for place, name in enumerate("一二三四五六日")
}
_HOURS = re.compile(r"(\d{1,2}):(\d{2})\s*[-–]\s*(\d{1,2}):(\d{2})")
_MOST_MINUTES = 1_440.0


def _place(name: str, words: str, most: float, *, required: bool) -> Column:
    return Column(name, "number", words, "", required=required, least=-most, most=most)


_OF_INSPECTOR = (
    Column("inspector_id", "text", "inspector id", "", required=True),
    _place("latitude", "latitude of the home", 90.0, required=True),
    _place("longitude", "longitude of the home", 180.0, required=True),
    Column("name", "text", "name", ""), Column("provider", "text", "provider", ""),
    Column("skills", "text", "skills", ""), Column("regions", "text", "regions", ""),
    Column("days", "text", "days", ""), Column("hours", "text", "hours", ""), Column("leave", "text", "leave", ""),
)  # fmt: skip
_MODES = {mode.value: mode.value for mode in Mode}
_COLOURS = {name: name for name in get_args(Colour)} | {"红": "red", "橙": "orange", "黄": "yellow", "蓝": "blue"}
_OF_SITE = (
    Column("enterprise_id", "text", "enterprise id", "", required=True),
    Column("site_id", "text", "site id", "", required=True),
    _place("latitude", "latitude", 90.0, required=False), _place("longitude", "longitude", 180.0, required=False),
    Column("windows", "text", "windows", ""), Column("skills", "text", "skills", ""),
    Column("minutes", "number", "minutes of a visit", "", least=1.0, most=_MOST_MINUTES, whole=True),
    Column("mode", "code", "mode", "", codes=_MODES), Column("colour", "code", "risk colour", "", codes=_COLOURS),
    Column("known", "text", "inspector whom the site knows", ""), Column("region", "text", "region", ""),
    Column("pinned_inspector", "text", "pinned inspector", ""), Column("pinned_start", "text", "pinned start", ""),
)  # fmt: skip
_OF_HOLIDAY = (Column("day", "date", "day", "", required=True),)
_OF_WAY = (
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
        off |= {row["day"] for _, row in _rows(sheets["holidays"], _OF_HOLIDAY)}
    faults, found = Faults(), []
    seen: set[str] = set()
    for place, (where, row) in enumerate(_rows(_chosen(sheets, "inspectors", path), _OF_INSPECTOR)):
        if row["inspector_id"] in seen:
            faults.add(f"inspector {row['inspector_id']} is there twice", where, "keep one row of each")
        seen.add(row["inspector_id"])
        try:
            found.append(_person(row, place, monday, off, where))
        except BadInput as error:
            faults.add(error.what, error.where, error.mend)
    faults.check()
    return tuple(found)


def read_sites(path: Path, monday: date) -> dict[tuple[str, str], SiteSheet]:
    """What a file says of sites, by enterprise and site. Raises BadInput as `read_inspectors` does."""
    faults, found = Faults(), {}
    for where, row in _rows(_chosen(read_sheets(path), "sites", path), _OF_SITE):
        key = (row["enterprise_id"], row["site_id"])
        if key in found:
            faults.add(f"site {key[0]}/{key[1]} is there twice", where, "keep one row of each")
        try:
            found[key] = _site(row, monday, where)
        except BadInput as error:
            faults.add(error.what, error.where, error.mend)
    faults.check()
    return found


def has_sites(path: Path) -> bool:
    """Whether a workbook of inspectors has a sheet of sites too."""
    return path.suffix.lower() == ".xlsx" and "sites" in read_sheets(path)


def read_ways(path: Path) -> dict[tuple[str, str], int]:
    """Minutes by (from, to): ids of inspectors, and of sites as enterprise/site. Raises BadInput."""
    rows = _rows(_chosen(read_sheets(path), "travel", path), _OF_WAY)
    return {(row["from"], row["to"]): round(row["minutes"]) for _, row in rows}


def _chosen(sheets: dict[str, Sheet], name: str, path: Path) -> Sheet:
    if name in sheets:
        return sheets[name]
    if len(sheets) != 1:
        raise BadInput(f"no sheet {name!r} among {', '.join(sheets) or 'none'}", where=path.name, mend=f"name one {name}")
    return next(iter(sheets.values()))


def _rows(sheet: Sheet, columns: Sequence[Column]) -> list[tuple[str, dict[str, Any]]]:
    """Rows as dicts with their place. Raises BadInput."""
    known = {one.name: one for one in columns}
    for name in sheet.header:
        if name not in known:
            raise BadInput("unknown column", where=f"{sheet.where}, {name}", mend=f"known are {', '.join(known)}")
    for one in columns:
        if one.required and one.name not in sheet.header:
            raise BadInput(f"no column {one.name}", where=sheet.where, mend=f"give the {one.words_en} of every row")
    faults = Faults()
    found = {name: values(sheet, place, known[name], faults) for place, name in enumerate(sheet.header)}
    faults.check()
    blank = dict.fromkeys(known)
    return [
        (f"{sheet.where}, row {number}", blank | {name: column[at] for name, column in found.items()})
        for at, number in enumerate(sheet.rows)
    ]


def _person(row: dict[str, Any], place: int, monday: date, holidays: set[date], where: str) -> Person:
    start, end = _hours(row["hours"] or HOURS, f"{where}, hours")
    off = holidays | _leave(row["leave"] or "", f"{where}, leave")
    days = [day for day in _days(row["days"] or WORKING_DAYS, f"{where}, days") if monday + timedelta(days=day) not in off]
    shifts = tuple(Window(day * DAY + start, day * DAY + end) for day in days)
    skills = frozenset(_held(row["skills"] or "", monday + timedelta(days=6), f"{where}, skills"))
    regions = frozenset(_listed(row["regions"] or ""))
    inspector = Inspector(
        row["inspector_id"], place, shifts, skills, regions, row["name"] or "", row["provider"] or ""
    )  # fmt: skip
    return Person(inspector, row["latitude"], row["longitude"])


def _site(row: dict[str, Any], monday: date, where: str) -> SiteSheet:
    if (row["latitude"] is None) != (row["longitude"] is None):
        raise BadInput("half a coordinate", where=where, mend="give latitude and longitude, or neither")
    if (row["pinned_inspector"] is None) != (row["pinned_start"] is None):
        raise BadInput("half a pin", where=where, mend="give pinned_inspector and pinned_start, or neither")
    pinned = None
    if row["pinned_inspector"] is not None:
        pinned = (row["pinned_inspector"], _moment(row["pinned_start"], monday, f"{where}, pinned_start"))
    windows = None if row["windows"] is None else windows_of(row["windows"], f"{where}, windows")
    skills = frozenset(_listed(row["skills"] or ""))
    return SiteSheet(
        row["enterprise_id"], row["site_id"], row["latitude"], row["longitude"], windows, skills,
        None if row["minutes"] is None else int(row["minutes"]), None if row["mode"] is None else Mode(row["mode"]),
        row["colour"], row["known"] or "", row["region"] or "", pinned,
    )  # fmt: skip


def windows_of(text: str, where: str) -> tuple[Window, ...]:
    """Windows as `mon-fri 08:00-18:00; sat 09:00-12:00`. Raises BadInput; none for `closed`."""
    if text.strip().lower() in ("closed", "关闭"):
        return ()
    found: set[Window] = set()
    for part in re.split(r"[;；]", text):
        days, _, hours = part.strip().rpartition(" ")
        if not days:
            raise BadInput(f"{part.strip()!r} is no window", where=where, mend=f"write it as {OPEN}")
        start, end = _hours(hours, where)
        found |= {Window(day * DAY + start, day * DAY + end) for day in _days(days, where)}
    return tuple(sorted(found))


def _hours(text: str, where: str) -> tuple[int, int]:
    found = _HOURS.fullmatch(text.strip())
    if found is None:
        raise BadInput(f"{text!r} are no hours", where=where, mend=f"write them as {HOURS}")
    hours = [int(part) for part in found.groups()]
    start, end = hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]
    if max(hours[1], hours[3]) > 59 or end > DAY:
        raise BadInput(f"{text!r} are no hours of a day", where=where, mend=f"write them as {HOURS}")
    if start >= end:
        raise BadInput(f"a window from {text} never opens", where=where, mend="let it end after it begins, on one day")
    return start, end


def _days(text: str, where: str) -> list[int]:
    found: list[int] = []
    for part in _listed(text):
        first, _, last = part.lower().partition("-")
        ends = [_DAY_CODES.get(name.strip()) for name in (first, last or first)]
        if ends[0] is None or ends[1] is None or ends[0] > ends[1]:
            raise BadInput(f"{part!r} are no days", where=where, mend=f"write them as mon-fri or sat, of {', '.join(_NAMES)}")
        found += range(ends[0], ends[1] + 1)
    return sorted(set(found))


def _leave(text: str, where: str) -> set[date]:
    """Days, or spans as 2026-11-25..2026-12-01."""
    found: set[date] = set()
    for part in _listed(text):
        first, _, last = part.partition("..")
        start, end = _day(first, where), _day(last or first, where)
        if end < start or (end - start).days > 3_660:
            raise BadInput(f"{part!r} is no span of days", where=where, mend="write it as 2026-11-25..2026-12-01")
        found |= {start + timedelta(days=day) for day in range((end - start).days + 1)}
    return found


def _held(text: str, until: date, where: str) -> Iterable[str]:
    """Skills that are held to the end of the week: `name`, or `name@2026-12-31` for a certificate that ends."""
    for part in _listed(text):
        name, _, ends = part.partition("@")
        if not ends or _day(ends, where) >= until:
            yield name.strip()


def _listed(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"[;；,，、]", text) if part.strip()]


def _day(text: str, where: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise BadInput(f"{text.strip()!r} is no day", where=where, mend="write it as 2026-11-25") from None


def _moment(text: str, monday: date, where: str) -> int:
    """A start as `2026-11-25 09:30`, in minutes of the week."""
    found = re.fullmatch(r"(\d{4}-\d{2}-\d{2})[T ](\d{1,2}):(\d{2})", text.strip())
    if found is None or int(found[2]) > 23 or int(found[3]) > 59:
        raise BadInput(f"{text!r} is no start", where=where, mend="write it as 2026-11-25 09:30, local time")
    day = (_day(found[1], where) - monday).days
    if not 0 <= day < 7:
        raise BadInput(f"{found[1]} is not in the week of {monday}", where=where, mend="pin it to a day of the week")
    return day * DAY + int(found[2]) * 60 + int(found[3])
