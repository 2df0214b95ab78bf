"""Every conflict, and the notes of planning, have words in Chinese; what has none is shown in English alone."""

from dataclasses import replace

import pytest

from serving.inspection.conflicts import clashes
from serving.inspection.model import DAY, Mode, Window
from serving.plans import words
from tests.serving.inspection.planned import ANN, BOB, visit, week

NINE = DAY + 540  # Tuesday 09:00
GAS = frozenset({"gas"})


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"windows": ()}, "场所 e/s：本周没有开放时段；请给出某日的开放时段"),
        ({"windows": (Window(540, 580),)}, "场所 e/s：最长开放时段 40 分钟，容不下 60 分钟的检查；请延长开放时段"),
        ({"windows": (Window(0, 300),)},
         "场所 e/s：可前往的 2 名检查员的班次均容不下开放时段内的检查；请放宽开放时段或上班时间"),
        ({"windows": (Window(0, 300),), "skills": GAS},
         "场所 e/s：检查员 ann 的班次容不下开放时段内的检查；请放宽开放时段或上班时间"),
        ({"skills": frozenset({"diving"})}, "场所 e/s：无人具备资质 diving；请培训或招聘，或取消该要求"),
        ({"skills": frozenset({"gas", "dust"})}, "场所 e/s：无人同时具备资质 dust, gas；请培训人员，或取消其中一项"),
        ({"inspectors": frozenset({"eve"})}, "场所 e/s：没有名为 eve 的检查员；请指定现有检查员"),
        ({"region": "south", "skills": GAS}, "场所 e/s：地区 south 无人具备资质 gas；请安排人员负责该地区"),
        ({"region": "south", "inspectors": frozenset({"ann"})}, "场所 e/s：ann 均不负责地区 south；请安排人员负责该地区"),
        ({"place": 30}, "场所 e/s：距最近驻地 290 分钟，当日无法完成检查；请安排较近的检查员"),
        ({"pinned": ("eve", NINE)}, "场所 e/s：固定给 eve，查无此人；请调整或取消固定"),
        ({"pinned": ("ann", NINE - 120)}, "场所 e/s：固定在周二 07:00，不在 ann 的上班时间；请调整或取消固定"),
        ({"pinned": ("ann", NINE), "windows": (Window(480, 1_080),)},
         "场所 e/s：固定在周二 09:00，此时未开放；请调整或取消固定"),
        ({"pinned": ("bob", NINE), "skills": GAS}, "场所 e/s：固定给 bob，其不具备资质 gas；请调整或取消固定"),
        ({"pinned": ("ann", NINE), "region": "south"}, "场所 e/s：固定给 ann，其不负责地区 south；请调整或取消固定"),
        ({"pinned": ("ann", DAY + 485)}, "场所 e/s：固定在周二 08:05，ann 无法在班次内往返；请调整或取消固定"),
    ],
)  # fmt: skip
def test_a_visit_that_cannot_be(changed: dict, said: str) -> None:  # type: ignore[type-arg]
    (found,) = clashes(week(visit("s", **({"place": 3, "site_id": "e/s"} | changed))))
    assert words.conflict(str(found)) == said


def test_every_other_conflict_has_words() -> None:
    one, other = visit("a", 2, pinned=("ann", NINE)), visit("b", 7, pinned=("ann", NINE + 100))
    problems = [
        week(one, replace(other, pinned=("ann", NINE + 30))), week(one, other),
        week(visit("s", 3), inspectors=(replace(ANN, shifts=()),)), week(visit("s", 3), inspectors=()),
        week(inspectors=(ANN, ANN)), week(visit("s", 3), replace(visit("s", 3), visit_id="v-2")),
        week(visit("r", 2, mode=Mode.REMOTE, region="south"), inspectors=(replace(BOB, regions=frozenset({"east"})),)),
    ]  # fmt: skip
    found = [str(clash) for problem in problems for clash in clashes(problem)]
    assert len(found) >= len(problems) and [one for one in found if not words.conflict(one)] == []


def test_notes() -> None:
    assert words.note("left out, no longer insured since 2026-10-20: a/s, b/s") == "未列入，2026-10-20 起不再投保：a/s, b/s"
    assert words.note("3 of 40 sites have no usable score: planned by rule, at the median of like sites").startswith("40 个")
    assert words.note("the week is under way: planned from 2026-11-24 10:01 on") == "本周已开始：自 2026-11-24 10:01 起安排"
    assert words.note("something else") == words.conflict("something else") == ""
