"""Small sets in the publishers' form for the benchmarks of counts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from features.sources.msha import SHARES

Run = Callable[..., Any]


def mines(years: tuple[int, ...], each: int = 400, seed: int = 0) -> pd.DataFrame:
    """Mine-years in random order; a mine has a rate of its own and about the same hours and shares in every year."""
    random = np.random.default_rng(seed)
    state, commodity = random.choice(["AL", "TX", "OH"], each), random.choice(["Coal", "Stone"], each)
    hours, theta = np.exp(random.normal(11.0, 1.2, each)), random.gamma(2.0, 0.5, each)
    under = np.where(commodity == "Coal", random.uniform(0, 1, each), 0.0)
    parts = []
    for year in years:
        now = np.maximum(hours * np.exp(random.normal(0, 0.05, each)), 50)
        rate = np.where(commodity == "Coal", 6.0, 2.0) * theta * (1 + under)
        frame = pd.DataFrame(dict.fromkeys(SHARES, np.zeros(each)))
        frame["PCT_HRS_UNDERGROUND"], frame["PCT_HRS_STRIP"] = under, 1 - under
        parts.append(frame.assign(
            YEAR=year, US_STATE=state, COMMODITY=commodity, PRIMARY=commodity, SEAM_HEIGHT=0, MINE_STATUS="Active",
            TYPE_OF_MINE=np.where(under > 0, "Underground", "Surface"), AVG_EMP_TOTAL=np.maximum(now / 2000, 1).astype(int),
            EMP_HRS_TOTAL=now.astype(int), NUM_INJURIES=random.poisson(now / 2e5 * rate),
        ))  # fmt: skip
    return pd.concat(parts).sample(frac=1, random_state=seed).reset_index(drop=True)


def policies(count: int = 1500, seed: int = 0) -> pd.DataFrame:
    """Policies; a third of them in two rows of the same vector whose claims go together."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({
        "Exposure": random.uniform(0.05, 1.2, count), "Area": random.choice(list("ABC"), count),
        "VehPower": random.integers(4, 12, count), "VehAge": random.integers(0, 20, count),
        "DrivAge": random.integers(18, 90, count), "BonusMalus": random.integers(50, 120, count),
        "VehBrand": random.choice(["B1", "B12"], count), "VehGas": random.choice(["Diesel", "Regular"], count),
        "Density": random.integers(1, 5000, count), "Region": random.choice(["R82", "R22"], count),
    })  # fmt: skip
    rate = 0.3 * np.exp(0.02 * (frame["BonusMalus"] - 60)) * random.gamma(0.4, 2.5, count)
    whole = pd.concat([frame.assign(rate=rate), frame.assign(rate=rate).head(count // 3)])
    whole["ClaimNb"] = random.poisson(whole["rate"] * whole["Exposure"])
    return whole.drop(columns="rate").assign(IDpol=np.arange(len(whole)) + 1).reset_index(drop=True)


def write(folder: Path, table: pd.DataFrame, name: str) -> Path:
    folder.mkdir(parents=True)
    table.to_parquet(folder / f"{name}.parquet")
    return folder


def predicted(run: Run, train: Path, asked: Path, out: Path) -> pd.DataFrame:
    run(train, asked, out, lambda text: None)
    return pq.read_table(out).to_pandas()
