"""Kernel of step functions: a value holds from its row until the next one. The rules are those of `kernel`.

All rows known at `as_of` count. Before its first row a column had its first value; a missing value leaves the last standing.
"""

import numpy as np

from features.kernel import HOUR, NAN, after, inlined, jit

# Of one column: what stands still between rows, then what goes on with time.
COLUMN_OPS = (
    "value", "change", "changes", "increases", "peak", "drop", "growth", "low_word", "high_word",
    "rate", "share_above_zero", "since_change", "since_increase", "since_above_zero",
)  # fmt: skip
MOVING, RATE, SHARE = 9, 9, 10
# Of the rows as such, and of all columns together that count faults.
GROUP_OPS = (
    "rows", "row_gap", "since_row", "faults_since", "faults_since_first", "faults_increases", "faults_present",
    "faults_growing", "faults_level", "faults_surge",
)  # fmt: skip
STEP_OPS = COLUMN_OPS + GROUP_OPS
GROUP = len(COLUMN_OPS)
SINCE_ROW, FAULTS_SINCE_FIRST = GROUP + 2, GROUP + 4
MONTH_HOURS = 720.0
# Flags of a column.
FAULT, PACKED = 1, 2
# Places in a column's state; times in microseconds.
LAST, FIRST, PEAK, CHANGED, ROSE, BEGAN, ROSE_FIRST, ABOVE_FIRST, ABOVE, LATEST = range(10)


@jit
def step_stats(  # type: ignore[no-untyped-def]
    offsets, event, known_from, known_to, odd, values, flags, entity, as_of, windows, program, target, out
):
    """windows: int64[k] microseconds, ascending. flags: int64[columns] of FAULT and PACKED. Other shapes as in `kernel`.

    Between two rows nothing but time goes on: what the rows alone decide is `held` from one observation to the next.
    """
    n_windows, n_columns, n_specs = len(windows), values.shape[0], len(program)
    bounds = np.full(n_windows + 1, -1, dtype=np.int64)
    base = np.zeros((n_columns, n_windows))
    changes = np.zeros((n_columns, n_windows))
    increases = np.zeros((n_columns, n_windows))
    state = np.zeros((n_columns, 10))
    held = np.zeros(n_specs)
    walked = -1
    for i in range(len(as_of)):
        machine, now = entity[i], as_of[i]
        if machine < 0:
            for j in range(n_specs):
                out[target[j], i] = NAN
            continue
        first, stop = offsets[machine], offsets[machine + 1]
        end = after(event, first, stop, now)
        check = odd[end] != odd[first]
        # Late and corrected rows come and go without a row's time being passed.
        same = machine == walked and end == bounds[0] and not check
        bounds[0] = end
        for k in range(n_windows):
            bound = after(event, first, bounds[k], now - windows[k])
            same = same and bound == bounds[k + 1]
            bounds[k + 1] = bound
        if not same:
            for c in range(n_columns):
                _walk(values, c, event, known_from, known_to, first, bounds, now, check, state, base, changes, increases)
            for j in range(n_specs):
                op, c, k, _ = program[j]
                if op < GROUP:
                    held[j] = _column_value(op, c, k, state, base, changes, increases)
                elif op < GROUP + 3:
                    held[j] = _row_value(op, event, known_from, known_to, first, bounds, k, now)
                else:
                    held[j] = _fault_value(op, k, flags, state, base, increases)
            walked = machine
        for j in range(n_specs):
            op = program[j, 0]
            if op < MOVING:
                out[target[j], i] = held[j]
            elif op < GROUP:
                out[target[j], i] = _moved(op, program[j, 1], held[j], now, state)
            elif op < GROUP + 3:
                out[target[j], i] = (now - held[j]) / HOUR if op == SINCE_ROW else held[j]
            else:
                out[target[j], i] = (now - held[j]) / HOUR if op <= FAULTS_SINCE_FIRST else held[j]


@inlined
def _moved(op, c, held, now, state):  # type: ignore[no-untyped-def]
    """What goes on with time between rows, of one column."""
    if op == RATE:  # per 30 days; a first day counts whole
        return held / max((now - state[c, BEGAN]) / HOUR, 24.0) * MONTH_HOURS
    if op == SHARE:
        above = held + (now - state[c, LATEST] if state[c, LAST] > 0.0 else 0.0)
        return above / HOUR / max((now - state[c, BEGAN]) / HOUR, 24.0)
    return (now - held) / HOUR  # the times since


@inlined
def _walk(  # type: ignore[no-untyped-def]
    values, c, event, known_from, known_to, first, bounds, now, check, state, base, changes, increases
):
    """Walk column c's visible rows in time order; windows are entered from the longest to the shortest."""
    n_windows = base.shape[1]
    for place in range(10):
        state[c, place] = NAN
    for w in range(n_windows):
        base[c, w] = NAN
        changes[c, w] = 0.0
        increases[c, w] = 0.0
    last = NAN
    above = 0.0
    since = 0.0
    k = n_windows - 1
    for row in range(first, bounds[0]):
        while k >= 0 and row >= bounds[k + 1]:
            base[c, k] = last
            k -= 1
        if check and not (known_from[row] <= now < known_to[row]):
            continue
        x = values[c, row]
        if np.isnan(x):
            continue
        moment = float(event[row])
        if np.isnan(last):
            state[c, FIRST] = x
            state[c, PEAK] = x
            state[c, BEGAN] = moment
        else:
            if last > 0.0:
                above += moment - since
            if x != last:
                state[c, CHANGED] = moment
                for w in range(k + 1, n_windows):
                    changes[c, w] += 1.0
                if x > last:
                    state[c, ROSE] = moment
                    if np.isnan(state[c, ROSE_FIRST]):
                        state[c, ROSE_FIRST] = moment
                    for w in range(k + 1, n_windows):
                        increases[c, w] += 1.0
                    state[c, PEAK] = max(state[c, PEAK], x)
        if x > 0.0 and np.isnan(state[c, ABOVE_FIRST]):
            state[c, ABOVE_FIRST] = moment
        since = moment
        last = x
    while k >= 0:
        base[c, k] = last
        k -= 1
    for w in range(n_windows):
        if np.isnan(base[c, w]):
            base[c, w] = state[c, FIRST]
    state[c, LAST] = last
    state[c, ABOVE] = above  # until its latest row; what stands since then is added when the time is known
    state[c, LATEST] = since


@inlined
def _column_value(op, c, k, state, base, changes, increases):  # type: ignore[no-untyped-def]
    """What the rows decide; for a time since, the moment."""
    last = state[c, LAST]
    if np.isnan(last):
        return NAN
    if op == 0:  # value
        return last
    if op == 1:  # change
        return last - base[c, k]
    if op == 2:  # changes
        return changes[c, k]
    if op == 3:  # increases
        return increases[c, k]
    if op == 4:  # peak
        return state[c, PEAK]
    if op == 5:  # drop
        return state[c, PEAK] - last
    if op == 6 or op == RATE:  # growth
        return last - state[c, FIRST]
    if op == 7 or op == 8:  # low_word, high_word
        return _word(last, op - 7)
    if op == SHARE:
        return state[c, ABOVE]
    if op == 11:  # since_change
        return state[c, CHANGED]
    if op == 12:  # since_increase
        return state[c, ROSE]
    return state[c, ABOVE_FIRST]  # since_above_zero


@inlined
def _word(x, place):  # type: ignore[no-untyped-def]
    """One of the 16-bit counters that firmware packs into a raw value; NaN where the value is no such pack."""
    if not 0.0 <= x < 281474976710656.0:  # three words
        return NAN
    return float((np.int64(x) >> (16 * place)) & 0xFFFF)


@inlined
def _row_value(op, event, known_from, known_to, first, bounds, k, now):  # type: ignore[no-untyped-def]
    """`rows` in a window, the moment of the last row (`since_row`), hours between the last two (`row_gap`)."""
    if op == GROUP:
        n = 0.0
        for row in range(bounds[k + 1], bounds[0]):
            if known_from[row] <= now < known_to[row]:
                n += 1.0
        return n
    newest = -1
    for row in range(bounds[0] - 1, first - 1, -1):
        if known_from[row] <= now < known_to[row]:
            if op == SINCE_ROW:
                return float(event[row])
            if newest >= 0 and event[row] < event[newest]:
                return (event[newest] - event[row]) / HOUR
            newest = row
    return NAN


@inlined
def _fault_value(op, k, flags, state, base, increases):  # type: ignore[no-untyped-def]
    """Over the columns that count faults; NaN where none was ever seen. For a time since, the moment, NaN if it never came."""
    seen = 0
    total = 0.0
    moment = NAN
    for c in range(len(flags)):
        last = state[c, LAST]
        if not flags[c] & FAULT or np.isnan(last):
            continue
        seen += 1
        before = base[c, k]
        if flags[c] & PACKED:
            last, before = _word(last, 0), _word(before, 0)
        if op == GROUP + 3:  # faults_since
            if np.isnan(moment) or state[c, ROSE] > moment:
                moment = state[c, ROSE]
        elif op == GROUP + 4:  # faults_since_first
            if np.isnan(moment) or state[c, ROSE_FIRST] < moment:
                moment = state[c, ROSE_FIRST]
        elif op == GROUP + 5:  # faults_increases
            total += increases[c, k]
        elif op == GROUP + 6:  # faults_present
            total += 1.0 if last > 0.0 else 0.0
        elif op == GROUP + 7:  # faults_growing
            total += 1.0 if last > before else 0.0
        elif op == GROUP + 8:  # faults_level
            total += np.log1p(last) if last > 0.0 else 0.0
        elif last > before:  # faults_surge
            total += np.log1p(last - before)
    if op <= FAULTS_SINCE_FIRST:
        return moment
    return total if seen else NAN
