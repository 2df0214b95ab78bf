"""Rows against their contract on the way in: the clean ones in contract types, the others with row, column and reason."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features import parse
from features.clock import micros
from features.errors import BadInput
from features.kinds import MachineKind
from features.parse import Mask, Parsed
from features.schema import (
    EVENT_TIME,
    EVENTS,
    FAILURES,
    FLAG,
    MACHINE,
    MACHINES,
    MAINTENANCE,
    NUMBER,
    OPERATIONS,
    RECORDED_AT,
    TEXT,
    TIME,
    Column,
    TableContract,
)
from features.sources.reader import Batch, Refusal

CLOCK_SKEW = timedelta(minutes=5)
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LAST = datetime(2200, 1, 1, tzinfo=UTC)
# So many unreadable cells, and not one readable, are a column of another type rather than slips: the import stops.
WHOLE_COLUMN = 10
# So many codes of a column are named where another one is refused.
FEW_CODES = 8

REFUSED = pa.schema([("row", pa.int64()), ("column", TEXT), ("reason", TEXT), ("value", TEXT)])


@dataclass(frozen=True)
class Checked:
    """`table`: clean rows in contract columns; `rows`: their numbers; `own_recorded`: whether the reader gave recorded_at.

    `refused`: REFUSED schema, one row per row that breaks the contract. len(rows) + len(refused) = rows_in.
    """

    table: pa.Table
    rows: npt.NDArray[np.int64]
    own_recorded: bool
    refused: pa.Table
    rows_in: int


class Refusals:
    """The rows refused so far; a row is refused once, for the first fault found."""

    def __init__(self, rows: npt.NDArray[np.int64]) -> None:
        self.rows = rows
        self.bad = np.zeros(len(rows), dtype=bool)
        self.parts: list[pa.Table] = []

    def add(self, faulty: Mask, column: str, reason: str, values: pa.Array | None) -> None:
        """Refuse the rows marked in `faulty` that are not refused yet; `values` is the column as it came in."""
        fresh = faulty & ~self.bad
        count = int(fresh.sum())
        if not count:
            return
        shown = pa.nulls(count, TEXT) if values is None else parse.as_text(values.filter(pa.array(fresh)))
        said = [pa.repeat(pa.scalar(column), count), pa.repeat(pa.scalar(reason), count)]
        self.parts.append(pa.table([pa.array(self.rows[fresh]), *said, pc.fill_null(shown, "")], schema=REFUSED))
        self.bad |= fresh

    def table(self) -> pa.Table:
        return pa.concat_tables(self.parts) if self.parts else REFUSED.empty_table()


def check(batch: Batch, imported_at: datetime) -> Checked:
    """Check one batch. Raises BadInput for a fault of a whole file: a missing or unknown column, a column of another type."""
    contract, where = batch.contract, batch.file
    check_names(batch.table.schema.names, contract, where)
    refusals = Refusals(batch.rows)
    apart = _refused_by_reader(batch, refusals)
    own_recorded = RECORDED_AT in batch.table.schema.names
    arrays: dict[str, pa.Array] = {}
    for column in contract.columns:
        if column.name not in batch.table.schema.names:
            if column.name != RECORDED_AT:
                arrays[column.name] = pa.nulls(batch.table.num_rows, column.type)
            continue
        raw = batch.table.column(column.name).combine_chunks()
        arrays[column.name] = _check_column(raw, column, contract, imported_at, refusals, where)
    if not own_recorded:
        arrays[RECORDED_AT] = arrays[EVENT_TIME]
    for order in contract.orders:
        first, second = arrays[order.first], arrays[order.second]
        wrong = pc.greater_equal(first, second) if order.strict else pc.greater(first, second)
        refusals.add(parse.mask(wrong), order.second, f"before {order.first}" + " or at it" * order.strict, second)
    clean = ~refusals.bad
    table = pa.table([arrays[name] for name in contract.arrow.names], names=contract.arrow.names)
    table = table.filter(pa.array(clean)).cast(contract.arrow)
    refused = pa.concat_tables([refusals.table(), apart])
    return Checked(table, batch.rows[clean], own_recorded, refused, len(batch.rows) + apart.num_rows)


def passed(batch: Batch) -> Checked:
    """A batch that was checked when it was received: its rows in the contract's columns as they are by now."""
    count = batch.table.num_rows
    names = batch.table.column_names
    columns = [
        batch.table.column(field.name).cast(field.type) if field.name in names else pa.nulls(count, field.type)
        for field in batch.contract.arrow
    ]
    refused = REFUSED.empty_table() if batch.refused_then is None else batch.refused_then
    rows = pa.table(columns, schema=batch.contract.arrow)
    return Checked(rows, batch.rows, bool(batch.own_recorded), refused, count + refused.num_rows)


def check_names(names: Iterable[str], contract: TableContract, where: str) -> None:
    """Every needed column is there and every column is known; raises BadInput naming the closest name."""
    known = {column.name: column for column in contract.columns}
    given = list(names)
    for name in given:
        if name not in known:
            raise BadInput(f"unknown column '{name}' for table {contract.name}", where=where, mend=suggest(name, known))
    for name, column in known.items():
        if name not in given and not column.nullable and name != RECORDED_AT:
            raise BadInput(f"column '{name}' of table {contract.name} is missing", where=where, mend=suggest(name, given))


def suggest(name: str, names: Iterable[str]) -> str:
    """The mend for a name that is not among `names`."""
    choices = list(names)
    lowered = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.5)
    return f"did you mean '{lowered[close[0]]}'?" if close else "it has: " + (", ".join(choices) or "nothing")


def _refused_by_reader(batch: Batch, refusals: Refusals) -> pa.Table:
    """Take the reader's refusals that stand in the table out of it; return the others, which never became rows."""
    first: dict[int, Refusal] = {}
    for entry in batch.refused:
        refusal = Refusal(*entry)
        first.setdefault(refusal.row, refusal)
    if not first:
        return REFUSED.empty_table()
    numbers = np.fromiter(first, dtype=np.int64, count=len(first))
    in_table = np.isin(numbers, batch.rows)
    refusals.bad |= np.isin(batch.rows, numbers)
    names = set(batch.table.schema.names)
    said = []
    position = {int(row): index for index, row in enumerate(batch.rows)} if in_table.any() else {}
    for refusal, inside in zip(first.values(), in_table.tolist(), strict=True):
        value = refusal.value
        if inside and not value and refusal.column in names:
            value = str(batch.table.column(refusal.column)[position[refusal.row]].as_py())
        said.append((inside, (refusal.row, refusal.column, refusal.reason, value)))
    refusals.parts.append(_refusal_table([row for inside, row in said if inside]))
    return _refusal_table([row for inside, row in said if not inside])


def _refusal_table(entries: list[tuple[int, str, str, str]]) -> pa.Table:
    columns = list(zip(*entries, strict=True)) or [()] * 4
    return pa.table([pa.array(values, kind.type) for values, kind in zip(columns, REFUSED, strict=True)], schema=REFUSED)


def _check_column(
    raw: pa.Array, column: Column, contract: TableContract, imported_at: datetime, refusals: Refusals, where: str
) -> pa.Array:
    parsed = _parse(raw, column)
    check_readable(parsed, raw, column.name, where)
    for fault, reason in parsed.faults:
        refusals.add(fault, column.name, reason, raw)
    if not column.nullable:
        reason = "empty id" if column.name == contract.entity else "empty"
        refusals.add(~parse.present(parsed.array), column.name, reason, raw)
    if column.type == TIME:
        latest = LAST if column.ahead else imported_at + CLOCK_SKEW
        moments = pc.fill_null(parsed.array.cast(pa.int64()), 0).to_numpy()
        reason = f"after {LAST:%Y}" if column.ahead else "in the future of the import"
        refusals.add(moments > micros(latest), column.name, reason, raw)
        refusals.add(moments < micros(datetime(column.since, 1, 1, tzinfo=UTC)), column.name, f"before {column.since}", raw)
    if column.type == TEXT:
        _check_words(parsed.array, column, refusals, raw)
    _check_range(parsed.array, column, refusals, raw)
    return parsed.array


def check_readable(parsed: Parsed, raw: pa.Array, name: str, where: str) -> None:
    """Raise BadInput if a column of many values holds not one of the type that is due."""
    faulty = np.logical_or.reduce([np.zeros(len(raw), dtype=bool), *(fault for fault, _ in parsed.faults)])
    if faulty.sum() < WHOLE_COLUMN or faulty.sum() < parse.present(raw).sum():
        return
    reason = next(reason for fault, reason in parsed.faults if fault.any())
    example = parse.as_text(raw.filter(pa.array(faulty)))[0].as_py()[:40]
    mend = "say in which zone they are" if "zone" in reason else "correct the column or name another"
    raise BadInput(f"column '{name}' holds no usable value: '{example}' is {reason}", where=where, mend=mend)


def _parse(raw: pa.Array, column: Column) -> Parsed:
    if column.type == TEXT:
        return parse.text(raw, column.longest)
    if column.type == FLAG:
        return parse.flag(raw)
    if column.type == TIME:
        return parse.time(raw)
    parsed = parse.number(raw)
    if column.type == NUMBER:
        return parsed
    exact = parsed.array.cast(column.type, safe=False)
    changed = parse.mask(pc.not_equal(exact.cast(NUMBER), parsed.array))
    return Parsed(exact, (*parsed.faults, (changed, f"not of type {column.type}")))


def _check_words(array: pa.Array, column: Column, refusals: Refusals, raw: pa.Array) -> None:
    given = parse.present(array)
    if column.codes:
        known = parse.mask(pc.is_in(array, pa.array(column.codes, TEXT)))
        few = len(column.codes) <= FEW_CODES
        due = f"one of {', '.join(column.codes)} is due" if few else "data/README.md lists those that there are"
        refusals.add(given & ~known, column.name, f"unknown {column.name}: {due}", raw)
    if column.pattern:
        fits = parse.mask(pc.match_substring_regex(array, f"^(?:{column.pattern})$"))
        refusals.add(given & ~fits, column.name, f"not of the form {column.pattern}", raw)


def _check_range(array: pa.Array, column: Column, refusals: Refusals, raw: pa.Array) -> None:
    unit = f" {column.unit}" if column.unit else ""
    if column.low is not None:
        refusals.add(parse.mask(pc.less(array, column.low)), column.name, f"below {column.low:g}{unit}", raw)
    if column.high is not None:
        refusals.add(parse.mask(pc.greater(array, column.high)), column.name, f"above {column.high:g}{unit}", raw)


def check_references(
    table: pa.Table, contract: TableContract, kind_of: Mapping[str, str], kinds: Mapping[str, MachineKind]
) -> Refusals:
    """Rows of unknown machines, undeclared kinds, and codes outside the vocabulary of the machine's kind.

    A kind that declares no term of a sort (no error codes, say) takes any. Row numbers of the result are positions in `table`.
    """
    refusals = Refusals(np.arange(table.num_rows, dtype=np.int64))
    if contract.name == MACHINES.name:
        column = table.column("kind").combine_chunks()
        refusals.add(~parse.mask(pc.is_in(column, pa.array(list(kinds), TEXT))), "kind", "kind is not declared", column)
    elif contract.entity == MACHINE:
        machines = table.column(MACHINE).combine_chunks().dictionary_encode()
        kind_names = [kind_of.get(machine) for machine in machines.dictionary.to_pylist()]
        unknown = np.array([name is None for name in kind_names], dtype=bool)[machines.indices.to_numpy()]
        refusals.add(unknown, MACHINE, "unknown machine", machines)
        for kind in sorted({name for name in kind_names if name is not None and name in kinds}):
            of_kind = np.array([name == kind for name in kind_names], dtype=bool)[machines.indices.to_numpy()]
            for column_name, terms in _vocabulary(contract, kinds[kind]).items():
                column = table.column(column_name).combine_chunks()
                strange = of_kind & parse.present(column) & ~parse.mask(pc.is_in(column, pa.array(sorted(terms), TEXT)))
                refusals.add(strange, column_name, f"not declared by kind {kind}", column)
    return refusals


def _vocabulary(contract: TableContract, kind: MachineKind) -> dict[str, set[str]]:
    terms = {
        EVENTS.name: ("code", kind.error_codes),
        MAINTENANCE.name: ("component", kind.components),
        FAILURES.name: ("component", kind.components),
        OPERATIONS.name: ("mode", kind.modes),
    }
    if contract.name not in terms:
        return {}
    column, declared = terms[contract.name]
    return {column: {term.code for term in declared}} if declared else {}
