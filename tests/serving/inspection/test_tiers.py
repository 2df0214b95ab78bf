"""Minimum visits and follow-ups, by hand."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from features.errors import BadInput, NotFound
from serving.inspection import rules as rulesets
from serving.inspection.tiers import Standing, Supervised, colour, follow_up, frequency, minimum

RULES = rulesets.load()
NOW = datetime(2026, 11, 23, tzinfo=UTC)
SITE = Standing("food", False, since=NOW - timedelta(days=1_000), headcount=200.0, p_accident=0.05)


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


@pytest.mark.parametrize(
    ("changed", "a_year"),
    [
        ({}, 4),
        ({"industry": "mining"}, 12),
        ({"industry": "mining", "headcount": 5.0}, 12),
        ({"headcount": 49.0}, 2),
        ({"headcount": 50.0}, 4),
        ({"headcount": None}, 4),
        ({"p_accident": 0.5}, 12),
        ({"p_accident": 0.5, "headcount": 5.0}, 12),
        ({"p_accident": None}, 4),
        ({"stated": "red"}, 12),
    ],
)
def test_frequency_is_the_first_that_fits(changed: dict[str, Any], a_year: float) -> None:
    assert frequency(RULES, replace(SITE, **changed)).a_year == a_year


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "blue"),
        ({"p_accident": 0.1}, "yellow"),
        ({"p_accident": 0.3}, "orange"),
        ({"p_accident": 0.9}, "red"),
        ({"p_accident": 0.9, "stated": "blue"}, "blue"),
        ({"p_accident": None}, "blue"),
        ({"p_accident": None, "industry": "fishery"}, "yellow"),
        ({"p_accident": None, "major_hazard": True}, "orange"),
    ],
)
def test_colour_is_stated_or_scored_or_by_rule(changed: dict[str, Any], expected: str) -> None:
    assert colour(RULES, replace(SITE, **changed)) == expected


def test_minimum_counts_from_the_last_visit_that_was() -> None:
    due = minimum(RULES, replace(SITE, visits=(ago(200), ago(100), NOW + timedelta(days=3))), NOW)
    assert due.overdue_days == pytest.approx(100 - 365 / 4)
    assert due.at == ago(100) + timedelta(days=365 / 4)
    assert due.words_zh == "每季度一次"


def test_a_site_never_visited_is_due_from_when_it_came_in() -> None:
    assert minimum(RULES, SITE, NOW).overdue_days == pytest.approx(1_000 - 365 / 4)
    assert minimum(RULES, replace(SITE, since=ago(10)), NOW).overdue_days < 0


def test_follow_up_from_the_due_date_on_and_every_week_after() -> None:
    hazard = Supervised("h-1", ago(40), ago(10))
    assert follow_up(RULES, SITE, NOW) is None
    one = follow_up(RULES, replace(SITE, supervised=(hazard,)), NOW)
    assert one is not None and one.overdue_days == pytest.approx(10)
    early = follow_up(RULES, replace(SITE, supervised=(hazard,), visits=(ago(11),)), NOW)
    assert early is not None and early.overdue_days == pytest.approx(10)
    again = follow_up(RULES, replace(SITE, supervised=(hazard,), visits=(ago(9),)), NOW)
    assert again is not None and again.overdue_days == pytest.approx(9 - 7)
    no_date = follow_up(RULES, replace(SITE, supervised=(Supervised("h-2", ago(3), None),)), NOW)
    assert no_date is not None and no_date.overdue_days == pytest.approx(3)
    assert follow_up(RULES, replace(SITE, supervised=(Supervised("h-3", NOW + timedelta(days=1), None),)), NOW) is None


def test_nothing_of_a_price_is_looked_at() -> None:
    told = {one.name for one in fields(Standing)}
    assert told == {"industry", "major_hazard", "since", "headcount", "p_accident", "stated", "visits", "supervised"}


def test_every_shipped_element_names_its_source() -> None:
    assert RULES.illustrative
    assert all(one.source for one in (*RULES.frequency, RULES.counts, RULES.colours, RULES.lot, RULES.value.effectiveness))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("a_year = 4\n", "a_year = -1\n", "frequency.3.a_year"),
        ("red = 0.5", "red = 0.2", "do not fall"),
        ('source = "inspection frequency of prevention services: low-risk quarterly"\n', "", "frequency.3.source"),
        ('name = "low-risk, quarterly"\n', 'name = "q"\nhigh_risk = false\n', "no minimum"),
        ("share = 0.1", "share = 0.1\ndiscount = 0.2", "lot.discount"),
    ],
)
def test_bad_rules_are_refused_at_their_key(tmp_path: Path, old: str, new: str, told: str) -> None:
    text = rulesets.SHIPPED.read_text("utf-8")
    assert text.count(old) >= 1
    path = tmp_path / "rules.toml"
    path.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(BadInput, match=told):
        rulesets.load(path)


def test_no_rules_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no such file"):
        rulesets.load(tmp_path / "none.toml")
