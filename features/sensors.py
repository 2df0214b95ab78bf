"""Sensor features: window statistics of regular readings, or the steps of counters that are written when they change."""

from features.history import READINGS
from features.kinds import MachineKind, Sensor
from features.spec import FeatureSpec, span_en, span_zh, tag

FAMILY = "sensors"

# operation -> (name in the feature, words; {w} is the window, unit of the value given the sensor's)
_WINDOWED = {
    "mean": ("mean", "mean over {w}", "{w}均值", "{u}"),
    "std": ("std", "spread over {w}", "{w}标准差", "{u}"),
    "min": ("min", "minimum over {w}", "{w}最小值", "{u}"),
    "max": ("max", "maximum over {w}", "{w}最大值", "{u}"),
    "slope": ("slope", "trend over {w}", "{w}趋势", "{u}/h"),
    "difference": ("diff", "last value against that of {w} before", "较{w}前的变化", "{u}"),
    "missing": ("missing", "share of readings missing over {w}", "{w}缺测比例", ""),
}
_STEPPED = {
    "change": ("change", "change over {w}", "{w}内变化量", "{u}"),
    "changes": ("changes", "number of changes over {w}", "{w}内变化次数", ""),
    "increases": ("increases", "number of increases over {w}", "{w}内上升次数", ""),
}
_STANDING = {
    "value": ("last", "last value", "最新值", "{u}"),
    "since_change": ("since_change", "time since the last change", "距上次变化", "h"),
    "since_increase": ("since_increase", "time since the last increase", "距上次上升", "h"),
    "peak": ("peak", "highest value so far", "历史最高值", "{u}"),
    "drop": ("drop", "below its highest value so far", "低于历史最高值", "{u}"),
    "growth": ("growth", "change since first seen", "自首次记录以来变化", "{u}"),
}


def specs(kind: MachineKind) -> list[FeatureSpec]:
    """All sensor features of a kind, sensor by sensor."""
    made = [spec for sensor in kind.sensors for spec in (_regular if kind.sampling == "regular" else _on_change)(kind, sensor)]
    return made + _rows(kind) if kind.sampling == "on_change" else made


def _regular(kind: MachineKind, sensor: Sensor) -> list[FeatureSpec]:
    windows = sorted(kind.window_hours)
    past = kind.past_hours or windows[-1]
    made = [_spec(sensor, op, *words, window=w) for op, words in _WINDOWED.items() for w in windows if _sensible(kind, op, w)]
    made.append(_spec(sensor, "last", "last", "last value", "最新值", "{u}", window=windows[-1], plain=True))
    for window in [window for window in windows if window < past]:
        en = f"mean over {span_en(window)} against its own past {span_en(past)}, in standard deviations"
        zh = f"{span_zh(window)}均值偏离自身过去{span_zh(past)}的标准差倍数"
        made.append(_spec(sensor, "deviation", "own_z", en, zh, "", window=window, against=past))
    return made


def _sensible(kind: MachineKind, op: str, window: float) -> bool:
    """Spread and trend need three readings; the difference over the longest window has nothing before it to look at."""
    if op in ("std", "slope", "min", "max"):
        return window >= 3 * kind.period_hours
    return op != "difference" or window < max(kind.window_hours)


def _on_change(kind: MachineKind, sensor: Sensor) -> list[FeatureSpec]:
    made = [_spec(sensor, op, *words, plain=True) for op, words in _STANDING.items()]
    made += [_spec(sensor, op, *words, window=w) for op, words in _STEPPED.items() for w in sorted(kind.window_hours)]
    return made


def _rows(kind: MachineKind) -> list[FeatureSpec]:
    """Changes of any sensor together: rows are written on a change."""
    made = [
        FeatureSpec(
            f"rows_count_{tag(w)}", FAMILY, READINGS, "rows", window_hours=w,
            words_en=f"number of recorded changes over {span_en(w)}", words_zh=f"{span_zh(w)}内变化记录数",
        )
        for w in sorted(kind.window_hours)
    ]  # fmt: skip
    en, zh = "time since any recorded change", "距上次任何变化记录"
    return [*made, FeatureSpec("rows_since", FAMILY, READINGS, "since_row", unit="h", words_en=en, words_zh=zh)]


def _spec(
    sensor: Sensor,
    op: str,
    name: str,
    en: str,
    zh: str,
    unit: str,
    *,
    window: float | None = None,
    against: float | None = None,
    plain: bool = False,
) -> FeatureSpec:
    suffix = "" if plain or window is None else f"_{tag(window)}"
    if window is not None:
        en, zh = en.format(w=span_en(window)), zh.format(w=span_zh(window))
    return FeatureSpec(
        name=f"{sensor.name}_{name}{suffix}",
        family=FAMILY,
        table=READINGS,
        op=op,
        column=sensor.name,
        window_hours=window,
        against_hours=against,
        unit=unit.format(u=sensor.unit) if sensor.unit else unit.replace("{u}/h", "1/h").replace("{u}", ""),
        words_en=f"{sensor.words_en}, {en}",
        words_zh=f"{sensor.words_zh}，{zh}",
    )
