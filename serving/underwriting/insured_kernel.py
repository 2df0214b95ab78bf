"""Kernels of the insured loss: what one accident pays on average, and what an aggregate limit takes off the year's sum.

Every row is worked out alone and in one order, so that it has the same bits alone and among a hundred thousand.
"""

import math

import numpy as np

from features.kernel_cache import compiled

GAMMA, LOGNORMAL = 0, 1
# What an aggregate limit takes off is left out where it is certain to be less than half a cent and than this share of the loss.
HALF_CENT, NEGLIGIBLE = 0.005, 1e-10
# Cells between nothing and the aggregate limit; within these numbers a cell's width follows from the law of losses alone.
FEWEST_CELLS, MOST_CELLS = 256, 1024
_FAR = 9.0  # deviations beyond which the normal distribution has nothing left
_ROOT_TWO = math.sqrt(2.0)
_TERMS = 10_000  # of series that converge in a few dozen
_LARGE, _LOG_LARGE = 1e250, 250.0 * math.log(10.0)

jit = compiled(nogil=True, fastmath=False, error_model="numpy")


@jit
def _below(z):  # type: ignore[no-untyped-def]
    """Standard normal distribution function."""
    return 0.5 * math.erfc(-z / _ROOT_TWO)


@jit
def gamma_below(shape, x):  # type: ignore[no-untyped-def]
    """Regularised lower incomplete gamma function: series, or continued fraction (Press et al. 2007, section 6.2)."""
    if x <= 0.0:
        return 0.0
    front = math.exp(shape * math.log(x) - x - math.lgamma(shape))
    if x < shape + 1.0:
        term = total = 1.0 / shape
        for n in range(1, _TERMS):
            term *= x / (shape + n)
            total += term
            if term < total * 1e-16:
                break
        return min(total * front, 1.0)
    b = x + 1.0 - shape
    c, d = 1e300, 1.0 / b
    h = d
    for n in range(1, _TERMS):
        a = -n * (n - shape)
        b += 2.0
        d = a * d + b
        d = 1.0 / (d if abs(d) > 1e-300 else 1e-300)
        c = b + a / c
        c = c if abs(c) > 1e-300 else 1e-300
        h *= d * c
        if abs(d * c - 1.0) < 1e-15:
            break
    return max(1.0 - h * front, 0.0)


@jit
def limited(family, mean, shape, x):  # type: ignore[no-untyped-def]
    """E[min(X, x)] of a loss (Klugman, Panjer & Willmot 2012, Loss Models, appendix A)."""
    if x <= 0.0:
        return 0.0
    if x == np.inf:
        return mean
    if family == GAMMA:
        at = shape * (x / mean)
        return mean * gamma_below(shape + 1.0, at) + x * (1.0 - gamma_below(shape, at))
    z = (math.log(x / mean) + 0.5 * shape * shape) / shape
    if z < -_FAR:
        return x
    if z > _FAR + shape:
        return mean
    return mean * _below(z - shape) + x * _below(-z)


@jit
def _loss(c, law, u):  # type: ignore[no-untyped-def]
    """E[min(covered part of a loss of class c, u)]."""
    _, mean, shape, family, cap, covered = law
    return covered * limited(family[c], mean[c], shape[c], min(u / covered, cap[c]))


@jit
def _steps(law, more, per_person, most, at, base):  # type: ignore[no-untyped-def]
    """Fill at [c, k] with E[min(covered loss, k limits)] and base [c, k] with E[min(covered loss, persons x limit, k limits)].

    more [c, k]: chance of more than k persons. Returns how many k are needed for amounts up to `most`.
    """
    if per_person == np.inf:
        return 1
    steps = more.shape[1]
    if most < steps * per_person:
        steps = min(steps, int(most / per_person) + 1)
    for c in range(len(law[0])):
        at[c, 0] = base[c, 0] = 0.0
        for k in range(1, steps):
            at[c, k] = _loss(c, law, k * per_person)
            base[c, k] = base[c, k - 1] + more[c, k - 1] * (at[c, k] - at[c, k - 1])
    return steps


@jit
def _paid(c, law, more, per_person, steps, at, base, u):  # type: ignore[no-untyped-def]
    """E[min(covered loss, persons x limit per person, u)] of an accident of class c.

    Where the limit does not bind, the integral of P(covered loss > u) P(persons x limit > u) du, a piece between multiples of
    the limit at a time.
    """
    if per_person == np.inf:
        return _loss(c, law, u)
    k = steps - 1 if u >= steps * per_person else min(int(u / per_person), steps - 1)
    return base[c, k] + more[c, k] * (_loss(c, law, min(u, (k + 1) * per_person)) - at[c, k])


@jit
def _accident(law, more, per_person, steps, at, base, u):  # type: ignore[no-untyped-def]
    """E[min(what the limits leave, u)] over all classes."""
    total = 0.0
    for c in range(len(law[0])):
        if law[0][c] > 0.0:
            total += law[0][c] * _paid(c, law, more, per_person, steps, at, base, u)
    return total


@jit
def excess_bound(count, size, paid, most, aggregate, enough):  # type: ignore[no-untyped-def]
    """At least E[(S - aggregate)+] of the year's sum S; summed only until it is above `enough`.

    A payment in [0, most] with mean `paid` is below most x Bernoulli(paid / most) in convex order, sums of so many of them
    likewise (Shaked & Shanthikumar 2007, theorems 3.A.24 and 3.A.14), and (s - aggregate)+ is convex: what is left is a
    negative binomial number with mean count x paid / most, and a sum over its tail.
    """
    unit = max(most, aggregate / 64.0)
    mean, mark = count * paid / unit, aggregate / unit
    a, b = (0.0, mean) if size == np.inf else (mean / size / (1.0 + mean / size), 0.0)
    if size < np.inf:
        b = (size - 1.0) * a
    chance = math.exp(-mean if size == np.inf else -size * math.log1p(mean / size))
    if chance < 1e-280:
        return np.inf
    total = 0.0
    for n in range(1, _TERMS):
        chance *= a + b / n
        if n > mark:
            total += chance * (n - mark) * unit
            if total > enough:
                break
            ratio = a + max(b, 0.0) / (n + 1)
            # Beyond here terms fall at least as fast as (n - mark + 1) / (n - mark) x ratio lets them.
            ratio *= (n + 1.0 - mark) / (n - mark)
            if ratio < 1.0 and chance * (n - mark) * unit * ratio / (1.0 - ratio) <= 1e-3 * total:
                return total * 1.001
    return np.inf


@jit
def width_of(law, aggregate):  # type: ignore[no-untyped-def]
    """Width of a cell: a power of two near half of the covered mean loss, finer or coarser where cells were too few or many."""
    mean = 0.0
    for c in range(len(law[0])):
        mean += law[0][c] * law[1][c]
    width = 2.0 ** math.floor(math.log2(0.5 * mean * law[5]))
    while aggregate < FEWEST_CELLS * width:
        width *= 0.5
    while aggregate > MOST_CELLS * width:
        width *= 2.0
    return width


@jit
def within(count, size, severity, last, width, aggregate, room):  # type: ignore[no-untyped-def]
    """E[min(S, aggregate)] of a sum S of a negative binomial number (mean count, shape size; infinite: Poisson) of payments
    j x width with the chances severity[j], j = 0..last (Panjer 1981).

    room [3, cells and more]: severity[j] x j and the two sums of the recursion, to which each chance of S adds its part as soon
    as it is known. Chances are kept relative to a factor, so that no number of accidents is too many.
    """
    cells = math.ceil(aggregate / width)
    if size == np.inf:
        a, b, factor = 0.0, count, -count * (1.0 - severity[0])
    else:
        a = count / size / (1.0 + count / size)
        b, factor = (size - 1.0) * a, -size * math.log1p(count / size * (1.0 - severity[0]))
    weighted, one, two = room[0], room[1], room[2]
    for j in range(last + 1):
        weighted[j] = j * severity[j]
    one[:cells] = 0.0
    two[:cells] = 0.0
    under, total, own = 0.0, 0.0, 1.0
    for s in range(cells):
        if s > 0:
            own = max((a * one[s] + b / s * two[s]) / (1.0 - a * severity[0]), 0.0)
        if own > _LARGE:
            own /= _LARGE
            under /= _LARGE
            total /= _LARGE
            one[s:cells] /= _LARGE
            two[s:cells] /= _LARGE
            factor += _LOG_LARGE
        under += own
        total += s * own
        ahead = min(last, cells - 1 - s)
        for j in range(1, ahead + 1):
            one[s + j] += severity[j] * own
        for j in range(1, ahead + 1):
            two[s + j] += weighted[j] * own
    scale = math.exp(factor)
    return total * scale * width + aggregate * max(1.0 - under * scale, 0.0)


@jit
def one_year(count, size, law, more, terms, room, kept):  # type: ignore[no-untyped-def]
    """What is paid in a year, and whether the aggregate limit was reckoned with.

    kept: cells of `severity` that are of this law under these terms already; 0: none. Left at what `severity` then holds.

    law: (share [c], mean [c], shape [c], family [c], cap [c], covered share). terms: limit per person, per accident, of the
    year, deductible. room: (at [c, k], base [c, k], severity, what `within` takes).
    """
    per_person, per_accident, aggregate, deductible = terms
    at, base, severity, sums = room
    # A single payment beyond the aggregate limit is cut by it, whatever the others are.
    most = min(per_accident - deductible, aggregate)
    if not (most > 0.0 and count > 0.0):
        return 0.0, False
    steps = _steps(law, more, per_person, deductible + most, at, base)
    free = _accident(law, more, per_person, steps, at, base, deductible)
    paid = max(_accident(law, more, per_person, steps, at, base, deductible + most) - free, 0.0)
    mean = count * paid
    if aggregate == np.inf or mean == 0.0:
        return mean, False
    enough = min(HALF_CENT, NEGLIGIBLE * mean)
    if excess_bound(count, size, paid, most, aggregate, enough) <= enough:
        return mean, False
    width = width_of(law, aggregate)
    last = math.ceil(most / width)
    # Each payment is spread over the two ends of its cell so that its mean is kept (Gerber 1982).
    before, here = 0.0, 0.0
    for j in range(last + 1 if kept[0] == 0 else 0):
        there = min((j + 1) * width, most)
        after = paid if there == most else _accident(law, more, per_person, steps, at, base, deductible + there) - free
        severity[j] = max((2.0 * here - before - after) / width, 0.0) if j else max(1.0 - after / width, 0.0)
        before, here = here, after
    kept[0] = last + 1
    return min(within(count, size, severity, last, width, aggregate, sums), mean), True


@jit
def years(count, size, share, mean, shape, family, persons, cap, covered, terms, first, out, reckoned):  # type: ignore[no-untyped-def]
    """Fill out and reckoned from row `first` on, a row at a time; share and mean have one row for all or one for each."""
    classes, most = persons.shape
    more = np.zeros((classes, most))
    for c in range(classes):
        above = 0.0
        for k in range(most - 1, 0, -1):
            above += persons[c, k]
            more[c, k - 1] = min(above, 1.0)
    room = (
        np.empty((classes, most + 1)), np.empty((classes, most + 1)),
        np.empty(MOST_CELLS + 2), np.empty((3, MOST_CELLS + 2)),
    )  # fmt: skip
    alike = len(share) == 1 and len(mean) == 1 and len(covered) == 1
    kept = np.zeros(1, dtype=np.int64)
    for i in range(len(out)):
        row = first + i
        # Of one law under the same terms the law of payments is made once, however many numbers of accidents are asked for.
        if not alike or i == 0 or not (terms[:, row] == terms[:, row - 1]).all():
            kept[0] = 0
        law = (
            share[row if len(share) > 1 else 0], mean[row if len(mean) > 1 else 0], shape, family, cap,
            covered[row if len(covered) > 1 else 0],
        )  # fmt: skip
        limits = (terms[0, row], terms[1, row], terms[2, row], terms[3, row])
        out[i], reckoned[i] = one_year(count[row], size[row], law, more, limits, room, kept)
