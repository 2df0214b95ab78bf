"""Features against peers, from the dated reference table of the kind (`reference`).

peers           (own - mean) / std: the machine's own 24 h mean (`kernel_peers`) against mean and standard deviation of its
                peers' in the newest row known of the table
rate_of_model   failures per machine-year of the machine's model in the newest row known; where that has none, of the kind
rate_of_kind    the same of all machines of the kind

The peers are the machines of the same model if at least 5 of them had a 24 h mean, else all machines of the kind. NaN where
even those are fewer than 5, where their spread is 0, or where the newest row is older than 7 days. A kind without readings
every day is compared by its own period in place of the 24 h.

The rates of the kind are the same for all machines at a moment: over a short history they can stand for a date (see
features/sources/mapped.py). What tells machines apart is the rate of the model.
"""

import numpy as np
import numpy.typing as npt

from features import kernel_peers
from features.history import HOUR, READINGS, REFERENCE, History, Ints, peer_groups
from features.kernel import version_at
from features.kinds import MachineKind, slug
from features.spec import FeatureSpec

FAMILY = "peers"
HOLDS = 7 * 24 * HOUR
RATE_DAYS = (90, 365)


def specs(kind: MachineKind) -> list[FeatureSpec]:
    """One comparison per sensor, base rates over all and per component; none where the kind does not declare `reference`."""
    if not kind.reference:
        return []
    made = [
        FeatureSpec(
            f"{sensor.name}_peers_z", FAMILY, REFERENCE, "peers", f"{sensor.name}_mean",
            words_en=f"{sensor.words_en}, mean over {own_hours(kind):g} h against its peers, in their standard deviations",
            words_zh=f"{sensor.words_zh}，{own_hours(kind):g} 小时均值偏离同类设备的标准差倍数",
        )
        for sensor in kind.sensors
    ]  # fmt: skip
    for whose, op, en, zh in (
        ("kind", "rate_of_kind", "failures of this kind of machine", "该类设备故障率"),
        ("model", "rate_of_model", "failures of this model", "该型号设备故障率"),
    ):
        for days in RATE_DAYS:
            over = f"over {days} d", f"{days} 天"
            made.append(_rate(f"base_rate_{whose}_{days}d", op, f"rate_{days}d", f"{en}, {over[0]}", f"{zh}，{over[1]}"))
    for term in kind.components:
        en, zh = f"{term.words_en}, failures on this model, over 365 d", f"{term.words_zh}，该型号故障率，365 天"
        made.append(_rate(f"{slug(term.code)}_base_rate", "rate_of_model", f"rate_{slug(term.code)}_365d", en, zh))
    return made


def _rate(name: str, op: str, column: str, en: str, zh: str) -> FeatureSpec:
    return FeatureSpec(name, FAMILY, REFERENCE, op, column, unit="1/machine-year", words_en=en, words_zh=zh)


def own_hours(kind: MachineKind) -> float:
    """How far back a machine's own mean reaches."""
    return max(24.0, kind.period_hours)


def compare(
    kind: MachineKind, history: History, entity: Ints, as_of: Ints, program: Ints, target: Ints, out: npt.NDArray[np.float32]
) -> None:
    """Write the features of a program of `kernel_peers.PEER_OPS` into `out[target]`."""
    machines, rows, reference = (history.series[name] for name in ("machines", READINGS, REFERENCE))
    version = np.empty(len(as_of), dtype=np.int64)
    version_at(machines.offsets, machines.known_from, machines.known_to, entity, as_of, version)
    model = np.append(machines.values[0], np.nan)[version]
    places = peer_groups(kind)
    of_model = np.array([*(places.index(f"{kind.name}/{one}") for one in kind.models), -1], dtype=np.int64)
    groups = np.empty((2, len(as_of)), dtype=np.int64)
    groups[0] = of_model[np.where(np.isnan(model), len(kind.models), model).astype(np.int64)]
    groups[1] = places.index(kind.name)
    span = round(own_hours(kind) * HOUR)
    kernel_peers.peer_stats(
        rows.offsets, rows.event, rows.known_from, rows.known_to, rows.odd, rows.values,
        reference.offsets, reference.event, reference.known_from, reference.known_to, reference.values,
        entity, as_of, groups, span, HOLDS, program, target, out,
    )  # fmt: skip
