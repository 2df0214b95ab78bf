"""The slow oracle: every feature of a kind from lists of dicts, one plain function for each operation.

Written from the words of the catalog, not from the kernels. A row is known at `as_of` when it happened and was recorded by then
and no later version of its key was. An operation that stands in a catalog and not here fails the tests (`OPERATIONS`).
"""

import math
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from features.catalog import catalog
from features.kinds import MachineKind, Sensor
from features.schema import FIXED, MACHINE, TableContract, readings
from features.spec import FeatureSpec

NAN = math.nan
HOUR = timedelta(hours=1)
DAY_HOURS, MONTH_HOURS = 24.0, 720.0
# Actions of maintenance after which the same part goes on.
KEEPING = {"inspect", "inspection", "check", "clean", "lubricate", "adjust"}
Row = Mapping[str, Any]
Rows = Sequence[Row]


@dataclass(frozen=True)
class Look:
    """One machine's rows as known at `as_of`, table by table, oldest first."""

    kind: MachineKind
    as_of: datetime
    rows: Mapping[str, list[Row]]

    def ago(self, row: Row) -> float:
        """Hours from the row to `as_of`."""
        return float((self.as_of - row["event_time"]) / HOUR)


def features(kind: MachineKind, tables: Mapping[str, Rows], machine: str, as_of: datetime) -> dict[str, float]:
    """Every feature of a machine at `as_of` by name; NaN missing. tables: rows by contract name, all versions, in any order."""
    look = Look(kind, as_of, known(kind, tables, machine, as_of))
    return {spec.name: OPERATIONS[spec.op](look, spec) for spec in catalog(kind).specs}


def known(kind: MachineKind, tables: Mapping[str, Rows], machine: str, as_of: datetime) -> dict[str, list[Row]]:
    """What was known of a machine: of each key the version recorded last among those that happened and were recorded."""
    found = {}
    for name, rows in tables.items():
        contract = readings(kind) if name == kind.readings_table else FIXED[name]
        newest: dict[tuple[Any, ...], Row] = {}
        for row in sorted(rows, key=lambda row: row["recorded_at"]):
            if row[contract.entity] == machine and row["event_time"] <= as_of and row["recorded_at"] <= as_of:
                newest[_key(contract, row)] = row
        mine = sorted(newest.values(), key=lambda row: row["event_time"])
        found["readings" if name == kind.readings_table else name] = mine
    renewed = [row for row in found.get("maintenance", []) if (row["action"] or "").lower() not in KEEPING]
    both = [*renewed, *found.get("failures", [])]
    return found | {"replacements": sorted(both, key=lambda row: row["event_time"])}


def _key(contract: TableContract, row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in contract.key)


# Windows over numbers that arrive regularly

Pairs = list[tuple[float, float]]  # hours ago, value


def numbers(look: Look, spec: FeatureSpec, hours: float) -> Pairs:
    """The numbers of the feature's column in (as_of - hours, as_of], oldest first."""
    rows = look.rows.get(spec.table, [])
    return [(look.ago(row), float(row[spec.column])) for row in rows if row[spec.column] is not None and look.ago(row) < hours]


def reach(look: Look, spec: FeatureSpec) -> float:
    """The longest window of the kind on this table: beyond it "the last value" and "the value before" are not looked for."""
    alike = [one for one in catalog(look.kind).specs if one.table == spec.table and one.op in WINDOWED]
    return max(hours for one in alike for hours in (one.window_hours or 0.0, one.against_hours or 0.0))


def inside(look: Look, spec: FeatureSpec) -> list[float]:
    return [x for _, x in numbers(look, spec, window(spec))]


def window(spec: FeatureSpec) -> float:
    return math.inf if spec.window_hours is None else spec.window_hours


def average(x: Sequence[float]) -> float:
    return math.fsum(x) / len(x) if x else NAN


def spread(x: Sequence[float]) -> float:
    """Sample standard deviation; missing below two numbers, 0 where all are the same."""
    if len(x) < 2:
        return NAN
    centre = average(x)
    return math.sqrt(math.fsum((one - centre) ** 2 for one in x) / (len(x) - 1)) if min(x) < max(x) else 0.0


def mean(look: Look, spec: FeatureSpec) -> float:
    return average(inside(look, spec))


def std(look: Look, spec: FeatureSpec) -> float:
    return spread(inside(look, spec))


def least(look: Look, spec: FeatureSpec) -> float:
    return min(inside(look, spec), default=NAN)


def most(look: Look, spec: FeatureSpec) -> float:
    return max(inside(look, spec), default=NAN)


def width(look: Look, spec: FeatureSpec) -> float:
    return most(look, spec) - least(look, spec)


def slope(look: Look, spec: FeatureSpec) -> float:
    """Least squares, per hour; missing where all numbers are of one moment."""
    pairs = numbers(look, spec, window(spec))
    if len({ago for ago, _ in pairs}) < 2:
        return NAN
    t, x = average([-ago for ago, _ in pairs]), average([x for _, x in pairs])
    return math.fsum((-ago - t) * (one - x) for ago, one in pairs) / math.fsum((-ago - t) ** 2 for ago, _ in pairs)


def last(look: Look, spec: FeatureSpec) -> float:
    x = inside(look, spec)
    return x[-1] if x else NAN


def since_reading(look: Look, spec: FeatureSpec) -> float:
    pairs = numbers(look, spec, window(spec))
    return pairs[-1][0] if pairs else NAN


def missing(look: Look, spec: FeatureSpec) -> float:
    """Share of the readings that a full window would have."""
    return max(0.0, 1.0 - len(inside(look, spec)) * look.kind.period_hours / window(spec))


def difference(look: Look, spec: FeatureSpec) -> float:
    """The last value against the last one before the window."""
    earlier = [x for ago, x in numbers(look, spec, reach(look, spec)) if ago >= window(spec)]
    return last(look, spec) - earlier[-1] if earlier else NAN


def deviation(look: Look, spec: FeatureSpec) -> float:
    """Mean of the window against mean and standard deviation of the machine's longer past, which contains the window."""
    past = [x for _, x in numbers(look, spec, spec.against_hours or math.inf)]
    wide = spread(past)
    return (mean(look, spec) - average(past)) / wide if wide > 0 else NAN


def robust(look: Look, spec: FeatureSpec) -> float:
    """The last value that is at least so old, against median and scaled median absolute deviation of the machine's past."""
    everything = numbers(look, spec, reach(look, spec))
    past = [x for ago, x in everything if ago < (spec.against_hours or math.inf)]
    old = [x for ago, x in everything if ago >= window(spec)]
    if not old or not past:
        return NAN
    middle = statistics.median(past)
    wide = 1.4826 * statistics.median(abs(x - middle) for x in past)
    return (old[-1] - middle) / wide if wide > 0 else NAN


# Numbers that are written when they change: a value holds until the next


def held(look: Look, column: str) -> Pairs:
    """(hours ago, value) of all numbers of a column, oldest first."""
    return [(look.ago(row), float(row[column])) for row in look.rows.get("readings", []) if row[column] is not None]


def steps(pairs: Pairs) -> Pairs:
    """(hours ago, size) of each change of the value."""
    return [(ago, x - before) for (_, before), (ago, x) in pairwise(pairs) if x != before]


def held_before(pairs: Pairs, hours: float) -> float:
    """The value that stood `hours` ago; the first one where there was none yet."""
    earlier = [x for ago, x in pairs if ago >= hours]
    return earlier[-1] if earlier else pairs[0][1]


def word(x: float, place: int) -> float:
    """One of three 16-bit counters packed into a number; missing where the number is no such pack."""
    return float(int(x) // 65536**place % 65536) if 0 <= x < 65536**3 else NAN


def of_held(rule: Callable[[Pairs, FeatureSpec], float]) -> Callable[[Look, FeatureSpec], float]:
    """An operation on the numbers of one column; missing where there is none."""

    def operation(look: Look, spec: FeatureSpec) -> float:
        pairs = held(look, spec.column)
        return float(rule(pairs, spec)) if pairs else NAN

    return operation


def value(pairs: Pairs, spec: FeatureSpec) -> float:
    return pairs[-1][1]


def change(pairs: Pairs, spec: FeatureSpec) -> float:
    return pairs[-1][1] - held_before(pairs, window(spec))


def changes(pairs: Pairs, spec: FeatureSpec) -> float:
    return sum(ago < window(spec) for ago, _ in steps(pairs))


def increases(pairs: Pairs, spec: FeatureSpec) -> float:
    return sum(ago < window(spec) and size > 0 for ago, size in steps(pairs))


def peak(pairs: Pairs, spec: FeatureSpec) -> float:
    return max(x for _, x in pairs)


def drop(pairs: Pairs, spec: FeatureSpec) -> float:
    return peak(pairs, spec) - pairs[-1][1]


def growth(pairs: Pairs, spec: FeatureSpec) -> float:
    return pairs[-1][1] - pairs[0][1]


def rate(pairs: Pairs, spec: FeatureSpec) -> float:
    """Per 30 days since it was first seen; the first day counts whole."""
    return growth(pairs, spec) / max(pairs[0][0], DAY_HOURS) * MONTH_HOURS


def low_word(pairs: Pairs, spec: FeatureSpec) -> float:
    return word(pairs[-1][1], 0)


def high_word(pairs: Pairs, spec: FeatureSpec) -> float:
    return word(pairs[-1][1], 1)


def share_above_zero(pairs: Pairs, spec: FeatureSpec) -> float:
    ends = [*(ago for ago, _ in pairs[1:]), 0.0]
    above = math.fsum(ago - end for (ago, x), end in zip(pairs, ends, strict=True) if x > 0)
    return above / max(pairs[0][0], DAY_HOURS)


def since_change(pairs: Pairs, spec: FeatureSpec) -> float:
    return min((ago for ago, _ in steps(pairs)), default=NAN)


def since_increase(pairs: Pairs, spec: FeatureSpec) -> float:
    return min((ago for ago, size in steps(pairs) if size > 0), default=NAN)


def since_above_zero(pairs: Pairs, spec: FeatureSpec) -> float:
    return max((ago for ago, x in pairs if x > 0), default=NAN)


# The rows as such, and all counters of faults together


def rows(look: Look, spec: FeatureSpec) -> float:
    return float(sum(look.ago(row) < window(spec) for row in look.rows.get("readings", [])))


def since_row(look: Look, spec: FeatureSpec) -> float:
    return min((look.ago(row) for row in look.rows.get("readings", [])), default=NAN)


def row_gap(look: Look, spec: FeatureSpec) -> float:
    """Hours between the last two rows."""
    ago = sorted(look.ago(row) for row in look.rows.get("readings", []))
    return ago[1] - ago[0] if len(ago) > 1 else NAN


def of_faults(rule: Callable[[Pairs, Sensor, FeatureSpec], float]) -> Callable[[Look, FeatureSpec], float]:
    """A sum over the counters of faults that were ever seen; missing where none was."""

    def operation(look: Look, spec: FeatureSpec) -> float:
        seen = [(held(look, sensor.name), sensor) for sensor in look.kind.sensors if sensor.fault]
        found = [float(rule(pairs, sensor, spec)) for pairs, sensor in seen if pairs]
        return math.fsum(found) if found else NAN

    return operation


def ends(pairs: Pairs, sensor: Sensor, spec: FeatureSpec) -> tuple[float, float]:
    """The value now and before the window; of a packed counter its first word."""
    now, before = pairs[-1][1], held_before(pairs, window(spec))
    return (word(now, 0), word(before, 0)) if sensor.packed else (now, before)


def faults_increases(pairs: Pairs, sensor: Sensor, spec: FeatureSpec) -> float:
    return increases(pairs, spec)


def faults_present(pairs: Pairs, sensor: Sensor, spec: FeatureSpec) -> float:
    return ends(pairs, sensor, spec)[0] > 0


def faults_growing(pairs: Pairs, sensor: Sensor, spec: FeatureSpec) -> float:
    now, before = ends(pairs, sensor, spec)
    return now > before


def faults_level(pairs: Pairs, sensor: Sensor, spec: FeatureSpec) -> float:
    now, _ = ends(pairs, sensor, spec)
    return math.log1p(now) if now > 0 else 0.0


def faults_surge(pairs: Pairs, sensor: Sensor, spec: FeatureSpec) -> float:
    now, before = ends(pairs, sensor, spec)
    return math.log1p(now - before) if now > before else 0.0


def _rises(look: Look) -> list[float]:
    columns = [held(look, sensor.name) for sensor in look.kind.sensors if sensor.fault]
    return [ago for pairs in columns for ago, size in steps(pairs) if size > 0]


def faults_since(look: Look, spec: FeatureSpec) -> float:
    return min(_rises(look), default=NAN)


def faults_since_first(look: Look, spec: FeatureSpec) -> float:
    return max(_rises(look), default=NAN)


# Rows that carry a code

CODES = {"events": "code", "maintenance": "component", "failures": "component", "replacements": "component"}


def coded(look: Look, spec: FeatureSpec) -> list[float]:
    """Hours ago of the rows with the feature's code, or of all rows, oldest first."""
    every = look.rows.get(spec.table, [])
    return [look.ago(row) for row in every if spec.column in ("", row[CODES[spec.table]])]


def count(look: Look, spec: FeatureSpec) -> float:
    return float(sum(ago < window(spec) for ago in coded(look, spec)))


def since(look: Look, spec: FeatureSpec) -> float:
    return min(coded(look, spec), default=NAN)


def since_first(look: Look, spec: FeatureSpec) -> float:
    return max(coded(look, spec), default=NAN)


def _ages(look: Look, spec: FeatureSpec) -> list[float]:
    """Hours since the last row of each declared code that ever came."""
    declared = look.kind.error_codes if spec.table == "events" else look.kind.components
    every = look.rows.get(spec.table, [])
    found = [[look.ago(row) for row in every if row[CODES[spec.table]] == term.code] for term in declared]
    return [min(ago) for ago in found if ago]


def youngest(look: Look, spec: FeatureSpec) -> float:
    return min(_ages(look, spec), default=NAN)


def oldest(look: Look, spec: FeatureSpec) -> float:
    return max(_ages(look, spec), default=NAN)


def gap(look: Look, spec: FeatureSpec) -> float:
    """The commonest of the latest twelve gaps between visits, alike within 5 %; of equally common ones the shortest."""
    moments = sorted({look.ago(row) for row in look.rows.get(spec.table, [])})
    gaps = [earlier - later for later, earlier in pairwise(moments)][:12]
    likes = [sum(abs(other - one) <= 0.05 * one for other in gaps) for one in gaps]
    return min((one for one, like in zip(gaps, likes, strict=True) if like == max(likes)), default=NAN)


def to_next(look: Look, spec: FeatureSpec) -> float:
    """Hours to the next visit if the rhythm goes on."""
    ago = [look.ago(row) for row in look.rows.get(spec.table, [])]
    rhythm = gap(look, spec)
    return rhythm - math.fmod(min(ago), rhythm) if not math.isnan(rhythm) else NAN


def since_at_next(look: Look, spec: FeatureSpec) -> float:
    return since(look, spec) + to_next(look, spec)


# The machine itself


def of_machine(rule: Callable[[Look, Row], float | None]) -> Callable[[Look, FeatureSpec], float]:
    """An operation on the machine's own row; missing where it is not known."""

    def operation(look: Look, spec: FeatureSpec) -> float:
        if not look.rows.get("machines"):
            return NAN
        (row,) = look.rows["machines"]
        found = rule(look, row)
        return NAN if found is None else float(found)

    return operation


def age(look: Look, row: Row) -> float | None:
    return None if row["age_hours"] is None else row["age_hours"] + look.ago(row)


def observed(look: Look, row: Row) -> float | None:
    return look.ago(row)


def age_at_start(look: Look, row: Row) -> float | None:
    return row["age_hours"]  # type: ignore[no-any-return]


def capacity(look: Look, row: Row) -> float | None:
    return row["capacity"]  # type: ignore[no-any-return]


def model(look: Look, row: Row) -> float | None:
    return look.kind.models.index(row["model"]) if row["model"] in look.kind.models else None


def make(look: Look, row: Row) -> float | None:
    """The leading letters of the model, as their place among those of the kind's models."""
    if row["model"] not in look.kind.models:
        return None
    makes = [re.split(r"[\W\d_]", one)[0].upper() for one in look.kind.models]
    return sorted(set(makes)).index(makes[look.kind.models.index(row["model"])])


def _days(look: Look) -> float:
    return (look.as_of - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(days=1)


def season(look: Look, row: Row) -> float | None:
    return math.floor(_days(look)) % 365.25


def weekday(look: Look, row: Row) -> float | None:
    return look.as_of.astimezone(UTC).weekday()


def date(look: Look, row: Row) -> float | None:
    return math.floor(_days(look))


def made(look: Look, row: Row) -> float | None:
    """Date of manufacture, in days since 1970."""
    hours = age(look, row)
    return None if hours is None else _days(look) - hours / DAY_HOURS


Operation = Callable[[Look, FeatureSpec], float]
WINDOWED: dict[str, Operation] = {
    "mean": mean, "std": std, "min": least, "max": most, "range": width, "slope": slope, "last": last, "missing": missing,
    "since_reading": since_reading, "difference": difference, "deviation": deviation, "robust": robust,
}  # fmt: skip
STEPPED: dict[str, Operation] = {
    rule.__name__: of_held(rule)
    for rule in (
        value, change, changes, increases, peak, drop, growth, rate, low_word, high_word,
        share_above_zero, since_change, since_increase, since_above_zero,
    )
}  # fmt: skip
TOGETHER: dict[str, Operation] = {
    "rows": rows, "since_row": since_row, "row_gap": row_gap,
    "faults_since": faults_since, "faults_since_first": faults_since_first,
} | {
    rule.__name__: of_faults(rule) for rule in (faults_increases, faults_present, faults_growing, faults_level, faults_surge)
}  # fmt: skip
POINTS: dict[str, Operation] = {
    one.__name__: one for one in (count, since, since_first, youngest, oldest, gap, to_next, since_at_next)
}
STATIC: dict[str, Operation] = {
    rule.__name__: of_machine(rule)
    for rule in (age, observed, age_at_start, model, make, capacity, season, weekday, date, made)
}
OPERATIONS: dict[str, Operation] = WINDOWED | STEPPED | TOGETHER | POINTS | STATIC
