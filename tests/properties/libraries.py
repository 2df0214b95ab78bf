"""Case libraries as Hypothesis draws them: cases of industries, published late, some of them corrected."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from features.enterprise.schema import CASES
from tests.properties.histories import START, table

# Fives of days from long before the first look on, so that cases fall exactly on the edges of windows.
STEP, FIRST_DAY, LAST_DAY = 5, -2200, 1400
DELAYS_DAYS = [0.0, 60.0, 400.0]
COLUMNS = ["case_id", "process", "cause", "deaths", "injuries", "direct_loss", "currency"]


@st.composite
def libraries(draw: st.DrawFn, *, most: int = 60) -> pa.Table:
    """All versions of the cases of two industries."""
    random = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    rows: list[tuple[object, ...]] = []
    for number in range(random.integers(0, most)):
        industry, day = ["construction", "food"][random.integers(2)], STEP * int(random.integers(FIRST_DAY, LAST_DAY) // STEP)
        delay = float(random.choice(DELAYS_DAYS))
        versions = [0.0, 200.0][: 1 + (random.random() < 0.2)]
        rows += [(industry, 24.0 * day, 24.0 * (delay + later), f"c{number}", *_told(random)) for later in versions]
    return table(CASES, rows, COLUMNS)


def _told(random: np.random.Generator) -> list[object]:
    choices: list[list[object]] = [
        ["piling", "roofing", None],
        ["fire", "fall_from_height", "machinery", "vehicle", "burns", "of its own", None],
        [None, 0.0, 1.0, 4.0, 31.0],
        [None, 0.0, 12.0],
        [None, 1e4, 2e7],
        [None, "CNY", "USD"],
    ]
    return [choice[random.integers(len(choice))] for choice in choices]


MONTHS = [START + timedelta(days=day) for day in (-1500, 0, 31, 300, 700, 1300)]
