"""A small week by hand: places on a line, ten minutes of travel a step."""

from dataclasses import replace
from typing import Any

import numpy as np

from serving.inspection.model import DAY, Inspector, Problem, Tier, Wanted, Window

WEEKDAYS = tuple(Window(day * DAY + 480, day * DAY + 1_080) for day in range(5))
ANN = Inspector("ann", 0, WEEKDAYS, frozenset({"gas"}), frozenset({"north"}))
BOB = Inspector("bob", 1, WEEKDAYS, frozenset({"dust"}))


def line(places: int, step: int = 10) -> Any:
    """int64[places, places]: minutes between places on a line."""
    at = np.arange(places, dtype=np.int64)
    return np.abs(at[:, None] - at[None, :]) * step


def visit(name: str, place: int, **changed: Any) -> Wanted:
    one = Wanted(f"v-{name}", name, place, WEEKDAYS, 60, 100.0, Tier.MINIMUM, region="north")
    return replace(one, **changed)


def week(*wanted: Wanted, inspectors: tuple[Inspector, ...] = (ANN, BOB), step: int = 10) -> Problem:
    return Problem(inspectors, wanted, line(max([1, *(one.place for one in wanted)]) + 1, step))
