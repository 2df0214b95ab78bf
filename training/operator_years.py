"""PHMSA operator-years: miles, incidents and what was known of an operator before the year began.

A row is an operator and year; miles and incidents are summed over commodities, on- and offshore (`total` repeats them). Of the
year itself nothing but its miles is read: they are the exposure. Everything else comes from reports and incidents of EARLIER
years: annual reports (`pipelines_ungrouped`, the forms `pipelines_2004` and `pipelines_2010` where the folder has them), and
incidents by cause and system since 1986 (`incidents`; small ones are reported since 2002).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import BadInput
from features.sources import frames, phmsa
from features.sources.frames import Sort
from training.experience import Past, Periods
from training.frequency import CountRows
from training.grids import Grid, Place, ago, faded, latest

Floats = npt.NDArray[np.float64]
KEYS = ["ID", "year"]
SMALL_SINCE = 2002  # 5 gallons instead of 50 barrels: 67 FR 831, in force since January 2002
FLOOR_MILES = 1.0
COMMODITIES = ("crude", "rpp", "hvl", "co2")
DECAYS = (0.5, 0.75, 0.9)
KINDS_DECAY = 0.85
_REPORTED = ("hca", "volume_all")
_DECADES = tuple(f"DINSTM_{place}" for place in range(1, 11))
_DIAMETERS = tuple(f"STONM_{place}" for place in range(1, 19))
# Amounts of a form by name: the columns of 2004 and of 2010 that add up to it.
_FORMS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "tanks": (("BT1NUMT", "BT2NUMT"), ()),
    "old": (_DECADES[:5], ()),  # unknown, before 1920, ... 1950s
    "wide": (_DIAMETERS[6:], ()),
    "bare": (("CPBMT", "CUBONM", "CUBOFFM"), ("PARTDCPBTOTAL", "PARTDCUBTOTAL")),
    "welded": (("ERWTMT",), ("PARTETOTAL",)),
    "welded_low": (("ERWLMT",), ("PARTETOTALLF",)),
}
_EQUIPMENT = ("equipment", "malfunction of control or relief equipment")


@dataclass(frozen=True)
class Tables:
    """A folder's tables: years [ID, year, miles, incidents, reported amounts], incidents, forms [ID, year, amounts]."""

    years: pd.DataFrame
    incidents: pd.DataFrame
    forms: pd.DataFrame

    def before(self, other: "Tables") -> "Tables":
        """Both; where both have a row it is this one's."""
        return Tables(
            pd.concat([self.years, other.years]).drop_duplicates(KEYS).reset_index(drop=True),
            pd.concat([self.incidents, other.incidents]).drop_duplicates("incident_ID").reset_index(drop=True),
            pd.concat([self.forms, other.forms]).drop_duplicates(KEYS).reset_index(drop=True),
        )


def read(folder: Path, *, asked: bool = False) -> Tables:
    """The tables of a folder; of one that is only asked about, the incident file may be left out.

    Raises BadInput naming file, row and column of what is missing or of another sort.
    """
    rows = phmsa.pipelines(folder)
    rows = rows[rows["on_offshore"].isin(phmsa.PARTS)]
    if rows.empty:
        raise BadInput("no row is onshore or offshore", where=f"{folder}, on_offshore", mend="see the publisher's file")
    for name in ("miles", "incidents"):
        if (rows[name] < 0).any():
            raise BadInput(f"{name} below zero", where=f"{folder}, column {name}", mend="correct the value")
    commodity = rows["commodity"].str.lower()
    parts = {f"miles_{name}": rows["miles"].where(commodity == name, 0.0) for name in COMMODITIES}
    parts["miles_offshore"] = rows["miles"].where(rows["on_offshore"] == "offshore", 0.0)
    parts |= {name: rows[name] if name in rows else pd.Series(np.nan, rows.index) for name in _REPORTED}
    amounts = rows[["ID", "year", "miles", "incidents"]].assign(**parts)
    years = amounts.groupby(KEYS, sort=True).sum().reset_index()
    return Tables(years, phmsa.incidents(folder, empty=asked), _forms(folder))


def _forms(folder: Path) -> pd.DataFrame:
    """Amounts of both forms by operator and year; what a form does not ask for is missing."""
    found = []
    for place, stem in enumerate(("pipelines_2004", "pipelines_2010")):
        wanted = {name: columns[place] for name, columns in _FORMS.items() if columns[place]}
        optional: dict[str, Sort] = {column: "number" for columns in wanted.values() for column in columns}
        table = frames.frame(folder, stem, {"ID": "name", "year": "year"}, optional, empty=True)
        sums = {name: table.reindex(columns=list(columns)).sum(axis=1, min_count=1) for name, columns in wanted.items()}
        found.append(table[KEYS].assign(**sums).groupby(KEYS, sort=True).sum(min_count=1).reset_index())
    return pd.concat(found, ignore_index=True).reindex(columns=[*KEYS, *_FORMS])


def panel(tables: Tables) -> Periods:
    """Every operator-year of the tables, sorted by year and operator, with its features; exposure in miles."""
    years = tables.years.sort_values(["year", "ID"], kind="stable").reset_index(drop=True)
    first = int(min(years["year"].min(), tables.incidents["year"].min(), SMALL_SINCE))
    grid = Grid(pd.Index(np.unique(years["ID"])), first, int(years["year"].max()) - first + 1, *KEYS)
    at = grid.place(years)
    came = _came(tables, grid)
    miles = np.maximum(years["miles"].to_numpy(), FLOOR_MILES)
    columns = {
        "log_miles": np.log(miles),
        "no_miles": (years["miles"].to_numpy() <= 0).astype(float),
        **_history(tables, grid, came, at),
        **_reports(tables, grid, miles, at),
    }
    x = np.column_stack(list(columns.values())).astype(np.float32)
    count = years["incidents"].to_numpy(np.float64)
    # Miles enter as a feature, and the exposure is the year: incidents rise far more slowly than miles.
    rows = CountRows(x, tuple(columns), (), np.ones(len(years)), count, at[0])
    return Periods(rows, years["year"].to_numpy(np.float64), _past(grid, came, at))


def keys(tables: Tables) -> pd.DataFrame:
    """ID, year and miles (floored at 1) of the panel's rows, in their order."""
    years = tables.years.sort_values(["year", "ID"], kind="stable").reset_index(drop=True)
    return years[KEYS].assign(miles=np.maximum(years["miles"], FLOOR_MILES), incidents=years["incidents"])


def _came(tables: Tables, grid: Grid) -> Floats:
    """Incidents [operators, years]: as the annual table has them; those of the incident file for years that it has not."""
    came = grid.lay(tables.incidents)
    annual = grid.lay(tables.years, tables.years["incidents"].to_numpy(), empty=np.nan)
    return np.where(np.isnan(annual), came, annual)


def _history(tables: Tables, grid: Grid, came: Floats, at: Place) -> dict[str, Floats]:
    one, since = tables.incidents, SMALL_SINCE - grid.first
    kinds = {
        "significant": _column(one, "significant").fillna(0).to_numpy(np.float64),
        "equipment": one["cause"].isin(_EQUIPMENT).to_numpy(np.float64),
        "corrosion": (one["cause"] == "corrosion").to_numpy(np.float64),
        "line": _column(one, "system").astype("str").str.contains("Line Pipe|Pipeline, Including Valve").to_numpy(np.float64),
        "station": _column(one, "system").astype("str").str.contains("Pump|Terminal|Tank").to_numpy(np.float64),
        "log_cost": np.log1p(_column(one, "cost_1984").fillna(0).to_numpy(np.float64).clip(0)),
        "log_volume": np.log1p(_column(one, "volume").fillna(0).to_numpy(np.float64).clip(0)),
    }
    found = {f"came_{decay:g}": faded(came, decay, since)[at] for decay in DECAYS}
    found |= {f"came_{years}_ago": ago(came, at, years) for years in (1, 2)}
    found["came_before_small"] = np.asarray(came[:, :since].sum(axis=1)[at[0]])
    return found | {name: faded(grid.lay(one, amount), KINDS_DECAY, since)[at] for name, amount in kinds.items()}


def _reports(tables: Tables, grid: Grid, miles: Floats, at: Place) -> dict[str, Floats]:
    years = tables.years

    def last(table: pd.DataFrame, name: str) -> Floats:
        known = table.dropna(subset=name)
        return np.asarray(latest(grid.lay(known, known[name].to_numpy(np.float64), empty=np.nan))[at])

    before = np.maximum(last(years, "miles"), FLOOR_MILES)
    found = {
        "miles_change": np.log(miles / before),
        "years_reported": faded(grid.lay(years), 1.0)[at],
        "log_throughput": np.log1p(last(years, "volume_all")),
        "log_volume_per_mile": np.log1p(last(years, "volume_all") / before),
        "share_hca": np.minimum(last(years, "hca") / before, 1.0),
    }
    for name in (*COMMODITIES, "offshore"):
        found[f"share_{name}"] = last(years, f"miles_{name}") / before
    for name in _FORMS:
        amount = last(tables.forms.astype({name: float}), name)
        found[name] = amount if name == "tanks" else np.minimum(amount / before, 1.0)
    return found


def _column(table: pd.DataFrame, name: str) -> pd.Series:
    return table[name] if name in table else pd.Series(np.nan, table.index)


def _past(grid: Grid, came: Floats, at: Place) -> Past:
    """Years without a row: from 2002 on of operators of the first year reported, and gaps between an operator's reports."""
    row = np.full(came.shape, -1)
    row[at] = np.arange(len(at[0]))
    begin = int(at[1].min())
    found: list[tuple[int, int, int]] = []
    for operator, mine in enumerate(row):
        stood = np.flatnonzero(mine >= 0)
        start = SMALL_SINCE - grid.first if stood[0] == begin else int(stood[0])
        for gap in range(start, int(stood[-1])):
            if mine[gap] < 0:
                last = max(int(np.searchsorted(stood, gap)) - 1, 0)
                found.append((operator, gap, int(mine[stood[last]])))
    entity, year, like = np.asarray(found, dtype=np.int64).reshape(-1, 3).T
    return Past(entity, (year + grid.first).astype(np.float64), came[entity, year], like)
