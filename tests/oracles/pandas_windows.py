"""Windows over numbers that arrive regularly, in pandas."""

import numpy as np
import pandas as pd

from features.kinds import MachineKind
from features.spec import FeatureSpec
from tests.oracles.pandas_rows import HOUR, Floats, Looks, Made, newest, pairs_of, split, taken

MOMENTS = ("mean", "std", "min", "max", "range", "slope", "missing")
WINDOWED = (*MOMENTS, "last", "since_reading", "difference", "deviation")
Moments = dict[str, dict[str, Floats]]


def windows(kind: MachineKind, specs: list[FeatureSpec], rows: pd.DataFrame, looks: Looks) -> Made:
    columns = list(dict.fromkeys(spec.column for spec in specs))
    reach = max(hours for spec in specs for hours in (spec.window_hours or 0.0, spec.against_hours or 0.0))
    needed = {spec.window_hours for spec in specs if spec.op in (*MOMENTS, "deviation")}
    needed |= {spec.against_hours for spec in specs if spec.op == "deviation"}
    whole = {hours: moments_of(rows, columns, hours, looks) for hours in sorted(h for h in needed if h)}
    stood = {0.0: stood_at(rows, columns, 0.0, reach, looks)}
    made = {}
    for spec in specs:
        c, hours = spec.column, spec.window_hours or 0.0
        if spec.op == "deviation":
            past = whole[spec.against_hours or 0.0][c]
            wide = np.where(past["std"] > 0, past["std"], np.nan)
            made[spec.name] = (whole[hours][c]["mean"] - past["mean"]) / wide
        elif spec.op == "missing":
            made[spec.name] = np.maximum(0.0, 1.0 - whole[hours][c]["n"] * kind.period_hours / hours)
        elif spec.op == "range":
            made[spec.name] = whole[hours][c]["max"] - whole[hours][c]["min"]
        elif spec.op in MOMENTS:
            made[spec.name] = whole[hours][c][spec.op]
        else:
            x, ago = stood[0.0][c]
            x, ago = np.where(ago < hours, x, np.nan), np.where(ago < hours, ago, np.nan)
            if spec.op == "difference" and hours not in stood:
                stood[hours] = stood_at(rows, columns, hours, reach, looks)
            made[spec.name] = x - stood[hours][c][0] if spec.op == "difference" else x if spec.op == "last" else ago
    return made


def moments_of(rows: pd.DataFrame, columns: list[str], hours: float, looks: Looks) -> Moments:
    """n, mean, std, min, max, slope of one window: rolling over settled rows, merged with what came late or was corrected."""
    settled, others = split(rows)
    many = _rolled(settled, columns, hours, looks)
    few = _of_pairs(pairs_of(others, looks.m, looks.now, hours), columns, looks)
    return {c: _finished(_merged(many[c], few[c])) for c in columns}


def _rolled(settled: pd.DataFrame, columns: list[str], hours: float, looks: Looks) -> Moments:
    """Observations are put among the rows, after those of the same moment, and take what the window holds there."""
    middle = float(settled.event.mean()) if len(settled) else 0.0
    x = settled[columns]
    t = pd.DataFrame({c: ((settled.event - middle) / HOUR).where(x[c].notna()) for c in columns})
    d = x - x.groupby(settled.m).transform("mean")
    parts = {"x": x, "t": t, "t2": t * t, "tx": t * d, "d": d}
    wide = pd.concat([part.add_prefix(f"{name} ") for name, part in parts.items()], axis=1)
    wide[["m", "event", "look"]] = pd.DataFrame({"m": settled.m, "event": settled.event, "look": -1})
    asked = pd.DataFrame({"m": looks.m, "event": looks.now, "look": np.arange(len(looks.m))})
    both = pd.concat([wide, asked], ignore_index=True).sort_values(["m", "event", "look"], kind="stable")
    both.index = pd.to_datetime(both.event, unit="us")
    rolling = both.groupby("m", sort=False).rolling(f"{round(hours * 3600)}s", min_periods=0)
    mine = (both["look"] >= 0).to_numpy()
    order = np.argsort(both["look"].to_numpy()[mine])
    now = (looks.now - middle) / HOUR
    x_columns = [f"x {c}" for c in columns]

    def taken_of(found: pd.DataFrame) -> pd.DataFrame:
        return found[mine].iloc[order]

    n, mean, var, least, most = (
        taken_of(getattr(rolling[x_columns], rule)()) for rule in ("count", "mean", "var", "min", "max")
    )
    sums = taken_of(rolling[[f"{part} {c}" for part in ("t", "t2", "tx", "d") for c in columns]].sum())
    made = {}
    for c in columns:
        k = n[f"x {c}"].to_numpy()
        s = {part: sums[f"{part} {c}"].to_numpy() for part in ("t", "t2", "tx", "d")}
        with np.errstate(all="ignore"):
            made[c] = {
                "n": k, "mean": mean[f"x {c}"].to_numpy(), "m2": np.where(k > 1, var[f"x {c}"].to_numpy() * (k - 1), 0.0),
                "min": least[f"x {c}"].to_numpy(), "max": most[f"x {c}"].to_numpy(), "t": s["t"] / k - now,
                "t2": s["t2"] - s["t"] ** 2 / k, "tx": s["tx"] - s["t"] * s["d"] / k,
            }  # fmt: skip
    return made


def _of_pairs(pairs: pd.DataFrame, columns: list[str], looks: Looks) -> Moments:
    made = {}
    for c in columns:
        own = pairs.loc[pairs[c].notna(), ["i", c, "ago"]]
        own = pd.DataFrame({"i": own.i, "x": own[c], "t": -own.ago})
        by = own.groupby("i")
        first = by.agg(n=("x", "size"), mean=("x", "mean"), min=("x", "min"), max=("x", "max"), t=("t", "mean"))
        d, t = own.x - own.i.map(first["mean"]), own.t - own.i.map(first.t)
        second = pd.DataFrame({"i": own.i, "m2": d * d, "t2": t * t, "tx": d * t}).groupby("i").sum()
        found = looks.dense(first.join(second))
        made[c] = {name: found[name].to_numpy() for name in found.columns} | {"n": found.n.fillna(0).to_numpy()}
    return made


def _merged(a: dict[str, Floats], b: dict[str, Floats]) -> dict[str, Floats]:
    """Two sets of moments as those of their union (Chan, Golub, LeVeque 1979)."""
    n = a["n"] + b["n"]
    with np.errstate(all="ignore"):
        share, weight = b["n"] / n, a["n"] * b["n"] / n
        d, t = b["mean"] - a["mean"], b["t"] - a["t"]
        both = {
            "mean": a["mean"] + d * share, "m2": a["m2"] + b["m2"] + d * d * weight,
            "t2": a["t2"] + b["t2"] + t * t * weight, "tx": a["tx"] + b["tx"] + d * t * weight,
        }  # fmt: skip
    found = {name: np.where(a["n"] == 0, b[name], np.where(b["n"] == 0, a[name], value)) for name, value in both.items()}
    return found | {"n": n, "min": np.fmin(a["min"], b["min"]), "max": np.fmax(a["max"], b["max"])}


def _finished(moments: dict[str, Floats]) -> dict[str, Floats]:
    n = moments["n"]
    with np.errstate(all="ignore"):
        spread = np.where(moments["min"] == moments["max"], 0.0, np.sqrt(np.maximum(moments["m2"], 0.0) / (n - 1)))
        slope = np.where((n > 1) & (moments["t2"] > 0), moments["tx"] / moments["t2"], np.nan)
    return moments | {"std": np.where(n > 1, spread, np.nan), "slope": slope}


def stood_at(
    rows: pd.DataFrame, columns: list[str], lag: float, reach: float, looks: Looks
) -> dict[str, tuple[Floats, Floats]]:
    """The last number of each column in (now - reach, now - lag] and how many hours ago it was."""
    settled, others = split(rows)
    place = newest(settled, looks.m, looks.now, lag)
    pairs = pairs_of(others, looks.m, looks.now, None if np.isinf(reach) else reach)
    pairs = pairs[pairs.ago >= lag]
    made = {}
    for c in columns:
        filled = pd.DataFrame({"x": settled[c], "event": settled.event.where(settled[c].notna())}).groupby(settled.m).ffill()
        x, ago = taken(filled.x, place), (looks.now - taken(filled.event, place)) / HOUR
        x, ago = np.where(ago < reach, x, np.nan), np.where(ago < reach, ago, np.nan)
        few = looks.dense(pairs[pairs[c].notna()].groupby("i")[[c, "ago"]].last())
        later = np.isnan(ago) | (few.ago.to_numpy() < ago)
        made[c] = (np.where(later, few[c].to_numpy(dtype=np.float64), x), np.where(later, few.ago.to_numpy(), ago))
    return made
