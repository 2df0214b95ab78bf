"""For whom a week is planned: nobody is dropped in silence, nothing is planned for hours that have passed."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from features.errors import NotFound
from serving.inspection import rules as rulesets
from serving.inspection.model import DAY, Inspector, Window
from serving.plans.facts import Person, SiteSheet
from serving.plans.known import Known, SiteKnown, known
from serving.plans.scope import chosen_of, left, still_ahead
from tests.serving.risk_world import RiskWorld

AS_OF = datetime(2026, 11, 20, tzinfo=UTC)
RULES = rulesets.load()
MONDAY = date(2026, 11, 23)
SHIFTS = tuple(Window(day * DAY + 480, day * DAY + 1_080) for day in range(5))


def site(name: str) -> SiteKnown:
    return SiteKnown(name, "s", "food", "", AS_OF - timedelta(days=30), 30.0, 104.0, False, 100.0)


def of(insured: dict[str, int] | None = None, told: dict[str, int] | None = None) -> Known:
    """Enterprises a to d; insured, told: days since the end of the last policy, of the last exposure."""
    since: dict[str, Any] = {
        name: {who: AS_OF - timedelta(days=days) for who, days in (given or {}).items()}
        for name, given in (("insured_until", insured), ("told_until", told))
    }
    return Known(AS_OF, tuple(site(one) for one in "abcd"), {}, "CNY", None, **since)


def names(found: Known, sheets: dict[tuple[str, str], SiteSheet] | None = None) -> tuple[list[str], str]:
    chosen, notes = chosen_of(RULES, found, sheets or {}, listed=False, leave_out=False)
    return [one.enterprise_id for one in chosen], " ".join(notes)


def test_whose_insurance_has_ended_is_left_out_by_name_and_who_may_be_renewing_is_not() -> None:
    found = of(insured={"a": 31, "b": 29, "c": -300})
    assert names(found) == (["b", "c", "d"], "left out, no longer insured since 2026-10-20: a/s")
    # Nothing is dropped where the rules say nothing of it, nor what somebody has pinned.
    assert left(RULES.model_copy(update={"cover": None}), found, "a") == ""
    assert names(found, {("a", "s"): SiteSheet("a", "s", pinned=("i-1", 600))})[0] == ["a", "b", "c", "d"]


def test_where_no_policy_has_come_in_for_long_nobody_has_left() -> None:
    found = of(insured={"a": 400, "b": 320})
    assert names(found)[0] == ["c", "d"]
    assert names(replace(found, news={"policies": AS_OF - timedelta(days=365)}))[0] == ["b", "c", "d"]
    with pytest.raises(NotFound, match="no site to plan for was known: no longer insured since"):
        names(of(insured=dict.fromkeys("abcd", 100)))


def test_who_tells_no_exposure_any_more_has_gone_unless_insured() -> None:
    found = of(insured={"b": -10}, told={"a": 600, "b": 600, "c": 500})
    assert names(found) == (["b", "c", "d"], "left out, no exposure told since 2025-03-30: a/s")


def test_what_the_lake_knows_of_policies_and_exposures(risk_world: RiskWorld) -> None:
    moment = datetime(2024, 7, 4, tzinfo=UTC)
    found = known(risk_world.lake, None, moment)
    rows = [one for one in risk_world.lake.read("policies").to_pylist() if one["recorded_at"] <= moment]
    assert found.insured_until == {
        who: max(one["ends"] for one in rows if one["enterprise_id"] == who) for who in {one["enterprise_id"] for one in rows}
    }
    assert found.news["policies"] == max(one["recorded_at"] for one in rows)
    assert found.told_until and all(one <= moment for one in found.told_until.values())
    assert not any(left(RULES, found, one.enterprise_id) for one in found.sites)


def test_of_a_week_under_way_only_what_is_left_is_worked() -> None:
    people = (Person(Inspector("i", 0, SHIFTS), 30.0, 104.0),)
    assert still_ahead(people, MONDAY, "Asia/Shanghai", datetime(2026, 11, 22, 15, 59, tzinfo=UTC)) == (people, "")
    cut, note = still_ahead(people, MONDAY, "Asia/Shanghai", datetime(2026, 11, 24, 2, 0, 30, tzinfo=UTC))
    assert cut[0].inspector.shifts == (Window(DAY + 601, DAY + 1_080), *SHIFTS[2:])
    assert note.endswith("from 2026-11-24 10:01 on")
    over, _ = still_ahead(people, MONDAY, "Asia/Shanghai", datetime(2026, 11, 28, tzinfo=UTC))
    assert over == (replace(people[0], inspector=replace(people[0].inspector, shifts=())),)


@pytest.mark.parametrize("days", [0, 6])
def test_the_rules_of_cover_are_read(days: int) -> None:
    assert RULES.cover is not None and RULES.cover.grace_days == 30
    sooner = RULES.model_copy(update={"cover": RULES.cover.model_copy(update={"grace_days": days})})
    assert bool(left(sooner, of(insured={"a": 5}), "a")) is (days < 5)
