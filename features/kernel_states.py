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

from features.kernel import HOUR, NAN, after, inlined, jit

STATE_OPS = (
    "state", "state_code", "held", "held_on",
    "state_mean", "state_std", "state_min", "state_max", "state_change", "state_changes",
)  # fmt: skip
# From here on an operation looks at a window.
WINDOWED = 4
HELD, HELD_ON = 2, 3


@jit
def state_stats(  # type: ignore[no-untyped-def]
    offsets, event, known_from, known_to, values, entity, as_of, windows, program, target, out
):
    """States at each `as_of` and over nested windows. windows: int64[k] microseconds, ascending."""
    n_columns, n_specs = len(values), len(program)
    used = np.zeros(n_columns, dtype=np.bool_)
    # Only who asks for it pays for the walk back to where a state began.
    begun = np.zeros((n_columns, 2), dtype=np.bool_)
    reach = 0
    for j in range(n_specs):
        if program[j, 0] >= WINDOWED:
            reach = max(reach, program[j, 2] + 1)
        used[program[j, 1]] = True
        begun[program[j, 1], 0] |= program[j, 0] == HELD
        begun[program[j, 1], 1] |= program[j, 0] == HELD_ON
    standing = np.full((n_columns, WINDOWED), NAN)
    cells = np.full((n_columns, len(windows), len(STATE_OPS) - WINDOWED), NAN)
    for i in range(len(as_of)):
        machine, now = entity[i], as_of[i]
        if machine < 0:
            for j in range(n_specs):
                out[target[j], i] = NAN
            continue
        first = offsets[machine]
        end = after(event, first, offsets[machine + 1], now)
        for c in range(n_columns):
            if used[c]:
                _walk(event, known_from, known_to, values[c], first, end, now, windows[:reach], begun[c], standing[c], cells[c])
        for j in range(n_specs):
            op, c, k, _ = program[j]
            out[target[j], i] = standing[c, op] if op < WINDOWED else cells[c, k, op - WINDOWED]


@inlined
def _walk(  # type: ignore[no-untyped-def]
    event, known_from, known_to, values, first, end, now, windows, begun, standing, cells
):
    """One column's states from the newest back to the one that stood when the longest window began."""
    standing[:] = NAN
    cells[:] = NAN
    n_windows = len(windows)
    k = 0
    later = now
    x = least = most = present = NAN
    began = now
    held = on = False
    weighted = s1 = s2 = changes = 0.0
    for row in range(end - 1, first - 1, -1):
        v = values[row]
        if np.isnan(v) or not (known_from[row] <= now < known_to[row]):
            continue
        if np.isnan(present):
            present = least = most = v
            standing[0] = v
            standing[1] = v if v >= 0.0 else NAN
            standing[3] = 0.0
            held, on = True, v > 0.0
        elif event[row] == began:
            continue
        else:
            least, most = min(least, v), max(most, v)
            changes += v != x
        began, x = event[row], v
        held = held and v == present
        on = on and v > 0.0
        if held:
            standing[2] = (now - began) / HOUR
        if on:
            standing[3] = (now - began) / HOUR
        d = v - present
        while k < n_windows and began <= now - windows[k]:
            span = float(later - (now - windows[k]))
            later = now - windows[k]
            weighted, s1, s2 = weighted + v * span, s1 + d * span, s2 + d * d * span
            _cells(cells[k], float(windows[k]), weighted, s1, s2, least, most, changes)
            cells[k, 4] = present - v
            k += 1
        if k < n_windows:
            span = float(later - began)
            later = began
            weighted, s1, s2 = weighted + v * span, s1 + d * span, s2 + d * d * span
        elif not (begun[0] and held) and not (begun[1] and on):
            break
    if not np.isnan(present):
        for w in range(k, n_windows):
            _cells(cells[w], float(now - later), weighted, s1, s2, least, most, changes)


@inlined
def _cells(cells, known, weighted, s1, s2, least, most, changes):  # type: ignore[no-untyped-def]
    """One window's values, at the places that STATE_OPS gives them; s1 and s2 are about the present state."""
    if known > 0.0:
        cells[0] = weighted / known
        cells[1] = np.sqrt(max(s2 / known - (s1 / known) * (s1 / known), 0.0))
    cells[2] = least
    cells[3] = most
    cells[5] = changes
