"""Kernel of coded events: counts over windows, times since, and the rhythm of visits. The rules are those of `kernel`."""

import numpy as np

from features.kernel import HOUR, NAN, inlined, jit, onward, places_of, put, stands_until

POINT_OPS = ("count", "since", "since_first", "youngest", "oldest", "gap", "to_next", "since_at_next")
# The rhythm of a series is the commonest of at most this many of its latest gaps; gaps this close to one another are like.
GAPS = 12
LIKE = 0.05


@jit
def point_stats(  # type: ignore[no-untyped-def]
    offsets, event, known_from, known_to, codes, entity, as_of, windows, n_codes, program, target, out
):
    """Counts over nested windows and times since of coded events. Column n_codes stands for any code, declared or not.

    From one observation to the next only the rows that entered or left a window are looked at. Counts and moments are whole
    numbers, so that it shows nowhere in what order they were added.
    """
    n_windows, n_specs = len(windows), len(program)
    rhythmic = np.any(program[:, 0] >= 5)
    gaps = np.zeros(GAPS)
    rhythm = NAN
    counts = np.zeros((n_codes + 1, n_windows))
    cells = counts.reshape(-1)
    # Counts come first in a program, to be copied.
    read = (program[:, 1] * n_windows + program[:, 2]).astype(np.uint64)
    flat, to = out.reshape(-1), places_of(target, out)
    counted, told = np.searchsorted(program[:, 0], 1), np.searchsorted(program[:, 0], 2)
    newest = np.zeros(n_codes + 1)
    oldest = np.zeros(n_codes + 1)
    bounds = np.zeros(n_windows + 1, dtype=np.int64)
    past = np.zeros(n_windows + 1, dtype=np.int64)
    walked, then, until = -1, np.int64(0), np.int64(0)
    for i in range(len(as_of)):
        machine, now = entity[i], as_of[i]
        if machine < 0:
            for j in range(n_specs):
                out[target[j], i] = NAN
            continue
        first, stop = offsets[machine], offsets[machine + 1]
        for k in range(n_windows + 1):
            past[k] = bounds[k]
        bounds[0] = onward(event, first, stop, now, bounds[0])
        for k in range(n_windows):
            bounds[k + 1] = onward(event, first, bounds[k], now - windows[k], bounds[k + 1])
        if machine != walked or now < then or now >= until:
            until = stands_until(event, known_from, known_to, first, stop, now)
            counts[:] = 0.0
            newest[:] = NAN
            oldest[:] = NAN
            past[:] = first
            walked = machine
        then = now
        seen = _enter(event, known_from, known_to, codes, past[0], bounds, now, n_codes, counts, newest, oldest)
        _leave(known_from, known_to, codes, past, bounds, now, n_codes, counts)
        if rhythmic and (seen or past[0] == first):
            rhythm = _rhythm(event, known_from, known_to, first, bounds[0], now, gaps)
        put(cells, read, counted, flat, to, i)
        for j in range(counted, told):  # since
            out[target[j], i] = (now - newest[program[j, 1]]) / HOUR
        ahead = rhythm - (now - newest[n_codes]) / HOUR % rhythm if rhythmic else NAN
        for j in range(told, n_specs):
            out[target[j], i] = _point_value(program[j, 0], program[j, 1], now, newest, oldest, n_codes, rhythm, ahead)


@inlined
def _enter(  # type: ignore[no-untyped-def]
    event, known_from, known_to, codes, since, bounds, now, n_codes, counts, newest, oldest
):
    """Count the visible rows from `since` on in the windows that hold them; whether there are any."""
    n_windows = counts.shape[1]
    any_seen = False
    k = n_windows - 1
    for row in range(since, bounds[0]):
        while k >= 0 and row >= bounds[k + 1]:
            k -= 1
        if not (known_from[row] <= now < known_to[row]):
            continue
        any_seen = True
        for slot in (np.int64(codes[row]), n_codes):
            if slot < 0:
                continue
            newest[slot] = event[row]
            if np.isnan(oldest[slot]):
                oldest[slot] = event[row]
            for w in range(k + 1, n_windows):
                counts[slot, w] += 1.0
    return any_seen


@inlined
def _leave(known_from, known_to, codes, past, bounds, now, n_codes, counts):  # type: ignore[no-untyped-def]
    """Take the rows out of the counts that have left a window since it stood at `past`."""
    for k in range(counts.shape[1]):
        for row in range(past[k + 1], min(bounds[k + 1], past[0])):
            if known_from[row] <= now < known_to[row]:
                if codes[row] >= 0:
                    counts[codes[row], k] -= 1.0
                counts[n_codes, k] -= 1.0


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
def _point_value(op, c, now, newest, oldest, n_codes, rhythm, ahead):  # type: ignore[no-untyped-def]
    """ahead: hours to the next visit by the rhythm."""
    if op == 2:  # since_first
        return (now - oldest[c]) / HOUR
    if op >= 5:
        if op == 5:  # gap
            return rhythm
        return ahead if op == 6 else ahead + (now - newest[c]) / HOUR  # to_next, since_at_next
    best = NAN  # youngest, oldest: over the declared codes
    for code in range(n_codes):
        age = (now - newest[code]) / HOUR
        if np.isnan(best) or (op == 3 and age < best) or (op == 4 and age > best):
            best = age
    return best
