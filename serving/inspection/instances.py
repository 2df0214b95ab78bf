"""Problems of which the optimum is known: a plan is planted that nothing can be worth more than, and decoys around it.

And `mixed` ones with every rule there is, of which it is not.
"""

from dataclasses import replace

import numpy as np

from serving.inspection.model import DAY, Costs, Inspector, Minutes, Mode, Problem, Tier, Wanted, Window

BEGINS, LASTS = 8 * 60, 8 * 60
LEAST_MINUTES = 20
AREA = 100.0  # minutes of travel across what is an inspector's on average


def planted(sites: int, inspectors: int, days: int, seed: int, *, decoys: float = 0.2) -> tuple[Problem, float]:
    """A problem of about so many sites on a plane, with the value of its optimum.

    Each shift of each inspector is filled to the minute by a planted tour around the home; the share `decoys` of sites lies
    anywhere and is worth nothing. So the planted plan holds all that is worth anything: no plan is worth more.
    """
    rng = np.random.default_rng(seed)
    per = max(1, round(sites * (1 - decoys) / (inspectors * days)))
    side = AREA * np.sqrt(inspectors)
    homes = rng.random((inspectors, 2)) * side
    points, minutes, value = [], [], []
    for home in homes:
        for _ in range(days):
            around, far = np.sort(rng.random(per) * 2 * np.pi), rng.random(per) * 25
            own = home + np.c_[np.cos(around) * far, np.sin(around) * far]
            tour = np.vstack([home, own, home])
            left = LASTS - int(np.ceil(np.hypot(*np.diff(tour, axis=0).T)).sum()) - per * LEAST_MINUTES
            if left < 0:
                raise ValueError(f"{per} visits a day do not fit: fewer sites, or more inspectors or days")
            lasting = LEAST_MINUTES + rng.multinomial(left, rng.dirichlet(np.ones(per) * 3))
            points.append(own)
            minutes += lasting.tolist()
            value += rng.integers(80, 200, per).tolist()
    planted_sites = len(minutes)
    others = max(0, sites - planted_sites)
    points.append(rng.random((others, 2)) * side)
    minutes += rng.integers(30, 120, others).tolist()
    value += [0] * others
    at = np.vstack([homes, *points])
    travel = np.ceil(np.hypot(*(at[:, None] - at[None]).transpose(2, 0, 1))).astype(np.int64)
    return _problem(inspectors, days, minutes, value, travel, rng), float(sum(value))


def packed(sites: int, inspectors: int, days: int, seed: int, *, decoys: float = 0.2) -> tuple[Problem, float]:
    """A problem of about so many sites on spokes around homes, with the value of its optimum; decoys are worth something too.

    Travel to a spoke's end and back is of one length whatever comes before and after, at least. So a visit takes its minutes
    and its spoke twice; planted visits are worth just that and fill each shift to the minute, decoys are worth 50 to 90 % of
    it: no plan is worth more than all shifts have minutes, and the planted one is.
    """
    rng = np.random.default_rng(seed)
    per = max(1, round(sites * (1 - decoys) / (inspectors * days)))
    homes = rng.random((inspectors, 2)) * AREA * np.sqrt(inspectors)
    hub, spoke, minutes, value = list(range(inspectors)), [0] * inspectors, [], []
    for shift in range(inspectors * days):
        left = LASTS - per * (LEAST_MINUTES + 10)
        if left < 0:
            raise ValueError(f"{per} visits a day do not fit: fewer sites, or more inspectors or days")
        taken = LEAST_MINUTES + 10 + rng.multinomial(left, rng.dirichlet(np.ones(per) * 3))
        out = rng.integers(1, (taken - LEAST_MINUTES) // 2 + 1)
        hub += [shift // days] * per
        spoke += out.tolist()
        minutes += (taken - 2 * out).tolist()
        value += taken.astype(float).tolist()
    for _ in range(max(0, sites - len(minutes))):
        length, lasting = int(rng.integers(1, 15)), int(rng.integers(LEAST_MINUTES, 90))
        hub.append(int(rng.integers(inspectors)))
        spoke.append(length)
        minutes.append(lasting)
        value.append((lasting + 2 * length) * float(rng.uniform(0.5, 0.9)))
    ends, centre = np.array(spoke), np.array(hub)
    between = np.ceil(np.hypot(*(homes[:, None] - homes[None]).transpose(2, 0, 1))).astype(np.int64)
    travel = between[np.ix_(centre, centre)] + ends[:, None] + ends[None, :]
    np.fill_diagonal(travel, 0)
    return _problem(inspectors, days, minutes, value, travel, rng), float(inspectors * days * LASTS)


def _problem(
    inspectors: int, days: int, minutes: list[int], value: list[float], travel: Minutes, rng: np.random.Generator
) -> Problem:
    """Sites in an order by lot: one that follows the planted plan would tell a planner of it."""
    order = rng.permutation(len(minutes))
    at = np.r_[np.arange(inspectors), inspectors + order]
    travel = np.ascontiguousarray(travel[np.ix_(at, at)])
    shifts = tuple(Window(day * DAY + BEGINS, day * DAY + BEGINS + LASTS) for day in range(days))
    people = tuple(Inspector(f"i{number}", number, shifts) for number in range(inspectors))
    wanted = tuple(
        Wanted(f"v{number}", f"s{number}", inspectors + number, shifts, minutes[one], float(value[one]))
        for number, one in enumerate(order.tolist())
    )
    return Problem(people, wanted, travel)


def mixed(sites: int, inspectors: int, days: int, seed: int, *, owed: float = 0.15) -> Problem:
    """A week of all kinds: skills, regions, days and hours that sites are open, remote visits, visits bound to an inspector by
    lot, pins, and the share `owed` of visits in the two tiers above value."""
    rng = np.random.default_rng(seed)
    side = AREA * np.sqrt(inspectors) / 2
    at = np.vstack([rng.random((inspectors, 2)), rng.random((sites, 2))]) * side
    travel = np.ceil(np.hypot(*(at[:, None] - at[None]).transpose(2, 0, 1))).astype(np.int64)
    shifts = tuple(Window(day * DAY + BEGINS, day * DAY + BEGINS + LASTS) for day in range(days))
    people = tuple(
        Inspector(
            f"i{number}", number,
            tuple(shift for shift in shifts if len(shifts) == 1 or rng.random() < 0.9) or shifts[:1],
            frozenset(skill for skill in ("gas", "dust") if rng.random() < 0.6),
            frozenset({"west" if at[number, 0] < side / 2 else "east"}) if rng.random() < 0.5 else frozenset(),
        )
        for number in range(inspectors)
    )  # fmt: skip
    wanted = [_any(rng, number, people, shifts, at[inspectors + number, 0] < side / 2, owed) for number in range(sites)]
    for number, who in enumerate(people[: max(1, inspectors // 5)]):  # one pin each, in the middle of the first day worked
        one = wanted[number]
        start = who.shifts[0].start + LASTS // 2 - one.minutes // 2
        if travel[who.place, one.place] <= LASTS // 2 - one.minutes:
            free = {"skills": frozenset[str](), "region": "", "inspectors": None, "windows": shifts}
            wanted[number] = replace(one, pinned=(who.inspector_id, start), **free)  # type: ignore[arg-type]
    return Problem(people, tuple(wanted), travel, Costs(minute_of_travel=0.2, unfamiliar=2.0))


def _any(
    rng: np.random.Generator, number: int, people: tuple[Inspector, ...], shifts: tuple[Window, ...], west: bool, owed: float
) -> Wanted:
    windows = shifts
    if (kind := rng.random()) < 0.2:
        windows = tuple(shifts[day] for day in sorted(rng.choice(len(shifts), max(1, len(shifts) // 2), replace=False)))
    elif kind < 0.4:
        begins = int(rng.integers(0, LASTS - 180))
        windows = tuple(Window(shift.start + begins, shift.start + begins + 180) for shift in shifts)
    elif kind < 0.5:
        windows = tuple(part for one in shifts for part in (Window(one.start, one.start + 180), Window(one.end - 150, one.end)))
    tier = Tier.VALUE if rng.random() >= owed else Tier(int(rng.random() < 0.7))
    skills = frozenset({str(rng.choice(["gas", "dust"]))} if rng.random() < 0.3 else ())
    region = ("west" if west else "east") if rng.random() < 0.8 else ""
    able = [
        who.inspector_id for who in people if skills <= who.skills and (not region or not who.regions or region in who.regions)
    ]
    return Wanted(
        f"v{number}", f"s{number}", len(people) + number, windows, int(rng.integers(30, 110)), float(rng.lognormal(4.0, 0.7)),
        tier, mode=Mode.REMOTE if rng.random() < 0.1 else Mode.ON_SITE, skills=skills, region=region,
        inspectors=frozenset({str(rng.choice(able))}) if able and rng.random() < 0.1 else None,
        known=str(rng.choice(able)) if able and rng.random() < 0.3 else "",
    )  # fmt: skip
