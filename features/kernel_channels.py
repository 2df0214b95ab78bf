"""The channels of a window, one function for each sort, and its static covariates. The rules are those of `kernel`.

A window's steps are base, ..., len(moments) - 1 in rows of float32[steps, channels]; `moments` has the time of each, the last
one is `as_of`. `at`: the first channel of the sort.
"""

import numpy as np

from features.kernel import HOUR, NAN, after, inlined
from features.kernel_tapes import AGE, AGO, CAPACITY, GAP, LOAD, MODE, MODEL, NOTHING, RUNNING, SERVICE, SHIFT, known

DAY = 24.0 * HOUR
YEAR_DAYS = 365.25


@inlined
def clocks(machines, version, now, moments, base, previous, window):  # type: ignore[no-untyped-def]
    """Hours to `as_of`, since the step before, and of service."""
    start, service = now, NAN
    if version >= 0:
        start = machines.event[version]
        service = machines.values[version, AGE]
        service = 0.0 if np.isnan(service) else service
    for p in range(base, len(moments)):
        window[p, AGO] = (now - moments[p]) / HOUR
        window[p, GAP] = (moments[p] - previous) / HOUR if previous != NOTHING else NAN
        window[p, SERVICE] = service + (moments[p] - start) / HOUR
        previous = moments[p]


@inlined
def readings(values, picked, n, own, shape, base, at, window):  # type: ignore[no-untyped-def]
    """Each sensor's number, and its distance from the machine's own level; at `as_of` itself what holds, if readings hold."""
    sensors = shape.sensors
    steps = len(window)
    for p in range(base, steps - 1):
        row = picked[steps - 2 - p]
        for c in range(sensors):
            window[p, at + c] = values[row, c]
        for c in range(sensors):
            window[p, at + sensors + c] = values[row, c] - own[c]
    for c in range(2 * sensors):
        window[steps - 1, at + c] = window[steps - 2, at + c] if shape.holds and n else NAN


@inlined
def ages(tape, machine, now, moments, base, at, last, window):  # type: ignore[no-untyped-def]
    """Hours since each component was last new."""
    first = tape.offsets[machine]
    high = after(tape.event, first, tape.offsets[machine + 1], now)
    low = after(tape.event, first, high, moments[base])
    last[:] = NOTHING
    missing = len(last)
    row = low - 1
    while row >= first and missing:
        code = tape.codes[row]
        if code >= 0 and last[code] == NOTHING and known(tape, machine, row, now):
            last[code] = tape.event[row]
            missing -= 1
        row -= 1
    row = low
    for p in range(base, len(moments)):
        while row < high and tape.event[row] <= moments[p]:
            if tape.codes[row] >= 0 and known(tape, machine, row, now):
                last[tape.codes[row]] = tape.event[row]
            row += 1
        for c in range(len(last)):
            window[p, at + c] = (moments[p] - last[c]) / HOUR if last[c] != NOTHING else NAN


@inlined
def _stood(tape, machine, now, moment, state):  # type: ignore[no-untyped-def]
    """What held at a moment: of each column the newest known number; the first row after it, and that after `now`."""
    first = tape.offsets[machine]
    columns = tape.values.shape[1]
    high = after(tape.event, first, tape.offsets[machine + 1], now)
    low = after(tape.event, first, high, moment)
    state[:] = NAN
    missing = columns
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
def operations(tape, machine, now, moments, base, at, shape, state, window):  # type: ignore[no-untyped-def]
    """Load, whether it runs, and 1 for the mode and the shift that are on; the channel after them."""
    if not shape.operated:
        return at
    modes, shifts = at + 2, at + 2 + shape.modes
    row, high = _stood(tape, machine, now, moments[base], state)
    for p in range(base, len(moments)):
        row = _go_on(tape, machine, now, moments[p], row, high, state)
        window[p, at] = state[LOAD]
        window[p, at + 1] = state[RUNNING]
        for c in range(shape.modes):
            window[p, modes + c] = NAN if np.isnan(state[MODE]) else (1.0 if state[MODE] == c else 0.0)
        for c in range(shape.shifts):
            window[p, shifts + c] = NAN if np.isnan(state[SHIFT]) else (1.0 if state[SHIFT] == c else 0.0)
    return shifts + shape.shifts


@inlined
def environment(tape, machine, now, moments, base, at, state, window):  # type: ignore[no-untyped-def]
    """Ambient temperature and humidity as they stood."""
    row, high = _stood(tape, machine, now, moments[base], state)
    for p in range(base, len(moments)):
        row = _go_on(tape, machine, now, moments[p], row, high, state)
        window[p, at] = state[0]
        window[p, at + 1] = state[1]


@inlined
def count(tape, machine, now, moments, base, previous, at, codes, window):  # type: ignore[no-untyped-def]
    """How often each code came since the step before; before the first reading of all, ever."""
    if not codes:
        return
    for p in range(base, len(moments)):
        for c in range(codes):
            window[p, at + c] = 0.0
    first = tape.offsets[machine]
    high = after(tape.event, first, tape.offsets[machine + 1], now)
    low = after(tape.event, first, high, previous)
    p = base
    for row in range(low, high):
        while tape.event[row] > moments[p]:
            p += 1
        if tape.codes[row] >= 0 and known(tape, machine, row, now):
            window[p, at + tape.codes[row]] += 1.0


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
    for row in range(first, after(tape.event, first, tape.offsets[machine + 1], now)):
        if known(tape, machine, row, now):
            static[at] += 1.0
            if tape.codes[row] >= 0:
                static[at + 1 + tape.codes[row]] += 1.0
