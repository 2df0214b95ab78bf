"""Numba kernels over the irregular history of one machine at a time: the only place where a feature's value is computed.

Every kernel takes a Series' arrays, observations (entity, as_of), a program (one line per feature: operation, column, window,
second window; `target` says which output row) and writes float32 into `out[feature, observation]`. A row is seen at `as_of`
iff known_from <= as_of < known_to. Each window is reduced over its own rows, piece by piece in one fixed order: no running
sums over observations, no fastmath, so the same rows give the same bits offline and online. Nothing holds the GIL.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

VERSION = 2
NAN = np.nan
HOUR = 3_600_000_000.0

# Operations by kernel; a program holds the position in these tuples.
WINDOW_OPS = ("mean", "std", "min", "max", "slope", "last", "missing", "deviation", "difference", "range", "since_reading")
STEP_OPS = (
    "value", "change", "since_change", "since_increase", "changes", "increases", "peak", "drop", "growth", "rows", "since_row",
)  # fmt: skip
POINT_OPS = ("count", "since", "since_first", "youngest", "oldest", "gap", "to_next", "since_at_next")
# The rhythm of a series is the commonest of at most this many of its latest gaps; gaps this close to one another are like.
GAPS = 12
LIKE = 0.05

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Out = npt.NDArray[np.float32]
jit = njit(nogil=True, cache=True, fastmath=False, error_model="numpy")
# For what is called once per feature: a call with a dozen arrays costs more than the work.
inlined = njit(nogil=True, cache=True, fastmath=False, error_model="numpy", forceinline=True)


@inlined
def _after(event, low, high, moment):  # type: ignore[no-untyped-def]
    """First row in [low, high) whose event time is later than `moment`."""
    while low < high:
        middle = (low + high) >> 1
        if event[middle] <= moment:
            low = middle + 1
        else:
            high = middle
    return low


@inlined
def _newest(values, known_from, known_to, low, high, now):  # type: ignore[no-untyped-def]
    """Position of the last visible number in [low, high), or -1."""
    for row in range(high - 1, low - 1, -1):
        if known_from[row] <= now < known_to[row] and not np.isnan(values[row]):
            return row
    return -1


@inlined
def _piece(values, hours, known_from, known_to, low, high, now, now_hours, check, into):  # type: ignore[no-untyped-def]
    """Moments of the visible numbers in rows [low, high) about the piece's own first one.

    into: n, mean, M2, min, max, mean time, M2 of time, co-moment of time and value; times in hours before `now`.
    """
    n = 0
    shift = shift_time = s1 = s2 = t1 = t2 = tx = 0.0
    least, most = np.inf, -np.inf
    for row in range(low, high):
        if check and not (known_from[row] <= now < known_to[row]):
            continue
        x = values[row]
        if np.isnan(x):
            continue
        if n == 0:
            shift = x
            shift_time = hours[row]
        n += 1
        d = x - shift
        t = hours[row] - shift_time
        s1 += d
        s2 += d * d
        t1 += t
        t2 += t * t
        tx += t * d
        least = min(least, x)
        most = max(most, x)
    into[0] = n
    if n:
        into[1] = shift + s1 / n
        into[2] = max(s2 - s1 * s1 / n, 0.0)
        into[3] = least
        into[4] = most
        into[5] = shift_time - now_hours + t1 / n
        into[6] = max(t2 - t1 * t1 / n, 0.0)
        into[7] = tx - t1 * s1 / n


@inlined
def _merge(whole, part):  # type: ignore[no-untyped-def]
    """Add the moments of `part` to `whole` (Chan, Golub, LeVeque 1979)."""
    if part[0] == 0.0:
        return
    if whole[0] == 0.0:
        for moment in range(8):
            whole[moment] = part[moment]
        return
    n = whole[0] + part[0]
    weight = whole[0] * part[0] / n
    d = part[1] - whole[1]
    t = part[5] - whole[5]
    whole[1] += d * part[0] / n
    whole[2] += part[2] + d * d * weight
    whole[3] = min(whole[3], part[3])
    whole[4] = max(whole[4], part[4])
    whole[5] += t * part[0] / n
    whole[6] += part[6] + t * t * weight
    whole[7] += part[7] + d * t * weight
    whole[0] = n


@jit
def window_stats(  # type: ignore[no-untyped-def]
    offsets, event, known_from, known_to, hours, odd, values, entity, as_of, windows, program, target, period, out
):
    """Statistics over nested windows (as_of - w, as_of] of regularly sampled columns.

    windows: int64[k] microseconds, ascending. period: hours between readings when none is missing.
    """
    n_windows, n_columns, n_specs = len(windows), values.shape[0], len(program)
    moments = np.zeros((n_columns, n_windows, 8))
    piece = np.zeros(8)
    bounds = np.zeros(n_windows + 1, dtype=np.int64)
    for i in range(len(as_of)):
        machine, now = entity[i], as_of[i]
        if machine < 0:
            for j in range(n_specs):
                out[target[j], i] = NAN
            continue
        now_hours = now / HOUR
        first = offsets[machine]
        bounds[0] = _after(event, first, offsets[machine + 1], now)
        for k in range(n_windows):
            bounds[k + 1] = _after(event, first, bounds[k], now - windows[k])
        check = odd[bounds[0]] != odd[bounds[n_windows]]
        for c in range(n_columns):
            for k in range(n_windows):
                _piece(values[c], hours, known_from, known_to, bounds[k + 1], bounds[k], now, now_hours, check, piece)
                for moment in range(8):
                    moments[c, k, moment] = moments[c, k - 1, moment] if k else 0.0
                _merge(moments[c, k], piece)
        for j in range(n_specs):
            op, c, k, against = program[j]
            out[target[j], i] = _window_value(
                op, c, k, against, moments, values, event, known_from, known_to, bounds, now, windows, period
            )


@inlined
def _window_value(  # type: ignore[no-untyped-def]
    op, c, k, against, moments, values, event, known_from, known_to, bounds, now, windows, period
):
    n = moments[c, k, 0]
    if op == 6:  # missing
        return max(0.0, 1.0 - n * period / (windows[k] / HOUR))
    if n == 0.0:
        return NAN
    if op == 0:  # mean
        return moments[c, k, 1]
    if op == 1:  # std
        return np.sqrt(moments[c, k, 2] / (n - 1.0)) if n > 1.0 else NAN
    if op == 2:  # min
        return moments[c, k, 3]
    if op == 3:  # max
        return moments[c, k, 4]
    if op == 4:  # slope
        return moments[c, k, 7] / moments[c, k, 6] if n > 1.0 and moments[c, k, 6] > 0.0 else NAN
    if op == 9:  # range
        return moments[c, k, 4] - moments[c, k, 3]
    if op == 7:  # deviation
        if moments[c, against, 0] < 2.0 or moments[c, against, 2] <= 0.0:
            return NAN
        return (moments[c, k, 1] - moments[c, against, 1]) / np.sqrt(moments[c, against, 2] / (moments[c, against, 0] - 1.0))
    row = _newest(values[c], known_from, known_to, bounds[len(windows)], bounds[0], now)
    if op == 5:  # last
        return values[c, row]
    if op == 10:  # since_reading
        return (now - event[row]) / HOUR
    before = _newest(values[c], known_from, known_to, bounds[len(windows)], bounds[k + 1], now)
    return values[c, row] - values[c, before] if before >= 0 else NAN  # difference


@jit
def step_stats(  # type: ignore[no-untyped-def]
    offsets, event, known_from, known_to, hours, odd, values, entity, as_of, windows, program, target, period, out
):
    """Statistics of step functions: a value holds from its row until the next one. Looks at all rows known at `as_of`.

    The value before the first row is taken to be the first one; a missing value leaves the last one standing.
    """
    n_windows, n_columns, n_specs = len(windows), values.shape[0], len(program)
    bounds = np.zeros(n_windows + 1, dtype=np.int64)
    base = np.zeros((n_columns, n_windows))
    changes = np.zeros((n_columns, n_windows))
    increases = np.zeros((n_columns, n_windows))
    # per column: last, first, peak, time of last change, time of last increase, time of the last row
    state = np.zeros((n_columns, 6))
    for i in range(len(as_of)):
        machine, now = entity[i], as_of[i]
        if machine < 0:
            for j in range(n_specs):
                out[target[j], i] = NAN
            continue
        first = offsets[machine]
        end = _after(event, first, offsets[machine + 1], now)
        bounds[0] = end
        for k in range(n_windows):
            bounds[k + 1] = _after(event, first, bounds[k], now - windows[k])
        check = odd[end] != odd[first]
        for c in range(n_columns):
            _steps(
                values[c], event, known_from, known_to, first, bounds, now, check, state[c], base[c], changes[c], increases[c]
            )
        for j in range(n_specs):
            op, c, k, _ = program[j]
            if c >= 0:
                value = _step_value(op, k, now, state[c], base[c], changes[c], increases[c])
            else:
                value = _row_value(op, event, known_from, known_to, first, bounds, k, now)
            out[target[j], i] = value


@jit
def _steps(  # type: ignore[no-untyped-def]
    values, event, known_from, known_to, first, bounds, now, check, state, base, changes, increases
):
    """Walk one column's visible rows in time order; windows are entered from the longest to the shortest."""
    state[:] = NAN
    base[:] = NAN
    changes[:] = 0.0
    increases[:] = 0.0
    last = NAN
    k = len(base) - 1
    for row in range(first, bounds[0]):
        while k >= 0 and row >= bounds[k + 1]:
            base[k] = last
            k -= 1
        if check and not (known_from[row] <= now < known_to[row]):
            continue
        x = values[row]
        if np.isnan(x):
            continue
        if np.isnan(last):
            state[1] = x
            state[2] = x
        elif x != last:
            state[3] = event[row]
            for w in range(k + 1, len(base)):
                changes[w] += 1.0
            if x > last:
                state[4] = event[row]
                for w in range(k + 1, len(base)):
                    increases[w] += 1.0
        state[2] = max(state[2], x)
        last = x
    while k >= 0:
        base[k] = last
        k -= 1
    for w in range(len(base)):
        if np.isnan(base[w]):
            base[w] = state[1]
    state[0] = last


@inlined
def _step_value(op, k, now, state, base, changes, increases):  # type: ignore[no-untyped-def]
    if op == 0:  # value
        return state[0]
    if op == 1:  # change
        return state[0] - base[k]
    if op == 2:  # since_change
        return (now - state[3]) / HOUR
    if op == 3:  # since_increase
        return (now - state[4]) / HOUR
    if op == 4:  # changes
        return changes[k]
    if op == 5:  # increases
        return increases[k]
    if op == 6:  # peak
        return state[2]
    if op == 7:  # drop
        return state[2] - state[0]
    if op == 8:  # growth
        return state[0] - state[1]
    return NAN


@inlined
def _row_value(op, event, known_from, known_to, first, bounds, k, now):  # type: ignore[no-untyped-def]
    """`rows` in a window and hours `since_row`, over all columns together."""
    if op == 9:  # rows
        n = 0.0
        for row in range(bounds[k + 1], bounds[0]):
            if known_from[row] <= now < known_to[row]:
                n += 1.0
        return n
    for row in range(bounds[0] - 1, first - 1, -1):
        if known_from[row] <= now < known_to[row]:
            return (now - event[row]) / HOUR
    return NAN


@jit
def point_stats(  # type: ignore[no-untyped-def]
    offsets, event, known_from, known_to, codes, entity, as_of, windows, n_codes, program, target, out
):
    """Counts over nested windows and times since of coded events. Column n_codes stands for any code, declared or not."""
    n_windows, n_specs = len(windows), len(program)
    rhythmic = np.any(program[:, 0] >= 5)
    gaps = np.zeros(GAPS)
    rhythm = NAN
    counts = np.zeros((n_codes + 1, n_windows))
    newest = np.zeros(n_codes + 1)
    oldest = np.zeros(n_codes + 1)
    bounds = np.zeros(n_windows + 1, dtype=np.int64)
    for i in range(len(as_of)):
        machine, now = entity[i], as_of[i]
        if machine < 0:
            for j in range(n_specs):
                out[target[j], i] = NAN
            continue
        first = offsets[machine]
        bounds[0] = _after(event, first, offsets[machine + 1], now)
        for k in range(n_windows):
            bounds[k + 1] = _after(event, first, bounds[k], now - windows[k])
        counts[:] = 0.0
        newest[:] = NAN
        oldest[:] = NAN
        k = n_windows - 1
        for row in range(first, bounds[0]):
            while k >= 0 and row >= bounds[k + 1]:
                k -= 1
            if not (known_from[row] <= now < known_to[row]):
                continue
            code = codes[row]
            for slot in (np.int64(code), n_codes):
                if slot < 0:
                    continue
                newest[slot] = event[row]
                if np.isnan(oldest[slot]):
                    oldest[slot] = event[row]
                for w in range(k + 1, n_windows):
                    counts[slot, w] += 1.0
        if rhythmic:
            rhythm = _rhythm(event, known_from, known_to, first, bounds[0], now, gaps)
        for j in range(n_specs):
            op, c, k, _ = program[j]
            out[target[j], i] = _point_value(op, c, k, now, counts, newest, oldest, n_codes, rhythm)


@jit
def _rhythm(event, known_from, known_to, low, high, now, gaps):  # type: ignore[no-untyped-def]
    """The latest gap between distinct visible moments that most of the others are like, in hours; NaN before the first gap.

    Of equally common ones the shortest: a skipped visit doubles a gap, it never halves one.
    """
    n = 0
    later = -1
    for row in range(high - 1, low - 1, -1):
        if n == GAPS:
            break
        if not (known_from[row] <= now < known_to[row]):
            continue
        if later >= 0 and event[row] < event[later]:
            gaps[n] = (event[later] - event[row]) / HOUR
            n += 1
        later = row
    best, most = NAN, 0
    for i in range(n):
        like = 0
        for j in range(n):
            if abs(gaps[j] - gaps[i]) <= LIKE * gaps[i]:
                like += 1
        if like > most or (like == most and gaps[i] < best):
            best, most = gaps[i], like
    return best


@inlined
def _point_value(op, c, k, now, counts, newest, oldest, n_codes, rhythm):  # type: ignore[no-untyped-def]
    if op == 0:  # count
        return counts[c, k]
    if op == 1:  # since
        return (now - newest[c]) / HOUR
    if op == 2:  # since_first
        return (now - oldest[c]) / HOUR
    if op >= 5:
        if op == 5:  # gap
            return rhythm
        to_next = rhythm - (now - newest[n_codes]) / HOUR % rhythm
        return to_next if op == 6 else to_next + (now - newest[c]) / HOUR  # to_next, since_at_next
    best = NAN  # youngest, oldest: over the declared codes
    for code in range(n_codes):
        age = (now - newest[code]) / HOUR
        if np.isnan(best) or (op == 3 and age < best) or (op == 4 and age > best):
            best = age
    return best


@jit
def version_at(offsets, known_from, known_to, entity, as_of, row_of):  # type: ignore[no-untyped-def]
    """The row of a one-row-per-machine table that was known at each `as_of`, or -1."""
    for i in range(len(as_of)):
        row_of[i] = -1
        if entity[i] >= 0:
            for row in range(offsets[entity[i]], offsets[entity[i] + 1]):
                if known_from[row] <= as_of[i] < known_to[row]:
                    row_of[i] = row
