"""Notes on a rulebook: where its premium falls at once, what costs less unknown than known; checked by rating both sides."""

from decimal import Decimal

import pytest

from serving.underwriting.factors import apply, base_of
from serving.underwriting.rulebook import FOLDER, Rulebook, load, shipped
from serving.underwriting.rulebook_check import check, notes, read
from serving.underwriting.rulebook_words import described
from tests.serving.quoted import facts

SHANDONG = (FOLDER / "shandong-construction-example.toml").read_text(encoding="utf-8")
ZHONGSHAN = (FOLDER / "zhongshan-example.toml").read_text(encoding="utf-8")


def said(text: str) -> list[str]:
    return [f"{text.splitlines()[one.line - 1].strip()} | {one.what}" for one in notes(text)]


def rated(rulebook: Rulebook, cost: str) -> Decimal:
    return base_of(rulebook, facts(project_cost=Decimal(cost))).value


def test_a_cliff_is_named_at_its_tier_and_is_there() -> None:
    first, *rest = said(SHANDONG)
    assert first == (
        "{ above = 10_000_000, up_to = 50_000_000, value = 0.60 }, | cliff: at project_cost 10000000 the base falls from"
        " 6500 to 6000 at once: up to 10833333.33 costs less than just before it"
    )
    assert len(rest) == 4
    rulebook = load("shandong-construction-example")
    assert rated(rulebook, "10000000.01") < rated(rulebook, "10833333.33") < rated(rulebook, "10000000") == 6500
    assert rated(rulebook, "10833333.34") > 6500


def test_slices_and_level_tiers_have_no_cliff() -> None:
    assert said(SHANDONG.replace('tiers_apply = "whole"', 'tiers_apply = "slice"')) == []
    assert len(said(SHANDONG.replace("value = 0.60", "value = 0.65"))) == 4


def test_a_rate_that_rises_with_size_is_a_cliff_too() -> None:
    (rises,) = [one for one in said(SHANDONG.replace("value = 0.40", "value = 0.50")) if "rises" in one]
    assert rises.endswith("cliff: at project_cost 1000000000 the base rises from 450000 to 500000 at once")


def test_a_factor_of_the_size_that_the_base_multiplies_is_a_cliff() -> None:
    found = [one for one in said(ZHONGSHAN) if "cliff" in one]
    assert [one.split(" | ")[1].split(" at once")[0] for one in found] == [
        "cliff: at headcount 50 factor 'headcount' falls from 1 to 0.95",
        "cliff: at headcount 200 factor 'headcount' falls from 0.95 to 0.9",
        "cliff: at headcount 500 factor 'headcount' falls from 0.9 to 0.85",
    ]
    rulebook = load("zhongshan-example")
    (bands,) = [one for one in rulebook.factors if one.name == "headcount"]
    ends = [Decimal(49), Decimal(50), Decimal("52.63"), Decimal(53)]
    paid = [number * apply(bands, facts(headcount=number)).value for number in ends]
    assert paid[1] < paid[2] <= Decimal(50) < paid[3]


@pytest.mark.parametrize("rulebook", shipped(), ids=lambda one: one.id)
def test_every_fact_that_pays_to_be_hidden_is_named_and_no_other(rulebook: Rulebook) -> None:
    """By rating nothing known against everything that the factor's levels hold."""
    nothing = facts()
    nothing = type(nothing)(nothing.as_of, nothing.currency, {})
    hidden = set()
    for factor in (*rulebook.factors, *rulebook.incentives):
        if factor.missing == "refuse":
            continue
        values = [*factor.levels.values(), *(one.value for one in factor.bands)]
        values += [case.value for case in getattr(factor.rule, "cases", ())]
        if apply(factor, nothing).value < max(values):
            hidden.add(factor.name)
    told = {one.what.split("'")[1] for one in notes(rulebook.source) if "not known" in one.what}
    assert told == hidden


def test_a_fact_that_takes_its_worst_level_when_unknown_is_no_note() -> None:
    assert not any("'standardisation'" in one for one in said(ZHONGSHAN))
    neutral = ZHONGSHAN.replace('missing = "none"', 'missing = "neutral"')
    (note,) = [one for one in said(neutral) if "'standardisation'" in one]
    assert note.startswith('missing = "neutral" | ')
    assert "where standardisation is not known it takes 1, as neutral; the worst that is known (none) takes 1.1" in note


def test_notes_are_no_faults_and_are_shown() -> None:
    for one in shipped():
        assert check(one.source) == []
        assert all(note.what in described(one) for note in notes(one.source))
    assert notes(SHANDONG.replace("[base]", "[base")) == []
    assert read(SHANDONG)[1] == []


@pytest.mark.parametrize(("old", "new"), [('missing = "mid"', 'missing = "middle"'), ("rate = 300", "rate = 1e400")])
def test_a_faulty_rulebook_has_faults_and_no_notes(old: str, new: str) -> None:
    text = ZHONGSHAN.replace(old, new)
    assert check(text)
    assert notes(text) == []
