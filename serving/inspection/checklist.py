"""What an inspector is to look at: open hazards of the site, what drives its score, machines at risk; most urgent first."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

MOST_HAZARDS, MOST_DRIVERS, MOST_MACHINES = 15, 5, 5
# Below this chance of failure within 72 hours a machine is none at risk.
LEAST_P72 = 0.05
_GRADES = {"general": ("general hazard", "一般隐患"), "major": ("major hazard", "重大隐患")}


@dataclass(frozen=True)
class OpenHazard:
    """A hazard that is not rectified, as the lake tells it."""

    hazard_id: str
    grade: str
    kind: str
    found: datetime
    due: datetime | None
    found_by: str
    supervised: bool = False
    repeated: bool = False


@dataclass(frozen=True)
class Driver:
    """What raises the score of the enterprise, in words."""

    words_en: str
    words_zh: str


@dataclass(frozen=True)
class Machine:
    """A machine with its chance of failure within 72 hours. scored_at: when."""

    machine_id: str
    kind: str
    p72: float
    scored_at: datetime


@dataclass(frozen=True)
class Item:
    """A line of the checklist. about: the hazard, feature or machine behind it."""

    kind: Literal["hazard", "driver", "machine", "basic"]
    words_en: str
    words_zh: str
    about: str = ""
    urgent: bool = False

    def document(self) -> dict[str, Any]:
        return asdict(self)


_BASIC = (
    Item("basic", "Permits, certificates and training records are valid", "许可、持证上岗和培训记录有效"),
    Item("basic", "Hazards that the site reported itself are recorded and followed up", "自查隐患已登记并闭环整改"),
    Item("basic", "Emergency plan and last drill", "应急预案与最近一次演练"),
)


def checklist(
    now: datetime,
    hazards: Sequence[OpenHazard] = (),
    drivers: Sequence[Driver] = (),
    machines: Sequence[Machine] = (),
    kinds: Mapping[str, tuple[str, str]] | None = None,
) -> tuple[Item, ...]:
    """The list of a visit. kinds: words (English, Chinese) of kinds of hazard; others are shown as they are coded.

    A site of which nothing is known gets the basic lines, which everybody else gets at the end.
    """
    words = kinds or {}
    ranked = sorted(hazards, key=lambda one: (*_urgency(one, now), one.due or one.found, one.hazard_id))
    lines = [_of_hazard(one, now, words) for one in ranked[:MOST_HAZARDS]]
    if more := len(ranked) - len(lines):
        lines.append(Item("hazard", f"{more} more open hazards in the record", f"另有 {more} 项未整改隐患，见台账"))
    lines += [Item("driver", f"Look into: {one.words_en}", f"关注：{one.words_zh}") for one in drivers[:MOST_DRIVERS]]
    at_risk = sorted((one for one in machines if one.p72 >= LEAST_P72), key=lambda one: (-one.p72, one.machine_id))
    lines += [_of_machine(one) for one in at_risk[:MOST_MACHINES]]
    return (*lines, *_BASIC)


def _urgency(one: OpenHazard, now: datetime) -> tuple[bool, bool, bool, bool]:
    """Supervised ones first, then overdue, major and repeated ones."""
    return not one.supervised, not _overdue(one, now), one.grade != "major", not one.repeated


def _overdue(one: OpenHazard, now: datetime) -> bool:
    return one.due is not None and one.due < now


def _of_hazard(one: OpenHazard, now: datetime, words: Mapping[str, tuple[str, str]]) -> Item:
    grade_en, grade_zh = _GRADES.get(one.grade, (one.grade, one.grade))
    kind_en, kind_zh = words.get(one.kind, (one.kind, one.kind))
    en, zh = f"{grade_en.capitalize()}: {kind_en}", f"{grade_zh}：{kind_zh}"
    if one.supervised:
        en, zh = f"{en}, under supervision", f"{zh}，挂牌督办"
    if one.repeated:
        en, zh = f"{en}, repeated", f"{zh}，重复出现"
    en, zh = f"{en}, found {one.found:%Y-%m-%d}", f"{zh}，{one.found:%Y-%m-%d} 发现"
    if one.due is None:
        en, zh = f"{en}, no due date", f"{zh}，无整改期限"
    elif _overdue(one, now):
        days = (now - one.due).days
        en, zh = f"{en}, overdue {days} d since {one.due:%Y-%m-%d}", f"{zh}，自 {one.due:%Y-%m-%d} 逾期 {days} 天"
    else:
        en, zh = f"{en}, due {one.due:%Y-%m-%d}", f"{zh}，限 {one.due:%Y-%m-%d} 前整改"
    return Item("hazard", en, zh, one.hazard_id, one.supervised or _overdue(one, now))


def _of_machine(one: Machine) -> Item:
    en = f"Machine {one.machine_id} ({one.kind}): {one.p72:.0%} chance of failure within 72 h, scored {one.scored_at:%Y-%m-%d}"
    zh = f"设备 {one.machine_id}（{one.kind}）：72 小时内故障概率 {one.p72:.0%}（{one.scored_at:%Y-%m-%d} 评分）"
    return Item("machine", en, zh, one.machine_id, one.p72 >= 0.2)
