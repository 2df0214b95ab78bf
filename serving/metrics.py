"""Prometheus metrics of the service. Labels are routes, never paths: a machine id in a label would grow without bound."""

import os
from collections.abc import Callable
from functools import cache

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
)

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_RISKS = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
_ACCIDENTS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)

REQUESTS = Counter("forewarn_requests_total", "Answered requests", ["route", "status"])
DURATION = Histogram("forewarn_request_seconds", "Time to answer", ["route"], buckets=_SECONDS)
RISK = Histogram("forewarn_p72", "Answered 72-hour probabilities", ["kind", "source"], buckets=_RISKS)


EXPECTED = Histogram("forewarn_expected_accidents", "Answered accidents expected within a year", buckets=_ACCIDENTS)
ROWS = Counter("forewarn_rows_total", "Rows sent to a table", ["table", "outcome"])

# Looking a label up costs more than counting it; routes, statuses and kinds are few.
_request: Callable[[str, int], Counter] = cache(REQUESTS.labels)
_duration: Callable[[str], Histogram] = cache(DURATION.labels)
_risk: Callable[[str, str], Histogram] = cache(RISK.labels)


def answered(route: str, status: int, seconds: float) -> None:
    _request(route, status).inc()
    _duration(route).observe(seconds)


def scored(kind: str, source: str, p72: float) -> None:
    _risk(kind, source).observe(p72)


def expected(accidents: float) -> None:
    """What the alarm score of an enterprise expects within a year."""
    EXPECTED.observe(accidents)


def taken(table: str, rows: int, refused: int) -> None:
    ROWS.labels(table, "taken").inc(rows)
    ROWS.labels(table, "refused").inc(refused)


def exposition() -> bytes:
    """The text format; summed over the workers where BentoML runs more than one."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
