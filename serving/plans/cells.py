"""Cells of inspectors and sites: windows, hours, days, leave, skills with their ends, starts of pinned visits."""

import re
from collections.abc import Iterable
from datetime import date, timedelta
from functools import lru_cache

from features.errors import BadInput
from serving.inspection.model import DAY, Window

WORKING_DAYS, HOURS, OPEN = "mon-fri", "08:30-17:30", "mon-fri 08:00-18:00"
_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_CODES = {name: place for place, name in enumerate(_NAMES)} | {
    f"{week}{name}": place for week in ("周", "星期") for place, name in enumerate("一二三四五六日")
}
_HOURS = re.compile(r"(\d{1,2}):(\d{2})\s*[-–]\s*(\d{1,2}):(\d{2})")


def windows_of(text: str, where: str) -> tuple[Window, ...]:
    """Windows as `mon-fri 08:00-18:00; sat 09:00-12:00`. Raises BadInput; none for `closed`."""
    try:
        return _windows(text)
    except BadInput as error:
        raise BadInput(error.what, where=where, mend=error.mend) from None


@lru_cache(maxsize=1_024)  # thousands of sites have the same few
def _windows(text: str) -> tuple[Window, ...]:
    if text.strip().lower() in ("closed", "关闭"):
        return ()
    found: set[Window] = set()
    for part in re.split(r"[;；]", text):
        days, _, hours = part.strip().rpartition(" ")
        if not days:
            raise BadInput(f"{part.strip()!r} is no window", mend=f"write it as {OPEN}")
        start, end = hours_of(hours, "")
        found |= {Window(day * DAY + start, day * DAY + end) for day in days_of(days, "")}
    return tuple(sorted(found))


def hours_of(text: str, where: str) -> tuple[int, int]:
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


def days_of(text: str, where: str) -> list[int]:
    found: list[int] = []
    for part in listed(text):
        first, _, last = part.lower().partition("-")
        ends = [_DAY_CODES.get(name.strip()) for name in (first, last or first)]
        if ends[0] is None or ends[1] is None or ends[0] > ends[1]:
            raise BadInput(f"{part!r} are no days", where=where, mend=f"write them as mon-fri or sat, of {', '.join(_NAMES)}")
        found += range(ends[0], ends[1] + 1)
    return sorted(set(found))


def leave_of(text: str, where: str) -> set[date]:
    """Days, or spans as 2026-11-25..2026-12-01."""
    found: set[date] = set()
    for part in listed(text):
        first, _, last = part.partition("..")
        start, end = day_of(first, where), day_of(last or first, where)
        if end < start or (end - start).days > 3_660:
            raise BadInput(f"{part!r} is no span of days", where=where, mend="write it as 2026-11-25..2026-12-01")
        found |= {start + timedelta(days=day) for day in range((end - start).days + 1)}
    return found


def held(text: str, until: date, where: str) -> Iterable[str]:
    """Skills that are held to the end of a day: `name`, or `name@2026-12-31` for a certificate that ends."""
    for part in listed(text):
        name, _, ends = part.partition("@")
        if not ends or day_of(ends, where) >= until:
            yield name.strip()


def listed(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"[;；,，、]", text) if part.strip()]


def day_of(text: str, where: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise BadInput(f"{text.strip()!r} is no day", where=where, mend="write it as 2026-11-25") from None


def moment_of(text: str, monday: date, where: str) -> int:
    """A start as `2026-11-25 09:30`, in minutes of the week."""
    found = re.fullmatch(r"(\d{4}-\d{2}-\d{2})[T ](\d{1,2}):(\d{2})", text.strip())
    if found is None or int(found[2]) > 23 or int(found[3]) > 59:
        raise BadInput(f"{text!r} is no start", where=where, mend="write it as 2026-11-25 09:30, local time")
    day = (day_of(found[1], where) - monday).days
    if not 0 <= day < 7:
        raise BadInput(f"{found[1]} is not in the week of {monday}", where=where, mend="pin it to a day of the week")
    return day * DAY + int(found[2]) * 60 + int(found[3])
