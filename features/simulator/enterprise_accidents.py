"""Accidents of enterprises: who, when, of what kind and class, with which loss; and how they become known.

They come at the rates of enterprise_life, and with failures of machines (enterprise_machines). An accident is recorded days to
weeks after it happened; some are never recorded; of the fatal ones some were injuries at first.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from features.enterprise import schema
from features.simulator import enterprise_tables as told
from features.simulator.chance import Ints
from features.simulator.enterprise_life import Life
from features.simulator.enterprise_machines import Machinery, triggered
from features.simulator.enterprise_roll import Draw, Roll, stream
from features.simulator.enterprise_rows import Columns, Frame, numbered, one, repeated, stacked, table
from features.simulator.enterprise_severity import class_shares
from features.simulator.world import Floats

_MOST_DELAY = 120.0
_HARMED = ((1, "deaths"), (2, "injuries"))


@dataclass(frozen=True)
class Accidents:
    """A row per accident that comes to be recorded, in order of time. at: days; known: days; machine: index or -1.

    injury: those that were recorded as an injury first and corrected to a death at `corrected` days (NaN: none).
    """

    at: Floats
    known: Floats
    of: Ints
    machine: Ints
    cause_words: list[str]
    cause: Ints
    severity: Ints
    deaths: Ints
    injuries: Ints
    loss: Floats
    corrected: Floats


def accidents(roll: Roll, life: Life, made: Machinery, days: int) -> Accidents:
    """All accidents of the first `days`."""
    of_rates = [_from_rate(roll, rate[:days], draw) for rate, draw in ((life.base, Draw.ACCIDENTS), (life.left, Draw.OVERDUE))]
    hit = triggered(roll, made, life.culture(roll)) & (made.failed_at < days)
    at = np.concatenate([*(when for when, _ in of_rates), made.failed_at[hit]])
    of = np.concatenate([*(who for _, who in of_rates), made.failed_of[hit]])
    machine = np.concatenate([np.full(len(at) - hit.sum(), -1), made.failed_machine[hit]])
    order = np.lexsort((of, at))
    return _described(roll, at[order], of[order], machine[order])


def _from_rate(roll: Roll, rate: Floats, purpose: Draw) -> tuple[Floats, Ints]:
    """(days, enterprises) of a Poisson process with a rate by day; by day, at any hour of it."""
    count = stream(roll.seed, purpose).poisson(rate)
    day, of = np.nonzero(count)
    times = count[day, of]
    day, of = np.repeat(day, times), np.repeat(of, times)
    # Work is done by day more than at night.
    share = stream(roll.seed, purpose, 1).beta(2.0, 2.0, len(day))
    return day + share, of


def _described(roll: Roll, at: Floats, of: Ints, machine: Ints) -> Accidents:
    law, count = roll.world.accidents, len(at)
    draws = stream(roll.seed, Draw.SEVERITY).random((count, 8))
    normal = stream(roll.seed, Draw.SEVERITY, 1).standard_normal((count, 2))
    edges = np.cumsum(class_shares(roll), axis=1)
    severity = np.minimum((draws[:, :1] >= edges[of]).sum(axis=1), edges.shape[1] - 1)
    losses = roll.world.losses
    median, spread, cap = (np.array([getattr(loss, name) for loss in losses])[severity] for name in ("median", "spread", "cap"))
    loss = np.minimum(median * roll.severity[of] * np.exp(spread * normal[:, 0]), cap)
    deaths, injuries = (_within(draws[:, nth], [getattr(each, name) for each in losses], severity) for nth, name in _HARMED)
    words, cause = told.causes_of(roll, of, draws[:, 3])
    if "machinery" not in words:
        words = [*words, "machinery"]
    cause = np.where((machine >= 0) & (draws[:, 4] < law.machinery_share), words.index("machinery"), cause)
    delay = np.minimum(law.delay_days * np.exp(law.delay_spread * normal[:, 1]), _MOST_DELAY)
    dies = (deaths > 0) & (severity == 1) & (draws[:, 5] < law.dies_later_share)
    anew = ~dies & (draws[:, 5] > 1.0 - law.corrected_share)
    (low, high), (soonest, latest) = law.dies_after_days, law.revised_after_days
    later = np.where(dies, low + (high - low) * draws[:, 6], soonest + (latest - soonest) * draws[:, 6])
    corrected = np.where(dies | anew, delay + later, np.nan)
    heard = draws[:, 7] >= roll.world.unrecorded_share
    return Accidents(
        at=at[heard],
        known=(at + delay)[heard],
        of=of[heard],
        machine=machine[heard],
        cause_words=words,
        cause=cause[heard],
        severity=severity[heard],
        deaths=deaths[heard],
        injuries=injuries[heard],
        loss=np.round(loss, -2)[heard],
        corrected=(at + corrected)[heard],
    )


def _within(draw: Floats, ranges: list[tuple[int, int]], severity: Ints) -> Ints:
    """Whole numbers within the range of each severity; the low end is the usual one."""
    low, high = np.array(ranges)[severity].T
    return np.asarray(low + np.floor(draw**2.5 * (high - low + 1)).astype(np.int64))


def rows(roll: Roll, found: Accidents, frame: Frame, machine_ids: list[str]) -> pa.Table:
    """The contract table: as first told, and as corrected."""
    count = len(found.at)
    draws = stream(roll.seed, Draw.CLAIMS, 1).random((count, 2))
    dies = ~np.isnan(found.corrected) & (found.severity == 1) & (found.deaths > 0)
    guess = np.round(found.loss * (0.6 + 0.6 * draws[:, 1]), -2)
    anew = ~np.isnan(found.corrected) & ~dies & (guess != found.loss)
    columns: Columns = {
        "accident_id": numbered("accident", count),
        "site_id": (told.site_words(roll), told.sites_of(roll, found.of, Draw.ACCIDENTS)),
        "machine_id": (machine_ids or [""], found.machine),
        "process": (told.process_words(roll), told.process_places(roll)[found.of]),
        "cause": (found.cause_words, np.where(draws[:, 0] < roll.world.accidents.uncoded_share, -1, found.cause)),
        "deaths": np.where(dies, 0, found.deaths),
        "injuries": np.where(dies, found.injuries + found.deaths, found.injuries),
        "direct_loss": np.where(anew, guess, found.loss),
        "currency": one("CNY", count),
    }
    again = np.flatnonzero(dies | anew)
    final: Columns = {**columns, "deaths": found.deaths, "injuries": found.injuries, "direct_loss": found.loss}
    event = frame.at(found.at)
    return table(
        frame, schema.ACCIDENTS, np.concatenate([found.of, found.of[again]]), np.concatenate([event, event[again]]),
        frame.at(np.concatenate([found.known, found.corrected[again]])), stacked([columns, repeated(final, again)]),
    )  # fmt: skip


__all__ = ["Accidents", "accidents", "rows"]
