"""Kernel of sensors at equal load: what a reading says beyond what load and ambient temperature explain; rules of `kernel`.

A reading counts where the load and the ambient temperature at its time are known: the states of `kernel_states`, as known at
`as_of`; one that the kind does not keep is left out. Day D is (D - 24 h, D], D at 00:00 UTC. The effects of load and
temperature on a sensor are the ridge regression of its readings in the machine's longest past, (as_of - P, as_of], on both,
everything counted from its mean over the same day: wear, offset and season move days, duty moves hours. z is the reading less
load times its effect and less temperature times its effect.

equal_mean        mean of z over a window, put back to the rated load and 20 °C
equal_std         standard deviation of z over a window (n - 1)
equal_deviation   mean of z over a window less that over one of the machine's pasts

Days are the blocks of `kernel_windows`: the clock alone decides which of them the edge of a window or of the past cuts. A whole
day's sums are kept until one of its rows, or of the states that stood over it, comes or goes.
"""

import numpy as np

from features.kernel import HOUR, NAN, NEVER, inlined, jit, onward

EQUAL_OPS = ("equal_mean", "equal_std", "equal_deviation")
MEAN, STD = 0, 1
DAY = np.int64(24 * HOUR)
# Sums of squares of load and of temperature (in K) within days at which an effect is half believed.
RIDGE_LOAD, RIDGE_AMBIENT = 0.5, 50.0
RATED_LOAD, MILD_C = 1.0, 20.0
# A day's sums of a sensor: count, means of reading, load and temperature, sums of products about these means.
N, MY, MU, MV, YY, UU, VV, UV, UY, VY = range(10)


@jit
def equal_stats(  # type: ignore[no-untyped-def]
    offsets, event, known_from, known_to, values,
    l_offsets, l_event, l_from, l_to, load, a_offsets, a_event, a_from, a_to, ambient, kept,
    entity, as_of, past, windows, program, target, out,
):  # fmt: skip
    """Sensors at equal load at each `as_of`.

    load, ambient: float64[rows] of the tables that hold them; kept: bool[2], whether the kind keeps them. past: microseconds
    from which the effects are told. windows: int64[k] microseconds, ascending, none longer than `past`.
    """
    n_columns, n_specs = len(values), len(program)
    rows, days = _sizes(offsets, event)
    sums = np.zeros((days, n_columns, 10))
    held = np.zeros((days, 2), dtype=np.int64)
    begins, ends = np.zeros(days + 1, dtype=np.int64), np.zeros(days, dtype=np.int64)
    states = np.zeros((2, rows))
    span = np.zeros(2, dtype=np.int64)
    effects = np.zeros((n_columns, 2))
    cells = np.zeros((n_columns, len(windows), 2))
    wanted = np.zeros(n_columns, dtype=np.bool_)
    for j in range(n_specs):
        wanted[program[j, 1]] = True
    walked, n_days, high = -1, 0, 0
    for i in range(len(as_of)):
        machine, now = entity[i], as_of[i]
        if machine < 0:
            for j in range(n_specs):
                out[target[j], i] = NAN
            continue
        first, stop = offsets[machine], offsets[machine + 1]
        if machine != walked:
            n_days = _cut(event, first, stop, begins, ends)
            held[:, 1] = -NEVER
            walked = machine
        early = now - past
        high = onward(event, first, stop, now, high)
        low = onward(event, first, high, early, first)
        oldest = onward(ends, 0, n_days, early, 0)
        newest = onward(ends, 0, n_days, now - 1, oldest)
        newest = newest if newest < n_days and begins[newest] < high else newest - 1
        for day in range(oldest, newest + 1):
            whole = ends[day] - DAY >= early and ends[day] <= now
            if whole and held[day, 0] <= now < held[day, 1]:
                continue
            begin, end = max(begins[day], low), min(begins[day + 1], high)
            span[0], span[1] = -NEVER, NEVER
            if kept[0]:
                _states(event, begin, end, l_offsets, l_event, l_from, l_to, load, machine, now, states[0], first, span)
            if kept[1]:
                _states(event, begin, end, a_offsets, a_event, a_from, a_to, ambient, machine, now, states[1], first, span)
            _sum(event, known_from, known_to, values, begin, end, now, states, first, sums[day], span)
            # Of a cut day nothing is kept, not even its states, which are those of this moment.
            held[day, 0], held[day, 1] = span[0], span[1] if whole else -NEVER
        for c in range(n_columns):
            if wanted[c]:
                _tell(sums, c, oldest, newest, effects[c])
                _walk(
                    event, known_from, known_to, values[c], now, early, windows, begins, ends, low, high, oldest, newest, sums,
                    c, states, first, effects[c], cells[c],
                )  # fmt: skip
        for j in range(n_specs):
            op, c, k, against = program[j]
            value = cells[c, k, STD if op == 1 else MEAN]
            if op == 0:
                value += effects[c, 0] * RATED_LOAD * kept[0] + effects[c, 1] * MILD_C * kept[1]
            elif op == 2:
                value -= cells[c, against, MEAN]
            out[target[j], i] = value


@inlined
def _sizes(offsets, event):  # type: ignore[no-untyped-def]
    """The most rows of a machine, and the most days that any has rows on."""
    rows = days = 1
    for machine in range(len(offsets) - 1):
        first, stop = offsets[machine], offsets[machine + 1]
        if stop > first:
            rows = max(rows, stop - first)
            days = max(days, min(stop - first, (event[stop - 1] - event[first]) // DAY + 2))
    return rows, days


@inlined
def _cut(event, first, stop, begins, ends):  # type: ignore[no-untyped-def]
    """The days of a machine that have rows: first row and end of each, and where the last one stops; their number."""
    n = 0
    for row in range(first, stop):
        if n == 0 or event[row] > ends[n - 1]:
            begins[n] = row
            ends[n] = -(-event[row] // DAY) * DAY
            n += 1
    begins[n] = stop
    return n


@inlined
def _narrow(span, since, until, now):  # type: ignore[no-untyped-def]
    """Knowledge stands from the last moment by `now` at which a row came or went to the next one."""
    for moment in (since, until):
        if moment <= now:
            span[0] = max(span[0], moment)
        else:
            span[1] = min(span[1], moment)


@jit
def _states(event, begin, end, s_offsets, s_event, s_from, s_to, states, machine, now, into, first, span):  # type: ignore[no-untyped-def]
    """The state at each of the rows [begin, end); NaN before the first one known."""
    if begin >= end:
        return
    low, high = s_offsets[machine], s_offsets[machine + 1]
    following = onward(s_event, low, high, event[begin], low)
    state = NAN
    for row in range(following - 1, low - 1, -1):
        if np.isnan(states[row]):
            continue
        _narrow(span, s_from[row], s_to[row], now)
        if s_from[row] <= now < s_to[row]:
            state = states[row]
            break
    for row in range(begin, end):
        while following < high and s_event[following] <= event[row]:
            if not np.isnan(states[following]):
                _narrow(span, s_from[following], s_to[following], now)
                if s_from[following] <= now < s_to[following]:
                    state = states[following]
            following += 1
        into[row - first] = state


@jit
def _sum(event, known_from, known_to, values, begin, end, now, states, first, into, span):  # type: ignore[no-untyped-def]
    """A day's sums for each sensor over the visible rows [begin, end)."""
    for row in range(begin, end):
        _narrow(span, known_from[row], known_to[row], now)
    for c in range(len(values)):
        n = y0 = u0 = v0 = sy = su = sv = yy = uu = vv = uv = uy = vy = 0.0
        for row in range(begin, end):
            y, u, v = values[c, row], states[0, row - first], states[1, row - first]
            if np.isnan(y + u + v) or not (known_from[row] <= now < known_to[row]):
                continue
            if n == 0.0:
                y0, u0, v0 = y, u, v
            y, u, v = y - y0, u - u0, v - v0
            n += 1.0
            sy += y
            su += u
            sv += v
            yy += y * y
            uu += u * u
            vv += v * v
            uv += u * v
            uy += u * y
            vy += v * y
        into[c, N] = n
        if n > 0.0:
            my, mu, mv = sy / n, su / n, sv / n
            into[c, MY], into[c, MU], into[c, MV] = y0 + my, u0 + mu, v0 + mv
            into[c, YY], into[c, UU], into[c, VV] = yy - sy * my, uu - su * mu, vv - sv * mv
            into[c, UV], into[c, UY], into[c, VY] = uv - su * mv, uy - su * my, vy - sv * my


@inlined
def _tell(sums, c, oldest, newest, effects):  # type: ignore[no-untyped-def]
    """The effects of load and temperature on a sensor, from what moves within days."""
    uu, vv, uv, uy, vy = RIDGE_LOAD, RIDGE_AMBIENT, 0.0, 0.0, 0.0
    for day in range(newest, oldest - 1, -1):
        part = sums[day, c]
        if part[N] > 1.0:
            uu += part[UU]
            vv += part[VV]
            uv += part[UV]
            uy += part[UY]
            vy += part[VY]
    rest = uu * vv - uv * uv
    effects[0] = (vv * uy - uv * vy) / rest
    effects[1] = (uu * vy - uv * uy) / rest


@inlined
def _walk(  # type: ignore[no-untyped-def]
    event, known_from, known_to, values, now, early, windows, begins, ends, low, high, oldest, newest, sums, c,
    states, first, effects, cells,
):  # fmt: skip
    """Mean and standard deviation of z over each window, the longer ones going on from the shorter (Chan et al. 1979)."""
    a, b = effects
    n = mean = squares = 0.0
    day, row, cut = newest, high, False
    for k in range(len(windows)):
        edge = now - windows[k]
        while day >= oldest and ends[day] > edge:
            whole = max(ends[day] - DAY, early) >= edge
            if whole and not cut:
                part = sums[day, c]
                m = part[N]
                if m > 0.0:
                    d = part[MY] - a * part[MU] - b * part[MV] - mean
                    spread = part[YY] + a * (a * part[UU] - 2.0 * part[UY]) + b * (b * part[VV] - 2.0 * part[VY])
                    squares += max(spread + 2.0 * a * b * part[UV], 0.0) + d * d * (n * m / (n + m))
                    mean += d * (m / (n + m))
                    n += m
                row = max(begins[day], low)
            else:
                begin = max(begins[day], low)
                while row > begin and event[row - 1] > edge:
                    row -= 1
                    y, u, v = values[row], states[0, row - first], states[1, row - first]
                    if not np.isnan(y + u + v) and known_from[row] <= now < known_to[row]:
                        d = y - a * u - b * v - mean
                        n += 1.0
                        mean += d / n
                        squares += d * d * ((n - 1.0) / n)
            cut = not whole
            if cut:
                break
            day -= 1
        cells[k, MEAN] = mean if n > 0.0 else NAN
        cells[k, STD] = np.sqrt(squares / (n - 1.0)) if n > 1.0 else NAN
