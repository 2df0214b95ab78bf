"""Checklists: the most urgent first, in both languages, and never empty."""

from datetime import UTC, datetime, timedelta

from serving.inspection.checklist import MOST_HAZARDS, Driver, Machine, OpenHazard, checklist

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def hazard(name: str, *, due: float | None = 5.0, **changed: object) -> OpenHazard:
    told = {"grade": "general", "kind": "fire", "found": NOW - timedelta(days=30), "found_by": "insurer"} | changed
    return OpenHazard(name, due=None if due is None else NOW + timedelta(days=due), **told)  # type: ignore[arg-type]


def test_most_urgent_first() -> None:
    some = [
        hazard("h-plain"), hazard("h-repeated", repeated=True), hazard("h-major", grade="major"), hazard("h-late", due=-3.0),
        hazard("h-watched", supervised=True, grade="major"), hazard("h-later-late", due=-1.0),
    ]  # fmt: skip
    items = checklist(NOW, some, kinds={"fire": ("fire", "火灾")})
    told = [one.about for one in items if one.kind == "hazard"]
    assert told == ["h-watched", "h-late", "h-later-late", "h-major", "h-repeated", "h-plain"]
    assert [one.urgent for one in items[:4]] == [True, True, True, False]
    assert items[1].words_en == "General hazard: fire, found 2026-10-24, overdue 3 d since 2026-11-20"
    assert items[1].words_zh == "一般隐患：火灾，2026-10-24 发现，自 2026-11-20 逾期 3 天"
    assert "挂牌督办" in items[0].words_zh


def test_machines_at_risk_and_what_drives_the_score() -> None:
    machines = [Machine("m-1", "pump", 0.3, NOW), Machine("m-2", "pump", 0.01, NOW), Machine("m-3", "press", 0.5, NOW)]
    items = checklist(NOW, drivers=[Driver("Overdue hazards: 4", "逾期隐患：4")], machines=machines)
    assert [(one.kind, one.about) for one in items[:3]] == [("driver", ""), ("machine", "m-3"), ("machine", "m-1")]
    assert items[0].words_zh == "关注：逾期隐患：4"
    assert "50%" in items[1].words_en and "50%" in items[1].words_zh


def test_a_site_of_which_nothing_is_known() -> None:
    items = checklist(NOW)
    assert len(items) >= 3 and all(one.kind == "basic" and one.words_zh for one in items)


def test_many_hazards_are_counted() -> None:
    items = checklist(NOW, [hazard(f"h-{place:02d}", due=None) for place in range(MOST_HAZARDS + 7)])
    assert sum(one.about != "" for one in items) == MOST_HAZARDS
    assert "7 more open hazards" in items[MOST_HAZARDS].words_en
    assert "no due date" in items[0].words_en
