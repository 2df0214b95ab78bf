"""The dated table `machine_risk`: what was known of the machines of each enterprise together.

A row of a day D (00:00 UTC, both its clocks) and an enterprise holds, of the rows of machines and machine_scores visible at D:

machines                machines that belong to it
scored                  of them those with a score that counts: the newest by its as_of, if that is at most HOLDS_DAYS old
p72_sum, _max, _mean    their probabilities of failure within 72 h, added up bucket by bucket and by id
above_05, above_20      share of the scored machines above 5 %, above 20 %
oldest_days,            age of the oldest and of the newest of these scores
newest_days
reconstructed           share of these scores that rolling refits have filled in for the past

There is a row for each day that ended with something new about the enterprise's machines; the rows before it hold
(features/enterprise/machine.py says how long). So a row is a function of what was known at D, and what is known later adds none
to the past. Scores of whichever machine bundle count: `upstream` tells of which they are, so that whoever scores enterprises
can see that another machine bundle than the one that the model was trained on has taken over.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.clock import in_order, known_at, known_spans, times
from features.enterprise.history import positions
from features.enterprise.kernel import DAY
from features.enterprise.published import MACHINE_RISK
from features.history import Ints, Series, series
from features.kernel import after, jit, version_at
from features.schema import ENTERPRISE, EVENT_TIME, MACHINE, MACHINE_SCORES, MACHINES, TIME

VERSION = 1
HOLDS_DAYS = 30
LIMITS = (0.05, 0.2)
DAY_MICROS = int(DAY)
NUMBERS = tuple(column.name for column in MACHINE_RISK.own)
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Machines:
    """Machines, with the enterprise of each version of their row (index into `enterprises`, -1 none) and their scores.

    scores.values: p72, whether it was reconstructed.
    """

    enterprises: list[str]
    versions: Series
    scores: Series


def machines_of(buckets: Iterable[tuple[pa.Table, pa.Table]]) -> Machines:
    """Machines and their scores, bucket by bucket and by id. Tables with all versions, in any order.

    Scores of other machines are left out. Of a bucket nothing is held but numbers.
    """
    owners: dict[str, int] = {}
    parts = [_bucket(machines, scores, owners) for machines, scores in buckets]
    names = sorted(owners)
    rank = np.append(np.argsort(np.argsort(list(owners))) if owners else np.empty(0, dtype=np.int64), -1)
    versions, scores = (_joined([part[place] for part in parts]) for place in range(2))
    return Machines(names, replace(versions, codes=rank[versions.codes].astype(np.int32)), scores)


def _bucket(machines: pa.Table, scores: pa.Table, owners: dict[str, int]) -> tuple[Series, Series]:
    rows = in_order(machines, MACHINES)
    ids = rows.column(MACHINE).unique().to_pylist()
    for name in rows.column(ENTERPRISE).drop_null().unique().to_pylist():
        owners.setdefault(name, len(owners))
    owner = positions(rows.column(ENTERPRISE), list(owners)).astype(np.int32)
    spans = known_spans(rows, MACHINES)
    machine = positions(rows.column(MACHINE), ids)
    versions = series(machine, times(rows, EVENT_TIME), *spans, machines=len(ids), codes=owner)
    told = in_order(scores, MACHINE_SCORES)
    machine = positions(told.column(MACHINE), ids)
    told, machine = told.filter(pa.array(machine >= 0)), machine[machine >= 0]
    values = np.stack([told.column("p72").to_numpy(), told.column("reconstructed").cast(pa.float64()).to_numpy()])
    spans = known_spans(told, MACHINE_SCORES)
    return versions, series(machine, times(told, EVENT_TIME), *spans, machines=len(ids), values=values)


def _joined(parts: Sequence[Series]) -> Series:
    """The machines of several buckets, one after the other."""
    if not parts:
        nothing = np.empty(0, dtype=np.int64)
        return series(nothing, nothing, nothing, nothing, machines=0, values=np.empty((2, 0)))
    rows = np.cumsum([0, *(part.rows for part in parts)])
    offsets = [part.offsets[:-1] + first for part, first in zip(parts, rows[:-1], strict=True)]
    return Series(
        np.concatenate([*offsets, rows[-1:]]),
        np.concatenate([part.event for part in parts]),
        np.concatenate([part.known_from for part in parts]),
        np.concatenate([part.known_to for part in parts]),
        np.zeros(int(rows[-1]) + 1, dtype=np.int64),
        np.concatenate([part.values for part in parts], axis=1),
        np.concatenate([part.codes for part in parts]),
    )


def made(buckets: Iterable[tuple[pa.Table, pa.Table]]) -> pa.Table:
    """The whole table, from the machines of all buckets and all their scores."""
    fleet = machines_of(buckets)
    pairs = _pairs(fleet)
    days = _days(fleet)
    out = np.empty((len(NUMBERS), len(days)))
    rows, told = fleet.versions, fleet.scores
    offsets = np.searchsorted(pairs[:, 0], np.arange(len(fleet.enterprises) + 1))
    _risk(
        offsets, pairs[:, 1].copy(), rows.offsets, rows.known_from, rows.known_to, rows.codes,
        told.offsets, told.event, told.known_from, told.known_to, told.values, days[:, 0].copy(), days[:, 1] * DAY_MICROS, out,
    )  # fmt: skip
    moment = pa.array(days[:, 1] * DAY_MICROS).cast(TIME)
    ids = pa.array(fleet.enterprises, pa.string()).take(pa.array(days[:, 0]))
    numbers = [pa.array(values, pa.float64(), from_pandas=True) for values in out]
    return pa.table([ids, moment, moment, *numbers], schema=MACHINE_RISK.arrow)


def _pairs(fleet: Machines) -> Ints:
    """(enterprise, machine) of all that ever belonged together, by enterprise and machine."""
    machine = np.repeat(np.arange(len(fleet.versions.offsets) - 1), np.diff(fleet.versions.offsets))
    both = np.stack([fleet.versions.codes.astype(np.int64), machine], axis=1)
    return np.unique(both[both[:, 0] >= 0], axis=0)


def _days(fleet: Machines) -> Ints:
    """(enterprise, day) at whose beginning something new was known of one of its machines, by enterprise and day.

    A new version of a machine is news to the enterprise it names and to the one of the version before, a score to the one that
    the machine belonged to then.
    """
    versions, scores = fleet.versions, fleet.scores
    told = np.repeat(np.arange(len(scores.offsets) - 1), np.diff(scores.offsets))
    changed, owner = -(-versions.known_from // DAY_MICROS), versions.codes.astype(np.int64)
    before = np.concatenate([[-1], owner])[:-1]
    before[versions.offsets[:-1]] = -1
    scored = np.unique(np.stack([told, -(-scores.known_from // DAY_MICROS)], axis=1), axis=0)
    row = np.empty(len(scored), dtype=np.int64)
    spans = (versions.offsets, versions.known_from, versions.known_to)
    version_at(*spans, scored[:, 0].copy(), scored[:, 1] * DAY_MICROS, row)
    news = [(owner, changed), (before, changed), (np.append(owner, -1)[row], scored[:, 1])]
    both = np.concatenate([np.stack(pair, axis=1) for pair in news])
    return np.unique(both[both[:, 0] >= 0], axis=0)


@jit
def _risk(  # type: ignore[no-untyped-def]
    offsets, machines, v_offsets, v_from, v_to, owner, s_offsets, s_event, s_from, s_to, values, enterprise, day, out
):
    """The numbers of each (enterprise, day): float64[numbers, days]."""
    for i in range(len(day)):
        e, now = enterprise[i], day[i]
        out[:, i] = 0.0
        oldest, newest = 0.0, np.inf
        for place in range(offsets[e], offsets[e + 1]):
            m = machines[place]
            mine = False
            for row in range(v_offsets[m], v_offsets[m + 1]):
                if v_from[row] <= now < v_to[row]:
                    mine = owner[row] == e
            if not mine:
                continue
            out[0, i] += 1.0
            row = after(s_event, s_offsets[m], s_offsets[m + 1], now) - 1
            while row >= s_offsets[m] and not (s_from[row] <= now < s_to[row]):
                row -= 1
            if row < s_offsets[m]:
                continue
            age = (now - s_event[row]) / DAY
            if age > HOLDS_DAYS:
                continue
            p = values[0, row]
            out[1, i] += 1.0
            out[2, i] += p
            out[3, i] = max(out[3, i], p)
            out[5, i] += p > LIMITS[0]
            out[6, i] += p > LIMITS[1]
            oldest, newest = max(oldest, age), min(newest, age)
            out[9, i] += values[1, row]
        scored = out[1, i] if out[1, i] > 0.0 else np.nan
        out[4, i] = out[2, i] / scored
        for place in (5, 6, 9):
            out[place, i] /= scored
        out[7, i], out[8, i] = oldest, newest
        if np.isnan(scored):
            for place in (2, 3, 7, 8):
                out[place, i] = np.nan


def upstream(scores: pa.Table, as_of: datetime, machine_ids: Sequence[str] | None = None) -> dict[str, float]:
    """Share of machines by the bundle of the newest score known at `as_of`: whose scores `machine_risk` speaks of then."""
    known = known_at(scores, MACHINE_SCORES, as_of)
    if machine_ids is not None:
        known = known.filter(pc.is_in(known.column(MACHINE), value_set=pa.array(machine_ids, pa.string())))
    newest: Mapping[str, str] = dict(zip(known.column(MACHINE).to_pylist(), known.column("bundle_id").to_pylist(), strict=True))
    bundles = sorted(set(newest.values()))
    return {bundle: sum(one == bundle for one in newest.values()) / len(newest) for bundle in bundles}
