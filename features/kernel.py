"""Numba kernels over the irregular history of one machine at a time: the only place where a feature's value is computed.

This module has what all kernels share and the statistics of regular readings; `kernel_steps` and `kernel_points` have those of
counters written on change and of coded events.

Every kernel takes a Series' arrays, observations (entity, as_of), a program (one line per feature: operation, column, window,
second window; `target` says which output row) and writes float32 into `out[feature, observation]`. A row is seen at `as_of`
iff known_from <= as_of < known_to. Each window is reduced over its own rows, piece by piece in one fixed order: no running
sums over observations, no fastmath, so the same rows give the same bits offline and online. Nothing holds the GIL.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

VERSION = 4
NAN = np.nan
HOUR = 3_600_000_000.0
# The standard deviation of a normal distribution in units of its median absolute deviation.
NORMAL = 1.4826

# A program holds the position of an operation in such a tuple.
WINDOW_OPS = (
    "mean", "std", "min", "max", "slope", "last", "missing", "difference", "range", "since_reading", "deviation", "robust",
)  # fmt: skip
# From here on a window is compared with another one.
COMPARED, ROBUST = 10, 11

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Out = npt.NDArray[np.float32]
jit = njit(nogil=True, cache=True, fastmath=False, error_model="numpy")
# For what is called once per feature: a call with a dozen arrays costs more than the work.
inlined = njit(nogil=True, cache=True, fastmath=False, error_model="numpy", forceinline=True)


# Numba's cache sees changes of the caller's own file only: after a change of `after`, clear the caches of all kernels.
@inlined
def after(event, low, high, moment):  # type: ignore[no-untyped-def]
    """First row in [low, high) whose event time is later than `moment`."""
    while low < high:
        middle = (low + high) >> 1
        if event[middle] <= moment:
            low = middle + 1
        else:
            high = middle
    return low


@inlined
def _piece(values, hours, known_from, known_to, low, high, now, now_hours, check, into):  # type: ignore[no-untyped-def]
    """Moments of the visible numbers in rows [low, high) about the piece's own first one; the row of the last, or -1.

    into: n, mean, M2, min, max, mean time, M2 of time, co-moment of time and value; times in hours before `now`.
    """
    n = 0
    newest = -1
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
        newest = row
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
    return newest


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
    cells = np.zeros((n_columns, n_windows, len(WINDOW_OPS)))
    piece = np.zeros(8)
    centre = np.zeros((n_columns, 2))
    bounds = np.zeros(n_windows + 1, dtype=np.int64)
    newest = np.zeros((n_columns, n_windows), dtype=np.int64)
    before = np.zeros((n_columns, n_windows), dtype=np.int64)
    # Comparisons with another window come after the copies, in the program's order.
    simple = 0
    while simple < n_specs and program[simple, 0] < COMPARED:
        simple += 1
    robust = np.any(program[:, 0] == ROBUST)
    for i in range(len(as_of)):
        machine, now = entity[i], as_of[i]
        if machine < 0:
            for j in range(n_specs):
                out[target[j], i] = NAN
            continue
        now_hours = now / HOUR
        first = offsets[machine]
        bounds[0] = after(event, first, offsets[machine + 1], now)
        for k in range(n_windows):
            bounds[k + 1] = after(event, first, bounds[k], now - windows[k])
        check = odd[bounds[0]] != odd[bounds[n_windows]]
        for c in range(n_columns):
            for k in range(n_windows):
                newest[c, k] = _piece(
                    values[c], hours, known_from, known_to, bounds[k + 1], bounds[k], now, now_hours, check, piece
                )
                for moment in range(8):
                    moments[c, k, moment] = moments[c, k - 1, moment] if k else 0.0
                _merge(moments[c, k], piece)
            _cells(c, moments, newest, before, values, event, now, windows, period, cells)
        for j in range(simple):
            out[target[j], i] = cells[program[j, 1], program[j, 2], program[j, 0]]
        if robust:
            for c in range(n_columns):
                _centre(values[c], known_from, known_to, bounds[n_windows], bounds[0], now, centre[c])
        for j in range(simple, n_specs):
            op, c, k, against = program[j]
            if op == ROBUST:
                row = before[c, k]
                spread = NORMAL * centre[c, 1]
                value = (values[c, row] - centre[c, 0]) / spread if row >= 0 and spread > 0.0 else NAN
            else:  # deviation
                spread = cells[c, against, 1]
                value = (cells[c, k, 0] - cells[c, against, 0]) / spread if spread > 0.0 else NAN
            out[target[j], i] = value


@inlined
def _cells(c, moments, newest, before, values, event, now, windows, period, cells):  # type: ignore[no-untyped-def]
    """One column's statistics of each window, at the places that WINDOW_OPS gives them, and the last row before each window."""
    row = -1
    for k in range(len(windows) - 1, -1, -1):
        before[c, k] = row
        row = newest[c, k] if newest[c, k] >= 0 else row
    for k in range(len(windows)):
        n = moments[c, k, 0]
        cells[c, k, 6] = max(0.0, 1.0 - n * period / (windows[k] / HOUR))  # missing
        if n == 0.0:
            for op in range(6):
                cells[c, k, op] = NAN
            for op in range(7, COMPARED):
                cells[c, k, op] = NAN
            continue
        cells[c, k, 0] = moments[c, k, 1]  # mean
        cells[c, k, 1] = np.sqrt(moments[c, k, 2] / (n - 1.0)) if n > 1.0 else NAN  # std
        cells[c, k, 2] = moments[c, k, 3]  # min
        cells[c, k, 3] = moments[c, k, 4]  # max
        cells[c, k, 4] = moments[c, k, 7] / moments[c, k, 6] if n > 1.0 and moments[c, k, 6] > 0.0 else NAN  # slope
        cells[c, k, 5] = values[c, row]  # last
        cells[c, k, 7] = values[c, row] - values[c, before[c, k]] if before[c, k] >= 0 else NAN  # difference
        cells[c, k, 8] = moments[c, k, 4] - moments[c, k, 3]  # range
        cells[c, k, 9] = (now - event[row]) / HOUR  # since_reading


@jit
def _centre(values, known_from, known_to, low, high, now, into):  # type: ignore[no-untyped-def]
    """Median and median absolute deviation of the visible numbers in rows [low, high); NaN without any."""
    seen = np.empty(high - low)
    n = 0
    for row in range(low, high):
        if known_from[row] <= now < known_to[row] and not np.isnan(values[row]):
            seen[n] = values[row]
            n += 1
    if n == 0:
        into[0] = into[1] = NAN
        return
    seen = np.sort(seen[:n])
    into[0] = 0.5 * (seen[(n - 1) // 2] + seen[n // 2])
    for place in range(n):
        seen[place] = abs(seen[place] - into[0])
    seen.sort()
    into[1] = 0.5 * (seen[(n - 1) // 2] + seen[n // 2])


@jit
def version_at(offsets, known_from, known_to, entity, as_of, row_of):  # type: ignore[no-untyped-def]
    """The row of a one-row-per-machine table that was known at each `as_of`, or -1."""
    for i in range(len(as_of)):
        row_of[i] = -1
        if entity[i] >= 0:
            for row in range(offsets[entity[i]], offsets[entity[i] + 1]):
                if known_from[row] <= as_of[i] < known_to[row]:
                    row_of[i] = row
