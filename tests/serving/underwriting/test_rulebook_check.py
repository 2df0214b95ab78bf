"""Faults of rulebooks: each is named at its line, with its mend, and a rulebook that has one is never loaded."""

import re
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import BadInput
from serving.underwriting.rulebook import FOLDER, load, parse, shipped
from serving.underwriting.rulebook_check import check, read

TEXTS = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.toml")}
ZHONGSHAN, SHANDONG, FUYANG, HENAN = (f"{name}-example" for name in ("zhongshan", "shandong-construction", "fuyang", "henan"))
BANDS = "    { at_least = 50, below = 200, value = 0.95 },"
ORDER = 'order = ["base", "factors", "model", "incentives", "product", "minimum", "pro_rata", "rounding"]'
CASE = '    { name = "3 clean years",'


def broken(name: str, old: str, new: str) -> tuple[str, int]:
    """A shipped rulebook with one piece of text replaced, and the line of the replacement (of `^` in it, if any)."""
    text = TEXTS[name]
    assert text.count(old) >= 1, f"{name} has no {old!r}"
    at = text.index(old)
    mark = new.find("^")
    return text.replace(old, new.replace("^", ""), 1), text[:at].count("\n") + new[: max(mark, 0)].count("\n") + 1


def test_the_shipped_rulebooks_have_no_faults_and_are_illustrations_with_citations() -> None:
    found = shipped()
    assert {one.id for one in found} == {ZHONGSHAN, SHANDONG, FUYANG, HENAN}
    for one in found:
        others = [other for other in found if other is not one]
        assert check(one.source, one.effective_from, others) == []
        assert one.illustrative
        assert any(clause.status == "published" for clause in one.clauses.values())
        assert one.note_en and one.note_zh


CLAUSE = 'clause = "calculator"'
FAULTS = [
    # form
    (ZHONGSHAN, 'version = "1"', "version = ", "not readable as TOML"),
    (ZHONGSHAN, 'version = "1"', 'version = "1"\n^colour = "red"', "colour: unknown key"),
    (ZHONGSHAN, "rate = 300", 'rate = "300"', "is not a number"),
    (ZHONGSHAN, "rate = 300", "rate = true", "is not a number"),
    (ZHONGSHAN, "rate = 300", "rate = -3", "greater than 0"),
    (ZHONGSHAN, "rate = 300", "rate = inf", "finite"),
    (ZHONGSHAN, "effective_from = 2024-01-01", 'effective_from = "some day"', "effective_from"),
    (ZHONGSHAN, "[base]\n", "[base]\nrates = { a = 1 }\n", "one of rate, rates and tiers"),
    (ZHONGSHAN, 'formula = "first"', 'formula = "last"', "formula"),
    (ZHONGSHAN, 'kind = "bands"', 'kind = "table"', "levels"),
    (SHANDONG, "{ above = 10_000_000,", "{ above = 1, at_least = 10_000_000,", "not both"),
    # incomplete
    (ZHONGSHAN, "minimum = 300\n", "", "premium.minimum: missing"),
    (ZHONGSHAN, "[loading]", "[limits.loading]", "loading: missing"),
    (ZHONGSHAN, "levels = { none = 1.1, 3", "levels = { 3", "incomplete: nothing for none"),
    (HENAN, "mining = 900\n", "", "incomplete: nothing for mining"),
    (ZHONGSHAN, 'name = "2 clean years or a shorter record",', 'when = [{ fact = "clean_years", at_least = 2 }], name = "2",',
     "incomplete: the last case has conditions"),
    (ZHONGSHAN, ORDER, ORDER.replace('"model", ', ""), "'model' is left out"),
    (ZHONGSHAN, ORDER, ORDER.replace('"pro_rata", ', ""), "'pro_rata' is left out"),
    (ZHONGSHAN, "accidents = { ordinary = 1.1, ", "accidents = { ", "incomplete: nothing for ordinary"),
    (SHANDONG, 'industries = ["construction"]\nvisits = 12', 'industries = ["mining"]\nvisits = 12', "no minimum visits"),
    # overlapping and gapped
    (ZHONGSHAN, BANDS, BANDS.replace("50,", "40,"), "overlapping: the band 'from 40 below 200'"),
    (ZHONGSHAN, BANDS, BANDS.replace("50,", "60,"), "gap: nothing between the bands 'below 50' and 'from 60 below 200'"),
    (ZHONGSHAN, BANDS, BANDS.replace("at_least", "above"), "gap"),
    (SHANDONG, "{ above = 10_000_000,", "{ at_least = 10_000_000,", "overlapping"),
    (ZHONGSHAN, BANDS, BANDS.replace("200", "50"), "holds no number"),
    (ZHONGSHAN, "{ below = 50, value", "{ at_least = 5, below = 50, value", "gap: nothing below"),
    (ZHONGSHAN, "{ at_least = 500, value", "{ at_least = 500, below = 900, value", "gap: nothing beyond"),
    (ZHONGSHAN, "{ below = 1, value = 1.0 }", "{ at_least = 1, value = 1.0 }", "overlapping"),
    (ZHONGSHAN, CASE, '    { name = "all", value = 0.95 },\n' + CASE, "takes everybody"),
    (ZHONGSHAN, 'name = "credit"', 'name = "standardisation"', "a second factor"),
    (ZHONGSHAN, '"fishery"]\nvisits = 12', '"mining"]\nvisits = 12', "'mining' is named twice"),
    (HENAN, "{ at_least = 0.95, value", "{ at_least = 0.95, below = 1, value", "gap: nothing beyond"),
    # uncited
    (ZHONGSHAN, '[base]\nclause = "assumed"', '[base]', "uncited: it names no clause"),
    (ZHONGSHAN, CLAUSE, 'clause = "calculater"', "uncited: no clause 'calculater' (did you mean 'calculator'?)"),
    (ZHONGSHAN, 'citation = "中山', 'text = "中山', "clauses.calculator"),
    (ZHONGSHAN, "illustrative = true", "illustrative = false", "only an illustrative rulebook rests on assumptions"),
    # facts and codes
    (ZHONGSHAN, 'fact = "credit"', 'fact = "credits"', "no fact 'credits' (did you mean 'credit'?)"),
    (ZHONGSHAN, 'fact = "credit"', 'fact = "headcount"', "a table goes by a code or a flag"),
    (ZHONGSHAN, 'fact = "accidents_1y", at_least = 1', 'fact = "credit", at_least = 1', "is a code, not a number"),
    (ZHONGSHAN, "AA = 0.8, A", "AAA = 0.8, A", "no code 'AAA'"),
    (ZHONGSHAN, 'missing = "B"', 'missing = "D"', "no level 'D'"),
    (ZHONGSHAN, 'name = "risk_level"\nkind', 'name = "credit"\nkind', "a standard fact"),
    (FUYANG, '"mining", "haz', '"minning", "haz', "no industry 'minning' (did you mean 'mining'?)"),
    # sums and order
    (ZHONGSHAN, "minimum = 300", "minimum = 300\nmaximum = 200", "above the cap"),
    (ZHONGSHAN, "expense = 0.2", "expense = 0.5", "add up to 1.15"),
    (ZHONGSHAN, "floor = 0.1\n", "floor = 0.3\n", "the floor 0.3 is above the cap 0.21"),
    (ZHONGSHAN, "product_floor = 0.5", "product_floor = 5", "the floor 5 is above the cap 2.5"),
    (ZHONGSHAN, ORDER, ORDER.replace('"factors", "model"', '"model", "factors"'), "'model' comes before 'factors'"),
    (ZHONGSHAN, ORDER, ORDER.replace('"minimum", ', "").replace('"base"', '"minimum", "base"'), "base to rounding"),
    (ZHONGSHAN, ORDER, ORDER.replace('"minimum"', '"minimum", "minimum"'), "a second stage"),
    (ZHONGSHAN, ORDER, ORDER.replace('"minimum", "pro_rata"', '"pro_rata", "minimum"'), "'pro_rata' comes before 'minimum'"),
    (ZHONGSHAN, "cap = 1.3", "cap = 1.2", "below an adjustment of 1.3"),
    (ZHONGSHAN, "effective_to = 2027-12-31", "effective_to = 2023-12-31", "it ends before it begins"),
    (ZHONGSHAN, "rate = 300", "rate = 1e30", "1e+30 is not to be reckoned with"),
    (ZHONGSHAN, "rate = 300", "rate = 99999999999999999999999999999999999999", "is not to be reckoned with"),
    (ZHONGSHAN, "rounding_step = 0.01", "rounding_step = 0.005", "premiums rounded to 0.005: none is paid in parts of a cent"),
    (ZHONGSHAN, "rounding_step = 0.01", "rounding_step = 1e-400", "1e-400 is not to be reckoned with"),
    # the law
    (ZHONGSHAN, "least_limit_per_person = 400_000", "least_limit_per_person = 300_000", "less than the law asks"),
    (ZHONGSHAN, "commission = 0.05", "commission = 0.06", "more than the law allows"),
    (ZHONGSHAN, "cap = 0.21", "cap = 0.25", "more than the law allows"),
    # fairness
    (ZHONGSHAN, "3 = 1.0, 2 = 0.9, 1 = 0.8", "3 = 1.0, 2 = 0.9, 1 = 0.95", "standardisation improves from 2 to 1"),
    (ZHONGSHAN, "true = 1.5, false = 1.0", "true = 0.5, false = 1.0", "blacklisted improves from true to false"),
    (HENAN, "{ at_least = 0.95, value = 0.95 }", "{ at_least = 0.95, value = 1.05 }", "rectification_rate improves"),
    (HENAN, 'words_zh = "未发生事故", value = 1.0', 'words_zh = "未发生事故", value = 1.2', "accidents_1y improves"),
    (FUYANG, "city = 0.95", "city = 1.05", "incentive 'award' raises the premium"),
    (ZHONGSHAN, "value = 1.05 },", "value = 0.95 },", "more overdue hazards cost less"),
    (ZHONGSHAN, "{ below = 1, value = 1.0 }", "{ below = 1, value = 1.02 }", "no hazard overdue changes the premium by 1.02"),
    (ZHONGSHAN, "{ below = 1, value = 1.0 },\n    { at_least = 1, below = 5, value = 1.05 }",
     "{ below = 1, value = 0.9 },\n    { at_least = 1, below = 5, value = 0.95 }", "a hazard overdue changes the premium by"),
    (ZHONGSHAN, "larger = 1.2, major = 1.3", "larger = 1.05, major = 1.3", "an accident of grade larger costs 1.05"),
    (ZHONGSHAN, '{ name = "none", words_en = "no rebate", words_zh = "不返还", value = 0 }',
     '{ name = "none", words_en = "no rebate", words_zh = "不返还", value = 0.2 }', "the rebate falls from 0.2 to 0.05"),
    (FUYANG, 'fact = "award"', 'fact = "self_reports_1y"', "a table goes by a code or a flag"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "old", "new", "words"), FAULTS)
def test_a_fault_is_named_at_its_line(name: str, old: str, new: str, words: str) -> None:
    text, _ = broken(name, old, new)
    faults = check(text, date(2025, 6, 1))
    assert [fault for fault in faults if words in fault.what], [str(one) for one in faults]
    with pytest.raises(BadInput, match=r"line \d+"):
        parse(text, "book.toml")


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        (ZHONGSHAN, 'version = "1"', 'version = "1"\n^colour = "red"', "unknown key"),
        (ZHONGSHAN, "rate = 300", 'rate = "300"', "not a number"),
        (ZHONGSHAN, BANDS, BANDS.replace("50,", "60,"), "gap"),
        (ZHONGSHAN, BANDS, BANDS.replace("50,", "40,"), "overlapping"),
        (ZHONGSHAN, CLAUSE, 'clause = "calculater"', "uncited"),
        (ZHONGSHAN, '[base]\nclause = "assumed"', "[base]", "uncited"),
        (ZHONGSHAN, "commission = 0.05", "commission = 0.06", "law"),
        (ZHONGSHAN, "3 = 1.0, 2 = 0.9, 1 = 0.8", "3 = 1.0, 2 = 0.9, 1 = 0.95", "improves"),
        (ZHONGSHAN, "minimum = 300", "minimum = 300\nmaximum = 200", "above the cap"),
        (ZHONGSHAN, CASE, '    { name = "all", value = 0.95 },\n' + CASE, "takes everybody"),
        (ZHONGSHAN, 'fact = "accidents_1y", at_least = 1', 'fact = "accidents", at_least = 1', "no fact"),
        (SHANDONG, "{ above = 10_000_000,", "{ at_least = 10_000_000,", "overlapping"),
    ],
)
def test_the_line_is_that_of_the_value(name: str, old: str, new: str, words: str) -> None:
    text, line = broken(name, old, new)
    assert [fault.line for fault in check(text, date(2025, 6, 1)) if words in fault.what] == [line]


def test_a_factor_that_rises_with_self_reports_is_refused_and_one_that_falls_is_not() -> None:
    bands = """bands = [
    { below = 50, value = 1.0 },
    { at_least = 50, below = 200, value = 0.95 },
    { at_least = 200, below = 500, value = 0.9 },
    { at_least = 500, value = 0.85 },
]"""
    reports = TEXTS[ZHONGSHAN].replace('fact = "headcount"\nmissing = "refuse"', 'fact = "self_reports_1y"\nmissing = "refuse"')
    assert check(reports) == []
    risen = bands.replace("1.0 }", "0.9 }").replace("0.95", "0.92")
    text = reports.replace(bands, risen)
    (fault,) = check(text)
    assert "punishes reporting" in fault.what
    assert text.splitlines()[fault.line - 1].strip().startswith("{ at_least = 50")


WORDS = sorted({word for text in TEXTS.values() for word in re.findall(r'"[^"\n]*"|[-\w.]+', text) if len(word) < 24})


@settings(max_examples=60)
@given(st.sampled_from(sorted(TEXTS)), st.data())
def test_whatever_is_cut_or_put_in_is_a_fault_at_a_line_or_none(name: str, data: st.DataObject) -> None:
    """Never a traceback: what people write by mistake is told to them."""
    lines = TEXTS[name].splitlines()
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        words = re.findall(r'"[^"\n]*"|[-\w.]+', lines[at])
        if not words or data.draw(st.booleans()):
            del lines[at]
        else:
            lines[at] = lines[at].replace(data.draw(st.sampled_from(words)), data.draw(st.sampled_from(WORDS)), 1)
    text = "\n".join(lines)
    faults = check(text, date(2025, 6, 1))
    assert all(1 <= fault.line <= len(lines) + 1 and fault.what for fault in faults)
    if faults:
        with pytest.raises(BadInput, match=r"book, line \d+: "):
            parse(text, "book")
    else:
        assert parse(text).source == text


def test_bands_need_not_reach_beyond_what_a_fact_can_be() -> None:
    ends = TEXTS[HENAN].replace("{ at_least = 0.95, value", "{ at_least = 0.95, up_to = 1, value")
    assert check(ends.replace("{ below = 0.8,", "{ at_least = 0, below = 0.8,")) == []


NCCI = """[[facts]]
name = "primary_losses"
kind = "number"
words_en = "primary losses of three years"
words_zh = "三年初级损失"
better = "lower"

[[factors]]
name = "experience"
words_en = "Experience modification"
words_zh = "经验费率调整"
clause = "assumed"
kind = "rule"
missing = "neutral"
[factors.rule]
formula = "ncci"
actual_primary = "primary_losses"
actual_excess = "incurred_3y"
expected = { fact = "payroll", rate = 0.01 }
primary = 0.4
weight = [{ below = 100_000, value = 0.05 }, { at_least = 100_000, value = 0.1 }]
ballast = 20_000
floor = 0.6
cap = 1.6
"""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("rate = 0.01", "rate = 0.01", None),
        ("at_least = 100_000", "at_least = 200_000", "gap: nothing between the bands 'below 100000' and 'from 200000'"),
        ("value = 0.1 }", "value = 1.1 }", "a weight above 1"),
        ("weight = [{ below = 100_000, value = 0.05 }, { at_least = 100_000, value = 0.1 }]", "weight = []", "no bands"),
        ("ballast = 20_000", "ballast = -1", "greater than or equal to 0"),
        ('"payroll"', '"pay roll"', "match pattern"),
        ('actual_primary = "primary_losses"', 'actual_primary = "losses"', "no fact 'losses'"),
        ('actual_excess = "incurred_3y"', 'actual_excess = "clean_years"', "clean_years improves"),
        ('better = "lower"', 'better = "higher"', "primary_losses improves"),
        ("floor = 0.6", "floor = 2", "the floor 2 is above the cap 1.6"),
    ],
)
def test_a_rulebook_may_state_nccis_modification(old: str, new: str, words: str | None) -> None:
    assert old in NCCI
    text = TEXTS[HENAN].replace("[[factors]]", NCCI.replace(old, new, 1) + "\n[[factors]]", 1)
    found = [fault.what for fault in check(text)]
    assert any(words in one for one in found) if words else not found, found


def test_all_faults_are_named_at_once_in_the_order_of_their_lines() -> None:
    text = TEXTS[ZHONGSHAN].replace("commission = 0.05", "commission = 0.07").replace("AA = 0.8", "AA = 0.95")
    found = check(text.replace(BANDS, BANDS.replace("50,", "60,")))
    assert [one.line for one in found] == sorted(one.line for one in found)
    assert len(found) == 3


def test_a_lapsed_rulebook_is_a_fault_at_its_last_day() -> None:
    text = TEXTS[HENAN]
    assert check(text, date(2027, 12, 31)) == []
    (fault,) = check(text, date(2028, 1, 1))
    assert "lapsed: its last day was 2027-12-31" in fault.what
    assert text.splitlines()[fault.line - 1].startswith("effective_to")


def test_two_rulebooks_of_one_market_in_force_at_once_are_a_fault() -> None:
    text, other = TEXTS[HENAN], load(HENAN)
    later = text.replace('version = "1"', 'version = "2"').replace("from = 2024-01-01", "from = 2027-06-01")
    (fault,) = check(later, others=[other])
    assert "in force at once with it, from 2027-06-01 to 2027-12-31" in fault.what
    assert later.splitlines()[fault.line - 1].startswith("effective_from")
    assert check(later.replace("2027-06-01", "2028-01-01").replace("2027-12-31", "2028-12-31"), others=[other]) == []
    mining = later.replace('"mining", ', "").replace("mining = 900\n", "")
    assert check(mining, others=[other])
    changed = text.replace("mining = 900", "mining = 901")
    (fault,) = check(changed, others=[other])
    assert "another rulebook is henan-example version 1 too" in fault.what


def test_what_is_refused_says_file_and_line(tmp_path: Path) -> None:
    text, line = broken(ZHONGSHAN, "commission = 0.05", "commission = 0.06")
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=f"mine.toml, line {line}: 0.06 is more than the law allows, 0.05"):
        load(path)
    assert read(text)[0] is not None


def test_a_tariff_that_is_no_illustration_may_be_whole() -> None:
    text = TEXTS[HENAN].replace("illustrative = true", "illustrative = false")
    assert {"only an illustrative" in one.what for one in check(text)} == {True}
    assert check(text.replace('status = "assumed"', 'status = "published"')) == []
