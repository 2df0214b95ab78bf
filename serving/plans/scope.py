"""For whom a week is planned: sites that are there, enterprises that have not left, hours that have not passed."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from features.enterprise.observations import SILENT_DAYS
from features.errors import BadInput, NotFound
from serving.inspection.model import Mode, Window
from serving.inspection.rules import Rules
from serving.plans.facts import Person, SiteSheet
from serving.plans.known import Known, SiteKnown


def chosen_of(
    rules: Rules, known: Known, sheets: Mapping[tuple[str, str], SiteSheet], *, listed: bool, leave_out: bool
) -> tuple[list[SiteKnown], tuple[str, ...]]:
    """The sites to plan for, and what to say of those that are not. Enterprises that have left are planned for by a pin alone.

    Raises NotFound for a listed site that nobody knows, BadInput for one without coordinates unless those are left out.
    """
    there = {one.key for one in known.sites}
    for key in sheets:
        if key not in there:
            raise NotFound("the lake knows no such site", where=f"site {key[0]}/{key[1]}", mend="import it, or drop the row")
    chosen, nowhere = [], []
    gone: dict[str, list[str]] = defaultdict(list)
    for one in known.sites:
        if listed and one.key not in sheets:
            continue
        sheet = sheets.get(one.key)
        if (why := left(rules, known, one.enterprise_id)) and not (sheet is not None and sheet.pinned):
            gone[why].append(f"{one.enterprise_id}/{one.site_id}")
            continue
        remote = sheet is not None and sheet.mode == Mode.REMOTE
        if not remote and None in where_of(one, sheet):
            nowhere.append(f"{one.enterprise_id}/{one.site_id}")
        else:
            chosen.append(one)
    if nowhere and not leave_out:
        more = f" ({len(nowhere) - 1} more such sites)" if len(nowhere) > 1 else ""
        mend = "give latitude and longitude in the file of sites, or make it remote there"
        raise BadInput(f"a site without coordinates{more}", where=f"site {nowhere[0]}", mend=mend)
    if not chosen:
        why = f": {next(iter(gone))}" if gone else ""
        raise NotFound(f"no site to plan for was known{why}", where="sites", mend="import sites, or name a later --as-of")
    notes = [f"left out, {why}: {', '.join(names)}" for why, names in gone.items()]
    return chosen, (*notes, *(f"left out, without coordinates: {name}" for name in nowhere))


def left(rules: Rules, known: Known, enterprise_id: str) -> str:
    """Why an enterprise is planned for no more; empty: it is. One that never told a policy or an exposure is.

    Where no policy or exposure of anybody has come in for long, nobody has left: the news has.
    """
    grace, ended = rules.cover, known.insured_until.get(enterprise_id)
    policies, exposures = (min(known.news.get(name, known.as_of), known.as_of) for name in ("policies", "exposures"))
    if ended is not None:
        late = grace is not None and policies - ended > timedelta(days=grace.grace_days)
        return f"no longer insured since {ended:%Y-%m-%d}" if late else ""
    told = known.told_until.get(enterprise_id)
    silent = told is not None and exposures - told > timedelta(days=SILENT_DAYS)
    return f"no exposure told since {told:%Y-%m-%d}" if silent else ""


def still_ahead(people: Sequence[Person], monday: date, zone: str, begin: datetime) -> tuple[tuple[Person, ...], str]:
    """The inspectors with what is left of their shifts in a week that is under way at `begin`, and a note of it; else as they
    are."""
    past = begin.astimezone(ZoneInfo(zone)).replace(tzinfo=None) - datetime.combine(monday, time())
    minute = math.ceil(past / timedelta(minutes=1))
    if minute <= 0:
        return tuple(people), ""
    cut = []
    for one in people:
        shifts = (Window(max(shift.start, minute), shift.end) for shift in one.inspector.shifts if shift.end > minute)
        cut.append(replace(one, inspector=replace(one.inspector, shifts=tuple(shifts))))
    since = datetime.combine(monday, time()) + timedelta(minutes=minute)
    return tuple(cut), f"the week is under way: planned from {since:%Y-%m-%d %H:%M} on"


def where_of(site: SiteKnown, sheet: SiteSheet | None) -> tuple[float | None, float | None]:
    """Degrees of a site: of its sheet, else as the lake knows it."""
    if sheet is not None and sheet.latitude is not None:
        return sheet.latitude, sheet.longitude
    return site.latitude, site.longitude
