"""Rows and observations in pandas: versions with the span in which they were known, and who looks at which row.

Rows are frames with m (the machine's place among the sorted ids), event, since, until (int64 microseconds) and their columns;
an observation is its place.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from features.schema import EVENT_TIME, RECORDED_AT, TableContract

HOUR = 3_600_000_000
DAY = 24 * HOUR
NEVER = 2**63 - 1
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Made = dict[str, Floats]


@dataclass(frozen=True)
class Looks:
    """The observations: machine (-1 for one that is not known) and moment of each; all rows by table."""

    m: Ints
    now: Ints
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    def dense(self, found: pd.DataFrame) -> pd.DataFrame:
        """A frame indexed by observation -> one row for each observation, in their order."""
        return found.reindex(np.arange(len(self.m)))


def versions(table: pa.Table, contract: TableContract, ids: list[str]) -> pd.DataFrame:
    """Rows by entity and time, each version with the span [since, until) in which it was what one knew."""
    frame = table.to_pandas()
    frame["m"] = coded(frame[contract.entity], ids)
    frame["event"], frame["recorded"] = (micros_of(frame[name]) for name in (EVENT_TIME, RECORDED_AT))
    frame = frame[frame.m >= 0].drop(columns=[EVENT_TIME, RECORDED_AT, contract.entity])
    key = ["m", *([] if contract.timeless_key else ["event"]), *contract.own_key]
    frame = frame.sort_values([*key, "recorded"], kind="stable", ignore_index=True)
    frame["since"] = np.maximum(frame.event, frame.recorded)
    same = np.logical_and.reduce([frame[name].eq(frame[name].shift(-1)) for name in key]) if len(frame) else []
    frame["until"] = np.where(same, frame.since.shift(-1, fill_value=0), NEVER)
    return frame.sort_values(["m", "event"], kind="stable", ignore_index=True)


def coded(texts: pd.Series, words: list[str]) -> Ints:
    """The place of each text among the words, -1 for another one or none."""
    return np.asarray(pd.Index(words, dtype=object).get_indexer(texts.astype(object)), dtype=np.int64)


def micros_of(moments: pd.Series) -> Ints:
    return np.asarray(moments.dt.tz_localize(None).to_numpy().astype("datetime64[us]").astype(np.int64))


def split(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(rows known at once and never corrected, all others)."""
    settled = (rows.since == rows.event) & (rows.until == NEVER)
    return rows[settled].reset_index(drop=True), rows[~settled].reset_index(drop=True)


def places(rows: pd.DataFrame, m: Ints, now: Ints, hours: float | None) -> Ints:
    """How many rows stand at or before `hours` before each moment, those of earlier machines included.

    None: how many stand before the machine's first row.
    """
    if rows.empty:
        return np.zeros(len(m), dtype=np.int64)
    low = rows.event.min()
    span = rows.event.max() - low + 2
    keys = (rows.m * span + rows.event - low).to_numpy()
    moment = -1 if hours is None else np.clip(now - round(hours * HOUR) - low, -1, span - 2)
    return np.searchsorted(keys, m * span + moment, side="right")


def pairs_of(rows: pd.DataFrame, m: Ints, now: Ints, hours: float | None) -> pd.DataFrame:
    """Each observation with each row known to it in (now - hours, now], by time: i, ago in hours, the row's columns."""
    low, high = places(rows, m, now, hours), places(rows, m, now, 0.0)
    count = np.maximum(high - low, 0)
    i = np.repeat(np.arange(len(m)), count)
    row = np.arange(len(i)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(low, count)
    at = now[i]
    since, until = rows.since.to_numpy()[row], rows.until.to_numpy()[row]
    seen = (since <= at) & (at < until)
    found = rows.iloc[row[seen]].reset_index(drop=True)
    return found.assign(i=i[seen], ago=(at[seen] - found.event.to_numpy()) / HOUR)


def newest(rows: pd.DataFrame, m: Ints, now: Ints, hours: float) -> Ints:
    """The place of the machine's last row at or before `hours` ago, or -1."""
    place, first = places(rows, m, now, hours), places(rows, m, now, None)
    return np.where(place > first, place - 1, -1)


def taken(values: pd.Series, place: Ints) -> Floats:
    """The values at places, NaN at -1."""
    return np.append(values.to_numpy(dtype=np.float64), np.nan)[place]
