"""From histories to tapes: what the networks' windows are gathered from, kept small, grown in place group after group."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from features import kernel_tapes
from features.clock import NEVER
from features.errors import BadInput
from features.history import READINGS, REPLACEMENTS, History, Series, from_tables, series, vocabulary
from features.kernel_tapes import HIGH_WORD, LOGGED, LOW_WORD, PLAIN, Tape, Tapes
from features.kinds import MachineKind
from features.states import state_columns

# Tapes by field, and the table of a history that each is made of.
SOURCES = {
    "readings": READINGS,
    "renewals": REPLACEMENTS,
    "failures": "failures",
    "operations": "operations",
    "environment": "environment",
    "machines": "machines",
}
CODED = ("points", "renewals", "failures")
# What is counted in a window: the table, and the word before its codes in a channel's name.
COUNTED = {"events": "error", "operations": "action", "maintenance": "maintenance"}
OPERATED = ("load", "running", "mode", "shift")
_NO_CODES = np.empty(0, dtype=np.int16)


def sensor_columns(kind: MachineKind) -> list[tuple[str, int, int]]:
    """The columns of the readings tape: name, place among the kind's sensors, and how a number becomes one of the tape.

    Counters written on change range over many powers of ten, so they are kept as sign(x) log(1 + |x|); of packed ones the two
    lower counters are kept.
    """
    how = LOGGED if kind.sampling == "on_change" else PLAIN
    found = []
    for place, sensor in enumerate(kind.sensors):
        if sensor.packed:
            found += [(f"{sensor.name}_word0", place, LOW_WORD), (f"{sensor.name}_word1", place, HIGH_WORD)]
        else:
            found.append((sensor.name, place, how))
    return found


def tapes_of(kind: MachineKind, history: History) -> Tapes:
    """The machines of a history as tapes. Raises BadInput if the history is of another kind."""
    for name in SOURCES.values():
        if name not in history.series:
            raise BadInput(f"the history has no table '{name}'", where=f"kind {kind.name}", mend="make it by `from_tables`")
    if len(history.series[READINGS].values) != len(kind.sensors):
        what = f"a history of {len(history.series[READINGS].values)} sensors, not {len(kind.sensors)}"
        raise BadInput(what, where=f"kind {kind.name}", mend="read the history by this kind's declaration")
    found = {field: _tape(field, kind, history.series[name]) for field, name in SOURCES.items()}
    return Tapes(points=_tape("points", kind, _points(kind, history)), **found)


def _points(kind: MachineKind, history: History) -> Series:
    """All rows that are counted, as one series of machines in time order."""
    parts, codes, before = [history.series[name] for name in COUNTED], [], 0
    for name, part in zip(COUNTED, parts, strict=True):
        codes.append(np.where(part.codes < 0, -1, part.codes + before))
        before += len(vocabulary(kind, name))
    machines = len(parts[0].offsets) - 1
    entity = np.concatenate([np.repeat(np.arange(machines), np.diff(part.offsets)) for part in parts])
    code = np.concatenate(codes)
    columns = [np.concatenate([getattr(part, name) for part in parts]) for name in ("event", "known_from", "known_to")]
    order = np.lexsort((columns[0], entity))
    order = order[code[order] >= 0]
    event, known_from, known_to = (column[order] for column in columns)
    return series(entity[order], event, known_from, known_to, machines=machines, codes=code[order])


def _tape(field: str, kind: MachineKind, rows: Series) -> Tape:
    odd = np.flatnonzero(np.diff(rows.odd))
    values = _values(field, kind, rows)
    stated = np.empty((len(rows.offsets) - 1, values.shape[1]), dtype=np.int64)
    kernel_tapes.first_stated(rows.offsets, values, stated)
    return Tape(
        rows.offsets,
        rows.event,
        rows.odd[rows.offsets],
        odd,
        rows.known_from[odd],
        rows.known_to[odd],
        values,
        stated,
        rows.codes.astype(np.int16) if field in CODED else _NO_CODES,
    )


def _values(field: str, kind: MachineKind, rows: Series) -> kernel_tapes.Packed:
    if field == "readings":
        columns = [(place, how) for _, place, how in sensor_columns(kind)]
    elif field == "operations":
        stored = state_columns(kind, "operations")
        columns = [(stored.index(name), PLAIN) for name in OPERATED]
    elif field == "environment":
        columns = [(0, PLAIN), (1, PLAIN)]
    else:
        columns = [(place, PLAIN) for place in range(3)] if field == "machines" else []
    into = np.empty((rows.rows, len(columns)), dtype=np.float32)
    source, how = np.array(columns, dtype=np.int64).reshape(-1, 2).T
    kernel_tapes.pack(rows.values, np.ascontiguousarray(source), np.ascontiguousarray(how), into)
    return into


def joined(parts: Iterable[Tapes], kind: MachineKind) -> Tapes:
    """The tapes of several groups of machines as one, which grows in place: in memory are the whole and one part."""
    none = tapes_of(kind, from_tables(kind, {}, []))
    whole = {field: {name: array.copy() for name, array in tape._asdict().items()} for field, tape in none._asdict().items()}
    for part in parts:
        for field, tape in part._asdict().items():
            _append(whole[field], tape)
    return Tapes(**{field: Tape(**columns) for field, columns in whole.items()})


def _append(whole: dict[str, npt.NDArray[Any]], tape: Tape) -> None:
    rows, odd = len(whole["event"]), len(whole["odd"])
    added = {
        "offsets": tape.offsets[1:] + rows,
        "odd_offsets": tape.odd_offsets[1:] + odd,
        "odd": tape.odd + rows,
        "stated": np.where(tape.stated == NEVER, NEVER, tape.stated + rows),
        **{name: getattr(tape, name) for name in ("event", "odd_from", "odd_to", "values", "codes")},
    }
    for name, more in added.items():
        array = whole[name]
        held = len(array)
        # The system moves the pages of a large array without copying them.
        array.resize((held + len(more), *array.shape[1:]), refcheck=False)
        array[held:] = more
