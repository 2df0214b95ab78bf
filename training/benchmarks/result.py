"""What a benchmark hands back to the command line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from training.intervals import Interval

Progress = Any


@dataclass(frozen=True)
class Result:
    """A finished benchmark.

    table: one mapping per forecast, `forecast` first, then figures by name: an Interval, a number or text; gains over the
    rivals are rows or columns of their own. report: the HTML page, if one was written. predictions: the Parquet file written
    with --predict. notes: what a reader must know to judge the table.
    """

    name: str
    table: Sequence[Mapping[str, Interval | float | int | str | None]]
    report: Path | None = None
    predictions: Path | None = None
    notes: Sequence[str] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


class Benchmark(Protocol):
    """A module training/benchmarks/<set>.py."""

    def run(self, train: Path, predict: Path | None, out: Path | None, progress: Any) -> Result:
        """Train by the set's published protocol on `train`; with `predict`, write predictions of that folder to `out`."""
        ...
