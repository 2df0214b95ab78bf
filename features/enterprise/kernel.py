"""The one kernel of enterprises: counts, sums, latest values, times since and standing states over irregular histories.

Its rules are those of `features.kernel`: a row is seen at `as_of` iff known_from <= as_of < known_to, and rows are added up in
the order in which they stand, over the visible rows alone; so the same rows give the same bits offline and online. An
enterprise has hundreds of rows of a table, not millions: each observation looks at all of them, and holds nothing for the next.

Moments in `values` are microseconds, which float64 holds exactly for three centuries. What comes out is in days.
"""

import numpy as np

from features.kernel import HOUR, NAN, after, jit

VERSION = 1
DAY = 24 * HOUR
OPS = (
    "count", "sum", "mean", "largest", "last", "elapsed", "since", "since_first",
    "standing", "standing_days", "standing_longest", "spread", "covered",
)  # fmt: skip
COUNT, SUM, MEAN, LARGEST, LAST, ELAPSED, SINCE, SINCE_FIRST = range(8)
STANDING, STANDING_DAYS, STANDING_LONGEST, SPREAD, COVERED = range(8, 13)


@jit
def local_groups(entity, keys, groups):  # type: ignore[no-untyped-def]
    """Number the groups of each entity's rows from 0, in place: rows that are alike in all keys. The first key ascends."""
    count = 0
    for row in range(len(entity)):
        if row == 0 or entity[row] != entity[row - 1]:
            count = 0
        found = -1
        other = row - 1
        while other >= 0 and entity[other] == entity[row] and keys[0, other] == keys[0, row]:
            alike = True
            for key in range(1, len(keys)):
                alike = alike and keys[key, other] == keys[key, row]
            if alike:
                found = groups[other]
                break
            other -= 1
        groups[row] = found if found >= 0 else count
        count += found < 0


@jit
def row_stats(  # type: ignore[no-untyped-def]
    offsets, event, known_from, known_to, groups, values, entity, as_of, windows, program, out
):
    """One line of `program` per feature: operation, column, second column, selecting column (or -1), window, newest only.

    groups: int32[rows], the row's group within its entity (from 0). entity: index into offsets, or -1 (NaN everywhere).
    out: float64[features, observations]. Over the rows that are seen, selected and happened in (as_of - window, as_of]:

    count, sum, mean, largest   of the column, missing numbers left out; 0 for none, mean and largest NaN
    last, elapsed               the newest number; days from that moment to `as_of`
    since, since_first          days since the newest, the oldest row
    standing                    how many rows stand: the column's moment (without a column the row's) lies before `as_of`, the
                                second's not yet; standing_days: the days since, added up; standing_longest: the most, or 0
    spread                      the column's amount of each period from the second's moment to the row's event time, as far as
                                the period lies in the window; covered: the days of these periods in the window
    """
    n_specs = len(program)
    most_rows, most_groups = 0, 0
    for e in range(len(offsets) - 1):
        most_rows = max(most_rows, offsets[e + 1] - offsets[e])
        for row in range(offsets[e], offsets[e + 1]):
            most_groups = max(most_groups, groups[row] + 1)
    newest = np.zeros(most_rows, dtype=np.bool_)
    met = np.zeros(most_groups, dtype=np.bool_)
    many = np.zeros(n_specs)
    for i in range(len(as_of)):
        now = as_of[i]
        if entity[i] < 0:
            for j in range(n_specs):
                out[j, i] = NAN
            continue
        first = offsets[entity[i]]
        stop = after(event, first, offsets[entity[i] + 1], now)
        met[:] = False
        for row in range(stop - 1, first - 1, -1):
            seen = known_from[row] <= now < known_to[row]
            newest[row - first] = seen and not met[groups[row]]
            met[groups[row]] = met[groups[row]] or seen
        for j in range(n_specs):
            many[j] = 0.0
            out[j, i] = 0.0
        for row in range(first, stop):
            if not (known_from[row] <= now < known_to[row]):
                continue
            for j in range(n_specs):
                op, column, second, select, only_newest = (
                    program[j, 0], program[j, 1], program[j, 2], program[j, 3], program[j, 5],
                )  # fmt: skip
                if only_newest and not newest[row - first]:
                    continue
                # A missing mark selects nothing.
                if select >= 0 and not values[select, row] > 0.0:
                    continue
                since = now - windows[program[j, 4]]
                if event[row] <= since:
                    continue
                if op == COUNT:
                    out[j, i] += 1.0
                elif op == SINCE:
                    many[j] += 1.0
                    out[j, i] = (now - event[row]) / DAY
                elif op == SINCE_FIRST:
                    if many[j] == 0.0:
                        out[j, i] = (now - event[row]) / DAY
                    many[j] += 1.0
                elif op >= SPREAD:
                    begin, end = max(values[second, row], np.float64(since)), np.float64(event[row])
                    if begin < end:
                        inside = end - begin
                        if op == SPREAD:
                            out[j, i] += values[column, row] * (inside / (end - values[second, row]))
                        else:
                            out[j, i] += inside / DAY
                elif op >= STANDING:
                    begun = column < 0 or values[column, row] < now
                    over = second >= 0 and values[second, row] <= now
                    if begun and not over:
                        begin = np.float64(event[row]) if column < 0 else values[column, row]
                        if op == STANDING:
                            out[j, i] += 1.0
                        elif op == STANDING_DAYS:
                            out[j, i] += (now - begin) / DAY
                        else:
                            out[j, i] = max(out[j, i], (now - begin) / DAY)
                else:
                    number = values[column, row]
                    if np.isnan(number):
                        continue
                    many[j] += 1.0
                    if op in (SUM, MEAN):
                        out[j, i] += number
                    elif op == LARGEST:
                        out[j, i] = number if many[j] == 1.0 else max(out[j, i], number)
                    elif op == LAST:
                        out[j, i] = number
                    else:
                        out[j, i] = (now - number) / DAY
        for j in range(n_specs):
            op = program[j, 0]
            if op == MEAN:
                out[j, i] /= many[j] if many[j] > 0.0 else NAN
            elif LARGEST <= op <= SINCE_FIRST and many[j] == 0.0:
                out[j, i] = NAN
