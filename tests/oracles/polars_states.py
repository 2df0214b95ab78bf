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
SEEN_BY, AGO, SPAN = pl.col("i"), pl.col("ago"), pl.col("span")


def states(kind: MachineKind, specs: list[FeatureSpec], rows: Frame, looks: Looks) -> dict[str, pl.Series]:
    """What stood at `as_of` and at the edges of the windows, and the rows inside them; states of the same rows together."""
    columns = dict.fromkeys(spec.column for spec in specs)
    said = rows.select("m", "event", "since", "until", *(_number(kind, c).cast(pl.Float64).alias(c) for c in columns))
    alike: dict[bytes, list[str]] = {}
    for c in columns:
        alike.setdefault(said[c].is_null().to_numpy().tobytes(), []).append(c)
    made = {}
    for together in alike.values():
        own = said.select("m", "event", "since", "until", *together).drop_nulls(together[0])
        made |= _of_rows([spec for spec in specs if spec.column in together], own, together, looks)
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


def _of_rows(specs: list[FeatureSpec], own: Frame, columns: list[str], looks: Looks) -> dict[str, pl.Series]:
    # Of several rows at one moment the last one known counts, so they have no short cut.
    alone = ~pl.struct("m", "event").is_duplicated()
    settled = own.filter(alone & (pl.col("since") == pl.col("event")) & (pl.col("until") == NEVER) & looks.bulk)
    others = own.join(settled.select("m", "event"), on=["m", "event"], how="anti").sort("m", "event", maintain_order=True)
    few = _distinct(pairs_of(others, looks.at, None))
    hours = sorted({spec.window_hours for spec in specs if spec.window_hours is not None})
    stood = {lag: stood_at(settled, few, columns, lag, FOREVER, looks) for lag in (0.0, *hours)}
    found = _over(own, columns, hours, stood, looks) if hours else Frame()
    made = {}
    for spec in specs:
        c = spec.column
        now = stood[0.0][c]
        if spec.op == "state":
            made[spec.name] = now
        elif spec.op == "state_code":
            made[spec.name] = now.to_frame("x").select(pl.when(pl.col("x") >= 0).then("x")).to_series()
        elif spec.op in ("held", "held_on"):
            made[spec.name] = _begun(own.select("m", "event", "since", "until", x=c), looks)[spec.op]
        elif spec.op == "state_change":
            made[spec.name] = now - stood[spec.window_hours or 0.0][c]
        else:
            made[spec.name] = found[f"{c} {spec.op} {spec.window_hours}"]
    return made


def _distinct(pairs: Frame) -> Frame:
    """Of the rows that an observation sees at one moment the last."""
    return pairs.filter(~((SEEN_BY.shift(-1) == SEEN_BY) & (pl.col("event") == pl.col("event").shift(-1))).fill_null(False))


def _over(own: Frame, columns: list[str], hours: list[float], stood: Mapping[float, Frame], looks: Looks) -> Frame:
    """Mean, spread, extremes and changes of each window: of the rows inside it, and of what stood when it began."""
    pairs = _distinct(pairs_of(own, looks.at, hours[-1])).select("i", "ago", *columns)
    earliest = stood[hours[-1]].select(pl.col(c).gather(pairs["i"]).alias(f"{c} first") for c in columns)
    same = (SEEN_BY.shift(1) == SEEN_BY).fill_null(False)
    # About the present state, so that a state of no duration leaves no rounding error of its square.
    present = stood[0.0].select(pl.col(c).gather(pairs["i"]).alias(f"{c} now") for c in columns)
    distance = {c: pl.col(c) - pl.col(f"{c} now") for c in columns}
    before = {c: pl.when(same).then(pl.col(c).shift(1)).otherwise(f"{c} first") for c in columns}
    pairs = pairs.hstack(earliest).hstack(present).select(
        "i", "ago", *columns,
        *((pl.col(c) != before[c]).fill_null(False).alias(f"{c} changed") for c in columns),
        *(distance[c].alias(f"{c} d") for c in columns),
        span=AGO - pl.when(SEEN_BY.shift(-1) == SEEN_BY).then(AGO.shift(-1)).otherwise(0.0).fill_null(0.0),
    )  # fmt: skip
    made = []
    for w in hours:
        inside = pairs.filter(w > AGO).group_by("i").agg(
            AGO.max().alias("known"),
            *(
                part.alias(f"{c} {name}")
                for c in columns
                for name, part in {
                    "s1": (pl.col(f"{c} d") * SPAN).sum(), "s2": (pl.col(f"{c} d") ** 2 * SPAN).sum(), "low": pl.col(c).min(),
                    "high": pl.col(c).max(), "changes": pl.col(f"{c} changed").sum(),
                }.items()
            ),
        )  # fmt: skip
        edges = stood[w].select(columns).rename({c: f"{c} stood" for c in columns})
        known = stood[0.0].select(pl.col(c).alias(f"{c} now") for c in columns)
        found = pl.concat([looks.dense(inside), edges, known], how="horizontal")
        made.append(found.select(rule.cast(pl.Float64).alias(f"{c} {op} {w}") for c in columns for op, rule in _rules(c, w)))
    return pl.concat(made, how="horizontal")


def _rules(c: str, w: float) -> list[tuple[str, pl.Expr]]:
    stood, known = pl.col(f"{c} stood"), pl.col("known").fill_null(0.0)
    rest = pl.when(stood.is_not_null()).then(w - known).otherwise(0.0)
    now, total = pl.col(f"{c} now"), known + rest
    before = (stood - now).fill_null(0.0)
    s1 = (pl.col(f"{c} s1").fill_null(0.0) + before * rest) / total
    s2 = (pl.col(f"{c} s2").fill_null(0.0) + before * before * rest) / total
    low, high = pl.min_horizontal(f"{c} low", stood), pl.max_horizontal(f"{c} high", stood)
    spread = pl.when(low == high).then(0.0).otherwise((s2 - s1 * s1).clip(0.0).sqrt())
    changes = pl.when(now.is_not_null()).then(pl.col(f"{c} changes").fill_null(0))
    return [
        ("state_mean", pl.when(total > 0).then(now + s1)), ("state_std", pl.when(total > 0).then(spread)),
        ("state_min", low), ("state_max", high), ("state_changes", changes),
    ]  # fmt: skip


def _begun(own: Frame, looks: Looks) -> Frame:
    """Hours since the present state began, worked out whenever knowledge changes and looked up since then."""
    changes = pl.concat([own.select("m", now="since"), own.select("m", now="until").filter(pl.col("now") != NEVER)])
    changes = changes.unique().sort("m", "now").with_row_index("i")
    pairs = _distinct(pairs_of(own, changes, None)).select("i", "event", "x")
    new = (SEEN_BY.shift(1) != SEEN_BY) | (pl.col("x").shift(1) != pl.col("x"))
    on = pl.col("x") > 0
    risen = on & ((SEEN_BY.shift(1) != SEEN_BY) | ~(pl.col("x").shift(1) > 0)).fill_null(True)
    began = pairs.with_columns(new=new.fill_null(True), risen=risen).group_by("i", maintain_order=True).agg(
        held=pl.col("event").filter("new").last(), held_on=pl.col("event").filter("risen").last(), on=on.last()
    )  # fmt: skip
    known = changes.join(began, on="i", how="left", maintain_order="left").drop("i").sort("now")
    asked = looks.at.with_columns(pl.col("m").fill_null(-1)).sort("now")
    found = asked.join_asof(known, on="now", by="m", check_sortedness=False).sort("i")
    since = (pl.col("held", "held_on") - pl.col("now")) / -HOUR
    return found.with_columns(since).select("held", held_on=pl.when("on").then("held_on").when(pl.col("on").not_()).then(0.0))
