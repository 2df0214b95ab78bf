"""What is known of a place on the morning when visits are planned: its visits so far, its licences, who came and what he finds.

Two months are planned at a time, from the first of January, March, May, ...: so a visit's features are as of the first day of
its two months, and nothing that happened in them is known, be it the weather, complaints or an earlier visit of the same place.
Rows to learn from are seen the same way. The kind of place and its licences stand as of the visit, since no earlier state of
them is published; who comes is known only where a model is told. What was found is measured against who looked: inspectors
differ more than places do, and a place where nothing was found by somebody who seldom finds anything is not known to be good.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.sources.chicago import DAY, LICENCES

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
YEAR_DAYS = 365.0
MONTHS_PLANNED = 2
WHO = ("finds", "same inspector")  # known once it is settled who goes
OUTCOMES = {"critical": "found", "serious": "seriousCount", "minor": "minorCount", "failed": "fail_flag"}
# For trees alone: sums grow with the number of visits, and what was found last is in what exceeds the expected.
RAW = (
    "critical, expected", *(f"{word}, all" for word in OUTCOMES), *(f"{word}, last" for word in OUTCOMES if word != "critical"),
)  # fmt: skip
_FAR = 10**7


@dataclass(frozen=True)
class Rates:
    """What an inspection of each group of inspectors brings in the mean, by outcome; of an unknown group: of all."""

    of: Mapping[str, Mapping[str, float]]
    all: Mapping[str, float]

    @classmethod
    def learn(cls, visits: pd.DataFrame) -> "Rates":
        """Of the visits to learn from."""
        columns = list(OUTCOMES.values())
        mean = visits.groupby("Inspector_Assigned")[columns].mean()
        return cls({name: mean[name].to_dict() for name in columns}, {name: float(visits[name].mean()) for name in columns})

    def each(self, groups: "pd.Series[str]", name: str) -> Floats:
        """The rate [n] of who came."""
        return np.asarray(groups.map(self.of[name]).fillna(self.all[name]), dtype=np.float64)


def plan_day(days: "pd.Series[pd.Timestamp]") -> "pd.Series[pd.Timestamp]":
    """The first day of the two months that a day lies in."""
    month = (days.dt.month - 1) // MONTHS_PLANNED * MONTHS_PLANNED + 1
    return pd.to_datetime({"year": days.dt.year, "month": month, "day": 1})


def features(asked: pd.DataFrame, history: pd.DataFrame, rates: Rates) -> pd.DataFrame:
    """A row for each visit asked, NaN = there is none. Of `history` only what lies before the plan day of a visit is read."""
    past = _Past.of(asked, history.sort_values(["License", DAY, "Inspection_ID"], kind="stable").reset_index(drop=True))
    who = past.history["Inspector_Assigned"]
    table: dict[str, Floats] = {
        "visits": past.count.astype(np.float64),
        "years since": (past.plan - past.latest(past.days)) / YEAR_DAYS,
        "last finds": past.latest(rates.each(who, "found")),
    }
    came = {group: past.total((who == group).to_numpy(np.float64)) for group in rates.of["found"]}
    others = table["visits"] - sum(came.values())
    for word, name in OUTCOMES.items():
        brought = past.history[name].to_numpy(np.float64)
        expected = sum((rates.of[name][group] * count for group, count in came.items()), rates.all[name] * others)
        table[f"{word}, last"] = past.latest(brought)
        table[f"{word}, all"] = past.total(brought)
        table[f"{word}, more than expected"] = table[f"{word}, all"] - expected
        if word == "critical":
            table["critical, expected"] = expected
    ahead = _days(asked[DAY]) - past.plan
    table["age"] = asked["ageAtInspection"].to_numpy(np.float64) - ahead / YEAR_DAYS
    facility = asked["Facility_Type"].str.lower()
    table["grocery"] = facility.str.contains("grocery").to_numpy(np.float64)
    table["no restaurant"] = (~facility.str.contains("restaurant")).to_numpy(np.float64)
    table |= {name: asked[name].to_numpy(np.float64) for name in LICENCES}
    now = asked["Inspector_Assigned"]
    table["finds"] = rates.each(now, "found")
    codes = {name: float(place) for place, name in enumerate(sorted(set(who.dropna()) | set(now.dropna())))}
    last = past.latest(who.map(codes).to_numpy(np.float64))
    table["same inspector"] = np.where(np.isnan(last), np.nan, (last == now.map(codes).to_numpy(np.float64)).astype(float))
    return pd.DataFrame(table, index=asked.index)


def _days(moments: "pd.Series[pd.Timestamp]") -> Floats:
    return np.asarray(moments.to_numpy("datetime64[D]"), dtype="datetime64[D]").astype(np.float64)


@dataclass(frozen=True)
class _Past:
    """Of each row asked the visits before its plan day: from `start`, `count` of them, in `history` by licence and day."""

    history: pd.DataFrame
    days: Floats
    start: Whole
    count: Whole
    plan: Floats

    @classmethod
    def of(cls, asked: pd.DataFrame, history: pd.DataFrame) -> "_Past":
        licences, code = np.unique(history["License"].to_numpy(np.int64), return_inverse=True)
        days, plan = _days(history[DAY]), _days(plan_day(asked[DAY]))
        wanted = asked["License"].to_numpy(np.int64)
        place = np.minimum(np.searchsorted(licences, wanted), len(licences) - 1)
        key = code * _FAR + days
        start = np.searchsorted(key, place * _FAR)
        until = np.where(licences[place] == wanted, np.searchsorted(key, place * _FAR + plan), start)
        return cls(history, days, start, until - start, plan)

    def total(self, values: Floats) -> Floats:
        """Of counts alone: their running sums are exact, so that what other places had cannot show in the last digit."""
        sums = np.r_[0.0, np.cumsum(values)]
        return np.asarray(sums[self.start + self.count] - sums[self.start])

    def latest(self, values: Floats) -> Floats:
        last = np.maximum(self.start + self.count - 1, 0)
        return np.where(self.count > 0, values[last], np.nan)
