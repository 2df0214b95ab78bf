"""Kernels of the comparison with peers: a machine's own mean, its peers' means pooled day by day, and both set side by side.

The rules are those of `kernel`. `own_mean` over a span: of the visible numbers in (as_of - span, as_of], in time order, the
first of them plus the mean distance from it.
"""

import numpy as np

from features.kernel import NAN, inlined, jit, most_rows, onward
from features.lanes import LANES, choose, every, load, side_by_side, store, width_of

PEER_OPS = ("peers", "rate_of_model", "rate_of_kind")
# Fewer machines than this are no peers.
FEWEST = 5
# Columns of a sensor in the reference table: mean, standard deviation, number of machines.
PER_SENSOR = 3


@inlined
def own_mean(values, known_from, known_to, low, high, now, check):  # type: ignore[no-untyped-def]
    """Mean of the visible numbers in rows [low, high); NaN without any. check: whether a row of them may be hidden."""
    n = 0
    shift = total = 0.0
    for row in range(low, high):
        x = values[row]
        if np.isnan(x) or (check and not (known_from[row] <= now < known_to[row])):
            continue
        if n == 0:
            shift = x
        n += 1
        total += x - shift
    return shift + total / n if n else NAN


@inlined
def _own_means(numbers, begin, width, known_from, known_to, low, high, now, check, own):  # type: ignore[no-untyped-def]
    """As `own_mean`, of all columns. numbers: the machine's rows from `begin` on, side by side."""
    zero, one, nan = every(0.0), every(1.0), every(NAN)
    for c in range(0, width, LANES):
        n = shift = total = zero
        for row in range(low, high):
            if check and not (known_from[row] <= now < known_to[row]):
                continue
            x = load(numbers, (row - begin) * width + c)
            there = x == x
            shift = choose(there & (n == zero), x, shift)
            n += choose(there, one, zero)
            total += choose(there, x - shift, zero)
        store(own, c, choose(n > zero, shift + total / n, nan))


@inlined
def _version(offsets, known_from, known_to, machine, now):  # type: ignore[no-untyped-def]
    """The row of a one-row-per-machine table that was known, or -1."""
    found = -1
    for row in range(offsets[machine], offsets[machine + 1]):
        if known_from[row] <= now < known_to[row]:
            found = row
    return found


@jit
def pool(  # type: ignore[no-untyped-def]
    offsets, event, known_from, known_to, odd, values, m_offsets, m_from, m_to, model, days, span, pooled, reporting
):
    """Add each machine's own means at each day to its groups, machine after machine (Welford 1962).

    model: float64[machine versions]. days: int64 microseconds. pooled: float64[days, groups, sensors, 3] of count, mean, M2;
    group 0 is all machines, group 1 + m those of model m. reporting: int64[days, groups], machines with any number.
    """
    n_sensors = len(values)
    groups = np.zeros(2, dtype=np.int64)
    low = high = 0
    for machine in range(len(offsets) - 1):
        first, last = offsets[machine], offsets[machine + 1]
        for d in range(len(days)):
            now = days[d]
            high = onward(event, first, last, now, high)
            low = onward(event, first, high, now - span, low)
            version = _version(m_offsets, m_from, m_to, machine, now) if high > low else -1
            if version < 0:
                continue
            n_groups = 1
            if not np.isnan(model[version]):
                groups[1] = 1 + np.int64(model[version])
                n_groups = 2
            any_number = False
            check = odd[low] != odd[high]
            for c in range(n_sensors):
                x = own_mean(values[c], known_from, known_to, low, high, now, check)
                if np.isnan(x):
                    continue
                any_number = True
                for g in range(n_groups):
                    cell = pooled[d, groups[g], c]
                    cell[0] += 1.0
                    distance = x - cell[1]
                    cell[1] += distance / cell[0]
                    cell[2] += distance * (x - cell[1])
            if any_number:
                for g in range(n_groups):
                    reporting[d, groups[g]] += 1


@jit
def tally(  # type: ignore[no-untyped-def]
    offsets, event, known_from, known_to, codes, m_offsets, m_from, m_to, model, days, spans, counts
):
    """Count failures known at each day and not older than each span, by the machine's groups at that day.

    counts: int64[days, groups, len(spans) + components]; components over the last span.
    """
    n_spans = len(spans)
    for machine in range(len(offsets) - 1):
        for row in range(offsets[machine], offsets[machine + 1]):
            for d in range(len(days)):
                now = days[d]
                age = now - event[row]
                if age < 0 or age >= spans[n_spans - 1] or not (known_from[row] <= now < known_to[row]):
                    continue
                version = _version(m_offsets, m_from, m_to, machine, now)
                if version < 0:
                    continue
                known_model = not np.isnan(model[version])
                for g in range(2 if known_model else 1):
                    group = 1 + np.int64(model[version]) if g else 0
                    for k in range(n_spans):
                        if age < spans[k]:
                            counts[d, group, k] += 1
                    if codes[row] >= 0:
                        counts[d, group, n_spans + codes[row]] += 1


@jit
def peer_stats(  # type: ignore[no-untyped-def]
    offsets, event, known_from, known_to, odd, values, r_offsets, r_event, r_from, r_to, reference,
    entity, as_of, groups, span, holds, program, target, out,
):  # fmt: skip
    """Own means against the peers', and the peers' rates, at each `as_of`.

    reference: float64[columns, rows] of the reference table, group after group (`r_offsets`). groups: int64[2, observations],
    the machine's group by model (-1: none) and that of all machines. The newest known row of a group counts, if it is not
    older than `holds`; where the model's has too few machines, or no rate, that of all machines stands in.
    """
    width = width_of(len(values))
    own, numbers = np.zeros(width), np.full((most_rows(offsets) + 1) * width, NAN)
    walked, begin = -1, 0
    low = high = row_of_model = row_of_kind = 0
    for i in range(len(as_of)):
        machine, now = entity[i], as_of[i]
        if machine >= 0:
            row_of_model = _newest(r_offsets, r_event, r_from, r_to, groups[0, i], now, holds, row_of_model)
            row_of_kind = _newest(r_offsets, r_event, r_from, r_to, groups[1, i], now, holds, row_of_kind)
        else:
            row_of_model = row_of_kind = -1
        if row_of_kind < 0:
            for j in range(len(program)):
                out[target[j], i] = NAN
            continue
        high = onward(event, offsets[machine], offsets[machine + 1], now, high)
        low = onward(event, offsets[machine], high, now - span, low)
        if machine != walked or low < begin:
            # Of observations in order the first one looks back farthest.
            begin = offsets[machine] if machine == walked else low
            side_by_side(values, begin, offsets[machine + 1], width, numbers)
            walked = machine
        _own_means(numbers, begin, width, known_from, known_to, low, high, now, odd[low] != odd[high], own)
        for j in range(len(program)):
            op, column, _, _ = program[j]
            value = NAN
            if op == 0:  # peers
                row = row_of_model
                if row < 0 or not reference[column + 2, row] >= FEWEST:
                    row = row_of_kind
                spread = reference[column + 1, row]
                if reference[column + 2, row] >= FEWEST and spread > 0.0:
                    value = (own[column // PER_SENSOR] - reference[column, row]) / spread
            else:  # rate_of_model, rate_of_kind
                if op == 1 and row_of_model >= 0:
                    value = reference[column, row_of_model]
                if np.isnan(value):
                    value = reference[column, row_of_kind]
            out[target[j], i] = value


@inlined
def _newest(offsets, event, known_from, known_to, group, now, holds, hint):  # type: ignore[no-untyped-def]
    """The newest known row of a group that is not older than `holds`, or -1. hint: that of the observation before."""
    if group < 0:
        return -1
    first = offsets[group]
    row = onward(event, first, offsets[group + 1], now, hint + 1) - 1
    while row >= first and not (known_from[row] <= now < known_to[row]):
        row -= 1
    return row if row >= first and now - event[row] <= holds else -1
