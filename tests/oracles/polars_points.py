"""Rows that carry a code, and the machine's own row, in Polars."""

from collections.abc import Callable, Mapping, Sequence

import polars as pl

from features.kinds import MachineKind
from features.spec import FeatureSpec
from tests.oracles.polars_rows import DAY, FOREVER, HOUR, NEVER, Frame, Looks, pairs_of, places, split

POINTS = ("count", "since", "since_first", "youngest", "oldest", "gap", "to_next", "since_at_next")
STATIC = ("age", "observed", "age_at_start", "model", "make", "capacity", "season", "weekday", "date", "made")
CODES = {
    "events": "code", "maintenance": "component", "failures": "component",
    "operations": "action", "replacements": "component",
}  # fmt: skip
AGO = pl.col("ago")


def points(kind: MachineKind, specs: list[FeatureSpec], rows: Frame, looks: Looks) -> dict[str, pl.Series]:
    code = CODES[specs[0].table]
    terms = {"events": kind.error_codes, "operations": kind.actions}.get(specs[0].table, kind.components)
    declared = [term.code for term in terms]
    of_code = {name: (pl.col(code) == name).fill_null(False) for name in declared} | {"": pl.col("m").is_not_null()}
    counts = sorted({(spec.column, spec.window_hours) for spec in specs if spec.op == "count"}, key=str)
    settled, others = split(rows, looks)
    pairs = pairs_of(others, looks.at, None)
    few = looks.dense(
        pairs.group_by("i").agg(
            *(
                (of_code[name] & ((FOREVER if hours is None else hours) > AGO)).sum().alias(f"{name} {hours}")
                for name, hours in counts
            ),
            *(AGO.filter(of_code[name]).min().alias(f"since {name}") for name in of_code),
            *(AGO.filter(of_code[name]).max().alias(f"first {name}") for name in of_code),
        )
    )
    many = _points_of_settled(settled, of_code, counts, looks)
    made = {}
    seen = {name: extreme(pl.min_horizontal, few[f"since {name}"], many[f"since {name}"]) for name in of_code}
    ages = Frame({name: seen[name] for name in declared})
    rhythm: Frame | None = None
    for spec in specs:
        c = spec.column
        if spec.op == "count":
            name = f"{c} {spec.window_hours}"
            made[spec.name] = few[name].fill_null(0).cast(pl.Int64) + many[name].cast(pl.Int64)
        elif spec.op == "since":
            made[spec.name] = seen[c]
        elif spec.op == "since_first":
            made[spec.name] = extreme(pl.max_horizontal, few[f"first {c}"], many[f"first {c}"])
        elif spec.op in ("youngest", "oldest"):
            made[spec.name] = ages.select(
                (pl.min_horizontal if spec.op == "youngest" else pl.max_horizontal)(pl.all())
            ).to_series()
        else:
            rhythm = _rhythm(rows, looks) if rhythm is None else rhythm
            frame = rhythm.with_columns(any=seen[""], own=seen[c])
            to_next = pl.col("gap") - pl.col("any") % pl.col("gap")
            rule = {"gap": pl.col("gap"), "to_next": to_next, "since_at_next": to_next + pl.col("own")}[spec.op]
            made[spec.name] = frame.select(rule).to_series()
    return made


def extreme(rule: Callable[..., pl.Expr], *parts: pl.Series) -> pl.Series:
    return Frame({str(place): part for place, part in enumerate(parts)}).select(rule(pl.all())).to_series()


def _points_of_settled(
    settled: Frame, of_code: Mapping[str, pl.Expr], counts: Sequence[tuple[str, float | None]], looks: Looks
) -> Frame:
    """Cumulative counts and the last moment of each code, looked up at both ends of each window."""
    ends = {hours: places(settled, looks.at, hours) for hours in {hours for _, hours in counts} | {0.0, None}}
    summed = settled.select(rule.cast(pl.Int64).cum_sum().alias(f"n{name}") for name, rule in of_code.items())
    summed = pl.concat([Frame({name: [0] for name in summed.columns}, schema=summed.schema), summed])
    moments = settled.select(
        *(pl.when(rule).then("event").forward_fill().over("m").alias(f"since {name}") for name, rule in of_code.items()),
        *(pl.col("event").filter(rule).min().over("m").alias(f"first {name}") for name, rule in of_code.items()),
    )  # fmt: skip
    place = Frame({"high": ends[0.0], "low": ends[None]}).select(
        pl.when(pl.col("high") > pl.col("low")).then(pl.col("high") - 1)
    )  # fmt: skip
    found = looks.at.select("now").hstack(moments.select(pl.all().gather(place.to_series())))
    found = found.select((pl.all().exclude("now") - pl.col("now")) / -HOUR)
    found = found.with_columns(pl.when(pl.all() >= 0).then(pl.all()))
    number = {
        f"{name} {hours}": summed[f"n{name}"].gather(ends[0.0]) - summed[f"n{name}"].gather(ends[hours])
        for name, hours in counts
    }
    return found.with_columns(**number)


def _rhythm(rows: Frame, looks: Looks) -> Frame:
    """The commonest of the latest twelve gaps between visits, worked out whenever knowledge changes and looked up."""
    changes = pl.concat([rows.select("m", now="since"), rows.select("m", now="until").filter(pl.col("now") != NEVER)])
    changes = changes.unique().sort("m", "now").with_row_index("i")
    gaps = (
        pairs_of(rows, changes, None).select("i", "event").unique().sort("i", "event", descending=[False, True])
        .with_columns(gap=(pl.col("event") - pl.col("event").shift(-1).over("i")) / HOUR).drop_nulls("gap")
        .group_by("i", maintain_order=True).head(12).with_row_index("g").select("i", "g", "gap")
    )  # fmt: skip
    likes = gaps.join(gaps.select("i", other="gap"), on="i").group_by("i", "g", "gap").agg(
        like=((pl.col("other") - pl.col("gap")).abs() <= 0.05 * pl.col("gap")).sum()
    )  # fmt: skip
    best = likes.sort("like", "gap", descending=[True, False]).group_by("i", maintain_order=True).first().select("i", "gap")
    known = changes.join(best, on="i", how="left", maintain_order="left").select("m", "now", "gap")
    asked = looks.at.with_columns(pl.col("m").fill_null(-1)).sort("now")
    return asked.join_asof(known.sort("now"), on="now", by="m", check_sortedness=False).sort("i").select("gap")


# The machine itself


def static(kind: MachineKind, specs: list[FeatureSpec], rows: Frame, looks: Looks) -> dict[str, pl.Series]:
    known = looks.machine.with_columns(looks.at["now"])
    models = {name: float(place) for place, name in enumerate(kind.models)}
    letters = {name: name.split(next((c for c in name if not c.isalpha()), " "))[0].upper() for name in kind.models}
    makes = {name: float(sorted(set(letters.values())).index(found)) for name, found in letters.items()}
    observed = (pl.col("now") - pl.col("event")) / HOUR
    days = pl.col("now") // DAY
    rules = {
        "age": pl.col("age_hours") + observed,
        "observed": observed,
        "age_at_start": pl.col("age_hours"),
        "capacity": pl.col("capacity"),
        "model": pl.col("model").replace_strict(models, default=None, return_dtype=pl.Float64),
        "make": pl.col("model").replace_strict(makes, default=None, return_dtype=pl.Float64),
        "season": days % 365.25,
        "weekday": pl.col("now").cast(pl.Datetime("us")).dt.weekday() - 1,
        "date": days,
        "made": pl.col("now") / DAY - (pl.col("age_hours") + observed) / 24.0,
    }
    seen = pl.col("event").is_not_null()
    found = known.select(pl.when(seen).then(rules[spec.op]).cast(pl.Float64).alias(spec.name) for spec in specs)
    return {spec.name: found[spec.name] for spec in specs}
