"""What happens to enterprises, day by day: culture, visits, hazards, and the rate of accidents; the law is in enterprise_world.

All arrays are [day, enterprise] over the days that are told and AFTER_DAYS more, so that the last truth is whole.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.simulator.chance import Ints
from features.simulator.enterprise_records import Visitor
from features.simulator.enterprise_roll import Draw, Roll, stream
from features.simulator.world import Floats

AFTER_DAYS = 365
YEAR = 365.25
_MONTH = 30
USUAL_SIZE = 150.0
_INSURER, _AUTHORITY, _THIRD, _LOT = range(4)
VISITORS: tuple[Visitor, ...] = ("insurer", "authority", "third_party", "insurer")
DONE, PARTIAL, REFUSED = range(3)
OUTCOMES = ("done", "partial", "refused")


@dataclass(frozen=True)
class Visits:
    """A row per visit, by day. visitor: position in VISITORS (the last: by lot); found: how many hazards."""

    day: Ints
    enterprise: Ints
    visitor: Ints
    outcome: Ints
    found: Ints


@dataclass(frozen=True)
class Found:
    """A row per hazard, by the day it was found. visit: row of Visits, or -1 by the enterprise itself.

    rectified: day on which it is; from `day + due_days` until then it is overdue.
    """

    day: Ints
    enterprise: Ints
    visit: Ints
    major: npt.NDArray[np.bool_]
    late: npt.NDArray[np.bool_]
    rectified: Ints


@dataclass(frozen=True)
class Life:
    """culture = roll.lasting + wander. effect: what visits still do, 0 to 1. overdue: weight of hazards beyond their term.

    programme: day on which it starts, by enterprise. base, left: accidents a day without machines, from the enterprise's ways
    and from its overdue hazards.
    """

    wander: Floats
    workers: Floats
    programme: Floats
    effect: Floats
    overdue: Floats
    base: Floats
    left: Floats
    visits: Visits
    found: Found

    def culture(self, roll: Roll) -> Floats:
        return roll.lasting + self.wander


def live(roll: Roll, days: int, first_day: int) -> Life:
    """Live through `days` and AFTER_DAYS more. first_day: day of the year of day 0, from 0."""
    total = days + AFTER_DAYS
    wander, workers, programme = _wander(roll, total), _workers(roll, total), _programme(roll)
    culture = roll.lasting + wander
    running = np.arange(total)[:, None] >= programme
    visits = _visits(roll, culture, workers)
    found = _found(roll, culture, workers, running, visits)
    effect, overdue = _effect(roll, visits, total), _overdue(roll, found, total)
    base = roll.rate * workers / YEAR * season(roll, np.arange(total) + first_day)
    base *= np.exp(-roll.world.culture.effect * culture) * _kept(roll, effect, running)
    left = overdue * roll.world.hazards.accidents_per_weight_year / YEAR
    return Life(wander, workers, programme, effect, overdue, base, left, visits, found)


def season(roll: Roll, day: Ints) -> Floats:
    """[day, enterprise]: factor of the season. day: of the year, from 0."""
    swing, peak = (roll.of_industry([each.season[at] for each in roll.world.industries]) for at in (0, 1))
    return np.asarray(1.0 + swing * np.cos(2 * np.pi * (day[:, None] - peak) / YEAR))


def _kept(roll: Roll, effect: Floats, running: npt.NDArray[np.bool_]) -> Floats:
    """What depth of subcontracting, visits and a programme make of a rate."""
    culture = roll.world.culture
    eased = (1.0 - roll.world.visits.relief * effect) * (1.0 - culture.programme_relief * running)
    return np.asarray((1.0 + culture.subcontracting * roll.depth) * eased)


def memory(roll: Roll) -> float:
    """Correlation of the wandering part of culture from one day to the next."""
    return float(np.exp(-1.0 / roll.world.culture.memory_days))


def _wander(roll: Roll, total: int) -> Floats:
    noise = stream(roll.seed, Draw.CULTURE).standard_normal((total, roll.size)) * roll.world.culture.wandering
    keep = memory(roll)
    fresh = np.sqrt(1.0 - keep**2)
    for day in range(1, total):
        noise[day] = keep * noise[day - 1] + fresh * noise[day]
    return noise


def _workers(roll: Roll, total: int) -> Floats:
    """Headcounts wander month by month, up as much as down."""
    sigma = roll.world.culture.growth_per_month
    steps = sigma * stream(roll.seed, Draw.GROWTH).standard_normal((total // _MONTH + 1, roll.size)) - sigma**2 / 2
    steps[0] = 0.0
    return np.asarray((roll.workers * np.exp(np.cumsum(steps, axis=0)))[np.arange(total) // _MONTH])


def _programme(roll: Roll) -> Floats:
    draws = stream(roll.seed, Draw.PROGRAMME).random((roll.size, 2))
    culture = roll.world.culture
    starts = np.floor(-np.log1p(-draws[:, 1]) / max(culture.programme_per_year, 1e-12) * YEAR)
    return np.asarray(np.where(draws[:, 0] < culture.programme_share, 0.0, 1.0 + starts))


def visit_rates(roll: Roll) -> Floats:
    """[visitor, enterprise]: visits a day, as VISITORS."""
    usual = roll.of_industry([each.visits for each in roll.world.industries]) * roll.reach / YEAR
    shares = roll.world.visits.shares
    lot = np.full(roll.size, roll.world.visits.by_lot_per_year / YEAR)
    return np.stack([*(np.minimum(shares[name] * usual, 0.9) for name in ("insurer", "authority", "third_party")), lot])


def _visits(roll: Roll, culture: Floats, workers: Floats) -> Visits:
    """At most one visit a day of each visitor; whom the lot names has nothing to do with its risk."""
    rng, world = stream(roll.seed, Draw.VISITS), roll.world
    rates = visit_rates(roll)
    came = np.stack([rng.random((roll.size, 4)) < rates.T for _ in range(len(culture))])
    day, enterprise, visitor = np.nonzero(came)
    draws = stream(roll.seed, Draw.FOUND).random((len(day), 2))
    refused = draws[:, 0] < roll.refuses[enterprise]
    partial = draws[:, 0] > 1.0 - world.visits.partial_share
    outcome = np.where(refused, REFUSED, np.where(partial, PARTIAL, DONE))
    finds = world.hazards.visit_finds * (workers[day, enterprise] / USUAL_SIZE) ** world.hazards.visit_size
    finds *= (
        np.exp(world.hazards.visit_culture * culture[day, enterprise])
        * np.array([1.0, world.visits.partial_finds, 0.0])[outcome]
    )
    return Visits(day, enterprise, visitor, outcome, stream(roll.seed, Draw.FOUND, 1).poisson(finds))


def _found(roll: Roll, culture: Floats, workers: Floats, running: npt.NDArray[np.bool_], visits: Visits) -> Found:
    """What the enterprises report themselves (a programme multiplies it), and what visitors find."""
    law, rng = roll.world.hazards, stream(roll.seed, Draw.HAZARDS)
    more = 1.0 + (roll.world.culture.programme_reports - 1.0) * running
    rate = law.self_per_year / YEAR * roll.reports * (workers / USUAL_SIZE) ** law.self_size
    own = rng.poisson(rate * np.exp(law.self_culture * culture) * more)
    own_day, own_of = np.nonzero(own)
    times = own[own_day, own_of]
    own_day, own_of = np.repeat(own_day, times), np.repeat(own_of, times)
    day = np.concatenate([own_day, np.repeat(visits.day, visits.found)])
    enterprise = np.concatenate([own_of, np.repeat(visits.enterprise, visits.found)])
    visit = np.concatenate([np.full(len(own_day), -1), np.repeat(np.arange(len(visits.day)), visits.found)])
    order = np.lexsort((visit, enterprise, day))
    day, enterprise, visit = day[order], enterprise[order], visit[order]
    draws = stream(roll.seed, Draw.HAZARDS, 1).random((len(day), 3))
    outside = visit >= 0
    # What a programme brings to light besides is small and done at once.
    share = np.where(outside, law.late_found, law.late_self / more[day, enterprise])
    late = draws[:, 0] < np.minimum(share * np.exp(law.late_culture * culture[day, enterprise]), 1.0)
    stays = np.floor(-np.log1p(-draws[:, 1]) * law.overdue_days).astype(np.int64) + 1
    soon = np.minimum((draws[:, 1] ** 1.3 * law.due_days).astype(np.int64), law.due_days - 1)
    rectified = day + np.where(late, law.due_days + stays, soon)
    major = draws[:, 2] < np.where(outside, law.major_found, law.major_self)
    return Found(day, enterprise, visit, major, late, rectified)


def weight_of(roll: Roll, found: Found) -> Floats:
    return np.asarray(np.where(found.major, roll.world.hazards.major_weight, 1.0))


def _overdue(roll: Roll, found: Found, total: int) -> Floats:
    """[day, enterprise]: weight of the hazards that are beyond their term on that day."""
    change = np.zeros((total + 1, roll.size))
    of = found.late
    begins = np.minimum(found.day[of] + roll.world.hazards.due_days, total)
    ends = np.minimum(found.rectified[of], total)
    weight = weight_of(roll, found)[of]
    np.add.at(change, (begins, found.enterprise[of]), weight)
    np.add.at(change, (ends, found.enterprise[of]), -weight)
    # Sums of small whole numbers: exact.
    return np.asarray(np.cumsum(change, axis=0)[:total])


def gains(roll: Roll) -> Floats:
    """What a visit of each outcome gains, of what is left to gain."""
    return np.array([roll.world.visits.gain_done, roll.world.visits.gain_partial, 0.0])


def _effect(roll: Roll, visits: Visits, total: int) -> Floats:
    left = np.ones((total, roll.size))
    np.multiply.at(left, (visits.day, visits.enterprise), 1.0 - gains(roll)[visits.outcome])
    effect, now = np.empty((total, roll.size)), np.zeros(roll.size) + steady(roll)[1]
    keep = np.exp(-1.0 / roll.world.visits.relief_days)
    for day in range(total):
        effect[day] = now
        now = (1.0 - (1.0 - now) * left[day]) * keep
    return effect


def steady(roll: Roll) -> tuple[Floats, Floats]:
    """(pace a day, mean) of the effect of visits: d effect / dt = k (1 - effect) - effect / tau = pace (mean - effect)."""
    done = 1.0 - roll.world.visits.partial_share - roll.refuses
    gain = done * roll.world.visits.gain_done + roll.world.visits.partial_share * roll.world.visits.gain_partial
    k = visit_rates(roll).sum(axis=0) * gain
    pace = k + 1.0 / roll.world.visits.relief_days
    return pace, k / pace
