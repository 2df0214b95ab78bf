"""A machine against its peers, from the dated reference table, in Polars."""

import polars as pl

from features.kinds import MachineKind
from features.spec import FeatureSpec
from tests.oracles.polars_rows import HOUR, Frame, Looks, pairs_of, places, split
from tests.oracles.polars_windows import moments_of

PEERS = ("peers", "rate_of_kind", "rate_of_model")
FEWEST = 5
HOLDS_HOURS = 7 * 24.0


def peers(kind: MachineKind, specs: list[FeatureSpec], rows: Frame, looks: Looks) -> dict[str, pl.Series]:
    """The newest row of the machine's model and that of its kind beside each observation."""
    models = pl.Enum([kind.name, *(f"{kind.name}/{model}" for model in kind.models)])
    model = (kind.name + "/" + looks.machine.get_column("model")).cast(models, strict=False).to_physical().cast(pl.Int64)
    of_kind = _newest(rows, Looks(looks.at.with_columns(m=pl.lit(0)), looks.bulk))
    of_model = _newest(rows, Looks(looks.at.with_columns(m=model), looks.bulk))
    of_model = of_model.with_columns(pl.when(of_kind["seen"].is_not_null()).then(pl.all()))
    sensors = [spec.column.removesuffix("_mean") for spec in specs if spec.op == "peers"]
    own = moments_of(looks.tables["readings"], sensors, max(24.0, kind.period_hours), looks) if sensors else Frame()
    made = {}
    for spec in specs:
        c = spec.column
        if spec.op == "peers":
            made[spec.name] = _distance(c.removesuffix("_mean"), of_model, of_kind, own)
        elif spec.op == "rate_of_kind":
            made[spec.name] = of_kind[c]
        else:
            made[spec.name] = Frame({"a": of_model[c], "b": of_kind[c]}).select(pl.coalesce("a", "b")).to_series()
    return made


def _newest(reference: Frame, looks: Looks) -> Frame:
    """The newest row known of each observation's group (`m`), unless it is too old."""
    settled, others = split(reference, looks)
    pairs = pairs_of(others, looks.at, HOLDS_HOURS + 1.0).filter(pl.col("ago") <= HOLDS_HOURS)
    few = looks.dense(pairs.group_by("i", maintain_order=True).last()).with_columns(seen="ago")
    if settled.is_empty():
        return few
    place = Frame({"place": places(settled, looks.at, 0.0), "first": places(settled, looks.at, None)})
    place = place.select(pl.when(pl.col("place") > pl.col("first")).then(pl.col("place") - 1)).to_series()
    many = settled.select(pl.all().gather(place)).with_columns(seen=(looks.at["now"] - pl.col("event")) / HOUR)
    columns = [name for name in many.columns if name in few.columns]
    both = many.select(columns).hstack(few.select(pl.col(columns).name.prefix("+")))
    later = (pl.col("+seen") < pl.col("seen")) | pl.col("seen").is_null() | (pl.col("seen") > HOLDS_HOURS)
    return both.select(pl.when(later.fill_null(False)).then(f"+{name}").otherwise(name).alias(name) for name in columns)


def _distance(sensor: str, of_model: Frame, of_kind: Frame, own: Frame) -> pl.Series:
    parts = {}
    for name, rows in (("model", of_model), ("kind", of_kind)):
        parts |= {f"{name} {part}": rows[f"{sensor}_{part}"].cast(pl.Float64) for part in ("mean", "std", "machines")}
    enough = {name: (pl.col(f"{name} machines") >= FEWEST).fill_null(False) for name in ("model", "kind")}
    z = {
        name: pl.when(pl.col(f"{name} std") > 0).then((pl.col("own") - pl.col(f"{name} mean")) / pl.col(f"{name} std"))
        for name in ("model", "kind")
    }
    frame = Frame(parts).with_columns(own=own[f"{sensor} mean"])
    return frame.select(pl.when(enough["model"]).then(z["model"]).when(enough["kind"]).then(z["kind"])).to_series()
