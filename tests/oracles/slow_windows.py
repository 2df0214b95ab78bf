"""The slow oracle: windows over numbers that arrive regularly."""

import math
import statistics
from collections.abc import Sequence

from features.spec import FeatureSpec
from tests.oracles.slow_look import NAN, Look, Operation, Pairs, window


def numbers(look: Look, spec: FeatureSpec, hours: float) -> Pairs:
    """The numbers of the feature's column in (as_of - hours, as_of], oldest first."""
    rows = look.rows.get(spec.table, [])
    return [(look.ago(row), float(row[spec.column])) for row in rows if row[spec.column] is not None and look.ago(row) < hours]


def reach(look: Look, spec: FeatureSpec) -> float:
    """The longest window of the catalog on this table: beyond it "the last value" and "the value before" are not looked for."""
    alike = [one for one in look.specs if one.table == spec.table and one.op in WINDOWED]
    return max(hours for one in alike for hours in (one.window_hours or 0.0, one.against_hours or 0.0))


def inside(look: Look, spec: FeatureSpec) -> list[float]:
    return [x for _, x in numbers(look, spec, window(spec))]


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


WINDOWED: dict[str, Operation] = {
    "mean": mean, "std": std, "min": least, "max": most, "range": width, "slope": slope, "last": last, "missing": missing,
    "since_reading": since_reading, "difference": difference, "deviation": deviation, "robust": robust,
}  # fmt: skip
