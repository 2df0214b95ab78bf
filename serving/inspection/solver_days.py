"""The days of inspectors: an order of visits and the times that it gives; what still fits into a day as it stands."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from serving.inspection.model import Inspector, Mode, Problem, Tier, Visit, Wanted, Window


@dataclass
class Shift:
    """A shift of an inspector and the visits of it, in their order."""

    inspector: Inspector
    window: Window
    order: list[Wanted] = field(default_factory=list)


def may(inspector: Inspector, one: Wanted) -> bool:
    """Whether skills, region and lot let an inspector come. A pinned visit is its inspector's alone."""
    return (
        one.skills <= inspector.skills
        and (not inspector.regions or not one.region or one.region in inspector.regions)
        and (one.inspectors is None or inspector.inspector_id in one.inspectors)
        and (one.pinned is None or one.pinned[0] == inspector.inspector_id)
    )


def starts(problem: Problem, shift: Shift, order: Sequence[Wanted]) -> list[int] | None:
    """The earliest start of each visit in this order; None where they do not all fit with the way home."""
    travel, here, now = problem.travel, shift.inspector.place, shift.window.start
    found = []
    for one in order:
        if one.mode != Mode.REMOTE:
            now, here = now + int(travel[here, one.place]), one.place
        at = _start(one, now)
        if at is None or at + one.minutes > shift.window.end:
            return None
        found.append(at)
        now = at + one.minutes
    return found if now + int(travel[here, shift.inspector.place]) <= shift.window.end else None


def _start(one: Wanted, now: int) -> int | None:
    if one.pinned is not None:
        return one.pinned[1] if now <= one.pinned[1] else None
    open_at = [max(now, window.start) for window in one.windows if max(now, window.start) + one.minutes <= window.end]
    return min(open_at, default=None)


def way(problem: Problem, shift: Shift, order: Iterable[Wanted]) -> int:
    """Minutes of travel of a shift with these visits."""
    here, total = shift.inspector.place, 0
    for one in order:
        if one.mode != Mode.REMOTE:
            total, here = total + int(problem.travel[here, one.place]), one.place
    return total + int(problem.travel[here, shift.inspector.place])


def visits(problem: Problem, shifts: Iterable[Shift]) -> Iterator[Visit]:
    """The visits of shifts with their times. Raises ValueError where an order does not fit."""
    for shift in shifts:
        begun = starts(problem, shift, shift.order)
        if begun is None:
            raise ValueError(f"the day of {shift.inspector.inspector_id} from minute {shift.window.start} does not hold")
        for one, start in zip(shift.order, begun, strict=True):
            yield Visit(shift.inspector.inspector_id, start, start + one.minutes, one.visit_id)


def load(problem: Problem, shift: Shift) -> int:
    """Minutes of visits and travel of a shift."""
    return sum(one.minutes for one in shift.order) + way(problem, shift, shift.order)


def near(shift: Window, one: Wanted) -> bool:
    """Whether a visit could take place within a shift as its windows go."""
    return any(min(window.end, shift.end) - max(window.start, shift.start) >= one.minutes for window in one.windows)


def inserted(problem: Problem, shift: Shift, order: Sequence[Wanted], one: Wanted) -> list[Wanted] | None:
    """The order with a visit where it adds the least travel, of those that fit; None where none does."""
    spare = shift.window.end - shift.window.start - one.minutes - sum(other.minutes for other in order)
    if spare < 0:
        return None
    spare -= way(problem, shift, order)
    travel, home = problem.travel, shift.inspector.place
    stops = [home]
    for other in order:
        stops.append(stops[-1] if other.mode == Mode.REMOTE else other.place)
    longer, there = [0] * len(stops), home
    for at in range(len(order), -1, -1) if one.mode != Mode.REMOTE else ():
        here = stops[at]
        longer[at] = int(travel[here, one.place] + travel[one.place, there] - travel[here, there])
        if at and order[at - 1].mode != Mode.REMOTE:
            there = order[at - 1].place
    for at in sorted(range(len(stops)), key=longer.__getitem__):
        if longer[at] > spare:  # even if nobody waited for a window to open
            return None
        tried = [*order[:at], one, *order[at:]]
        if starts(problem, shift, tried) is not None:
            return tried
    return None


def polish(problem: Problem, shifts: Sequence[Shift], left_out: Iterable[Wanted]) -> list[Wanted]:
    """Put what is owed and left out into days where it fits, or in the stead of one visit of a worse tier; what stays out.

    Remote visits that are not owed are put in where they fit: they cost no travel.
    """
    out, every = list(left_out), set(range(len(shifts)))
    tried: set[str] = set()  # what found no room anywhere: it is tried again only where something has changed since
    before: set[int] = set()
    while True:
        rest: list[Wanted] = []
        now: set[int] = set()
        out.sort(key=lambda one: (one.tier, -one.value, one.visit_id))
        for one in out:
            if one.tier == Tier.VALUE and (one.mode != Mode.REMOTE or one.value <= 0):
                rest.append(one)
                continue
            numbers = before | now if one.visit_id in tried else every
            put = _put(problem, [(number, shifts[number]) for number in sorted(numbers)], one)
            if put is None:
                tried.add(one.visit_id)
                rest.append(one)
            else:
                number, freed = put
                tried.discard(one.visit_id)
                now.add(number)
                rest += freed
        out, before = rest, now
        if not now:
            return out


def _put(problem: Problem, shifts: Sequence[tuple[int, Shift]], one: Wanted) -> tuple[int, list[Wanted]] | None:
    """Put a visit in: the number of its shift, and what had to go for it (nothing or one visit, the least that could); None
    where it finds no room."""
    able = [(number, shift) for number, shift in shifts if may(shift.inspector, one) and near(shift.window, one)]
    for number, shift in able:
        order = inserted(problem, shift, shift.order, one)
        if order is not None:
            shift.order = order
            return number, []
    if one.tier == Tier.VALUE:
        return None
    worse = [(other, number, shift) for number, shift in able for other in shift.order if other.tier > one.tier]
    for other, number, shift in sorted(worse, key=lambda each: (-each[0].tier, each[0].value, each[0].visit_id)):
        if other.pinned is None:
            order = inserted(problem, shift, [each for each in shift.order if each is not other], one)
            if order is not None:
                shift.order = order
                return number, [other]
    return None
