"""Rows and observations in Polars: versions with the span in which they were known, and who looks at which row.

A machine is its place among the sorted ids (`m`), a moment int64 microseconds, an observation its row number (`i`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import polars as pl

HOUR = 3_600_000_000
DAY = 24 * HOUR
NEVER = 2**63 - 1
FOREVER = float("inf")
Frame = pl.DataFrame


@dataclass(frozen=True)
class Looks:
    """The observations: `at` has i, m (null for a machine that is not known) and now."""

    at: Frame
    bulk: bool
    tables: Mapping[str, Frame] = field(default_factory=dict)

    @cached_property
    def machine(self) -> Frame:
        """The machine's own row as known at each observation: of its versions the one recorded last."""
        versions = self.at.join(self.tables["machines"], on="m").filter(pl.col("since") <= pl.col("now")).sort("i", "recorded")
        return self.dense(versions.group_by("i", maintain_order=True).last().drop("now", "m"))

    def dense(self, found: Frame) -> Frame:
        """One row for each observation, in their order. A left join that streams would lose the order."""
        return self.at.select("i").join(found, on="i", how="left", maintain_order="left")


def split(rows: Frame, looks: Looks) -> tuple[Frame, Frame]:
    """(rows known at once and never corrected, all others); without `bulk` all rows are others."""
    settled = (pl.col("since") == pl.col("event")) & (pl.col("until") == NEVER) & looks.bulk
    return rows.filter(settled), rows.filter(~settled)


def places(rows: Frame, looks: Frame, hours: float | None) -> pl.Series:
    """How many rows stand at or before `hours` before each observation, those of earlier machines included.

    None: how many stand before the machine's first row.
    """
    low, high = rows.get_column("event").min(), rows.get_column("event").max()
    if low is None or not isinstance(low, int) or not isinstance(high, int):
        return pl.zeros(looks.height, pl.Int64, eager=True)
    span = high - low + 2
    keys = rows.select(pl.col("m") * span + pl.col("event") - low).to_series()
    moment = pl.lit(-1) if hours is None else (pl.col("now") - round(hours * HOUR) - low).clip(-1, span - 2)
    asked = looks.select(pl.col("m").fill_null(-1) * span + moment).to_series()
    return keys.search_sorted(asked, side="right").cast(pl.Int64)


def pairs_of(rows: Frame, looks: Frame, hours: float | None) -> Frame:
    """Each observation with each row known to it in (now - hours, now], by time: i, ago in hours, the row's columns."""
    spans = looks.select("i", "now", low=places(rows, looks, hours), high=places(rows, looks, 0.0))
    spans = spans.filter(pl.col("high") > pl.col("low")).with_columns(row=pl.int_ranges("low", "high"))
    pairs = spans.select("i", "now", "row").explode("row")
    pairs = pl.concat([pairs.drop("row"), rows[pairs.get_column("row").cast(pl.UInt32)]], how="horizontal")
    pairs = pairs.filter((pl.col("since") <= pl.col("now")) & (pl.col("now") < pl.col("until")))
    return pairs.with_columns(ago=(pl.col("now") - pl.col("event")) / HOUR)
