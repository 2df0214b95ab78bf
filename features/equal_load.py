"""Sensors at equal load: what a sensor reads beyond what load and ambient temperature explain.

A busy machine runs hotter and so does one on a warm day; neither is wear. A kind that declares `equal_load_hours` has each
sensor's level, spread and distance from the machine's own past with both taken out; `kernel_equal` says how.
"""

import numpy as np
import numpy.typing as npt

from features import kernel_equal
from features.history import HOUR, READINGS, Floats, History, Ints, Series
from features.kinds import MachineKind, Sensor
from features.operations import long_windows
from features.spec import FeatureSpec, span_en, span_zh, tag
from features.states import state_columns

FAMILY = "equal_load"
LOAD, AMBIENT = ("operations", "load"), ("environment", "ambient_temperature_c")


def specs(kind: MachineKind) -> list[FeatureSpec]:
    """Level and spread over the kind's windows of a day and more, distance from each longer past; none where not declared."""
    if not kind.equal_load_hours:
        return []
    return [spec for sensor in kind.sensors for spec in _of_sensor(kind, sensor)]


def _of_sensor(kind: MachineKind, sensor: Sensor) -> list[FeatureSpec]:
    windows, longest = long_windows(kind), past_hours(kind)
    windows = [window for window in windows if window <= longest]
    what_en, what_zh = _equal(kind)

    def spec(name: str, op: str, en: str, zh: str, window: float, against: float) -> FeatureSpec:
        return FeatureSpec(
            f"{sensor.name}_equal_{name}", FAMILY, READINGS, op, sensor.name, window, against, unit=sensor.unit,
            words_en=f"{sensor.words_en} at equal {what_en}, {en}", words_zh=f"{sensor.words_zh}（同等{what_zh}），{zh}",
        )  # fmt: skip

    made = []
    for w in windows:
        en, zh = span_en(w), span_zh(w)
        made.append(spec(f"mean_{tag(w)}", "equal_mean", f"mean over {en}", f"{zh}均值", w, longest))
        made.append(spec(f"std_{tag(w)}", "equal_std", f"spread over {en}", f"{zh}标准差", w, longest))
        for past in sorted(kind.equal_load_hours):
            if w < past:
                against_en = f"mean over {en} against its own past {span_en(past)}"
                against_zh = f"{zh}均值较自身过去 {span_zh(past)}"
                made.append(spec(f"diff_{tag(w)}_{tag(past)}", "equal_deviation", against_en, against_zh, w, past))
    return made


def _equal(kind: MachineKind) -> tuple[str, str]:
    """What is taken out, in words."""
    parts = [("load", "负荷")] if kind.operated else []
    parts += [("ambient temperature", "环境温度")] if kind.environment else []
    return " and ".join(en for en, _ in parts), "与".join(zh for _, zh in parts)


def past_hours(kind: MachineKind) -> float:
    """From how much of a machine's past the effects of load and temperature are told; 0 where they are not."""
    return max(kind.equal_load_hours, default=0.0)


def compare(
    kind: MachineKind,
    history: History,
    entity: Ints,
    as_of: Ints,
    windows: Ints,
    program: Ints,
    target: Ints,
    out: npt.NDArray[np.float32],
) -> None:
    """Write the features of a program of `kernel_equal.EQUAL_OPS` into `out[target]`."""
    rows = history.series[READINGS]
    kept = np.array([kind.operated, kind.environment])
    states = [_state(kind, history, *place) for place in (LOAD, AMBIENT)]
    kernel_equal.equal_stats(
        rows.offsets, rows.event, rows.known_from, rows.known_to, rows.values, *states[0], *states[1], kept,
        entity, as_of, round(past_hours(kind) * HOUR), windows, program, target, out,
    )  # fmt: skip


def _state(kind: MachineKind, history: History, table: str, column: str) -> tuple[Ints, Ints, Ints, Ints, Floats]:
    """offsets, event, known_from, known_to and the numbers of a state."""
    rows: Series = history.series[table]
    return rows.offsets, rows.event, rows.known_from, rows.known_to, rows.values[state_columns(kind, table).index(column)]
