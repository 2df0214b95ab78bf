"""Policies year by year, and claims as they were valued: what was paid and reserved at each valuation date."""

import numpy as np

from features.enterprise import schema
from features.simulator.enterprise_accidents import Accidents
from features.simulator.enterprise_cover import POLICY_DAYS, cover, due
from features.simulator.enterprise_life import Life
from features.simulator.enterprise_roll import Draw, Roll, stream
from features.simulator.enterprise_rows import Columns, Frame, numbered, one, stacked, table
from features.simulator.enterprise_tables import Told


def policies(roll: Roll, life: Life, frame: Frame, days: int) -> Told:
    """Each enterprise is covered from its start on, a year at a time; the premium knows industry and size, not the risk."""
    law, terms, rng = roll.world.money, cover(roll), stream(roll.seed, Draw.MONEY)
    rng.random(roll.size)  # what decides the limits
    rate = roll.of_industry([industry.rate / 1000.0 for industry in roll.world.industries])
    blocks, events, everyone = [], [], np.arange(roll.size)
    for nth in range(days // POLICY_DAYS + 1):
        start = roll.joins + nth * POLICY_DAYS
        workers = life.workers[np.minimum(start.astype(np.int64), len(life.workers) - 1), everyone]
        blur = np.exp(law.premium_spread * rng.standard_normal(roll.size))
        block: Columns = {
            "ends": frame.at(start + POLICY_DAYS),
            "premium": np.round(workers * rate * law.loss_per_accident * law.premium_loading * blur, -2),
            "currency": one("CNY", roll.size),
            "limit_per_person": terms.per_person,
            "limit_per_accident": terms.per_accident,
            "limit_aggregate": terms.aggregate,
            "deductible": terms.deductible,
            "headcount": np.round(workers),
        }
        blocks.append(block)
        events.append(start)
    event, of = np.concatenate(events), np.tile(everyone, len(blocks))
    columns: Columns = {"policy_id": numbered("policy", len(of)), **stacked(blocks)}
    return schema.POLICIES, table(frame, schema.POLICIES, of, frame.at(event), frame.at(event), columns)


def claims(roll: Roll, found: Accidents, frame: Frame) -> Told:
    """A claim for each accident of which the policy in force pays something, valued again and again until it is closed."""
    law, count = roll.world.money, len(found.at)
    draws = stream(roll.seed, Draw.CLAIMS).random((count, 2))
    blur = stream(roll.seed, Draw.CLAIMS, 2).standard_normal((count, len(law.valued_after_days)))
    amount = due(roll, found)
    chosen = np.flatnonzero(amount > 0)
    opened = found.known[chosen] + 1 + 20 * draws[chosen, 0]
    ids = [f"claim-{number:07d}" for number in range(1, len(chosen) + 1)]
    names = [f"accident-{number:07d}" for number in range(1, count + 1)]
    blocks, valued = [], []
    for nth, (after, paid) in enumerate(zip(law.valued_after_days, law.paid_share, strict=True)):
        # A reserve is a guess at what is still to be paid, the better the older the claim.
        open_share = 1.0 - paid
        guess = law.reserve_bias * np.exp(law.reserve_spread * open_share * blur[chosen, nth])
        when = opened + after
        blocks.append({
            "claim_id": (ids, np.arange(len(chosen))),
            "valued_at": frame.at(when),
            "accident_id": (names, chosen),
            "paid": np.round(amount[chosen] * paid, -1),
            "reserved": np.round(amount[chosen] * open_share * guess, -1),
            "currency": one("CNY", len(chosen)),
            "status": (("open", "closed"), np.full(len(chosen), int(paid >= 1.0))),
        })  # fmt: skip
        valued.append(when)
    when, again = np.concatenate(valued), np.tile(chosen, len(blocks))
    known = frame.at(when + 0.1)
    return schema.CLAIMS, table(frame, schema.CLAIMS, found.of[again], frame.at(found.at[again]), known, stacked(blocks))
