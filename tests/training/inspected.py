"""A small city with places that are better and worse, and inspectors who find more and less, in the publisher's form."""

from pathlib import Path

import numpy as np
import pandas as pd

from features.sources.chicago import DATED, DAY, LICENCES

FINDS = {"blue": 0.35, "brown": 0.05, "purple": 0.6}


def city(visits: int = 800, places: int = 120, seed: int = 0) -> pd.DataFrame:
    """Inspections of August 2012 to April 2014, and of September and October 2014: those are `Test`."""
    random = np.random.default_rng(seed)
    spans = (("2012-08-01", 640), ("2014-09-01", 60))
    days = np.concatenate([
        np.datetime64(start) + random.integers(0, length, size).astype("timedelta64[D]")
        for (start, length), size in zip(spans, (visits * 4 // 5, visits // 5), strict=True)
    ])  # fmt: skip
    licence, group = random.integers(1, places + 1, len(days)), random.choice(list(FINDS), len(days))
    bad = random.normal(size=places + 1)
    odds = np.log([FINDS[one] / (1 - FINDS[one]) for one in group]) + bad[licence]
    found = random.random(len(days)) < 1 / (1 + np.exp(-odds))
    test = days >= np.datetime64("2014-09-01")
    table = pd.DataFrame({
        DAY: days.astype("datetime64[us]"), "License": licence, "Inspection_ID": np.arange(1, len(days) + 1, dtype=float),
        "criticalCount": found.astype(float), "seriousCount": random.poisson(0.4, len(days)).astype(float),
        "minorCount": random.poisson(3.0, len(days)).astype(float), "fail_flag": found.astype(float),
        "Facility_Type": random.choice(["Restaurant", "Grocery_Store", "Other"], len(days)), "ageAtInspection": 3.0,
        "Inspector_Assigned": group, "score": 1 / (1 + np.exp(-odds)), "Test": test, "Train": ~test,
        **{name: random.integers(0, 2, len(days)).astype(float) for name in (*LICENCES, *DATED)},
    })  # fmt: skip
    return table.drop_duplicates(["License", DAY], ignore_index=True)


def written(table: pd.DataFrame, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    table.to_parquet(folder / "30_xgboost_data.parquet", index=False)
    return folder
