"""Kernel of coded events: counts over windows, times since, and the rhythm of visits. The rules are those of `kernel`."""

import numpy as np

from features.kernel import HOUR, NAN, after, inlined, jit

POINT_OPS = ("count", "since", "since_first", "youngest", "oldest", "gap", "to_next", "since_at_next")
# The rhythm of a series is the commonest of at most this many of its latest gaps; gaps this close to one another are like.
GAPS = 12
LIKE = 0.05


@jit
def point_stats(  # type: ignore[no-untyped-def]
    offsets, event, known_from, known_to, odd, codes, entity, as_of, windows, n_codes, program, target, out
):
    """Counts over nested windows and times since of coded events. Column n_codes stands for any code, declared or not."""
    n_windows, n_specs = len(windows), len(program)
    rhythmic = np.any(program[:, 0] >= 5)
    gaps = np.zeros(GAPS)
    rhythm = NAN
    counts = np.zeros((n_codes + 1, n_windows))
    newest = np.zeros(n_codes + 1)
    oldest = np.zeros(n_codes + 1)
    bounds = np.full(n_windows + 1, -1, dtype=np.int64)
    walked = -1
    for i in range(len(as_of)):
        machine, now = entity[i], as_of[i]
        if machine < 0:
            for j in range(n_specs):
                out[target[j], i] = NAN
            continue
        first = offsets[machine]
        end = after(event, first, offsets[machine + 1], now)
        # As long as no row enters or leaves a window, and none is late or corrected, the counts stand.
        same = machine == walked and end == bounds[0] and odd[end] == odd[first]
        bounds[0] = end
        for k in range(n_windows):
            bound = after(event, first, bounds[k], now - windows[k])
            same = same and bound == bounds[k + 1]
            bounds[k + 1] = bound
        if not same:
            _count(event, known_from, known_to, codes, first, bounds, now, n_codes, counts, newest, oldest)
            if rhythmic:
                rhythm = _rhythm(event, known_from, known_to, first, end, now, gaps)
            walked = machine
        for j in range(n_specs):
            op, c, k, _ = program[j]
            out[target[j], i] = _point_value(op, c, k, now, counts, newest, oldest, n_codes, rhythm)


@inlined
def _count(  # type: ignore[no-untyped-def]
    event, known_from, known_to, codes, first, bounds, now, n_codes, counts, newest, oldest
):
    """Per code and for all: rows in each window, the newest and the oldest moment. Windows are entered longest first."""
    n_windows = counts.shape[1]
    counts[:] = 0.0
    newest[:] = NAN
    oldest[:] = NAN
    k = n_windows - 1
    for row in range(first, bounds[0]):
        while k >= 0 and row >= bounds[k + 1]:
            k -= 1
        if not (known_from[row] <= now < known_to[row]):
            continue
        for slot in (np.int64(codes[row]), n_codes):
            if slot < 0:
                continue
            newest[slot] = event[row]
            if np.isnan(oldest[slot]):
                oldest[slot] = event[row]
            for w in range(k + 1, n_windows):
                counts[slot, w] += 1.0


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
