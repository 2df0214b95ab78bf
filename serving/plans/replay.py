"""The replay of weeks that have been: model and planner together beside other planners, over a simulated home's own past."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from math import ceil, floor, log
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.errors import BadInput, NotFound
from features.lake import Lake
from features.schema import ENTERPRISE
from features.simulator.enterprise_world import Visits as VisitsLaw
from serving.inspection.check import broken
from serving.inspection.dispatch import dispatched
from serving.inspection.model import DAY, Inspector, Plan, Problem, Tier, Window
from serving.inspection.replayed import LAWFUL, SOLVED, Planner, WeekMade, listed, weighed
from serving.inspection.rules import Rules
from serving.plans.facts import Person
from serving.plans.known import Known, Scored, SiteKnown, Visited, known
from serving.plans.planning import ZONE, Drafted, drafted, monday_of
from serving.risk_champion import RiskChampion

YEAR, HORIZON = 365.0, 90.0
SITES_PER_INSPECTOR = 25  # eight people for two hundred sites
MIDDLE = 3  # sites of a part among which its inspector may live
SLACK = 0.5  # of an inspector's number of sites: so many more or fewer
LEARNT_DAYS = 31  # a champion follows its last observation for an interval of its grid
TRUTH_DAYS = 7.0
Progress = Callable[[int, int], None]
Solve = Callable[[Problem], Plan]
Losses = Mapping[str, float]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Week:
    """A week of the past: what was known when it began, and the true expected loss within 365 days of each enterprise."""

    name: str
    known: Known
    loss: Losses


@dataclass(frozen=True)
class Setting:
    """What all planners of a replay share. judge: the rules with what visits do in truth; lot: a seed; warm_up: of the weeks,
    so many at the beginning in which business as usual goes on, whoever plans after it."""

    people: tuple[Person, ...]
    rules: Rules
    judge: Rules
    lot: str
    warm_up: int = 0
    zone: str = ZONE


def names(first: date, count: int) -> tuple[str, ...]:
    """So many ISO weeks from the one of a day on."""
    found = [(first + timedelta(weeks=number)).isocalendar() for number in range(count)]
    return tuple(f"{one.year}-W{one.week:02d}" for one in found)


def first_monday(champion: RiskChampion) -> date:
    """The first Monday of which the champion has learnt nothing."""
    after = champion.bundle.manifest.train_until.astimezone(UTC).date() + timedelta(days=LEARNT_DAYS)
    return after + timedelta(days=-after.weekday() % 7)


def crew(sites: Sequence[SiteKnown], seed: int, count: int | None = None) -> tuple[Person, ...]:
    """Inspectors who live amid the sites, about as many sites around each, and may go anywhere.

    They work 08:30-17:30 from Monday to Friday. Sites are parted at the widest gaps until each part has its inspector, who
    lives where one of the sites in the middle of the part is (by lot of `seed`, of the MIDDLE nearest).

    count: one for every SITES_PER_INSPECTOR sites where none is given. Raises NotFound where no site has coordinates.
    """
    there = np.array([(one.latitude, one.longitude) for one in sites if one.latitude is not None and one.longitude is not None])
    if not len(there):
        raise NotFound("no site with coordinates", where="sites", mend="import sites with latitude and longitude")
    many = min(len(there), count or max(1, round(len(sites) / SITES_PER_INSPECTOR)))
    scaled = there * np.array([1.0, np.cos(np.radians(there[:, 0].mean()))])  # a degree of longitude is the shorter one
    lot = np.random.default_rng(seed)
    homes = [there[lot.choice(_amid(scaled, part))] for part in _parts(scaled, np.arange(len(there)), many)]
    shifts = tuple(Window(day * DAY + 510, day * DAY + 1_050) for day in range(5))
    return tuple(
        Person(Inspector(f"i{number:03d}", number, shifts), float(latitude), float(longitude))
        for number, (latitude, longitude) in enumerate(homes)
    )


def _parts(places: Floats, rows: Ints, many: int) -> list[Ints]:
    """Rows in so many parts of neighbours: about as many in each, so that nobody has a town too many and a neighbour idles."""
    if many == 1:
        return [rows]
    each = len(rows) / many
    found: tuple[float, Ints, int, int] | None = None
    for axis in (0, 1):
        ordered = rows[np.argsort(places[rows, axis], kind="stable")]
        gaps = np.diff(places[ordered, axis])
        for first in range(1, many):
            low, high = ceil((first - SLACK) * each), floor((first + SLACK) * each)
            for cut in range(max(1, low), min(len(rows) - 1, high) + 1):
                if found is None or gaps[cut - 1] > found[0]:
                    found = float(gaps[cut - 1]), ordered, cut, first
    assert found is not None, "more parts than rows"
    _, ordered, cut, first = found
    return [*_parts(places, ordered[:cut], first), *_parts(places, ordered[cut:], many - first)]


def _amid(places: Floats, part: Ints) -> Ints:
    """The rows of a part that are nearest to its middle."""
    far = np.hypot(*(places[part] - np.median(places[part], axis=0)).T)
    return part[np.argsort(far, kind="stable")[:MIDDLE]]


def past(
    lake: Lake, champion: RiskChampion, true_losses: pa.Table, wanted: Sequence[str], *, zone: str = ZONE, threads: int = 1,
    progress: Progress | None = None,
) -> tuple[Week, ...]:  # fmt: skip
    """What was known on the Monday of each week, and what was true. true_losses: enterprise_id, as_of, expected_loss_90.

    Raises BadInput for a week from which the champion has learnt, or of which no truth is told.
    """
    found = []
    for number, name in enumerate(wanted):
        if monday_of(name) < (least := first_monday(champion)):
            raise BadInput(f"the champion has learnt from {name}", where="weeks", mend=f"begin on {least} or later")
        monday = monday_at(name, zone)
        told = _true(true_losses, monday)
        if told is None:
            raise BadInput(f"no truth is told of {name}", where="weeks", mend="name weeks within the simulated time")
        found.append(Week(name, replace(known(lake, champion, monday, threads=threads), scores=None), told))
        if progress is not None:
            progress(number + 1, len(wanted))
    return tuple(found)


def _true(losses: pa.Table, moment: datetime) -> Losses | None:
    """The true expected loss of the coming HORIZON days at the last moment it was told, scaled to 365 days."""
    times = losses.column("as_of").cast(pa.timestamp("us", "UTC"))
    before = losses.filter(pc.less_equal(times, pa.scalar(moment, times.type)))
    if not len(before):
        return None
    last = pc.max(before.column("as_of")).as_py()
    if (moment - last).total_seconds() / 86_400 > 2 * TRUTH_DAYS:
        return None
    rows = before.filter(pc.equal(before.column("as_of"), pa.scalar(last, before.schema.field("as_of").type)))
    told = zip(rows.column(ENTERPRISE).to_pylist(), rows.column("expected_loss_90").to_pylist(), strict=True)
    return {name: loss * YEAR / HORIZON for name, loss in told}


def as_simulated(rules: Rules, law: VisitsLaw) -> Rules:
    """The rules with what visits do in a simulated world: each wins `gain_done` of what is left to win, at most `relief` of the
    loss, and it fades by e within `relief_days`."""
    share = law.relief * law.gain_done
    effects = rules.value.effectiveness.model_copy(update=dict.fromkeys(("on_site", "unannounced", "remote"), share))
    halves = {"strength": law.gain_done, "half_life_days": law.relief_days * log(2.0)}
    told = {"effectiveness": effects, "memory": rules.value.memory.model_copy(update=halves), "horizon_days": law.relief_days}
    return rules.model_copy(update={"value": rules.value.model_copy(update=told)})


def replay(
    planner: Planner, weeks: Sequence[Week], setting: Setting, solve: Solve, *, progress: Progress | None = None
) -> tuple[WeekMade, ...]:
    """The weeks of one planner after the warm-up, each knowing its own visits of those before."""
    begins = monday_at(weeks[0].name, setting.zone)
    own: dict[tuple[str, str], list[Visited]] = {}
    found = []
    for number, week in enumerate(weeks):
        now = planner if number >= setting.warm_up else Planner.ROTATION
        one = _week(now, week, _own(week, own, begins, now), setting, solve)
        for visit in one.visits:
            enterprise_id, _, site_id = visit.site.partition("/")
            own.setdefault((enterprise_id, site_id), []).append(Visited(visit.at, "insurer", "on_site", "done"))
        if number >= setting.warm_up:
            found.append(one)
        if progress is not None:
            progress(number + 1, len(weeks))
    return tuple(found)


def _week(planner: Planner, week: Week, told: Known, setting: Setting, solve: Solve) -> WeekMade:
    monday = monday_at(week.name, setting.zone)
    lot = hashlib.sha256(f"{setting.lot} {week.name}".encode()).hexdigest()[:32]
    made = drafted(week.name, told, setting.people, {}, setting.rules, zone=setting.zone, seed=lot, leave_out=True)
    problem = made.draft.to_solve(made.barred)
    plan = _planned(planner, setting.rules, made, problem, told, monday, solve)
    faults = _faults(planner, problem, plan)
    plan = replace(plan, left_out=(*plan.left_out, *sorted(made.barred)))
    return weighed(planner, setting.judge, made.draft, plan, monday, site_losses(week), faults, made.barred)


def site_losses(week: Week) -> Losses:
    """The true expected loss within 365 days of each site, by `SiteNow.key`: its part of the enterprise's, as in plans."""
    count: dict[str, int] = {}
    for one in week.known.sites:
        count[one.enterprise_id] = count.get(one.enterprise_id, 0) + 1
    return {
        f"{one.enterprise_id}/{one.site_id}": week.loss.get(one.enterprise_id, 0.0) / count[one.enterprise_id]
        for one in week.known.sites
    }


def _own(week: Week, own: Mapping[tuple[str, str], Sequence[Visited]], begins: datetime, planner: Planner) -> Known:
    """What was known of a week, with the planner's visits in the place of those that the insurer made since the beginning."""
    sites = []
    for site in week.known.sites:
        others = (one for one in site.visits if one.visitor != "insurer" or one.at < begins)
        sites.append(replace(site, visits=(*others, *own.get(site.key, ()))))
    scored = week.known.scored
    if planner == Planner.TRUTH:
        chances = {name: one.p_any for name, one in scored.items()}
        scored = {name: Scored(loss, chances.get(name)) for name, loss in week.loss.items()}
    return replace(week.known, sites=tuple(sites), scored=scored)


def _planned(
    planner: Planner, rules: Rules, made: Drafted, problem: Problem, told: Known, monday: datetime, solve: Solve
) -> Plan:
    if planner in SOLVED:
        return solve(problem)
    chance = {name: one.p_any for name, one in told.scored.items() if one.p_any is not None}
    by_site = {f"{one.enterprise_id}/{one.site_id}": chance.get(one.enterprise_id, 0.0) for one in told.sites}
    order = listed(planner, rules, made.draft, monday, asked=_asked(told), chance=by_site)
    return dispatched(problem, [name for name in order if name not in made.barred])


def _asked(told: Known) -> dict[str, datetime]:
    """Since when a hazard is open at a site that nobody has looked at since, by `SiteNow.key`."""
    found = {}
    for site in told.sites:
        last = max((one.at for one in site.visits), default=site.since)
        if open_since := [one.found for one in site.hazards if one.found > last]:
            found[f"{site.enterprise_id}/{site.site_id}"] = min(open_since)
    return found


def _faults(planner: Planner, problem: Problem, plan: Plan) -> list[str]:
    """The rules that a plan breaks; of planners that put nothing that is owed first, the hard ones alone."""
    if planner not in LAWFUL:
        problem = replace(problem, wanted=tuple(replace(one, tier=Tier.VALUE) for one in problem.wanted))
    return broken(problem, plan)


def monday_at(name: str, zone: str) -> datetime:
    """The first midnight of a week, in UTC."""
    return datetime.combine(monday_of(name), time(), ZoneInfo(zone)).astimezone(UTC)
