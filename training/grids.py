"""Amounts of a panel laid out as entity x year, in which "before the year" is one step to the left."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Place = tuple[Whole, Whole]


@dataclass(frozen=True)
class Grid:
    """Where each entity and year stands: sorted ids; the first year; how many years.

    entity, year: the columns of its tables that hold them.
    """

    ids: "pd.Index[Any]"
    first: int
    width: int
    entity: str
    year: str

    def place(self, table: pd.DataFrame) -> Place:
        """Row and column [n] of each row of a table; -1 and beyond the width where there is none."""
        return self.ids.get_indexer(table[self.entity]).astype(np.int64), table[self.year].to_numpy(np.int64) - self.first

    def lay(self, table: pd.DataFrame, amount: Floats | float = 1.0, empty: float = 0.0) -> Floats:
        """Amounts [rows of the table] as [entities, years], added up; `empty` where a row never stood.

        A missing amount counts as 0; rows of other entities and years are left out.
        """
        entity, year = self.place(table)
        inside = (entity >= 0) & (year >= 0) & (year < self.width)
        at = (entity[inside], year[inside])
        grid = np.zeros((len(self.ids), self.width))
        np.add.at(grid, at, np.nan_to_num(np.broadcast_to(np.asarray(amount, dtype=np.float64), len(table)))[inside])
        if empty != 0.0:
            stood = np.zeros(grid.shape, dtype=bool)
            stood[at] = True
            grid[~stood] = empty
        return grid


def faded(grid: Floats, decay: float, since: int = 0) -> Floats:
    """Sum over EARLIER columns, from `since` on, of decay^(columns between - 1) x amount: the last one counts in full."""
    found = np.zeros_like(grid)
    for at in range(since + 1, grid.shape[1]):
        found[:, at] = decay * found[:, at - 1] + grid[:, at - 1]
    return found


def latest(grid: Floats) -> Floats:
    """The last known (not NaN) amount of EARLIER columns; NaN before the first."""
    found = np.full_like(grid, np.nan)
    for at in range(1, grid.shape[1]):
        found[:, at] = np.where(np.isnan(grid[:, at - 1]), found[:, at - 1], grid[:, at - 1])
    return found


def ago(grid: Floats, at: Place, years: int) -> Floats:
    """The amount so many years before each place [n]; NaN before the grid begins."""
    return np.asarray(np.where(at[1] >= years, grid[at[0], np.maximum(at[1] - years, 0)], np.nan))
