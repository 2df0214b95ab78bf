"""Operation features: mode, load and running time as states that hold until the next row, shifts, and operator actions."""

from features.kinds import MachineKind, Term, slug
from features.spec import FeatureSpec, span_en, span_zh, tag

FAMILY = "operations"
TABLE = "operations"
# Modes and loads last for hours: shorter windows than this say what the present state says.
SHORTEST_HOURS = 24.0

# operation -> (name, words, {w} is the window)
_LOAD = {
    "state_mean": ("operation_load_mean", "load, mean over {w}", "负荷，{w}均值"),
    "state_std": ("operation_load_std", "load, spread over {w}", "负荷，{w}标准差"),
    "state_max": ("operation_load_max", "load, highest over {w}", "负荷，{w}最大值"),
    "state_change": ("operation_load_diff", "load, against that of {w} before", "负荷，较 {w}前的变化"),
}


def specs(kind: MachineKind) -> list[FeatureSpec]:
    """What the kind's vocabularies of modes, shifts and actions bring; none where it declares none of them."""
    if not kind.operated:
        return []
    windows = long_windows(kind)
    made = [_standing("operation_load_last", "state", "load", "", "load, last value", "负荷，最新值")]
    for op, (name, en, zh) in _LOAD.items():
        made += [_windowed(name, op, "load", w, en, zh) for w in windows]
    return made + _modes(kind, windows) + _shifts(kind, windows) + _running(kind, windows) + _actions(kind, windows)


def long_windows(kind: MachineKind) -> list[float]:
    """The kind's windows of a day and more; the longest where there is none."""
    windows = sorted(kind.window_hours)
    return [w for w in windows if w >= SHORTEST_HOURS] or windows[-1:]


def _modes(kind: MachineKind, windows: list[float]) -> list[FeatureSpec]:
    if not kind.modes:
        return []
    made = [
        _code("mode_now", "mode", kind.modes, "operating mode", "运行工况"),
        _standing("mode_held", "held", "mode", "h", "hours in the present operating mode", "当前运行工况已持续时间"),
    ]
    for term in kind.modes:
        name, en, zh = f"mode_{slug(term.code)}_share", f"{term.words_en}, share of the time over {{w}}", "{w}内时间占比"
        made += [_windowed(name, "state_mean", f"mode:{term.code}", w, en, f"{term.words_zh}，{zh}") for w in windows]
    en, zh = "changes of the operating mode over {w}", "{w}内运行工况切换次数"
    return made + [_windowed("mode_changes", "state_changes", "mode", w, en, zh) for w in windows]


def _shifts(kind: MachineKind, windows: list[float]) -> list[FeatureSpec]:
    if not kind.shifts:
        return []
    made = [_code("shift_now", "shift", kind.shifts, "shift", "班次")]
    en, zh = "changes of shift over {w}", "{w}内班次更换次数"
    return made + [_windowed("shift_changes", "state_changes", "shift", w, en, zh) for w in windows]


def _running(kind: MachineKind, windows: list[float]) -> list[FeatureSpec]:
    if not any(action.state for action in kind.actions):
        return []
    en, zh = "running since the last stop", "自上次停机以来的连续运行时间"
    made = [_standing("running_since_stop", "held_on", "running", "h", en, zh)]
    en, zh = "running, share of the time over {w}", "{w}内运行时间占比"
    return made + [_windowed("running_share", "state_mean", "running", w, en, zh) for w in windows]


def _actions(kind: MachineKind, windows: list[float]) -> list[FeatureSpec]:
    """Counts and times since of each declared action and of any, declared or not."""
    if not kind.actions:
        return []
    subjects = [("", "actions", "any operator action", "任何操作")]
    subjects += [
        (term.code, f"action_{slug(term.code)}", f"operator action: {term.words_en}", f"操作：{term.words_zh}")
        for term in kind.actions
    ]
    made = []
    for code, name, en, zh in subjects:
        over_en, over_zh = f"{en}, count over {{w}}", f"{zh}，{{w}}内次数"
        made += [_windowed(f"{name}_count", "count", code, w, over_en, over_zh) for w in windows]
        made.append(_standing(f"{name}_since", "since", code, "h", f"{en}, time since the last", f"{zh}，距上次"))
    return made


def _code(name: str, column: str, terms: tuple[Term, ...], en: str, zh: str) -> FeatureSpec:
    return FeatureSpec(
        name, FAMILY, TABLE, "state_code", column, words_en=en, words_zh=zh, categorical=True,
        levels_en=tuple(term.words_en for term in terms), levels_zh=tuple(term.words_zh for term in terms),
    )  # fmt: skip


def _standing(name: str, op: str, column: str, unit: str, en: str, zh: str) -> FeatureSpec:
    return FeatureSpec(name, FAMILY, TABLE, op, column, unit=unit, words_en=en, words_zh=zh)


def _windowed(name: str, op: str, column: str, window: float, en: str, zh: str) -> FeatureSpec:
    en, zh = en.replace("{w}", span_en(window)), zh.replace("{w}", span_zh(window))
    return FeatureSpec(f"{name}_{tag(window)}", FAMILY, TABLE, op, column, window, words_en=en, words_zh=zh)
