"""What changes a premium, step by step: parts that add up to the difference, to the cent."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.underwriting.changes import explained
from serving.underwriting.facts import Facts, Value
from serving.underwriting.premium import charge
from serving.underwriting.rulebook import Rulebook
from serving.underwriting.terms import ModelSays, Terms
from tests.properties import rulebooks
from tests.serving.underwriting.golden import PREMIUMS, worksheet

BETTER: dict[str, Value] = {
    "standardisation": "1",
    "credit": "AA",
    "accidents_1y": Decimal(0),
    "accidents_ordinary_1y": Decimal(0),
}


@pytest.mark.parametrize("rulebook", [one for one in PREMIUMS if one != "minimum"])  # at its minimum nothing moves
def test_the_parts_add_up_to_the_cent(rulebook: str) -> None:
    before, after = worksheet(rulebook).charge, worksheet(rulebook, **BETTER).charge
    found = explained(before, after)
    assert after.premium < before.premium
    assert sum((one.amount for one in found), Decimal(0)) == after.premium - before.premium
    assert explained(before, before) == ()
    back = explained(after, before)
    assert sum((one.amount for one in back), Decimal(0)) == before.premium - after.premium


def test_only_steps_that_move_are_named_with_their_levels() -> None:
    """One factor alone: the whole difference is its own, less what the model had charged for the same."""
    before, after = worksheet("henan-example").charge, worksheet("henan-example", standardisation="1").charge
    found = {one.name: one for one in explained(before, after)}
    assert {*found} == {"standardisation", "model"}
    assert (found["standardisation"].before, found["standardisation"].after) == ("2", "1")
    assert found["standardisation"].amount < 0 < found["model"].amount


@settings(deadline=None)
@given(
    rulebooks.documents(), rulebooks.facts, rulebooks.facts, rulebooks.policies(), rulebooks.says(), rulebooks.says(), st.data()
)
def test_whatever_the_rulebook_the_parts_add_up(
    document: dict[str, Any],
    facts: Facts,
    others: Facts,
    terms: Terms,
    says: ModelSays | None,
    said: ModelSays | None,
    data: st.DataObject,
) -> None:
    rulebook = Rulebook.model_validate(document)
    before, after = charge(rulebook, facts, terms, says), charge(rulebook, others, terms, said)
    parts = [one.amount for one in explained(before, after)]
    assert sum(parts, Decimal(0)) == after.premium - before.premium
    assert all(parts)
