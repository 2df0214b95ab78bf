"""What a benchmark hands back to the command line, and what all benchmarks do alike with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from training.evaluation import Evaluation
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


def calibration_facts(judged: Evaluation) -> dict[str, dict[str, Any]]:
    """For each horizon that can be tested, as `24 h`: rows, slope, observed over expected, and the ten bins."""
    found = {}
    for one in judged.horizons:
        if one.calibration is not None:
            bins = one.calibration
            found[f"{one.name} h"] = {
                "rows": one.rows, "rows before a failure": one.events, "base rate": one.base_rate,
                "slope": bins.slope, "observed over expected": bins.overall, "ten bins hold 1": bins.holds,
                "bins": [
                    Interval(float(value), float(low), float(high))
                    for value, low, high in zip(bins.ratio.value, bins.ratio.low, bins.ratio.high, strict=True)
                ],
            }  # fmt: skip
    return found


def write_whole(rows: pa.Table, out: Path) -> None:
    """Predictions as Parquet; the file whole or not at all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    half = out.with_suffix(".part")
    try:
        pq.write_table(rows, half, compression="zstd")
        half.replace(out)
    finally:
        half.unlink(missing_ok=True)
