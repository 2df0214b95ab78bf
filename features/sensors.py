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
    "difference": ("diff", "last value against that of {w} before", "较 {w}前的变化", "{u}"),
    "missing": ("missing", "share of readings missing over {w}", "{w}缺测比例", ""),
}
# Written on change: over every window, over the long windows and all time, and standing.
_STEPPED = {"change": ("change", "change over {w}", "{w}内变化量", "{u}")}
_COUNTED = {"changes": ("changes", "number of changes over {w}", "{w}内变化次数", "")}
_STANDING = {
    "value": ("last", "last value", "最新值", "{u}"),
    "since_change": ("since_change", "time since the last change", "距上次变化", "h"),
    "changes": ("changes", "number of changes so far", "累计变化次数", ""),
    "drop": ("drop", "below its highest value so far", "低于历史最高值", "{u}"),
    "growth": ("growth", "change since first seen", "自首次记录以来变化", "{u}"),
    "rate": ("rate", "change per 30 days since first seen", "自首次记录以来每 30 天变化", "{u}"),
}
_OF_FAULTS = {
    "since_increase": ("since_increase", "time since the last increase", "距上次上升", "h"),
    "share_above_zero": ("share_above_zero", "share of the time above zero", "大于零的时间比例", ""),
    "since_above_zero": ("since_above_zero", "time since it was first above zero", "距首次大于零", "h"),
}
_OF_PACKED = {
    "low_word": ("word0", "last value, first packed counter", "最新值，第一个打包计数", "{u}"),
    "high_word": ("word1", "last value, second packed counter", "最新值，第二个打包计数", "{u}"),
}
# operation -> (name, unit, words, over each window)
_TOGETHER = {
    "rows": ("rows_count", "", "number of recorded changes", "变化记录数", True),
    "since_row": ("rows_since", "h", "time since any recorded change", "距上次任何变化记录", False),
    "row_gap": ("rows_gap", "h", "time between the last two recorded changes", "最近两次变化记录的间隔", False),
    "faults_since": ("faults_since", "h", "time since any fault counter rose", "距任一故障计数上升", False),
    "faults_since_first": (
        "faults_since_first",
        "h",
        "time since any fault counter first rose",
        "距任一故障计数首次上升",
        False,
    ),
    "faults_increases": ("faults_increases", "", "increases of fault counters", "故障计数上升次数", True),
    "faults_present": ("faults_present", "", "fault counters above zero", "大于零的故障计数个数", False),
    "faults_growing": ("faults_growing", "", "fault counters that grew", "增长的故障计数个数", True),
    "faults_level": ("faults_level", "", "fault counters, sum of logarithms", "故障计数对数之和", False),
    "faults_surge": ("faults_surge", "", "growth of fault counters, sum of logarithms", "故障计数增长对数之和", True),
}


def specs(kind: MachineKind) -> list[FeatureSpec]:
    """All sensor features of a kind, sensor by sensor."""
    of_one = _regular if kind.sampling == "regular" else _on_change
    made = [spec for sensor in kind.sensors for spec in of_one(kind, sensor)]
    return made if kind.sampling == "regular" else made + _together(kind)


def _regular(kind: MachineKind, sensor: Sensor) -> list[FeatureSpec]:
    windows = sorted(kind.window_hours)
    past = kind.past_hours or windows[-1]
    made = [_spec(sensor, op, *words, window=w) for op, words in _WINDOWED.items() for w in windows if _sensible(kind, op, w)]
    made.append(_spec(sensor, "last", "last", "last value", "最新值", "{u}", window=windows[-1], plain=True))
    for window in [window for window in windows if window < past]:
        en = f"mean over {span_en(window)} against its own past {span_en(past)}, in standard deviations"
        zh = f"{span_zh(window)}均值偏离自身过去 {span_zh(past)}的标准差倍数"
        made.append(_spec(sensor, "deviation", "own_z", en, zh, "", window=window, against=past))
    return made + (_against_median(sensor, past, kind.period_hours) if kind.past_hours else [])


def _against_median(sensor: Sensor, past: float, period: float) -> list[FeatureSpec]:
    """The last three readings against the median of the machine's own past, which a step in it hardly moves."""
    made = []
    for lag in (0.0, period, 2 * period):
        when_en, when_zh = (f"value {span_en(lag)} ago", f"{span_zh(lag)}前的值") if lag else ("last value", "最新值")
        en = f"{when_en} against the median of its own past {span_en(past)}, in robust standard deviations"
        zh = f"{when_zh}偏离自身过去 {span_zh(past)}中位数的稳健标准差倍数"
        made.append(_spec(sensor, "robust", "own_median_z", en, zh, "", window=lag, against=past, plain=not lag))
    return made


def _sensible(kind: MachineKind, op: str, window: float) -> bool:
    """Spread and trend need three readings; the difference over the longest window has nothing before it to look at."""
    if op in ("std", "slope", "min", "max"):
        return window >= 3 * kind.period_hours
    return op != "difference" or window < max(kind.window_hours)


def _on_change(kind: MachineKind, sensor: Sensor) -> list[FeatureSpec]:
    windows = sorted(kind.window_hours)
    standing = _STANDING | (_OF_FAULTS if sensor.fault else {}) | (_OF_PACKED if sensor.packed else {})
    made = [_spec(sensor, op, *words) for op, words in standing.items()]
    made += [_spec(sensor, op, *words, window=w) for op, words in _STEPPED.items() for w in windows]
    return made + [_spec(sensor, op, *words, window=w) for op, words in _COUNTED.items() for w in windows[-2:]]


def _together(kind: MachineKind) -> list[FeatureSpec]:
    """The rows as such (one is written when anything changes) and all fault counters together."""
    made = []
    for op, (name, unit, en, zh, windowed) in _TOGETHER.items():
        if op.startswith("faults") and not any(sensor.fault for sensor in kind.sensors):
            continue
        wanted: list[float | None] = [*sorted(kind.window_hours)] if windowed else []
        if not windowed or op in ("rows", "faults_increases"):
            wanted.append(None)
        for w in wanted:
            suffix = "" if w is None else f"_{tag(w)}"
            over_en = "" if not windowed else " so far" if w is None else f" over {span_en(w)}"
            over_zh = "" if not windowed else "累计" if w is None else f"{span_zh(w)}内"
            made.append(
                FeatureSpec(
                    name + suffix, FAMILY, READINGS, op, "", w,
                    unit=unit, words_en=en + over_en, words_zh=over_zh + zh,
                )
            )  # fmt: skip
    return made


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
