"""The true chances of a simulated fleet, joined to the predictions that are judged beside them.

Evaluation alone may look: nothing is labelled, fitted, chosen or calibrated by what is read here. Only `training.runs` calls
it, after the bundle is made, and a test holds that no other module does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from features.errors import NotFound
from features.schema import MACHINE
from features.simulator import truth as simulated
from training.hazard import INTERVAL_ENDS, Floats

AS_OF = simulated.AS_OF
WINDOWS = "windows"


@dataclass(frozen=True)
class Truth:
    """p [n, 3]: the true probability of a failure within 24, 48, 72 h of each row.

    signs: by component, which is a failure mode, where its wear shows: in `windows` of sensors and codes, in the `order` of
    readings alone, or nowhere (`none`).
    """

    p: Floats
    signs: Mapping[str, str]


def of(home: Path, kind: str, rows: pd.DataFrame) -> Truth | None:
    """The truth of rows (machine_id, as_of) of a simulated kind; None where `home` has none, or not of every row."""
    columns = [f"p{end:g}" for end in INTERVAL_ENDS]
    try:
        signs = simulated.signs(home, kind)
        machines = sorted(set(rows[MACHINE].astype(str)))
        known = simulated.read(home, kind, columns=[MACHINE, AS_OF, *columns], machine_ids=machines).to_pandas()
    except NotFound:
        return None
    place = _keys(known).get_indexer(_keys(rows))
    if (place < 0).any():
        return None
    return Truth(known[columns].to_numpy(np.float64)[place], signs)


def _keys(rows: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_arrays([rows[MACHINE].astype(str), rows[AS_OF].dt.as_unit("us").astype("int64")])
