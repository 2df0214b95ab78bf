"""What is promised of every premium: who does better or reports more never pays more, and who pays less is visited as often."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from serving.underwriting.factors import facts_of
from serving.underwriting.facts import VOCABULARY, Facts
from serving.underwriting.premium import charge
from serving.underwriting.rulebook import Rulebook, shipped
from serving.underwriting.rulebook_facts import SELF_REPORTS
from serving.underwriting.rulebook_fair import findings
from serving.underwriting.stages import relativity
from serving.underwriting.term import visits_due
from serving.underwriting.terms import ModelSays, Terms, year_from
from serving.underwriting.worksheet import Worksheet
from tests.properties import rulebooks
from tests.properties.rulebooks import DAY


def less(says: ModelSays, share: Decimal) -> ModelSays:
    """What a monotone model says of who does better: as much or less."""
    amounts = {name: getattr(says, name) * (1 - share) for name in ("insured_loss", "insured_low", "insured_high")}
    return replace(says, **amounts)


def with_(facts: Facts, name: str, value: Any) -> Facts:
    return rulebooks.told({key: one.value for key, one in facts.items()} | {name: value})


@settings(deadline=None)
@given(rulebooks.documents(), rulebooks.facts, rulebooks.policies(), rulebooks.says(), st.data())
def test_a_better_fact_never_raises_the_premium(
    document: dict[str, Any], facts: Facts, terms: Terms, says: ModelSays | None, data: st.DataObject
) -> None:
    """Whatever the fact, the rulebook that passes the check, and the weight of a model that sees the improvement or not."""
    assume(set(facts) & set(rulebooks.GRADED))
    rulebook = rulebooks.fair(document)
    name, value = data.draw(rulebooks.improved(facts))
    better = with_(facts, name, value)
    before = charge(rulebook, facts, terms, says)
    after = charge(rulebook, better, terms, says and less(says, data.draw(rulebooks.shares)))
    assert after.premium <= before.premium
    assert after.annual <= before.annual


def of_reports(told: Any) -> Any:
    """The same rulebook or facts with `told` being the standard fact: the hazards that an enterprise reported of itself."""
    if isinstance(told, dict):
        return {of_reports(key): of_reports(value) for key, value in told.items()}
    if isinstance(told, list):
        return [of_reports(one) for one in told if not (isinstance(one, dict) and one.get("name") == "told")]
    return SELF_REPORTS if told == "told" else told


@settings(deadline=None)
@given(rulebooks.documents(), rulebooks.facts, rulebooks.policies(), rulebooks.says(), st.integers(0, 50), st.data())
def test_more_self_reports_never_raise_the_premium(
    document: dict[str, Any], facts: Facts, terms: Terms, says: ModelSays | None, more: int, data: st.DataObject
) -> None:
    """Whatever the vocabulary says of the fact: a factor that rises with it does not pass the check."""
    rulebook = rulebooks.fair(of_reports(document))
    fewer = data.draw(st.integers(0, more))
    before, after = (with_(facts, SELF_REPORTS, Decimal(number)) for number in (fewer, more))
    less_or_same = says and less(says, data.draw(rulebooks.shares))
    assert charge(rulebook, after, terms, less_or_same).premium <= charge(rulebook, before, terms, says).premium


@settings(deadline=None)
@given(rulebooks.documents(), rulebooks.facts, rulebooks.policies(), rulebooks.says())
def test_minimum_and_maximum_hold_whatever_the_discount(
    document: dict[str, Any], facts: Facts, terms: Terms, says: ModelSays | None
) -> None:
    """The last stages before the days: nobody pays less a year than the minimum of a rulebook that has the stage."""
    assume("minimum" in document["premium"]["order"])
    found = charge(Rulebook.model_validate(document), facts, terms, says)
    step = document["premium"]["rounding_step"]
    assert found.annual > document["premium"]["minimum"] - step


AMOUNTS = st.integers(1, 10**8).map(lambda hundredth: Decimal(hundredth) / 100)


@settings(deadline=None)
@given(AMOUNTS, AMOUNTS, rulebooks.discounts, rulebooks.shares)
def test_what_the_factors_take_off_the_relativity_never_puts_back(
    loss: Decimal, amount: Decimal, factor: Decimal, weight: Decimal
) -> None:
    """amount x relativity rises with the amount, however little: nothing is rounded before the premium is."""
    lower = amount * (1 - factor / 100)
    after, before = (one * relativity(loss, Decimal("0.7"), one, weight) for one in (lower, amount))
    assert after <= before * (1 + Decimal("1e-24"))


Visits = Callable[[Worksheet], Decimal]


def visits_of(worksheet: Worksheet) -> Decimal:
    """What the worksheet tells whoever signs it: the visits of a year that are due, by its rulebook."""
    industry = worksheet.facts.value("industry")
    return visits_due(worksheet.rulebook, industry if isinstance(industry, str) else None)


def fewer_for_less(dear: Worksheet, cheap: Worksheet, visits: Visits) -> bool:
    """Whether who pays less is owed fewer visits."""
    return cheap.charge.premium < dear.charge.premium and visits(cheap) < visits(dear)


def worksheets(
    document: dict[str, Any], facts: Facts, terms: Terms, says: ModelSays | None, data: st.DataObject
) -> tuple[Worksheet, Worksheet]:
    """The same policy before and after a fact is bettered or by a rulebook that gives a discount on top of it."""
    name, value = data.draw(rulebooks.improved(facts))
    rulebook = rulebooks.fair(document)
    lower = document["base"] | {"rate": document["base"]["rate"] * data.draw(rulebooks.discounts)}
    discounted = Rulebook.model_validate(document | {"base": lower, "factors": [], "incentives": []})
    better = with_(facts, name, value)
    cheap = rulebook if data.draw(st.booleans()) else discounted
    return Worksheet.make(rulebook, facts, terms, says), Worksheet.make(cheap, better, terms, says)


@settings(deadline=None)
@given(rulebooks.documents(), rulebooks.visits(), rulebooks.facts, rulebooks.policies(), rulebooks.says(), st.data())
def test_a_discount_never_lowers_the_minimum_visits(
    document: dict[str, Any],
    visits: list[dict[str, Any]],
    facts: Facts,
    terms: Terms,
    says: ModelSays | None,
    data: st.DataObject,
) -> None:
    """However the premium falls: a better fact, a rulebook with lower rates, a model that expects less."""
    assume(set(facts) & set(rulebooks.GRADED))
    document = document | {"prevention": document["prevention"] | {"minimum_visits": visits}}
    facts = with_(facts, "industry", data.draw(st.sampled_from(["mining", "food", "services"])))
    dear, cheap = worksheets(document, facts, terms, says, data)
    assert not fewer_for_less(dear, cheap, visits_of)
    assert visits_of(cheap) == visits_of(dear) >= min(row["visits"] for row in visits)


def test_visits_by_the_premium_would_be_seen() -> None:
    """The property can fail: visits bought by the premium are fewer for who pays less."""

    def bought(worksheet: Worksheet) -> Decimal:
        return min(visits_of(worksheet), worksheet.charge.premium // 1000)

    facts, terms = rulebooks.told({"heads": Decimal(10)}), Terms(DAY, rulebooks.LAST, "CNY")
    document = rulebooks.plain()
    cheaper = document | {"base": document["base"] | {"rate": Decimal(100)}}
    dear, cheap = (Worksheet.make(Rulebook.model_validate(one), facts, terms, None) for one in (document, cheaper))
    assert fewer_for_less(dear, cheap, bought) and not fewer_for_less(dear, cheap, visits_of)


def test_an_unfair_factor_would_be_seen() -> None:
    """The properties can fail: a table that rewards a worse rank, rated although the check objects, charges who does better."""
    worse = {
        "name": "upside_down", "words_en": "factor", "words_zh": "系数", "clause": rulebooks.CLAUSE, "missing": "neutral",
        "kind": "table", "fact": "rank",
        "levels": {"one": Decimal("1.4"), "two": Decimal("1.2"), "three": Decimal(1), "none": Decimal("0.8")},
    }  # fmt: skip
    document = rulebooks.plain() | {"factors": [worse]}
    assert any("one" in str(finding.path) for finding in findings(Rulebook.model_validate(document)))
    terms = Terms(rulebooks.DAY, rulebooks.LAST, "CNY")
    best, worst = (rulebooks.told({"heads": Decimal(100), "rank": rank}) for rank in ("one", "none"))
    rulebook = Rulebook.model_validate(document)
    assert charge(rulebook, best, terms, None).premium > charge(rulebook, worst, terms, None).premium
    assert rulebooks.fair(document).factors == ()


@pytest.mark.parametrize("rulebook", shipped(), ids=lambda one: one.id)
@settings(deadline=None)
@given(st.data())
def test_shipped_rulebooks_never_charge_a_better_fact_more(rulebook: Rulebook, data: st.DataObject) -> None:
    """Over the standard facts that they ask for, any of them left out, whatever the model's weight and its floor and cap."""
    base = rulebook.base
    asked = [one for factor in (*rulebook.factors, *rulebook.incentives) for one in facts_of(factor) if one in VOCABULARY]
    needed = {name for name in (base.fact, base.by, "headcount", "industry") if name in VOCABULARY}
    drawn = {name: data.draw(rulebooks.standard(VOCABULARY[name]), name) for name in sorted({*asked, *needed})}
    if rulebook.industries:
        drawn["industry"] = rulebook.industries[0]
    drawn |= {name: max(drawn[name], Decimal(1)) for name in needed & {base.fact, "headcount"}}
    graded = sorted({*asked} & {*rulebooks.GRADED_STANDARD})
    own = {one.name: one.least or Decimal(1) for one in rulebook.facts if one.kind == "number"}
    facts, name = rulebooks.told(drawn | own), data.draw(st.sampled_from(graded))
    better = with_(facts, name, data.draw(rulebooks.no_worse(VOCABULARY[name], drawn[name])))
    terms, says = Terms(DAY, year_from(DAY), "CNY", limit_per_person=Decimal(800_000)), data.draw(rulebooks.says())
    after = charge(rulebook, better, terms, says and less(says, data.draw(rulebooks.shares)))
    assert after.premium <= charge(rulebook, facts, terms, says).premium
