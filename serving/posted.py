"""A posted history as arrays: types, zones, ranges, duplicates and the future are checked column by column.

Everything refused is refused with one line that names the row and column; nothing is dropped in silence.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from features import schema
from features.clock import micros
from features.errors import BadInput
from features.history import CODED, HOUR, vocabulary
from features.intake import EARLIEST
from features.kinds import MachineKind
from features.schema import EVENT_TIME, RECORDED_AT, Column, TableContract
from serving.contracts import ScoreRequest, checked_request, named, quoted
from serving.errors import TooLarge
from serving.posted_tables import TABLES, contract_tables

MAX_BODY_BYTES = 16 * 2**20
MAX_ROWS = 50_000
TOLERANCE = timedelta(minutes=5)  # clocks of devices run ahead; rows past as_of are not used, and said so

_NUMBERS = {float, int, type(None)}
Arrays = dict[str, Any]


@dataclass(frozen=True)
class Posted:
    """A checked request: `payload` is what features.online reads; `notes` say what was accepted but not used."""

    request: ScoreRequest
    kind: MachineKind
    as_of: datetime
    payload: dict[str, Any]
    notes: tuple[str, ...]

    def contract_tables(self) -> dict[str, pa.Table]:
        """The same rows as contract tables, for whoever looks at them one by one."""
        return contract_tables(self.kind, self.payload)


def parse(body: bytes, kind_of: Callable[[str], MachineKind], *, now: datetime, as_of: datetime | None = None) -> Posted:
    """Read and check a posted body.

    kind_of: gives the declaration of a kind by name, raises NotFound.  now: the server's clock.
    as_of: used where the body names none (a stored request is read again at its own moment).
    Raises BadInput, TooLarge, NotFound.
    """
    if len(body) > MAX_BODY_BYTES:
        raise too_large()
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadInput(f"not readable as JSON: {error}", where="body", mend="send one JSON object") from None
    request = checked_request(document)
    kind = kind_of(request.machine.kind)
    moment = (request.as_of or as_of or now).astimezone(UTC)
    latest = now + TOLERANCE
    if moment > latest:
        raise BadInput("lies in the future", where="as_of", mend="send a moment that has come")
    tables: dict[str, Arrays] = {}
    notes: list[str] = []
    for name in TABLES:
        contract = schema.readings(kind) if name == "readings" else schema.FIXED[name]
        columns = _columns(name, getattr(request, name), contract)
        rows = len(columns[EVENT_TIME]) if columns else 0
        if rows == 0 and name == "readings":
            raise BadInput("empty history", where="readings", mend="send at least one reading")
        if rows == 0:
            continue
        _none_undeclared(name, columns, kind)
        arrays = _checked(name, columns, contract, until=min(moment + TOLERANCE, latest), known_by=latest)
        later = int((arrays[EVENT_TIME] > micros(moment)).sum())
        if later:
            notes.append(f"{later} row(s) of {name} happened after as_of and were not used")
        tables[contract.name] = arrays
    if request.machine.model is not None and request.machine.model not in kind.models:
        notes.append(f"model {quoted(request.machine.model)} is not one that the bundle knows")
    machine = _machine(request, tables, moment, latest)
    return Posted(request, kind, moment, {"machine": machine, "tables": tables}, tuple(notes))


def too_large() -> TooLarge:
    return TooLarge(f"body above {MAX_BODY_BYTES // 2**20} MiB", where="body", mend="send a shorter history")


def _machine(request: ScoreRequest, tables: dict[str, Arrays], as_of: datetime, latest: datetime) -> Arrays:
    """The machine's row; without event_time it is observed since its first row, and its age is counted back to then."""
    machine = request.machine
    first = min(int(arrays[EVENT_TIME][0]) for arrays in tables.values())
    event_time = micros(machine.event_time) if machine.event_time is not None else min(first, micros(as_of))
    age_hours = machine.age_hours
    if age_hours is not None and machine.event_time is None:
        age_hours -= (micros(as_of) - event_time) / HOUR
    for name, moment in ((EVENT_TIME, machine.event_time), (RECORDED_AT, machine.recorded_at)):
        if moment is not None and moment > latest:
            raise BadInput("time lies in the future", where=f"machine.{name}", mend="send a moment that has come")
    return {
        "machine_id": machine.machine_id,
        "model": machine.model,
        "age_hours": age_hours,
        "capacity": machine.capacity,
        EVENT_TIME: event_time,
        RECORDED_AT: micros(machine.recorded_at) if machine.recorded_at is not None else event_time,
    }


def _columns(name: str, table: Any, contract: TableContract) -> Arrays:
    """Rows or columns -> a list per column; recorded_at stays out where nobody sent it."""
    if isinstance(table, list | tuple) and not table:
        return {}
    wanted = [column.name for column in contract.columns if column.name != contract.entity]
    required = [column for column in wanted if column != RECORDED_AT and not _optional(contract, column)]
    if isinstance(table, dict):
        lists = table
    elif isinstance(table, list | tuple):
        lists = _turned(name, list(table), wanted, required)
    else:
        raise BadInput("neither rows nor columns", where=name, mend="send a list of objects or an object of lists")
    if not lists:
        return {}
    for column in lists:
        if column not in wanted:
            raise BadInput("unknown column", where=f"{name}.{named(column)}", mend=f"the columns are {', '.join(wanted)}")
    for column in required:
        if column not in lists:
            raise BadInput("missing column", where=f"{name}.{column}", mend="send it; null where it was not measured")
    lengths = {column: len(values) if isinstance(values, list) else -1 for column, values in lists.items()}
    if len(set(lengths.values())) > 1 or -1 in lengths.values():
        raise BadInput(f"columns of different length: {lengths}", where=name, mend="send lists of one length")
    if lengths[EVENT_TIME] > MAX_ROWS:
        raise TooLarge(f"more than {MAX_ROWS} rows", where=name, mend="send a shorter history")
    return lists


def _optional(contract: TableContract, column: str) -> bool:
    """Only fixed tables have columns that may stay away; a kind's sensors are all named in every post."""
    found = next(item for item in contract.columns if item.name == column)
    return found.nullable and contract.name in schema.FIXED


def _turned(name: str, rows: list[Any], wanted: list[str], required: list[str]) -> Arrays:
    if len(rows) > MAX_ROWS:
        raise TooLarge(f"more than {MAX_ROWS} rows", where=name, mend="send a shorter history")
    if not isinstance(rows[0], dict):
        raise BadInput("a row that is not an object", where=f"{name}[0]", mend="send rows as objects")
    present = [column for column in wanted if column in rows[0]]
    try:
        if len(present) > 1 and sum(map(len, rows)) == len(present) * len(rows):
            return dict(zip(present, map(list, zip(*map(itemgetter(*present), rows), strict=True)), strict=True))
    except (KeyError, TypeError):
        pass
    # Rows that differ in their keys: some carry recorded_at, some do not; or one is broken, and is named.
    seen = {column for row in rows if isinstance(row, dict) for column in row}
    for number, row in enumerate(rows):
        where = f"{name}[{number}]"
        if not isinstance(row, dict):
            raise BadInput("a row that is not an object", where=where, mend="send rows as objects")
        for column in row:
            if column not in wanted:
                raise BadInput("unknown column", where=f"{where}.{named(column)}", mend=f"the columns are {', '.join(wanted)}")
        for column in required:
            if column not in row and column in seen:
                raise BadInput("missing column", where=f"{where}.{column}", mend="send it; null where it was not measured")
    return {column: [row.get(column) for row in rows] for column in wanted if column in seen}


def _checked(name: str, lists: Arrays, contract: TableContract, *, until: datetime, known_by: datetime) -> Arrays:
    event = _times(name, EVENT_TIME, lists[EVENT_TIME])
    _none_after(name, EVENT_TIME, event, until, "reading from the future" if name == "readings" else "row from the future")
    recorded = event
    if RECORDED_AT in lists:
        filled = [stamp if stamp is not None else lists[EVENT_TIME][i] for i, stamp in enumerate(lists[RECORDED_AT])]
        recorded = _times(name, RECORDED_AT, filled)
        _none_after(name, RECORDED_AT, recorded, known_by, "recorded in the future")
    arrays: Arrays = {EVENT_TIME: event, RECORDED_AT: recorded}
    for column in contract.own:
        values = lists.get(column.name)
        if column.type == schema.NUMBER:
            arrays[column.name] = _numbers(name, column, values, len(event))
        else:
            arrays[column.name] = _texts(name, column, values, len(event))
    return _in_order(name, arrays, contract)


def _times(name: str, column: str, values: list[Any]) -> npt.NDArray[np.int64]:
    try:
        stamps = pa.array(values, pa.string()).cast(schema.TIME)
        if stamps.null_count == 0:
            return np.asarray(stamps.cast(pa.int64()).to_numpy(), dtype=np.int64)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        pass
    for number, value in enumerate(values):
        where = f"{name}[{number}].{column}"
        if not isinstance(value, str):
            raise BadInput(f"{quoted(value)} is not a time", where=where, mend="write it as 2026-01-31T08:00:00Z")
        if not _is_a(value, schema.TIME):
            what = "time without zone" if _is_a(value, pa.timestamp("us")) else f"{quoted(value)} is not a time"
            raise BadInput(what, where=where, mend="write it as 2026-01-31T08:00:00Z")
    raise BadInput("not readable as times", where=f"{name}.{column}", mend="write each as 2026-01-31T08:00:00Z")


def _is_a(value: str, kind: pa.DataType) -> bool:
    try:
        pa.scalar(value, pa.string()).cast(kind)
    except (pa.ArrowInvalid, OverflowError):
        return False
    return True


def _none_after(name: str, column: str, stamps: npt.NDArray[np.int64], until: datetime, what: str) -> None:
    if int(stamps.max()) > micros(until):
        row = int(stamps.argmax())
        raise BadInput(what, where=f"{name}[{row}].{column}", mend="send what has happened by as_of; check the clock")
    if int(stamps.min()) < micros(EARLIEST):
        row = int(stamps.argmin())
        raise BadInput(f"before {EARLIEST:%Y}", where=f"{name}[{row}].{column}", mend="check the clock")


def _numbers(name: str, column: Column, values: list[Any] | None, rows: int) -> npt.NDArray[np.float64]:
    if values is None:
        return np.full(rows, np.nan)
    kinds = set(map(type, values))
    if not kinds <= _NUMBERS:
        row = next(i for i, value in enumerate(values) if type(value) not in _NUMBERS)
        where = f"{name}[{row}].{column.name}"
        raise BadInput(f"{quoted(values[row])} is not a number", where=where, mend="send a number or null")
    numbers = np.array(values, dtype=np.float64)  # None becomes NaN; an integer of JSON is too short to overflow
    if type(None) in kinds and not column.nullable:
        row = next(i for i, value in enumerate(values) if value is None)
        raise BadInput("missing value", where=f"{name}[{row}].{column.name}", mend="send a number")
    low = -np.finfo(np.float64).max if column.low is None else column.low
    high = np.finfo(np.float64).max if column.high is None else column.high
    wrong = (numbers < low) | (numbers > high)
    if wrong.any():
        row = int(wrong.argmax())
        unit = f" {column.unit}" if column.unit else ""
        what = f"{numbers[row]:g}{unit} is outside {low:g} to {high:g}{unit}"
        what = what if np.isfinite(numbers[row]) else "not a finite number"
        raise BadInput(what, where=f"{name}[{row}].{column.name}", mend="check the sensor and its unit, or send null")
    return numbers


def _none_undeclared(name: str, columns: Arrays, kind: MachineKind) -> None:
    """Refuse codes that the kind does not declare, as an import quarantines them: a misspelt one would count for nothing."""
    modes = name == "operations"
    column = "mode" if modes else CODED.get(name, "")
    declared = [mode.code for mode in kind.modes] if modes else vocabulary(kind, name)
    if not declared:
        return
    for row, code in enumerate(columns.get(column, ())):
        if isinstance(code, str) and code not in declared:
            where = f"{name}[{row}].{column}"
            raise BadInput(f"{quoted(code)} is not declared", where=where, mend=f"there are: {', '.join(declared)}")


def _texts(name: str, column: Column, values: list[Any] | None, rows: int) -> list[str | None]:
    if values is None:
        return [None] * rows
    for row, value in enumerate(values):
        if isinstance(value, str) and 0 < len(value) <= 200:
            continue
        if value is None and column.nullable:
            continue
        where = f"{name}[{row}].{column.name}"
        raise BadInput(f"{quoted(value)} is not a text", where=where, mend="send a text of 1 to 200 characters")
    return values


def _in_order(name: str, arrays: Arrays, contract: TableContract) -> Arrays:
    """Rows by (event time, own key, recorded_at); two rows equal in all three are a duplicate."""
    event, recorded = arrays[EVENT_TIME], arrays[RECORDED_AT]
    if len(event) < 2 or bool((event[1:] > event[:-1]).all()):
        return arrays
    own = [np.unique(np.array(arrays[key], dtype=str), return_inverse=True)[1] for key in contract.own_key]
    order = np.lexsort((recorded, *reversed(own), event))
    same = np.ones(len(order) - 1, dtype=bool)
    for values in (event, recorded, *own):
        same &= values[order][1:] == values[order][:-1]
    if same.any():
        at = int(same.argmax())
        first, second = sorted((int(order[at]), int(order[at + 1])))
        raise BadInput(f"duplicate of row {first}", where=f"{name}[{second}]", mend="send each row once")
    return {
        column: values[order] if isinstance(values, np.ndarray) else [values[i] for i in order]
        for column, values in arrays.items()
    }
