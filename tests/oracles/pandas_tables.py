"""Rows that carry a code, peers, and the machine's own row, in pandas."""

import numpy as np
import pandas as pd

from features.kinds import MachineKind
from features.spec import FeatureSpec
from tests.oracles.pandas_rows import DAY, HOUR, NEVER, Floats, Looks, Made, coded, newest, pairs_of, places, split, taken
from tests.oracles.pandas_windows import moments_of

POINTS = ("count", "since", "since_first", "youngest", "oldest", "gap", "to_next", "since_at_next")
PEERS = ("peers", "rate_of_kind", "rate_of_model")
STATIC = ("age", "observed", "age_at_start", "model", "make", "capacity", "season", "weekday", "date", "made")
CODES = {
    "events": "code", "maintenance": "component", "failures": "component", "operations": "action", "replacements": "component",
}  # fmt: skip
FEWEST, HOLDS_HOURS = 5, 7 * 24.0


def points(kind: MachineKind, specs: list[FeatureSpec], rows: pd.DataFrame, looks: Looks) -> Made:
    column = CODES[specs[0].table]
    terms = {"events": kind.error_codes, "operations": kind.actions}.get(specs[0].table, kind.components)
    settled, others = split(rows)
    pairs = pairs_of(others, looks.m, looks.now, None)
    since, first, made = {}, {}, {}
    for code in [*(term.code for term in terms), ""]:
        of_settled, of_pairs = (settled, pairs) if not code else (part[part[column] == code] for part in (settled, pairs))
        by = of_pairs.groupby("i").ago
        few = looks.dense(by.agg(["min", "max"]))
        begin = places(of_settled, looks.m, looks.now, None)
        last = newest(of_settled, looks.m, looks.now, 0.0)
        since[code] = np.fmin((looks.now - taken(of_settled.event, last)) / HOUR, few["min"])
        first[code] = np.fmax((looks.now - taken(of_settled.event, np.where(last >= 0, begin, -1))) / HOUR, few["max"])
        for spec in specs:
            if spec.op == "count" and spec.column == code:
                w = np.inf if spec.window_hours is None else spec.window_hours
                count = of_pairs[of_pairs.ago < w].groupby("i").size().reindex(np.arange(len(looks.m)), fill_value=0)
                ends = (places(of_settled, looks.m, looks.now, lag) for lag in (0.0, spec.window_hours))
                made[spec.name] = count.to_numpy() + np.subtract(*ends)
    ages = np.array([since[term.code] for term in terms])
    rhythm = _rhythm(rows, looks) if any(spec.op in ("gap", "to_next", "since_at_next") for spec in specs) else since[""]
    with np.errstate(invalid="ignore"):
        to_next = rhythm - np.fmod(since[""], rhythm)
    for spec in specs:
        if spec.op in ("youngest", "oldest"):
            made[spec.name] = (np.fmin if spec.op == "youngest" else np.fmax).reduce(ages)
        elif spec.op != "count":
            rules = {"since": since[spec.column], "since_first": first[spec.column], "gap": rhythm, "to_next": to_next}
            made[spec.name] = rules[spec.op] if spec.op in rules else to_next + since[spec.column]
    return {name: np.asarray(values, dtype=np.float64) for name, values in made.items()}


def _rhythm(rows: pd.DataFrame, looks: Looks) -> Floats:
    """The commonest of the latest twelve gaps between visits, worked out whenever knowledge changes and looked up."""
    changes = pd.concat([rows[["m"]].assign(event=rows.since), rows[["m"]].assign(event=rows.until)])
    changes = changes[changes.event != NEVER].drop_duplicates().sort_values(["m", "event"], ignore_index=True)
    moments = pairs_of(rows, changes.m.to_numpy(), changes.event.to_numpy(), None)[["i", "event"]].drop_duplicates()
    moments = moments.sort_values(["i", "event"], ascending=[True, False])
    gaps = moments.assign(gap=(moments.event - moments.groupby("i").event.shift(-1)) / HOUR).dropna().groupby("i").head(12)
    gaps = gaps[["i", "gap"]].reset_index(names="g")
    likes = gaps.merge(gaps[["i", "gap"]], on="i", suffixes=("", "_other"))
    likes["like"] = (likes.gap_other - likes.gap).abs() <= 0.05 * likes.gap
    likes = likes.groupby(["i", "g", "gap"], as_index=False).like.sum()
    best = likes.sort_values(["like", "gap"], ascending=[False, True]).groupby("i").gap.first()
    return taken(best.reindex(np.arange(len(changes))), newest(changes, looks.m, looks.now, 0.0))


def peers(kind: MachineKind, specs: list[FeatureSpec], rows: pd.DataFrame, looks: Looks) -> Made:
    """The newest row of the machine's model and that of its kind beside each observation. rows: m is the place of the group."""
    model = static_rows(looks)["model"]
    group = coded(model, list(kind.models))
    of_kind = _newest_of(rows, np.zeros(len(looks.m), dtype=np.int64), looks)
    of_model = _newest_of(rows, np.where(group >= 0, group + 1, -1), looks).where(of_kind.ago.notna())
    sensors = [spec.column.removesuffix("_mean") for spec in specs if spec.op == "peers"]
    own = moments_of(looks.tables["readings"], sensors, max(24.0, kind.period_hours), looks)
    made = {}
    for spec in specs:
        c = spec.column
        if spec.op == "peers":
            sensor = c.removesuffix("_mean")
            chosen = of_model.where(of_model[f"{sensor}_machines"] >= FEWEST, of_kind)
            chosen = chosen.where(chosen[f"{sensor}_machines"] >= FEWEST)
            spread = chosen[f"{sensor}_std"].where(chosen[f"{sensor}_std"] > 0)
            made[spec.name] = (own[sensor]["mean"] - chosen[c]) / spread
        else:
            made[spec.name] = of_kind[c] if spec.op == "rate_of_kind" else of_model[c].fillna(of_kind[c])
    return {name: values.to_numpy(dtype=np.float64) for name, values in made.items()}


def _newest_of(rows: pd.DataFrame, group: np.ndarray, looks: Looks) -> pd.DataFrame:
    """The newest row known of each observation's group, unless it is too old."""
    pairs = pairs_of(rows, group, looks.now, HOLDS_HOURS + 1.0)
    return looks.dense(pairs[pairs.ago <= HOLDS_HOURS].groupby("i").tail(1).set_index("i"))


def static_rows(looks: Looks) -> pd.DataFrame:
    """The machine's own row as known at each observation: of its versions the one recorded last."""
    asked = pd.DataFrame({"m": looks.m, "now": looks.now, "i": np.arange(len(looks.m))})
    both = asked.merge(looks.tables["machines"], on="m")
    both = both[both.since <= both.now].sort_values(["i", "recorded"])
    return looks.dense(both.groupby("i").tail(1).set_index("i"))


def static(kind: MachineKind, specs: list[FeatureSpec], rows: pd.DataFrame, looks: Looks) -> Made:
    own = static_rows(looks)
    observed = (looks.now - own.event) / HOUR
    age = own.age_hours.astype(float) + observed
    places_of = {name: float(place) for place, name in enumerate(kind.models)}
    letters = {name: pd.Series([name]).str.extract(r"^([^\W\d_]+)")[0].str.upper()[0] for name in kind.models}
    makes = sorted(set(letters.values()))
    days = pd.Series(looks.now // DAY).where(own.event.notna())
    rules = {
        "age": age, "observed": observed, "age_at_start": own.age_hours, "capacity": own.capacity,
        "model": own.model.map(places_of), "make": own.model.map({name: float(makes.index(x)) for name, x in letters.items()}),
        "season": days % 365.25, "weekday": (days + 3) % 7, "date": days, "made": looks.now / DAY - age / 24.0,
    }  # fmt: skip
    return {spec.name: rules[spec.op].to_numpy(dtype=np.float64) for spec in specs}
