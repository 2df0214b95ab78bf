"""Four numbers at once are four numbers: every lane has the bits that plain arithmetic gives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from features.lanes import LANES, choose, every, load, root, side_by_side, store, width_of

OPS = 12
# Not cached: the cache does not see that another file has changed.
jit = njit(error_model="numpy")
numbers = st.lists(st.floats(width=64) | st.sampled_from([0.0, -0.0, 1.0, 3.0]), min_size=LANES, max_size=LANES)


@jit
def at_once(a, b, out):
    x, y, zero, one = load(a, 0), load(b, 0), every(0.0), every(1.0)
    store(out, 0, x + y)
    store(out, 4, x - y)
    store(out, 8, x * y)
    store(out, 12, x / y)
    store(out, 16, root(x))
    store(out, 20, choose(x < y, one, zero))
    store(out, 24, choose(x > y, one, zero))
    store(out, 28, choose(x == y, one, zero))
    store(out, 32, choose(x != y, one, zero))
    store(out, 36, choose((x == x) & (y == y), one, zero))
    x += y
    store(out, 40, x)
    store(out, 44, x * y + x)


@given(numbers, numbers)
@settings(deadline=None)
def test_lanes_are_plain_numbers(a: list[float], b: list[float]) -> None:
    x, y, out = np.array(a), np.array(b), np.full(OPS * LANES, 7.0)
    at_once(x, y, out)
    with np.errstate(all="ignore"):
        told = [x < y, x > y, x == y, x != y, (x == x) & (y == y)]
        expected = [x + y, x - y, x * y, x / y, np.sqrt(x), *(one.astype(float) for one in told), x + y, (x + y) * y + (x + y)]
    assert np.array_equal(out.reshape(OPS, LANES), np.stack(expected), equal_nan=True)
    assert np.array_equal(np.signbit(out), np.signbit(np.concatenate(expected))) or np.isnan(out).any()


@jit
def turned(values, low, stop, out):
    side_by_side(values, low, stop, width_of(len(values)), out)


@pytest.mark.parametrize("columns", [1, 4, 5])
def test_columns_side_by_side(columns: int) -> None:
    values = np.arange(columns * 6, dtype=np.float64).reshape(columns, 6)
    out = np.full(8 * 3, np.nan)
    turned(values, 2, 5, out)
    width = 4 if columns <= 4 else 8
    assert np.array_equal(out[: 3 * width].reshape(3, width)[:, :columns], values[:, 2:5].T)
    assert np.isnan(out[: 3 * width].reshape(3, width)[:, columns:]).all()
