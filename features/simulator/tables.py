"""Lives of machines as contract tables, with the gaps and delays of real reporting.

Clocks. Readings and errors are recorded at once, some readings hours late; a failure is recorded within hours; the corrective
maintenance happens, and is recorded, after the repair. Failures and errors lie strictly inside their hour, after its reading.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features import schema
from features.clock import micros
from features.schema import EVENT_TIME, MACHINE, RECORDED_AT, TEXT, TIME, TableContract
from features.simulator import vocabulary
from features.simulator.chance import Duty, Ints, Passport, Stream, stream
from features.simulator.life import ACTIONS, CORRECTED, Life
from features.simulator.vocabulary import SHIFTS
from features.simulator.world import Floats, KindWorld, World

HOUR = 3_600_000_000
_SECOND = 1_000_000
_SHIFT_NAMES = [term.code for _, term in SHIFTS]
_SHIFT_STARTS = [start for start, _ in SHIFTS]
_OPERATIONS = [action.code for action in vocabulary.ACTIONS]
# Row data of one machine: event times, recorded times (None: at once), and columns: numbers, or (words, positions in them).
Words = tuple[Sequence[str], npt.NDArray[Any]]
Rows = tuple[Ints, Ints | None, Mapping[str, Floats | Words]]


@dataclass(frozen=True)
class Machine:
    """One machine's life. Arrays by hour may be longer than `hours`, for which it is told; served: hours of calibration."""

    passport: Passport
    duty: Duty
    ambient_c: Floats
    humidity: Floats
    life: Life
    served: Ints
    values: Floats
    hours: int


def machine_id(kind: KindWorld, index: int) -> str:
    return f"{kind.name}-{index:05d}"


def tables(
    world: World, kind: KindWorld, cohort: Sequence[Machine], every: int, seed: int
) -> Iterator[tuple[TableContract, pa.Table]]:
    """The rows of machines of one kind, ordered by machine and time."""
    begin = micros(world.begin)

    def told(contract: TableContract, rows: Callable[[Machine], Rows]) -> tuple[TableContract, pa.Table]:
        return contract, _stack(kind, [machine.passport.index for machine in cohort], [rows(machine) for machine in cohort])

    yield told(schema.MACHINES, lambda machine: _passport(world, kind, machine.passport, begin))
    yield told(schema.COVERAGE, lambda machine: (np.array([begin + machine.hours * HOUR]), None, {}))
    yield told(schema.FAILURES, lambda machine: _failures(world, kind, machine, seed, begin))
    yield told(schema.MAINTENANCE, lambda machine: _maintenance(world, kind, machine, seed, begin))
    yield told(schema.EVENTS, lambda machine: _errors(kind, machine, begin))
    yield told(schema.OPERATIONS, lambda machine: _operations(world, kind, machine, begin))
    yield told(schema.ENVIRONMENT, lambda machine: _environment(world, machine, begin))
    yield told(schema.readings(kind.kind(every)), lambda machine: _readings(world, kind, machine, every, seed, begin))


def passports(world: World, kind: KindWorld, chosen: Sequence[Passport]) -> tuple[TableContract, pa.Table]:
    """The rows that say what machines of one kind there are."""
    begin = micros(world.begin)
    return schema.MACHINES, _stack(kind, [one.index for one in chosen], [_passport(world, kind, one, begin) for one in chosen])


def _stack(kind: KindWorld, machines: Sequence[int], parts: Sequence[Rows]) -> pa.Table:
    """Rows of machine after machine as one table."""
    lanes = np.repeat(np.arange(len(machines), dtype=np.int32), [len(when) for when, _, _ in parts])
    when = np.concatenate([when for when, _, _ in parts])
    known = np.concatenate([at if recorded is None else recorded for at, recorded, _ in parts])
    columns: dict[str, Any] = {
        MACHINE: _texts([machine_id(kind, index) for index in machines], lanes),
        EVENT_TIME: pa.array(when).cast(TIME),
        RECORDED_AT: pa.array(known).cast(TIME),
    }
    for name, first in parts[0][2].items():
        if isinstance(first, tuple):
            columns[name] = _texts(first[0], np.concatenate([part[2][name][1] for part in parts]))
        else:
            columns[name] = pa.array(np.concatenate([part[2][name] for part in parts]), from_pandas=True)
    return pa.table(columns)


def _texts(words: Sequence[str], places: npt.NDArray[Any]) -> pa.Array:
    """Words by their places; -1 is empty."""
    indices = pa.array(places.astype(np.int32), mask=places < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(list(words), TEXT)).cast(TEXT)


def _one(word: str) -> Words:
    return [word], np.zeros(1, np.int32)


def _passport(world: World, kind: KindWorld, about: Passport, begin: int) -> Rows:
    # The words of the first machine stand for the whole cohort, so what differs between machines is a place in all there are.
    columns: dict[str, Floats | Words] = {
        "kind": _one(kind.name),
        "model": ([make.name for make in kind.makes], np.array([about.make])),
        "age_hours": np.array([about.age_hours]),
        "site_id": (numbered("site", world.sites), np.array([about.site])),
        "enterprise_id": (numbered("enterprise", world.enterprises), np.array([about.enterprise])),
    }
    return np.array([begin]), None, columns


@lru_cache(maxsize=4)
def numbered(name: str, count: int) -> tuple[str, ...]:
    """The ids of sites and enterprises; they say nothing."""
    return tuple(f"{name}-{place:03d}" for place in range(count))


def failed_at(machine: Machine, begin: int) -> tuple[Ints, Ints]:
    """(hour, microseconds) of each failure."""
    hour = np.flatnonzero(machine.life.failed[: machine.hours] >= 0)
    return hour, _within(hour, machine.life.failed_at[hour], begin)


def _within(hour: Ints, share: npt.NDArray[Any], begin: int) -> Ints:
    return np.asarray(begin + hour * HOUR + np.round(60 + 3480 * share).astype(np.int64) * _SECOND, dtype=np.int64)


def _delays(draws: Floats, bounds: tuple[float, float]) -> Ints:
    return np.round((bounds[0] + (bounds[1] - bounds[0]) * draws) * 3600).astype(np.int64) * _SECOND


def _failures(world: World, kind: KindWorld, machine: Machine, seed: int, begin: int) -> Rows:
    hour, when = failed_at(machine, begin)
    draws = stream(seed, machine.passport.index, Stream.MOMENTS).random(len(hour))
    codes = [part.code for part in kind.parts]
    late = _delays(draws, world.reporting.failure_delay_hours)
    return when, when + late, {"component": (codes, machine.life.failed[hour])}


def _maintenance(world: World, kind: KindWorld, machine: Machine, seed: int, begin: int) -> Rows:
    actions = machine.life.actions[: machine.hours]
    hour, part = np.nonzero(actions)
    draws = stream(seed, machine.passport.index, Stream.NOTES).random((len(hour), 2))
    done = actions[hour, part]
    # A repair after a failure is always written down.
    kept = (draws[:, 0] >= world.reporting.forgotten_share) | (done == CORRECTED)
    hour, part, done, draws = hour[kept], part[kept], done[kept], draws[kept]
    when = begin + hour * HOUR
    known = when + _delays(draws[:, 1], world.reporting.maintenance_delay_hours)
    codes, names = [each.code for each in kind.parts], [ACTIONS[place] for place in sorted(ACTIONS)]
    return when, known, {"component": (codes, part), "action": (names, done - 1)}


def _errors(kind: KindWorld, machine: Machine, begin: int) -> Rows:
    faults = machine.life.faults[: machine.hours]
    hour, code = np.nonzero(~np.isnan(faults))
    when = _within(hour, faults[hour, code].astype(np.float64), begin)
    order = np.lexsort((code, when))
    return when[order], None, {"code": ([fault.code for fault in kind.faults], code[order])}


def _environment(world: World, machine: Machine, begin: int) -> Rows:
    at = np.arange(0, machine.hours, world.climate.every_hours, dtype=np.int64)
    return begin + at * HOUR, None, {"ambient_temperature_c": machine.ambient_c[at], "humidity_pct": machine.humidity[at]}


def _readings(world: World, kind: KindWorld, machine: Machine, every: int, seed: int, begin: int) -> Rows:
    """A row per grid hour while the machine runs; some rows come late."""
    reporting = world.reporting
    at = np.arange(0, machine.hours, every, dtype=np.int64)
    at = at[machine.life.up[at]]
    draws = stream(seed, machine.passport.index, Stream.LATE).random(machine.hours)[at]
    late = np.flatnonzero(draws < reporting.late_share)
    when = begin + at * HOUR
    known = when.copy()
    known[late] += _delays(draws[late] / max(reporting.late_share, 1e-12), reporting.late_hours)
    return when, known, {gauge.name: machine.values[at, c] for c, gauge in enumerate(kind.gauges)}


def _operations(world: World, kind: KindWorld, machine: Machine, begin: int) -> Rows:
    """Mode changes and shift starts of a running machine, stops at failures, starts after repairs, calibrations of sensors."""
    hours, lived, mode = machine.hours, machine.life, machine.duty.mode
    clock = (np.arange(hours) + world.begin.hour) % 24
    up = lived.up[:hours]
    changed = np.concatenate([[True], mode[1:hours] != mode[: hours - 1]])
    broke, stopped = failed_at(machine, begin)
    again = np.flatnonzero((lived.actions[:hours] == CORRECTED).any(axis=1))
    # In the order of vocabulary.ACTIONS.
    at = [np.flatnonzero(changed & up), np.flatnonzero(np.isin(clock, _SHIFT_STARTS) & up), broke, again, machine.served]
    hour = np.concatenate(at)
    action = np.repeat(np.arange(len(at)), [len(part) for part in at])
    when = begin + hour * HOUR
    when[action == _OPERATIONS.index("stop")] = stopped
    running = np.isin(action, [_OPERATIONS.index(name) for name in ("mode_change", "shift_start", "start")])
    shift = (np.searchsorted(_SHIFT_STARTS, clock[hour], side="right") - 1) % len(_SHIFT_STARTS)
    order = np.lexsort((action, when))
    columns: dict[str, Floats | Words] = {
        "action": (_OPERATIONS, action[order]),
        "mode": ([each.code for each in kind.modes], np.where(running, mode[hour], -1)[order]),
        "load": np.where(running, np.round(machine.duty.load[hour], 3), np.nan)[order],
        "shift": (_SHIFT_NAMES, np.where(running, shift, -1)[order]),
    }
    return when[order], None, columns
