"""Sensors at equal load in Polars: every reading of the past meets every observation, with the states that stood over it."""

import polars as pl

from features.kinds import MachineKind
from features.spec import FeatureSpec
from tests.oracles.polars_rows import DAY, Frame, Looks, pairs_of

EQUAL = ("equal_mean", "equal_std", "equal_deviation")
RIDGE_LOAD, RIDGE_AMBIENT = 0.5, 50.0
RATED_LOAD, MILD_C = 1.0, 20.0


def equal(kind: MachineKind, specs: list[FeatureSpec], rows: Frame, looks: Looks) -> dict[str, pl.Series]:
    """Effects of load and temperature by observation, then the windows of what they leave."""
    columns = list(dict.fromkeys(spec.column for spec in specs))
    pairs = pairs_of(rows.select("m", "event", "since", "until", *columns), looks.at, max(kind.equal_load_hours))
    pairs = _with_state(pairs, "operations", "load", looks, kept=kind.operated)
    pairs = _with_state(pairs, "environment", "ambient_temperature_c", looks, kept=kind.environment)
    made = {}
    for c in columns:
        own = pairs.select("i", "ago", day=-((-pl.col("event")) // DAY), y=c, u="load", v="ambient_temperature_c").drop_nulls()
        found = _effects(own)
        own = own.join(found, on="i", how="left", maintain_order="left")
        own = own.with_columns(z=pl.col("y") - pl.col("a") * pl.col("u") - pl.col("b") * pl.col("v"))
        back = looks.dense(found).select(
            pl.col("a") * RATED_LOAD * float(kind.operated) + pl.col("b") * MILD_C * float(kind.environment)
        ).to_series()  # fmt: skip
        for spec in (spec for spec in specs if spec.column == c):
            whole = _over(own, spec.window_hours or 0.0, looks)
            if spec.op == "equal_mean":
                made[spec.name] = whole["mean"] + back
            elif spec.op == "equal_std":
                made[spec.name] = whole["std"]
            else:
                made[spec.name] = whole["mean"] - _over(own, spec.against_hours or 0.0, looks)["mean"]
    return made


def _with_state(pairs: Frame, table: str, column: str, looks: Looks, *, kept: bool) -> Frame:
    """What stood at the time of each reading, as known to the observation; 0 where the kind keeps no such table."""
    if not kept:
        return pairs.with_columns(pl.lit(0.0).alias(column))
    said = looks.tables[table].drop_nulls(column).select("m", "event", "since", "until", pl.col(column).cast(pl.Float64))
    seen = pairs_of(said, looks.at, None).select("i", "event", column).unique(["i", "event"], keep="last", maintain_order=True)
    return pairs.sort("i", "event", maintain_order=True).join_asof(
        seen.sort("i", "event"), on="event", by="i", check_sortedness=False
    )  # fmt: skip


def _effects(own: Frame) -> Frame:
    """The ridge regression of y on u and v about their means of the day, by observation."""
    inside = own.with_columns(pl.col("y", "u", "v") - pl.col("y", "u", "v").mean().over("i", "day"))
    sums = inside.group_by("i").agg(
        uu=(pl.col("u") ** 2).sum() + RIDGE_LOAD, vv=(pl.col("v") ** 2).sum() + RIDGE_AMBIENT,
        uv=(pl.col("u") * pl.col("v")).sum(), uy=(pl.col("u") * pl.col("y")).sum(), vy=(pl.col("v") * pl.col("y")).sum(),
    )  # fmt: skip
    uu, vv, uv, uy, vy = (pl.col(name) for name in ("uu", "vv", "uv", "uy", "vy"))
    rest = uu * vv - uv * uv
    return sums.select("i", a=(vv * uy - uv * vy) / rest, b=(uu * vy - uv * uy) / rest)


def _over(own: Frame, hours: float, looks: Looks) -> Frame:
    inside = own.filter(pl.col("ago") < hours).group_by("i")
    return looks.dense(inside.agg(mean=pl.col("z").mean(), std=pl.col("z").std()))
