"""What base and factors come to: tables, bands, cases, formulas, and what is done where a fact is not known."""

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import BadInput
from serving.underwriting.factors import apply, base_of
from serving.underwriting.rulebook import load
from serving.underwriting.rulebook_parts import Base, Factor
from tests.serving.underwriting.told import Facts

WORDS = {"words_en": "a factor", "words_zh": "系数", "clause": "c"}
SHANDONG = load("shandong-construction-example")
ZHONGSHAN = load("zhongshan-example")
FUYANG = load("fuyang-example")


def decimals(value: Any) -> Any:
    """Numbers as a rulebook's reader gives them."""
    if isinstance(value, dict):
        return {key: decimals(one) for key, one in value.items()}
    if isinstance(value, list):
        return [decimals(one) for one in value]
    return Decimal(str(value)) if isinstance(value, float) else value


def factor(**parts: Any) -> Factor:
    return Factor.model_validate(decimals({"name": "one", "missing": "neutral"} | WORDS | parts))


def value(one: Factor, **facts: Any) -> Decimal:
    return apply(one, Facts(**facts)).value


def of(name: str) -> Factor:
    return next(one for one in (*ZHONGSHAN.factors, *ZHONGSHAN.incentives) if one.name == name)


@pytest.mark.parametrize(
    ("name", "facts", "expected", "level"),
    [
        ("standardisation", {"standardisation": "2"}, "0.9", "2"),
        ("standardisation", {}, "1.1", "none"),
        ("accident_record", {"accidents_1y": 1, "clean_years": 0}, "1.3", "accident last year"),
        ("accident_record", {"accidents_1y": 0, "clean_years": 2}, "1.0", "2 clean years or a shorter record"),
        ("accident_record", {"accidents_1y": 0, "clean_years": 3}, "0.95", "3 clean years"),
        ("accident_record", {"accidents_1y": 0, "clean_years": 9}, "0.9", "4 clean years and more"),
        ("risk_level", {"risk_level": "high"}, "1.2", "high"),
        ("credit", {"credit": "bad"}, "1.3", "bad"),
        ("credit", {"credit": "AA"}, "0.8", "AA"),
        ("blacklist", {"blacklisted": True}, "1.5", "true"),
        ("services", {"services_up_to_standard": True}, "0.85", "true"),
        ("services", {}, "1.0", "false"),
        ("headcount", {"headcount": 49}, "1.0", "below 50"),
        ("headcount", {"headcount": 50}, "0.95", "from 50 below 200"),
        ("headcount", {"headcount": 500}, "0.85", "from 500"),
        ("falling_accident_rate", {"accident_rate_change_1y": Decimal("-0.15"), "accident_rate_change_2y": Decimal("-0.2")},
         "0.7", "down 15 % two years running"),
        ("falling_accident_rate", {"accident_rate_change_1y": Decimal("-0.15"), "accident_rate_change_2y": Decimal("-0.14")},
         "1.0", "no such fall"),
        ("falling_accident_rate", {"accident_rate_change_1y": Decimal("-0.15")}, "1", "neutral"),
    ],
)  # fmt: skip
def test_the_published_factors_of_zhongshan(name: str, facts: dict[str, Any], expected: str, level: str) -> None:
    found = apply(of(name), Facts(**facts))
    assert (found.value, found.level) == (Decimal(expected), level)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"accidents_1y": 0}, "0.9"),
        ({"accidents_1y": 2}, "1.1"),
        ({"accidents_1y": 2, "accidents_larger_1y": 1}, "1.2"),
        ({"accidents_1y": 3, "accidents_larger_1y": 1, "accidents_major_1y": 1}, "1.3"),
    ],
)
def test_in_fuyang_the_gravest_accident_counts(facts: dict[str, int], expected: str) -> None:
    known = {"accidents_larger_1y": 0, "accidents_major_1y": 0} | facts
    assert apply(FUYANG.factors[0], Facts(**known)).value == Decimal(expected)


@pytest.mark.parametrize(
    ("cost", "premium"),
    [
        ("5000000", "3250"),
        ("10000000", "6500"),
        ("10000000.01", "6000.000006"),
        ("50000000", "30000"),
        ("100000000", "55000"),
        ("500000000", "250000"),
        ("1000000000", "450000"),
        ("2000000000", "800000"),
    ],
)
def test_in_shandong_the_rate_falls_with_the_cost_of_the_project(cost: str, premium: str) -> None:
    found = base_of(SHANDONG, Facts(project_cost=Decimal(cost)))
    assert found.value == Decimal(premium)
    assert found.facts == ("project_cost",)


amounts = st.decimals(min_value=0, max_value=10**10, places=2)


@given(amounts, amounts)
def test_by_slice_the_amount_is_the_sum_of_slices_and_never_falls(first: Decimal, second: Decimal) -> None:
    base = Base.model_validate(SHANDONG.base.model_dump() | {"tiers_apply": "slice"})
    sliced = SHANDONG.model_copy(update={"base": base})

    def amount(cost: Decimal) -> Decimal:
        return base_of(sliced, Facts(project_cost=cost)).value

    ends = [0, 10**7, 5 * 10**7, 10**8, 5 * 10**8, 10**9, 10**12]
    rates = [Decimal(one) for one in ("0.65", "0.60", "0.55", "0.50", "0.45", "0.40")]
    slices = [max(Decimal(0), min(first, ends[one + 1]) - ends[one]) * rates[one] for one in range(6)]
    assert amount(first) == sum(slices) / 1000
    low, high = sorted((first, second))
    assert amount(low) <= amount(high)


def test_a_base_by_industry_and_one_without_a_fact() -> None:
    found = base_of(FUYANG, Facts(headcount=120, industry="mining"))
    assert (found.value, found.level, found.facts) == (Decimal(96000), "mining", ("headcount", "industry"))
    assert found.evidence == "headcount = 120 (told); industry = mining (told)"
    flat = Base.model_validate(FUYANG.base.model_dump() | {"fact": None})
    assert base_of(FUYANG.model_copy(update={"base": flat}), Facts(industry="mining")).value == 800


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"industry": "mining"}, "rulebook fuyang-example, base: the fact 'headcount' is not known; record or state headcount"),
        ({"headcount": 5}, "the fact 'industry' is not known"),
        (
            {"headcount": 5, "industry": "motoring"},
            "industry 'motoring' is outside its table; it has mining, hazardous_chemicals",
        ),
        ({"headcount": "five", "industry": "mining"}, "the fact 'headcount' is no number: 'five'"),
    ],
)
def test_a_base_that_cannot_be_had_is_refused(facts: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput) as refused:
        base_of(FUYANG, Facts(**facts))
    assert words in str(refused.value)


def test_what_is_not_known_is_neutral_refused_or_a_level() -> None:
    levels = {"a": 0.9, "b": 1.2}
    neutral = apply(factor(kind="table", fact="award", levels=levels), Facts())
    assert (neutral.value, neutral.level, neutral.missing, neutral.evidence) == (1, "neutral", True, "award not known")
    assert value(factor(kind="table", fact="award", levels=levels, missing="b")) == Decimal("1.2")
    with pytest.raises(BadInput, match="factor 'one': the fact 'award' is not known; record or state award"):
        apply(factor(kind="table", fact="award", levels=levels, missing="refuse"), Facts())


def test_a_value_outside_the_table_is_refused_with_the_levels_that_there_are() -> None:
    with pytest.raises(BadInput, match="factor 'one': award 'c' is outside its table; it has a, b"):
        apply(factor(kind="table", fact="award", levels={"a": 0.9, "b": 1.2}), Facts(award="c"))
    with pytest.raises(BadInput, match="headcount '-1' is outside its table; it has from 0"):
        apply(factor(kind="bands", fact="headcount", bands=[{"at_least": 0, "value": 1}]), Facts(headcount=-1))


LINEAR = {"formula": "linear", "each": 0.02, "beyond": 2, "floor": 0.9, "cap": 1.1}


@pytest.mark.parametrize(("hazards", "expected"), [(0, "1"), (2, "1"), (3, "1.02"), (7, "1.1"), (100, "1.1")])
def test_a_linear_rule_within_its_bounds(hazards: int, expected: str) -> None:
    assert value(factor(kind="rule", fact="overdue_hazards", rule=LINEAR), overdue_hazards=hazards) == Decimal(expected)


def test_a_linear_rule_far_beyond_its_bounds_is_at_them() -> None:
    steep = factor(kind="rule", fact="overdue_hazards", rule=LINEAR | {"each": 10**14})
    assert value(steep, overdue_hazards=Decimal("9e14")) == Decimal("1.1")
    fall = factor(kind="rule", fact="overdue_hazards", rule=LINEAR | {"each": -(10**14)})
    assert value(fall, overdue_hazards=Decimal("9e14")) == Decimal("0.9")


NCCI = {
    "formula": "ncci",
    "actual_primary": "primary_losses",
    "actual_excess": "excess_losses",
    "expected": {"fact": "payroll", "rate": 0.02, "years": 3},
    "primary": 0.4,
    "weight": 0.1,
    "ballast": 20_000,
    "floor": 0.5,
    "cap": 2,
}


def test_nccis_modification_by_hand() -> None:
    # E = 120,000, of which 48,000 primary and C = 72,000 excess; (30,000 + 64,800 + 20,000 + 5,000) / (48,000 + 64,800 +
    # 20,000 + 7,200) = 119,800 / 140,000.
    one = factor(kind="rule", rule=NCCI)
    assert value(one, primary_losses=30_000, excess_losses=50_000, payroll=2_000_000) == Decimal("0.855714")
    assert value(one, primary_losses=48_000, excess_losses=72_000, payroll=2_000_000) == 1
    assert value(one, primary_losses=900_000, excess_losses=0, payroll=2_000_000) == 2
    assert value(factor(kind="rule", rule=NCCI | {"ballast": 0}), primary_losses=1, excess_losses=0, payroll=0) == 1


def test_nccis_weight_and_ballast_go_by_the_expected_losses() -> None:
    weights = [{"below": 100_000, "value": 0.05}, {"at_least": 100_000, "value": 0.1}]
    ballasts = [{"up_to": 120_000, "value": 20_000}, {"above": 120_000, "value": 30_000}]
    one, sized = factor(kind="rule", rule=NCCI), factor(kind="rule", rule=NCCI | {"weight": weights, "ballast": ballasts})
    losses = {"primary_losses": 30_000, "excess_losses": 50_000}
    assert value(sized, **losses, payroll=2_000_000) == value(one, **losses, payroll=2_000_000)
    # E = 60,000: (30,000 + 36,000 x 0.95 + 20,000 + 2,500) / (24,000 + 34,200 + 20,000 + 1,800) = 86,700 / 80,000.
    assert value(sized, **losses, payroll=1_000_000) == Decimal("1.08375")


CREDIBILITY = {
    "formula": "credibility",
    "actual": "incurred_3y",
    "expected": {"fact": "payroll", "rate": 0.01, "years": 3},
    "k": 60_000,
    "floor": 0.01,
    "cap": 100,
}


@given(st.integers(0, 10**7), st.integers(1, 10**9))
def test_buhlmann_and_straubs_factor_is_z_of_the_record_and_the_rest_of_one(actual: int, payroll: int) -> None:
    expected = payroll * Decimal("0.03")
    z = expected / (expected + 60_000)
    hand = min(max(z * actual / expected + (1 - z), Decimal("0.01")), Decimal(100))
    found = value(factor(kind="rule", rule=CREDIBILITY), incurred_3y=actual, payroll=payroll)
    assert abs(found - hand) <= Decimal("0.000001")


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 10**9), st.sampled_from([CREDIBILITY, NCCI]))
def test_more_losses_never_lower_a_rule_of_experience(first: int, second: int, payroll: int, rule: dict[str, Any]) -> None:
    low, high = sorted((first, second))
    one = factor(kind="rule", rule=rule)
    facts = {"payroll": payroll, "incurred_3y": low, "primary_losses": low, "excess_losses": low}
    for name in ("incurred_3y", "primary_losses", "excess_losses"):
        assert value(one, **facts) <= value(one, **facts | {name: high})


def test_an_enterprise_without_payroll_has_no_record_to_speak_of() -> None:
    assert value(factor(kind="rule", rule=CREDIBILITY), incurred_3y=0, payroll=0) == 1


@given(st.lists(st.decimals(min_value=1, max_value=10**6, places=1), min_size=1, max_size=5, unique=True), st.data())
def test_bands_without_gap_take_every_number_once(ends: list[Decimal], data: st.DataObject) -> None:
    bounds = sorted(ends)
    bands: list[dict[str, Any]] = [{"below": bounds[0], "value": 1}]
    bands += [{"at_least": low, "below": high, "value": place + 2} for place, (low, high) in enumerate(pairwise(bounds))]
    bands.append({"at_least": bounds[-1], "value": len(bounds) + 1})
    number = data.draw(st.sampled_from(bounds) | st.decimals(min_value=0, max_value=10**6, places=2))
    one = factor(kind="bands", fact="headcount", bands=bands)
    assert sum(band.holds(number) for band in one.bands) == 1
    assert value(one, headcount=number) == 1 + sum(number >= bound for bound in bounds)
