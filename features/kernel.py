"""Numba kernels over the irregular history of one machine at a time: the only place where a feature's value is computed.

This module has what all kernels share. `kernel_windows` has the statistics of regular readings, `kernel_steps` those of
counters written on change, `kernel_states` those of numbers that hold until the next row, `kernel_points` those of events.

Every kernel takes a Series' arrays, observations (entity, as_of), a program (one line per feature: operation, column, window,
second window; `target` says which output row) and writes float32 into `out[feature, observation]`. A row is seen at `as_of`
iff known_from <= as_of < known_to. What is rounded is added up in one fixed order that visible rows and absolute times decide:
no running sums over observations, no fastmath, so the same rows give the same bits offline and online. What a kernel holds from
one observation to the next is exact, or a function of visible rows alone. Nothing holds the GIL.
"""

import numpy as np
import numpy.typing as npt

from features.kernel_cache import compiled

VERSION = 6
NAN = np.nan
HOUR = 3_600_000_000.0
NEVER = np.iinfo(np.int64).max
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Out = npt.NDArray[np.float32]
jit = compiled(nogil=True, fastmath=False, error_model="numpy")
# For what is called once per feature: a call with a dozen arrays costs more than the work.
inlined = compiled(nogil=True, fastmath=False, error_model="numpy", forceinline=True)


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
def onward(event, low, high, moment, hint):  # type: ignore[no-untyped-def]
    """As `after`, quicker where the answer lies at `hint` or a few rows later."""
    if low <= hint <= high and (hint == low or event[hint - 1] <= moment):
        near = min(hint + 8, high)
        while hint < near and event[hint] <= moment:
            hint += 1
        if hint < near or hint == high:
            return hint
        low = hint
    return after(event, low, high, moment)


@inlined
def places_of(target, out):  # type: ignore[no-untyped-def]
    """Where each feature's row begins in `out` laid flat. Numba looks whether a signed index counts from the end: unsigned."""
    return (target * out.shape[1]).astype(np.uint64)


@inlined
def put(cells, read, count, flat, begins, i):  # type: ignore[no-untyped-def]
    """Copy the first `count` features of observation i out of the cells that `read` (unsigned) says."""
    for j in range(count):
        flat[begins[j] + np.uint64(i)] = cells[read[j]]


@inlined
def most_rows(offsets):  # type: ignore[no-untyped-def]
    """How many rows the machine has that has most."""
    most = 0
    for machine in range(len(offsets) - 1):
        most = max(most, offsets[machine + 1] - offsets[machine])
    return most


@inlined
def stands_until(event, known_from, known_to, first, stop, now):  # type: ignore[no-untyped-def]
    """The first moment after `now` at which a row comes or goes otherwise than by its own time: late, or corrected."""
    until = NEVER
    for row in range(first, stop):
        late = known_from[row] > now and known_from[row] > event[row]
        change = known_from[row] if late else known_to[row]
        until = min(until, change) if change > now else until
    return until


@jit
def version_at(offsets, known_from, known_to, entity, as_of, row_of):  # type: ignore[no-untyped-def]
    """The row of a one-row-per-machine table that was known at each `as_of`, or -1."""
    for i in range(len(as_of)):
        row_of[i] = -1
        if entity[i] >= 0:
            for row in range(offsets[entity[i]], offsets[entity[i] + 1]):
                if known_from[row] <= as_of[i] < known_to[row]:
                    row_of[i] = row
