"""A worksheet as a quote keeps it, for tests of the store and of what happens to a policy."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from serving.underwriting.facts import Fact, Facts, Value
from serving.underwriting.rulebook import load
from serving.underwriting.terms import ModelSays, Terms
from serving.underwriting.worksheet import Worksheet

STARTS, ENDS = date(2025, 1, 1), date(2025, 12, 31)


def facts(as_of: date = date(2024, 12, 20), **values: Value) -> Facts:
    """Facts that the illustrative rulebook of Henan's shape asks for, and these."""
    told: dict[str, Value] = {"industry": "food", "headcount": Decimal(100), "standardisation": "2", "accidents_1y": Decimal(0)}
    return Facts(as_of, "CNY", {name: Fact(name, value, f"paper {name}") for name, value in (told | values).items()})


def worksheet(
    says: ModelSays | None = None,
    *,
    enterprise_id: str | None = "e-1",
    rulebook: str = "henan-example",
    starts: date = STARTS,
    ends: date = ENDS,
    **values: Value,
) -> Worksheet:
    terms = Terms(starts, ends, "CNY", limit_per_person=Decimal(400_000))
    return Worksheet.make(load(rulebook), facts(**values), terms, says, enterprise_id=enterprise_id, name="食品厂")


def document(**how: Any) -> dict[str, Any]:
    return worksheet(**how).document()


def says(score_id: str | None = None, loss: str = "12345.67") -> ModelSays:
    one = ModelSays(*(Decimal(text) for text in ("0.4", "0.2", "0.8", loss, loss, loss)), bundle_id="b")
    return replace(one, score_id=score_id)
