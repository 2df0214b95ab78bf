"""A simulated fleet as a Source: lives of machines become contract tables, with the gaps and delays of real reporting.

Clocks. Readings and errors are recorded at once, 2 % of the readings hours late; a failure is recorded within hours; the
corrective maintenance happens, and is recorded, after the repair. The world begins in the past and is never in the future.
The true hazards never enter a table; `true_hazards` returns them apart, for tests.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features import schema
from features.clock import micros
from features.errors import BadInput
from features.schema import EVENT_TIME, MACHINE, RECORDED_AT, TEXT, TIME, TableContract
from features.simulator.physics import (
    Duty,
    Lives,
    Passport,
    Stream,
    climate,
    duty,
    fault_rates,
    gauge_values,
    live,
    passport,
    stream,
    stress,
)
from features.simulator.world import Floats, KindWorld, World
from features.sources.reader import Batch, Source

NAME = "simulator"
_HOUR = 3_600_000_000
_MACHINE_HOURS = 1_000_000  # one batch of machines: about 200 MB of arrays
_SHIFTS = {6: "day", 14: "evening", 22: "night"}
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Cohort:
    """Machines of one kind that are simulated together. ambient, humidity: [hour, machine]."""

    kind: KindWorld
    passports: list[Passport]
    duties: list[Duty]
    ambient: Floats
    humidity: Floats
    load: Floats
    lives: Lives

    @property
    def ids(self) -> list[str]:
        return [machine_id(self.kind, each.index) for each in self.passports]


def machine_id(kind: KindWorld, index: int) -> str:
    return f"{kind.name}-{index:05d}"


def simulate(world: World, machines: int, days: int, every_hours: int, seed: int) -> Source:
    """A fleet of `machines` over `days` with a reading every `every_hours`.

    Raises BadInput unless the fleet has a machine, a day, an hour or more between readings, and ends in the past.
    """
    _check(world, machines, days, every_hours, seed)
    kinds = tuple(kind.kind(every_hours) for kind in world.kinds)

    def batches() -> Iterator[Batch]:
        numbers: dict[str, int] = {}
        for cohort in cohorts(world, machines, days, seed):
            for contract, table in _tables(world, cohort, every_hours, seed):
                first = numbers.get(contract.name, 0) + 1
                numbers[contract.name] = first + len(table) - 1
                yield Batch(contract, table, NAME, np.arange(first, first + len(table), dtype=np.int64))

    return Source(NAME, kinds, batches, (f"simulated: seed {seed}, {machines} machines, {days} days",))


def _check(world: World, machines: int, days: int, every_hours: int, seed: int) -> None:
    mend = "see forewarn simulate --help"
    if machines < 1 or days < 1:
        raise BadInput("a fleet needs at least one machine and one day", where="simulate", mend=mend)
    if every_hours < 1:
        raise BadInput(f"readings every {every_hours} h", where="simulate --every", mend="give 1h or more")
    if seed < 0:
        raise BadInput("a negative seed", where="simulate --seed", mend="give 0 or more")
    if days > (datetime.now(UTC) - world.begin).days:
        raise BadInput(f"{days} days from {world.begin:%Y-%m-%d} end in the future", where="simulate --days", mend="give fewer")


def cohorts(world: World, machines: int, days: int, seed: int) -> Iterator[Cohort]:
    """The fleet in batches of one kind each, bounded in machine-hours."""
    hours = days * 24
    at_once = max(1, _MACHINE_HOURS // hours)
    weather: dict[int, tuple[Floats, Floats]] = {}
    for start in range(0, machines, at_once):
        drawn = [passport(world, seed, index) for index in range(start, min(start + at_once, machines))]
        for position, kind in enumerate(world.kinds):
            chosen = [each for each in drawn if each.kind == position]
            if chosen:
                yield _cohort(world, kind, chosen, hours, seed, weather)


def _cohort(
    world: World,
    kind: KindWorld,
    passports: list[Passport],
    hours: int,
    seed: int,
    weather: dict[int, tuple[Floats, Floats]],
) -> Cohort:
    new_year = datetime(world.begin.year, 1, 1, tzinfo=UTC)
    hour_of_year = (world.begin - new_year) / timedelta(hours=1)
    for each in passports:
        if each.site not in weather:
            weather[each.site] = climate(world.climate, seed, each.site, hours, hour_of_year)
    ambient = np.stack([weather[each.site][0] for each in passports], axis=1)
    humidity = np.stack([weather[each.site][1] for each in passports], axis=1)
    duties = [duty(kind, seed, each.index, hours, world.begin.hour) for each in passports]
    asked = np.stack([each.load for each in duties], axis=1)
    pace = stress(kind, np.array([each.make for each in passports]), asked, ambient)
    habits = [world.habits[each.habit] for each in passports]
    lives = live(kind, habits, [each.index for each in passports], seed, pace)
    return Cohort(kind, passports, duties, ambient, humidity, asked * lives.up, lives)


def true_hazards(world: World, machines: int, days: int, seed: int) -> Iterator[pa.Table]:
    """The hidden truth: (machine_id, event_time, and per component its hazard per hour over the hour that follows)."""
    begin = micros(world.begin)
    for cohort in cohorts(world, machines, days, seed):
        hours, count, _ = cohort.lives.hazard.shape
        moments = begin + np.tile(np.arange(hours, dtype=np.int64) * _HOUR, count)
        columns = {MACHINE: np.repeat(cohort.ids, hours), EVENT_TIME: pa.array(moments).cast(TIME)}
        hazard = cohort.lives.hazard.transpose(1, 0, 2).reshape(hours * count, -1)
        yield pa.table(columns | {part.code: hazard[:, p] for p, part in enumerate(cohort.kind.parts)})


def _tables(world: World, cohort: Cohort, every: int, seed: int) -> Iterator[tuple[TableContract, pa.Table]]:
    begin = micros(world.begin)
    hours = len(cohort.ambient)
    yield schema.MACHINES, _machines(cohort, begin)
    yield schema.COVERAGE, _table(cohort, np.arange(len(cohort.ids)), np.full(len(cohort.ids), begin + hours * _HOUR))
    moments = _Moments(cohort, seed, begin)
    yield schema.FAILURES, moments.failures(world)
    yield schema.MAINTENANCE, moments.maintenance(world)
    yield schema.EVENTS, moments.errors()
    yield schema.OPERATIONS, moments.operations(world.begin.hour)
    lanes, at = _grid(cohort, hours, world.climate.every_hours)
    air = {"ambient_temperature_c": cohort.ambient[at, lanes], "humidity_pct": cohort.humidity[at, lanes]}
    yield schema.ENVIRONMENT, _table(cohort, lanes, begin + at * _HOUR, None, **air)
    yield schema.readings(cohort.kind.kind(every)), _readings(world, cohort, every, seed, begin)


def _grid(cohort: Cohort, hours: int, every: int) -> tuple[Ints, Ints]:
    """(machine lane, hour) of a regular grid, machine by machine."""
    at = np.arange(0, hours, every, dtype=np.int64)
    return np.repeat(np.arange(len(cohort.ids)), len(at)), np.tile(at, len(cohort.ids))


def _table(cohort: Cohort, lanes: Ints, when: Ints, recorded: Ints | None = None, **columns: object) -> pa.Table:
    ids = pa.DictionaryArray.from_arrays(pa.array(lanes, pa.int32()), pa.array(cohort.ids, TEXT)).cast(TEXT)
    known = when if recorded is None else recorded
    clocks = {EVENT_TIME: pa.array(when).cast(TIME), RECORDED_AT: pa.array(known).cast(TIME)}
    return pa.table({MACHINE: ids, **clocks, **columns})


def _machines(cohort: Cohort, begin: int) -> pa.Table:
    people = cohort.passports
    return _table(
        cohort,
        np.arange(len(people)),
        np.full(len(people), begin),
        kind=pa.array([cohort.kind.name] * len(people), TEXT),
        model=pa.array([cohort.kind.makes[each.make].name for each in people], TEXT),
        age_hours=np.array([each.age_hours for each in people]),
        site_id=pa.array([f"site-{each.site:03d}" for each in people], TEXT),
        enterprise_id=pa.array([f"enterprise-{each.enterprise:03d}" for each in people], TEXT),
    )


def _readings(world: World, cohort: Cohort, every: int, seed: int, begin: int) -> pa.Table:
    """A row per grid hour while the machine runs; single values go missing, some rows come late."""
    reporting = world.reporting
    hours = len(cohort.ambient)
    at = np.arange(0, hours, every, dtype=np.int64)
    lanes, when, delays, blocks = [], [], [], []
    for lane, each in enumerate(cohort.passports):
        wear = cohort.lives.wear[:, lane].astype(np.float64)
        values = gauge_values(cohort.kind, each.index, seed, cohort.load[:, lane], cohort.ambient[:, lane], wear)
        lost = stream(seed, each.index, Stream.GAPS).random(values.shape) < reporting.missing_share
        values[lost] = np.nan
        late = stream(seed, each.index, Stream.LATE).random((hours, 2))
        low, high = reporting.late_hours
        seconds = np.where(late[:, 0] < reporting.late_share, np.round((low + (high - low) * late[:, 1]) * 3600.0), 0.0)
        kept = at[cohort.lives.up[at, lane]]
        lanes.append(np.full(len(kept), lane))
        when.append(begin + kept * _HOUR)
        delays.append(seconds[kept].astype(np.int64) * 1_000_000)
        blocks.append(np.round(values[kept], 3))
    moments, values = np.concatenate(when), np.concatenate(blocks)
    columns = {gauge.name: pa.array(values[:, c], from_pandas=True) for c, gauge in enumerate(cohort.kind.gauges)}
    return _table(cohort, np.concatenate(lanes), moments, moments + np.concatenate(delays), **columns)


class _Moments:
    """The dated happenings of a cohort as tables. Moments within an hour come from each machine's own stream."""

    def __init__(self, cohort: Cohort, seed: int, begin: int) -> None:
        self.cohort, self.seed, self.begin = cohort, seed, begin
        self.parts = np.array([part.code for part in cohort.kind.parts])
        hours = len(cohort.ambient)
        draws = [stream(seed, each.index, Stream.MOMENTS).random((hours, 4)) for each in cohort.passports]
        self.draws = np.stack(draws, axis=1)
        hour, lane, _ = cohort.lives.failed.T
        # A failure lies strictly inside its hour, after the reading at the hour's start.
        self.failed_at = begin + hour * _HOUR + np.round(60 + 3480 * self.draws[hour, lane, 0]).astype(np.int64) * 1_000_000

    def _delay(self, hour: Ints, lane: Ints, bounds: tuple[float, float], draw: int) -> Ints:
        hours = bounds[0] + (bounds[1] - bounds[0]) * self.draws[hour, lane, draw]
        return np.asarray(np.round(hours * 3600), dtype=np.int64) * 1_000_000

    def failures(self, world: World) -> pa.Table:
        hour, lane, part = self.cohort.lives.failed.T
        known = self.failed_at + self._delay(hour, lane, world.reporting.failure_delay_hours, 1)
        return _table(self.cohort, lane, self.failed_at, known, component=pa.array(self.parts[part], TEXT))

    def repaired_at(self) -> Ints:
        """When the repair of each failure ended; those beyond the simulated time are still open."""
        hour = self.cohort.lives.failed[:, 0]
        hours_down = self.cohort.lives.repair_hours.astype(np.int64)
        return np.asarray(self.begin + (hour + 1 + hours_down) * _HOUR, dtype=np.int64)

    def maintenance(self, world: World) -> pa.Table:
        hour, lane, part = np.concatenate([self.cohort.lives.failed, self.cohort.lives.planned]).T
        broken = len(self.cohort.lives.failed)
        when = np.concatenate([self.repaired_at(), self.begin + hour[broken:] * _HOUR])
        known = when + self._delay(hour, lane, world.reporting.maintenance_delay_hours, 2)
        action = np.where(np.arange(len(hour)) < broken, "corrective", "planned")
        done = when <= self.begin + len(self.cohort.ambient) * _HOUR
        return _table(
            self.cohort,
            lane[done],
            when[done],
            known[done],
            component=pa.array(self.parts[part[done]], TEXT),
            action=pa.array(action[done], TEXT),
        )

    def errors(self) -> pa.Table:
        """Error codes of running machines, none after the failure within its hour."""
        lives, kind = self.cohort.lives, self.cohort.kind
        codes = np.array([fault.code for fault in kind.faults])
        chance = -np.expm1(-fault_rates(kind, lives.wear.astype(np.float64)))
        shape = (len(lives.up), len(codes), 2)
        draws = np.stack([stream(self.seed, each.index, Stream.FAULTS).random(shape) for each in self.cohort.passports], axis=1)
        hour, lane, code = np.nonzero((draws[..., 0] < chance) & lives.up[:, :, None])
        when = self.begin + hour * _HOUR + np.round(3599 * draws[hour, lane, code, 1]).astype(np.int64) * 1_000_000
        stopped = np.full(lives.up.shape, np.iinfo(np.int64).max)
        stopped[lives.failed[:, 0], lives.failed[:, 1]] = self.failed_at
        before = when < stopped[hour, lane]
        return _table(self.cohort, lane[before], when[before], code=pa.array(codes[code[before]], TEXT))

    def operations(self, first_hour: int) -> pa.Table:
        """Mode changes and shift starts of running machines, stops at failures and starts after repairs."""
        lives, kind = self.cohort.lives, self.cohort.kind
        mode = np.stack([each.mode for each in self.cohort.duties], axis=1)
        clock = (np.arange(len(mode)) + first_hour) % 24
        changed = np.vstack([np.ones_like(lives.up[:1]), mode[1:] != mode[:-1]])
        shift = np.isin(clock, list(_SHIFTS))[:, None] & np.ones_like(lives.up)
        parts = [(np.argwhere(changed & lives.up), "mode_change"), (np.argwhere(shift & lives.up), "shift_start")]
        happened = np.concatenate([where for where, _ in parts])
        hour, lane = happened.T
        action = np.repeat([name for _, name in parts], [len(where) for where, _ in parts])
        names = np.array([_SHIFTS[max((h for h in _SHIFTS if h <= at), default=22)] for at in range(24)])
        running = _table(
            self.cohort,
            lane,
            self.begin + hour * _HOUR,
            action=pa.array(action, TEXT),
            mode=pa.array(np.array([m.code for m in kind.modes])[mode[hour, lane]], TEXT),
            load=np.round(self.cohort.load[hour, lane], 3),
            shift=pa.array(names[clock[hour]], TEXT),
        )
        return pa.concat_tables([running, self._stops()], promote_options="default")

    def _stops(self) -> pa.Table:
        lane = self.cohort.lives.failed[:, 1]
        restart = self.repaired_at()
        done = restart < self.begin + len(self.cohort.ambient) * _HOUR
        action = pa.array(["stop"] * len(lane) + ["start"] * int(done.sum()), TEXT)
        stopped, started = self.failed_at, restart[done]
        table = _table(self.cohort, np.concatenate([lane, lane[done]]), np.concatenate([stopped, started]), action=action)
        return table.group_by([MACHINE, EVENT_TIME, RECORDED_AT, "action"]).aggregate([])
