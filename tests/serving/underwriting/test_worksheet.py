"""Worksheets stay as they were: the cent, every step, and what a replay of the kept document makes of it."""

import copy
import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from features.errors import BadInput
from serving.underwriting.worksheet import Worksheet, replay
from tests.serving.underwriting.golden import PREMIUMS, path, rulebook_of, worksheet


def kept(rulebook: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path(rulebook).read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("rulebook", PREMIUMS)
def test_a_kept_worksheet_is_made_again_to_the_last_digit(rulebook: str) -> None:
    document = kept(rulebook)
    again, differences = replay(document)
    assert differences == []
    assert again.document() == document
    assert again.charge.premium == Decimal(PREMIUMS[rulebook])
    assert Worksheet.from_document(document).document() == document


@pytest.mark.parametrize("rulebook", PREMIUMS)
def test_the_shipped_rulebook_still_charges_it(rulebook: str) -> None:
    """Where it was changed on purpose, write the documents anew (golden.py); the kept ones of policies stay replayable."""
    document, today = kept(rulebook), worksheet(rulebook).document()
    assert [(one["name"], one["operation"], one["value"], one["after"]) for one in today["charge"]["steps"]] == [
        (one["name"], one["operation"], one["value"], one["after"]) for one in document["charge"]["steps"]
    ]
    assert rulebook_of(rulebook).digest == document["rulebook"]["digest"]
    assert today == document


def test_the_steps_are_those_of_the_published_shape() -> None:
    """By hand: headcount x base per head x standardisation x record x credit x headcount band, then the model's say."""
    steps = {one["name"]: one for one in kept("zhongshan-example")["charge"]["steps"]}
    by_hand = Decimal(137) * 300 * Decimal("0.9") * Decimal("1.3") * Decimal("1.1") * Decimal("0.95")
    assert Decimal(steps["headcount"]["after"]) == by_hand
    relativity = (157641.1537 / (2.281768 * float(by_hand))) ** 0.613255
    assert float(steps["model"]["value"]) == pytest.approx(relativity, rel=1e-12)
    assert float(PREMIUMS["zhongshan-example"]) == pytest.approx(float(by_hand) * relativity * 400 / 365, abs=0.005)


def test_bounds_and_calendars_bind_as_by_hand() -> None:
    def step(name: str, stage: str) -> dict[str, Any]:
        return next(one for one in kept(name)["charge"]["steps"] if one["stage"] == stage)

    year = Decimal(step("leap-day", "pro_rata")["before"])
    assert Decimal(step("leap-day", "pro_rata")["after"]) == pytest.approx(year * 366 / 365, abs=Decimal("1e-9"))
    part = step("leap-year", "pro_rata")
    assert Decimal(part["after"]) == pytest.approx(Decimal(part["before"]) * 60 / 366, abs=Decimal("1e-9"))
    assert (step("minimum", "minimum")["operation"], step("minimum", "minimum")["after"]) == ("floor", "500")
    assert Decimal(PREMIUMS["minimum"]) == (Decimal(500) * 400 / 365).quantize(Decimal("0.01"))
    capped = step("model-cap", "model")
    assert capped["value"] == "1.5" and "held at its cap" in capped["evidence"]
    assert Decimal(capped["after"]) == Decimal(capped["before"]) * Decimal("1.5")


@pytest.mark.parametrize("rulebook", PREMIUMS)
def test_every_step_follows_from_the_one_before_and_names_its_clause(rulebook: str) -> None:
    document = kept(rulebook)
    clauses, after = rulebook_of(rulebook).clauses, Decimal(0)
    for step in document["charge"]["steps"]:
        assert Decimal(step["before"]) == after
        assert step["citation"] == clauses[step["clause"]].citation
        assert step["words_en"] and step["words_zh"]
        after = Decimal(step["after"])
    assert after == Decimal(document["charge"]["premium"])


def test_a_replay_names_what_is_otherwise() -> None:
    """It can fail: a cent more in the document, a factor that was not so, an input that was changed afterwards."""
    document = copy.deepcopy(kept("henan-example"))
    document["charge"]["premium"] = "78185.70"
    document["charge"]["steps"][2]["value"] = "0.96"
    assert [str(one) for one in replay(document)[1]] == [
        "charge.premium: stored 78185.70, replayed 78185.69",
        "charge.steps[3].value: stored 0.96, replayed 0.95",
    ]
    forged = copy.deepcopy(kept("henan-example"))
    next(one for one in forged["facts"]["known"] if one["name"] == "headcount")["value"] = "136"
    assert "charge.premium" in {one.where for one in replay(forged)[1]}
    other = copy.deepcopy(kept("henan-example"))
    other["rulebook"]["digest"] = "0" * 64
    assert [one.where for one in replay(other)[1]] == ["rulebook.digest"]


@pytest.mark.parametrize("rulebook", PREMIUMS)
def test_numbers_stated_with_a_power_of_ten_are_replayed_to_the_last_digit(rulebook: str) -> None:
    sheet = worksheet(rulebook, headcount=Decimal("1.2E+2"), project_cost=Decimal("8E+7"))
    assert sheet.says is not None
    terms = replace(sheet.terms, limit_per_person=Decimal("6E+5"), expiring_premium=Decimal("5E+4"))
    says = replace(sheet.says, insured_loss=Decimal("1.6E+5"), insured_high=Decimal("3E+5"))
    made = Worksheet.make(sheet.rulebook, sheet.facts, terms, says)
    again, differences = replay(made.document())
    assert differences == []
    assert again == made


def test_a_loss_beyond_reckoning_is_refused() -> None:
    sheet = worksheet("henan-example")
    assert sheet.says is not None
    says = replace(sheet.says, **dict.fromkeys(("insured_loss", "insured_low", "insured_high"), Decimal("1E+17")))
    with pytest.raises(BadInput, match=r"model: the insured loss is 1\.\d+E\+17; correct the facts that tell the size"):
        Worksheet.make(sheet.rulebook, sheet.facts, sheet.terms, says)


@pytest.mark.parametrize("broken", [{}, {"worksheet": 2}, {"worksheet": 1}, {"worksheet": 1, "model": None, "facts": []}])
def test_what_is_no_worksheet_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="not a worksheet's document"):
        Worksheet.from_document(broken)
