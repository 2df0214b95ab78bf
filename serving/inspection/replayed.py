"""A replay: what planners would have made of weeks that have been, weighed with what was true of each site.

Every planner begins with the same visits and goes on with its own: what it visited is known to it the week after. What a visit
averts follows from the true expected loss of the site and from what visits do in truth, whatever the planner's rules assume.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from serving.inspection.model import Plan, Tier, Wanted
from serving.inspection.plan import WEEK_DAYS, Draft, Why
from serving.inspection.rules import Rules
from serving.inspection.shortage import travel_minutes
from serving.inspection.tiers import frequency, minimum
from serving.inspection.value import of_visit

Floats = npt.NDArray[np.float64]
_DAY = timedelta(days=1)


class Planner(StrEnum):
    """Who plans.

    ROTATION: business as usual, a fixed rotation that meets the minima: each site at its turn, with follow-ups and the lot.
    ROUND: the same, and in the hours that are left the round goes on to those whose turn comes next.
    FIRST_COME: who has waited longest, for a minimum, a follow-up or with an open hazard.
    RISK: the likeliest accident first, whatever was visited last week and whatever is owed.
    """

    MODEL = "model"
    TRUTH = "truth"
    ROTATION = "rotation"
    ROUND = "round"
    FIRST_COME = "first_come"
    RISK = "risk"


SOLVED = (Planner.MODEL, Planner.TRUTH)
LAWFUL = (*SOLVED, Planner.ROTATION, Planner.ROUND)  # what is owed goes before what is not


@dataclass(frozen=True)
class VisitMade:
    """A visit that a planner made. averted: by the truth, in the currency of the plan; owed: in a tier better than VALUE."""

    site: str
    enterprise_id: str
    at: datetime
    owed: bool
    averted: float


@dataclass(frozen=True)
class WeekMade:
    """A planner's week. owed, kept: visits owed in it that somebody could make, and how many of them were made; late_days: how
    long the others are overdue at its end, together; out_of_reach: sites that nobody could visit, whoever plans; travel:
    minutes; faults: the rules that the plan breaks."""

    planner: Planner
    monday: datetime
    visits: tuple[VisitMade, ...]
    owed: int
    kept: int
    late_days: float
    travel: int
    out_of_reach: int = 0
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class Told:
    """What a planner's weeks come to. wait_days: how long a danger waits for the next visit, if dangers come to sites as the
    truth says, in proportion to what they cost; travel: minutes a visit."""

    planner: Planner
    visits: int
    averted: float
    averted_spare: float
    kept: float
    late_days: float
    travel: float
    wait_days: float
    faults: int


def phases(rules: Rules, draft: Draft, monday: datetime) -> dict[str, float]:
    """How much of the time between two minimum visits has gone when the week ends, by visit id: 1 is due."""
    end, found = monday + WEEK_DAYS * _DAY, {}
    for name, why in draft.why.items():
        standing = why.site.standing
        found[name] = 1.0 + minimum(rules, standing, end).overdue_days / frequency(rules, standing).every_days
    return found


def listed(
    planner: Planner,
    rules: Rules,
    draft: Draft,
    monday: datetime,
    *,
    asked: Mapping[str, datetime],
    chance: Mapping[str, float],
) -> list[str]:
    """Visit ids as a planner without a solver goes through them. By `SiteNow.key`, asked: since when a hazard that nobody has
    looked at is open; chance: of an accident, of sites that have a score."""
    tier = {one.visit_id: one.tier for one in draft.problem.wanted}
    phase = phases(rules, draft, monday)

    def place(name: str, why: Why) -> tuple[float | str, ...]:
        site = why.site.key
        if planner in (Planner.ROTATION, Planner.ROUND):
            return tier[name], -phase[name], site
        if planner == Planner.FIRST_COME:
            return min(why.due.at, asked.get(site, why.due.at)).timestamp(), site
        if planner == Planner.RISK:
            return -chance.get(site, 0.0), site
        raise ValueError(f"{planner} uses the solver")

    ids = (name for name in draft.why if planner != Planner.ROTATION or tier[name] < Tier.VALUE)
    return sorted(ids, key=lambda name: place(name, draft.why[name]))


def weighed(
    planner: Planner, rules: Rules, draft: Draft, plan: Plan, monday: datetime, loss: Mapping[str, float],
    faults: Sequence[str] = (), barred: Collection[str] = (),
) -> WeekMade:  # fmt: skip
    """A plan of a week by the truth. rules: what visits do in truth; loss: true expected loss within 365 days by
    `SiteNow.key`; monday: aware; barred: ids of visits that nobody could make."""
    wanted = {one.visit_id: one for one in draft.problem.wanted}
    visits = []
    for made in plan.visits:
        one, site = wanted[made.visit_id], draft.why[made.visit_id].site
        since = [(monday - at) / _DAY for at in site.completed if at <= monday]
        averted = of_visit(rules, loss[site.key], one.mode, since)
        at = monday + timedelta(minutes=made.start)
        visits.append(VisitMade(site.key, site.enterprise_id, at, _owed(one), averted))
    late = [wanted[name] for name in plan.left_out if _owed(wanted[name]) and name not in barred]
    return WeekMade(
        planner, monday, tuple(visits), sum(_owed(one) for name, one in wanted.items() if name not in barred),
        sum(one.owed for one in visits), sum(max(0.0, draft.why[one.visit_id].overdue_days) for one in late),
        travel_minutes(draft.problem, plan.visits, wanted)[0], len(barred), tuple(faults),
    )  # fmt: skip


def _owed(one: Wanted) -> bool:
    return one.tier < Tier.VALUE


def told(weeks: Sequence[WeekMade], losses: Sequence[Mapping[str, float]]) -> Told:
    """What the weeks of one planner come to, in their order; losses: the true ones of each week, by `SiteNow.key`."""
    visits = [one for week in weeks for one in week.visits]
    owed = sum(week.owed for week in weeks)
    return Told(
        weeks[0].planner, len(visits), sum(one.averted for one in visits), sum(one.averted for one in visits if not one.owed),
        sum(week.kept for week in weeks) / owed if owed else 1.0, sum(week.late_days for week in weeks) / len(weeks),
        sum(week.travel for week in weeks) / max(1, len(visits)), _wait(weeks, losses), sum(len(week.faults) for week in weeks),
    )  # fmt: skip


def _wait(weeks: Sequence[WeekMade], losses: Sequence[Mapping[str, float]]) -> float:
    """Days from the middle of a week to the next visit of a site, after it or in it, weighed with what is expected there.

    A site that is not visited again waits to the end of the last week, whoever plans.
    """
    ends = weeks[-1].monday + WEEK_DAYS * _DAY
    at: dict[str, list[datetime]] = {}
    for visit in (one for week in weeks for one in week.visits):
        at.setdefault(visit.site, []).append(visit.at)
    total = weight = 0.0
    for week, loss in zip(weeks, losses, strict=True):
        middle = week.monday + WEEK_DAYS / 2 * _DAY
        for site, expected in loss.items():
            following = min((one for one in at.get(site, ()) if one >= middle), default=ends)
            total += expected * ((following - middle) / _DAY)
            weight += expected
    return total / weight if weight else 0.0


def by_enterprise(weeks: Sequence[WeekMade], *, spare: bool = False) -> dict[str, float]:
    """What the weeks of a planner averted, by enterprise. spare: only by visits that were not owed."""
    found: dict[str, float] = {}
    for visit in (one for week in weeks for one in week.visits):
        if not (spare and visit.owed):
            found[visit.enterprise_id] = found.get(visit.enterprise_id, 0.0) + visit.averted
    return found


@dataclass(frozen=True)
class Ratio:
    """A ratio with its interval of 95 %."""

    value: float
    low: float
    high: float


def ratio(above: Mapping[str, float], below: Mapping[str, float], *, seed: int = 1, draws: int = 2_000) -> Ratio:
    """One planner's sum over another's; the interval by drawing enterprises, the same for both, again and again."""
    names = sorted({*above, *below})
    first, second = (np.array([each.get(name, 0.0) for name in names]) for each in (above, below))
    if second.sum() <= 0.0:
        return Ratio(float("nan"), float("nan"), float("nan"))
    drawn = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1.0 / len(names)), draws)
    sums: tuple[Floats, Floats] = drawn @ first, drawn @ second
    some = np.divide(sums[0], sums[1], out=np.full(draws, np.nan), where=sums[1] > 0)
    low, high = np.nanquantile(some, (0.025, 0.975))
    return Ratio(float(first.sum() / second.sum()), float(low), float(high))
