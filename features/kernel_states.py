"""Kernel of states: numbers that hold from their row until the next visible one. The rules are those of `kernel`.

A state column at `as_of` is made of the visible rows that have a number in it; of several at one moment the last in contract
order counts. The state at t is that of the latest row with event_time <= t; before the first row it is unknown. Over a window
w, (as_of - w, as_of], with v(t) the state where it is known:

state           the state at as_of
state_code      the same, NaN where it is negative (a code that the kind does not declare)
held            hours since the present state began; rows that repeat a state do not begin it anew
held_on         hours since which the state has been above zero without a break; 0 while it is not
state_mean      mean of v over the known time of the window; state_std: its standard deviation over that time (population);
                both NaN where no time of the window is known
state_min/max   of v over the window, the state that stood when it began included
state_change    the state at as_of less the state at as_of - w, NaN where that is unknown
state_changes   rows with event_time in the window whose state is another one than that before; the first row changes nothing;
                NaN before the first row
"""

import numpy as np

from features.kernel import HOUR, NAN, NEVER, inlined, jit, onward

STATE_OPS = (
    "state", "state_code", "held", "held_on",
    "state_mean", "state_std", "state_min", "state_max", "state_change", "state_changes",
)  # fmt: skip
# From here on an operation looks at a window.
WINDOWED = 4
OF_WINDOW = len(STATE_OPS) - WINDOWED
HELD, HELD_ON, STD = 2, 3, 5
NOTHING = np.int64(-NEVER)


@jit
def state_stats(  # type: ignore[no-untyped-def]
    offsets, event, known_from, known_to, values, entity, as_of, windows, program, target, out
):
    """States at each `as_of` and over nested windows. windows: int64[k] microseconds, ascending."""
    n_columns, n_windows, n_specs = len(values), len(windows), len(program)
    # Only who asks for it pays: windows looked at (-1: the column is not asked for), where a state began, standard deviations.
    reach = np.full(n_columns, -1, dtype=np.int64)
    asked = np.zeros((n_columns, len(STATE_OPS)), dtype=np.bool_)
    for j in range(n_specs):
        op, c, k, _ = program[j]
        reach[c] = max(reach[c], k + 1 if op >= WINDOWED else 0)
        asked[c, op] = True
    # Of each column what stands at as_of, then the operations of each window.
    cells = np.full((n_columns, WINDOWED + n_windows * OF_WINDOW), NAN)
    flat = cells.reshape(-1)
    read = np.zeros(n_specs, dtype=np.int64)
    for j in range(n_specs):
        op, c, k, _ = program[j]
        read[j] = c * cells.shape[1] + op + (k * OF_WINDOW if op >= WINDOWED else 0)
    end = 0
    for i in range(len(as_of)):
        machine, now = entity[i], as_of[i]
        if machine < 0:
            for j in range(n_specs):
                out[target[j], i] = NAN
            continue
        first = offsets[machine]
        end = onward(event, first, offsets[machine + 1], now, end)
        for c in range(n_columns):
            if reach[c] >= 0:
                _walk(
                    event, known_from, known_to, values[c], first, end, now, windows, reach[c],
                    asked[c, HELD], asked[c, HELD_ON], asked[c, STD], cells[c],
                )  # fmt: skip
        for j in range(n_specs):
            out[target[j], i] = flat[read[j]]


@inlined
def _walk(  # type: ignore[no-untyped-def]
    event, known_from, known_to, values, first, end, now, windows, reach, held, on, spread, cells
):
    """One column's states from the newest back to the one that stood when the longest window began.

    held, on: whether it is asked since when the present state, or one above zero, holds; while they are True it still does.
    """
    k = 0
    later = now
    x = least = most = present = NAN
    began = now
    held_since = on_since = NOTHING
    weighted = s1 = s2 = changes = 0.0
    for row in range(end - 1, first - 1, -1):
        v = values[row]
        if np.isnan(v) or not (known_from[row] <= now < known_to[row]):
            continue
        if np.isnan(present):
            present = least = most = v
        elif event[row] == began:
            continue
        else:
            least = v if v < least else least
            most = v if v > most else most
            changes += v != x
        began, x = event[row], v
        held = held and v == present
        held_since = began if held else held_since
        on = on and v > 0.0
        on_since = began if on else on_since
        d = v - present
        while k < reach and began <= now - windows[k]:
            span = float(later - (now - windows[k]))
            later = now - windows[k]
            weighted, s1, s2 = weighted + v * span, s1 + d * span, s2 + d * d * span
            _cells(cells, k, float(windows[k]), weighted, s1, s2, spread, least, most, present - v, changes)
            k += 1
        if k < reach:
            span = float(later - began)
            later = began
            weighted, s1, s2 = weighted + v * span, s1 + d * span, s2 + d * d * span
        elif not held and not on:
            break
    # Windows that begin before anything is known; where nothing ever is, nothing is known of them.
    for w in range(k, reach):
        _cells(cells, w, float(now - later), weighted, s1, s2, spread, least, most, NAN, NAN if np.isnan(present) else changes)
    cells[0] = present
    cells[1] = present if present >= 0.0 else NAN
    cells[HELD] = (now - held_since) / HOUR if held_since != NOTHING else NAN
    cells[HELD_ON] = (now - on_since) / HOUR if on_since != NOTHING else (NAN if np.isnan(present) else 0.0)


@inlined
def _cells(cells, k, known, weighted, s1, s2, spread, least, most, change, changes):  # type: ignore[no-untyped-def]
    """One window's values, in the order of STATE_OPS; s1 and s2 are about the present state."""
    at = WINDOWED + k * OF_WINDOW
    cells[at] = weighted / known if known > 0.0 else NAN
    if spread:
        cells[at + 1] = np.sqrt(max(s2 / known - (s1 / known) * (s1 / known), 0.0)) if known > 0.0 else NAN
    cells[at + 2] = least
    cells[at + 3] = most
    cells[at + 4] = change
    cells[at + 5] = changes
