"""The slow oracle: counters that are written when they change; a value holds until the next."""

import math
from collections.abc import Callable
from itertools import pairwise

from features.kinds import Sensor
from features.spec import FeatureSpec
from tests.oracles.slow_look import DAY_HOURS, MONTH_HOURS, NAN, Look, Operation, Pairs, window


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
