"""The slow oracle: sensors at equal load, one reading after the other."""

import math
from collections import defaultdict
from datetime import UTC, datetime, timedelta

from features.spec import FeatureSpec
from tests.oracles.slow_look import NAN, Look, Operation, Row, window
from tests.oracles.slow_windows import average, spread

# Load and temperature: what they must vary by within days before their effect is half believed, and what they are put back to.
RIDGE = (0.5, 50.0)
USUAL = (1.0, 20.0)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Point = tuple[float, float, float, float, int]  # hours ago, reading, load, temperature, day


def stood(look: Look, table: str, column: str, reading: Row) -> float:
    """What stood when a reading was made; of several rows at one moment the last by key."""
    rows = sorted(look.rows.get(table, []), key=lambda row: (row["event_time"], row.get("action") or ""))
    said = [row[column] for row in rows if row[column] is not None and row["event_time"] <= reading["event_time"]]
    return float(said[-1]) if said else NAN


def points(look: Look, sensor: str) -> list[Point]:
    """The readings of the longest past whose load and temperature are known; a day ends with its midnight."""
    made = []
    for row in look.rows.get("readings", []):
        if row[sensor] is None or look.ago(row) >= max(look.kind.equal_load_hours):
            continue
        load = stood(look, "operations", "load", row) if look.kind.operated else 0.0
        warm = stood(look, "environment", "ambient_temperature_c", row) if look.kind.environment else 0.0
        if not math.isnan(load + warm):
            day = math.ceil((row["event_time"] - EPOCH) / timedelta(days=1))
            made.append((look.ago(row), float(row[sensor]), load, warm, day))
    return made


def effects(found: list[Point]) -> tuple[float, float]:
    """Ridge regression of the readings on load and temperature, all about their means of the day."""
    by_day = defaultdict(list)
    for one in found:
        by_day[one[4]].append(one)
    parts = []
    for own in by_day.values():
        y, u, v = (average([one[place] for one in own]) for place in (1, 2, 3))
        parts += [(one[1] - y, one[2] - u, one[3] - v) for one in own]
    uu, vv = (math.fsum(part[place] ** 2 for part in parts) + RIDGE[place - 1] for place in (1, 2))
    uv, uy, vy = (math.fsum(part[a] * part[b] for part in parts) for a, b in ((1, 2), (1, 0), (2, 0)))
    rest = uu * vv - uv * uv
    return (vv * uy - uv * vy) / rest, (uu * vy - uv * uy) / rest


def beyond(look: Look, spec: FeatureSpec, hours: float) -> list[float]:
    """The readings of a window less what load and temperature explain."""
    found = points(look, spec.column)
    of_load, of_warmth = effects(found)
    return [y - of_load * load - of_warmth * warm for ago, y, load, warm, _ in found if ago < hours]


def equal_mean(look: Look, spec: FeatureSpec) -> float:
    of_load, of_warmth = effects(points(look, spec.column))
    put_back = of_load * USUAL[0] * look.kind.operated + of_warmth * USUAL[1] * look.kind.environment
    return average(beyond(look, spec, window(spec))) + put_back


def equal_std(look: Look, spec: FeatureSpec) -> float:
    return spread(beyond(look, spec, window(spec)))


def equal_deviation(look: Look, spec: FeatureSpec) -> float:
    return average(beyond(look, spec, window(spec))) - average(beyond(look, spec, spec.against_hours or math.inf))


EQUAL: dict[str, Operation] = {one.__name__: one for one in (equal_mean, equal_std, equal_deviation)}
