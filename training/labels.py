"""The only module that looks forward: what happened to a machine after `as_of`.

The label window of a horizon h is (as_of, as_of + h]. A label is 1 if a failure falls inside, 0 if the machine was followed to
the window's end without one, and NaN while that is not known (unripe): never 0.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.clock import Micros, micros, times
from features.errors import BadInput
from features.schema import EVENT_TIME, MACHINE, RECORDED_AT, TIME

AS_OF = "as_of"
HORIZON_HOURS = (24.0, 48.0, 72.0)
MICROS_PER_HOUR = 3_600_000_000
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


class _Moments:
    """Event times of each entity, sorted: those of entity e are moment[offsets[e]:offsets[e + 1]]."""

    def __init__(self, offsets: npt.NDArray[np.int64], moment: Micros) -> None:
        self.offsets, self.moment = offsets, moment

    @classmethod
    def of(cls, table: pa.Table, names: pa.Array) -> "_Moments":
        """Events of the named entities; others are left out."""
        entity = _positions(table.column(MACHINE), names)
        moment = times(table, EVENT_TIME)
        wanted = entity >= 0
        entity, moment = entity[wanted], moment[wanted]
        order = np.lexsort((moment, entity))
        offsets = np.zeros(len(names) + 1, dtype=np.int64)
        np.cumsum(np.bincount(entity, minlength=len(names)), out=offsets[1:])
        return cls(offsets, moment[order])


def hours_to_next(entity: Codes, as_of: Micros, events: _Moments) -> Floats:
    """Hours from each as_of to its entity's first event strictly after it; NaN without one.

    A binary search inside each entity's stretch, one step for all observations at once.
    """
    low, high = events.offsets[entity], events.offsets[entity + 1]
    most = int(np.max(np.diff(events.offsets), initial=0))
    if most == 0:
        return np.full(len(as_of), np.nan)
    end, last = high.copy(), len(events.moment) - 1
    for _ in range(most.bit_length()):
        middle = (low + high) // 2
        open_ = low < high
        past = open_ & (events.moment[np.minimum(middle, last)] <= as_of)
        low, high = np.where(past, middle + 1, low), np.where(open_ & ~past, middle, high)
    ahead = (events.moment[np.minimum(low, last)] - as_of) / MICROS_PER_HOUR
    return np.where(low < end, ahead, np.nan)


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


def _as_table(observations: pa.Table | pd.DataFrame) -> pa.Table:
    names = observations.column_names if isinstance(observations, pa.Table) else list(observations.columns)
    for name in (MACHINE, AS_OF):
        if name not in names:
            raise BadInput(f"column {name} is missing", where="observations", mend="give machine_id and as_of")
    if isinstance(observations, pa.Table):
        machine, as_of = observations.column(MACHINE), observations.column(AS_OF)
        aware = pa.types.is_timestamp(as_of.type) and as_of.type.tz is not None
    else:
        machine, as_of = pa.chunked_array([pa.array(observations[MACHINE].astype("str"))]), observations[AS_OF]
        aware = isinstance(as_of.dtype, pd.DatetimeTZDtype)
    if not aware:
        raise BadInput("as_of is not a time with a zone", where="observations", mend="use aware UTC times")
    if isinstance(as_of, pd.Series):
        as_of = pa.array(as_of.dt.tz_convert(None).to_numpy().astype("datetime64[us]")).cast(pa.int64())
    return pa.table({MACHINE: machine, AS_OF: as_of.cast(TIME)})


def _checked(horizon_hours: Sequence[float]) -> tuple[float, ...]:
    horizons = tuple(float(hours) for hours in horizon_hours)
    if not horizons or horizons[0] <= 0 or any(b <= a for a, b in pairwise(horizons)):
        raise BadInput(f"horizons {horizons} do not increase from above 0", where="horizon_hours", mend="e.g. 24, 48, 72")
    return horizons
