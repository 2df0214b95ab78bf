"""The machines of enterprises: where they stand, how they are kept, how near to failing they are, what failures bring about.

What a perfect observer expects of a machine, its mean hazard over the coming month, quarter and year, is regressed on its state
(wear of each part, chance to fail within three days, pace, habit) over all machines of the fleet and moments a while apart;
the states are known, the plans of its keepers are not. Sums run in a fixed order, so one seed gives one world on any number of
threads.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from features.simulator import chance, life, truth
from features.simulator.chance import Ints, Passport
from features.simulator.enterprise_life import AFTER_DAYS
from features.simulator.enterprise_roll import Draw, Roll, first_machines, habit_of, sites_of_machines, stream
from features.simulator.fleet import Fleet, Homes
from features.simulator.world import Floats, World

# Days ahead over which the mean hazard is told.
SPANS = ((0, 30), (30, 90), (90, 365))
_KNOTS = (0.0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 1.0)
_FIT_ROWS = 80_000
_ROWS = 40_000
_RIDGE_ROWS = 10.0
Singles = npt.NDArray[np.float32]


def lean_of(roll: Roll) -> Floats:
    """Lasting culture in standard deviations, as far as habits go."""
    reach = roll.world.machines.habit_reach
    return np.asarray(np.clip(roll.lasting / max(roll.world.culture.lasting, 1e-9), -reach, reach))


def fleet_of(roll: Roll, world: World, days: int, every_hours: int, seed: int) -> Fleet:
    """The fleet of a portfolio: machines of an enterprise follow each other, and are kept as its culture has it."""
    lean, reach = lean_of(roll), roll.world.machines.habit_reach
    habits = tuple(habit_of(world.habits, float(each), reach) for each in lean)
    enterprise, site = sites_of_machines(roll, seed)
    own = world.model_copy(update={"sites": len(roll.site_of), "enterprises": roll.size, "habits": habits})
    ahead = AFTER_DAYS * 24 + life.AHEAD_HOURS
    return Fleet(own, int(roll.machines.sum()), days, every_hours, seed, ahead, Homes(site, enterprise))


class Watch:
    """Sees the lives of a fleet and keeps what enterprises need of them. Each machine has rows of its own: any thread may call.

    hazard: [machine, day], chance of failing. wear: [machine, moment, part]. p: [machine, moment, horizon] as `truth.chances`.
    scored: as p, on the days `score_days`. failed: by machine, days and shares of days of its failures. days: of the moments.
    """

    def __init__(self, fleet: Fleet, days: Ints, score_days: Ints) -> None:
        total = fleet.days + AFTER_DAYS
        parts = max(len(kind.parts) for kind in fleet.world.kinds)
        self.days, self._hours, self._total, self.score_days = days, days * 24, total, score_days
        self.kind = np.zeros(fleet.machines, np.int8)
        self.pace = np.zeros(fleet.machines)
        self.hazard: Singles = np.zeros((fleet.machines, total), np.float32)
        self.wear: Singles = np.zeros((fleet.machines, len(days), parts), np.float32)
        self.p: Singles = np.zeros((fleet.machines, len(days), len(truth.HORIZONS)), np.float32)
        self.scored: Singles = np.zeros((fleet.machines, len(score_days), len(truth.HORIZONS)), np.float32)
        self.failed: list[Floats] = [np.empty(0)] * fleet.machines
        self._fleet = fleet

    def __call__(self, passport: Passport, lived: life.Life) -> None:
        at, world = passport.index, self._fleet.world
        self.kind[at] = passport.kind
        self.pace[at] = np.log(world.kinds[passport.kind].makes[passport.make].wear)
        self.pace[at] += world.aging_per_year * (passport.age_hours - sum(world.age_hours) / 2) / chance.HOURS_PER_YEAR
        whole = self._total * 24
        falls = -np.expm1(-lived.hazard[:whole].sum(axis=1))
        self.hazard[at] = falls.reshape(-1, 24).sum(axis=1)
        wear = lived.wear[self._hours]
        self.wear[at, :, : wear.shape[1]] = wear
        self.p[at] = truth.chances(lived, self._hours)[:, :, 0]
        self.scored[at] = truth.chances(lived, self.score_days * 24)[:, :, 0]
        hour = np.flatnonzero(lived.failed[:whole] >= 0)
        self.failed[at] = (hour + lived.failed_at[hour]) / 24.0


@dataclass(frozen=True)
class Machinery:
    """What the machines mean to their enterprises.

    hazard: [day, enterprise], failures expected on the path. ahead: [moment, enterprise, span], failures a day that are
    expected at the moment over SPANS. failed_*: day, enterprise and machine of each failure, in order of time. trigger: the
    chance that a failure at culture 0 brings about an accident.
    """

    hazard: Floats
    ahead: Floats
    failed_at: Floats
    failed_of: Ints
    failed_machine: Ints
    trigger: float


def machinery(roll: Roll, watch: Watch, total: int, moments: int) -> Machinery:
    """Sum up over the machines of each enterprise. total: days."""
    if not len(watch.kind):
        none = np.empty(0, dtype=np.int64)
        return Machinery(np.zeros((total, roll.size)), np.zeros((moments, roll.size, len(SPANS))), np.empty(0), none, none, 0.0)
    mean = len(watch.kind) / roll.size
    each = min(roll.world.machines.accidents_per_failure * roll.world.machines_per_enterprise / mean, 0.1)
    ahead = _expected(roll, watch)
    count = [len(failed) for failed in watch.failed]
    when, machine = np.concatenate(watch.failed), np.repeat(np.arange(len(count)), count)
    order = np.lexsort((machine, when))
    owner = np.repeat(np.arange(roll.size), roll.machines)
    return Machinery(
        _by_enterprise(roll, watch.hazard).T, _by_enterprise(roll, ahead).transpose(1, 0, 2),
        when[order], owner[machine[order]], machine[order], each,
    )  # fmt: skip


def _by_enterprise(roll: Roll, values: npt.NDArray[Any]) -> Floats:
    """Sums over the machines of each enterprise, which follow each other."""
    out = np.zeros((roll.size, *values.shape[1:]))
    first = first_machines(roll)
    for at in np.flatnonzero(roll.machines):
        out[at] = values[first[at] : first[at + 1]].sum(axis=0, dtype=np.float64)
    return out


def _expected(roll: Roll, watch: Watch) -> Singles:
    """[machine, moment, span]: mean hazard a day over SPANS from the moment on, by regression on the state then."""
    lean = np.repeat(lean_of(roll), roll.machines)
    out = np.zeros((len(watch.kind), len(watch.days), len(SPANS)), np.float32)
    for kind in np.unique(watch.kind):
        of = np.flatnonzero(watch.kind == kind)
        at = np.arange(0, len(watch.days), max(1, len(of) * len(watch.days) // _FIT_ROWS))
        fitted = watch.days[at]
        size = _design(watch, lean, of[:1], at[:1]).shape[1]
        gram, cross = np.zeros((size, size)), np.zeros((size, len(SPANS)))
        for some in _blocks(of, len(at)):
            x = _design(watch, lean, some, at).astype(np.float64)
            summed = np.cumsum(watch.hazard[some], axis=1, dtype=np.float64)
            summed = np.concatenate([np.zeros((len(some), 1)), summed], axis=1)
            rows = [(summed[:, fitted + high] - summed[:, fitted + low]) / (high - low) for low, high in SPANS]
            gram += x.T @ x
            cross += x.T @ np.stack(rows, axis=2).reshape(len(x), -1)
        # A ridge in proportion to each column's own size, worth so many rows; the level is left alone.
        scale = np.sqrt(np.maximum(np.diag(gram), 1e-12))
        ridge = np.full(size, _RIDGE_ROWS / (len(of) * len(at)))
        ridge[0] = 0.0
        system = gram / scale[:, None] / scale + np.diag(ridge)
        weights = (np.linalg.solve(system, cross / scale[:, None]) / scale[:, None]).astype(np.float32)
        for some in _blocks(of, len(watch.days)):
            told = _design(watch, lean, some, np.arange(len(watch.days)))
            out[some] = np.maximum(told @ weights, 0.0).reshape(len(some), len(watch.days), -1)
    return out


def _blocks(machines: Ints, moments: int) -> list[Ints]:
    return np.array_split(machines, -(-len(machines) * moments // _ROWS))


def _design(watch: Watch, lean: Floats, machines: Ints, moments: Ints) -> Singles:
    """[machine x moment, feature]: hinges in wear by part, pace and habit; chances of the coming days; what stays."""
    shape = (len(machines), len(moments))
    pace, habit = (np.broadcast_to(value[machines, None], shape).reshape(-1) for value in (watch.pace, lean))
    wear = watch.wear[machines][:, moments].reshape(len(pace), -1)
    p = watch.p[machines][:, moments].reshape(len(pace), -1)
    columns: list[npt.NDArray[Any]] = [np.ones_like(pace), pace, pace**2, habit, habit**2, pace * habit]
    columns += [p[:, 0], p[:, 1], p[:, 2], p[:, 2] ** 2]
    for part in range(wear.shape[1]):
        value = wear[:, part]
        hinges = [(value > 0) * 1.0, *(np.maximum(value - knot, 0.0) for knot in _KNOTS)]
        columns += hinges
        columns += [hinge * pace for hinge in hinges[1::2]] + [hinge * habit for hinge in hinges[1::2]]
    return np.stack(columns, axis=1).astype(np.float32)


def triggered(roll: Roll, made: Machinery, culture: Floats) -> npt.NDArray[np.bool_]:
    """Which failures bring about an accident."""
    draw = stream(roll.seed, Draw.TRIGGERED).random(len(made.failed_at))
    day = np.minimum(made.failed_at.astype(np.int64), len(culture) - 1)
    return np.asarray(draw < made.trigger * np.exp(-roll.world.machines.culture * culture[day, made.failed_of]))
