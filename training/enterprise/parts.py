"""What the parts of an enterprise score share: names of features that they ask for by name, and the stretches of a year."""

import numpy as np
import numpy.typing as npt

from training.labels import HORIZON_DAYS

Floats = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

# Worker-years a year, as announced; worker-years of the last three years; the number of a stretch, behind the features.
EXPOSURE, RECORD, INTERVAL = "exposure_per_year", "exposure_3y", "interval"
# The stretches of the coming year on which a rate each is forecast, in days: (0, 30], (30, 90], (90, 365].
EDGES = (0.0, *HORIZON_DAYS)
STRETCHES = len(HORIZON_DAYS)
DAYS = 365.0


def with_interval(x: Matrix, number: int) -> Matrix:
    """The features [n, f] and the number of a stretch behind them [n, f + 1]."""
    return np.column_stack([x, np.full(len(x), number, dtype=np.float32)])


def cumulated(rates: Floats, exposure: Floats) -> Floats:
    """Expected accidents [n, 3] within 30, 90, 365 days, of rates [n, 3] per worker-year and announced worker-years a year."""
    return np.asarray(np.cumsum(rates * (exposure[:, None] * np.diff(EDGES) / DAYS), axis=1))
