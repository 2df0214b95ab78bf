"""Hard rules that cannot hold together, each named: a visit that nobody can ever make, pinned visits that collide.

A visit that merely finds no room in the week is no conflict: it is left out, and the shortage says so.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from serving.inspection.model import DAY, Inspector, Mode, Problem, Wanted, Window

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


# What mends a visit that cannot be for want of people; all others are faults of what was asked for.
_LET, _SEND = "let somebody work there", "send somebody who is nearer"
_PEOPLE = (_LET, _SEND)


@dataclass(frozen=True)
class Clash:
    """Rules that cannot hold together. where: whose; visits: ids of those it makes impossible; what and mend: for people.

    people: it is people who lack there (nobody in the region, everybody too far away): such a plan is short, not at fault.
    """

    where: str
    what: str
    mend: str
    visits: tuple[str, ...] = ()
    people: bool = False

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.mend}"


def clashes(problem: Problem) -> tuple[Clash, ...]:
    """Every conflict of a problem, in the order of its visits, then those between pinned visits."""
    return (*_of_week(problem), *_of_visits(problem), *_of_pinned(problem))


def able(problem: Problem, wanted: Wanted) -> tuple[Inspector, ...]:
    """Who has the skills and the region, and is among those who may come."""
    return tuple(
        one
        for one in problem.inspectors
        if wanted.skills <= one.skills
        and (not one.regions or not wanted.region or wanted.region in one.regions)
        and (wanted.inspectors is None or one.inspector_id in wanted.inspectors)
    )


def reachable(problem: Problem, wanted: Wanted) -> tuple[Inspector, ...]:
    """Of those who are able, who could make the visit if it were the only one of their day."""
    return tuple(one for one in able(problem, wanted) if _fits(problem, one, wanted))


def at(minute: int) -> str:
    """A minute of the week, for people."""
    return f"{_DAYS[minute // DAY % 7]} {minute % DAY // 60:02d}:{minute % 60:02d}"


def _of_week(problem: Problem) -> Iterator[Clash]:
    if not any(one.shifts for one in problem.inspectors):
        who = "no inspector" if not problem.inspectors else "every inspector is off: nobody"
        yield Clash("inspectors", f"{who} has hours in this week", "give at least one inspector hours", ())
    for inspector_id, count in Counter(one.inspector_id for one in problem.inspectors).items():
        if count > 1:
            yield Clash(f"inspector {inspector_id}", f"named {count} times", "name each inspector once")
    for site_id, count in Counter(one.site_id for one in problem.wanted).items():
        if count > 1:
            yield Clash(f"site {site_id}", f"wanted {count} times", "want one visit of a site")


def _of_visits(problem: Problem) -> Iterator[Clash]:
    if not any(one.shifts for one in problem.inspectors):
        return
    for wanted in problem.wanted:
        found = _impossible(problem, wanted) if wanted.pinned is None else _pin(problem, wanted)
        if found is not None:
            what, mend = found
            people = wanted.pinned is None and mend in _PEOPLE
            yield Clash(f"site {wanted.site_id}", what, mend, (wanted.visit_id,), people)


def _impossible(problem: Problem, wanted: Wanted) -> tuple[str, str] | None:
    """Why nobody can ever make a visit, and what to do; None: somebody can."""
    if not any(one.end - one.start >= wanted.minutes for one in wanted.windows):
        if not wanted.windows:
            return "its window never opens in this week", "give it hours on some day"
        longest = max(one.end - one.start for one in wanted.windows)
        return f"its longest window of {longest} min cannot hold a visit of {wanted.minutes}", "open it longer"
    if wanted.inspectors is not None and not wanted.inspectors & {one.inspector_id for one in problem.inspectors}:
        return f"no inspector is called {_listed(wanted.inspectors)}", "name one of the inspectors"
    lacking = [one for one in sorted(wanted.skills) if not any(one in who.skills for who in problem.inspectors)]
    if lacking:
        return f"nobody has the skill {_listed(lacking)}", "train or hire somebody, or drop the demand"
    if not any(wanted.skills <= one.skills for one in problem.inspectors):
        return f"nobody has all of the skills {_listed(wanted.skills)}", "train somebody, or drop one of them"
    who = able(problem, wanted)
    if not who:
        with_skills = f" and the skills {_listed(wanted.skills)}" if wanted.skills else ""
        among = "nobody" if wanted.inspectors is None else f"none of {_listed(wanted.inspectors)}"
        return f"{among} has region {wanted.region}{with_skills}", _LET
    if not any(_common(one, wanted.windows, wanted.minutes) for one in who):
        return f"no shift of {_named(who)} holds a visit within its windows", "widen the windows or the hours"
    if not any(_fits(problem, one, wanted) for one in who):
        nearest = min(int(problem.travel[one.place, wanted.place]) for one in who)
        return f"the way there, {nearest} min from the nearest home, leaves no time for the visit", _SEND
    return None


def _pin(problem: Problem, wanted: Wanted) -> tuple[str, str] | None:
    assert wanted.pinned is not None
    who, start = wanted.pinned
    end = start + wanted.minutes
    mend = "move the pinned visit or lift the pin"
    inspector = next((one for one in problem.inspectors if one.inspector_id == who), None)
    if inspector is None:
        return f"pinned to {who}, whom nobody knows", mend
    if not wanted.skills <= inspector.skills:
        return f"pinned to {who}, who lacks the skill {_listed(wanted.skills - inspector.skills)}", mend
    if inspector not in able(problem, wanted):
        return f"pinned to {who}, who may not work in {wanted.region or 'it'}", mend
    if not any(one.holds(start, end) for one in inspector.shifts):
        return f"pinned to {at(start)}, outside the hours of {who}", mend
    if not any(one.holds(start, end) for one in wanted.windows):
        return f"pinned to {at(start)}, when its window is closed", mend
    if wanted.mode != Mode.REMOTE and not _fits(problem, inspector, wanted, Window(start, end)):
        return f"pinned to {at(start)}: {who} cannot come from home and back within the shift", mend
    return None


def _of_pinned(problem: Problem) -> Iterator[Clash]:
    """Pinned visits of one inspector that overlap, or leave no time for the way between them."""
    routes: dict[str, list[Wanted]] = defaultdict(list)
    for wanted in problem.wanted:
        if wanted.pinned is not None:
            routes[wanted.pinned[0]].append(wanted)
    for who, route in routes.items():
        route.sort(key=_start)
        for one, other in pairwise(route):
            start, end = _start(other), _start(one) + one.minutes
            visits, where = (one.visit_id, other.visit_id), f"sites {one.site_id} and {other.site_id}"
            if start < end:
                what = f"both pinned to {who}, at {at(_start(one))} and {at(start)}: they overlap"
                yield Clash(where, what, "move one of them or lift its pin", visits)
        yield from _ways(problem, who, [one for one in route if one.mode != Mode.REMOTE], route)


def _ways(problem: Problem, who: str, on_site: list[Wanted], route: list[Wanted]) -> Iterator[Clash]:
    for one, other in pairwise(on_site):
        start, end = _start(other), _start(one) + one.minutes
        busy = sum(between.minutes for between in route if between.mode == Mode.REMOTE and end <= _start(between) < start)
        way = int(problem.travel[one.place, other.place])
        if end <= start < end + busy + way and start // DAY == end // DAY:
            what = f"both pinned to {who}, {start - end - busy} min apart where the way takes {way}"
            where = f"sites {one.site_id} and {other.site_id}"
            yield Clash(where, what, "move one of them or lift its pin", (one.visit_id, other.visit_id))


def _start(wanted: Wanted) -> int:
    assert wanted.pinned is not None
    return wanted.pinned[1]


def _common(inspector: Inspector, windows: Iterable[Window], minutes: int, before: int = 0, after: int = 0) -> bool:
    """Whether some shift, less the way there and back, and some window have so many minutes in common."""
    return any(
        min(shift.end - after, window.end) - max(shift.start + before, window.start) >= minutes
        for shift in inspector.shifts
        for window in windows
    )


def _fits(problem: Problem, inspector: Inspector, wanted: Wanted, only: Window | None = None) -> bool:
    there, back = 0, 0
    if wanted.mode != Mode.REMOTE:
        there = int(problem.travel[inspector.place, wanted.place])
        back = int(problem.travel[wanted.place, inspector.place])
    return _common(inspector, wanted.windows if only is None else (only,), wanted.minutes, there, back)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _named(who: tuple[Inspector, ...]) -> str:
    return f"inspector {who[0].inspector_id}" if len(who) == 1 else f"the {len(who)} inspectors who may come"
