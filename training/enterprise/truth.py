"""The true intensities of simulated enterprises, joined to the forecasts that are judged beside them.

Evaluation alone may look: nothing is labelled, fitted, chosen or calibrated by what is read here. Only
`training.enterprise.runs` calls it, once the bundle is made, and a test holds that no other module does.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from features.errors import NotFound
from features.observations import AS_OF
from features.schema import ENTERPRISE
from features.simulator import enterprise_truth as simulated
from training.enterprise.parts import Floats, Rows
from training.enterprise.rows import Past
from training.labels import HORIZON_DAYS


@dataclass(frozen=True)
class Truth:
    """What a perfect observer of the hidden state would expect at as_of: accidents [n, 3] and their loss [n, 3]."""

    accidents: Floats
    loss: Floats


def of(home: Path, past: Past, rows: Rows) -> Truth | None:
    """The truth of rows of a simulated past; None where `home` has none, or not of every row."""
    accidents, loss = ([f"{name}_{days:g}" for days in HORIZON_DAYS] for name in ("expected", "expected_loss"))
    try:
        known = simulated.read(home).to_pandas()
    except NotFound:
        return None
    key = pd.MultiIndex.from_arrays([known[ENTERPRISE].astype(str), known[AS_OF].dt.as_unit("us").astype("int64")])
    place = key.get_indexer(pd.MultiIndex.from_arrays([past.ids[rows].astype(str), past.as_of[rows]]))
    if (place < 0).any():
        return None
    told = known.iloc[place]
    return Truth(told[accidents].to_numpy(np.float64), told[loss].to_numpy(np.float64))
