"""Lines of a plan (conflicts, notes) in Chinese: a stored plan holds them in English, and old plans are shown as well."""

import re
from collections.abc import Sequence

_DAYS = {
    "Monday": "周一", "Tuesday": "周二", "Wednesday": "周三", "Thursday": "周四", "Friday": "周五", "Saturday": "周六",
    "Sunday": "周日",
}  # fmt: skip
_NAME, _AT = r"(.+?)", r"(\w+ \d\d:\d\d)"
_Said = tuple[str, str]  # a pattern that the whole text has, and the words, {0} for its first group

_WHERE: tuple[_Said, ...] = (
    ("sites (.+) and (.+)", "场所 {0} 与 {1}"), ("site (.+)", "场所 {0}"), ("inspector (.+)", "检查员 {0}"),
    ("inspectors", "检查员"),
)  # fmt: skip
_WHAT: tuple[_Said, ...] = (
    ("no inspector has hours in this week", "没有检查员"),
    ("every inspector is off: nobody has hours in this week", "全部休假，本周无人上班"),
    (r"named (\d+) times", "重复 {0} 次"),
    (r"wanted (\d+) times", "重复 {0} 次"),
    ("its window never opens in this week", "本周没有开放时段"),
    (r"its longest window of (\d+) min cannot hold a visit of (\d+)", "最长开放时段 {0} 分钟，容不下 {1} 分钟的检查"),
    ("no inspector is called (.+)", "没有名为 {0} 的检查员"),
    ("nobody has the skill (.+)", "无人具备资质 {0}"),
    ("nobody has all of the skills (.+)", "无人同时具备资质 {0}"),
    ("nobody has region (.+) and the skills (.+)", "地区 {0} 无人具备资质 {1}"),
    ("nobody has region (.+)", "地区 {0} 无人负责"),
    ("none of (.+) has region (.+) and the skills (.+)", "{0} 均不负责地区 {1} 或不具备资质 {2}"),
    ("none of (.+) has region (.+)", "{0} 均不负责地区 {1}"),
    (r"no shift of the (\d+) inspectors who may come holds a visit within its windows",
     "可前往的 {0} 名检查员的班次均容不下开放时段内的检查"),
    ("no shift of inspector (.+) holds a visit within its windows", "检查员 {0} 的班次容不下开放时段内的检查"),
    (r"the way there, (\d+) min from the nearest home, leaves no time for the visit", "距最近驻地 {0} 分钟，当日无法完成检查"),
    (f"pinned to {_NAME}, whom nobody knows", "固定给 {0}，查无此人"),
    (f"pinned to {_NAME}, who lacks the skill (.+)", "固定给 {0}，其不具备资质 {1}"),
    (f"pinned to {_NAME}, who may not work in (.+)", "固定给 {0}，其不负责地区 {1}"),
    (f"pinned to {_AT}, outside the hours of (.+)", "固定在{0}，不在 {1} 的上班时间"),
    (f"pinned to {_AT}, when its window is closed", "固定在{0}，此时未开放"),
    (f"pinned to {_AT}: (.+) cannot come from home and back within the shift", "固定在{0}，{1} 无法在班次内往返"),
    (f"both pinned to {_NAME}, at {_AT} and {_AT}: they overlap", "均固定给 {0}，{1} 与 {2} 时间重叠"),
    (f"both pinned to {_NAME}, (-?\\d+) min apart where the way takes (\\d+)", "均固定给 {0}，间隔 {1} 分钟，路程需 {2} 分钟"),
)  # fmt: skip
_MEND: tuple[_Said, ...] = (
    ("give at least one inspector hours", "请至少安排一名检查员上班"),
    ("name each inspector once", "每名检查员只列一次"),
    ("want one visit of a site", "每个场所只列一次"),
    ("give it hours on some day", "请给出某日的开放时段"),
    ("open it longer", "请延长开放时段"),
    ("name one of the inspectors", "请指定现有检查员"),
    ("train or hire somebody, or drop the demand", "请培训或招聘，或取消该要求"),
    ("train somebody, or drop one of them", "请培训人员，或取消其中一项"),
    ("let somebody work there", "请安排人员负责该地区"),
    ("send somebody who is nearer", "请安排较近的检查员"),
    ("widen the windows or the hours", "请放宽开放时段或上班时间"),
    ("move the pinned visit or lift the pin", "请调整或取消固定"),
    ("move one of them or lift its pin", "请调整其一或取消固定"),
)
_NOTES: tuple[_Said, ...] = (
    ("left out, without coordinates: (.+)", "未列入，缺坐标：{0}"),
    ("left out, no longer insured since ([^:]+): (.+)", "未列入，{0} 起不再投保：{1}"),
    ("left out, no exposure told since ([^:]+): (.+)", "未列入，{0} 起无用工数据：{1}"),
    ("the seed of the lot was given: whoever gave it could foresee the draw", "抽签种子由人指定：指定者可预知抽取结果"),
    ("the rules (.+) are in force from (.+) on, after the Monday of this week", "规则 {0} 自 {1} 起生效，晚于本周一"),
    (r"(\d+) of (\d+) ways of the travel file are not between .+", "路程表 {1} 条中有 {0} 条与本计划的检查员和场所无关"),
    (r"(\d+) of (\d+) sites have no usable score: .+", "{1} 个场所中有 {0} 个无可用评分：按规则安排，取同类场所中位数"),
    (r"what is known ends (\d+) days before the week: .+", "数据截至本周之前 {0} 天：请先登记检查结果并导入数据"),
    ("the week is under way: planned from (.+) on", "本周已开始：自 {0} 起安排"),
    (r"(\d+) visits planned in the weeks before have no outcome: .+",
     "此前各周有 {0} 次已安排的检查未登记结果：请登记，否则将重复安排"),
    ("evenness of loads was not weighed", "未考虑工作量均衡"),
)  # fmt: skip


def conflict(line: str) -> str:
    """A conflict (`where: what; mend`) in Chinese; empty where it has no words."""
    found = re.fullmatch(r"(.+?): (.+); (.+)", line)
    if found is None:
        return ""
    where, what, mend = (_said(words, part) for words, part in zip((_WHERE, _WHAT, _MEND), found.groups(), strict=True))
    return f"{where}：{what}；{mend}" if where and what and mend else ""


def note(line: str) -> str:
    """A note in Chinese; empty where it has no words, or has its own."""
    return _said(_NOTES, line)


def _said(words: Sequence[_Said], text: str) -> str:
    for pattern, said in words:
        found = re.fullmatch(pattern, text)
        if found is not None:
            return said.format(*(_day(one) for one in found.groups()))
    return ""


def _day(text: str) -> str:
    name, _, rest = text.partition(" ")
    return f"{_DAYS[name]} {rest}" if name in _DAYS else text
