"""From what is known of sites and inspectors to a problem for the solver, and from its plan to what people read."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from statistics import fmean, median

from serving.inspection.conflicts import reachable
from serving.inspection.lot import draw, pairs, whole
from serving.inspection.model import Costs, Inspector, Minutes, Mode, Problem, Reason, Tier, Wanted, Window
from serving.inspection.rules import Colour, Rules
from serving.inspection.tiers import Due, Standing, colour, follow_up, high_risk, minimum
from serving.inspection.value import of_visit

WEEK_DAYS = 7


@dataclass(frozen=True)
class SiteNow:
    """What is known of a site. place: row of the travel matrix; loss_a_year: expected loss within 365 days, in the currency of
    the plan; None: no usable score. completed: moments of visits whose effect counts. minutes, mode: None: as the rules say."""

    enterprise_id: str
    site_id: str
    place: int
    standing: Standing
    windows: tuple[Window, ...]
    region: str = ""
    loss_a_year: float | None = None
    completed: tuple[datetime, ...] = ()
    minutes: int | None = None
    mode: Mode | None = None
    skills: frozenset[str] = frozenset()
    known: str = ""
    pinned: tuple[str, int] | None = None

    @property
    def key(self) -> str:
        """The site's name over all enterprises."""
        return f"{self.enterprise_id}/{self.site_id}"


@dataclass(frozen=True)
class Why:
    """Why a visit is wanted. by_rule: its value is not from a score of its own. drawn: by lot, whatever its reason is."""

    site: SiteNow
    colour: Colour
    due: Due
    by_rule: bool
    drawn: bool
    overdue_days: float


@dataclass(frozen=True)
class Draft:
    """A problem with the reasons of its visits, by visit id; overdue days are those at the end of the week."""

    problem: Problem
    why: Mapping[str, Why]
    seed: str
    drawn: tuple[str, ...]
    inspectors_drawn: Mapping[str, str]

    def to_solve(self, barred: Collection[str] = ()) -> Problem:
        """The problem as the solver is to see it, without what is barred (visit ids).

        What is drawn by lot outweighs what is not in its tier: were it left out where it averts little, the sites visited would
        be no fair sample, and which are would be foreseen.
        """
        found = self.worth(barred)
        most = max((one.value for one in found.wanted), default=0.0)
        weighed = (replace(one, value=one.value + most) if self.why[one.visit_id].drawn else one for one in found.wanted)
        return replace(found, wanted=tuple(weighed))

    def worth(self, barred: Collection[str] = ()) -> Problem:
        """The problem with what each visit averts, without what is barred (visit ids)."""
        return replace(self.problem, wanted=tuple(one for one in self.problem.wanted if one.visit_id not in barred))


def draft(
    rules: Rules,
    sites: Sequence[SiteNow],
    inspectors: Sequence[Inspector],
    travel: Minutes,
    monday: datetime,
    seed: str,
    new_id: Callable[[SiteNow], str],
    now: datetime | None = None,
) -> Draft:
    """One wanted visit for every site, scored or not: follow-ups and minima that are due before the week ends, the lot, value.

    monday: the first midnight of the week (aware). seed: of the lot. now: the moment up to which visits are told, where the
    week is under way by then. Sites without a usable score are worth as much as the median of the scored ones alike (industry
    of high risk or not), or of all, or nothing where there is none.
    """
    typical = _typical(rules, sites)
    wanted: dict[str, Wanted] = {}
    why: dict[str, Why] = {}
    for site in sites:
        one, reason = _wanted(rules, site, typical, monday, monday if now is None else max(now, monday), new_id(site))
        wanted[site.key], why[site.key] = one, reason
    problem = Problem(tuple(inspectors), tuple(wanted.values()), travel, Costs(*_costs(rules)))
    drawn, by_pair = _lot(rules, problem, {one.visit_id: key for key, one in wanted.items()}, seed)
    for key in drawn:
        wanted[key] = _by_lot(rules, wanted[key], by_pair.get(key))
        why[key] = replace(why[key], drawn=True)
    problem = replace(problem, wanted=tuple(wanted.values()))
    return Draft(problem, {wanted[key].visit_id: one for key, one in why.items()}, seed, drawn, by_pair)


def _wanted(
    rules: Rules, site: SiteNow, typical: Mapping[bool | None, float], monday: datetime, now: datetime, visit_id: str
) -> tuple[Wanted, Why]:
    end = monday + timedelta(days=WEEK_DAYS)
    least, follow = minimum(rules, site.standing, now), follow_up(rules, site.standing, now)
    tier, reason, due = Tier.VALUE, Reason.TARGETED, least
    if follow is not None and follow.at < end:
        tier, reason, due = Tier.FOLLOW_UP, Reason.FOLLOW_UP, follow
    elif least.at < end:
        tier, reason = Tier.MINIMUM, Reason.MINIMUM
    mode = site.mode or Mode.ON_SITE
    by_rule = site.loss_a_year is None
    loss = _by_rule(rules, site, typical) if site.loss_a_year is None else site.loss_a_year
    since = [(now - one) / timedelta(days=1) for one in site.completed if one <= now]
    wanted = Wanted(
        visit_id, site.key, site.place, site.windows, _minutes(rules, site, mode, reason), of_visit(rules, loss, mode, since),
        tier, reason, mode, site.skills, site.region, site.enterprise_id, site.pinned, known=site.known,
    )  # fmt: skip
    overdue = (end - due.at) / timedelta(days=1)
    return wanted, Why(site, colour(rules, site.standing), due, by_rule, False, overdue)


def _minutes(rules: Rules, site: SiteNow, mode: Mode, reason: Reason) -> int:
    if site.minutes is not None:
        return site.minutes
    if mode == Mode.REMOTE:
        return rules.effort.remote_minutes
    return rules.effort.follow_up_minutes if reason == Reason.FOLLOW_UP else rules.effort.minutes


def _typical(rules: Rules, sites: Sequence[SiteNow]) -> dict[bool | None, float]:
    """Median loss of scored sites: of industries of high risk, of others, and (None) of all."""
    found: dict[bool | None, float] = {}
    for group in (True, False, None):
        losses = [
            one.loss_a_year
            for one in sites
            if one.loss_a_year is not None and (group is None or high_risk(rules, one.standing) == group)
        ]
        if losses:
            found[group] = median(losses)
    return found


def _by_rule(rules: Rules, site: SiteNow, typical: Mapping[bool | None, float]) -> float:
    return typical.get(high_risk(rules, site.standing), typical.get(None, 0.0))


def _costs(rules: Rules) -> tuple[float, float, float]:
    return rules.costs.minute_of_travel, rules.costs.unfamiliar, rules.costs.uneven


def _lot(rules: Rules, problem: Problem, key_of: Mapping[str, str], seed: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """The sites drawn, of those that somebody could visit and that are not pinned; and inspectors for a share of them."""
    reach = {one.visit_id: reachable(problem, one) for one in problem.wanted}
    names = {
        key_of[one.visit_id]: [inspector.inspector_id for inspector in reach[one.visit_id]]
        for one in problem.wanted
        if one.pinned is None and reach[one.visit_id]
    }
    drawn = draw(seed, "visits", names, whole(seed, "visits", rules.lot.share * _capacity(problem, reach)))
    return drawn, pairs(seed, drawn, names, rules.lot.inspector_share)


def _capacity(problem: Problem, reach: Mapping[str, Sequence[Inspector]]) -> float:
    """About how many visits the inspectors have time for: their hours over a visit and the way from the nearest home.

    Sites that nobody could come to within a day take none of their time.
    """
    hours = sum(shift.end - shift.start for one in problem.inspectors for shift in one.shifts)
    efforts = []
    for one in problem.wanted:
        ways = [float(problem.travel[who.place, one.place]) for who in reach[one.visit_id]]
        if ways:
            efforts.append(one.minutes + (0.0 if one.mode == Mode.REMOTE else min(ways)))
    return min(float(len(efforts)), hours / fmean(efforts)) if efforts else 0.0


def _by_lot(rules: Rules, one: Wanted, inspector: str | None) -> Wanted:
    """A visit drawn by lot is owed as a minimum is: no better score displaces it. What is owed more stays what it is."""
    if one.tier == Tier.VALUE:
        mode = one.mode if one.mode == Mode.REMOTE else rules.lot.mode
        one = replace(one, tier=Tier.MINIMUM, reason=Reason.LOT, mode=mode)
    return one if inspector is None else replace(one, inspectors=frozenset({inspector}))
