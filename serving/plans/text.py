"""A stored plan as text, CSV and calendars. What a site may not foresee is in no calendar title that a site would see."""

import csv
import io
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from features.documents import cell, write_text
from features.errors import BadInput

COLUMNS = (
    "inspector_id", "starts", "ends", "minutes", "way_minutes", "enterprise_id", "site_id", "reason", "by_lot", "mode",
    "colour", "due", "overdue_days", "value", "by_rule", "pinned", "why_en", "why_zh", "visit_id", "checklist_en",
    "checklist_zh",
)  # fmt: skip

LONGEST_NAME = 120  # bytes of a file's name that an inspector's id may take


def text(told: Mapping[str, Any], shown: int) -> str:
    """The plan in lines: totals, the first visits, what is missed, what conflicts."""
    counts = ", ".join(f"{count} {reason}" for reason, count in told["counts"].items() if count)
    who = len({one["inspector_id"] for one in told["visits"]})
    lines = [
        f"{told['week']}{f' ({plan_id})' if (plan_id := told.get('plan_id')) else ''}, as known at {told['as_of']}",
        f"{len(told['visits'])} visits by {who} inspectors ({counts or 'none'})",
        f"{told['travel_minutes'] / 60:,.1f} h of travel",
        f"expected to avert {told['currency']} {told['averted']:,.0f}{_most(told)}",
    ]
    for one in told["visits"][:shown]:
        start, end = (datetime.fromisoformat(one[name]) for name in ("starts", "ends"))
        lot = ", by lot" if one["by_lot"] and one["reason"] != "random" else ""
        why = one["why_en"] if one["reason"] in ("minimum", "follow-up") else one["colour"]
        where = f"{one['enterprise_id']}/{one['site_id']}"
        lines.append(
            f"  {one['inspector_id']}  {start:%a %H:%M}-{end:%H:%M}  {where}  {one['reason']}{lot}: {why}  {one['value']:,.0f}"
        )
    if more := len(told["visits"]) - shown:
        lines += [f"  ... and {more} more (--json, --csv or --html shows all)"] if more > 0 else []
    return "\n".join([*lines, *_short(told), *(f"note: {one}" for one in told["notes"])])


def _most(told: Mapping[str, Any]) -> str:
    """What no plan that keeps the same minima averts more than; replans know of none."""
    bound = told.get("bound")
    return "" if not bound else f" (no plan with the same minima averts more than {bound:,.0f})"


def _short(told: Mapping[str, Any]) -> list[str]:
    short = told["shortage"]
    if not short["missed"]:
        return ["every follow-up and minimum that is due is planned", *_conflicts(told)]
    lines = [
        f"TOO FEW PEOPLE: {len(short['missed'])} visits that are due are missed; "
        f"at least {short['inspectors']} more inspectors needed"
    ]
    for one in short["groups"]:
        who = ", ".join(one["skills"]) or "no special skill"
        lines.append(
            f"  region {one['region'] or 'any'}, {who}: {one['missed']} missed (follow-ups: {one['follow_ups']}), "
            f"the longest overdue {one['longest_overdue_days']:.0f} d, {_shut(one)}"
            f"{one['minutes'] / 60:,.0f} h of work: {one['inspectors']} inspectors"
        )
    return lines + _conflicts(told)


def _conflicts(told: Mapping[str, Any]) -> list[str]:
    lines = [f"  cannot be: {one}" for one in told["conflicts"][:SHOWN_CONFLICTS]]
    if more := len(told["conflicts"]) - len(lines):
        lines.append(f"  ... and {more} more that cannot be (--json shows all)")
    return lines


def _shut(group: Mapping[str, Any]) -> str:
    """Of how many more people are no help; plans of before did not tell."""
    count = group.get("shut", 0)
    return f"{count} of them for want of hours or by a pin, not of people; the others " if count else ""


SHOWN_CONFLICTS = 10


def write_csv(path: Path, told: Mapping[str, Any]) -> Path:
    """A row a visit, in the order of inspectors and times; opens in a spreadsheet in Chinese as well."""
    found = io.StringIO()
    writer = csv.writer(found, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in told["visits"]:
        lists = {
            f"checklist_{language}": "\n".join(item[f"words_{language}"] for item in one["checklist"])
            for language in ("en", "zh")
        }
        writer.writerow([cell((one | lists).get(name)) for name in COLUMNS])  # plans of before tell no ways
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_text(path, "\ufeff" + found.getvalue())


def write_ics(folder: Path, told: Mapping[str, Any]) -> tuple[Path, ...]:
    """A calendar for each inspector, for the inspector alone: it tells of unannounced visits, too. Raises BadInput."""
    if folder.exists() and not folder.is_dir():
        raise BadInput("not a folder", where=str(folder), mend="name a folder for the calendars")
    folder.mkdir(parents=True, exist_ok=True)
    # Who has no visit (any more) gets an empty one in the place of what may lie there.
    visits: dict[str, list[Mapping[str, Any]]] = {one["inspector_id"]: [] for one in told["problem"]["inspectors"]}
    for one in told["visits"]:
        visits[one["inspector_id"]].append(one)
    names = Counter(_file_name(one) for one in visits)
    return tuple(
        write_text(folder / f"{_file_name(who)}{f'-{place}' if names[_file_name(who)] > 1 else ''}.ics", calendar(told, some))
        for place, (who, some) in enumerate(sorted(visits.items()))
    )


def calendar(told: Mapping[str, Any], visits: list[Mapping[str, Any]]) -> str:
    """Visits as an iCalendar (RFC 5545), times in UTC."""
    from icalendar import Calendar, Event

    found = Calendar()
    found.add("prodid", "-//Forewarn//inspection plan//EN")
    found.add("version", "2.0")
    # A calendar takes the later stamp of two for the newer version of a visit.
    stamp = datetime.fromisoformat(told.get("replanned_at", told["as_of"])).astimezone(UTC)
    places = {one["visit_id"]: told["problem"]["places"][one["place"]] for one in told["problem"]["wanted"]}
    for one in visits:
        event = Event()
        event.add("uid", f"{one['visit_id']}@forewarn")
        event.add("dtstamp", stamp)
        event.add("dtstart", datetime.fromisoformat(one["starts"]).astimezone(UTC))
        event.add("dtend", datetime.fromisoformat(one["ends"]).astimezone(UTC))
        event.add("summary", f"{one['enterprise_id']}/{one['site_id']} ({one['reason']}, {one['mode']})")
        event.add("class", "PRIVATE")
        if one["mode"] != "remote":
            event.add("geo", tuple(places[one["visit_id"]]))
        event.add("description", "\n".join(f"{item['words_en']} / {item['words_zh']}" for item in one["checklist"]))
        found.add_component(event)
    return str(found.to_ical().decode("utf-8"))


def _file_name(name: str) -> str:
    plain = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name) or "_"
    return plain.encode()[:LONGEST_NAME].decode(errors="ignore")
