"""Checklists of planned visits, from what is known of their sites."""

from collections.abc import Collection
from datetime import datetime

from features.enterprise.vocabulary import CAUSES
from features.lake import Lake
from serving.inspection.checklist import Item, checklist
from serving.inspection.model import Plan
from serving.inspection.plan import Draft
from serving.plans.known import Key, Known, looked_at

_KINDS = {term.code: (term.words_en, term.words_zh) for term in CAUSES}
_DRIVERS = 3


def checklists(known: Known, made: Draft, plan: Plan) -> dict[str, tuple[Item, ...]]:
    """The checklists of a plan's visits, by visit id."""
    sites = {one.key: one for one in known.sites}
    planned = {one.visit_id: made.why[one.visit_id].site for one in plan.visits}
    drivers = known.drivers([one.enterprise_id for one in planned.values()], _DRIVERS)
    found = {}
    for visit_id, now in planned.items():
        site = sites[now.enterprise_id, now.site_id]
        found[visit_id] = checklist(known.as_of, site.hazards, drivers.get(site.enterprise_id, ()), site.machines, _KINDS)
    return found


def checklists_at(lake: Lake, keys: Collection[Key], as_of: datetime) -> dict[Key, tuple[Item, ...]]:
    """Checklists of sites from what was known of their hazards and machines at a moment; without the model's drivers."""
    found = looked_at(lake, keys, as_of)
    return {key: checklist(as_of, hazards, (), machines, _KINDS) for key, (hazards, machines) in found.items()}
