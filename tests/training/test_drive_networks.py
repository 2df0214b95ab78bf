"""What networks on hard drives learn beside the forecast itself."""

import numpy as np

from features.history import HOUR
from training.drive_networks import further
from training.gbm import TrainingRows

LAST = 1000 * HOUR


def test_an_interval_that_the_collection_does_not_cover_is_no_outcome_even_of_a_failure() -> None:
    """Else every outcome known shortly before the end would be a failure, and the date alone would forecast it."""
    as_of = np.array([100, 100, 600, 600, 950], dtype=np.int64)
    to_failure = np.array([200.0, np.nan, 200.0, np.nan, 40.0])
    followed = np.array([200.0, 720.0, 200.0, 400.0, 40.0])
    nothing = np.empty((5, 0), dtype=np.float32)
    rows = TrainingRows(nothing, to_failure, followed, np.ones(5), np.arange(5), (), moments=as_of * HOUR)
    found = further(rows, (168.0, 720.0), LAST)
    none = np.nan
    np.testing.assert_array_equal(found, [[0, 1], [0, 0], [0, none], [0, none], [none, none]])
