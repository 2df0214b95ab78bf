"""The truth behind simulated enterprises, kept apart from the lake: for tests and the report's ceiling, never for a feature.

Definition. At `as_of` a perfect observer knows every enterprise's state: its culture and workers of today, what past visits
still do, its open hazards and which of them will be late, its programme, the state of its machines. `expected_h` is the mean
number of accidents over the coming h days given that, over all futures of culture, size, visits, hazards and machines:

    base      workers and culture are independent; culture is Ornstein-Uhlenbeck: E exp(-b c) = exp(-b E c + b^2 Var c / 2);
              the effect of visits is linear in visits that come at a constant rate; a programme starts at a constant rate
    overdue   what is overdue is rectified at a constant rate; what is open and late comes to it on its day; what will be found
              and late is log-linear in culture
    machines  expected failures (enterprise_machines) times E exp(-b c)

Nothing of the future path is in it. `path_h` is the same sum along the path that was taken: an observer who knows the future.
Both count accidents that come to be recorded. Grades are those of State Council order 493 by deaths and loss.
`expected_insured_365` is what an insurer is expected to pay of the coming 365 days under the terms of the policy in force, as
if they were one policy year (enterprise_cover): limits per person, per accident and of the year, deductible, insured share.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds

from features.errors import NotFound
from features.schema import ENTERPRISE, TEXT, TIME
from features.simulator import enterprise_life as law_of
from features.simulator.chance import Ints
from features.simulator.enterprise_cover import Insured
from features.simulator.enterprise_life import AFTER_DAYS, USUAL_SIZE, YEAR, Life
from features.simulator.enterprise_machines import SPANS, Machinery
from features.simulator.enterprise_roll import Roll
from features.simulator.enterprise_severity import class_losses, class_shares
from features.simulator.truth import AS_OF, FOLDER, path_of
from features.simulator.world import Floats

NAME = "enterprises"
HORIZONS = (30, 90, 365)
GRADES = ("ordinary", "larger", "major", "especially_major")
_DAY = 86_400_000_000


def moments(first_epoch_day: int, days: int, every: int) -> Ints:
    """Days from the first one at which the truth is told: multiples of `every` days since 1970, as observations are."""
    return np.asarray(np.arange((-first_epoch_day) % every, days + 1, every), dtype=np.int64)


@dataclass(frozen=True)
class _Ahead:
    """Expectations at one moment; all [ahead day, enterprise]."""

    base: Floats
    left: Floats
    machines: Floats


def daily(roll: Roll, life: Life, made: Machinery) -> tuple[Floats, Floats, Floats]:
    """Accidents a day along the path that was taken, [day, enterprise]: of the enterprise's ways, overdue hazards, machines."""
    heard = 1.0 - roll.world.unrecorded_share
    eased = made.trigger * np.exp(-roll.world.machines.culture * life.culture(roll))
    return life.base * heard, life.left * heard, made.hazard * eased * heard


def expected(roll: Roll, life: Life, made: Machinery, days: Ints, first_day: int) -> Iterator[_Ahead]:
    """What a perfect observer expects of the AFTER_DAYS days that follow each of `days` (from the first day)."""
    law, ahead = roll.world, np.arange(AFTER_DAYS)
    spans = np.searchsorted([high for _, high in SPANS], ahead, side="right")
    late = _late_of(roll, life)
    for at, day in enumerate(days):
        lookup = _culture_ahead(roll, life.wander[day], ahead)
        base = roll.rate * life.workers[day] / YEAR * law_of.season(roll, ahead + first_day + day) * lookup(law.culture.effect)
        base *= _kept_ahead(roll, life.effect[day], life.programme <= day, ahead)
        left = _overdue_ahead(roll, life, late, int(day), lookup) * law.hazards.accidents_per_weight_year / YEAR
        machines = made.trigger * made.ahead[at].T[spans] * lookup(law.machines.culture)
        heard = 1.0 - law.unrecorded_share
        yield _Ahead(base * heard, left * heard, machines * heard)


class _culture_ahead:
    """E exp(-b c(t+s)) by slope b, [ahead, enterprise]."""

    def __init__(self, roll: Roll, wander: Floats, ahead: Ints) -> None:
        self._roll, self._wander = roll, wander
        self._keep = law_of.memory(roll) ** ahead[:, None]
        self._variance = roll.world.culture.wandering**2 * (1.0 - self._keep**2)

    def __call__(self, slope: float) -> Floats:
        mean = self._roll.lasting + self._keep * self._wander
        return np.asarray(np.exp(-slope * mean + slope**2 * self._variance / 2))


def _kept_ahead(roll: Roll, effect: Floats, running: Floats, ahead: Ints) -> Floats:
    culture, (pace, mean) = roll.world.culture, law_of.steady(roll)
    eased = 1.0 - roll.world.visits.relief * (mean + (effect - mean) * np.exp(-pace * ahead[:, None]))
    starts = np.where(running, 1.0, -np.expm1(-culture.programme_per_year * ahead[:, None] / YEAR))
    return np.asarray((1.0 + culture.subcontracting * roll.depth) * eased * (1.0 - culture.programme_relief * starts))


def _late_of(roll: Roll, life: Life) -> Floats:
    """[day, enterprise]: weight of hazards found on the day that will be late."""
    found, out = life.found, np.zeros(life.base.shape)
    np.add.at(out, (found.day[found.late], found.enterprise[found.late]), law_of.weight_of(roll, found)[found.late])
    return out


def _overdue_ahead(roll: Roll, life: Life, late: Floats, day: int, lookup: _culture_ahead) -> Floats:
    """Weight beyond its term on each day ahead: what is left of today's, what is open and late, what will be found and late."""
    law, size = roll.world.hazards, life.workers[day] / USUAL_SIZE
    heavy = [1.0 + (law.major_weight - 1.0) * share for share in (law.major_self, law.major_found)]
    own = law.self_per_year / YEAR * roll.reports * size**law.self_size * law.late_self * heavy[0]
    done = 1.0 - roll.world.visits.partial_share - roll.refuses
    reach = law_of.visit_rates(roll).sum(axis=0) * (done + roll.world.visits.partial_finds * roll.world.visits.partial_share)
    outside = reach * law.visit_finds * size**law.visit_size * law.late_found * heavy[1]
    new = own * lookup(-(law.self_culture + law.late_culture)) + outside * lookup(-(law.visit_culture + law.late_culture))
    out, keep, term = np.empty(new.shape), np.exp(-1.0 / law.overdue_days), law.due_days
    now = life.overdue[day]
    for s in range(len(out)):
        if s:
            found = day + s - term
            now = now * keep + (late[found] if 0 <= found < day else new[s - term] if s >= term else 0.0)
        out[s] = now
    return out


def tables(
    roll: Roll, life: Life, made: Machinery, days: Ints, first_day: int, begin: int, ids: pa.Array
) -> Iterator[pa.Table]:
    """Truth rows, moment by moment. begin: microseconds of the first day; ids: of the enterprises, in order."""
    shares, losses = class_shares(roll), class_losses(roll)
    each, insured = (shares * losses).sum(axis=1), Insured(roll, shares)
    grades = np.stack([shares[:, 0] + shares[:, 1], *shares.T[2:]])
    paths = [np.concatenate([np.zeros((1, roll.size)), np.cumsum(part, axis=0)]) for part in daily(roll, life, made)]
    culture = life.culture(roll)
    for day, ahead in zip(days.tolist(), expected(roll, life, made, days, first_day), strict=True):
        watched = roll.joins <= day
        parts = {"ways": ahead.base, "hazards": ahead.left, "machines": ahead.machines}
        total = {h: sum(part[:h].sum(axis=0) for part in parts.values()) for h in HORIZONS}
        columns = {f"expected_{h}": total[h] for h in HORIZONS}
        columns |= {f"expected_365_{grade}": total[365] * grades[at] for at, grade in enumerate(GRADES)}
        columns |= {f"expected_loss_{h}": total[h] * each for h in HORIZONS}
        columns |= {"expected_insured_365": insured.expected(total[365])}
        columns |= {f"{name}_{h}": part[:h].sum(axis=0) for name, part in parts.items() for h in (30, 365)}
        columns |= {f"path_{h}": sum(path[day + h] - path[day] for path in paths) for h in HORIZONS}
        columns |= {"culture": culture[day], "workers": life.workers[day]}
        when = pa.array(np.full(int(watched.sum()), begin + day * _DAY)).cast(TIME)
        made_of = {name: pa.array(value[watched].astype(np.float32)) for name, value in columns.items()}
        yield pa.table({ENTERPRISE: ids.filter(pa.array(watched)).cast(TEXT), AS_OF: when, **made_of})


def read(home: Path, *, columns: list[str] | None = None) -> pa.Table:
    """The truth of simulated enterprises: enterprise_id, as_of, expected_30, ..., by time and enterprise. Raises NotFound."""
    path = path_of(home / FOLDER, NAME)
    if not path.is_file():
        mend = "only `forewarn simulate --enterprises` makes one"
        raise NotFound("no truth of enterprises", where=str(path.parent), mend=mend)
    return ds.dataset(path).to_table(columns=columns)
