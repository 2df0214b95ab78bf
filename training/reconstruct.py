"""Scores of machines as they would have been known: the word of each retraining of a backtest, kept in the lake.

A risk of enterprises learns from scores of machines, which exist from the day on which somebody began to score. The time before
is filled by rolling refits alone: at each cut-off a model of what was known then speaks of the observations that follow, until
the next. Its training ended, with its labels ripe, before the first of them. Such rows are marked `reconstructed`, and their
knowledge time is the one that they would have had: their own as_of.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.lake import Lake
from features.observations import AS_OF
from features.schema import EVENT_TIME, MACHINE, MACHINE_SCORES, RECORDED_AT, TEXT, TIME
from training.backtest import HORIZONS, RANGE, Part, Run
from training.panel import SERVED
from training.rows import Past, moment

SOURCE = "backtest machine"


def keep(run: Run, past: Past, lake: Lake) -> int:
    """Write what a backtest said into the table `machine_scores`; how many rows that were.

    What an earlier run has kept of the same retraining is not written again. Raises Conflict if somebody else is writing.
    """
    known = set(_bundles(lake))
    tables = [table_of(run, part, past) for part in run.parts if len(part.rows) and part.facts["bundle"] not in known]
    if not tables:
        return 0
    rows = pa.concat_tables(tables)
    lake.append_new(MACHINE_SCORES, rows, moment(run.cutoffs[-1].until), SOURCE, lambda: None)
    return int(rows.num_rows)


def table_of(run: Run, part: Part, past: Past) -> pa.Table:
    """What one retraining said, in the columns of MACHINE_SCORES."""
    observations = past.observations.take(pa.array(part.rows))
    count, bundle = len(part.rows), part.facts["bundle"]
    moments = observations.column(AS_OF).cast(TIME)
    numbers = pc.cast(pa.array(part.rows), TEXT)
    columns: dict[str, Any] = {
        MACHINE: observations.column(MACHINE).cast(TEXT),
        EVENT_TIME: moments,
        RECORDED_AT: moments,
        "score_id": pc.binary_join_element_wise(pa.scalar(f"{run.id}.{bundle}"), numbers, "."),
        "bundle_id": pa.repeat(pa.scalar(bundle, TEXT), count),
        "reconstructed": pa.repeat(pa.scalar(True), count),
        **{name: np.clip(part.said[SERVED][:, place], 0.0, 1.0) for place, name in enumerate(HORIZONS)},
        **{name: np.clip(part.ranges[:, place], 0.0, 1.0) for place, name in enumerate(RANGE)},
    }
    return pa.table({field.name: columns[field.name] for field in MACHINE_SCORES.arrow}).cast(MACHINE_SCORES.arrow)


def _bundles(lake: Lake) -> list[str]:
    """Bundles whose reconstructed scores are there."""
    if MACHINE_SCORES.name not in lake.versions():
        return []
    table = lake.at().read(MACHINE_SCORES.name, columns=["bundle_id", "reconstructed"])
    return [str(one) for one in pc.unique(table.filter(table.column("reconstructed")).column("bundle_id")).to_pylist()]
