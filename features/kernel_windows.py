"""Kernel of regular readings: statistics over nested windows. The rules are those of `kernel`.

Time is cut into blocks of a fixed length since 1970, the same for every machine, moment and batch. A window is reduced from
its newest row to its oldest: whole blocks by the sums of their visible rows, and one by one the rows of a block that an edge
of some window cuts. The clock alone decides whether a block is cut, never rows, and a block's sums are kept only while none of
its rows comes or goes. So the order of additions, and with it every bit, depends on visible rows and on `as_of` alone.

Sums are taken about a number that is among those summed (a block's oldest, a window's newest), so that with n numbers the
variance keeps all but about log2(n) of a double's 53 bits, wherever the numbers lie; times are counted from `as_of`.
"""

import numpy as np

from features.kernel import HOUR, NAN, NEVER, inlined, jit, onward

# A program holds the position of an operation in this tuple.
WINDOW_OPS = (
    "mean", "std", "min", "max", "slope", "last", "missing", "difference", "range", "since_reading", "deviation", "robust",
)  # fmt: skip
# From here on a window is compared with another one.
COMPARED, ROBUST = 10, 11
# The standard deviation of a normal distribution in units of its median absolute deviation.
NORMAL = 1.4826
# Readings in a block when none is missing: few blocks and short ends of windows, about equally dear.
BLOCK_READINGS = 8
# Places in the sums: count, what the values are counted from, sums of value and time (microseconds), extremes; newest number
# and its time. In a block times count from its begin and "newest" is of the block; in a window from `as_of`, and of its outer
# part, beyond the next shorter window.
N, SHIFT, S1, S2, T1, T2, TX, LEAST, MOST, NEWEST, WHEN = range(11)


@jit
def window_stats(  # type: ignore[no-untyped-def]
    offsets, event, known_from, known_to, values, entity, as_of, windows, program, target, period, out
):
    """Statistics over nested windows (as_of - w, as_of] of regularly sampled columns.

    windows: int64[k] microseconds, ascending. period: hours between readings when none is missing.
    """
    n_windows, n_columns, n_specs = len(windows), len(values), len(program)
    most = 1
    for machine in range(len(offsets) - 1):
        most = max(most, offsets[machine + 1] - offsets[machine] + 1)
    span = max(np.int64(BLOCK_READINGS * period * HOUR), 1)
    # The blocks of one window follow one another, so none takes the slot of another one of the same window.
    slots = 1
    while slots < min(windows[-1] // span + 2, most):
        slots *= 2
    blocks = np.zeros((slots, n_columns, 11))
    held = np.zeros((slots, 3), dtype=np.int64)
    begins, origins = np.zeros(most, dtype=np.int64), np.zeros(most, dtype=np.int64)
    steps, ago = np.zeros(most, dtype=np.int64), np.zeros(most)
    ends = np.zeros(n_windows, dtype=np.int64)
    bounds = np.zeros(n_windows + 1, dtype=np.int64)
    sums = np.zeros((11, n_columns * n_windows))
    cells = np.zeros((COMPARED, n_columns * n_windows))
    flat = cells.reshape(-1)
    centre = np.zeros((n_columns, 2))
    share = np.zeros(n_columns * n_windows)
    for c in range(n_columns):
        share[c * n_windows : (c + 1) * n_windows] = period * HOUR / windows
    place = program[:, 1] * n_windows + program[:, 2]
    against = program[:, 1] * n_windows + program[:, 3]
    read = program[:, 0] * n_columns * n_windows + place
    # Comparisons with another window come after the copies, in the program's order.
    simple = np.searchsorted(program[:, 0], COMPARED)
    # A kind has one past, which may be shorter than its longest window; -1: nothing is compared with a median.
    past = -1
    for j in range(simple, n_specs):
        if program[j, 0] == ROBUST:
            past = program[j, 3]
    walked, n_blocks, block = -1, 0, 0
    for i in range(len(as_of)):
        machine, now = entity[i], as_of[i]
        if machine < 0:
            for j in range(n_specs):
                out[target[j], i] = NAN
            continue
        first, stop = offsets[machine], offsets[machine + 1]
        if machine != walked:
            n_blocks = _cut(event, first, stop, span, begins, origins)
            held[:, 0] = -1
            walked, block = machine, 0
        bounds[0] = onward(event, first, stop, now, bounds[0])
        for k in range(n_windows):
            bounds[k + 1] = onward(event, first, bounds[k], now - windows[k], bounds[k + 1])
        block = onward(begins, 0, n_blocks, bounds[0] - 1, block)
        _walk(
            event, known_from, known_to, values, now, windows, bounds, block - 1, span, begins, origins, stop, blocks, held,
            steps, ago, ends,
        )  # fmt: skip
        for c in range(n_columns):
            _sum(values[c], blocks, c, steps, ago, ends, sums)
        _cells(sums, n_windows, share, cells)
        for j in range(simple):
            out[target[j], i] = flat[read[j]]
        if past >= 0:
            for c in range(n_columns):
                _centre(values[c], known_from, known_to, bounds[past + 1], bounds[0], now, centre[c])
        for j in range(simple, n_specs):
            if program[j, 0] == ROBUST:
                value = (sums[NEWEST, place[j]] - centre[program[j, 1], 0]) / (NORMAL * centre[program[j, 1], 1])
            else:  # deviation
                value = (cells[0, place[j]] - cells[0, against[j]]) / cells[1, against[j]]
            # Zero spread says nothing.
            out[target[j], i] = value if np.isfinite(value) else NAN


@inlined
def _cut(event, first, stop, span, begins, origins):  # type: ignore[no-untyped-def]
    """The blocks of a machine that have rows: first row and begin of each; their number."""
    n = 0
    for row in range(first, stop):
        if n == 0 or event[row] >= origins[n - 1] + span:
            begins[n] = row
            origins[n] = event[row] // span * span
            n += 1
    return n


@inlined
def _walk(  # type: ignore[no-untyped-def]
    event, known_from, known_to, values, now, windows, bounds, block, span, begins, origins, stop, blocks, held,
    steps, ago, ends,
):  # fmt: skip
    """What the windows are made of, from the newest to the oldest: visible rows, or ~slot of a whole block.

    block: that of the newest row. ends: how many steps each window takes. ago: time of each row or block less `now`.
    """
    n = 0
    row = bounds[0]
    late = now
    for k in range(len(windows)):
        early = now - windows[k]
        while row > bounds[k + 1]:
            begin, origin = begins[block], origins[block]
            if origin > early and origin + span <= late + 1:
                slot = block & (len(held) - 1)
                if held[slot, 0] != block or now < held[slot, 1] or now >= held[slot, 2]:
                    held[slot, 0] = block
                    _hold(event, known_from, known_to, values, begin, row, origin, now, held[slot], blocks[slot])
                steps[n] = ~slot
                ago[n] = origin - now
                n += 1
                row = begin
            else:
                for one in range(row - 1, max(begin, bounds[k + 1]) - 1, -1):
                    if known_from[one] <= now < known_to[one]:
                        steps[n] = one
                        ago[n] = event[one] - now
                        n += 1
                row = max(begin, bounds[k + 1])
            if row == begin:
                block -= 1
        ends[k] = n
        late = early


@jit
def _hold(event, known_from, known_to, values, begin, end, origin, now, held, into):  # type: ignore[no-untyped-def]
    """Sums over the visible rows of a block for each column, and the span of knowledge time in which they stand."""
    since, until = np.int64(-NEVER), np.int64(NEVER)
    for row in range(begin, end):
        for moment in (known_from[row], known_to[row]):
            if moment <= now:
                since = max(since, moment)
            else:
                until = min(until, moment)
    held[1], held[2] = since, until
    for c in range(len(values)):
        n = shift = s1 = s2 = t1 = t2 = tx = newest = when = 0.0
        least, most = np.inf, -np.inf
        for row in range(begin, end):
            x = values[c, row]
            if not (known_from[row] <= now < known_to[row]) or np.isnan(x):
                continue
            if n == 0.0:
                shift = x
            d = x - shift
            t = float(event[row] - origin)
            n += 1.0
            s1 += d
            s2 += d * d
            t1 += t
            t2 += t * t
            tx += t * d
            least = x if x < least else least
            most = x if x > most else most
            newest, when = x, t
        into[c, N], into[c, SHIFT], into[c, S1], into[c, S2] = n, shift, s1, s2
        into[c, T1], into[c, T2], into[c, TX] = t1, t2, tx
        into[c, LEAST], into[c, MOST], into[c, NEWEST], into[c, WHEN] = least, most, newest, when


@inlined
def _sum(values, blocks, c, steps, ago, ends, sums):  # type: ignore[no-untyped-def]
    """One column's sums over each window, the longer ones going on from the shorter, about the newest number of all."""
    n = shift = s1 = s2 = t1 = t2 = tx = 0.0
    least, most = np.inf, -np.inf
    j = 0
    for k in range(len(ends)):
        before, newest, when = n, NAN, NAN
        while j < ends[k]:
            step, t = steps[j], ago[j]
            j += 1
            if step >= 0:
                x = values[step]
                if np.isnan(x):
                    continue
                if n == before:
                    newest, when = x, t
                    shift = x if n == 0.0 else shift
                d = x - shift
                n += 1.0
                s1 += d
                s2 += d * d
                t1 += t
                t2 += t * t
                tx += t * d
                least = x if x < least else least
                most = x if x > most else most
            else:
                part = blocks[~step, c]
                m = part[N]
                if m == 0.0:
                    continue
                if n == before:
                    newest, when = part[NEWEST], t + part[WHEN]
                    shift = newest if n == 0.0 else shift
                d = part[SHIFT] - shift
                n += m
                s1 += part[S1] + m * d
                s2 += part[S2] + d * (2.0 * part[S1] + m * d)
                t1 += part[T1] + m * t
                t2 += part[T2] + t * (2.0 * part[T1] + m * t)
                tx += part[TX] + t * part[S1] + d * (part[T1] + m * t)
                least = min(least, part[LEAST])
                most = max(most, part[MOST])
        q = c * len(ends) + k
        sums[N, q], sums[SHIFT, q], sums[S1, q], sums[S2, q] = n, shift, s1, s2
        sums[T1, q], sums[T2, q], sums[TX, q] = t1, t2, tx
        sums[LEAST, q], sums[MOST, q], sums[NEWEST, q], sums[WHEN, q] = least, most, newest, when


@inlined
def _cells(sums, n_windows, share, cells):  # type: ignore[no-untyped-def]
    """The statistics of each column and window, at the places that WINDOW_OPS gives them; in short loops, done four at a time.

    sums[NEWEST] goes in as that of a window's outer part and comes out as the last number before the window.
    """
    for q in range(sums.shape[1]):
        n = sums[N, q]
        mean = sums[S1, q] / n
        cells[0, q] = sums[SHIFT, q] + mean
        spread = (sums[S2, q] - sums[S1, q] * mean) / (n - 1.0)
        cells[1, q] = np.sqrt(max(spread, 0.0)) if n > 1.0 else NAN
    for q in range(sums.shape[1]):
        n = sums[N, q]
        cells[2, q] = sums[LEAST, q] if n > 0.0 else NAN
        cells[3, q] = sums[MOST, q] if n > 0.0 else NAN
        cells[8, q] = sums[MOST, q] - sums[LEAST, q] if n > 0.0 else NAN  # range
        cells[6, q] = max(0.0, 1.0 - n * share[q])  # missing
    for q in range(sums.shape[1]):
        n = sums[N, q]
        mean = sums[T1, q] / n
        times = sums[T2, q] - sums[T1, q] * mean
        cells[4, q] = (sums[TX, q] - sums[S1, q] * mean) / times * HOUR if n > 1.0 and times > 0.0 else NAN  # slope
    for begin in range(0, sums.shape[1], n_windows):
        last, when = NAN, NAN
        for q in range(begin, begin + n_windows):
            if np.isnan(last):
                last, when = sums[NEWEST, q], sums[WHEN, q]
            cells[5, q] = last
            cells[9, q] = -when / HOUR  # since_reading
        older = NAN
        for q in range(begin + n_windows - 1, begin - 1, -1):
            before = older
            older = older if np.isnan(sums[NEWEST, q]) else sums[NEWEST, q]
            sums[NEWEST, q] = before
            cells[7, q] = cells[5, q] - before  # difference


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
