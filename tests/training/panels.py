"""Small folders of the form of PHMSA and LGPIF, made up: entities that differ for good, and the year's exposure."""

from pathlib import Path

import numpy as np
import pandas as pd

from features.sources.lgpif import TYPES

YEARS = range(2004, 2011)
POLICY_YEARS = range(2006, 2010)


def operators(folder: Path, years: range = YEARS, count: int = 30, seed: int = 0) -> Path:
    """Operators with miles of crude and refined products on- and offshore, `total` rows, incidents, and one form."""
    random = np.random.default_rng(seed)
    miles = np.exp(random.normal(4, 1.2, count))
    rate = 0.02 * random.gamma(1.0, 1.0, count)
    rows, incidents = [], []
    for year in years:
        for place in range(count):
            came = int(random.poisson(rate[place] * miles[place]))
            key = {"ID": str(100 + place), "year": float(year), "commodity": "crude" if place % 2 else "rpp"}
            amounts = {
                "miles": miles[place],
                "incidents": came or None,
                "hca": miles[place] / 3,
                "volume_all": 1e6 * miles[place],
            }
            rows += [key | amounts | {"on_offshore": part} for part in ("onshore", "total")]
            rows.append(key | {"on_offshore": "offshore", "miles": 0.0, "incidents": None, "hca": 0.0, "volume_all": 0.0})
            incidents += [incident(str(100 + place), year, f"{year}-{place}-{one}") for one in range(came)]
    incidents += [incident("100", 2003, "before"), incident("999", 2003, "of another")]
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).astype({"incidents": "Int64"}).to_parquet(folder / "pipelines_ungrouped.parquet")
    pd.DataFrame(incidents).to_parquet(folder / "incidents.parquet")
    form = pd.DataFrame({"ID": [str(100 + place) for place in range(count)], "year": years[0], "commodity": "crude"})
    form.assign(BT1NUMT=3.0, DINSTM_1=miles / 2).to_parquet(folder / "pipelines_2004.parquet")
    return folder


def incident(operator: str, year: int, name: str) -> dict[str, object]:
    """A row of the incident file."""
    known = {"cause": "corrosion", "system": "Line Pipe", "significant": True, "cost_1984": 1000.0, "volume": 10.0}
    harm = {"fatalities": 0.0, "injuries": 0.0, "cost": 1000.0}
    return {"incident_ID": name, "ID": operator, "year": float(year), **known, **harm}


def policies(folder: Path, years: range = POLICY_YEARS, count: int = 80, seed: int = 0) -> Path:
    """Policies of six kinds with cover, deductible, alarm credit, and claims with descriptions run together."""
    random = np.random.default_rng(seed)
    cover = np.exp(random.normal(16, 1.0, count))
    rate = 0.8 * random.gamma(0.7, 1.0, count) * np.sqrt(cover / cover.mean())
    rows, claims = [], []
    for year in years:
        for place in range(count):
            came = int(random.poisson(rate[place]))
            paid = np.round(np.exp(random.normal(8, 1, came)), 2)
            kind = {name: int(at == place % 6) for at, name in enumerate(TYPES)}
            credit = {"AC00": place % 2, "AC05": 0, "AC10": 0, "AC15": 1 - place % 2}
            rows.append({
                "PolicyNum": 1000 + place, "Year": year, "BCcov": cover[place], "Premium": int(cover[place] / 1000),
                "Freq": came, "Deduct": 500.0 * (1 + place % 3), "y": float(paid.sum()), "Fire5": place % 2, "NoClaimCredit": 0,
                **kind, **credit,
            })  # fmt: skip
            claims += [
                {"PolicyNum": 1000 + place, "Year": year, "Claim": one, "Description": "glassvandalismatHS"} for one in paid
            ]
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_parquet(folder / "policy_years_2006_2009.parquet")
    pd.DataFrame(claims).to_parquet(folder / "claims_2006_2009.parquet")
    return folder
