"""Problems of which the optimum is known: a plan is planted that nothing can be worth more than, and decoys around it."""

import numpy as np

from serving.inspection.model import DAY, Inspector, Minutes, Problem, Wanted, Window

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
    return _problem(inspectors, days, minutes, value, travel), float(sum(value))


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
    return _problem(inspectors, days, minutes, value, travel), float(inspectors * days * LASTS)


def _problem(inspectors: int, days: int, minutes: list[int], value: list[float], travel: Minutes) -> Problem:
    shifts = tuple(Window(day * DAY + BEGINS, day * DAY + BEGINS + LASTS) for day in range(days))
    people = tuple(Inspector(f"i{number}", number, shifts) for number in range(inspectors))
    wanted = tuple(
        Wanted(f"v{number}", f"s{number}", inspectors + number, shifts, lasting, float(worth))
        for number, (lasting, worth) in enumerate(zip(minutes, value, strict=True))
    )
    return Problem(people, wanted, travel)
