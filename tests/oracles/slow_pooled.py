"""The slow oracle: kind-free features, put together over the sensors that are not missing."""

import math
import struct
from collections.abc import Callable, Mapping, Sequence

from features.catalog import Catalog
from tests.oracles.slow_look import NAN


def put_together(wanted: Catalog, parts: Mapping[str, float]) -> dict[str, float]:
    """parts: the features of the base by name; `<sensor>:<column>` where they belong to a sensor."""
    found = {}
    for spec in wanted.specs:
        if spec.op in POOLED:
            sizes = [abs(single(parts.get(f"{sensor.name}:{spec.column}", NAN))) for sensor in wanted.kind.sensors]
            known = [size for size in sizes if not math.isnan(size)]
            found[spec.name] = POOLED[spec.op](known) if known else NAN
        else:
            found[spec.name] = parts.get(spec.name, NAN)
    return found


def single(x: float) -> float:
    """As a feature is kept: in single precision, which decides what lies beyond 2."""
    return float(struct.unpack("f", struct.pack("f", x))[0])


def largest(sizes: Sequence[float]) -> float:
    return max(sizes)


def average(sizes: Sequence[float]) -> float:
    return math.fsum(sizes) / len(sizes)


def beyond_2(sizes: Sequence[float]) -> float:
    return float(sum(size > 2 for size in sizes))


def beyond_3(sizes: Sequence[float]) -> float:
    return float(sum(size > 3 for size in sizes))


POOLED: dict[str, Callable[[Sequence[float]], float]] = {one.__name__: one for one in (largest, average, beyond_2, beyond_3)}
