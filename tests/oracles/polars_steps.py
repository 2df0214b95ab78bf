"""Counters that are written when they change, in Polars: a value holds until the next."""

import polars as pl

from features.kinds import MachineKind
from features.spec import FeatureSpec
from tests.oracles.polars_rows import FOREVER, Frame, Looks, pairs_of

STEPS = (
    "value", "change", "changes", "increases", "peak", "drop", "growth", "rate", "low_word", "high_word",
    "share_above_zero", "since_change", "since_increase", "since_above_zero",
)  # fmt: skip
ROWS = ("rows", "since_row", "row_gap")
FAULTS = (
    "faults_since", "faults_since_first", "faults_increases", "faults_present", "faults_growing", "faults_level",
    "faults_surge",
)  # fmt: skip


def steps(kind: MachineKind, specs: list[FeatureSpec], rows: Frame, looks: Looks) -> dict[str, pl.Series]:
    pairs = pairs_of(rows, looks.at, None)
    made = {}
    for column in dict.fromkeys(spec.column for spec in specs):
        own = [spec for spec in specs if spec.column == column]
        walked = _walk(pairs, column)
        found = walked.group_by("i", maintain_order=True).agg(_step(spec).cast(pl.Float64).alias(spec.name) for spec in own)
        made |= {spec.name: looks.dense(found)[spec.name] for spec in own}
    return made


def _walk(pairs: Frame, column: str) -> Frame:
    """The numbers of one column with the step from the one before and the end of the time for which they stood."""
    x = pairs.filter(pl.col(column).is_not_null()).select("i", "ago", x=column)
    step = pl.col("x") - pl.col("x").shift(1).over("i")
    return x.with_columns(step=step.fill_null(0.0), end=pl.col("ago").shift(-1).over("i").fill_null(0.0))


X, AGO, STEP = pl.col("x"), pl.col("ago"), pl.col("step")


def _before(hours: float | None) -> pl.Expr:
    """The value that stood `hours` ago; the first one where there was none yet."""
    return pl.coalesce(X.filter((FOREVER if hours is None else hours) <= AGO).last(), X.first())


def _word(x: pl.Expr, place: int) -> pl.Expr:
    whole = x.floor().clip(0, 65536.0**3).cast(pl.Int64) // 65536**place % 65536
    return pl.when((x >= 0) & (x < 65536.0**3)).then(whole.cast(pl.Float64))


def _step(spec: FeatureSpec) -> pl.Expr:
    inside = (FOREVER if spec.window_hours is None else spec.window_hours) > AGO
    day = pl.max_horizontal(AGO.first(), pl.lit(24.0))
    return {
        "value": X.last(),
        "change": X.last() - _before(spec.window_hours),
        "changes": ((STEP != 0) & inside).sum(),
        "increases": ((STEP > 0) & inside).sum(),
        "peak": X.max(),
        "drop": X.max() - X.last(),
        "growth": X.last() - X.first(),
        "rate": (X.last() - X.first()) / day * 720.0,
        "low_word": _word(X.last(), 0),
        "high_word": _word(X.last(), 1),
        "share_above_zero": (AGO - pl.col("end")).filter(X > 0).sum() / day,
        "since_change": AGO.filter(STEP != 0).min(),
        "since_increase": AGO.filter(STEP > 0).min(),
        "since_above_zero": AGO.filter(X > 0).max(),
    }[spec.op]


def all_rows(kind: MachineKind, specs: list[FeatureSpec], rows: Frame, looks: Looks) -> dict[str, pl.Series]:
    found = looks.dense(
        pairs_of(rows, looks.at, None).group_by("i").agg(
            {
                "rows": ((FOREVER if spec.window_hours is None else spec.window_hours) > AGO).sum(),
                "since_row": AGO.min(),
                "row_gap": AGO.bottom_k(2).max() - pl.when(pl.len() > 1).then(AGO.min()),
            }[spec.op].cast(pl.Float64).alias(spec.name)
            for spec in specs
        )
    )  # fmt: skip
    return {spec.name: found[spec.name].fill_null(0.0) if spec.op == "rows" else found[spec.name] for spec in specs}


def faults(kind: MachineKind, specs: list[FeatureSpec], rows: Frame, looks: Looks) -> dict[str, pl.Series]:
    """All counters of faults together: each by itself, then added (or the extreme of the times since)."""
    pairs = pairs_of(rows, looks.at, None)
    parts: dict[str, list[pl.Series]] = {spec.name: [] for spec in specs}
    for sensor in kind.sensors:
        if not sensor.fault:
            continue
        walked = _walk(pairs, sensor.name).group_by("i", maintain_order=True)
        found = looks.dense(walked.agg(_fault(spec, sensor.packed).cast(pl.Float64).alias(spec.name) for spec in specs))
        for spec in specs:
            parts[spec.name].append(found[spec.name])
    made = {}
    for spec in specs:
        frame = Frame({str(place): part for place, part in enumerate(parts[spec.name])})
        if spec.op in ("faults_since", "faults_since_first"):
            made[spec.name] = frame.select(
                (pl.min_horizontal if spec.op == "faults_since" else pl.max_horizontal)(pl.all())
            ).to_series()
        else:
            any_seen = pl.any_horizontal(pl.all().is_not_null())
            made[spec.name] = frame.select(pl.when(any_seen).then(pl.sum_horizontal(pl.all()))).to_series()
    return made


def _fault(spec: FeatureSpec, packed: bool) -> pl.Expr:
    now, before = X.last(), _before(spec.window_hours)
    now, before = (_word(now, 0), _word(before, 0)) if packed else (now, before)
    more = (now > before).fill_null(False)
    inside = (FOREVER if spec.window_hours is None else spec.window_hours) > AGO
    return {
        "faults_increases": ((STEP > 0) & inside).sum(),
        "faults_present": (now > 0).fill_null(False),
        "faults_growing": more,
        "faults_level": pl.when(now > 0).then(now.log1p()).otherwise(0.0),
        "faults_surge": pl.when(more).then((now - before).log1p()).otherwise(0.0),
        "faults_since": AGO.filter(STEP > 0).min(),
        "faults_since_first": AGO.filter(STEP > 0).max(),
    }[spec.op]
