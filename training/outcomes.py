"""What came of a snapshot's observations: the labels by which forecasts are judged."""

import numpy as np
import pandas as pd
import pyarrow as pa

from features.clock import times
from features.history import HOUR
from features.observations import AS_OF
from features.schema import EVENT_TIME, MACHINE
from training.labels import HORIZON_HOURS
from training.rows import TARGETS, Past


def outcomes(past: Past, lag_hours: float = 0.0) -> pd.DataFrame:
    """machine_id, as_of, y24, y48, y72 and hours_to_failure of all observations, NaN until horizon and lag have passed.

    Of the last days a failure may be known before a quiet machine can be: counting those alone would make failures of them.
    """
    until = int(np.max(times(past.watched, EVENT_TIME), initial=0))
    labels = past.labels(known_until=until, lag_hours=lag_hours)[[*TARGETS, "hours_to_failure"]]
    labels[past.as_of > until - int((HORIZON_HOURS[-1] + lag_hours) * HOUR)] = np.nan
    keys = past.observations
    machine, as_of = keys.column(MACHINE).cast(pa.string()).to_pandas(), keys.column(AS_OF).to_pandas()
    return pd.DataFrame({MACHINE: machine, AS_OF: as_of}).join(labels)
