"""The city's own regression of its food inspections, as published, to be refitted and beaten.

github.com/Chicago/food-inspections-evaluation, CODE/30_glmnet_model.R: which columns, how they are capped, and a ridge so weak
that it is none. It sees a visit as of its own day.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.sources.chicago import DATED

Floats = npt.NDArray[np.float64]
_CAPS = {"pastSerious": 1.0, "pastCritical": 1.0, "heat_burglary": 70.0, "heat_sanitation": 70.0, "heat_garbage": 50.0}
_OLD_YEARS = 4.0


def told(visits: pd.DataFrame) -> bool:
    """Whether the file has what the regression is made of, in every row."""
    return set(DATED) <= set(visits.columns) and bool(visits[list(DATED)].notna().all(axis=None))


def city(known: pd.DataFrame, asked: pd.DataFrame, *, who: bool) -> Floats:
    """Log odds [n] of a critical violation. who: the groups of inspectors are among the columns."""
    from sklearn.linear_model import LogisticRegression

    groups = sorted(known["Inspector_Assigned"].dropna().unique())[1:] if who else []
    rows, wanted = (_columns(one, groups) for one in (known, asked))
    mean, spread = rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-9)
    model: Any = LogisticRegression(C=100.0, max_iter=1000).fit((rows - mean) / spread, known["found"].to_numpy(np.float64))
    return np.asarray(model.decision_function((wanted - mean) / spread), dtype=np.float64)


def _columns(visits: pd.DataFrame, groups: list[str]) -> Floats:
    dated = [np.minimum(visits[name].to_numpy(np.float64), _CAPS.get(name, np.inf)) for name in DATED]
    others = ("consumption_on_premises_incidental_activity", "tobacco_retail_over_counter")
    return np.column_stack([
        *dated,
        *(visits[name].to_numpy(np.float64) for name in others),
        (visits["ageAtInspection"] > _OLD_YEARS).to_numpy(np.float64),
        *((visits["Inspector_Assigned"] == one).to_numpy(np.float64) for one in groups),
    ])  # fmt: skip
