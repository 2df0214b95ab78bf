"""The channels of a window, one function for each sort, and its static covariates. The rules are those of `kernel`.

window: float32[channels, steps], in which one channel lies along the steps, so that it is written at one go. Its real steps
begin at `base`; `when` has the time of each of them, the last one is `as_of`. at: the first channel of the sort.
"""
# Numba's cache sees changes of the caller's own file only: after a change here, clear that of `kernel_sequences`.

import numpy as np

from features.kernel import HOUR, NAN, NEVER, after, inlined
from features.kernel_tapes import (
    AGE,
    AGO,
    CAPACITY,
    GAP,
    LOAD,
    MODE,
    MODEL,
    NOTHING,
    RUNNING,
    SERVICE,
    SHIFT,
    back,
    known,
    upto,
)

# Times are multiplied by it: four divisions cost more than sixteen products.
PER_HOUR = 1.0 / HOUR
DAY = 24.0 * HOUR
YEAR_DAYS = 365.25


@inlined
def clocks(machines, version, now, when, previous, base, window):  # type: ignore[no-untyped-def]
    """Hours to `as_of`, since the step before, and of service."""
    ago, gap, served = window[AGO, base:], window[GAP, base:], window[SERVICE, base:]
    for p in range(len(when)):
        ago[p] = (now - when[p]) * PER_HOUR
    gap[0] = (when[0] - previous) * PER_HOUR if previous != NOTHING else NAN
    for p in range(1, len(when)):
        gap[p] = (when[p] - when[p - 1]) * PER_HOUR
    if version < 0:
        served[:] = NAN
        return
    start = machines.event[version]
    age = machines.values[version, AGE]
    age = 0.0 if np.isnan(age) else age
    for p in range(len(when)):
        served[p] = age + (when[p] - start) * PER_HOUR


@inlined
def readings(values, picked, own, holds, at, base, window):  # type: ignore[no-untyped-def]
    """Each sensor's number, and its distance from the machine's own level; at `as_of` itself what holds, if readings hold."""
    n = len(picked)
    for c in range(len(own)):
        number, distance = window[at + c, base:], window[at + len(own) + c, base:]
        level = own[c]
        for p in range(n):
            number[p] = values[picked[p], c]
        for p in range(n):
            distance[p] = number[p] - level
        number[n] = number[n - 1] if holds and n else NAN
        distance[n] = distance[n - 1] if holds and n else NAN


@inlined
def ages(tape, machine, now, when, last, at, base, window):  # type: ignore[no-untyped-def]
    """Hours since each component was last new. last: int64[components], room."""
    first = tape.offsets[machine]
    high = upto(tape.event, first, tape.offsets[machine + 1], now)
    low = back(tape.event, first, high, when[0])
    last[:] = NOTHING
    missing = len(last)
    row = low - 1
    while row >= first and missing:
        code = tape.codes[row]
        if code >= 0 and last[code] == NOTHING and known(tape, machine, row, now):
            last[code] = tape.event[row]
            missing -= 1
        row -= 1
    for c in range(len(last)):
        column = window[at + c, base:]
        new = last[c]
        p = 0
        for row in range(low, high):
            if tape.codes[row] == c and known(tape, machine, row, now):
                p = _age(column, when, new, p, tape.event[row])
                new = tape.event[row]
        _age(column, when, new, p, NEVER)


@inlined
def _age(column, when, new, p, until):  # type: ignore[no-untyped-def]
    """Hours since `new` for the steps from p on that come before `until`; the first step after them."""
    begin = p
    p = after(when, p, len(when), until - 1)
    if new == NOTHING:
        column[begin:p] = NAN
    else:
        for q in range(begin, p):
            column[q] = (when[q] - new) * PER_HOUR
    return p


@inlined
def _stood(tape, machine, now, moment, state):  # type: ignore[no-untyped-def]
    """What held at a moment: of each column the newest known number; the first row after it, and that after `now`."""
    first = tape.offsets[machine]
    columns = tape.values.shape[1]
    high = upto(tape.event, first, tape.offsets[machine + 1], now)
    low = back(tape.event, first, high, moment)
    missing = 0
    for c in range(columns):
        state[c] = NAN
        missing += tape.stated[machine, c] < low
    row = low - 1
    while row >= first and missing:
        if known(tape, machine, row, now):
            for c in range(columns):
                if np.isnan(state[c]) and not np.isnan(tape.values[row, c]):
                    state[c] = tape.values[row, c]
                    missing -= 1
        row -= 1
    return low, high


@inlined
def _go_on(tape, machine, now, moment, row, high, state):  # type: ignore[no-untyped-def]
    """Bring what holds up to a moment; the first row after it."""
    while row < high and tape.event[row] <= moment:
        if known(tape, machine, row, now):
            for c in range(tape.values.shape[1]):
                if not np.isnan(tape.values[row, c]):
                    state[c] = tape.values[row, c]
        row += 1
    return row


@inlined
def _until(tape, row, high, when, p):  # type: ignore[no-untyped-def]
    """The first step from p on at which a row may change what holds."""
    return after(when, p, len(when), tape.event[row] - 1) if row < high else len(when)


@inlined
def operations(tape, machine, now, when, shape, state, at, base, window):  # type: ignore[no-untyped-def]
    """Load, whether it runs, 1 for the mode and the shift that are on, as they stood. state: float64[4], room."""
    row, high = _stood(tape, machine, now, when[0], state)
    p = 0
    while p < len(when):
        row = _go_on(tape, machine, now, when[p], row, high, state)
        end = _until(tape, row, high, when, p)
        begin, end = base + p, base + end
        window[at, begin:end] = state[LOAD]
        window[at + 1, begin:end] = state[RUNNING]
        k = at + 2
        for column, codes in ((MODE, shape.modes), (SHIFT, shape.shifts)):
            for c in range(codes):
                window[k + c, begin:end] = NAN if np.isnan(state[column]) else (1.0 if state[column] == c else 0.0)
            k += codes
        p = end - base


@inlined
def environment(tape, machine, now, when, state, at, base, window):  # type: ignore[no-untyped-def]
    """Ambient temperature and humidity as they stood. state: float64[2], room."""
    row, high = _stood(tape, machine, now, when[0], state)
    p = 0
    while p < len(when):
        row = _go_on(tape, machine, now, when[p], row, high, state)
        end = _until(tape, row, high, when, p)
        window[at, base + p : base + end] = state[0]
        window[at + 1, base + p : base + end] = state[1]
        p = end


@inlined
def count(tape, machine, now, when, previous, at, base, window):  # type: ignore[no-untyped-def]
    """How often each code came since the step before; before the first reading of all, ever."""
    for c in range(at, len(window)):
        window[c, base:] = 0.0
    first = tape.offsets[machine]
    high = upto(tape.event, first, tape.offsets[machine + 1], now)
    low = back(tape.event, first, high, previous)
    p = 0
    for row in range(low, high):
        p = after(when, p, len(when), tape.event[row] - 1)
        if known(tape, machine, row, now):
            window[at + tape.codes[row], base + p] += 1.0


@inlined
def fixed(tapes, machine, version, now, shape, static):  # type: ignore[no-untyped-def]
    """The static covariates: the machine's row, the calendar, its failures so far."""
    static[:] = NAN
    days = np.floor(now / DAY)
    at = 3 + shape.models
    if version >= 0:
        own = tapes.machines.values[version]
        observed = (now - tapes.machines.event[version]) / HOUR
        static[0] = own[AGE] + observed
        static[1] = observed
        static[2] = own[CAPACITY]
        for c in range(shape.models):
            static[3 + c] = 1.0 if own[MODEL] == c else 0.0
        if shape.made:
            static[at] = now / DAY - (own[AGE] + observed) / 24.0
    at += shape.made
    if shape.season:
        turn = 2.0 * np.pi * (days % YEAR_DAYS) / YEAR_DAYS
        static[at] = np.sin(turn)
        static[at + 1] = np.cos(turn)
        at += 2
    if shape.weekday:
        turn = 2.0 * np.pi * ((days + 3.0) % 7.0) / 7.0
        static[at] = np.sin(turn)
        static[at + 1] = np.cos(turn)
        at += 2
    for c in range(at, len(static)):
        static[c] = 0.0
    tape = tapes.failures
    first = tape.offsets[machine]
    for row in range(first, upto(tape.event, first, tape.offsets[machine + 1], now)):
        if known(tape, machine, row, now):
            static[at] += 1.0
            if tape.codes[row] >= 0:
                static[at + 1 + tape.codes[row]] += 1.0
