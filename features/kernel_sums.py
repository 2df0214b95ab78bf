"""Sums over readings, several columns at once: of whole blocks, of windows made of blocks and rows, and what they tell.

The part of `kernel_windows` that does the arithmetic. `numbers` holds a machine's rows from `low` on, `width` numbers each.
Sums are taken about a number that is among those summed (a block's oldest, a window's newest), so that with n numbers the
variance keeps all but about log2(n) of a double's 53 bits, wherever the numbers lie; times are counted from `as_of`.
"""

import numpy as np

from features.kernel import HOUR, NAN, NEVER, inlined, jit
from features.lanes import LANES, choose, every, load, root, store

# Places in the sums: count, what the values are counted from, sums of value and time (microseconds), extremes; newest number
# and its time. In a block times count from its begin and "newest" is of the block; in a window from `as_of`, and of its outer
# part, beyond the next shorter window.
SUMS = 11
N, SHIFT, S1, S2, T1, T2, TX, LEAST, MOST, NEWEST, WHEN = range(SUMS)


@jit
def hold(  # type: ignore[no-untyped-def]
    event, known_from, known_to, numbers, begin, end, low, width, origin, now, held, blocks, at
):
    """Sums over the visible rows of a block for each column, and the span of knowledge time in which they stand."""
    since, until = np.int64(-NEVER), np.int64(NEVER)
    for row in range(begin, end):
        for moment in (known_from[row], known_to[row]):
            if moment <= now:
                since = max(since, moment)
            else:
                until = min(until, moment)
    held[1], held[2] = since, until
    zero, one = every(0.0), every(1.0)
    for c in range(0, width, LANES):
        n = shift = s1 = s2 = t1 = t2 = tx = newest = when = zero
        least, most = every(np.inf), every(-np.inf)
        for row in range(begin, end):
            if not (known_from[row] <= now < known_to[row]):
                continue
            x = load(numbers, (row - low) * width + c)
            there = x == x
            t = every(float(event[row] - origin))
            shift = choose(there & (n == zero), x, shift)
            d = choose(there, x - shift, zero)
            m = choose(there, one, zero)
            n += m
            s1 += d
            s2 += d * d
            t1 += m * t
            t2 += m * (t * t)
            tx += t * d
            least = choose(x < least, x, least)
            most = choose(x > most, x, most)
            newest = choose(there, x, newest)
            when = choose(there, t, when)
        to = at + c
        store(blocks, to + N * width, n)
        store(blocks, to + SHIFT * width, shift)
        store(blocks, to + S1 * width, s1)
        store(blocks, to + S2 * width, s2)
        store(blocks, to + T1 * width, t1)
        store(blocks, to + T2 * width, t2)
        store(blocks, to + TX * width, tx)
        store(blocks, to + LEAST * width, least)
        store(blocks, to + MOST * width, most)
        store(blocks, to + NEWEST * width, newest)
        store(blocks, to + WHEN * width, when)


@inlined
def sum_up(numbers, blocks, low, width, c, steps, ago, ends, sums):  # type: ignore[no-untyped-def]
    """Some columns' sums over each window, the longer ones going on from the shorter, about the newest number of all."""
    zero, one, two, nan = every(0.0), every(1.0), every(2.0), every(NAN)
    n = shift = s1 = s2 = t1 = t2 = tx = zero
    least, most = every(np.inf), every(-np.inf)
    j = 0
    for k in range(len(ends)):
        before = n
        newest = when = nan
        while j < ends[k]:
            step, t = steps[j], every(ago[j])
            j += 1
            if step >= 0:
                x = load(numbers, (step - low) * width + c)
                there = x == x
                first = there & (n == before)
                newest = choose(first, x, newest)
                when = choose(first, t, when)
                shift = choose(first & (n == zero), x, shift)
                d = choose(there, x - shift, zero)
                m = choose(there, one, zero)
                n += m
                s1 += d
                s2 += d * d
                t1 += m * t
                t2 += m * (t * t)
                tx += t * d
                least = choose(x < least, x, least)
                most = choose(x > most, x, most)
            else:
                at = ~step * SUMS * width + c
                m = load(blocks, at + N * width)
                first = (m > zero) & (n == before)
                last = load(blocks, at + NEWEST * width)
                newest = choose(first, last, newest)
                when = choose(first, t + load(blocks, at + WHEN * width), when)
                shift = choose(first & (n == zero), last, shift)
                # Without a number all sums of a block are 0, and so is what they add.
                d = load(blocks, at + SHIFT * width) - shift
                own, moments = load(blocks, at + S1 * width), load(blocks, at + T1 * width)
                md, mt = m * d, m * t
                n += m
                s1 += own + md
                s2 += load(blocks, at + S2 * width) + d * (two * own + md)
                t1 += moments + mt
                t2 += load(blocks, at + T2 * width) + t * (two * moments + mt)
                tx += load(blocks, at + TX * width) + t * own + d * (moments + mt)
                low_, high = load(blocks, at + LEAST * width), load(blocks, at + MOST * width)
                least = choose(low_ < least, low_, least)
                most = choose(high > most, high, most)
        at, size = k * width + c, len(ends) * width
        store(sums, at + N * size, n)
        store(sums, at + SHIFT * size, shift)
        store(sums, at + S1 * size, s1)
        store(sums, at + S2 * size, s2)
        store(sums, at + T1 * size, t1)
        store(sums, at + T2 * size, t2)
        store(sums, at + TX * size, tx)
        store(sums, at + LEAST * size, least)
        store(sums, at + MOST * size, most)
        store(sums, at + NEWEST * size, newest)
        store(sums, at + WHEN * size, when)


@inlined
def tell(sums, period, windows, width, c, cells):  # type: ignore[no-untyped-def]
    """The statistics of some columns over each window, at the places that WINDOW_OPS gives them. period: microseconds.

    sums[NEWEST] goes in as that of a window's outer part and comes out as the last number before the window.
    """
    size = len(windows) * width
    zero, one, nan, hour = every(0.0), every(1.0), every(NAN), every(HOUR)
    last = when = nan
    for k in range(len(windows)):
        at = k * width + c
        n, s1, t1 = load(sums, at + N * size), load(sums, at + S1 * size), load(sums, at + T1 * size)
        some, more = n > zero, n > one
        mean = s1 / n
        store(cells, at, load(sums, at + SHIFT * size) + mean)
        spread = (load(sums, at + S2 * size) - s1 * mean) / (n - one)
        store(cells, at + size, choose(more, root(choose(spread > zero, spread, zero)), nan))
        least, most = load(sums, at + LEAST * size), load(sums, at + MOST * size)
        store(cells, at + 2 * size, choose(some, least, nan))
        store(cells, at + 3 * size, choose(some, most, nan))
        store(cells, at + 8 * size, choose(some, most - least, nan))  # range
        times = load(sums, at + T2 * size) - t1 * (t1 / n)
        slope = (load(sums, at + TX * size) - t1 * mean) / times * hour
        store(cells, at + 4 * size, choose(more & (times > zero), slope, nan))
        missing = one - n * every(period / windows[k])
        store(cells, at + 6 * size, choose(missing > zero, missing, zero))
        unknown = last != last
        last = choose(unknown, load(sums, at + NEWEST * size), last)
        when = choose(unknown, load(sums, at + WHEN * size), when)
        store(cells, at + 5 * size, last)
        store(cells, at + 9 * size, (zero - when) / hour)  # since_reading
    older = nan
    for k in range(len(windows) - 1, -1, -1):
        at = k * width + c
        newest = load(sums, at + NEWEST * size)
        store(sums, at + NEWEST * size, older)
        store(cells, at + 7 * size, load(cells, at + 5 * size) - older)  # difference
        older = choose(newest != newest, older, newest)
