"""The worksheet as a page: everything that a premium rests on, in both languages, safe to open."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from serving.underwriting.changes import explained
from serving.underwriting.rulebook_parts import Band, Factor, OwnFact
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
        assert step.words_en.replace("'", "&#39;") in found
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


def cell(found: str, words: str) -> str:
    """The row of a table that is called so, up to its end."""
    return found.split(f"<td>{words} <span", 1)[1].split("</tr>", 1)[0]


def test_levels_codes_and_days_are_in_both_languages() -> None:
    found = page(worksheet("zhongshan-example", services_up_to_standard=False, blacklisted=True))
    assert 'one rate <span lang="zh">单一费率</span>' in found
    assert 'from 50 below 200 <span lang="zh">50（含）至200（不含）</span>' in cell(found, "Headcount band")
    assert 'an accident in the last year <span lang="zh">上年发生事故</span>' in cell(found, "Accident record")
    assert '2026-07-15 to 2027-08-18, 400 days <span lang="zh">2026-07-15 至 2027-08-18，共 400 天</span>' in found
    assert '<b>construction <span lang="zh">建筑施工</span></b>' in page(worksheet("henan-example"))
    assert '<b>2 <span lang="zh">二级</span></b>' in cell(found, "Standardisation level")
    for raw in (">true<", ">false<", "taken as false", "taken as true"):
        assert raw not in found


def test_what_a_rulebook_takes_where_a_fact_is_not_known_is_rated_on() -> None:
    """Not known but taken as a level: the step says so, and it is not among what was not rated on."""
    found = page(worksheet("zhongshan-example"))
    assert "not known: taken as no 不详" in found.replace('<span lang="zh">', "")
    unrated = found.split("Not known, and so not rated on", 1)[1].split("</p>", 1)[0]
    assert "Accident rate of the last year against the year before" in unrated
    assert "Prevention services of the last year" not in unrated


def test_the_loss_beside_a_premium_of_the_whole_project_is_of_the_whole_project() -> None:
    sheet = worksheet("shandong-construction-example")
    assert sheet.says is not None
    whole = money(sheet.says.insured_loss * sheet.charge.years)
    (step,) = [step for step in sheet.charge.steps if step.stage == "model"]
    assert whole.replace(",", "") in step.evidence
    assert f"(insured loss {whole} ÷" in page(sheet)


def test_what_is_set_aside_is_as_the_ledger_has_it() -> None:
    sheet = worksheet("henan-example")
    odd = page(replace(sheet, charge=replace(sheet.charge, premium=Decimal("100.03"))))  # 10 % are 10.003, 21 % are 21.0063
    assert "<dd>10.01 (10.0 %)</dd>" in odd
    assert "<dd>21.00 (21.0 %)</dd>" in odd


def test_visits_are_cited_by_their_own_clause() -> None:
    """Two rules of so many visits each: the one of the industry counts."""
    sheet = worksheet("henan-example")
    rows = sheet.rulebook.prevention.minimum_visits
    first = rows[0].model_copy(update={"industries": ("other",), "clause": "term"})
    prevention = sheet.rulebook.prevention.model_copy(update={"minimum_visits": (first, *rows)})
    found = page(replace(sheet, rulebook=sheet.rulebook.model_copy(update={"prevention": prevention})))
    assert sheet.rulebook.clauses["visits"].citation in found
    assert sheet.rulebook.clauses["term"].citation not in found


def test_a_limit_that_a_factor_goes_by_is_shown() -> None:
    own = OwnFact(name="limit_per_person", kind="number", words_en="limit per person", words_zh="每人限额")
    bands = (Band(below=Decimal(500_000), value=Decimal(1)), Band(at_least=Decimal(500_000), value=Decimal("1.2")))
    factor = Factor(
        name="limit", words_en="Limit", words_zh="限额", clause="factors", kind="bands", fact="limit_per_person", bands=bands,
        missing="refuse",
    )  # fmt: skip
    sheet = worksheet("henan-example")
    book = sheet.rulebook.model_copy(update={"facts": (own,), "factors": (factor,)})
    found = cell(page(Worksheet.make(book, sheet.facts, sheet.terms, None)), "Limit")
    assert "<b>600,000</b>" in found
    assert "not known" not in found
