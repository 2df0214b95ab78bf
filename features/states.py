"""The columns of the tables whose numbers hold until the next row: operations and environment.

A text becomes numbers: its place among the declared codes (-1 for one that is not declared, NaN where the row says nothing),
and for each declared mode 1 while it is on, else 0, so that a mean over time is the share of the time.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.kinds import MachineKind, Term

Floats = npt.NDArray[np.float64]
# What is read of each table: numbers and texts.
SOURCES = {"operations": ("load", "mode", "shift", "action"), "environment": ("ambient_temperature_c", "humidity_pct")}
_RUNS = {"running": 1.0, "stopped": 0.0}


def state_columns(kind: MachineKind, table: str) -> list[str]:
    """What a feature may name as a state of `table`, in the order of `state_values`."""
    if table == "operations":
        return ["load", "mode", "shift", "running", *(f"mode:{term.code}" for term in kind.modes)]
    return ["ambient_temperature_c", "humidity_pct", "hot"]


def state_values(kind: MachineKind, table: str, columns: Mapping[str, Any], rows: int) -> Floats:
    """float64[states, rows]. columns: `SOURCES[table]` as Arrow columns, arrays or lists; one left out says nothing."""
    if table == "environment":
        air, damp = (_numbers(columns.get(name), rows) for name in SOURCES[table])
        limit = np.inf if kind.hot_c is None else kind.hot_c
        return np.stack([air, damp, np.where(np.isnan(air), np.nan, air >= limit)])
    mode = _places(columns.get("mode"), kind.modes, rows)
    shift = _places(columns.get("shift"), kind.shifts, rows)
    # The last place is for -1 and for rows without an action that the kind declares.
    runs = np.array([*(_RUNS.get(action.state or "", np.nan) for action in kind.actions), np.nan])
    action = _places(columns.get("action"), kind.actions, rows)
    running = runs[np.where(np.isnan(action), -1, action).astype(np.int64)]
    alone = [np.where(np.isnan(mode), np.nan, mode == place) for place in range(len(kind.modes))]
    return np.stack([_numbers(columns.get("load"), rows), mode, shift, running, *alone])


def _numbers(column: Any, rows: int) -> Floats:
    if column is None:
        return np.full(rows, np.nan)
    if isinstance(column, pa.Array | pa.ChunkedArray):
        column = column.cast(pa.float64()).to_numpy()
    return np.array(column, dtype=np.float64)


def _places(column: Any, terms: Sequence[Term], rows: int) -> Floats:
    """The place of each text among the declared codes, -1 for another one, NaN for none."""
    if column is None:
        return np.full(rows, np.nan)
    texts = column if isinstance(column, pa.Array | pa.ChunkedArray) else pa.array(column, pa.string())
    places = pc.index_in(texts, value_set=pa.array([term.code for term in terms], pa.string()))
    found = np.asarray(pc.fill_null(places, -1).to_numpy(), dtype=np.float64)
    return np.where(np.asarray(pc.is_null(texts)), np.nan, found)
