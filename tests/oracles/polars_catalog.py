"""The whole catalog in Polars: a second oracle, and the peer of the bench.

`features` joins every known row with every observation that looks at it, which is exact for any history. With `bulk=True` the
rows that were known at once and never corrected (98 in 100) go through time-based windows and cumulative counts, the way a
Polars user writes it for speed; late and corrected rows still meet each observation one by one, and both parts are merged. So
the values are the same up to rounding. Counters that are written on change have no such short cut here.
"""

from collections.abc import Iterator, Mapping
from functools import reduce

import polars as pl
import pyarrow as pa

from features.catalog import Catalog
from features.kinds import MachineKind
from features.schema import EVENT_TIME, FIXED, MACHINE, RECORDED_AT, TableContract, readings, reference
from features.spec import FeatureSpec
from tests.oracles.polars_equal import EQUAL, equal
from tests.oracles.polars_peers import PEERS, peers
from tests.oracles.polars_points import POINTS, STATIC, points, static
from tests.oracles.polars_pooled import put_together
from tests.oracles.polars_rows import NEVER, Frame, Looks
from tests.oracles.polars_states import STATES, states
from tests.oracles.polars_steps import FAULTS, ROWS, STEPS, all_rows, faults, steps
from tests.oracles.polars_windows import WINDOWED, windows

FAMILIES = (
    (WINDOWED, windows), (EQUAL, equal), (PEERS, peers), (STEPS, steps), (ROWS, all_rows), (FAULTS, faults), (STATES, states),
    (POINTS, points), (STATIC, static),
)  # fmt: skip
KEEPING = ["inspect", "inspection", "check", "clean", "lubricate", "adjust"]
Tables = Mapping[str, pa.Table]


def features(wanted: Catalog, tables: Tables, observations: pa.Table, *, bulk: bool = False) -> pa.Table:
    """machine_id, as_of and one float32 column per feature, null missing, row by row as in `observations`.

    tables: contract tables by name, all versions of each row. bulk: time-based windows for rows known at once.
    """
    kind, specs = wanted.kind, (wanted.base or wanted).specs
    own = pl.from_arrow(tables["machines"]).filter(pl.col("kind") == kind.name)
    ids = pl.Enum(own.get_column(MACHINE).unique().sort())
    asked = pl.from_arrow(observations)
    at = asked.select(
        i=pl.int_range(pl.len()),
        m=pl.col(MACHINE).cast(pl.String).cast(ids, strict=False).to_physical().cast(pl.Int64),
        now=pl.col("as_of").dt.timestamp("us"),
    )
    groups = pl.Enum([kind.name, *(f"{kind.name}/{model}" for model in kind.models)])
    rows = {}
    for name, contract in _contracts(kind).items():
        table = tables.get(contract.name, contract.arrow.empty_table())
        rows[name] = _versions(table, contract, ids if contract.entity == MACHINE else groups)
    rows["replacements"] = _replacements(rows)
    looks = Looks(at, bulk, rows)
    made: dict[str, pl.Series] = {}
    for table in dict.fromkeys(spec.table for spec in specs):
        made |= _of_table(kind, [spec for spec in specs if spec.table == table], rows[table], looks)
    seen = at.get_column("m").is_not_null()
    columns = [
        Frame({"seen": seen, spec.name: made[spec.name]}).select(
            pl.when("seen").then(pl.col(spec.name).cast(pl.Float64).fill_nan(None).cast(pl.Float32)).alias(spec.name)
        )
        for spec in specs
    ]
    found = pl.concat(columns, how="horizontal")
    found = found if wanted.base is None else put_together(wanted, found)
    return asked.select(MACHINE, "as_of").hstack(found).to_arrow()


def by_machines(wanted: Catalog, tables: Tables, observations: pa.Table, *, machines: int = 100) -> Iterator[pa.Table]:
    """`features` in bulk for so many machines at a time, so that memory is bounded by them."""
    ids = pl.from_arrow(observations).get_column(MACHINE).cast(pl.String).unique().sort()
    frames = {name: pl.from_arrow(table) for name, table in tables.items()} | {"": pl.from_arrow(observations)}
    for start in range(0, len(ids), machines):
        chosen = pl.col(MACHINE).cast(pl.String).is_in(ids[start : start + machines].implode())
        part = {
            name: (frame.filter(chosen) if MACHINE in frame.columns else frame).to_arrow() for name, frame in frames.items()
        }
        yield features(wanted, part, part.pop(""), bulk=True)


def _contracts(kind: MachineKind) -> dict[str, TableContract]:
    used = ("machines", "events", "maintenance", "failures", "operations", "environment")
    return {name: FIXED[name] for name in used} | {"readings": readings(kind), "reference": reference(kind)}


def _versions(table: pa.Table, contract: TableContract, ids: pl.Enum) -> Frame:
    """Rows by entity and time, each version with the span [since, until) in which it was what one knew."""
    key = ["m", *([] if contract.timeless_key else ["event"]), *contract.own_key]
    frame = pl.from_arrow(table).with_columns(
        pl.selectors.float().fill_nan(None),
        m=pl.col(contract.entity).cast(ids, strict=False).to_physical().cast(pl.Int64),
        event=pl.col(EVENT_TIME).dt.timestamp("us"),
        recorded=pl.col(RECORDED_AT).dt.timestamp("us"),
    )
    frame = frame.drop_nulls("m").drop(EVENT_TIME, RECORDED_AT, contract.entity).sort(*key, "recorded")
    frame = frame.with_columns(since=pl.max_horizontal("event", "recorded"))
    same = reduce(lambda a, b: a & b, [pl.col(name).eq_missing(pl.col(name).shift(-1)) for name in key])
    until = pl.when(same).then(pl.col("since").shift(-1)).otherwise(NEVER).fill_null(NEVER)
    return frame.with_columns(until=until).sort("m", "event", maintain_order=True)


def _replacements(rows: Mapping[str, Frame]) -> Frame:
    """Maintenance that renews a component, and failures: a failed part is replaced."""
    columns = ["m", "event", "since", "until", "component"]
    keeps = pl.col("action").fill_null("").str.to_lowercase().is_in(KEEPING)
    renewed = rows["maintenance"].filter(~keeps).select(columns)
    return pl.concat([renewed, rows["failures"].select(columns)]).sort("m", "event")


def _of_table(kind: MachineKind, specs: list[FeatureSpec], rows: Frame, looks: Looks) -> dict[str, pl.Series]:
    made: dict[str, pl.Series] = {}
    for ops, family in FAMILIES:
        chosen = [spec for spec in specs if spec.op in ops]
        if chosen:
            made |= family(kind, chosen, rows, looks)
    unknown = {spec.op for spec in specs if spec.name not in made}
    if unknown:
        raise KeyError(f"no oracle in Polars for {', '.join(sorted(unknown))}")
    return made
