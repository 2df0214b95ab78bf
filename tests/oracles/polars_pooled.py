"""Kind-free features in Polars: put together over the sensors that are not missing."""

import polars as pl

from features.catalog import Catalog
from tests.oracles.polars_rows import Frame

POOLED = ("largest", "average", "beyond_2", "beyond_3")


def put_together(wanted: Catalog, parts: Frame) -> Frame:
    """parts: the features of the base in single precision, null missing."""
    return parts.select(_rule(wanted, spec.op, spec.name, spec.column, parts.columns).alias(spec.name) for spec in wanted.specs)


def _rule(wanted: Catalog, op: str, name: str, column: str, known: list[str]) -> pl.Expr:
    if op not in POOLED:
        return pl.col(name) if name in known else pl.lit(None, pl.Float32)
    names = [f"{sensor.name}:{column}" for sensor in wanted.kind.sensors if f"{sensor.name}:{column}" in known]
    if not names:
        return pl.lit(None, pl.Float32)
    sizes = [pl.col(one).abs() for one in names]
    if op == "largest":
        return pl.max_horizontal(sizes)
    if op == "average":
        return pl.mean_horizontal(size.cast(pl.Float64) for size in sizes).cast(pl.Float32)
    limit = float(op.removeprefix("beyond_"))
    count = pl.sum_horizontal((size > limit).cast(pl.Float32) for size in sizes)
    return pl.when(pl.any_horizontal(size.is_not_null() for size in sizes)).then(count)
