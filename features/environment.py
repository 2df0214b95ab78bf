"""Environment features: ambient temperature and humidity as states that hold until the next row.

The season is the calendar's (`calendar = ["season"]` of a kind).
"""

from features.kinds import MachineKind
from features.operations import long_windows
from features.spec import FeatureSpec, span_en, span_zh, tag

FAMILY = "environment"
TABLE = "environment"

# column -> (name, unit, words)
_COLUMNS = {
    "ambient_temperature_c": ("environment_temperature", "°C", "ambient temperature", "环境温度"),
    "humidity_pct": ("environment_humidity", "%", "ambient humidity", "环境湿度"),
}
# operation -> (name, words, {w} is the window)
_WINDOWED = {
    "state_mean": ("mean", "mean over {w}", "{w}均值"),
    "state_std": ("std", "spread over {w}", "{w}标准差"),
    "state_min": ("min", "minimum over {w}", "{w}最小值"),
    "state_max": ("max", "maximum over {w}", "{w}最大值"),
    "state_change": ("diff", "last value against that of {w} before", "较 {w}前的变化"),
}


def specs(kind: MachineKind) -> list[FeatureSpec]:
    """Last values and window statistics by time of both; the share of hot hours where the kind says what is hot."""
    if not kind.environment:
        return []
    made = []
    windows = long_windows(kind)
    for column, (name, unit, en, zh) in _COLUMNS.items():
        last_en, last_zh = f"{en}, last value", f"{zh}，最新值"
        made.append(FeatureSpec(f"{name}_last", FAMILY, TABLE, "state", column, unit=unit, words_en=last_en, words_zh=last_zh))
        made += [_over(f"{name}_{of}", op, column, w, unit, f"{en}, {more_en}", f"{zh}，{more_zh}")
                 for op, (of, more_en, more_zh) in _WINDOWED.items() for w in windows]  # fmt: skip
    if kind.hot_c is not None:
        en, zh = (
            f"ambient temperature from {kind.hot_c:g} °C on, share of the time",
            f"环境温度达到 {kind.hot_c:g} °C 的时间占比",
        )
        made += [_over("environment_hot_share", "state_mean", "hot", w, "", en + " over {w}", zh + "（{w}）") for w in windows]
    return made


def _over(name: str, op: str, column: str, window: float, unit: str, en: str, zh: str) -> FeatureSpec:
    en, zh = en.replace("{w}", span_en(window)), zh.replace("{w}", span_zh(window))
    return FeatureSpec(f"{name}_{tag(window)}", FAMILY, TABLE, op, column, window, unit=unit, words_en=en, words_zh=zh)
