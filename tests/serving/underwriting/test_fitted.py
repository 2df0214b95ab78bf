"""Fitted tables become a rulebook that is checked as any other; the engine charges what the tables say, to the cent."""

import tomllib
from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import BadInput
from serving.underwriting import fitted
from serving.underwriting.fitted_tables import tariff_of
from serving.underwriting.fitted_text import text_of
from serving.underwriting.off_balance import balance
from serving.underwriting.rulebook_check import check

DOCUMENT: dict[str, Any] = {
    "id": "town-fitted", "version": "1", "title_en": 'Towns "fitted"', "title_zh": "镇", "market": "US-WI", "currency": "USD",
    "effective_from": "2009-01-01", "effective_to": "2010-12-31", "citation": "Fit to losses of 2006-2008", "text_en": "A fit.",
    "text_zh": "拟合。", "model_en": "The model.", "model_zh": "模型。", "base": "insured_value", "base_en": "Cover",
    "base_zh": "保额",
    "per": 1000.0, "edges": [0.0, 1e6, 5e6], "rates": [1.5, 0.8, 0.25],
    "factors": [
        {"fact": "entity", "kind": "code", "words_en": "Kind", "words_zh": "类型", "codes": ["town", "big city"],
         "values": [0.9, 1.25], "rows": [10, 20], "low": [0.8, 1.1], "high": [1.0, 1.4]},
        {"fact": "guarded", "kind": "flag", "words_en": "Guarded", "words_zh": "有看守", "better": "higher",
         "values": [1.1, 0.95]},
        {"fact": "claims_a_year", "kind": "number", "words_en": "Claims", "words_zh": "出险", "better": "lower",
         "edges": [0.5, 2.0], "values": [0.9, 1.0, 1.7]},
    ],
}  # fmt: skip
WEIGHED = {"bundle_id": "made", "level": 1.0, "weight": 0.5, "low": 0.3, "high": 0.7, "fitted_on": "2007-2008"}


def changed(place: int, **values: Any) -> dict[str, Any]:
    document = deepcopy(DOCUMENT)
    document["factors"][place] |= values
    return document


def policy(loss: float = 1000.0, **facts: Any) -> dict[str, Any]:
    known = {"insured_value": 2e6, "entity": "town", "guarded": True, "claims_a_year": 0.0} | facts
    return {"key": "7", "year": 2009, "facts": known, "expected": 0.5, "loss": loss}


def test_the_text_is_a_whole_cited_rulebook_without_a_fault() -> None:
    text = text_of(tariff_of(DOCUMENT))
    assert check(text) == []
    document = tomllib.loads(text)
    assert document["title_en"] == 'Towns "fitted"' and document["illustrative"] is True
    assert document["factors"][0]["levels"] == {"town": 0.9, "big city": 1.25}
    assert "town = 0.9  # 10 rows, [0.8, 1]" in text and "below = 1000000, value = 1.5" in text
    rulebook = fitted.rulebook_of(tariff_of(DOCUMENT))
    assert rulebook.base.clause == "fit" and {one.clause for one in rulebook.factors} == {"fit"}
    assert rulebook.clause("fit").citation == "Fit to losses of 2006-2008"
    assert rulebook.clause(rulebook.loading.clause).status == "assumed"


def test_the_engine_charges_what_the_tables_say() -> None:
    booked = fitted.book(DOCUMENT, [policy(), policy(entity="big city", guarded=False, claims_a_year=float("nan"))], WEIGHED)
    base = Decimal("1.5") * 1000 + Decimal("0.8") * 1000
    first = base * Decimal("0.9") * Decimal("0.95") * Decimal("0.9")
    second = base * Decimal("1.25") * Decimal("1.1")
    loaded = [(one / Decimal("0.9")).quantize(Decimal("0.01")) for one in (first, second)]
    assert list(booked.without) == loaded
    withs = [float(one) * (1000 / float(one)) ** 0.5 / 0.9 for one in (first, second)]
    assert [float(one) for one in booked.premiums] == pytest.approx(withs, abs=0.0051)
    assert booked.digest == fitted.rulebook_of(tariff_of(DOCUMENT)).digest


def test_the_model_moves_a_premium_within_floor_and_cap() -> None:
    alone, high, low = (fitted.book(DOCUMENT, [policy(loss)], WEIGHED) for loss in (1000.0, 1e9, 1e-6))
    assert float(high.premiums[0] / alone.without[0]) == pytest.approx(2.5, abs=1e-3)
    assert float(low.premiums[0] / alone.without[0]) == pytest.approx(0.4, abs=1e-3)


@given(st.floats(1e4, 1e9), st.floats(1.0, 2.0), st.floats(0, 10), st.floats(0, 10))
def test_more_cover_or_a_worse_record_never_costs_less(cover: float, more: float, one: float, other: float) -> None:
    better, worse = sorted((one, other))
    policies = [policy(insured_value=cover, claims_a_year=better), policy(insured_value=cover * more, claims_a_year=worse)]
    cheap, dear = fitted.book(DOCUMENT, policies, WEIGHED).premiums
    assert cheap <= dear


def test_the_book_is_brought_to_a_total_to_the_cent_and_rated_alike_again() -> None:
    policies = [
        policy(100.0 * one, insured_value=1e5 * (1 + one), claims_a_year=one % 4) | {"key": str(one)} for one in range(50)
    ]
    booked, again = (fitted.book(DOCUMENT, policies, WEIGHED) for _ in range(2))
    assert booked == again
    total = Decimal("123456.78")
    kept = balance(booked.premiums, [one["key"] for one in policies], total).amounts
    assert sum(kept) == total
    factor = total / sum(booked.premiums)
    assert all(abs(new - factor * old) < Decimal("0.01") for new, old in zip(kept, booked.premiums, strict=True))


def test_tables_that_make_no_fair_rulebook_are_one_line() -> None:
    with pytest.raises(BadInput, match=r"line \d+: .*claims_a_year improves"):
        fitted.rulebook_of(tariff_of(changed(2, values=[1.7, 1.0, 0.9])))
    with pytest.raises(BadInput, match="one relativity a level is needed, 3 in all"):
        tariff_of(changed(2, values=[1.0, 1.7]))
    with pytest.raises(BadInput, match="fitted tariff, rates"):
        tariff_of(DOCUMENT | {"rates": "dear"})
    with pytest.raises(BadInput, match="'village' is outside its table"):
        fitted.book(DOCUMENT, [policy(entity="village")], WEIGHED)
    with pytest.raises(BadInput, match="lapsed on 2011-01-01"):
        fitted.book(DOCUMENT, [policy() | {"year": 2011}], WEIGHED)
