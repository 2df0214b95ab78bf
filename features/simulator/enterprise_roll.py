"""Who there is: enterprises with industry, size, region, sites, culture, and the machines that stand there.

Every number of an enterprise comes from its own row of a stream, so an id says nothing, and the first enterprises of a
portfolio are those of a smaller one.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from features.simulator.chance import Ints
from features.simulator.enterprise_world import EnterpriseWorld
from features.simulator.world import Floats, Habit

_PORTFOLIO = 3
_SITE_WORKERS = 150.0  # an enterprise has about a site for so many
_MOST_SITES = 8
HABITS = ("strict", "usual", "lax")


class Draw(IntEnum):
    """Independent random streams of a portfolio."""

    ROLL = 0
    CULTURE = 1
    GROWTH = 2
    PROGRAMME = 3
    VISITS = 4
    HAZARDS = 5
    FOUND = 6
    ACCIDENTS = 7
    OVERDUE = 8
    TRIGGERED = 9
    SEVERITY = 10
    REPORTING = 11
    SITES = 12
    SCORES = 13
    PEOPLE = 14
    STANDING = 15
    MONEY = 16
    CASES = 17
    CLAIMS = 18
    LOST = 19


def stream(seed: int, purpose: Draw, part: int = 0) -> np.random.Generator:
    """Each is read front to back by day, so that a longer simulation continues the shorter one."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(_PORTFOLIO, int(purpose), part))))


@dataclass(frozen=True)
class Roll:
    """Arrays by enterprise; industry, process, region: positions in the world's lists.

    joins: day of observation's start. founded: years before the first day. lasting: what stays of the culture, of standard
    deviation `culture.lasting`. frailty, reports, reach, severity: factors around 1. refuses: share of visits. rate: accidents
    per worker-year at culture 0 with region and frailty. site_of: enterprise of each site. machines: counts.
    """

    world: EnterpriseWorld
    seed: int
    industry: Ints
    process: Ints
    region: Ints
    workers: Floats
    joins: Floats
    founded: Floats
    lasting: Floats
    frailty: Floats
    reports: Floats
    reach: Floats
    refuses: Floats
    severity: Floats
    depth: Ints
    rate: Floats
    site_of: Ints
    machines: Ints

    @property
    def size(self) -> int:
        return len(self.workers)

    def of_industry(self, values: list[float]) -> Floats:
        """A number of each industry, by enterprise."""
        return np.array(values, dtype=np.float64)[self.industry]


def pick(draw: Floats, shares: list[float]) -> Ints:
    """Positions in `shares` by uniform draws."""
    edges = np.cumsum(np.array(shares, dtype=np.float64)) / sum(shares)
    return np.asarray(np.minimum(np.searchsorted(edges, draw, side="right"), len(shares) - 1), dtype=np.int64)


def roll_of(world: EnterpriseWorld, enterprises: int, machines: int, seed: int) -> Roll:
    """The portfolio: `enterprises` with `machines` among them by size and industry."""
    u = stream(seed, Draw.ROLL).random((enterprises, 8))
    z = stream(seed, Draw.ROLL, 1).standard_normal((enterprises, 8))
    industry = pick(u[:, 0], [each.share for each in world.industries])
    process = np.zeros(enterprises, dtype=np.int64)
    factor = np.ones(enterprises)
    for at, each in enumerate(world.industries):
        of = industry == at
        process[of] = pick(u[of, 1], [one.share for one in each.processes])
        factor[of] = np.array([one.factor for one in each.processes])[process[of]]
    region = pick(u[:, 2], [each.share for each in world.regions])
    sizes = ("headcount", "spread", "rate", "machines")
    median, spread, rate, asked = (np.array([getattr(each, name) for each in world.industries])[industry] for name in sizes)
    workers = np.maximum(np.round(median * np.exp(spread * z[:, 0])), 5.0)
    lasting = world.culture.lasting * z[:, 1]
    frailty = np.exp(world.culture.frailty * z[:, 2] - world.culture.frailty**2 / 2)
    sites = np.clip(np.ceil(workers / _SITE_WORKERS * (0.5 + u[:, 3])), 1, _MOST_SITES).astype(np.int64)
    weight = asked * workers**world.machines.size * np.exp(world.machines.spread * z[:, 3])
    deep = world.culture.depth
    depth = np.clip(np.round(deep.level + deep.slope * lasting + deep.own * z[:, 4]), 0, 4).astype(np.int64)
    joins = np.where(u[:, 4] < world.joining_share, np.floor(u[:, 5] * world.joining_days), 0.0)
    return Roll(
        world=world,
        seed=seed,
        industry=industry,
        process=process,
        region=region,
        workers=workers,
        joins=joins,
        founded=np.round(1 + 30 * u[:, 6] ** 1.5, 2),
        lasting=lasting,
        frailty=frailty,
        reports=np.exp(world.hazards.self_spread * z[:, 5]),
        reach=np.exp(world.visits.random_reach * z[:, 6]) * np.exp(world.visits.reach_culture * lasting),
        refuses=np.minimum(world.visits.refused_share * np.exp(world.visits.refused_culture * lasting), 0.3),
        severity=np.exp(world.accidents.severity_spread * z[:, 7]),
        depth=depth,
        rate=rate / 1000.0 * factor * np.array([each.factor for each in world.regions])[region] * frailty,
        site_of=np.repeat(np.arange(enterprises), sites),
        machines=_shared_out(weight, machines),
    )


def _shared_out(weight: Floats, total: int) -> Ints:
    """Whole numbers in proportion to `weight` that sum to `total`: the largest remainders are rounded up."""
    if total == 0 or not weight.sum():
        return np.zeros(len(weight), dtype=np.int64)
    due = weight / weight.sum() * total
    whole = np.floor(due).astype(np.int64)
    order = np.argsort(whole - due, kind="stable")
    whole[order[: total - int(whole.sum())]] += 1
    return np.asarray(whole, dtype=np.int64)


def habit_of(habits: tuple[Habit, ...], lean: float, reach: float) -> Habit:
    """How an enterprise keeps its machines. lean: its culture in standard deviations; at 1 the strict habit, at -1 the lax one.

    habits: HABITS, as the world of machines lists them. reach: how far beyond the ends a habit may go.
    """
    strict, usual, lax = habits
    lean = float(np.clip(lean, -reach, reach))
    other, share = (strict, lean) if lean >= 0 else (lax, -lean)

    def between(name: str, low: float, high: float) -> float:
        here, there = getattr(usual, name), getattr(other, name)
        return float(np.clip(here + share * (there - here), low, high))

    bounds = zip(usual.response_hours, other.response_hours, strict=True)
    slow = [float(np.clip(here + share * (there - here), 2.0, 240.0)) for here, there in bounds]
    return Habit(
        name="own",
        share=1.0,
        interval=between("interval", 0.7, 1.6),
        slack=between("slack", 0.02, 0.4),
        heed=between("heed", 0.02, 0.95),
        response_hours=(min(slow), max(slow)),
        inspect_days=between("inspect_days", 7.0, 120.0),
        replace_at=between("replace_at", 0.8, 1.0),
        calibrate_days=between("calibrate_days", 30.0, 700.0),
    )


def first_machines(roll: Roll) -> Ints:
    """Index of each enterprise's first machine; one more entry than enterprises."""
    return np.concatenate([[0], np.cumsum(roll.machines)])


def sites_of_machines(roll: Roll, seed: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(enterprise, site) of each machine."""
    enterprise = np.repeat(np.arange(roll.size), roll.machines)
    first = np.searchsorted(roll.site_of, np.arange(roll.size + 1))
    many = first[enterprise + 1] - first[enterprise]
    draw = stream(seed, Draw.SITES, 1).random(len(enterprise))
    return enterprise, first[enterprise] + np.minimum((draw * many).astype(np.int64), many - 1)
