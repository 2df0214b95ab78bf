"""A plan as it is stored and shown: its visits with times, reasons and checklists, and all it was made of."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from serving.inspection.conflicts import able
from serving.inspection.model import Inspector, Problem, Reason, Visit, Wanted
from serving.inspection.plan import Why
from serving.inspection.shortage import ways_to
from serving.plans.planning import Made
from serving.plans.store import PlannedVisit


def planned_visits(made: Made) -> list[PlannedVisit]:
    """The visits as the store keeps them for their outcomes."""
    wanted, why = made.wanted, made.draft.why
    return [
        PlannedVisit(
            one.visit_id, why[one.visit_id].site.enterprise_id, why[one.visit_id].site.site_id, one.inspector_id,
            made.moment(one.start), one.end - one.start, wanted[one.visit_id].mode.value, wanted[one.visit_id].reason.value,
            why[one.visit_id].drawn,
        )
        for one in made.plan.visits
    ]  # fmt: skip


def document(made: Made) -> dict[str, Any]:
    """The plan as it is stored: what it says, and all it was made of."""
    scores = made.known.scores
    way = ways_to(made.draft.problem, made.plan.visits)
    visits = [_visit(made, one, before, way[one.visit_id]) for one, before in _in_order(made.plan.visits)]
    return {
        "week": made.week, "monday": made.monday.isoformat(), "zone": made.zone, "as_of": made.known.as_of.isoformat(),
        "currency": made.known.currency, "rules": made.rules.model_dump(mode="json"),
        "bundle": None if scores is None else scores.champion.bundle_id, "batch": None if scores is None else scores.batch_id,
        "averted": made.averted, "bound": made.plan.bound, "travel_minutes": made.travel,
        "counts": {reason.value: sum(one["reason"] == reason.value for one in visits) for reason in Reason},
        "visits": visits, "left_out": [_left(made, one) for one in made.plan.left_out],
        "shortage": {**asdict(made.short), "inspectors": made.short.inspectors},
        "conflicts": [str(one) for one in made.clashes], "notes": [*made.notes, *made.plan.notes],
        "lot": {"seed": made.draft.seed, "drawn": made.draft.drawn, "inspectors": dict(made.draft.inspectors_drawn)},
        "solver": dict(made.plan.solver), "ways": made.ways,
        "problem": {**problem_document(made.draft.problem), "places": [list(one) for one in made.where]},
    }  # fmt: skip


def _in_order(visits: Sequence[Visit]) -> list[tuple[Visit, Visit | None]]:
    """Visits of each inspector and day in order, with the one before."""
    found: list[tuple[Visit, Visit | None]] = []
    before: Visit | None = None
    for one in sorted(visits):
        same = before is not None and (before.inspector_id, before.day) == (one.inspector_id, one.day)
        found.append((one, before if same else None))
        before = one
    return found


def _visit(made: Made, one: Visit, before: Visit | None, way: int) -> dict[str, Any]:
    wanted, why = made.wanted[one.visit_id], made.draft.why[one.visit_id]
    return {
        "visit_id": one.visit_id, "enterprise_id": why.site.enterprise_id, "site_id": why.site.site_id,
        "inspector_id": one.inspector_id,
        "starts": made.moment(one.start).isoformat(), "ends": made.moment(one.end).isoformat(),
        "minutes": one.end - one.start, "after": None if before is None else before.visit_id,
        "way_minutes": way,
        "mode": wanted.mode.value, "reason": wanted.reason.value, "by_lot": why.drawn, "pinned": wanted.pinned is not None,
        **_said(why), "value": wanted.value, "region": wanted.region, "skills": sorted(wanted.skills),
        "checklist": [item.document() for item in made.checklists[one.visit_id]],
    }  # fmt: skip


def _left(made: Made, visit_id: str) -> dict[str, Any]:
    wanted, why = made.wanted[visit_id], made.draft.why[visit_id]
    return {
        "visit_id": visit_id, "enterprise_id": why.site.enterprise_id, "site_id": why.site.site_id,
        "reason": wanted.reason.value, **_said(why), "value": wanted.value, "able": len(able(made.draft.problem, wanted)),
    }  # fmt: skip


def _said(why: Why) -> dict[str, Any]:
    return {
        "colour": why.colour, "by_rule": why.by_rule, "due": why.due.at.isoformat(), "overdue_days": round(why.overdue_days, 1),
        "why_en": why.due.words_en, "why_zh": why.due.words_zh,
    }  # fmt: skip


def problem_document(problem: Problem) -> dict[str, Any]:
    """A problem without the ways between its places."""

    def plain(one: Inspector | Wanted) -> dict[str, Any]:
        return {name: _plain(value) for name, value in asdict(one).items()}

    return {
        "inspectors": [plain(one) for one in problem.inspectors], "wanted": [plain(one) for one in problem.wanted],
        "costs": asdict(problem.costs),
    }  # fmt: skip


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    return list(value) if isinstance(value, tuple) else value
