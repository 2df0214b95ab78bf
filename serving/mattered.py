"""Which rows a score rests on: rows are left out and the score is computed anew (occlusion; Zeiler & Fergus 2014, section 4.2).

What a reason's feature looks at is cut into stretches of time; each is left out in turn, of the strongest each row alone. A
row left out was never there (of a reading, the value of the one sensor): an older version of it does not come back. The
features are computed by the same kernels and the score by the same bundle as ever.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features import online
from features.catalog import OPS
from features.clock import NEVER, micros
from features.history import (
    CODED,
    HOUR,
    READINGS,
    REFERENCE,
    REPLACEMENTS,
    History,
    Ints,
    Series,
    columns_of,
    vocabulary,
)
from features.history import (
    series as make_series,
)
from features.kinds import MachineKind
from features.peers import own_hours
from features.schema import EVENT_TIME, RECORDED_AT
from features.spec import FeatureSpec
from serving.champion import Champion
from serving.latest import moment

# Stretches that a reason's rows are cut into; how many are told, and of how many the rows are tried one by one.
STRETCHES, TOLD, TRIED = 12, 3, 2
# Rows that are tried alone, in one stretch, and told.
ALONE, ROWS_TOLD = 24, 3
# A feature without a window looks at all that was ever known; so many of the latest rows are tried.
LATEST = 24

# (series, rows, column): of the readings one sensor's values, elsewhere WHOLE rows.
Hidden = tuple[tuple[str, tuple[int, ...], int], ...]
WHOLE = -1
# Features that look at no row of the machine.
CALENDAR = ("season", "weekday", "date")
KNOWN_OPS = {op for ops in OPS.values() for op in ops}
SOURCES_OF_REPLACEMENTS = ("maintenance", "failures")


@dataclass(frozen=True)
class Seen:
    """What a score saw of its one machine: its contract tables, and the history made of them, rows in the same order."""

    history: History
    tables: Mapping[str, pa.Table]

    def table(self, kind: MachineKind, series: str) -> pa.Table:
        """The table that a series was made of."""
        return self.tables[kind.readings_table if series == READINGS else series]


class Look(NamedTuple):
    """Where a feature looks: rows of a table, of one column or code ("" for all), so many hours back (None: all)."""

    table: str
    column: str
    hours: float | None


@dataclass(frozen=True)
class Row:
    """One row of a table; change: what it adds to the 72-hour score (cloglog), None where it was not tried alone."""

    table: str
    event_time: datetime
    recorded_at: datetime
    values: Mapping[str, Any]
    change: float | None = None

    def document(self) -> dict[str, Any]:
        times = {EVENT_TIME: self.event_time.isoformat(), RECORDED_AT: self.recorded_at.isoformat()}
        return {"table": self.table, **times, "values": dict(self.values), "change": self.change}


@dataclass(frozen=True)
class Stretch:
    """Rows that were left out together: what they add to the score, and the 72-hour probability without them."""

    change: float
    p72_without: float
    count: int
    start: datetime
    end: datetime
    rows: tuple[Row, ...]


@dataclass
class Occlusion:
    """One score and what becomes of it without some of its rows. Every leaving-out is computed once."""

    champion: Champion
    seen: Seen
    as_of: datetime
    _told: dict[Hidden, float] = field(default_factory=dict)

    def stretches(self, spec: FeatureSpec) -> list[tuple[str, Stretch]]:
        """The stretches of rows behind a feature that move the score most, with their series; none that move nothing."""
        look = look_of(spec, self.champion.catalog.kind)
        series = self.seen.history.series.get(look.table) if look is not None else None
        if look is None or series is None:
            return []
        parts = cut(looked_at(look, self.champion.kind, series, self.as_of), series.event, look, self.as_of)
        without = self._without([self._hidden(look, part) for part in parts])
        changes = self.score - without
        order = [place for place in np.argsort(-np.abs(changes), kind="stable").tolist() if changes[place] != 0.0][:TOLD]
        return [
            (look.table, self._stretch(look, parts[place], float(changes[place]), float(without[place]), tried=number < TRIED))
            for number, place in enumerate(order)
        ]

    @cached_property
    def score(self) -> float:
        """The 72-hour score, cloglog."""
        return float(self._without([()])[0])

    def _stretch(self, look: Look, rows: Ints, change: float, without: float, *, tried: bool) -> Stretch:
        event = self.seen.history.series[look.table].event
        alone: dict[int, float] = {}
        if len(rows) == 1:
            alone = {int(rows[0]): change}
        elif tried:
            some = rows[-ALONE:]
            scores = self._without([self._hidden(look, np.array([row])) for row in some])
            alone = dict(zip(some.tolist(), (self.score - scores).tolist(), strict=True))
        first = sorted(rows.tolist(), key=lambda row: (-abs(alone.get(row, 0.0)), -row))[:ROWS_TOLD]
        told = tuple(self._row(look, row, alone.get(row)) for row in first)
        start, end = moment(int(event[rows[0]])), moment(int(event[rows[-1]]))
        return Stretch(change, -math.expm1(-math.exp(without)), len(rows), start, end, told)

    def _row(self, look: Look, row: int, change: float | None) -> Row:
        name = look.table
        if name == REPLACEMENTS:
            hidden = self._hidden(look, np.array([row]))
            name, row = next((table, rows[0]) for table, rows, _ in hidden if table != REPLACEMENTS)
        found = self.seen.table(self.champion.kind, name).slice(row, 1).to_pylist()[0]
        return row_of(name, found, look.column if name == READINGS else "", change)

    def _hidden(self, look: Look, rows: Ints) -> Hidden:
        """What goes with rows of a series: a replacement is a row of maintenance or failures, and the other way round."""
        table = look.table
        also = SOURCES_OF_REPLACEMENTS if table == REPLACEMENTS else (REPLACEMENTS,) if table in SOURCES_OF_REPLACEMENTS else ()
        others = ((name, self._same(table, rows, name), WHOLE) for name in also)
        names = columns_of(self.champion.kind, table) if table == READINGS else []
        own = (table, tuple(rows.tolist()), names.index(look.column) if look.column in names else WHOLE)
        return (own, *(one for one in others if one[1]))

    def _same(self, table: str, rows: Ints, other: str) -> tuple[int, ...]:
        """Rows of another series of the same component at the same time."""
        here, there = self.seen.history.series[table], self.seen.history.series[other]
        wanted = set(zip(here.event[rows].tolist(), here.codes[rows].tolist(), strict=True))
        return tuple(n for n, key in enumerate(zip(there.event.tolist(), there.codes.tolist(), strict=True)) if key in wanted)

    def _without(self, hidings: Sequence[Hidden]) -> npt.NDArray[np.float64]:
        """The 72-hour score without each set of rows."""
        fresh = [hiding for hiding in dict.fromkeys(hidings) if hiding not in self._told]
        if fresh:
            histories = [hide(self.seen.history, one) for one in fresh]
            x = np.stack([online.vector(self.champion.catalog, history, self.as_of) for history in histories])
            windows = self.champion.window(histories[0], self.as_of)
            if windows is not None:
                others = [self.champion.window(history, self.as_of) for history in histories[1:]]
                parts = [windows, *(one for one in others if one is not None)]
                windows = type(windows)(*(np.concatenate(column) for column in zip(*parts, strict=True)))
            p = self.champion.bundle.predict(x, windows, ranges=False).p[:, -1]
            self._told |= dict(zip(fresh, np.log(-np.log1p(-p)).tolist(), strict=True))
        return np.array([self._told[hiding] for hiding in hidings])


def hide(history: History, hidden: Hidden) -> History:
    """The history without some rows, or some values of a sensor, as if they had never become known."""
    found = dict(history.series)
    for table, rows, column in hidden:
        series = found[table]
        known_from, values = series.known_from, series.values
        if column == WHOLE:
            known_from = known_from.copy()
            known_from[list(rows)] = NEVER
        else:
            values = values.copy()
            values[column, list(rows)] = np.nan
        machines = len(series.offsets) - 1
        found[table] = make_series(
            np.repeat(np.arange(machines), np.diff(series.offsets)), series.event, known_from, series.known_to,
            machines=machines, values=values, codes=series.codes,
        )  # fmt: skip
    return replace(history, series=found)


def look_of(spec: FeatureSpec, kind: MachineKind) -> Look | None:
    """What a feature looks at of the machine itself; None where it is the calendar or other machines."""
    if spec.op in CALENDAR:
        return None
    if spec.table == REFERENCE:
        return Look(READINGS, spec.column.removesuffix("_mean"), own_hours(kind)) if spec.op == "peers" else None
    hours = [width for width in (spec.window_hours, spec.against_hours) if width is not None]
    if spec.table == READINGS and spec.op not in KNOWN_OPS:  # put together over the sensors
        return Look(READINGS, "", max(kind.window_hours))
    return Look(spec.table, spec.column, max(hours) if hours else None)


def looked_at(look: Look, kind: MachineKind, series: Series, as_of: datetime) -> Ints:
    """Rows that were known at `as_of` and lie where it is looked, in time order; without a window the LATEST of them."""
    now = micros(as_of)
    inside = (series.known_from <= now) & (now < series.known_to) & (series.event <= now)
    if look.hours is not None:
        inside &= series.event > now - round(look.hours * HOUR)
    if look.table in (*CODED, REPLACEMENTS) and look.column in (codes := vocabulary(kind, look.table)):
        inside &= series.codes == codes.index(look.column)
    elif look.table not in (*CODED, REPLACEMENTS) and look.column in (columns := columns_of(kind, look.table)):
        inside &= ~np.isnan(series.values[columns.index(look.column)])
    rows = np.flatnonzero(inside)
    return rows if look.hours is not None else rows[-LATEST:]


def cut(rows: Ints, event: Ints, look: Look, as_of: datetime) -> list[Ints]:
    """Rows in stretches of equal time, at most STRETCHES; a few rows one by one."""
    if len(rows) <= STRETCHES or look.hours is None:
        return [rows[place : place + 1] for place in range(len(rows))]
    number = ((micros(as_of) - event[rows]) * STRETCHES / (look.hours * HOUR)).astype(np.int64)
    return [rows[number == one] for one in np.unique(number)]


def row_of(table: str, found: Mapping[str, Any], column: str = "", change: float | None = None) -> Row:
    """A row of an Arrow table as a Row: of the readings one column, of others what they hold besides keys and clocks."""
    keys = (EVENT_TIME, RECORDED_AT, "machine_id", "peer_group")
    wanted = [column] if column else [name for name in found if name not in keys]
    values = {name: found[name] for name in wanted if found[name] is not None}
    return Row(table, found[EVENT_TIME], found[RECORDED_AT], values, change)
