"""What is known of a machine itself: age, time under observation, model, capacity; the calendar where a kind declares it."""

import re

import numpy as np

from features.history import HOUR, Floats, Ints
from features.kinds import MachineKind
from features.spec import FeatureSpec

FAMILY = "static"
DAY = 24 * HOUR
YEAR_DAYS = 365.25

_ALWAYS = (
    ("machine_age", "age", "h", "age of the machine", "设备使用时间"),
    ("machine_observed", "observed", "h", "time under observation", "已监测时间"),
    ("machine_age_at_start", "age_at_start", "h", "age when observation began", "开始监测时的使用时间"),
    ("machine_model", "model", "", "model", "设备型号"),
    ("machine_make", "make", "", "make, by the model's first letters", "品牌（按型号首字母）"),
    ("machine_capacity", "capacity", "", "capacity", "容量或额定能力"),
)
_CALENDAR = {
    "season": ("calendar_season", "season", "d", "day of the year", "一年中的第几天"),
    "weekday": ("calendar_weekday", "weekday", "", "day of the week, Monday 0", "星期几（周一为 0）"),
    "date": ("calendar_date", "date", "d", "date, days since 1970", "日期（自 1970 年起天数）"),
    "made": ("machine_made", "made", "d", "first day of use, days since 1970", "启用日期（自 1970 年起天数）"),
}


def specs(kind: MachineKind) -> list[FeatureSpec]:
    """The model and the make are indices into the kind's models and makes, missing where the kind does not know them."""
    rows = [*_ALWAYS, *(_CALENDAR[name] for name in kind.calendar)]
    levels = {"model": kind.models, "make": tuple(makes(kind))}
    return [
        FeatureSpec(
            name, FAMILY, "machines", op, unit=unit, words_en=en, words_zh=zh, categorical=op in levels,
            levels_en=levels.get(op, ()), levels_zh=levels.get(op, ()),
        )
        for name, op, unit, en, zh in rows
    ]  # fmt: skip


def makes(kind: MachineKind) -> list[str]:
    """The distinct leading letters of the kind's models: ST4000DM000 is of make ST."""
    return sorted({_make(model) for model in kind.models})


def _make(model: str) -> str:
    found = re.match(r"[^\W\d_]+", model)
    return found.group().upper() if found else ""


def value(op: str, values: Floats, event: Ints, as_of: Ints, kind: MachineKind) -> Floats:
    """One operation for all observations: float64[n].

    values: float64[3, n] in the order of `history.STATIC`, event: int64[n]; both of the machine's row known at `as_of`, NaN
    and 0 where there is none.
    """
    model, age_at_start, capacity = values
    observed = np.asarray((as_of - event) / HOUR, dtype=np.float64)
    if op == "observed":
        return observed
    if op == "age":
        return np.asarray(age_at_start + observed)
    if op == "age_at_start":
        return np.asarray(age_at_start)
    if op == "model":
        return np.asarray(model)
    if op == "make":
        names = makes(kind)
        of_model = np.array([*(names.index(_make(one)) for one in kind.models), np.nan])
        return np.asarray(of_model[np.where(np.isnan(model), len(kind.models), model).astype(np.int64)])
    if op == "capacity":
        return np.asarray(capacity)
    days = np.floor_divide(as_of, DAY)
    if op == "weekday":
        return np.asarray((days + 3) % 7, dtype=np.float64)  # 1970-01-01 was a Thursday
    if op == "date":
        return days.astype(np.float64)
    if op == "season":
        return np.asarray(days % YEAR_DAYS)
    return np.asarray(as_of / DAY - (age_at_start + observed) / 24.0)  # made
