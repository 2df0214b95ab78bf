"""Windows over numbers that arrive regularly, in Polars."""

from collections.abc import Mapping, Sequence

import polars as pl

from features.kinds import MachineKind
from features.spec import FeatureSpec
from tests.oracles.polars_rows import HOUR, Frame, Looks, pairs_of, places, split


def windows(kind: MachineKind, specs: list[FeatureSpec], rows: Frame, looks: Looks) -> dict[str, pl.Series]:
    columns = list(dict.fromkeys(spec.column for spec in specs))
    spans = {hours for spec in specs for hours in (spec.window_hours, spec.against_hours) if hours is not None}
    reach = max(spans)
    settled, others = split(rows, looks)
    pairs = pairs_of(others, looks.at, reach)
    needed = {spec.window_hours for spec in specs if spec.op in (*MOMENTS, "deviation")}
    needed |= {spec.against_hours for spec in specs if spec.op == "deviation"}
    whole = {hours: _moments(settled, pairs, columns, hours, looks) for hours in sorted(h for h in needed if h)}
    lags = {0.0} | {spec.window_hours or 0.0 for spec in specs if spec.op in ("difference", "robust")}
    stood = {lag: stood_at(settled, pairs, columns, lag, reach, looks) for lag in sorted(lags)}
    made = {}
    middles: dict[float, Frame] = {}
    for spec in specs:
        c, hours, past = spec.column, spec.window_hours or 0.0, spec.against_hours or 0.0
        if spec.op == "deviation":
            frame = Frame({"a": whole[hours][f"{c} mean"], "b": whole[past][f"{c} mean"], "s": _std(whole[past], c)})
            made[spec.name] = frame.select(pl.when(pl.col("s") > 0).then((pl.col("a") - pl.col("b")) / pl.col("s"))).to_series()
        elif spec.op == "robust":
            if past not in middles:
                middles[past] = _middles(rows, columns, past, looks)
            frame = Frame({"x": stood[hours][c], "b": middles[past][c], "s": middles[past][f"{c} spread"]})
            made[spec.name] = frame.select(pl.when(pl.col("s") > 0).then((pl.col("x") - pl.col("b")) / pl.col("s"))).to_series()
        elif spec.op in MOMENTS:
            made[spec.name] = _moment(spec, whole[hours], kind.period_hours)
        else:
            made[spec.name] = _last(spec, stood, hours)
    return made


MOMENTS = ("mean", "std", "min", "max", "range", "slope", "missing")
WINDOWED = (*MOMENTS, "last", "since_reading", "difference", "deviation", "robust")
PARTS = ("n", "mean", "m2", "min", "max", "t", "t2", "tx")


def moments_of(rows: Frame, columns: Sequence[str], hours: float, looks: Looks) -> Frame:
    """The moments of one window of all rows: of those known at once by windows, of the others one by one."""
    settled, others = split(rows, looks)
    return _moments(settled, pairs_of(others, looks.at, hours), columns, hours, looks)


def _moments(settled: Frame, pairs: Frame, columns: Sequence[str], hours: float, looks: Looks) -> Frame:
    """n, mean, sum of squares about it, min, max, and the same of time, by observation and column, of one window."""
    few = looks.dense(_moments_of_pairs(pairs, columns, hours))
    if settled.is_empty():
        return few.with_columns(pl.col(f"{c} n").fill_null(0) for c in columns)
    many = _moments_of_windows(settled, columns, hours, looks)
    both = pl.concat(
        [many, few.drop("i").rename({f"{c} {part}": f"+{c} {part}" for c in columns for part in PARTS})], how="horizontal"
    )
    return both.select(merged for c in columns for merged in _merged(c))


def _merged(c: str) -> list[pl.Expr]:
    """Two sets of moments as those of their union (Chan, Golub, LeVeque 1979)."""
    a, b = ({part: pl.col(f"{sign}{c} {part}") for part in PARTS} for sign in ("", "+"))
    n, k = a["n"].fill_null(0), b["n"].fill_null(0)
    share, weight = k / (n + k), n * k / (n + k)
    d, t = b["mean"] - a["mean"], b["t"] - a["t"]
    one = (n == 0) | (k == 0)

    def joined(part: str, both: pl.Expr) -> pl.Expr:
        only = pl.when(n == 0).then(b[part]).otherwise(a[part])
        return pl.when(one).then(only).otherwise(both).alias(f"{c} {part}")

    return [
        (n + k).alias(f"{c} n"),
        joined("mean", a["mean"] + d * share),
        joined("m2", a["m2"] + b["m2"] + d * d * weight),
        pl.min_horizontal(a["min"], b["min"]).alias(f"{c} min"),
        pl.max_horizontal(a["max"], b["max"]).alias(f"{c} max"),
        joined("t", a["t"] + t * share),
        joined("t2", a["t2"] + b["t2"] + t * t * weight),
        joined("tx", a["tx"] + b["tx"] + d * t * weight),
    ]


def _moments_of_pairs(pairs: Frame, columns: Sequence[str], hours: float) -> Frame:
    x = pairs.filter(pl.col("ago") < hours).select(
        "i", *columns, *(pl.when(pl.col(c).is_not_null()).then(-pl.col("ago")).alias(f"{c} t") for c in columns)
    )
    first = x.group_by("i").agg(
        part
        for c in columns
        for part in (
            pl.col(c).count().alias(f"{c} n"), pl.col(c).mean().alias(f"{c} mean"),
            pl.col(c).min().alias(f"{c} min"), pl.col(c).max().alias(f"{c} max"), pl.col(f"{c} t").mean().alias(f"{c} tm"),
        )
    )  # fmt: skip
    x = x.join(first, on="i", how="left", maintain_order="left")
    d = {c: (pl.col(c) - pl.col(f"{c} mean"), pl.col(f"{c} t") - pl.col(f"{c} tm")) for c in columns}
    second = x.select(
        "i",
        *(e for c, (v, t) in d.items() for e in ((v * v).alias(f"{c} m2"), (t * t).alias(f"{c} t2"), (v * t).alias(f"{c} tx"))),
    )
    found = first.join(second.group_by("i").agg(pl.all().sum()), on="i")
    return found.rename({f"{c} tm": f"{c} t" for c in columns})


def _moments_of_windows(settled: Frame, columns: Sequence[str], hours: float, looks: Looks) -> Frame:
    """`group_by_dynamic` on the grid of the observations, looked up for each of them."""
    every, phase = _grid(looks.at)
    middle = (settled["event"].min() + settled["event"].max()) / 2 / HOUR  # type: ignore[operator]
    t = pl.col("event") / HOUR - middle
    x = settled.select(
        "m", *columns, pl.col("event").cast(pl.Datetime("us")),
        *(pl.when(pl.col(c).is_not_null()).then(t).alias(f"{c} t") for c in columns),
        *((pl.col(c) - pl.col(c).mean().over("m")).alias(f"{c} d") for c in columns),
    ).with_columns(
        *((pl.col(f"{c} t") ** 2).alias(f"{c} t2") for c in columns),
        *((pl.col(f"{c} t") * pl.col(f"{c} d")).alias(f"{c} tx") for c in columns),
    )  # fmt: skip
    sums = x.group_by_dynamic(
        "event", every=f"{every}us", period=f"{round(hours * HOUR)}us", offset=f"{phase - round(hours * HOUR)}us",
        closed="right", label="right", group_by="m",
    ).agg(
        part
        for c in columns
        for part in (
            pl.col(c).count().alias(f"{c} n"), pl.col(c).mean().alias(f"{c} mean"), pl.col(c).var().alias(f"{c} var"),
            pl.col(c).min().alias(f"{c} min"), pl.col(c).max().alias(f"{c} max"),
            pl.col(f"{c} t", f"{c} t2", f"{c} tx", f"{c} d").sum(),
        )
    )  # fmt: skip
    asked = looks.at.select("m", event=pl.col("now").cast(pl.Datetime("us")), now=pl.col("now") / HOUR - middle)
    found = asked.join(sums, on=["m", "event"], how="left", maintain_order="left")
    parts = []
    for c in columns:
        n, s = pl.col(f"{c} n"), pl.col(f"{c} t")
        parts += [
            n, pl.col(f"{c} mean"), (pl.col(f"{c} var").fill_null(0.0) * (n - 1)).alias(f"{c} m2"),
            pl.col(f"{c} min"), pl.col(f"{c} max"), (s / n - pl.col("now")).alias(f"{c} t"),
            (pl.col(f"{c} t2") - s * s / n).alias(f"{c} t2"), (pl.col(f"{c} tx") - s * pl.col(f"{c} d") / n).alias(f"{c} tx"),
        ]  # fmt: skip
    return found.select(parts)


def _grid(at: Frame) -> tuple[int, int]:
    """(step, phase) of the one grid on which all observations lie."""
    moments = at.get_column("now").unique().sort()
    steps = moments.diff().drop_nulls()
    if steps.is_empty():
        return HOUR, int(moments[0]) % HOUR
    step = int(steps.min())  # type: ignore[arg-type]
    if (steps % step != 0).any():
        raise ValueError("in bulk the observations lie on one grid")
    return step, int(moments[0]) % step


def _std(moments: Frame, c: str) -> pl.Series:
    n, m2 = pl.col(f"{c} n"), pl.col(f"{c} m2")
    alike = pl.col(f"{c} min") == pl.col(f"{c} max")
    return moments.select(pl.when(n > 1).then(pl.when(alike).then(0.0).otherwise((m2.clip(0.0) / (n - 1)).sqrt()))).to_series()


def _moment(spec: FeatureSpec, moments: Frame, period: float) -> pl.Series:
    c = spec.column
    if spec.op == "std":
        return _std(moments, c)
    if spec.op == "slope":
        return moments.select(pl.when(pl.col(f"{c} t2") > 0).then(pl.col(f"{c} tx") / pl.col(f"{c} t2"))).to_series()
    if spec.op == "missing":
        return moments.select((1.0 - pl.col(f"{c} n") * period / spec.window_hours).clip(0.0)).to_series()
    if spec.op == "range":
        return moments[f"{c} max"] - moments[f"{c} min"]
    return moments[f"{c} {spec.op}"]


def stood_at(settled: Frame, pairs: Frame, columns: Sequence[str], lag: float, reach: float, looks: Looks) -> Frame:
    """The last number of each column in (now - reach, now - lag] and how many hours ago it was."""
    old = pairs.filter(pl.col("ago") >= lag)
    number = [pl.col(c).drop_nulls().last() for c in columns]
    moment = [pl.col("ago").filter(pl.col(c).is_not_null()).last().alias(f"{c} ago") for c in columns]
    few = looks.dense(old.group_by("i", maintain_order=True).agg(*number, *moment)).drop("i")
    if settled.is_empty():
        return few
    filled = settled.select(
        "m", *(pl.col(c).forward_fill().over("m") for c in columns),
        *(pl.when(pl.col(c).is_not_null()).then("event").forward_fill().over("m").alias(f"{c} event") for c in columns),
    )  # fmt: skip
    place = Frame({"place": places(settled, looks.at, lag), "first": places(settled, looks.at, None)})
    place = place.select(pl.when(pl.col("place") > pl.col("first")).then(pl.col("place") - 1)).to_series()
    many = looks.at.select("now").hstack(filled.select(pl.all().gather(place)))
    many = many.select(
        *columns, *(((pl.col("now") - pl.col(f"{c} event")) / HOUR).alias(f"{c} ago") for c in columns)
    ).select(pl.when(pl.col(f"{c} ago") < reach).then(pl.col(c, f"{c} ago")) for c in columns)  # fmt: skip
    both = pl.concat([many, few.rename({name: f"+{name}" for name in few.columns})], how="horizontal")
    later = {c: pl.col(f"{c} ago").is_null() | (pl.col(f"+{c} ago") < pl.col(f"{c} ago")) for c in columns}
    return both.select(
        pl.when(later[c]).then(f"+{name}").otherwise(name).alias(name) for c in columns for name in (c, f"{c} ago")
    )


def _last(spec: FeatureSpec, stood: Mapping[float, Frame], hours: float) -> pl.Series:
    c = spec.column
    now = stood[0.0].select(x=c, ago=f"{c} ago").with_columns(pl.when(pl.col("ago") < hours).then(pl.all()))
    if spec.op == "last":
        return now["x"]
    if spec.op == "since_reading":
        return now["ago"]
    return now["x"] - stood[hours][c]  # difference


def _middles(rows: Frame, columns: Sequence[str], hours: float, looks: Looks) -> Frame:
    """Median and scaled median absolute deviation of (now - hours, now]: no short cut, every row meets its observations."""
    pairs = pairs_of(rows, looks.at, hours).select("i", *columns)
    away = pairs.select("i", *((pl.col(c) - pl.col(c).median().over("i")).abs() for c in columns))
    spread = away.group_by("i").agg((1.4826 * pl.col(c).median()).alias(f"{c} spread") for c in columns)
    return looks.dense(pairs.group_by("i").agg(pl.col(columns).median()).join(spread, on="i"))
