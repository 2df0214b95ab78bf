"""Numbers that hold until the next row, of operation and environment, in pandas."""

import numpy as np
import pandas as pd

from features.kinds import MachineKind
from features.spec import FeatureSpec
from tests.oracles.pandas_rows import HOUR, NEVER, Floats, Looks, Made, coded, newest, pairs_of
from tests.oracles.pandas_windows import stood_at

STATES = (
    "state", "state_code", "held", "held_on",
    "state_mean", "state_std", "state_min", "state_max", "state_change", "state_changes",
)  # fmt: skip
CLOCKS = ["m", "event", "since", "until"]


def states(kind: MachineKind, specs: list[FeatureSpec], rows: pd.DataFrame, looks: Looks) -> Made:
    """Each state by itself: what stood at `as_of` and at the edges of the windows, and the rows inside them."""
    made = {}
    for column in dict.fromkeys(spec.column for spec in specs):
        own = rows[CLOCKS].assign(x=_number(kind, column, rows)).dropna(subset=["x"]).reset_index(drop=True)
        # Of several rows at one moment the last one known counts: as if they were corrected, they are looked at one by one.
        tied = own.duplicated(["m", "event"], keep=False)
        own.loc[tied & (own.until == NEVER), "until"] = NEVER - 1
        made |= _of_column([spec for spec in specs if spec.column == column], own, looks)
    return made


def _number(kind: MachineKind, column: str, rows: pd.DataFrame) -> Floats:
    """A number, the place of a code (-1: not declared), 1 or 0 for on and off; NaN where the row says nothing."""
    if column in ("mode", "shift"):
        codes = [term.code for term in (kind.modes if column == "mode" else kind.shifts)]
        return np.where(rows[column].isna(), np.nan, coded(rows[column], codes))
    if column.startswith("mode:"):
        return np.where(rows["mode"].isna(), np.nan, rows["mode"] == column.removeprefix("mode:"))
    if column == "running":
        says = {action.code: float(action.state == "running") for action in kind.actions if action.state}
        return rows["action"].map(says).to_numpy(dtype=np.float64)
    if column == "hot":
        air = rows["ambient_temperature_c"].to_numpy(dtype=np.float64)
        return np.where(np.isnan(air), np.nan, air >= (np.inf if kind.hot_c is None else kind.hot_c))
    return rows[column].to_numpy(dtype=np.float64)


def _of_column(specs: list[FeatureSpec], own: pd.DataFrame, looks: Looks) -> Made:
    hours = sorted({spec.window_hours for spec in specs if spec.window_hours is not None})
    stood = {lag: stood_at(own, ["x"], lag, np.inf, looks)["x"][0] for lag in (0.0, *hours)}
    pairs = _distinct(pairs_of(own, looks.m, looks.now, hours[-1])) if hours else pd.DataFrame()
    if hours:
        same = (pairs.i == pairs.i.shift(1)).to_numpy()
        before = np.where(same, pairs.x.shift(1), stood[hours[-1]][pairs.i.to_numpy()])
        span = pairs.ago - pairs.ago.shift(-1).where(pairs.i == pairs.i.shift(-1), 0.0)
        d = pairs.x - stood[0.0][pairs.i.to_numpy()]  # a state of no duration leaves no rounding error of its square
        pairs = pairs.assign(changed=(pairs.x != before) & ~np.isnan(before), span=span, s1=d * span, s2=d * d * span)
    made = {}
    whole = {w: _over(pairs[pairs.ago < w], w, stood[w], stood[0.0], looks) for w in hours}
    for spec in specs:
        now = stood[0.0]
        if spec.op in ("held", "held_on"):
            made[spec.name] = _begun(own, looks)[spec.op]
        elif spec.op == "state":
            made[spec.name] = now
        elif spec.op == "state_code":
            made[spec.name] = np.where(now >= 0, now, np.nan)
        elif spec.op == "state_change":
            made[spec.name] = now - stood[spec.window_hours or 0.0]
        else:
            made[spec.name] = whole[spec.window_hours or 0.0][spec.op]
    return made


def _distinct(pairs: pd.DataFrame) -> pd.DataFrame:
    """Of the rows that an observation sees at one moment the last."""
    again = (pairs.i == pairs.i.shift(-1)) & (pairs.event == pairs.event.shift(-1))
    return pairs[~again].reset_index(drop=True)


def _over(pairs: pd.DataFrame, w: float, stood: Floats, now: Floats, looks: Looks) -> Made:
    """Mean, spread, extremes and changes of a window: of the rows inside it, and of what stood when it began."""
    by = pairs.groupby("i")
    inside = by.agg(known=("ago", "max"), s1=("s1", "sum"), s2=("s2", "sum"), low=("x", "min"), high=("x", "max"))
    found = looks.dense(inside.assign(changes=by.changed.sum()))
    known, s1, s2, changes = (found[name].fillna(0.0).to_numpy() for name in ("known", "s1", "s2", "changes"))
    rest = np.where(np.isnan(stood), 0.0, w - known)
    total, before = known + rest, np.nan_to_num(stood - now)
    low, high = np.fmin(found.low.to_numpy(), stood), np.fmax(found.high.to_numpy(), stood)
    with np.errstate(all="ignore"):
        mean = (s1 + before * rest) / total
        spread = np.sqrt(np.maximum((s2 + before * before * rest) / total - mean * mean, 0.0))
    return {
        "state_mean": np.where(total > 0, now + mean, np.nan),
        "state_std": np.where(total > 0, np.where(low == high, 0.0, spread), np.nan),
        "state_min": low,
        "state_max": high,
        "state_changes": np.where(np.isnan(now), np.nan, changes),
    }


def _begun(own: pd.DataFrame, looks: Looks) -> Made:
    """Hours since the present state began, worked out whenever knowledge changes and looked up since then."""
    changes = pd.concat([own[["m"]].assign(event=own.since), own[["m"]].assign(event=own.until)])
    changes = changes[changes.event < NEVER - 1].drop_duplicates().sort_values(["m", "event"], ignore_index=True)
    pairs = _distinct(pairs_of(own, changes.m.to_numpy(), changes.event.to_numpy(), None))
    first = pairs.i != pairs.i.shift(1)
    on = pairs.x > 0
    new, risen = first | (pairs.x != pairs.x.shift(1)), on & (first | ~(pairs.x.shift(1) > 0))
    began = (
        pd.DataFrame({"held": pairs.event.where(new), "held_on": pairs.event.where(risen), "on": on}).groupby(pairs.i).last()
    )
    began = began.reindex(np.arange(len(changes)))
    place = newest(changes, looks.m, looks.now, 0.0)
    held, risen_at, is_on = (np.append(began[name].to_numpy(dtype=np.float64), np.nan)[place] for name in began.columns)
    return {
        "held": (looks.now - held) / HOUR,
        "held_on": np.where(np.isnan(is_on), np.nan, np.where(is_on == 1, (looks.now - risen_at) / HOUR, 0.0)),
    }
