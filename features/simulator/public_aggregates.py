"""The aggregates of `aggregates`, recomputed from the public sets as they lie under FOREWARN_DATA."""

from pathlib import Path

import numpy as np
import pandas as pd

from features.simulator.aggregates import autocorrelation, log_slope

SETS = ("azure-pdm", "backblaze-hds", "cmapss")
_YEAR_HOURS = 8766
_YEARS_OLD = 6  # of drives: beyond, few are left
_SIGNS = ["smart_5", "smart_187", "smart_197", "smart_198"]


def of(data: Path) -> dict[str, float]:
    """All public aggregates. Raises FileNotFoundError where a set is absent."""
    return {**_azure(data / "azure-pdm"), **_backblaze(data / "backblaze-hds"), **_cmapss(data / "cmapss")}


def missing(data: Path) -> list[str]:
    """The sets that are needed and not there."""
    return [name for name in SETS if not (data / name).is_dir()]


def _azure(folder: Path) -> dict[str, float]:
    """100 machines over 2015. A moment of failure counts once, however many components it took."""
    failures, errors, repairs, machines = (
        pd.read_parquet(folder / f"PdM_{name}.parquet") for name in ("failures", "errors", "maint", "machines")
    )
    moments = failures.drop_duplicates(["machineID", "datetime"])
    per_machine = moments.groupby("machineID").size().reindex(machines["machineID"], fill_value=0)
    by_make = per_machine.groupby(machines.set_index("machineID")["model"]).mean()
    during = repairs[repairs["datetime"] >= pd.Timestamp(2015, 1, 1)]
    matched = during.merge(failures, left_on=["machineID", "datetime", "comp"], right_on=["machineID", "datetime", "failure"])
    shares = failures["failure"].value_counts(normalize=True)
    daily = pd.read_parquet(folder / "PdM_daily_mean_100machines.parquet").sort_values(["machineID", "date"])
    columns = [name for name in daily if str(name).startswith("mean_daily_")]
    series = [group[column].to_numpy() for _, group in daily.groupby("machineID") for column in columns]
    return {
        "failures_per_machine_year": float(per_machine.mean()),
        "errors_per_machine_year": len(errors) / len(machines),
        "replacements_per_failure": (len(during) - len(matched)) / len(moments),
        "dispersion_of_failures": float(per_machine.var() / per_machine.mean()),
        "worst_make_over_best": float(by_make.max() / by_make.min()),
        "largest_share_of_a_component": float(shares.max()),
        "smallest_share_of_a_component": float(shares.min()),
        **{f"autocorrelation_{lag}_day": float(np.mean([autocorrelation(one, lag) for one in series])) for lag in (1, 7)},
    }


def _backblaze(folder: Path) -> dict[str, float]:
    """Drives: how the failure rate rises with age over the first years, and who fails without ever showing an early sign."""
    rows = pd.read_parquet(folder / "hds.parquet", columns=["serial_number", "tstart", "tstop", "fails", *_SIGNS])
    years = np.arange(_YEARS_OLD)
    exposure = [
        float(
            (np.minimum(rows["tstop"], (year + 1) * _YEAR_HOURS) - np.maximum(rows["tstart"], year * _YEAR_HOURS)).clip(0).sum()
        )
        for year in years
    ]
    failed = rows.loc[rows["fails"] == 1, "tstop"] // _YEAR_HOURS
    count = np.array([int((failed == year).sum()) for year in years])
    slope = log_slope(np.asarray(years + 0.5, dtype=np.float64), np.array(exposure) / _YEAR_HOURS, count)
    drives = rows.groupby("serial_number", observed=True)[["fails", *_SIGNS]].max()
    failing = drives[drives["fails"] == 1]
    shown = (failing[_SIGNS].fillna(0) > 0).any(axis=1)
    return {"age_slope_per_year": slope, "failures_without_sign": float(1 - shown.mean())}


def _cmapss(folder: Path) -> dict[str, float]:
    """FD001 (one operating condition, one failure mode): run to failure. Noise: the spread over the first fifth of a life."""
    rows = pd.read_parquet(folder / "train_FD001.parquet")
    life = rows.groupby("unit")["cycle"].transform("max")
    share = rows["cycle"] / life
    ends, halves, between = [], [], []
    for name in [name for name in rows if str(name).startswith("sensor_")]:
        early = rows[share < 0.2].groupby("unit")[name].agg(["mean", "std"])
        noise = early["std"].mean()
        end = (rows[share > 0.95].groupby("unit")[name].mean() - early["mean"]).mean()
        if noise > 1e-6 and abs(end) > noise:
            half = (rows[(share > 0.45) & (share < 0.55)].groupby("unit")[name].mean() - early["mean"]).mean()
            ends.append(abs(end) / noise)
            halves.append(half / end)
            between.append(early["mean"].std() / noise)
    lives = rows.groupby("unit")["cycle"].max()
    return {
        "drift_at_end_of_life": float(np.max(ends)),
        "drift_at_half_of_life": float(np.median(halves)),
        "spread_between_machines": float(np.median(between)),
        "spread_of_lives": float(lives.std() / lives.mean()),
    }
