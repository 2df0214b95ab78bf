"""Kernel of windows: the irregular readings of one machine up to a moment, step by step, for the networks.

The rules are those of `kernel`. A window is gathered from tapes when it is asked for, so windows that overlap are never stored.
"""

import numpy as np

from features import kernel_channels as channels
from features.kernel import NAN, NEVER, after, inlined, jit
from features.kernel_tapes import FIXED, NOTHING, known, upto

VERSION = 1
# A level is looked for among so many times its numbers of rows: who reports less has none of its own.
SEARCH = 8


@inlined
def _version(tape, machine, now):  # type: ignore[no-untyped-def]
    """The row of a one-row-per-machine table that was known, or -1."""
    found = -1
    for row in range(tape.offsets[machine], tape.offsets[machine + 1]):
        if tape.event[row] <= now and known(tape, machine, row, now):
            found = row
    return found


@inlined
def _pick(tape, machine, now, span, holds, picked, moments):  # type: ignore[no-untyped-def]
    """The known readings of (now - span, now], as many of the newest as fit, at the end of `picked`, their times in `moments`.

    holds: the reading that held when the window began is one of them. Returns their number, and the known row before or -1.
    """
    first = tape.offsets[machine]
    high = upto(tape.event, first, tape.offsets[machine + 1], now)
    edge = now - span
    begin = tape.odd_offsets[machine]
    k = upto(tape.odd, begin, tape.odd_offsets[machine + 1], high - 1)
    odd = tape.odd[k - 1] if k > begin else -1
    place = len(picked)
    full = 0
    for row in range(high - 1, first - 1, -1):
        if row == odd:
            k -= 1
            odd = tape.odd[k - 1] if k > begin else -1
            if not tape.odd_from[k] <= now < tape.odd_to[k]:
                continue
        moment = tape.event[row]
        if place == full or (moment <= edge and not holds):
            return len(picked) - place, row
        place -= 1
        picked[place] = row
        moments[place] = moment
        if moment <= edge:
            # The one that held; whatever is before it is before the window.
            full = place
    return len(picked) - place, -1


@inlined
def _level(tape, machine, now, wanted, sums, counts):  # type: ignore[no-untyped-def]
    """Add up the first `wanted` known numbers of each column; the first known row or -1, and the row after those looked at."""
    first = tape.offsets[machine]
    columns = tape.values.shape[1]
    sums[:] = 0.0
    counts[:] = 0
    begun = -1
    seen = 0
    short = columns
    row = first
    stop = after(tape.event, first, tape.offsets[machine + 1], now)
    while row < stop and (begun < 0 or (short > 0 and seen < SEARCH * wanted)):
        if known(tape, machine, row, now):
            begun = row if begun < 0 else begun
            seen += 1
            for c in range(columns):
                x = tape.values[row, c]
                if counts[c] < wanted and not np.isnan(x):
                    sums[c] += x
                    counts[c] += 1
                    short -= counts[c] == wanted
        row += 1
    return begun, row


@jit
def settle(readings, wanted, level, begun, ready):  # type: ignore[no-untyped-def]
    """Each machine's own levels, once and for all: float64[machines, sensors], and from when on they stand.

    begun: time of the first reading that was ever known. From `ready` on nothing that they were made of comes or goes.
    """
    columns = readings.values.shape[1]
    sums, counts = np.zeros(columns), np.zeros(columns, dtype=np.int64)
    last = np.int64(NEVER - 1)
    for machine in range(len(readings.offsets) - 1):
        first, end = _level(readings, machine, last, wanted, sums, counts)
        begun[machine] = readings.event[first] if first >= 0 else NEVER
        for c in range(columns):
            level[machine, c] = sums[c] / counts[c] if counts[c] else NAN
        ready[machine] = readings.event[end - 1] if first >= 0 else NEVER
        for k in range(readings.odd_offsets[machine], readings.odd_offsets[machine + 1]):
            if first >= 0 and readings.odd[k] < end:
                ready[machine] = max(ready[machine], readings.odd_from[k])
                if readings.odd_to[k] != NEVER:
                    ready[machine] = max(ready[machine], readings.odd_to[k])


@inlined
def _levels(tapes, machine, version, now, shape, level, begun, ready, sums, counts, own):  # type: ignore[no-untyped-def]
    """The machine's own level of each sensor, as known; none where the history does not reach back to the machine's start."""
    if now >= ready[machine]:
        first = begun[machine]
        for c in range(shape.sensors):
            own[c] = level[machine, c]
    else:
        row, _ = _level(tapes.readings, machine, now, shape.baseline, sums, counts)
        first = tapes.readings.event[row] if row >= 0 else now
        for c in range(shape.sensors):
            own[c] = sums[c] / counts[c] if counts[c] else NAN
    if version >= 0 and first - tapes.machines.event[version] > shape.span:
        own[:] = NAN


@jit
def gather(tapes, shape, level, begun, ready, entity, as_of, out, static):  # type: ignore[no-untyped-def]
    """Windows of observations: float32[n, channels, steps] right-aligned, and their static covariates float32[n, static].

    entity: int64[n], -1 unknown machine (all missing). level, begun, ready: as `settle` gives them, or ready NEVER.
    """
    steps, sensors = shape.steps, shape.sensors
    picks, moments = np.empty(steps - 1, dtype=np.int64), np.empty(steps, dtype=np.int64)
    sums, counts, own = np.zeros(sensors), np.zeros(sensors, dtype=np.int64), np.empty(sensors)
    last, state = np.empty(shape.components, dtype=np.int64), np.empty(4)
    for i in range(len(as_of)):
        machine, now = entity[i], as_of[i]
        if machine < 0:
            out[i] = NAN
            static[i] = NAN
            continue
        version = _version(tapes.machines, machine, now)
        n, before = _pick(tapes.readings, machine, now, shape.span, shape.holds, picks, moments)
        moments[steps - 1] = now
        base = steps - 1 - n
        previous = tapes.readings.event[before] if before >= 0 else NOTHING
        window, when = out[i], moments[base:]
        window[:, :base] = NAN
        channels.clocks(tapes.machines, version, now, when, previous, base, window)
        _levels(tapes, machine, version, now, shape, level, begun, ready, sums, counts, own)
        channels.readings(tapes.readings.values, picks[base:], own, shape.holds, FIXED, base, window)
        at = FIXED + 2 * sensors
        channels.ages(tapes.renewals, machine, now, when, last, at, base, window)
        at += shape.components
        if shape.operated:
            channels.operations(tapes.operations, machine, now, when, shape, state, at, base, window)
            at += 2 + shape.modes + shape.shifts
        if shape.environment:
            channels.environment(tapes.environment, machine, now, when, state, at, base, window)
            at += 2
        channels.count(tapes.points, machine, now, when, previous, at, base, window)
        channels.fixed(tapes, machine, version, now, shape, static[i])
