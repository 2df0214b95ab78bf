"""What is promised of every premium: who does better never pays more, and neither does who reports more."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from serving.underwriting.premium import charge
from serving.underwriting.rulebook import Rulebook
from serving.underwriting.rulebook_fair import findings
from serving.underwriting.terms import ModelSays, Terms
from tests.properties import rulebooks
from tests.serving.underwriting.told import Facts


def less(says: ModelSays, share: Decimal) -> ModelSays:
    """What a monotone model says of who does better: as much or less."""
    amounts = {name: getattr(says, name) * (1 - share) for name in ("insured_loss", "insured_low", "insured_high")}
    return replace(says, **amounts)


def with_(facts: Facts, name: str, value: Any) -> Facts:
    changed = Facts(**{key: one.value for key, one in facts.items()} | {name: value})
    changed.currency = "CNY"
    return changed


@given(rulebooks.documents(), rulebooks.facts, rulebooks.policies(), rulebooks.says(), st.data())
def test_a_better_fact_never_raises_the_premium(
    document: dict[str, Any], facts: Facts, terms: Terms, says: ModelSays | None, data: st.DataObject
) -> None:
    """Whatever the fact, the rulebook that passes the check, and the weight of a model that sees the improvement or not."""
    assume(set(facts) & set(rulebooks.GRADED))
    rulebook = rulebooks.fair(document)
    facts.currency = "CNY"
    name, value = data.draw(rulebooks.improved(facts))
    better = with_(facts, name, value)
    before = charge(rulebook, facts, terms, says)
    after = charge(rulebook, better, terms, says and less(says, data.draw(rulebooks.shares)))
    assert after.premium <= before.premium
    assert after.annual <= before.annual


@given(rulebooks.documents(), rulebooks.facts, rulebooks.policies(), rulebooks.says(), st.integers(0, 50))
def test_more_self_reports_never_raise_the_premium(
    document: dict[str, Any], facts: Facts, terms: Terms, says: ModelSays | None, more: int
) -> None:
    """`told` is what an enterprise reports of itself: the more, the better, or the check says so."""
    facts = with_(facts, "told", Decimal(more // 2))
    again = with_(facts, "told", Decimal(more))
    rulebook = rulebooks.fair(document)
    assert charge(rulebook, again, terms, says).premium <= charge(rulebook, facts, terms, says).premium


@given(rulebooks.documents(), rulebooks.facts, rulebooks.policies(), rulebooks.says())
def test_minimum_and_maximum_hold_whatever_the_discount(
    document: dict[str, Any], facts: Facts, terms: Terms, says: ModelSays | None
) -> None:
    """The last stages before the days: nobody pays less a year than the minimum of a rulebook that has the stage."""
    assume("minimum" in document["premium"]["order"])
    facts.currency = "CNY"
    found = charge(Rulebook.model_validate(document), facts, terms, says)
    step = document["premium"]["rounding_step"]
    assert found.annual > document["premium"]["minimum"] - step


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
    best, worst = (with_(Facts(heads=100), "rank", rank) for rank in ("one", "none"))
    rulebook = Rulebook.model_validate(document)
    assert charge(rulebook, best, terms, None).premium > charge(rulebook, worst, terms, None).premium
    assert rulebooks.fair(document).factors == ()
