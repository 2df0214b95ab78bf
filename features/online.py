"""The same features for one machine's latest history: from a posted history or from the lake."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from features.build import compute
from features.catalog import Catalog
from features.clock import NEVER, micros
from features.errors import NotFound
from features.history import (
    CODED,
    KEEPING,
    READINGS,
    REFERENCE,
    REPLACEMENTS,
    STATIC,
    TABLES,
    Codes,
    Floats,
    History,
    Ints,
    Series,
    from_tables,
    reference_series,
    series,
    union,
    vocabulary,
)
from features.kinds import MachineKind
from features.states import SOURCES, state_values

if TYPE_CHECKING:
    from features.lake import Lake

Vector = npt.NDArray[np.float32]
Columns = Mapping[str, Any]
_NOTHING = np.empty(0, dtype=np.int64)
_FIRST = np.zeros(1, dtype=np.int64)


def vector(wanted: Catalog, history: History, as_of: datetime) -> Vector:
    """Features of the first (usually only) machine of `history` at `as_of`: float32[features], NaN missing."""
    matrix = compute(wanted, history, _FIRST, np.array([micros(as_of)], dtype=np.int64))
    return matrix.reshape(-1)


def history_from_lake(
    lake: "Lake", machine_id: str, versions: Mapping[str, int] | None = None, kind: MachineKind | None = None
) -> History:
    """One machine's whole history, now or at older Delta versions. Raises NotFound for an unknown machine.

    kind: the declaration to read it by (a catalog's own); by default the one that the lake holds now.
    """
    view = lake.at(versions)
    tables = {name: view.read(name, machine_ids=[machine_id]) for name in TABLES}
    machines = tables["machines"]
    if not machines.num_rows:
        raise NotFound(f"no machine {machine_id}", where=str(lake.root), mend="import its row in the machines table first")
    kind = kind or lake.kind(machines.column("kind")[-1].as_py())
    tables[kind.readings_table] = view.read(kind.readings_table, machine_ids=[machine_id])
    if kind.reference:
        tables[kind.reference_table] = view.read(kind.reference_table)
    return from_tables(kind, tables, [machine_id])


def history_from_request(kind: MachineKind, payload: Mapping[str, Any], reference: Series | None = None) -> History:
    """A posted history as arrays -> History of one machine.

    reference: the kind's reference table of the lake (`history.reference_series`); without it what it tells is missing.

    payload: {"machine": {machine_id, model, age_hours, capacity, event_time, recorded_at}, "tables": {table: {column: array}}};
    both clocks int64 microseconds; rows of a table in contract order (key, then recorded_at). Values are not checked here.
    """
    machine: Mapping[str, Any] = payload["machine"]
    posted: Mapping[str, Columns] = payload.get("tables", {})
    found = {"machines": _machine(kind, machine)}
    for name in TABLES[1:]:
        found[name] = _posted(kind, name, posted.get(name))
    if kind.reference:
        found[REFERENCE] = reference_series(kind) if reference is None else reference
    found[READINGS] = _posted(kind, READINGS, posted.get(kind.readings_table))
    found[REPLACEMENTS] = union(found["maintenance"], found["failures"], _renewing(posted.get("maintenance")))
    return History([str(machine["machine_id"])], found)


def _machine(kind: MachineKind, row: Mapping[str, Any]) -> Series:
    model = kind.models.index(row["model"]) if row.get("model") in kind.models else np.nan
    numbers = [np.nan if row.get(name) is None else float(row[name]) for name in STATIC[1:]]
    values = np.array([[model], *([number] for number in numbers)], dtype=np.float64)
    event = np.array([row["event_time"]], dtype=np.int64)
    known_from = np.maximum(event, np.array([row["recorded_at"]], dtype=np.int64))
    return series(np.zeros(1, dtype=np.int64), event, known_from, np.full(1, NEVER), machines=1, values=values)


def _posted(kind: MachineKind, name: str, columns: Columns | None) -> Series:
    event = _NOTHING if columns is None else np.asarray(columns["event_time"], dtype=np.int64)
    rows = len(event)
    values: Floats | None = None
    codes: Codes | None = None
    own_key: list[Any] = []
    if name in CODED:
        texts = [] if columns is None else list(columns[CODED[name]])
        codes = _codes(texts, vocabulary(kind, name))
        own_key = texts
    if name in SOURCES:
        values = state_values(kind, name, columns or {}, rows)
    elif name == READINGS:
        values = np.full((len(kind.sensors), rows), np.nan)
        for place, sensor in enumerate(kind.sensors):
            if columns is not None and sensor.name in columns:
                values[place] = columns[sensor.name]
    known_from, known_to = _spans(event, event if columns is None else columns.get("recorded_at", event), own_key)
    entity = np.zeros(rows, dtype=np.int64)
    return series(entity, event, known_from, known_to, machines=1, values=values, codes=codes)


def _spans(event: Ints, recorded: Any, own_key: Sequence[Any]) -> tuple[Ints, Ints]:
    """As `clock.known_spans`, on arrays: a row ends to be known where the next version of its key begins."""
    known_from = np.maximum(np.asarray(recorded, dtype=np.int64), event)
    known_to = np.full(len(event), NEVER, dtype=np.int64)
    for row in np.flatnonzero(event[1:] == event[:-1]).tolist():
        if not own_key or own_key[row] == own_key[row + 1]:
            known_to[row] = known_from[row + 1]
    return known_from, known_to


def _codes(texts: Sequence[str], words: Sequence[str]) -> Codes:
    place = {word: index for index, word in enumerate(words)}
    return np.array([place.get(text, -1) for text in texts], dtype=np.int32)


def _renewing(columns: Columns | None) -> npt.NDArray[np.bool_]:
    if columns is None:
        return np.empty(0, dtype=bool)
    actions = columns.get("action") or [None] * len(columns["event_time"])
    return np.array([(action or "").lower() not in KEEPING for action in actions], dtype=bool)
