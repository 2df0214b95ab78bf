"""Tapes: series kept small, for the windows of the networks, and what all their kernels share.

float32, row after row, so that the steps of a window lie side by side; a span of knowledge for odd rows alone (late or
corrected), for any other row is known from its own time on. The rules are those of `kernel`.
"""
# Numba's cache sees changes of the caller's own file only: after a change here, clear that of `kernel_sequences`.

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from features.kernel import NAN, NEVER, Ints, after, inlined, jit

NOTHING = np.int64(-NEVER)
# Beyond it the difference of two float32 is no number any more.
LARGEST = 1e38
# How a number of the lake becomes one of a tape.
PLAIN, LOGGED, LOW_WORD, HIGH_WORD = range(4)
# Columns of the operations tape, and of the machines tape.
LOAD, RUNNING, MODE, SHIFT = range(4)
MODEL, AGE, CAPACITY = range(3)

Packed = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int16]


class Tape(NamedTuple):
    """Rows of one table, machine after machine (`offsets`), by event time within a machine (microseconds).

    odd: the numbers of the rows that are late or corrected, ascending, machine after machine (`odd_offsets`), and when each was
    known. values: float32[rows, columns], NaN missing. stated: int64[machines, columns], the first row with a number, or NEVER.
    codes: int16[rows], -1 unknown.
    """

    offsets: Ints
    event: Ints
    odd_offsets: Ints
    odd: Ints
    odd_from: Ints
    odd_to: Ints
    values: Packed
    stated: Ints
    codes: Codes


class Tapes(NamedTuple):
    """What windows are gathered from.

    points: whatever is counted, its code the place among the channels of counts. renewals: when a component was last new.
    machines: versions of the machine's own row.
    """

    readings: Tape
    points: Tape
    renewals: Tape
    failures: Tape
    operations: Tape
    environment: Tape
    machines: Tape


class Shape(NamedTuple):
    """A layout in numbers: the longest window, and how many channels there are of each sort (in the order of a step).

    span: microseconds. baseline: how many numbers make up a sensor's own level. holds: a reading holds until the next one.
    """

    steps: int
    span: int
    baseline: int
    holds: int
    sensors: int
    components: int
    operated: int
    modes: int
    shifts: int
    environment: int
    points: int
    models: int
    season: int
    weekday: int
    made: int


# The channels that every step has, before those of the kind.
AGO, GAP, SERVICE, FIXED = range(4)


@jit
def pack(values, source, how, into):  # type: ignore[no-untyped-def]
    """float64[columns, rows] -> float32[rows, packed columns]; what is no finite number there becomes missing."""
    for c in range(len(source)):
        column = values[source[c]]
        for row in range(len(column)):
            x = column[row]
            if how[c] >= LOW_WORD:
                # Three 16-bit counters, as firmware packs them; another number is no such pack.
                whole = 0.0 <= x < 281474976710656.0
                x = float((np.int64(x) >> (16 * (how[c] - LOW_WORD))) & 0xFFFF) if whole else NAN
            if how[c] != PLAIN:
                x = np.log1p(x) if x >= 0.0 else -np.log1p(-x)
            into[row, c] = x if abs(x) <= LARGEST else NAN


@jit
def first_stated(offsets, values, stated):  # type: ignore[no-untyped-def]
    """Of each machine and column the first row with a number."""
    for machine in range(len(stated)):
        for c in range(values.shape[1]):
            stated[machine, c] = NEVER
            for row in range(offsets[machine], offsets[machine + 1]):
                if not np.isnan(values[row, c]):
                    stated[machine, c] = row
                    break


@inlined
def upto(event, low, high, moment):  # type: ignore[no-untyped-def]
    """As `kernel.after`, from where the row would be if rows came evenly: few steps through memory that is far away."""
    if low == high or event[low] > moment:
        return low
    if event[high - 1] <= moment:
        return high
    share = (moment - event[low]) / (event[high - 1] - event[low])
    guess = low + np.int64(share * (high - 1 - low))
    step = 1
    if event[guess] <= moment:
        low = guess + 1
        while low + step < high and event[low + step] <= moment:
            low += step + 1
            step *= 2
        return after(event, low, min(low + step, high), moment)
    return back(event, low, guess, moment)


@inlined
def back(event, low, high, moment):  # type: ignore[no-untyped-def]
    """As `kernel.after`, quick where the row lies shortly before `high`."""
    step = 1
    while high - step >= low and event[high - step] > moment:
        high -= step
        step *= 2
    return after(event, max(low, high - step), high, moment)


@inlined
def known(tape, machine, row, now):  # type: ignore[no-untyped-def]
    """Whether a row that has happened was known."""
    low, high = tape.odd_offsets[machine], tape.odd_offsets[machine + 1]
    if low == high:
        return True
    k = after(tape.odd, low, high, row - 1)
    return k == high or tape.odd[k] != row or tape.odd_from[k] <= now < tape.odd_to[k]
