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

The beginnings of the windows cut time into stretches. Each is walked forward, its columns side by side; a window takes the sums
of its stretches, the newest first.
"""

import numpy as np

from features.kernel import HOUR, NAN, inlined, jit, most_rows, onward, places_of, put, stands_until
from features.lanes import LANES, choose, every, load, root, side_by_side, store, width_of

STATE_OPS = (
    "state", "state_code", "held", "held_on",
    "state_mean", "state_std", "state_min", "state_max", "state_change", "state_changes",
)  # fmt: skip
# From here on an operation looks at a window.
WINDOWED = 4
HELD, HELD_ON = 2, 3
# Places in the sums of a stretch: time known, state times time, the same of the distance from the present state and of its
# square, extremes, the state at its begin, changes.
SUMS = 8
KNOWN, WEIGHTED, S1, S2, LEAST, MOST, BEGAN, CHANGES = range(SUMS)


@jit
def state_stats(  # type: ignore[no-untyped-def]
    offsets, event, known_from, known_to, values, entity, as_of, windows, program, target, out
):
    """States at each `as_of` and over nested windows. windows: int64[k] microseconds, ascending."""
    n_columns, n_specs = len(values), len(program)
    width = width_of(n_columns)
    # Only who asks for it pays: windows looked at, columns of which it is asked since when a state holds.
    n_windows = 0
    asked = np.zeros((n_columns, WINDOWED), dtype=np.bool_)
    for j in range(n_specs):
        if program[j, 0] >= WINDOWED:
            n_windows = max(n_windows, program[j, 2] + 1)
        else:
            asked[program[j, 1], program[j, 0]] = True
    # What stands at as_of, then the operations of each window, of all columns each.
    cells = np.full((WINDOWED + (len(STATE_OPS) - WINDOWED) * n_windows) * width, NAN)
    read = (program[:, 0] * width + program[:, 1]).astype(np.uint64)
    flat, to = out.reshape(-1), places_of(target, out)
    for j in range(n_specs):
        if program[j, 0] >= WINDOWED:
            read[j] = (WINDOWED + (program[j, 0] - WINDOWED) * n_windows + program[j, 2]) * width + program[j, 1]
    most = most_rows(offsets) + 1
    numbers, earlier = np.full(most * width, NAN), np.zeros(most * width, dtype=np.int64)
    seen = np.zeros(most, dtype=np.int64)
    bounds, ends = np.zeros(n_windows + 1, dtype=np.int64), np.zeros(n_windows, dtype=np.int64)
    sums = np.zeros(SUMS * n_windows * width)
    present, standing = np.full(width, NAN), np.full(width, NAN)
    # Since when a state holds, for each operation that asks for it; `stands` says whether any does.
    since, stands = np.zeros(2 * width, dtype=np.int64), np.zeros(2 * width)
    walked, then, until = -1, np.int64(0), np.int64(0)
    for i in range(len(as_of)):
        machine, now = entity[i], as_of[i]
        if machine < 0:
            for j in range(n_specs):
                out[target[j], i] = NAN
            continue
        first, stop = offsets[machine], offsets[machine + 1]
        if machine != walked:
            side_by_side(values, first, stop, width, numbers)
            _link(values, first, stop, width, earlier)
        newest, oldest = bounds[0], bounds[n_windows]
        bounds[0] = onward(event, first, stop, now, bounds[0])
        for k in range(n_windows):
            bounds[k + 1] = onward(event, first, bounds[k], now - windows[k], bounds[k + 1])
        # While no row comes or goes what the newest ones say stays, and what stood when the longest window began.
        if machine != walked or now < then or now >= until:
            until = stands_until(event, known_from, known_to, first, stop, now)
            newest = oldest = np.int64(-1)
            walked = machine
        then = now
        if bounds[0] != newest:
            for c in range(n_columns):
                row = _before(known_from, known_to, first, bounds[0], now, width, c, earlier)
                state = numbers[(row - first) * width + c] if row >= 0 else NAN
                present[c] = cells[c] = state
                cells[width + c] = state if state >= 0.0 else NAN
                for op in range(HELD, WINDOWED):
                    if asked[c, op]:
                        at = (op - HELD) * width + c
                        since[at], stands[at] = _since(
                            event, known_from, known_to, first, row, now, width, c, earlier, numbers, state, op == HELD
                        )
        for c in range(n_columns):
            for op in range(HELD, WINDOWED):
                if asked[c, op]:
                    at = (op - HELD) * width + c
                    cells[op * width + c] = stands[at] * (now - since[at]) / HOUR
        if n_windows > 0:
            if bounds[n_windows] != oldest:
                for c in range(n_columns):
                    row = _before(known_from, known_to, first, bounds[n_windows], now, width, c, earlier)
                    standing[c] = numbers[(row - first) * width + c] if row >= 0 else NAN
            _see(known_from, known_to, now, bounds, seen, ends)
            for c in range(0, width, LANES):
                _walk(event, numbers, first, width, c, now, windows, seen, ends, standing, present, sums)
                _cells(sums, present, width, c, n_windows, cells)
        put(cells, read, n_specs, flat, to, i)


@inlined
def _link(values, first, stop, width, earlier):  # type: ignore[no-untyped-def]
    """For each row of a machine, and its end, the latest row before that has a number in a column, or -1."""
    for c in range(len(values)):
        at = c
        earlier[at] = -1
        for row in range(first, stop):
            earlier[at + width] = earlier[at] if np.isnan(values[c, row]) else row
            at += width


@inlined
def _before(known_from, known_to, first, row, now, width, c, earlier):  # type: ignore[no-untyped-def]
    """The latest visible row before `row` that has a number in column c, or -1."""
    row = earlier[(row - first) * width + c]
    while row >= 0 and not (known_from[row] <= now < known_to[row]):
        row = earlier[(row - first) * width + c]
    return row


@inlined
def _since(  # type: ignore[no-untyped-def]
    event, known_from, known_to, first, row, now, width, c, earlier, numbers, state, same
):
    """Since when the state that `row` brought holds (same), or one above zero; and 1, or 0 if none does, NaN if unknown."""
    began, stands = now, NAN if row < 0 else 0.0
    while row >= 0:
        # Of several at one moment the last counts.
        if event[row] < began or stands != 1.0:
            v = numbers[(row - first) * width + c]
            if not (v == state if same else v > 0.0):
                break
            began, stands = event[row], 1.0
        row = _before(known_from, known_to, first, row, now, width, c, earlier)
    return began, stands


@inlined
def _see(known_from, known_to, now, bounds, seen, ends):  # type: ignore[no-untyped-def]
    """The visible rows of the longest window, the oldest first. ends: how many until the end of each stretch."""
    n = 0
    for k in range(len(ends) - 1, -1, -1):
        for row in range(bounds[k + 1], bounds[k]):
            if known_from[row] <= now < known_to[row]:
                seen[n] = row
                n += 1
        ends[k] = n


@inlined
def _walk(  # type: ignore[no-untyped-def]
    event, numbers, first, width, c, now, windows, seen, ends, standing, present, sums
):
    """Some columns' sums over each stretch, the oldest first. standing: the states where the longest window begins.

    A state counts when time goes on from its moment: of several at one moment the last.
    """
    zero, one, nothing = every(0.0), every(1.0), every(np.inf)
    about, x = load(present, c), load(standing, c)
    j = 0
    for k in range(len(ends) - 1, -1, -1):
        at, size = k * width + c, len(ends) * width
        store(sums, at + BEGAN * size, x)
        known = weighted = s1 = s2 = changes = zero
        least, most, before = nothing, zero - nothing, x
        since, until = now - windows[k], now - windows[k - 1] if k > 0 else now
        over = False
        while not over:
            over = j == ends[k]
            moment = until if over else event[seen[j]]
            if moment > since or over:
                there = x == x
                span = choose(there, every(float(moment - since)), zero)
                v, d = choose(there, x, zero), choose(there, x - about, zero)
                known += span
                weighted += v * span
                s1 += d * span
                s2 += d * d * span
                least = choose(x < least, x, least)
                most = choose(x > most, x, most)
                changes += choose((before == before) & (x != before), one, zero)
                before, since = x, moment
            if not over:
                v = load(numbers, (seen[j] - first) * width + c)
                x = choose(v == v, v, x)
                j += 1
        store(sums, at + KNOWN * size, known)
        store(sums, at + WEIGHTED * size, weighted)
        store(sums, at + S1 * size, s1)
        store(sums, at + S2 * size, s2)
        store(sums, at + LEAST * size, least)
        store(sums, at + MOST * size, most)
        store(sums, at + CHANGES * size, changes)


@inlined
def _cells(sums, present, width, c, n_windows, cells):  # type: ignore[no-untyped-def]
    """Some columns' values over each window, in the order of STATE_OPS."""
    zero, nan = every(0.0), every(NAN)
    now = load(present, c)
    known = weighted = s1 = s2 = changes = zero
    least = every(np.inf)
    most = zero - least
    size = n_windows * width
    for k in range(n_windows):
        at = k * width + c
        known += load(sums, at + KNOWN * size)
        weighted += load(sums, at + WEIGHTED * size)
        s1 += load(sums, at + S1 * size)
        s2 += load(sums, at + S2 * size)
        changes += load(sums, at + CHANGES * size)
        low, high = load(sums, at + LEAST * size), load(sums, at + MOST * size)
        least, most = choose(low < least, low, least), choose(high > most, high, most)
        to, any_time, any_state = WINDOWED * width + at, known > zero, now == now
        mean = s1 / known
        spread = s2 / known - mean * mean
        store(cells, to, choose(any_time, weighted / known, nan))
        store(cells, to + size, choose(any_time, root(choose(spread > zero, spread, zero)), nan))
        store(cells, to + 2 * size, choose(any_state, least, nan))
        store(cells, to + 3 * size, choose(any_state, most, nan))
        store(cells, to + 4 * size, now - load(sums, at + BEGAN * size))
        store(cells, to + 5 * size, choose(any_state, changes, nan))
