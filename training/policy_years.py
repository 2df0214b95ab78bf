"""LGPIF policy-years: what an insurer of local governments knows of a policy when the year begins.

Rating data of the year itself (cover, premium, deductible, type of government, fire class, alarm credit) are known at inception
and enter. What has to do with claims comes from EARLIER years alone: numbers, amounts, perils by their description. Left out:
`Freq`, `y`, `lny`, `yAvg` (outcomes); `county` (stands with claims alone); `NoClaimCredit` (it repeats the record of the year
before, and began in 2008); `PolicyNum` (its order tells place and type).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import BadInput
from features.sources import lgpif
from training.experience import Periods
from training.frequency import CountRows
from training.grids import Grid, Place, ago, faded, latest

Floats = npt.NDArray[np.float64]
KEYS = ["PolicyNum", "Year"]
OUTCOMES = ("Freq", "y")
YEARS_AGO = (1, 2, 3)
DECAYS = (0.5, 0.8, 1.0)
CLAIMS_DECAY = 0.7
CREDITS = ("AC05", "AC10", "AC15")  # alarm credit of 5, 10, 15 %; none: AC00
# Descriptions are run together without spaces: parts of words tell the peril.
PERILS: Mapping[str, str] = {
    "glass": "glass|vandal",
    "weather": "light(?:n|e)|hail|wind|storm",
    "water": "water|frozen|pipe|sewer",
    "vehicle": "struck|hit|vehicle|pole|signal|plow",
}


@dataclass(frozen=True)
class Tables:
    """A folder's policy-years and claims, as published."""

    years: pd.DataFrame
    claims: pd.DataFrame

    def before(self, other: "Tables") -> "Tables":
        """Both; policy-years that both have are this one's, with their claims."""
        years = pd.concat([self.years, other.years]).drop_duplicates(KEYS).reset_index(drop=True)
        new = ~_keys(other.claims).isin(_keys(self.years))
        return Tables(years, pd.concat([self.claims, other.claims[new]], ignore_index=True))


def _keys(table: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(table[KEYS])


def read(folder: Path, *, asked: bool = False) -> Tables:
    """The tables of a folder; of one that is only asked about, the file of claims and the outcomes of the last year may be
    left out.

    Raises BadInput naming file, row and column of what is missing or of another sort.
    """
    years = _untold(lgpif.policy_years(folder, told=False), folder) if asked else lgpif.policy_years(folder)
    twice = years.duplicated(KEYS)
    if twice.any():
        raise BadInput(
            "a policy-year is there twice", where=f"{folder}, row {int(twice.to_numpy().argmax()) + 1}", mend="drop one"
        )
    _refuse(years["BCcov"] <= 0, "cover is zero or below", folder, "column BCcov")
    _refuse(years["Deduct"] < 0, "a deductible is below zero", folder, "column Deduct")
    kinds = years[list(lgpif.TYPES)]
    single = kinds.isin((0, 1)).all(axis=1) & (kinds.sum(axis=1) == 1)
    _refuse(~single, "a policy has one type of government", folder, f"columns {lgpif.TYPES[0]} to {lgpif.TYPES[-1]}")
    if (years[list(OUTCOMES)] < 0).any(axis=None):
        raise BadInput("a number or amount of claims is below zero", where=f"{folder}, Freq and y", mend="correct the value")
    return Tables(years, lgpif.claims(folder, empty=asked))


def _refuse(wrong: "pd.Series[bool]", what: str, folder: Path, where: str) -> None:
    """Raises BadInput naming the first row that is wrong, if there is one."""
    if wrong.any():
        row = int(wrong.to_numpy().argmax()) + 1
        raise BadInput(what, where=f"{folder}, row {row}, {where}", mend="correct the value")


def _untold(years: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Outcomes that are not told are 0: nothing reads those of the last year. Raises BadInput on those of earlier years."""
    years = years.assign(**{name: years.get(name, np.nan) for name in OUTCOMES})
    early = years[list(OUTCOMES)].isna().any(axis=1) & (years["Year"] < years["Year"].max())
    if early.any():
        where = f"{folder}, row {int(early.to_numpy().argmax()) + 1}, columns {' and '.join(OUTCOMES)}"
        raise BadInput("missing in a year that later ones are told by", where=where, mend="give what that year brought")
    return years.fillna(dict.fromkeys(OUTCOMES, 0.0))


def ordered(tables: Tables) -> pd.DataFrame:
    """The policy-years in the order of the panel's rows: by year and policy."""
    return tables.years.sort_values(["Year", "PolicyNum"], kind="stable").reset_index(drop=True)


def panel(tables: Tables) -> Periods:
    """Every policy-year with its features; the exposure is the year, the loss what its claims cost."""
    years = ordered(tables)
    first = int(years["Year"].min())
    grid = Grid(pd.Index(np.unique(years["PolicyNum"])), first, int(years["Year"].max()) - first + 1, *KEYS)
    at = grid.place(years)
    columns = {**_rating(years), **_changes(years, grid, at), **_record(years, grid, at), **_claims(tables.claims, grid, at)}
    x = np.column_stack(list(columns.values())).astype(np.float32)
    rows = CountRows(
        x, tuple(columns), (), np.ones(len(years)), years["Freq"].to_numpy(np.float64), at[0],
        loss=years["y"].to_numpy(np.float64),
    )  # fmt: skip
    return Periods(rows, years["Year"].to_numpy(np.float64))


def limited(tables: Tables, limit: float) -> Floats:
    """What a policy-year's claims cost together, each held at the limit [n], in the order of the panel."""
    each = tables.claims.assign(Claim=tables.claims["Claim"].clip(0.0, limit)).groupby(KEYS)["Claim"].sum()
    found: Floats = each.reindex(_keys(ordered(tables)), fill_value=0.0).to_numpy(np.float64)
    return found


def _rating(years: pd.DataFrame) -> dict[str, Floats]:
    cover = np.log(years["BCcov"].to_numpy(np.float64) / 1e6)
    premium = np.log(np.maximum(years["Premium"].to_numpy(np.float64), 1.0))
    kinds = years[list(lgpif.TYPES)].to_numpy(np.float64)
    credit = np.nan_to_num(years.reindex(columns=list(CREDITS)).to_numpy(np.float64))
    return {
        "log_cover": cover,
        "log_premium": premium,
        "log_rate": premium - cover,
        "log_deductible": np.log(np.maximum(years["Deduct"].to_numpy(np.float64), 1.0)),
        "fire_class": years["Fire5"].to_numpy(np.float64),
        "kind": kinds.argmax(axis=1).astype(np.float64),
        "alarm_credit": credit @ np.array([5.0, 10.0, 15.0]),
    }


def _changes(years: pd.DataFrame, grid: Grid, at: Place) -> dict[str, Floats]:
    found = {}
    for name, column in (("cover_change", "BCcov"), ("deductible_change", "Deduct")):
        now = np.log(np.maximum(years[column].to_numpy(np.float64), 1.0))
        found[name] = now - latest(grid.lay(years, now, empty=np.nan))[at]
    return found


def _record(years: pd.DataFrame, grid: Grid, at: Place) -> dict[str, Floats]:
    """Numbers of claims of earlier years; `mean_*` per year seen, `any_*` the share of such years with a claim."""
    count = grid.lay(years, years["Freq"].to_numpy(np.float64))
    stood = grid.lay(years)
    known = np.where(stood > 0, count, np.nan)
    found = {f"came_{one}_ago": ago(known, at, one) for one in YEARS_AGO}
    found["years_seen"] = faded(stood, 1.0)[at]
    for decay in DECAYS:
        seen = faded(stood, decay)[at]
        found[f"came_{decay:g}"] = faded(count, decay)[at]
        found[f"mean_{decay:g}"] = np.divide(found[f"came_{decay:g}"], seen, out=np.full(len(seen), np.nan), where=seen > 0)
    seen = faded(stood, 0.8)[at]
    hit = faded((count > 0).astype(float), 0.8)[at]
    return found | {"any_0.8": np.divide(hit, seen, out=np.full(len(seen), np.nan), where=seen > 0)}


def _claims(claims: pd.DataFrame, grid: Grid, at: Place) -> dict[str, Floats]:
    paid = claims["Claim"].to_numpy(np.float64).clip(0)
    told = claims["Description"].astype("str").str.lower() if "Description" in claims else pd.Series("", claims.index)
    found = {"log_paid": np.log1p(faded(grid.lay(claims, paid), CLAIMS_DECAY)[at])}
    for peril, words in PERILS.items():
        hit = told.str.contains(words, regex=True).to_numpy(np.float64)
        found[peril] = faded(grid.lay(claims, hit), CLAIMS_DECAY)[at]
    return found
