"""What enterprises have consented to, as of a time. Cohorts ask here; nobody reads the table for themselves.

A row of `consents` grants or withdraws one purpose from its event time on; the latest one that was known decides. On a purpose
on which an enterprise has said nothing it is taken at the insurance contract: it is scored, and trained on; it is not shared.
"""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.clock import Micros, in_order, known_spans, micros, times
from features.enterprise.schema import CONSENTS
from features.enterprise.vocabulary import PURPOSES
from features.schema import ENTERPRISE, EVENT_TIME

UNSAID = {"score": True, "train": True, "share": False}


def consented(
    consents: pa.Table, enterprise_ids: Sequence[str] | pa.Array | pa.ChunkedArray, as_of: datetime | Micros, purpose: str
) -> npt.NDArray[np.bool_]:
    """Whether each enterprise had consented to `purpose` (score, train or share), as known at `as_of`: bool[n].

    consents: all versions of the table's rows, in any order. enterprise_ids: n, repeated or not. as_of: one moment for all, or
    int64[n] microseconds. Raises ValueError for an unknown purpose.
    """
    if purpose not in PURPOSES:
        raise ValueError(f"no purpose '{purpose}'")
    ids = pa.array(enterprise_ids, pa.string()) if isinstance(enterprise_ids, Sequence) else enterprise_ids
    asked = pa.chunked_array([ids] if isinstance(ids, pa.Array) else ids.chunks, ids.type).cast(pa.string())
    moments = np.broadcast_to(micros(as_of) if isinstance(as_of, datetime) else as_of, len(asked))
    granted = np.full(len(asked), UNSAID[purpose], dtype=bool)
    rows = in_order(consents.filter(pc.equal(consents.column("purpose"), purpose)), CONSENTS)
    place = pc.fill_null(pc.index_in(rows.column(ENTERPRISE).cast(pa.string()), pc.unique(asked)), -1).to_numpy()
    entity = pc.index_in(asked, pc.unique(asked)).to_numpy()
    order = np.argsort(entity, kind="stable")
    starts = np.searchsorted(entity[order], np.arange(entity.max(initial=-1) + 2))
    known_from, known_to = known_spans(rows, CONSENTS)
    said = rows.column("granted").to_numpy()
    # Later event times come later and override; of one row's versions only one is known at a time.
    for row in np.argsort(times(rows, EVENT_TIME), kind="stable"):
        if place[row] >= 0:
            own = order[starts[place[row]] : starts[place[row] + 1]]
            seen = (known_from[row] <= moments[own]) & (moments[own] < known_to[row])
            granted[own[seen]] = said[row]
    return granted
