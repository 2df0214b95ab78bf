"""Stand-ins for machine scores: the true chances of failure, blurred, where no machine model has been trained.

They are flagged as reconstructed and named after no bundle. The real history of scores comes from rolling-origin refits; these
let enterprises be studied without readings.
"""

import numpy as np
import pyarrow as pa

from features import schema
from features.schema import EVENT_TIME, MACHINE, RECORDED_AT, TIME
from features.simulator.enterprise_machines import Watch
from features.simulator.enterprise_roll import Draw, Roll, stream
from features.simulator.enterprise_rows import Frame, texts
from features.simulator.world import Floats

BUNDLE = "simulated-stand-in"
_KNOWN_AFTER_HOURS = 2
_HOUR = 3_600_000_000
_NORMAL_95 = 1.645


def rows(roll: Roll, watch: Watch, frame: Frame, machine_ids: list[str]) -> pa.Table:
    """A score of every machine at each scored day, 00:00 UTC, by machine and time."""
    machines, moments = watch.scored.shape[:2]
    law = roll.world.machines
    own = law.score_offset * stream(roll.seed, Draw.SCORES).standard_normal((machines, 1, 1))
    # Moment by moment, so that a longer simulation continues the shorter one.
    fresh = stream(roll.seed, Draw.SCORES, 1).standard_normal((moments, machines, 1)).transpose(1, 0, 2)
    blur = own + law.score_noise * fresh
    # On the scale of the log of the cumulative hazard, where one shift moves all horizons alike and keeps their order.
    hazard = np.log(-np.log1p(-np.clip(watch.scored.astype(np.float64), 1e-6, 1 - 1e-6)))
    half = _NORMAL_95 * float(np.hypot(law.score_offset, law.score_noise))

    def chance(shift: Floats | float, horizon: int) -> Floats:
        return np.asarray(-np.expm1(-np.exp(hazard[:, :, horizon : horizon + 1] + blur + shift)).reshape(-1))

    when = np.tile(frame.at(watch.score_days), machines)
    columns = {f"p{hours}": chance(0.0, nth) for nth, hours in enumerate((24, 48, 72))}
    count = machines * moments
    return pa.table({
        MACHINE: texts(machine_ids, np.repeat(np.arange(machines), moments)),
        EVENT_TIME: pa.array(when).cast(TIME),
        RECORDED_AT: pa.array(when + _KNOWN_AFTER_HOURS * _HOUR).cast(TIME),
        "score_id": [f"{BUNDLE}-{machine}-{day}" for machine in range(machines) for day in watch.score_days.tolist()],
        "bundle_id": texts([BUNDLE], np.zeros(count, np.int32)),
        **columns,
        "low72": chance(-half, 2),
        "high72": chance(half, 2),
        "reconstructed": np.ones(count, dtype=bool),
    }).select([column.name for column in schema.MACHINE_SCORES.columns])  # fmt: skip
