"""Terms of the policies that were in force at many moments, as columns of numbers: what a loss would have been paid under."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.clock import times
from features.enterprise.schema import POLICIES
from features.observations import AS_OF
from features.schema import ENTERPRISE, EVENT_TIME, RECORDED_AT
from features.view import View

Floats = npt.NDArray[np.float64]
LIMITS = ("limit_per_person", "limit_per_accident", "limit_aggregate")


class InForce(NamedTuple):
    """Limits [n] (infinite: without one), deductible [n] (0: none), and whether there was a policy at all [n]."""

    limit_per_person: Floats
    limit_per_accident: Floats
    limit_aggregate: Floats
    deductible: Floats
    covered: npt.NDArray[np.bool_]


def in_force(view: View, observations: pa.Table, *, limit_per_person: float = np.inf) -> InForce:
    """Of each observation (enterprise_id, as_of) the policy in force then, as known then; of several the one that began last.

    limit_per_person: of enterprises without a policy, who have no other limit.
    """
    table = view.read(POLICIES.name)
    begins, ends, known = (times(table, name) for name in (EVENT_TIME, "ends", RECORDED_AT))
    of: dict[str, list[int]] = {}
    # In the order of beginning and knowledge: of those that hold, the last one counts.
    for place in np.lexsort((known, begins)).tolist():
        of.setdefault(str(table.column(ENTERPRISE)[place]), []).append(place)
    moments = times(observations, AS_OF).tolist()
    found = np.full(len(moments), -1)
    for row, (enterprise, moment) in enumerate(
        zip(observations.column(ENTERPRISE).cast(pa.string()).to_pylist(), moments, strict=True)
    ):
        for place in reversed(of.get(enterprise, ())):
            if known[place] <= moment and begins[place] <= moment < ends[place]:
                found[row] = place
                break
    covered = found >= 0

    def column(name: str, missing: float, without: float) -> Floats:
        stated = np.append(table.column(name).cast(pa.float64()).fill_null(missing).to_numpy(), without)
        return np.asarray(stated[found])

    person, accident, aggregate = (column(name, np.inf, limit_per_person if name == LIMITS[0] else np.inf) for name in LIMITS)
    return InForce(person, accident, aggregate, column("deductible", 0.0, 0.0), covered)
