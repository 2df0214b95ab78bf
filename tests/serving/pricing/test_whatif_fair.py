"""Who does better in one fact never pays more: through the what-if, from the lake or as a prospect, by a fitted model."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.errors import BadInput
from serving.pricing.priced import limits_of, priced
from serving.pricing.quotes import Asked, Basis, of_lake
from serving.pricing.whatif import changed, made
from serving.risk_champion import RiskChampion, load_risk_champion
from serving.risk_evidence import Knowledge
from serving.underwriting.facts import VOCABULARY, Fact, Facts, Value
from serving.underwriting.premium import charge
from serving.underwriting.rulebook import Rulebook, load
from serving.underwriting.terms import RelativityFacts
from tests.serving.risk_world import RiskWorld

ONE = Decimal(1)
HENAN = load("henan-example")


@pytest.fixture(scope="module")
def champion(risk_world: RiskWorld) -> RiskChampion:
    return load_risk_champion(risk_world.home)


@pytest.fixture(scope="module")
def known(risk_world: RiskWorld) -> Knowledge:
    return Knowledge.of(risk_world.lake)


def told(name: str, value: Value) -> Facts:
    return Facts(date(2026, 1, 1), "CNY", {name: Fact(name, value, "what if")})


def betters(name: str, value: Value) -> Iterator[Value]:
    """Better values of a fact: the next one and the best."""
    kind = VOCABULARY[name]
    if kind.better is None:
        return
    if kind.kind == "flag" and value is (kind.better == "lower"):
        yield not value
    elif kind.kind == "code" and value in kind.codes:
        place = kind.codes.index(str(value))
        ahead = kind.codes[place + 1 :] if kind.better == "higher" else kind.codes[:place][::-1]
        yield from {*ahead[:1], *ahead[-1:]}
    elif isinstance(value, Decimal) and kind.better == "lower" and value > (kind.least or 0):
        least = kind.least or Decimal(0)
        yield from {max(least, value - 1), least}
    elif isinstance(value, Decimal) and kind.better == "higher" and (kind.most is None or value < kind.most):
        yield value + 1 if kind.most is None else kind.most


def premium(champion: RiskChampion, basis: Basis, rulebook: Rulebook, weight: Decimal) -> tuple[float, Decimal]:
    """Insured loss of a year, and the premium where the model weighs so much."""
    assert basis.x is not None
    terms = Asked().terms(rulebook, basis.facts.as_of)
    said = priced(champion.bundle, basis.x[None], limits_of(terms), ranges=False)
    fitted = RelativityFacts(rulebook.digest, "champion", ONE, weight, Decimal(0), ONE, "a test")
    says = said.says(0, "champion", relativity=fitted)
    return float(said.insured_loss[0]), charge(rulebook, basis.facts, terms, says, ends=False).premium


def no_dearer(champion: RiskChampion, basis: Basis, name: str, better: Value, known: Knowledge, weight: Decimal) -> bool:
    """Whether the model expects less. Fails where it or the premium rises."""
    before = premium(champion, basis, HENAN, weight)
    after = premium(champion, changed(basis, told(name, better), known.shared), HENAN, weight)
    assert after[0] <= before[0] * (1 + 1e-9), (name, better)
    assert after[1] <= before[1], (name, better)
    return after[0] < before[0]


def test_an_enterprise_that_does_better_pays_no_more(risk_world: RiskWorld, champion: RiskChampion, known: Knowledge) -> None:
    tried: dict[str, bool] = {}
    for enterprise_id in risk_world.ids[::5]:
        basis = of_lake(known, champion, enterprise_id, None, evidence=False)
        for name, fact in basis.facts.items():
            for better in betters(name, fact.value) if name in VOCABULARY else ():
                try:
                    lower = no_dearer(champion, basis, name, better, known, ONE)
                except BadInput:  # no such enterprise: more clean years than on record, fewer accidents than of late
                    assert name in ("clean_years", "accidents_3y")
                    continue
                tried[name] = lower or tried.get(name, False)
    assert {"standardisation", "credit", "overdue_hazards", "training_coverage", "self_reports_1y", "accidents_1y"} <= {*tried}
    assert sum(tried.values()) > 5


def test_a_supervised_hazard_put_right_costs_no_more(risk_world: RiskWorld, champion: RiskChampion, known: Knowledge) -> None:
    """It is rectified, in whatever record it stands; not as if nobody had ever found it."""
    names = champion.catalog.names
    standing, found = names.index("hazard_supervised_open"), names.index("hazard_external_supervised_1095d")
    for enterprise_id in risk_world.ids[::3]:
        basis = of_lake(known, champion, enterprise_id, None, evidence=False)
        stands = changed(basis, told("supervised_open", True), known.shared)
        no_dearer(champion, stands, "supervised_open", False, known, ONE)
        put_right = changed(stands, told("supervised_open", False), known.shared)
        assert stands.x is not None
        assert put_right.x is not None
        assert (stands.x[standing], put_right.x[standing]) == (1, 0)
        assert stands.x[found] == put_right.x[found] >= 1


STATED: dict[str, st.SearchStrategy[Any]] = {
    "standardisation": st.sampled_from(VOCABULARY["standardisation"].codes),
    "credit": st.sampled_from(VOCABULARY["credit"].codes),
    "supervised_open": st.booleans(),
    "blacklisted": st.booleans(),
    "rectification_rate": st.integers(0, 20).map(lambda part: Decimal(part) / 20),
    "training_coverage": st.integers(0, 20).map(lambda part: Decimal(part) / 20),
    "certificate_coverage": st.integers(0, 20).map(lambda part: Decimal(part) / 20),
    **{
        name: st.integers(0, most).map(Decimal)
        for name, most in {
            "accidents_3y": 6, "overdue_hazards": 6, "violations_1y": 4, "refused_visits_1y": 3, "permits_withdrawn": 2,
            "drills_1y": 6, "self_reports_1y": 60, "subcontracting_depth": 4, "claims_3y": 4,
        }.items()
    },
}  # fmt: skip


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["construction", "mining", "food"]),
    st.integers(5, 3000),
    st.fixed_dictionaries({}, optional=STATED),
    st.data(),
)
def test_a_prospect_that_does_better_pays_no_more(
    champion: RiskChampion, known: Knowledge, industry: str, headcount: int, stated: dict[str, Any], data: st.DataObject
) -> None:
    values = {"industry": industry, "headcount": Decimal(headcount)} | stated
    facts = Facts(date(2026, 3, 1), "CNY", {name: Fact(name, value, "stated") for name, value in values.items()})
    wishes = [(name, better) for name, value in stated.items() for better in betters(name, value)]
    if not wishes:
        return
    try:
        basis = Basis(facts, made(facts, known.shared)[0])
    except BadInput:  # facts that cannot all be
        return
    name, better = data.draw(st.sampled_from(wishes))
    no_dearer(champion, basis, name, better, known, data.draw(st.sampled_from([ONE, Decimal("0.6")])))


@pytest.mark.parametrize("overdue", [1, 8])
def test_a_year_wholly_rectified_costs_no_more_where_hazards_are_said_to_stay_overdue(
    champion: RiskChampion, known: Knowledge, overdue: int
) -> None:
    """They can only be older than that year, and rows made so would tell of hazards overdue for longer."""
    values: dict[str, Value] = {"rectification_rate": Decimal("0.99"), "overdue_hazards": Decimal(overdue)}
    values |= {"industry": "construction", "headcount": Decimal(300)}
    facts = Facts(date(2026, 3, 1), "CNY", {name: Fact(name, value, "stated") for name, value in values.items()})
    basis = Basis(facts, made(facts, known.shared)[0])
    wished = {"rectification_rate": ONE, "overdue_hazards": Decimal(overdue)}
    told_both = replace(facts, known={name: Fact(name, value, "what if") for name, value in wished.items()})
    after = changed(basis, told_both, known.shared)
    assert after.facts.value("rectification_rate") == 1
    assert basis.x is not None
    assert after.x is not None
    longest = champion.catalog.names.index("hazard_overdue_longest")
    assert after.x[longest] <= basis.x[longest]
    assert premium(champion, after, HENAN, ONE) <= premium(champion, basis, HENAN, ONE)


def test_a_rise_would_be_seen(risk_world: RiskWorld, champion: RiskChampion, known: Knowledge) -> None:
    """The checks can fail: what is worse is dearer."""
    basis = of_lake(known, champion, risk_world.ids[0], None, evidence=False)
    neat = changed(basis, told("overdue_hazards", Decimal(0)), known.shared)
    with pytest.raises(AssertionError):
        no_dearer(champion, replace(neat, score=None), "overdue_hazards", Decimal(9), known, ONE)
    assert np.isfinite(premium(champion, neat, HENAN, ONE)[0])
