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


def polish(problem: Problem, shifts: Sequence[Shift], left_out: Iterable[Wanted]) -> list[Wanted]:
    """Put what is owed and left out into days where it fits, or in the stead of one visit of a worse tier; what stays out.

    Remote visits that are not owed are put in where they fit: they cost no travel.
    """
    out = list(left_out)
    while True:
        out.sort(key=lambda one: (one.tier, -one.value, one.visit_id))
        for one in out:
            if one.tier == Tier.VALUE and (one.mode != Mode.REMOTE or one.value <= 0):
                continue
            freed = _put(problem, shifts, one)
            if freed is not None:
                out = [other for other in out if other is not one] + freed
                break
        else:
            return out


def _put(problem: Problem, shifts: Sequence[Shift], one: Wanted) -> list[Wanted] | None:
    """Put a visit in; what had to go for it (nothing or one visit, the least that could); None where it finds no room."""
    able = [shift for shift in shifts if may(shift.inspector, one) and _near(shift.window, one)]
    for shift in able:
        order = _with(problem, shift, shift.order, one)
        if order is not None:
            shift.order = order
            return []
    if one.tier == Tier.VALUE:
        return None
    worse = [(other.tier, other.value, other, shift) for shift in able for other in shift.order if other.tier > one.tier]
    for _, _, other, shift in sorted(worse, key=lambda each: (-each[0], each[1], each[2].visit_id)):
        if other.pinned is None:
            order = _with(problem, shift, [each for each in shift.order if each is not other], one)
            if order is not None:
                shift.order = order
                return [other]
    return None


def _near(shift: Window, one: Wanted) -> bool:
    return any(min(window.end, shift.end) - max(window.start, shift.start) >= one.minutes for window in one.windows)


def _with(problem: Problem, shift: Shift, order: list[Wanted], one: Wanted) -> list[Wanted] | None:
    """The order with a visit where it adds the least travel, of those that fit."""
    if sum(other.minutes for other in order) + one.minutes > shift.window.end - shift.window.start:
        return None
    tried = [[*order[:at], one, *order[at:]] for at in range(len(order) + 1)]
    fitting = [each for each in tried if starts(problem, shift, each) is not None]
    return min(fitting, key=lambda each: way(problem, shift, each), default=None)
