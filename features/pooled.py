"""Kind-free features: the same names, in the same order, for every kind of machine, so that one bundle can serve them all.

Those that look at no sensor, code, component, mode or model of a kind's own are taken over from their families as they are. The
others put the kind's sensors together, whatever they measure, over those that are not missing:

largest             the largest absolute value, NaN where all are missing
average             the mean absolute value, NaN where all are missing
beyond_2, beyond_3  how many absolute values lie beyond 2, beyond 3; NaN where all are missing

of the deviations from the own past, of those from the peers (`peers`), each in standard deviations, and of the missing shares.
What a kind does not have is missing.
"""

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from features import environment, events, maintenance, operations, peers, static
from features.history import READINGS, REFERENCE
from features.kinds import Action, MachineKind, Term
from features.spec import FeatureSpec, span_en, span_zh, tag

FAMILY = "pooled"
Column = npt.NDArray[np.float32]

# Windows that make sense for hourly and for daily readings alike.
_WINDOWS = (24.0, 72.0, 168.0)
_DEVIATING, _MISSING, _PAST = (24.0, 72.0), (24.0, 168.0), 168.0
_ONE = (Term(code="a", words_en="a", words_zh="a"),)
# A kind that declares a little of everything; of its features those without a term of its own fit any kind.
_ANY = MachineKind(
    name="any", words_en="any", words_zh="any", sensors=(), window_hours=_WINDOWS, calendar=("season",), error_codes=_ONE,
    components=(*_ONE, Term(code="b", words_en="b", words_zh="b")), modes=_ONE, environment=True, reference=True,
    actions=(Action(code="a", words_en="a", words_zh="a", state="running"),),
)  # fmt: skip
_COMMON = {"", "load", "mode", "running", "ambient_temperature_c", "humidity_pct", "rate_90d", "rate_365d"}
_NOT_COMMON = {"machine_capacity"}
# What a pooled bundle, its snapshot and its champion go by in place of a kind.
EVERY = MachineKind(name="pooled", words_en="machine of any kind", words_zh="任意类型设备", sensors=())
# operation -> (name, words)
_POOLED = {
    "largest": ("max", "largest", "各传感器最大绝对值"),
    "average": ("mean", "mean absolute", "各传感器平均绝对值"),
    "beyond_2": ("beyond2", "number of sensors beyond 2 in", "绝对值超过 2 的传感器数"),
    "beyond_3": ("beyond3", "number of sensors beyond 3 in", "绝对值超过 3 的传感器数"),
}


@cache
def specs() -> tuple[FeatureSpec, ...]:
    """The kind-free features, the same for every kind."""
    made = []
    for w in _DEVIATING:
        en = f"deviation of a sensor's mean over {span_en(w)} from its own past, in standard deviations"
        made += [_pooled(f"own_z_{tag(w)}", op, en, f"{span_zh(w)}均值偏离自身过去的标准差倍数") for op in _POOLED]
    en = "deviation of a sensor's daily mean from its peers, in their standard deviations"
    made += [_pooled("peers_z", op, en, "日均值偏离同类设备的标准差倍数") for op in _POOLED]
    for w in _MISSING:
        en, zh = f"share of readings missing over {span_en(w)}", f"{span_zh(w)}缺测比例"
        made += [_pooled(f"missing_{tag(w)}", op, en, zh) for op in ("largest", "average")]
    return (*made, *_alike())


def base_specs(kind: MachineKind) -> tuple[FeatureSpec, ...]:
    """What the kernels compute for a kind before it is put together."""
    made = [spec for spec in _alike() if kind.reference or spec.table != REFERENCE]
    if kind.sampling == "regular":
        past = max(_PAST, kind.past_hours or max(kind.window_hours))
        for sensor in kind.sensors:
            made += [_of_sensor(sensor.name, f"own_z_{tag(w)}", "deviation", w, past) for w in _DEVIATING]
            made += [_of_sensor(sensor.name, f"missing_{tag(w)}", "missing", w) for w in _MISSING]
    if kind.reference:
        made += [_of_sensor(s.name, "peers_z", "peers", table=REFERENCE, column=f"{s.name}_mean") for s in kind.sensors]
    return tuple(made)


@cache
def _alike() -> tuple[FeatureSpec, ...]:
    families = (operations, environment, events, maintenance, static, peers)
    every = [spec for family in families for spec in family.specs(_ANY)]
    return tuple(s for s in every if s.column in _COMMON and not s.categorical and s.name not in _NOT_COMMON)


def put_together(
    kind: MachineKind, wanted: Sequence[FeatureSpec], base: Sequence[str], matrix: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """float32[observations, base features] -> float32[observations, wanted features]."""
    place = {name: index for index, name in enumerate(base)}
    out = np.full((len(wanted), len(matrix)), np.nan, dtype=np.float32)
    for row, spec in enumerate(wanted):
        if spec.op in _POOLED:
            names = (_name(sensor.name, spec.column) for sensor in kind.sensors)
            columns = [np.abs(matrix[:, place[name]]) for name in names if name in place]
            if columns:
                out[row] = _REDUCED[spec.op](columns)
        elif spec.name in place:
            out[row] = matrix[:, place[spec.name]]
    return out.T


def _largest(columns: list[Column]) -> Column:
    found = columns[0]
    for column in columns[1:]:
        found = np.fmax(found, column)
    return found


def _average(columns: list[Column]) -> Column:
    total, seen = _sum(columns, lambda column: column.astype(np.float64))
    return np.where(seen > 0, total / np.maximum(seen, 1.0), np.nan).astype(np.float32)


def _beyond(columns: list[Column], limit: float) -> Column:
    total, seen = _sum(columns, lambda column: (column > limit).astype(np.float64))
    return np.where(seen > 0, total, np.nan).astype(np.float32)


def _sum(columns: list[Column], term: Callable[[Column], npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    """Sum of terms and number of those known: column by column, so that the number of observations changes no bit."""
    found = np.zeros((2, len(columns[0])))
    for column in columns:
        known = ~np.isnan(column)
        found[0] += np.where(known, term(column), 0.0)
        found[1] += known
    return found


_REDUCED: dict[str, Callable[[list[Column]], Column]] = {
    "largest": _largest,
    "average": _average,
    "beyond_2": lambda columns: _beyond(columns, 2.0),
    "beyond_3": lambda columns: _beyond(columns, 3.0),
}


def _name(sensor: str, column: str) -> str:
    return f"{sensor}:{column}"


def _of_sensor(
    sensor: str, name: str, op: str, window: float | None = None, against: float | None = None, *,
    table: str = READINGS, column: str | None = None,
) -> FeatureSpec:  # fmt: skip
    return FeatureSpec(_name(sensor, name), FAMILY, table, op, column or sensor, window, against)


def _pooled(column: str, op: str, en: str, zh: str) -> FeatureSpec:
    name, first_en, first_zh = _POOLED[op]
    return FeatureSpec(
        f"sensors_{column}_{name}", FAMILY, READINGS, op, column, words_en=f"{first_en} {en}", words_zh=f"{first_zh}，{zh}"
    )
