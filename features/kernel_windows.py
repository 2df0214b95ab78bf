"""Kernel of regular readings: statistics over nested windows. The rules are those of `kernel`.

Time is cut into blocks of fixed lengths since 1970 (leaves, and trunks of several), the same for every machine, moment and
batch. A window is reduced from its newest row to its oldest: whole blocks by the sums of their visible rows (`kernel_sums`),
and one by one the rows of a leaf that an edge of some window cuts. The clock alone decides what is cut, never rows, and a
block's sums are kept only while none of its rows comes or goes. So the order of additions, and with it every bit, depends on
visible rows and on `as_of` alone.
"""

import numpy as np

from features.kernel import HOUR, NAN, NEVER, inlined, jit, most_rows, onward, places_of, put
from features.kernel_sums import NEWEST, SUMS, hold, sum_up, tell
from features.lanes import LANES, side_by_side, width_of

# A program holds the position of an operation in this tuple.
WINDOW_OPS = (
    "mean", "std", "min", "max", "slope", "last", "missing", "difference", "range", "since_reading", "deviation", "robust",
)  # fmt: skip
# From here on a window is compared with another one.
COMPARED, ROBUST = 10, 11
# The standard deviation of a normal distribution in units of its median absolute deviation.
NORMAL = 1.4826
# Readings in a leaf when none is missing, leaves in a trunk. Windows and times of observation are multiples of three hours as a
# rule: then no edge cuts a leaf of hourly readings.
LEAF_READINGS, TRUNK_LEAVES = 3, 8


@jit
def window_stats(  # type: ignore[no-untyped-def]
    offsets, event, known_from, known_to, values, entity, as_of, windows, program, target, period, out
):
    """Statistics over nested windows (as_of - w, as_of] of regularly sampled columns.

    windows: int64[k] microseconds, ascending. period: hours between readings when none is missing.
    """
    n_windows, n_columns, n_specs = len(windows), len(values), len(program)
    width = width_of(n_columns)
    most = most_rows(offsets) + 1
    leaf_span = np.int64(max(LEAF_READINGS * period * HOUR, 1.0))
    spans = np.array([leaf_span, leaf_span * TRUNK_LEAVES])
    slots = np.ones(2, dtype=np.int64)
    for level in range(2):
        # The blocks of one window follow one another, so none takes the slot of another one of the same window.
        while slots[level] < min(windows[-1] // spans[level] + 2, most):
            slots[level] *= 2
    blocks = np.zeros(slots.sum() * SUMS * width)
    held = np.zeros((slots.sum(), 3), dtype=np.int64)
    # Of each leaf with rows: first row, begin in time, number of its trunk; of each trunk its first leaf and begin in time.
    begins, origins, trunks, leaves, roots = np.zeros((5, most), dtype=np.int64)
    steps, ago = np.zeros(most, dtype=np.int64), np.zeros(most)
    ends = np.zeros(n_windows, dtype=np.int64)
    bounds = np.zeros(n_windows + 1, dtype=np.int64)
    numbers = np.full(most * width, NAN)
    sums = np.zeros(SUMS * n_windows * width)
    cells = np.zeros(COMPARED * n_windows * width)
    centre = np.zeros((n_columns, 2))
    place = program[:, 2] * width + program[:, 1]
    against = program[:, 3] * width + program[:, 1]
    read = (program[:, 0] * n_windows * width + place).astype(np.uint64)
    flat, to = out.reshape(-1), places_of(target, out)
    std = n_windows * width
    # Comparisons with another window come after the copies, in the program's order.
    simple = np.searchsorted(program[:, 0], COMPARED)
    # A kind has one past, which may be shorter than its longest window; -1: nothing is compared with a median.
    past = -1
    for j in range(simple, n_specs):
        if program[j, 0] == ROBUST:
            past = program[j, 3]
    walked, low, n_leaves, leaf = -1, 0, 0, 0
    for i in range(len(as_of)):
        machine, now = entity[i], as_of[i]
        if machine < 0:
            for j in range(n_specs):
                out[target[j], i] = NAN
            continue
        first, stop = offsets[machine], offsets[machine + 1]
        bounds[0] = onward(event, first, stop, now, bounds[0])
        for k in range(n_windows):
            bounds[k + 1] = onward(event, first, bounds[k], now - windows[k], bounds[k + 1])
        if machine != walked or bounds[n_windows] < low:
            # Of observations in order the first one looks back farthest.
            low = first if machine == walked else bounds[n_windows]
            side_by_side(values, low, stop, width, numbers)
            n_leaves = _cut(event, low, stop, spans, begins, origins, trunks, leaves, roots)
            held[:, 0] = -1
            walked, leaf = machine, 0
        leaf = onward(begins, 0, n_leaves, bounds[0] - 1, leaf)
        _walk(
            event, known_from, known_to, now, windows, bounds, leaf - 1, spans, begins, origins, trunks, leaves, roots,
            numbers, low, width, slots, blocks, held, steps, ago, ends,
        )  # fmt: skip
        for c in range(0, width, LANES):
            sum_up(numbers, blocks, low, width, c, steps, ago, ends, sums)
            tell(sums, period * HOUR, windows, width, c, cells)
        put(cells, read, simple, flat, to, i)
        if past >= 0:
            for c in range(n_columns):
                _centre(values[c], known_from, known_to, bounds[past + 1], bounds[0], now, centre[c])
        for j in range(simple, n_specs):
            if program[j, 0] == ROBUST:
                value = (sums[NEWEST * std + place[j]] - centre[program[j, 1], 0]) / (NORMAL * centre[program[j, 1], 1])
            else:  # deviation
                value = (cells[place[j]] - cells[against[j]]) / cells[std + against[j]]
            # Zero spread says nothing.
            out[target[j], i] = value if np.isfinite(value) else NAN


@inlined
def _cut(event, low, stop, spans, begins, origins, trunks, leaves, roots):  # type: ignore[no-untyped-def]
    """The leaves of rows [low, stop) that have rows, and their trunks; the number of leaves."""
    n, trunk = 0, -1
    end = end_of_trunk = np.int64(-NEVER)
    for row in range(low, stop):
        moment = event[row]
        if n == 0 or moment >= end:
            begins[n] = row
            origins[n] = moment // spans[0] * spans[0]
            end = origins[n] + spans[0]
            if n == 0 or moment >= end_of_trunk:
                trunk += 1
                leaves[trunk] = n
                roots[trunk] = moment // spans[1] * spans[1]
                end_of_trunk = roots[trunk] + spans[1]
            trunks[n] = trunk
            n += 1
    return n


@inlined
def _walk(  # type: ignore[no-untyped-def]
    event, known_from, known_to, now, windows, bounds, leaf, spans, begins, origins, trunks, leaves, roots,
    numbers, low, width, slots, blocks, held, steps, ago, ends,
):  # fmt: skip
    """What the windows are made of, from the newest to the oldest: visible rows, or ~slot of a whole block.

    leaf: that of the newest row. ends: how many steps each window takes. ago: time of each row or block less `now`.
    """
    n = 0
    row = bounds[0]
    late = now
    for k in range(len(windows)):
        early = now - windows[k]
        while row > bounds[k + 1]:
            origin = origins[leaf]
            if origin > early and origin + spans[0] <= late + 1:
                block, slot, begin = leaf, leaf & (slots[0] - 1), leaf
                trunk = trunks[leaf]
                if roots[trunk] > early and roots[trunk] + spans[1] <= late + 1:
                    block, origin, begin = trunk, roots[trunk], leaves[trunk]
                    slot = slots[0] + (block & (slots[1] - 1))
                if held[slot, 0] != block or now < held[slot, 1] or now >= held[slot, 2]:
                    held[slot, 0] = block
                    hold(
                        event, known_from, known_to, numbers, begins[begin], row, low, width, origin, now, held[slot],
                        blocks, slot * SUMS * width,
                    )  # fmt: skip
                steps[n] = ~slot
                ago[n] = origin - now
                n += 1
                row = begins[begin]
                leaf = begin - 1
            else:
                begin = begins[leaf]
                for one in range(row - 1, max(begin, bounds[k + 1]) - 1, -1):
                    if known_from[one] <= now < known_to[one]:
                        steps[n] = one
                        ago[n] = event[one] - now
                        n += 1
                row = max(begin, bounds[k + 1])
                if row == begin:
                    leaf -= 1
        ends[k] = n
        late = early


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
