"""A batch of rows from outside, checked on receipt: what the log takes in, and what its sender is told."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features import intake, tables
from features.clock import micros
from features.enterprise import rules
from features.enterprise.rules import Roll
from features.errors import BadInput
from features.kinds import MachineKind
from features.log_records import Entry
from features.parse import NO_ZONE
from features.schema import RECORDED_AT, TIME, TableContract
from features.sources.reader import Batch

if TYPE_CHECKING:
    from features.lake import Lake

MOST_REASONS = 10
KindOf = Callable[[list[str]], Mapping[str, str]]
RollOf = Callable[[list[str]], Roll]


def open_contract(lake: "Lake", table_name: str) -> TableContract:
    """The contract of a table that takes rows from outside. Raises NotFound, BadInput."""
    contract = lake.contract(table_name)
    if tables.own(contract):
        raise BadInput("is written by Forewarn alone", where=f"table {table_name}", mend="send histories")
    return contract


def receive(
    contract: TableContract,
    table: pa.Table,
    received_at: datetime,
    kind_of: KindOf,
    kinds: Mapping[str, MachineKind],
    roll_of: RollOf = lambda _: Roll(),
) -> Entry:
    """Check rows against their contract and their machines or enterprises as they come in: what is refused now is refused for
    good. Only periods that overlap are found later, when the log moves into the tables.

    table: columns named as in the contract, of whatever type. Rows without recorded_at become known at `received_at`.
    kind_of, roll_of: of the given machines and enterprises those that are known. Raises BadInput for an unknown or missing
    column, a column of another type, a time without zone.
    """
    table = _without_views(table)
    moment = pa.scalar(received_at, TIME)
    own = RECORDED_AT in table.column_names
    stamped = _filled(table, moment) if own else table
    batch = Batch(contract, stamped, "body", np.arange(1, table.num_rows + 1, dtype=np.int64))
    checked = intake.check(batch, received_at)
    _none_without_zone(checked.refused)
    rows = checked.table
    if not own:
        place = rows.schema.get_field_index(RECORDED_AT)
        rows = rows.set_column(place, rows.schema.field(place), pa.repeat(moment, rows.num_rows))
    entities = pc.unique(rows.column(contract.entity)).to_pylist()
    if rules.judged(contract):
        refusals = rules.check(rows, contract, roll_of(entities))
    else:
        refusals = intake.check_references(rows, contract, kind_of(entities), kinds)
    refused = refusals.table()
    if refused.num_rows:
        refused = refused.set_column(0, "row", pa.array(checked.rows[refused.column("row").to_numpy()]))
        rows = rows.filter(pa.array(~refusals.bad))
    refused = pa.concat_tables([checked.refused, refused.cast(intake.REFUSED)])
    return Entry(contract.name, rows, refused.sort_by("row"), own, micros(received_at))


def _without_views(table: pa.Table) -> pa.Table:
    """Texts as most of Arrow's functions know them; Polars writes views."""
    for place, field in enumerate(table.schema):
        coded = pa.types.is_dictionary(field.type)
        if pa.types.is_string_view(field.type.value_type if coded else field.type):
            chunks = [
                chunk.dictionary.cast(pa.string()).take(chunk.indices) if coded else chunk.cast(pa.string())
                for chunk in table.column(place).chunks
            ]
            table = table.set_column(place, field.name, pa.chunked_array(chunks, pa.string()))
    return table


def _filled(table: pa.Table, moment: pa.Scalar) -> pa.Table:
    """Cells of recorded_at that say nothing become known on receipt."""
    place = table.schema.get_field_index(RECORDED_AT)
    column = table.column(place)
    if not column.null_count:
        return table
    if pa.types.is_null(column.type):
        filled = pa.repeat(moment, table.num_rows)
    elif pa.types.is_timestamp(column.type):
        filled = pc.fill_null(column, moment.cast(column.type))
    else:
        filled = pc.fill_null(column.cast(pa.string()), moment.as_py().isoformat())
    return table.set_column(place, RECORDED_AT, filled)


def _none_without_zone(refused: pa.Table) -> None:
    """One naive time speaks for a sender that does not know about zones: nothing of the batch is taken."""
    naive = refused.filter(pc.equal(refused.column("reason"), NO_ZONE))
    if naive.num_rows:
        row, column = naive.column("row")[0].as_py(), naive.column("column")[0].as_py()
        raise BadInput("time without zone", where=f"row {row}, {column}", mend="write it as 2026-01-31T08:00:00Z")


def told(entry: Entry) -> dict[str, Any]:
    """What became of a batch: rows taken and refused, and the reasons, the most frequent first, each with its first row."""
    refused = entry.refused.combine_chunks()
    places = refused.append_column("place", pa.array(np.arange(refused.num_rows)))
    found = places.group_by(["column", "reason"]).aggregate([("place", "count"), ("place", "min")])
    most = found.sort_by([("place_count", "descending"), ("place_min", "ascending")]).slice(0, MOST_REASONS)
    firsts = refused.take(most.column("place_min")).to_pylist()
    reasons = [
        {"column": one["column"], "reason": one["reason"], "rows": count, "first_row": one["row"], "value": one["value"][:40]}
        for one, count in zip(firsts, most.column("place_count").to_pylist(), strict=True)
    ]
    counts = {"rows": entry.rows_in, "taken": entry.rows.num_rows, "refused": refused.num_rows}
    return {"table": entry.table_name, **counts, "reasons": reasons}
