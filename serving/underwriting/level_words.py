"""Levels of a rulebook's factors and codes of facts in English and Chinese: what stands in a document as a code, for people."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from features.enterprise.vocabulary import INDUSTRIES
from serving.underwriting.rulebook import Rulebook
from serving.underwriting.rulebook_parts import Band, Case, Factor, First
from serving.underwriting.words import FLAGS, FORMULAS, NEUTRAL, NOT_KNOWN, Words

_CODES = {
    "industry": {one.code: Words(one.words_en, one.words_zh) for one in INDUSTRIES},
    "standardisation": {
        "none": Words("none", "未达标"), "3": Words("3", "三级"), "2": Words("2", "二级"), "1": Words("1", "一级"),
    },
    "credit": {"bad": Words("bad", "差")},
    "award": {"none": Words("none", "无"), "city": Words("city", "市级"), "province": Words("province", "省级")},
}  # fmt: skip


def code_words(fact: str, code: str) -> Words:
    """A code of a fact; one that has no words of its own as it stands."""
    return _CODES.get(fact, {}).get(code) or Words(code.replace("_", " "), "")


def value_words(fact: str, value: Decimal | str | bool | date | None) -> Words:
    """A fact's value."""
    if value is None:
        return NOT_KNOWN
    if isinstance(value, bool):
        return FLAGS[value]
    if isinstance(value, str):
        return code_words(fact, value)
    return Words(f"{value:,f}" if isinstance(value, Decimal) else value.isoformat(), "")


def level_words(rulebook: Rulebook, stage: str, name: str, level: str) -> Words:
    """The level that a step took, by the step's stage and name."""
    if stage == "base":
        return _band(rulebook.base.tiers, level) or FORMULAS.get(level) or code_words(rulebook.base.by or "", level)
    factors = rulebook.factors if stage == "factors" else rulebook.incentives if stage == "incentives" else ()
    factor = next((one for one in factors if one.name == name), None)
    if factor is None:
        return Words(level, "")
    if level == "neutral":
        return NEUTRAL
    return _band(factor.bands, level) or _case(factor, level) or FORMULAS.get(level) or _table(factor, level)


def _table(factor: Factor, level: str) -> Words:
    flag = {"true": FLAGS[True], "false": FLAGS[False]}.get(level)
    return flag or code_words(factor.fact or "", level)


def _band(bands: Iterable[Band], level: str) -> Words | None:
    found = next((band for band in bands if band.level == level), None)
    if found is None:
        return None
    return Words(level, "") if found.name else Words(found.bounds, found.bounds_zh)


def _case(factor: Factor, level: str) -> Words | None:
    cases: tuple[Case, ...] = factor.rule.cases if isinstance(factor.rule, First) else ()
    found = next((case for case in cases if case.name == level), None)
    return None if found is None else Words(found.words_en or level.replace("_", " "), found.words_zh)
