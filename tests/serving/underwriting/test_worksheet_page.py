"""The worksheet as a page: everything that a premium rests on, in both languages, safe to open."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from serving.underwriting.changes import explained
from serving.underwriting.worksheet import Worksheet
from serving.underwriting.worksheet_page import Signed, money, page, signed
from tests.serving.underwriting.golden import PREMIUMS, worksheet


@pytest.mark.parametrize("rulebook", PREMIUMS)
def test_every_step_clause_and_fact_is_on_it(rulebook: str) -> None:
    sheet = worksheet(rulebook)
    found = page(sheet)
    assert f'<div class="value">{money(sheet.charge.premium)}</div>' in found
    for step in sheet.charge.steps:
        assert step.words_zh in found
        assert step.citation.replace("'", "&#39;") in found
        assert money(step.after) in found
        assert step.stage == "base" or money(step.before) in found
    for fact in sheet.facts.values():
        assert fact.evidence in found
    assert "Illustration, no tariff in force" in found
    assert "仅为示例" in found
    assert f"{money(sheet.charge.premium_low)} – {money(sheet.charge.premium_high)}" in found
    assert "What would change" not in found


def test_it_needs_no_network_and_prints_on_a4() -> None:
    found = page(worksheet("henan-example"))
    assert "@page { size: A4" in found
    assert "<script" not in found
    assert 'src="' not in found
    assert "<link" not in found


def test_a_rulebook_in_force_is_no_illustration() -> None:
    sheet = worksheet("henan-example")
    real = replace(sheet, rulebook=sheet.rulebook.model_copy(update={"illustrative": False}))
    assert "Illustration" not in page(real)


def test_a_what_if_shows_what_changes_and_where_the_difference_comes_from() -> None:
    before, after = worksheet("henan-example"), worksheet("henan-example", standardisation="1", overdue_hazards=Decimal(0))
    found = page(after, quote_id="q_2", parent="q_1", before=before)
    assert "假设带来的变化" in found
    assert "q_1" in found
    assert money(before.charge.premium) in found
    assert signed(after.charge.premium - before.charge.premium) in found
    for part in explained(before.charge, after.charge):
        assert part.words_zh in found
        assert signed(part.amount) in found
    facts = found.split('<table class="changes">')[1]
    assert facts.count("<tr>") == 3  # its head, and one row for each fact that changed


def test_a_what_if_that_no_step_rates_says_so() -> None:
    before, after = worksheet("fuyang-example"), worksheet("fuyang-example", standardisation="1")
    assert "No step moves" in page(after, before=before)


def test_overrides_are_on_it_with_who_and_why_and_nothing_runs() -> None:
    over = Signed(Decimal("70000"), "陈工", "<script>alert(1)</script>", datetime(2026, 7, 1, 8, tzinfo=UTC))
    sheet: Worksheet = replace(worksheet("henan-example"), name="<b>Works</b>")
    found = page(sheet, overrides=[over])
    assert "70,000.00" in found
    assert "陈工" in found
    assert "<script" not in found
    assert "<b>Works" not in found


def test_without_a_score_it_says_so() -> None:
    sheet = worksheet("henan-example")
    bare = Worksheet.make(sheet.rulebook, sheet.facts, sheet.terms, None)
    assert "No score" in page(bare)
