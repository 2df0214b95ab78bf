"""Replanning a day that is under way: what has begun stays, and of what is left as little as possible is changed.

An alarm, or an inspector who drops out, asks for places in routes that are settled. Each is given the place that costs, in
this order: the fewest visits of a better tier, the fewest changes for people who were told a time, the least value, and then
an alarm the earliest time, other visits the least travel. A place is between two visits as they stand, or with later visits of
the same day pushed back, or instead of one or two of them; what is taken out is then placed elsewhere in the week where nothing
else changes. A follow-up or minimum that finds no such place takes that of a visit of a worse tier.
"""

from bisect import insort
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from serving.inspection.model import DAY, Inspector, Mode, Plan, Problem, Reason, Tier, Visit, Wanted, Window

MOST_OUT = 2  # visits given up for one place


class Kind(StrEnum):
    """What happened to a visit."""

    ADDED = "added"
    MOVED = "moved"
    GIVEN = "given to another"
    DROPPED = "dropped"
    UNPLANNED = "not planned"


@dataclass(frozen=True)
class Change:
    """A change, and why. before, after: the visit in the plan before and after; None: not in it. sake: the visit it is for."""

    kind: Kind
    visit_id: str
    before: Visit | None
    after: Visit | None
    reason: str
    sake: str = ""


@dataclass(frozen=True)
class Replanned:
    """The whole plan with what has begun, the problem with the alarms in it, and every change in the order of the causes."""

    plan: Plan
    problem: Problem
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class _Place:
    """A place for a visit: who, when, what gives way (out) and what is pushed back (moved)."""

    visit: Visit
    moved: tuple[tuple[Visit, Visit], ...]
    travel: int
    out: tuple[Visit, ...] = ()


def replan(
    problem: Problem,
    plan: Plan,
    now: int,
    alarms: Sequence[Wanted] = (),
    absent: Collection[str] = (),
    *,
    whole_week: bool = True,
) -> Replanned:
    """A plan from `now` (minute of the week) on, with alarms, and without inspectors who dropped out for the rest of the day.

    An alarm of a visit that is planned for a later day brings it forward. Raises ValueError for an inspector nobody knows.
    """
    unknown = set(absent) - {one.inspector_id for one in problem.inspectors}
    if unknown:
        raise ValueError(f"nobody is called {', '.join(sorted(unknown))}")
    state = _State(problem, plan, now, frozenset(absent))
    for inspector_id in sorted(absent):
        for visit in [one for one in state.route(inspector_id, now // DAY) if one.start > now]:
            state.lose(visit)
    for wanted in sorted(alarms, key=lambda one: (one.tier, -one.value, one.visit_id)):
        state.alarm(wanted)
    while (taken := state.waiting()) is not None:
        state.place_again(taken, whole_week=whole_week)
    return state.replanned(plan)


class _State:
    """Routes as they are being changed."""

    def __init__(self, problem: Problem, plan: Plan, now: int, absent: frozenset[str]) -> None:
        self.problem, self.now, self.today, self.absent = problem, now, now // DAY, absent
        self.wanted = {one.visit_id: one for one in problem.wanted}
        self.before = {one.visit_id: one for one in plan.visits}
        self.why: dict[str, tuple[str, str]] = {}  # visit -> reason, for whose sake
        self.left = list(plan.left_out)
        self._again: list[Visit] = []
        self._routes: dict[tuple[str, int], list[Visit]] = defaultdict(list)
        for visit in plan.visits:
            self._add(visit)

    def _add(self, visit: Visit) -> None:
        insort(self._routes[visit.inspector_id, visit.day], visit)

    def _remove(self, visit: Visit) -> None:
        self._routes[visit.inspector_id, visit.day].remove(visit)

    def route(self, inspector_id: str, day: int) -> list[Visit]:
        """The visits of an inspector on a day, in order."""
        return self._routes.get((inspector_id, day), [])

    def lose(self, visit: Visit) -> None:
        """Take out a visit whose inspector dropped out."""
        self._remove(visit)
        self.why[visit.visit_id] = (f"inspector {visit.inspector_id} dropped out", "")
        self._again.append(visit)

    def waiting(self) -> Visit | None:
        """The next of what was taken out, the better tier and then the more valuable first; it waits no longer."""
        if not self._again:
            return None
        found = min(self._again, key=lambda one: self._rank(one.visit_id))
        self._again.remove(found)
        return found

    def alarm(self, wanted: Wanted) -> None:
        """Find the alarm a place today."""
        before = self.before.get(wanted.visit_id)
        planned = before is not None and before in self.route(before.inspector_id, before.day)
        if before is not None and planned:
            if before.day <= self.today:
                return  # it took place, or is planned for today already
            self._remove(before)
        self.wanted[wanted.visit_id] = wanted
        found = self._best(self._places(wanted, self.today, give_way=True), urgent=True)
        if found is not None:
            self.why[wanted.visit_id] = ("alarm", "")
            self._again = [one for one in self._again if one.visit_id != wanted.visit_id]
            self._take(found)
        elif before is not None and planned:
            self._add(before)
        elif before is None:
            self.left.append(wanted.visit_id)
            self.why[wanted.visit_id] = ("nobody with the skills, the region and the time is left today", "")

    def place_again(self, visit: Visit, *, whole_week: bool) -> None:
        """Place a visit that was taken out where nothing else changes: today, or later in the week.

        A visit that is owed takes the place of what is owed less where there is no other.
        """
        wanted = self.wanted[visit.visit_id]
        shifts = (shift for one in self.problem.inspectors for shift in one.shifts)
        last = max(shift.start // DAY for shift in shifts) if whole_week else self.today
        for give_way in (False, True) if wanted.tier < Tier.VALUE else (False,):
            for day in range(self.today, last + 1):
                found = self._best(self._places(wanted, day, give_way=give_way, owed=True), urgent=False)
                if found is not None:
                    self._take(found)
                    return
        self.left.append(visit.visit_id)

    def replanned(self, plan: Plan) -> Replanned:
        """The plan as it stands now, and what changed."""
        visits = {one.visit_id: one for route in self._routes.values() for one in route}
        changes = []
        for visit_id, (reason, sake) in self.why.items():
            before, after = self.before.get(visit_id), visits.get(visit_id)
            if before is None or before != after:
                changes.append(Change(_kind(before, after), visit_id, before, after, reason, sake))
        left = tuple(dict.fromkeys(one for one in self.left if one not in visits))
        made = Plan(tuple(sorted(visits.values())), left, notes=plan.notes, solver=plan.solver)
        return Replanned(made, replace(self.problem, wanted=tuple(self.wanted.values())), tuple(changes))

    def _take(self, place: _Place) -> None:
        for visit in place.out:
            self._remove(visit)
            self.why[visit.visit_id] = ("gave way", place.visit.visit_id)
            self._again.append(visit)
        for old, new in place.moved:
            self._remove(old)
            self._add(new)
            self.why[new.visit_id] = ("pushed back", place.visit.visit_id)
        self._add(place.visit)

    def _rank(self, visit_id: str) -> tuple[int, float, str]:
        wanted = self.wanted[visit_id]
        return wanted.tier, -wanted.value, visit_id

    def _best(self, places: Iterator[_Place], *, urgent: bool) -> _Place | None:
        return min(places, key=lambda one: self._cost(one, urgent=urgent), default=None)

    def _cost(self, place: _Place, *, urgent: bool) -> tuple[tuple[int, ...], int, float, tuple[int, int], Visit]:
        tiers = [self.wanted[one.visit_id].tier for one in place.out]
        lost = tuple(sum(one == tier for one in tiers) for tier in Tier if tier != Tier.VALUE)
        value = sum(self.wanted[one.visit_id].value for one in place.out)
        last = (place.visit.start, place.travel) if urgent else (place.travel, place.visit.start)
        return lost, len(place.out) + len(place.moved), value, last, place.visit

    def _places(self, wanted: Wanted, day: int, *, give_way: bool, owed: bool = False) -> Iterator[_Place]:
        """give_way: whether visits that matter less may be pushed back or taken out; owed: only those of a worse tier."""
        for one in self.problem.inspectors:
            if may(one, wanted) and not (one.inspector_id in self.absent and day == self.today):
                for shift in one.shifts:
                    if shift.start // DAY == day:
                        yield from self._in_shift(one, shift, wanted, give_way=give_way, owed=owed)

    def _in_shift(self, one: Inspector, shift: Window, wanted: Wanted, *, give_way: bool, owed: bool) -> Iterator[_Place]:
        route = [visit for visit in self.route(one.inspector_id, shift.start // DAY) if shift.holds(visit.start, visit.end)]
        for first in range(self._begun(one, route), len(route) + 1):
            for gone in range(1 + (MOST_OUT if give_way else 0)):
                out = tuple(route[first : first + gone])
                if len(out) < gone or not all(self._may_go(visit, wanted, owed=owed) for visit in out):
                    break
                found = self._between(one, shift, route[:first], wanted, route[first + gone :], push=give_way)
                if found is not None:
                    yield replace(found, out=out)

    def _begun(self, one: Inspector, route: Sequence[Visit]) -> int:
        """How many visits of a route took place, are under way, or have somebody on the way to them."""
        here, count = one.place, 0
        for visit in route:
            if visit.start - self._way(self.wanted[visit.visit_id], here) > self.now:
                break
            here, count = _then(self.wanted[visit.visit_id], here), count + 1
        return count

    def _may_go(self, visit: Visit, wanted: Wanted, *, owed: bool) -> bool:
        own = self.wanted[visit.visit_id]
        if owed and own.tier <= wanted.tier:
            return False
        if own.reason == Reason.LOT and wanted.tier == Tier.VALUE:
            return False  # a draw by lot that gives way to what looks worse is none
        return own.pinned is None and (own.tier, -own.value) > (wanted.tier, -wanted.value)

    def _between(
        self, one: Inspector, shift: Window, before: list[Visit], wanted: Wanted, after: list[Visit], *, push: bool
    ) -> _Place | None:
        """The earliest time of a visit after some others and before others, which are pushed back where they must be."""
        here, at, travel, moved = one.place, max(self.now, shift.start), 0, []
        for visit in before:
            own = self.wanted[visit.visit_id]
            here, at, travel = _then(own, here), max(at, visit.end), travel + self._way(own, here)
        start = _earliest(wanted, at + self._way(wanted, here), shift)
        if start is None:
            return None
        found = Visit(one.inspector_id, start, start + wanted.minutes, wanted.visit_id)
        here, at, travel = _then(wanted, here), found.end, travel + self._way(wanted, here)
        for visit in after:
            own = self.wanted[visit.visit_id]
            way = self._way(own, here)
            ends = visit.end
            if at + way > visit.start:
                again = _earliest(own, at + way, shift) if push and own.pinned is None else None
                if again is None:
                    return None
                ends = again + own.minutes
                moved.append((visit, replace(visit, start=again, end=ends)))
            here, at, travel = _then(own, here), ends, travel + way
        home = int(self.problem.travel[here, one.place])
        return _Place(found, tuple(moved), travel + home) if at + home <= shift.end else None

    def _way(self, wanted: Wanted, here: int) -> int:
        return 0 if wanted.mode == Mode.REMOTE else int(self.problem.travel[here, wanted.place])


def may(inspector: Inspector, wanted: Wanted) -> bool:
    """Whether an inspector may make a visit at all: skills, region, and the draw by lot where there was one."""
    if wanted.inspectors is not None and inspector.inspector_id not in wanted.inspectors:
        return False
    if inspector.regions and wanted.region and wanted.region not in inspector.regions:
        return False
    return wanted.skills <= inspector.skills


def _earliest(wanted: Wanted, least: int, shift: Window) -> int | None:
    """The earliest start in one of the windows and the shift."""
    starts = ((window, max(least, window.start, shift.start)) for window in wanted.windows)
    ends = ((window, start, start + wanted.minutes) for window, start in starts)
    return min((start for window, start, end in ends if window.holds(start, end) and shift.holds(start, end)), default=None)


def _then(wanted: Wanted, here: int) -> int:
    """Where somebody is after a visit."""
    return here if wanted.mode == Mode.REMOTE else wanted.place


def _kind(before: Visit | None, after: Visit | None) -> Kind:
    if before is None:
        return Kind.UNPLANNED if after is None else Kind.ADDED
    if after is None:
        return Kind.DROPPED
    return Kind.MOVED if before.inspector_id == after.inspector_id else Kind.GIVEN
