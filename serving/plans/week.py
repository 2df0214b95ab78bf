"""A week is planned: what was asked, the lake and the champion -> a plan, and the plan kept with the scores it rests on.

The command line and the service plan by this alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from features.enterprise.publish import publish
from features.errors import BadInput
from features.lake import Lake
from serving import risk_batch
from serving.inspection import rules as rulesets
from serving.inspection.rules import Rules
from serving.plans import planning
from serving.plans.document import planned_visits
from serving.plans.facts import Person, SiteSheet
from serving.plans.history import History, history
from serving.plans.known import known, until
from serving.plans.planning import Best, Made, Ways
from serving.plans.scope import still_ahead
from serving.plans.store import PlanStore
from serving.risk_champion import RiskChampion
from serving.store import Store

_SEED = 1  # of the solver's search; the lot has a seed of its own
_SEED_BYTES = 16
Progress = Callable[[int, int], None]  # (done, of)


@dataclass(frozen=True)
class Asked:
    """A week to be planned, and for whom. at: as it was known then, to replay a week of the past; seconds: for the solver."""

    week: str
    people: tuple[Person, ...]
    sheets: Mapping[tuple[str, str], SiteSheet]
    ways: Ways | None = None
    rules: Rules = field(default_factory=rulesets.load)
    zone: str = planning.ZONE
    at: datetime | None = None
    seed: str | None = None
    seconds: float = 20.0
    listed: bool = False
    leave_out: bool = False


def check(week: str, at: datetime | None, zone: str, seed: str | None) -> None:
    """Raises BadInput for a week that is none or has ended, an unknown zone, a seed that is none."""
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadInput(f"no time zone {zone!r}", where="--zone", mend="name one as Asia/Shanghai") from None
    try:
        fine = seed is None or len(bytes.fromhex(seed)) == _SEED_BYTES
    except ValueError:
        fine = False
    if not fine:
        raise BadInput("no seed of 32 hexadecimal digits", where="--seed", mend="take it from a stored plan, or leave it out")
    planning.must_be_ahead(week, at, zone, datetime.now(UTC))


def made(
    lake: Lake,
    champion: RiskChampion | None,
    asked: Asked,
    *,
    threads: int = 1,
    most_places: int | None = None,
    progress: Progress | None = None,
    best: Best | None = None,
    plans: PlanStore | None = None,
) -> Made:
    """Plan a week from what the lake knows; without a champion by rule. most_places: refuse more sites and inspectors. plans:
    whose outcomes tell whom a site knows. Of a week that is under way only what is left is planned.

    Raises UserError (see `planning.make`).
    """
    from serving.inspection.solver import solve

    publish(lake)
    found = known(lake, champion, until(lake) if asked.at is None else asked.at, threads=threads)
    sites = len(asked.sheets) if asked.listed else len(found.sites)
    if most_places is not None and sites + len(asked.people) > most_places:
        what = f"{sites} sites and {len(asked.people)} inspectors are more than {most_places} places"
        mend = "list fewer sites (listed), or plan with `forewarn plan`"
        raise BadInput(what, where="sites", mend=mend)
    monday, moment = planning.monday_of(asked.week), asked.at or datetime.now(UTC)
    people, under_way = still_ahead(asked.people, monday, asked.zone, moment)
    past = History() if plans is None else history(plans, monday, moment)
    notes = [*found.notes, under_way] if under_way else [*found.notes]
    if past.untold:
        notes.append(
            f"{past.untold} visits planned in the weeks before have no outcome: record them, or they are planned again"
        )
    return planning.make(
        asked.week, replace(found, notes=tuple(notes)), people, asked.sheets, asked.rules, zone=asked.zone, seed=asked.seed,
        ways=asked.ways, listed=asked.listed, leave_out=asked.leave_out, visited=past.visited,
        solve=partial(solve, seconds=asked.seconds, seed=_SEED, threads=threads, progress=progress), best=best,
    )  # fmt: skip


def keep(plan: Made, document: Mapping[str, Any], store: Store) -> str:
    """Store a plan with the scores that it rests on, all of it or nothing. The plan's id."""
    scores = None if plan.known.scores is None else risk_batch.stored(plan.known.scores)
    return PlanStore(store.engine).add_plan(
        document, week=plan.monday, as_of=plan.known.as_of, currency=plan.known.currency, visits=planned_visits(plan),
        scores=scores,
    )  # fmt: skip
