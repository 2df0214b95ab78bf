"""The dated reference table of a kind: what was known of its machines together, day by day.

A row of day D (00:00 UTC, both its clocks) and a peer group (the kind, or `kind/model`) holds, of the rows visible at D:

<sensor>_mean, _std, _machines   mean and standard deviation (n - 1) over the group's machines of the machine's own mean over
                                 (D - 24 h, D], and how many machines had one
machines                         how many machines had any reading in (D - 24 h, D]
rate_90d, rate_365d,             failures with event_time in (D - w, D] per machine-year, of all components and of each; the
rate_<component>_365d            machine-years are the sum of `machines` over the days in (D - w, D] / 365.25; null below one
<table>_known                    row versions of the kind's readings, machines and failures with known_from <= D

A day without any reading of the kind has no row; the rows before it hold (`peers` says how long). So what is known later never
adds a row to the past. A machine belongs to a group by its machines row visible at D. Machines are summed up in a fixed order,
bucket by bucket and by id. So a row is a function of what was known at D; the table of a lake without the later rows has the
same bits.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features import delta, engine, kernel_peers, lock, schema
from features.clock import in_order, micros, times
from features.history import HOUR, READINGS, History, Ints, ever_of_kind, from_tables, peer_groups
from features.kinds import MachineKind
from features.peers import RATE_DAYS, own_hours
from features.reference_counts import DAY, Known
from features.schema import EVENT_TIME, MACHINE, PEER_GROUP, RECORDED_AT, TEXT, TIME

if TYPE_CHECKING:
    from features.lake import Lake
    from features.view import View

YEAR_DAYS = 365.25
READINGS_AT_A_TIME = 400_000
PATIENCE_S = 60.0
Floats = npt.NDArray[np.float64]
Progress = Callable[[int], None]
# A bucket and a range of its machines; None is all of them, without their readings.
Part = tuple[int, tuple[str, str] | None]


def publish(lake: "Lake", kind: MachineKind, progress: Progress | None = None, until: datetime | None = None) -> int:
    """Bring the reference table of a kind up to what the lake knows, and return how many days were made: new days, and days for
    which rows with an older knowledge time have come in since. The same lake makes none.

    progress: called with the number of readings looked at. until: days after this moment are left for later.
    Raises Conflict if somebody else keeps writing into the lake.
    """
    if not kind.reference:
        return 0
    view, contract = lake.at(), schema.reference(kind)
    sources, published = _sources(view, kind, until), view.versions.get(contract.name)
    if _said(lake, view, kind) == sources:
        return 0
    days = _days(_span(lake, view, kind))
    days = days if until is None else days[days <= micros(until)]
    if not len(days):
        return 0
    stored, known, last = view.read(contract.name), Known.empty(kind, days), -1
    anew = set(peer_groups(kind)) != set(stored.column(PEER_GROUP).unique().to_pylist())
    if not anew:
        for part in _parts(view, kind, lake.buckets):
            known.add(_clocks(view, kind, part))
        last = _last_that_stands(stored, kind, known)
    days, stand = days[days > last], stored.filter(pc.less_equal(stored.column(EVENT_TIME).cast(pa.int64()), last))

    def load(part: Part) -> tuple[dict[str, pa.Table], History]:
        tables = _rows(view, kind, part, days)
        return tables, _history(kind, tables)

    sums = Sums.empty(kind, days)
    for tables, history in engine.prefetch(load, _parts(view, kind, lake.buckets) if len(days) else ()):
        sums.add(history)
        if anew:
            known.add(tables)
        if progress is not None:
            progress(history.series[READINGS].rows)
    # A build goes on in this process: what the sums took would count beside what it takes.
    pa.default_memory_pool().release_unused()
    # Even where every day stands: the commit says of which versions this is the reference, so that nobody looks again.
    lake.replace(contract, pa.concat_tables([stand, sums.table(stand, known)]), sources, lock.patience(PATIENCE_S))
    if lake.versions().get(contract.name, -1) > (-1 if published is None else published) + 1:
        publish(lake, kind, until=until)  # somebody else has published meanwhile, perhaps of later rows than these
    return int((sums.reporting[:, 0] > 0).sum())


def due(lake: "Lake", kind: MachineKind, now: datetime) -> bool:
    """Whether the lake has rows that the table does not tell of, and the day of `now` (UTC) has not been published yet."""
    view = lake.at()
    said, sources = _said(lake, view, kind), _sources(view, kind)
    return kind.reference and said != sources and not said.startswith(f"{sources},") and not said.endswith(_day(now))


def _sources(view: "View", kind: MachineKind, until: datetime | None = None) -> str:
    """The versions of what the table is made of, by which declaration, and up to which day."""
    names = (kind.readings_table, "machines", "failures")
    versions = ", ".join([f"kind {kind.digest}", *(f"{name} {view.versions.get(name, 'none')}" for name in names)])
    return versions if until is None else f"{versions}, {_day(until)}"


def _day(moment: datetime) -> str:
    return f"up to {moment:%Y-%m-%d}"


def _said(lake: "Lake", view: "View", kind: MachineKind) -> str:
    """Of which sources the table is, as its last commit says; empty without a table."""
    version = view.versions.get(kind.reference_table)
    return "" if version is None else (delta.said(lake.path(kind.reference_table), version) or {}).get(delta.SOURCE, "")


def made(kind: MachineKind, buckets: Sequence[Mapping[str, pa.Table]]) -> pa.Table:
    """The whole reference table from the machines, readings and failures of machines of the kind, bucket by bucket."""
    contract = schema.reference(kind)
    events = np.concatenate([times(tables[kind.readings_table], EVENT_TIME) for tables in buckets])
    known = Known.empty(kind, _days((int(events.min()), int(events.max())) if len(events) else None))
    sums = Sums.empty(kind, known.days)
    for tables in buckets:
        known.add(tables)
        sums.add(_history(kind, tables))
    return in_order(sums.table(contract.arrow.empty_table(), known), contract)


def _days(span: tuple[int, int] | None) -> Ints:
    """The days that may have a row: from the one that ends the first reading's to the one that ends the last reading's."""
    first, last = (-(-moment // DAY) for moment in span) if span is not None else (0, -1)
    return np.arange(first, last + 1, dtype=np.int64) * DAY


def _span(lake: "Lake", view: "View", kind: MachineKind) -> tuple[int, int] | None:
    """From the first reading to the last, as the files' own statistics say, which may be a little too wide."""
    version = view.versions.get(kind.readings_table)
    files = () if version is None else delta.Frozen(lake.path(kind.readings_table), version).files
    spans = [file.span for file in files if file.span is not None]
    if len(spans) < len(files):
        moments = times(view.read(kind.readings_table, columns=[EVENT_TIME]), EVENT_TIME)
        spans = [(int(moments.min()), int(moments.max()))]
    return (min(low for low, _ in spans), max(high for _, high in spans)) if spans else None


def _parts(view: "View", kind: MachineKind, buckets: int) -> Iterator[Part]:
    """Each bucket without its readings, then its machines with theirs, so many at a time as memory allows, by id."""
    for bucket in range(buckets):
        yield bucket, None
        for ids in view.groups(kind.readings_table, bucket, READINGS_AT_A_TIME):
            yield bucket, ids


def _clocks(view: "View", kind: MachineKind, part: Part) -> dict[str, pa.Table]:
    """Machines and failures of a bucket, or when the readings between two ids were and became known."""
    bucket, ids = part
    if ids is None:
        return _few(view, kind, bucket)
    name, columns = kind.readings_table, [EVENT_TIME, RECORDED_AT]
    return {name: view.read(name, buckets=[bucket], between=ids, columns=columns)}


def _rows(view: "View", kind: MachineKind, part: Part, days: Ints) -> dict[str, pa.Table]:
    """Machines and failures of a bucket, or the machines between two ids and the readings that these days look at."""
    bucket, ids = part
    if ids is None:
        return _few(view, kind, bucket)
    span = (int(days[0]) - round(own_hours(kind) * HOUR), int(days[-1]))
    machines = view.read("machines", buckets=[bucket], between=ids)
    readings = view.read(kind.readings_table, buckets=[bucket], between=ids, times=span)
    return {"machines": ever_of_kind(machines, kind), kind.readings_table: readings}


def _few(view: "View", kind: MachineKind, bucket: int) -> dict[str, pa.Table]:
    machines, failures = (view.read(name, buckets=[bucket]) for name in ("machines", "failures"))
    machines = ever_of_kind(machines, kind)
    mine = pc.is_in(failures.column(MACHINE), value_set=machines.column(MACHINE).combine_chunks())
    return {"machines": machines, "failures": failures.filter(mine)}


def _history(kind: MachineKind, tables: Mapping[str, pa.Table]) -> History:
    return from_tables(kind, tables, pc.unique(tables["machines"].column(MACHINE)).to_pylist())


def _last_that_stands(stored: pa.Table, kind: MachineKind, known: Known) -> int:
    """The last day up to which all stored rows are as they would be made now: the same rows were known then. -1 for none."""
    mine = stored.filter(pc.equal(stored.column(PEER_GROUP), kind.name))
    days = times(mine, EVENT_TIME)
    place = np.minimum(np.searchsorted(known.days, days), len(known.days) - 1)
    alike = known.days[place] == days
    for name, now in known.counts().items():
        alike &= np.asarray(mine.column(f"{name}_known").to_numpy()) == now[place]
    standing = len(alike) if alike.all() else int(np.argmin(alike))
    return int(days[standing - 1]) if standing else -1


@dataclass(frozen=True)
class Sums:
    """What the machines add up to at each day: [days, groups, ...], groups in the order of all machines, then the models."""

    kind: MachineKind
    days: Ints
    pooled: Floats
    reporting: Ints
    failures: Ints

    @classmethod
    def empty(cls, kind: MachineKind, days: Ints) -> "Sums":
        shape = (len(days), 1 + len(kind.models))
        pooled = np.zeros((*shape, len(kind.sensors), 3))
        failures = np.zeros((*shape, len(RATE_DAYS) + len(kind.components)), dtype=np.int64)
        return cls(kind, days, pooled, np.zeros(shape, dtype=np.int64), failures)

    def add(self, history: History) -> None:
        """Add machines in the order of their ids."""
        machines, readings, failures = (history.series[name] for name in ("machines", READINGS, "failures"))
        versions = (machines.offsets, machines.known_from, machines.known_to, machines.values[0])
        span = round(own_hours(self.kind) * HOUR)
        kernel_peers.pool(
            readings.offsets, readings.event, readings.known_from, readings.known_to, readings.odd, readings.values,
            *versions, self.days, span, self.pooled, self.reporting,
        )  # fmt: skip
        spans = np.array([days * DAY for days in RATE_DAYS], dtype=np.int64)
        kernel_peers.tally(
            failures.offsets, failures.event, failures.known_from, failures.known_to, failures.codes,
            *versions, self.days, spans, self.failures,
        )  # fmt: skip

    def table(self, old: pa.Table, known: Known) -> pa.Table:
        """The rows of these days. old: those of the days before them, whose `machines` the machine-years reach back to."""
        contract = schema.reference(self.kind)
        first = len(known.days) - len(self.days)
        moment = pa.array(self.days).cast(TIME)
        counts = known.counts()
        counted = [pa.array(counts[name][first:]) for name in ("readings", "machines", "failures")]
        parts = []
        for place, group in enumerate([self.kind.name, *(f"{self.kind.name}/{model}" for model in self.kind.models)]):
            machines = np.zeros(len(known.days), dtype=np.int64)
            before = old.filter(pc.equal(old.column(PEER_GROUP), group))
            machines[np.searchsorted(known.days, times(before, EVENT_TIME))] = before.column("machines").to_numpy()
            machines[first:] = self.reporting[:, place]
            years = [_over_days(machines, days)[first:] / YEAR_DAYS for days in RATE_DAYS]
            of_years = [*years, *([years[-1]] * len(self.kind.components))]
            failed = self.failures[:, place].T
            rates = [np.where(year >= 1.0, n / np.maximum(year, 1.0), np.nan) for n, year in zip(failed, of_years, strict=True)]
            group_ids = pa.repeat(pa.scalar(group, TEXT), len(self.days))
            columns = [group_ids, moment, moment, *self._of_sensors(place), *map(_nullable, rates)]
            parts.append(pa.table([*columns, pa.array(self.reporting[:, place]), *counted], schema=contract.arrow))
        with_readings = pa.array(self.reporting[:, 0] > 0)
        return pa.concat_tables([part.filter(with_readings) for part in parts])

    def _of_sensors(self, place: int) -> list[pa.Array]:
        columns = []
        for sensor in range(len(self.kind.sensors)):
            count, mean, squares = self.pooled[:, place, sensor].T
            several = count > 1
            columns.append(_nullable(np.where(count > 0, mean, np.nan)))
            columns.append(_nullable(np.where(several, np.sqrt(squares / np.where(several, count - 1, 1.0)), np.nan)))
            columns.append(pa.array(count))
        return columns


def _over_days(machines: Ints, days: int) -> Ints:
    """Sum over the last `days` days up to each: int64, exact."""
    total = np.concatenate([[0], np.cumsum(machines)])
    return np.asarray(total[1:] - total[np.maximum(np.arange(len(machines)) + 1 - days, 0)])


def _nullable(values: Floats) -> pa.Array:
    return pa.array(values, pa.float64(), from_pandas=True)
