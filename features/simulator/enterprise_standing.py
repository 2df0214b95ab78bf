"""What authorities and the insurer's service leave behind: violations with penalties, permits, services delivered."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from features.enterprise import schema
from features.simulator.chance import Ints
from features.simulator.enterprise_life import DONE, REFUSED, VISITORS, YEAR, Life
from features.simulator.enterprise_roll import Draw, Roll, stream
from features.simulator.enterprise_rows import Columns, Frame, numbered, one, stacked, table
from features.simulator.enterprise_tables import Told
from features.simulator.world import Floats

VIOLATIONS = (
    "no_guard",
    "no_permit_to_work",
    "blocked_exit",
    "no_protection",
    "untrained_staff",
    "overdue_check",
    "bad_storage",
)
ITEMS = ("hazard_inspection", "risk_assessment", "training", "drill", "technology")
PERMIT = "safety_production"
STATES = ("granted", "suspended")
Flags = npt.NDArray[np.bool_]


def tables(roll: Roll, life: Life, frame: Frame, days: int) -> Iterator[Told]:
    """Violations, permits and services of the first `days`."""
    day, of, serious = _violated(roll, life)
    yield _violations(roll, frame, day, of, serious)
    yield _permits(roll, frame, days, day, of, serious)
    yield _services(roll, life, frame, days)


def _violated(roll: Roll, life: Life) -> tuple[Floats, Ints, Flags]:
    """(day, enterprise, whether it is serious) of what authorities find at their visits."""
    sign, visits = roll.world.signs.violations, life.visits
    chosen = np.flatnonzero((visits.visitor == VISITORS.index("authority")) & (visits.outcome != REFUSED))
    day, of = visits.day[chosen], visits.enterprise[chosen]
    own = sign.own * stream(roll.seed, Draw.STANDING, 20).standard_normal(roll.size)[of]
    rate = np.exp(sign.level + sign.slope * (roll.lasting[of] + life.wander[day, of]) + own)
    count = stream(roll.seed, Draw.STANDING, 21).poisson(rate)
    day, of = np.repeat(day, count), np.repeat(of, count)
    serious = stream(roll.seed, Draw.STANDING, 22).random(len(day)) < roll.world.standing.serious_share
    return np.asarray(day + 0.5), of, serious


def _violations(roll: Roll, frame: Frame, day: Floats, of: Ints, serious: Flags) -> Told:
    draws = stream(roll.seed, Draw.STANDING, 23).random((len(day), 2))
    blur = stream(roll.seed, Draw.STANDING, 24).standard_normal(len(day))
    penalty = roll.world.standing.penalty_cny * np.where(serious, 4.0, 1.0) * np.exp(0.6 * blur)
    columns: Columns = {
        "violation_id": numbered("violation", len(day)),
        "code": (VIOLATIONS, (draws[:, 0] * len(VIOLATIONS)).astype(np.int64)),
        "grade": (("minor", "serious"), serious.astype(np.int64)),
        "penalty": np.round(penalty, -2),
        "currency": one("CNY", len(day)),
    }
    known = frame.at(day + 5 + 30 * draws[:, 1])
    return schema.VIOLATIONS, table(frame, schema.VIOLATIONS, of, frame.at(day), known, columns)


def _permits(roll: Roll, frame: Frame, days: int, day: Floats, of: Ints, serious: Flags) -> Told:
    """Granted at the start and every three years; a serious violation may suspend it for a while."""
    law, everyone = roll.world.standing, np.arange(roll.size)
    blocks = []
    for at in range(days // law.permit_days + 1):
        granted = np.maximum(roll.joins, 0.0) + at * law.permit_days
        blocks.append((everyone, granted, np.zeros(roll.size, dtype=np.int64), granted + law.permit_days))
    draws = stream(roll.seed, Draw.STANDING, 25).random((len(day), 2))
    hit = np.flatnonzero(serious & (draws[:, 0] < law.suspended_share))
    begins = day[hit] + 10 + np.floor(20 * draws[hit, 1])
    for code, when in ((1, begins), (0, begins + law.suspended_days)):
        blocks.append((of[hit], when, np.full(len(hit), code), when + law.permit_days))
    owner, event, state, ends = (np.concatenate([block[at] for block in blocks]) for at in range(4))
    order = np.lexsort((state, owner, event))
    owner, event, state, ends = owner[order], event[order], state[order], ends[order]
    columns: Columns = {
        "permit_id": numbered("permit", len(owner)),
        "kind": one(PERMIT, len(owner)),
        "state": (STATES, state),
        "expires": frame.at(ends),
    }
    return schema.PERMITS, table(frame, schema.PERMITS, owner, frame.at(event), frame.at(event + 1), columns)


def _services(roll: Roll, life: Life, frame: Frame, days: int) -> Told:
    """An inspection with each of the insurer's visits that was done; other items at their own pace."""
    visits = life.visits
    chosen = np.isin(visits.visitor, [0, len(VISITORS) - 1]) & (visits.outcome == DONE)
    day, of = visits.day[chosen] + 0.7, visits.enterprise[chosen]
    rng = stream(roll.seed, Draw.STANDING, 26)
    came = np.stack([rng.random((roll.size, len(ITEMS) - 1)) < 1.0 / YEAR for _ in range(days)])
    other, whose, item = np.nonzero(came)
    parts: list[Columns] = [
        {"item": (ITEMS, np.zeros(len(day), dtype=np.int64))},
        {"item": (ITEMS, item + 1)},
    ]
    event, owner = np.concatenate([day, other + 0.4]), np.concatenate([of, whose])
    order = np.lexsort((owner, event))
    columns = stacked(parts)
    draws = stream(roll.seed, Draw.STANDING, 27).random((len(event), 3))
    made: Columns = {
        "service_id": numbered("service", len(event)),
        "item": (ITEMS, columns["item"][1][order]),
        "provider": (("insurer", "third_party"), (draws[:, 0] < 0.4).astype(np.int64)),
        "hours": np.round(2 + 10 * draws[:, 1], 1),
    }
    event, owner = event[order], owner[order]
    known = frame.at(event + 0.2 + 8 * draws[:, 2])
    return schema.SERVICES, table(frame, schema.SERVICES, owner, frame.at(event), known, made)
