"""Numbers that hold until the next row, of operation and environment, in Polars."""

from collections.abc import Mapping

import polars as pl

from features.kinds import MachineKind
from features.spec import FeatureSpec
from tests.oracles.polars_rows import FOREVER, HOUR, NEVER, Frame, Looks, pairs_of
from tests.oracles.polars_windows import stood_at

STATES = (
    "state", "state_code", "held", "held_on",
    "state_mean", "state_std", "state_min", "state_max", "state_change", "state_changes",
)  # fmt: skip
X, AGO, SPAN = pl.col("x"), pl.col("ago"), pl.col("span")


def states(kind: MachineKind, specs: list[FeatureSpec], rows: Frame, looks: Looks) -> dict[str, pl.Series]:
    """Each state by itself: what stood at `as_of` and at the edges of the windows, and the rows inside them."""
    made = {}
    for column in dict.fromkeys(spec.column for spec in specs):
        own = rows.with_columns(x=_number(kind, column).cast(pl.Float64)).drop_nulls("x")
        own = own.select("m", "event", "since", "until", "x")
        made |= _of_column([spec for spec in specs if spec.column == column], own, looks)
    return made


def _number(kind: MachineKind, column: str) -> pl.Expr:
    """A number, the place of a code (-1: not declared), 1 or 0 for on and off; null where the row says nothing."""
    if column in ("mode", "shift"):
        codes = [term.code for term in (kind.modes if column == "mode" else kind.shifts)]
        places = {code: float(place) for place, code in enumerate(codes)}
        return pl.when(pl.col(column).is_not_null()).then(
            pl.col(column).replace_strict(places, default=-1.0, return_dtype=pl.Float64)
        )  # fmt: skip
    if column.startswith("mode:"):
        return pl.col("mode") == column.removeprefix("mode:")
    if column == "running":
        says = {action.code: float(action.state == "running") for action in kind.actions if action.state}
        return pl.col("action").replace_strict(says, default=None, return_dtype=pl.Float64)
    if column == "hot":
        return pl.col("ambient_temperature_c") >= (FOREVER if kind.hot_c is None else kind.hot_c)
    return pl.col(column)


def _of_column(specs: list[FeatureSpec], own: Frame, looks: Looks) -> dict[str, pl.Series]:
    # Of several rows at one moment the last one known counts, so they have no short cut.
    alone = ~pl.struct("m", "event").is_duplicated()
    settled = own.filter(alone & (pl.col("since") == pl.col("event")) & (pl.col("until") == NEVER) & looks.bulk)
    others = own.filter(~(alone & (pl.col("since") == pl.col("event")) & (pl.col("until") == NEVER) & looks.bulk))
    few = _distinct(pairs_of(others, looks.at, None))
    hours = sorted({spec.window_hours for spec in specs if spec.window_hours is not None})
    stood = {lag: stood_at(settled, few, ["x"], lag, FOREVER, looks)["x"] for lag in (0.0, *hours)}
    found = _over(own, hours, stood, looks) if hours else Frame()
    begun = _begun(own, looks) if any(spec.op in ("held", "held_on") for spec in specs) else Frame()
    made = {}
    for spec in specs:
        now = stood[0.0]
        if spec.op == "state":
            made[spec.name] = now
        elif spec.op == "state_code":
            made[spec.name] = now.to_frame("x").select(pl.when(X >= 0).then(X)).to_series()
        elif spec.op in ("held", "held_on"):
            made[spec.name] = begun[spec.op]
        elif spec.op == "state_change":
            made[spec.name] = now - stood[spec.window_hours or 0.0]
        else:
            made[spec.name] = found[f"{spec.op} {spec.window_hours}"]
    return made


def _distinct(pairs: Frame) -> Frame:
    """Of the rows that an observation sees at one moment the last."""
    return pairs.filter(
        ~((pl.col("i") == pl.col("i").shift(-1)) & (pl.col("event") == pl.col("event").shift(-1))).fill_null(False)
    )


def _over(own: Frame, hours: list[float], stood: Mapping[float, pl.Series], looks: Looks) -> Frame:
    """Mean, spread, extremes and changes of each window: of the rows inside it, and of what stood when it began."""
    pairs = _distinct(pairs_of(own, looks.at, hours[-1])).select("i", "ago", "x")
    earliest = looks.at.select("i", first=stood[hours[-1]])
    same = pl.col("i") == pl.col("i").shift(1)
    pairs = pairs.join(earliest, on="i", how="left", maintain_order="left").with_columns(
        span=AGO - pl.when(pl.col("i") == pl.col("i").shift(-1)).then(AGO.shift(-1)).otherwise(0.0).fill_null(0.0),
        changed=(pl.when(same.fill_null(False)).then(X.shift(1)).otherwise("first") != X).fill_null(False),
    )
    made = Frame({"known": stood[0.0].is_not_null()})
    for w in hours:
        inside = pairs.filter(w > AGO).group_by("i").agg(
            known=AGO.max(), s1=(X * SPAN).sum(), s2=(X * X * SPAN).sum(), low=X.min(), high=X.max(),
            changes=pl.col("changed").sum(),
        )  # fmt: skip
        edge = pl.col("stood").is_not_null()
        rest = pl.when(edge).then(w - pl.col("known").fill_null(0.0)).otherwise(0.0)
        total = pl.col("known").fill_null(0.0) + rest
        before = pl.col("stood").fill_null(0.0)
        s1 = (pl.col("s1").fill_null(0.0) + before * rest) / total
        s2 = (pl.col("s2").fill_null(0.0) + before * before * rest) / total
        low, high = pl.min_horizontal("low", "stood"), pl.max_horizontal("high", "stood")
        spread = pl.when(low == high).then(0.0).otherwise((s2 - s1 * s1).clip(0.0).sqrt())
        rules = {
            "state_mean": pl.when(total > 0).then(s1), "state_std": pl.when(total > 0).then(spread), "state_min": low,
            "state_max": high, "state_changes": pl.when("any").then(pl.col("changes").fill_null(0)),
        }  # fmt: skip
        found = looks.dense(inside).with_columns(stood=stood[w], any=made["known"])
        made = made.hstack(found.select(rule.cast(pl.Float64).alias(f"{op} {w}") for op, rule in rules.items()))
    return made


def _begun(own: Frame, looks: Looks) -> Frame:
    """Hours since the present state began, worked out whenever knowledge changes and looked up since then."""
    changes = pl.concat([own.select("m", now="since"), own.select("m", now="until").filter(pl.col("now") != NEVER)])
    changes = changes.unique().sort("m", "now").with_row_index("i")
    pairs = _distinct(pairs_of(own, changes, None)).select("i", "event", "x")
    new = (pl.col("i") != pl.col("i").shift(1)) | (X.shift(1) != X)
    on = X > 0
    risen = on & ((pl.col("i") != pl.col("i").shift(1)) | ~(X.shift(1) > 0)).fill_null(True)
    began = pairs.with_columns(new=new.fill_null(True), risen=risen).group_by("i", maintain_order=True).agg(
        held=pl.col("event").filter("new").last(), held_on=pl.col("event").filter("risen").last(), on=on.last()
    )  # fmt: skip
    known = changes.join(began, on="i", how="left", maintain_order="left").drop("i").sort("now")
    asked = looks.at.with_columns(pl.col("m").fill_null(-1)).sort("now")
    found = asked.join_asof(known, on="now", by="m", check_sortedness=False).sort("i")
    since = (pl.col("held", "held_on") - pl.col("now")) / -HOUR
    return found.with_columns(since).select("held", held_on=pl.when("on").then("held_on").when(pl.col("on").not_()).then(0.0))
