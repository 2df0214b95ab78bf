"""Whether a plan breaks a rule: written apart from the planner, on nothing but the model.

A day of an inspector begins and ends at home. A remote visit needs no travel: whoever makes it stays where they are.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from serving.inspection.model import Inspector, Mode, Plan, Problem, Tier, Visit, Wanted, Window

Day = tuple[Inspector, Window]


def broken(problem: Problem, plan: Plan) -> list[str]:
    """Every rule that a plan breaks, in words; none where it holds.

    Of tiers: no visit left out could simply be put into a day as it stands, in any place of its order, where its tier is
    better than VALUE; nor could it be once one visit of a worse tier, not pinned, is taken from that day.
    """
    found = list(_of_names(problem, plan))
    if found:
        return found
    wanted = {one.visit_id: one for one in problem.wanted}
    people = {one.inspector_id: one for one in problem.inspectors}
    for visit in plan.visits:
        found += _of_visit(people[visit.inspector_id], wanted[visit.visit_id], visit)
    days, homeless = _days(people, plan)
    found += [f"visit {visit.visit_id}: outside the hours of {visit.inspector_id}" for visit in homeless]
    for (inspector, shift), visits in days.items():
        found += _of_day(problem, inspector, shift, [(wanted[visit.visit_id], visit) for visit in visits])
    planned = {visit.visit_id for visit in plan.visits}
    found += [
        f"visit {one.visit_id}: pinned and left out" for one in problem.wanted if one.pinned and one.visit_id not in planned
    ]
    return found or list(_of_tiers(problem, plan, wanted, days))


def _of_names(problem: Problem, plan: Plan) -> Iterator[str]:
    wanted, people = {one.visit_id for one in problem.wanted}, {one.inspector_id for one in problem.inspectors}
    for name, count in Counter((*(visit.visit_id for visit in plan.visits), *plan.left_out)).items():
        if count > 1:
            yield f"visit {name}: named {count} times among planned and left out"
        if name not in wanted:
            yield f"visit {name}: not wanted"
    named = {*(visit.visit_id for visit in plan.visits), *plan.left_out}
    yield from (f"visit {one.visit_id}: neither planned nor left out" for one in problem.wanted if one.visit_id not in named)
    yield from (
        f"visit {one.visit_id}: no inspector {one.inspector_id}" for one in plan.visits if one.inspector_id not in people
    )


def _of_visit(inspector: Inspector, wanted: Wanted, visit: Visit) -> Iterator[str]:
    what = f"visit {visit.visit_id}"
    if visit.end - visit.start != wanted.minutes:
        yield f"{what}: {visit.end - visit.start} minutes instead of {wanted.minutes}"
    if not any(window.start <= visit.start and visit.end <= window.end for window in wanted.windows):
        yield f"{what}: outside its windows"
    if lacking := wanted.skills - inspector.skills:
        yield f"{what}: {inspector.inspector_id} lacks {', '.join(sorted(lacking))}"
    if inspector.regions and wanted.region and wanted.region not in inspector.regions:
        yield f"{what}: {inspector.inspector_id} does not work in {wanted.region}"
    if wanted.inspectors is not None and inspector.inspector_id not in wanted.inspectors:
        yield f"{what}: {inspector.inspector_id} is not among those who may come"
    if wanted.pinned and wanted.pinned != (visit.inspector_id, visit.start):
        yield f"{what}: pinned to {wanted.pinned[0]} at minute {wanted.pinned[1]}"


def _days(people: dict[str, Inspector], plan: Plan) -> tuple[dict[Day, list[Visit]], list[Visit]]:
    """Visits of each shift, in order of time, of all shifts; and those in none."""
    days: dict[Day, list[Visit]] = {(one, shift): [] for one in people.values() for shift in one.shifts}
    homeless: list[Visit] = []
    for visit in sorted(plan.visits, key=lambda one: (one.start, one.end)):
        inspector = people[visit.inspector_id]
        held = [shift for shift in inspector.shifts if shift.start <= visit.start and visit.end <= shift.end]
        (days[inspector, held[0]] if held else homeless).append(visit)
    return days, homeless


def _of_day(problem: Problem, inspector: Inspector, shift: Window, visits: list[tuple[Wanted, Visit]]) -> Iterator[str]:
    here, now, before = inspector.place, shift.start, "home"
    for wanted, visit in visits:
        way = 0 if wanted.mode == Mode.REMOTE else int(problem.travel[here, wanted.place])
        if now + way > visit.start:
            yield f"visit {visit.visit_id}: {inspector.inspector_id} cannot be there in time from {before}"
        here = here if wanted.mode == Mode.REMOTE else wanted.place
        now, before = visit.end, visit.visit_id
    if visits and now + int(problem.travel[here, inspector.place]) > shift.end:
        yield f"visit {before}: {inspector.inspector_id} is not home before the shift ends"


def _of_tiers(problem: Problem, plan: Plan, wanted: dict[str, Wanted], days: dict[Day, list[Visit]]) -> Iterator[str]:
    held = {day: [wanted[visit.visit_id] for visit in visits] for day, visits in days.items()}
    for name in plan.left_out:
        one = wanted[name]
        if one.tier < Tier.VALUE and (how := _room(problem, one, held)):
            yield f"visit {name}: of a better tier, left out, and could be {how}"


def _room(problem: Problem, one: Wanted, held: dict[Day, list[Wanted]]) -> str:
    for (inspector, shift), visits in held.items():
        if not _may(inspector, one) or not _near(shift, one):
            continue
        if _fits(problem, inspector, shift, visits, one):
            return f"put into the day of {inspector.inspector_id} from minute {shift.start}"
        for out, other in enumerate(visits):
            if other.tier > one.tier and other.pinned is None:
                rest = [*visits[:out], *visits[out + 1 :]]
                if _fits(problem, inspector, shift, rest, one):
                    return f"put in the stead of {other.visit_id}"
    return ""


def _may(inspector: Inspector, one: Wanted) -> bool:
    return (
        one.skills <= inspector.skills
        and (not inspector.regions or not one.region or one.region in inspector.regions)
        and (one.inspectors is None or inspector.inspector_id in one.inspectors)
    )


def _near(shift: Window, one: Wanted) -> bool:
    return any(window.start < shift.end and shift.start < window.end for window in one.windows)


def _fits(problem: Problem, inspector: Inspector, shift: Window, visits: Sequence[Wanted], one: Wanted) -> bool:
    if sum(other.minutes for other in visits) + one.minutes > shift.end - shift.start:
        return False
    return any(_holds(problem, inspector, shift, [*visits[:at], one, *visits[at:]]) for at in range(len(visits) + 1))


def _holds(problem: Problem, inspector: Inspector, shift: Window, order: Sequence[Wanted]) -> bool:
    """Whether visits can be made one after the other in a shift, each as early as it can be."""
    here, now = inspector.place, shift.start
    for one in order:
        if one.mode != Mode.REMOTE:
            now, here = now + int(problem.travel[here, one.place]), one.place
        if one.pinned is not None:
            if now > one.pinned[1]:
                return False
            now = one.pinned[1] + one.minutes
            continue
        starts = [max(now, window.start) for window in one.windows if max(now, window.start) + one.minutes <= window.end]
        if not starts:
            return False
        now = min(starts) + one.minutes
    return now + int(problem.travel[here, inspector.place]) <= shift.end
