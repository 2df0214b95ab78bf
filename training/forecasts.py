"""What a bundle says of rows of a snapshot, and what came of them."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from features.clock import times
from features.history import HOUR
from features.observations import AS_OF
from features.schema import EVENT_TIME, MACHINE
from training.bundle import Bundle
from training.hazard import Floats
from training.labels import HORIZON_HOURS
from training.model import Matrix
from training.rows import TARGETS, Past, gather

if TYPE_CHECKING:
    from features.sequences import Batch

Rows = npt.NDArray[np.int64]
OWN = "forewarn"


def inputs(bundle: Bundle, past: Past, rows: Rows) -> tuple[Matrix, "Batch | None"]:
    """Features [n, features] of ascending row numbers, and their windows where the bundle reads them."""
    return gather(past.snapshot, rows), None


def served(bundle: Bundle, past: Past, rows: Rows, *, threads: int = 1) -> Floats:
    """[n, 3] probabilities as they would be served."""
    return bundle.predict(gather(past.snapshot, rows), ranges=False, threads=threads).p


def each(bundle: Bundle, past: Past, rows: Rows, *, threads: int = 1) -> dict[str, Floats]:
    """[n, 3] probabilities by name: what is served first, then each of its models where there are several."""
    return {OWN: served(bundle, past, rows, threads=threads)}


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
