"""Grids entity x year: what is laid is found, and nothing at a place comes from that place or after it."""

import numpy as np
import pandas as pd

from training.grids import Grid, ago, faded, latest

GRID = Grid(pd.Index(["a", "b"]), 2000, 4, "who", "year")
TABLE = pd.DataFrame({"who": ["b", "a", "b", "b", "c", "a"], "year": [2000, 2001, 2000, 2003, 2000, 2009]})


def test_amounts_add_up_where_they_stand_and_others_are_left_out() -> None:
    laid = GRID.lay(TABLE, np.array([1.0, 2.0, 4.0, np.nan, 8.0, 16.0]))
    np.testing.assert_array_equal(laid, [[0, 2, 0, 0], [5, 0, 0, 0]])
    marked = GRID.lay(TABLE, 1.0, empty=np.nan)
    np.testing.assert_array_equal(marked, [[np.nan, 1, np.nan, np.nan], [2, np.nan, np.nan, 1]])


def test_sums_and_last_amounts_are_those_of_a_slow_loop_over_earlier_years() -> None:
    random = np.random.default_rng(0)
    grid = random.normal(size=(5, 7))
    grid[random.random(grid.shape) < 0.4] = np.nan
    filled = np.nan_to_num(grid)
    for row in range(5):
        for at in range(7):
            slow = sum(0.6 ** (at - 1 - one) * filled[row, one] for one in range(2, at))
            np.testing.assert_allclose(faded(filled, 0.6, since=2)[row, at], slow, atol=1e-12)
            known = [grid[row, one] for one in range(at) if not np.isnan(grid[row, one])]
            np.testing.assert_equal(latest(grid)[row, at], known[-1] if known else np.nan)


def test_years_ago_are_missing_before_the_grid_begins() -> None:
    grid = np.arange(8.0).reshape(2, 4)
    np.testing.assert_array_equal(ago(grid, (np.array([0, 1, 1]), np.array([0, 1, 3])), 2), [np.nan, np.nan, 5.0])
