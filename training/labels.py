"""The only module that looks forward: what happened to a machine or an enterprise after `as_of`.

The label window of a horizon h is (as_of, as_of + h]. A machine's label is 1 if a failure falls inside, 0 if the machine was
followed to the window's end without one, and NaN while that is not known (unripe): never 0. An enterprise's accidents are
counted over the part of the window in which it was followed, beside the exposure of that very part.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.clock import Micros, known_at, micros, times
from features.enterprise.schema import ACCIDENTS, EXPOSURES
from features.errors import BadInput
from features.schema import ENTERPRISE, EVENT_TIME, MACHINE, RECORDED_AT, TIME

AS_OF = "as_of"
HORIZON_HOURS = (24.0, 48.0, 72.0)
HORIZON_DAYS = (30.0, 90.0, 365.0)
MICROS_PER_HOUR = 3_600_000_000
MICROS_PER_DAY = 24 * MICROS_PER_HOUR
_LONG_AGO = np.iinfo(np.int64).min // 2

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]


def label(
    observations: pa.Table | pd.DataFrame,
    failures: pa.Table,
    coverage: pa.Table,
    *,
    known_until: datetime | None = None,
    horizon_hours: Sequence[float] = HORIZON_HOURS,
    components: Sequence[str] = (),
    reporting_lag_hours: float = 0.0,
) -> pd.DataFrame:
    """Labels of observations, one row each, in their order.

    observations: columns machine_id, as_of (aware).  failures, coverage: contract tables; several failures of a machine at one
    moment are one event.  known_until: label as somebody would have at that moment: later records of failures are not seen and
    nothing is followed beyond it (less the reporting lag).  components: adds `hours_to_<component>` for each.

    Returns hours_to_failure (NaN if none within the longest horizon), followed_hours (0 to the longest horizon: how long the
    machine was under observation after as_of) and y24, y48, y72 (or as the horizons say) as 1.0, 0.0, NaN = unripe.
    Raises BadInput on a missing column, a time without zone, or horizons that do not increase.
    """
    horizons = _checked(horizon_hours)
    table = _as_table(observations)
    if known_until is not None:
        failures = failures.filter(pa.array(times(failures, RECORDED_AT) <= micros(known_until)))
    as_of = times(table, AS_OF)
    entity, names = _codes(table.column(MACHINE))
    to_failure = hours_to_next(entity, as_of, _Moments.of(failures, names))
    until = _followed_until(coverage, names, known_until, reporting_lag_hours)[entity]
    followed = np.maximum((until - as_of) / MICROS_PER_HOUR, 0.0)
    labels = {"hours_to_failure": within(to_failure, horizons[-1]), "followed_hours": np.minimum(followed, horizons[-1])}
    labels |= {f"y{hours:g}": outcome(to_failure, followed, hours) for hours in horizons}
    for component in components:
        own = failures.filter(pc.equal(failures.column("component"), component))
        labels[f"hours_to_{component}"] = within(hours_to_next(entity, as_of, _Moments.of(own, names)), horizons[-1])
    return pd.DataFrame(labels)


def outcome(hours_to_failure: Floats, followed_hours: Floats, horizon_hours: float) -> Floats:
    """1 where a failure falls in (0, horizon], else 0 where followed that far, else NaN."""
    known = np.where(followed_hours >= horizon_hours, 0.0, np.nan)
    return np.where(hours_to_failure <= horizon_hours, 1.0, known)


def within(hours: Floats, horizon_hours: float) -> Floats:
    """`hours` where at most the horizon, else NaN."""
    return np.where(hours <= horizon_hours, hours, np.nan)


def accidents_ahead(
    observations: pa.Table,
    accidents: pa.Table,
    exposures: pa.Table,
    *,
    known_until: datetime,
    basis: str,
    horizon_days: Sequence[float] = HORIZON_DAYS,
    reporting_lag_days: float = 0.0,
) -> pd.DataFrame:
    """Accidents, their loss and the exposure ahead of observations of enterprises, one row each, in their order.

    observations: columns enterprise_id, as_of (aware).  accidents, exposures: contract tables with all versions; the versions
    known at `known_until` count.  basis: which exposures.  reporting_lag_days: how long an accident may stay unreported; nobody
    is followed beyond `known_until` less that, nor beyond the end of the latest exposure on record.

    Returns for each horizon h, in days: `followed<h>` (0 to h), and over that part of the window `accidents<h>`, `loss<h>`
    (the unknown loss of an accident counts 0) and `exposure<h>` (each period's amount spread evenly over it); NaN where an
    enterprise was not followed at all. Raises BadInput on a missing column, a time without zone, or horizons that do not
    increase.
    """
    horizons = _checked(horizon_days, "horizon_days", "30, 90, 365")
    table = _as_table(observations, ENTERPRISE)
    as_of = times(table, AS_OF)
    entity, names = _codes(table.column(ENTERPRISE))
    happened = known_at(accidents, ACCIDENTS, known_until)
    exposed = known_at(exposures, EXPOSURES, known_until)
    exposed = exposed.filter(pc.equal(exposed.column("basis"), basis))
    loss = pc.fill_null(happened.column("direct_loss"), 0.0).to_numpy()
    moments = _Moments.of(happened, names, ENTERPRISE, value=loss)
    spent = _Spent.of(exposed, names)
    limit = micros(known_until) - int(reporting_lag_days * MICROS_PER_DAY)
    until = np.minimum(spent.until[entity], limit)
    found: dict[str, Floats] = {}
    for days in horizons:
        end = np.minimum(as_of + int(days * MICROS_PER_DAY), until)
        followed = end > as_of
        end = np.maximum(end, as_of)
        first, last = first_after(entity, as_of, moments), first_after(entity, end, moments)
        parts = {
            "accidents": (last - first).astype(np.float64),
            "loss": moments.total[last] - moments.total[first],
            "exposure": spent.by(entity, end) - spent.by(entity, as_of),
        }
        found[f"followed{days:g}"] = (end - as_of) / MICROS_PER_DAY
        found |= {f"{name}{days:g}": np.where(followed, part, np.nan) for name, part in parts.items()}
    return pd.DataFrame(found)


class _Moments:
    """Event times of each entity, sorted: those of entity e are moment[offsets[e]:offsets[e + 1]].

    total: float64[events + 1], the value of all events before each place.
    """

    def __init__(self, offsets: npt.NDArray[np.int64], moment: Micros, value: Floats | None = None) -> None:
        self.offsets, self.moment = offsets, moment
        self.total = np.concatenate([[0.0], np.cumsum(np.zeros(len(moment)) if value is None else value)])

    @classmethod
    def of(cls, table: pa.Table, names: pa.Array, whose: str = MACHINE, value: Floats | None = None) -> "_Moments":
        """Events of the named entities; others are left out. value: a number of each row of the table."""
        entity = _positions(table.column(whose), names)
        wanted = np.flatnonzero(entity >= 0)
        moment = times(table, EVENT_TIME)
        order = wanted[np.lexsort((moment[wanted], entity[wanted]))]
        return cls(_offsets(entity[order], len(names)), moment[order], None if value is None else value[order])


@dataclass(frozen=True)
class _Spent:
    """Exposure as periods of each entity that do not overlap: how much of it was spent by a moment.

    starts: the periods' starts by entity; ends, amount [periods]; until [entities]: the end of the latest, long ago if none.
    """

    starts: _Moments
    ends: Micros
    amount: Floats
    until: Micros

    @classmethod
    def of(cls, exposures: pa.Table, names: pa.Array) -> "_Spent":
        entity = _positions(exposures.column(ENTERPRISE), names)
        wanted = np.flatnonzero(entity >= 0)
        starts, ends = times(exposures, "starts"), times(exposures, EVENT_TIME)
        order = wanted[np.lexsort((starts[wanted], entity[wanted]))]
        until = np.full(len(names), _LONG_AGO, dtype=np.int64)
        np.maximum.at(until, entity[order], ends[order])
        amount = exposures.column("amount").to_numpy().astype(np.float64)[order]
        return cls(_Moments(_offsets(entity[order], len(names)), starts[order], amount), ends[order], amount, until)

    def by(self, entity: Codes, moment: Micros) -> Floats:
        """Exposure of each entity from its first period to each moment [n]."""
        place = first_after(entity, moment, self.starts)  # the period before it has begun, all earlier ones are over
        begun = place > self.starts.offsets[entity]
        if not len(self.ends):
            return np.zeros(len(moment))
        last = np.maximum(place - 1, 0)
        length = np.maximum(self.ends[last] - self.starts.moment[last], 1)
        share = np.clip((moment - self.starts.moment[last]) / length, 0.0, 1.0)
        return np.where(begun, self.starts.total[last] + share * self.amount[last], self.starts.total[place])


def hours_to_next(entity: Codes, as_of: Micros, events: _Moments) -> Floats:
    """Hours from each as_of to its entity's first event strictly after it; NaN without one."""
    if not len(events.moment):
        return np.full(len(as_of), np.nan)
    place = first_after(entity, as_of, events)
    ahead = (events.moment[np.minimum(place, len(events.moment) - 1)] - as_of) / MICROS_PER_HOUR
    return np.where(place < events.offsets[entity + 1], ahead, np.nan)


def first_after(entity: Codes, moment: Micros, events: _Moments) -> npt.NDArray[np.int64]:
    """The place of each entity's first event strictly after a moment; the end of its stretch without one.

    A binary search inside each entity's stretch, one step for all observations at once.
    """
    low, high = events.offsets[entity], events.offsets[entity + 1]
    last = len(events.moment) - 1
    for _ in range(int(np.max(np.diff(events.offsets), initial=0)).bit_length()):
        middle = (low + high) // 2
        open_ = low < high
        past = open_ & (events.moment[np.minimum(middle, last)] <= moment)
        low, high = np.where(past, middle + 1, low), np.where(open_ & ~past, middle, high)
    return np.asarray(low, dtype=np.int64)


def _offsets(entity: npt.NDArray[np.int64], entities: int) -> npt.NDArray[np.int64]:
    """Where the stretch of each entity begins and ends among rows sorted by entity."""
    offsets = np.zeros(entities + 1, dtype=np.int64)
    np.cumsum(np.bincount(entity, minlength=entities), out=offsets[1:])
    return offsets


def _followed_until(coverage: pa.Table, names: pa.Array, known_until: datetime | None, lag_hours: float) -> Micros:
    """Last moment at which each entity was under observation; long ago for one without coverage."""
    until = np.full(len(names), _LONG_AGO, dtype=np.int64)
    entity = _positions(coverage.column(MACHINE), names)
    np.maximum.at(until, entity[entity >= 0], times(coverage, EVENT_TIME)[entity >= 0])
    if known_until is not None:
        until = np.minimum(until, micros(known_until) - int(lag_hours * MICROS_PER_HOUR))
    return until


def _codes(column: pa.ChunkedArray) -> tuple[Codes, pa.Array]:
    encoded = column.unify_dictionaries() if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    encoded = encoded.combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):  # an empty column has no chunk to combine
        encoded = pa.DictionaryArray.from_arrays(pa.array([], pa.int32()), pa.array([], pa.string()))
    return encoded.indices.to_numpy(zero_copy_only=False).astype(np.int32), encoded.dictionary


def _positions(column: pa.ChunkedArray, names: pa.Array) -> npt.NDArray[np.int64]:
    """Index into `names` of each value, -1 for one that is not there."""
    found = pc.fill_null(pc.index_in(column.cast(pa.string()), value_set=names.cast(pa.string())), -1)
    return np.asarray(found.to_numpy(), dtype=np.int64)


def _as_table(observations: pa.Table | pd.DataFrame, whose: str = MACHINE) -> pa.Table:
    names = observations.column_names if isinstance(observations, pa.Table) else list(observations.columns)
    for name in (whose, AS_OF):
        if name not in names:
            raise BadInput(f"column {name} is missing", where="observations", mend=f"give {whose} and as_of")
    if isinstance(observations, pa.Table):
        entity, as_of = observations.column(whose), observations.column(AS_OF)
        aware = pa.types.is_timestamp(as_of.type) and as_of.type.tz is not None
    else:
        entity, as_of = pa.chunked_array([pa.array(observations[whose].astype("str"))]), observations[AS_OF]
        aware = isinstance(as_of.dtype, pd.DatetimeTZDtype)
    if not aware:
        raise BadInput("as_of is not a time with a zone", where="observations", mend="use aware UTC times")
    if isinstance(as_of, pd.Series):
        as_of = pa.array(as_of.dt.tz_convert(None).to_numpy().astype("datetime64[us]")).cast(pa.int64())
    return pa.table({whose: entity, AS_OF: as_of.cast(TIME)})


def _checked(given: Sequence[float], where: str = "horizon_hours", like: str = "24, 48, 72") -> tuple[float, ...]:
    horizons = tuple(float(one) for one in given)
    if not horizons or horizons[0] <= 0 or any(b <= a for a, b in pairwise(horizons)):
        raise BadInput(f"horizons {horizons} do not increase from above 0", where=where, mend=f"e.g. {like}")
    return horizons
