"""Small files as the publishers of panels write them, each with what goes wrong in it."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from features.sources.chicago import LICENCES

Write = Callable[[pd.DataFrame, Path], None]


def parquet(table: pd.DataFrame, path: Path) -> None:
    table.to_parquet(path.with_suffix(".parquet"), index=False)


def csv(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path.with_suffix(".csv"), index=False)


def phmsa(folder: Path, write: Write = parquet) -> Path:
    """Two operators, one of which had an incident before there were annual reports; and one known by an incident alone."""
    rows = [
        ("1", 2004, "crude", "onshore", 10.0, 2.0, "TX"),
        ("1", 2004, "crude", "offshore", 4.0, None, "TX"),
        ("1", 2004, "crude", "total", 14.0, 2.0, "TX"),
        ("1", 2004, "hvl", "onshore", 5.0, 1.0, "TX"),
        ("1", 2005, "crude", "onshore", 12.0, None, "OK"),
        ("2", 2005, "rpp", "onshore", 0.0, None, None),
        ("2", 2005, "rpp", "under sea", 3.0, None, None),
    ]
    names = ["ID", "year", "commodity", "on_offshore", "miles", "incidents", "state"]
    write(pd.DataFrame(rows, columns=names), folder / "pipelines_ungrouped")
    harmed = [
        ("a", "1", "1999-05-01", 1999, "corrosion", "CORROSION", "onshore", 0, 0, 100.0, "Oil\nleaked."),
        ("b", "1", "2004-07-01", 2004, "other", "ALL OTHER CAUSES", "onshore", 1, 2, None, None),
        ("c", "3", "2005-01-31", 2005, "other", "MATERIAL/WELD/EQUIP FAILURE", "offshore", None, 0, 5.0, "A weld failed."),
        ("d", "1", None, 2005, "other", "ALL OTHER CAUSES", "onshore", 0, 0, 1.0, "When?"),
    ]
    names = [
        "incident_ID",
        "ID",
        "date",
        "year",
        "cause",
        "MAP_CAUSE",
        "on_offshore",
        "fatalities",
        "injuries",
        "cost",
        "narrative",
    ]
    write(pd.DataFrame(harmed, columns=names), folder / "incidents")
    return folder


def msha(folder: Path, write: Write = parquet) -> Path:
    shares = [
        "UNDERGROUND",
        "SURFACE",
        "STRIP",
        "AUGER",
        "CULM_BANK",
        "DREDGE",
        "OTHER_SURFACE",
        "SHOP_YARD",
        "MILL_PREP",
        "OFFICE",
    ]
    rows = [
        (2013, "AL", "Stone", "Lime", 0, "Surface", "Active", 12, 20_000, 2),
        (2014, None, "Coal", "Coal, Anthracite", 48, "Underground", "Closed", 0, 0, 0),
        (2014, "PA", "Sand & gravel", None, 0, "Sand & gravel", "Active", 3, 5_000, 1),
    ]
    names = [
        "YEAR", "US_STATE", "COMMODITY", "PRIMARY", "SEAM_HEIGHT", "TYPE_OF_MINE", "MINE_STATUS", "AVG_EMP_TOTAL",
        "EMP_HRS_TOTAL", "NUM_INJURIES",
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=names).assign(**{f"PCT_HRS_{share}": 0.1 for share in shares})
    write(table, folder / "usMSHA1315")
    return folder


def lgpif(folder: Path, write: Write = parquet) -> Path:
    types = ["TypeCity", "TypeCounty", "TypeMisc", "TypeSchool", "TypeTown", "TypeVillage"]
    years = [
        (7, 2006, 1e6, 900, 1, 50.0, 500.0, 1),
        (7, 2007, 2e6, 950, 2, 75.0, 500.0, 1),
        (8, 2007, 1e5, 90, 0, 0.0, 1000.0, 0),
    ]
    names = ["PolicyNum", "Year", "BCcov", "Premium", "Freq", "y", "Deduct", "Fire5"]
    table = pd.DataFrame(years, columns=names).assign(NoClaimCredit=0, **dict.fromkeys(types, 0))
    table.loc[table["PolicyNum"] == 7, "TypeCounty"] = 1
    write(table, folder / "policy_years_2006_2007")
    claims = [(7, 2006, 50.0, "VF"), (7, 2007, 100.0, "VE"), (7, 2007, 50.0, "VE"), (9, 2007, 1.0, "VE")]
    made = pd.DataFrame(claims, columns=["PolicyNum", "Year", "Claim", "CoverageCode"]).assign(ClaimStatus="Closed", ClaimNum=1)
    write(made, folder / "claims_2006_2007")
    return folder


def fremtpl2(folder: Path, write: Write = parquet) -> Path:
    rows = [(1.0, 1.0, 0.1), (3.0, 0.0, 0.77), (5.0, 2.0, 1.5), (10.0, 0.0, 0.0), (11.0, 0.5, 0.5)]
    table = pd.DataFrame(rows, columns=["IDpol", "ClaimNb", "Exposure"]).assign(
        Area="D", VehPower=5, VehAge=0, DrivAge=55, BonusMalus=50, VehBrand="B12", VehGas="Regular", Density=1217, Region="R82"
    )
    write(table, folder / "freMTPL2freq")
    write(pd.DataFrame({"IDpol": [1, 5, 99], "ClaimAmount": [995.2, 1128.12, 10.0]}), folder / "freMTPL2sev")
    return folder


def workers_comp(folder: Path, write: Write = parquet) -> Path:
    rows = [(1, 1, 100.0, 5), (1, 2, 0.0, 0), (2, 1, 50.0, -3), (2, 2.5, 50.0, 1)]
    write(pd.DataFrame(rows, columns=["CL", "YR", "PR", "LOSS"]), folder / "usworkcomp")
    return folder


def osha(folder: Path, write: Write = parquet) -> Path:
    rows = [
        (11, "Roofer falls", "On August 27th  2013 Employee #1 fell. On May 1 2014 he returned.", 1761),
        (12, "Diver drowned", "ON JUNE 27  1984  EMPLOYEE #1 WAS DIVING", 1799),
        (13, "When", "Employee #1 was sandblasting.", 1721),
        (14, "Misprint", "On April 23 2912 a beam fell.", 1791),
        (15, "No such day", "On February 30, 2010 a wall fell.", 1791),
    ]
    write(pd.DataFrame(rows, columns=["id", "title", "SUMMARY", "industry"]), folder / "construction_4470_metadata")
    tagged = [(11, "Roofer falls", "he fell", "falls"), (12, "Diver drowned", "he drowned", "something else")]
    write(pd.DataFrame(tagged, columns=["id", "title", "Summary2", "Tagged2"]), folder / "tagged1000")
    return folder


def ihm(folder: Path, write: Write = parquet) -> Path:
    rows = [
        ("13-01-2016 00:00", "Local_01", "Mining", "Pressed", "While removing the rod"),
        ("2016-02-01 00:00:00", "Local_02", "Metals", "Burn", "Hot metal"),
        ("soon", "Local_02", "Others", "Bees", "A bee"),
        ("01-03-2017 00:00", "Local_03", "Space", "\nNot applicable", "A rocket"),
    ]
    names = ["Data", "Local", "Industry Sector", "Critical Risk", "Description"]
    more = ["Countries", "Accident Level", "Potential Accident Level", "Genre", "Employee or Third Party"]
    write(pd.DataFrame(rows, columns=names).assign(**dict.fromkeys(more, "I")), folder / "accidents_en")
    return folder


def chicago(folder: Path, write: Write = parquet) -> Path:
    """Two licences, the later inspection of one standing first; and what goes wrong: no day, half a violation."""
    rows = [
        ("2013-01-31", 11, 269961.0, 1.0, 0.0, 3.0, 1.0, "Grocery_Store", 2.0, "green", True),
        ("2011-10-18", 11, 507211.0, 2.0, 1.0, 4.0, 0.0, "Restaurant", 1.0, "blue", True),
        ("2014-09-02", 12, 507300.0, 0.0, 0.0, 0.0, 0.0, "Other", 0.0, "purple", False),
        (None, 12, 507301.0, 0.0, 0.0, 0.0, 0.0, "Other", 0.1, "purple", False),
        ("2014-09-03", 12, 507302.0, 0.5, 0.0, 0.0, 0.0, "Other", 0.1, "purple", False),
    ]
    names = [
        "Inspection_Date", "License", "Inspection_ID", "criticalCount", "seriousCount", "minorCount", "fail_flag",
        "Facility_Type", "ageAtInspection", "Inspector_Assigned", "Train",
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=names)
    table = table.assign(Test=~table["Train"], score=0.1, **dict.fromkeys(LICENCES, 0.0))
    write(table.astype({"Inspection_Date": "datetime64[us]"}), folder / "30_xgboost_data")
    return folder
