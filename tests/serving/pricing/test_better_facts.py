"""Facts, model and rulebook together: who states a better fact is never expected to cost more, and never pays more."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from features.clock import micros
from features.enterprise.vocabulary import HIGH_RISK
from serving.pricing.enterprise_facts import facts_at
from serving.pricing.priced import priced
from serving.pricing.prospect_rows import SUPERVISED_RECTIFIED, features_of
from serving.underwriting.facts import VOCABULARY
from serving.underwriting.premium import charge
from serving.underwriting.rulebook import load
from serving.underwriting.terms import RelativityFacts, Terms, year_from
from tests.serving.risk_world import RiskWorld

AS_OF = datetime(2026, 3, 1, tzinfo=UTC)
MANY = 120
COUNTS = {
    "accidents_3y": 6, "claims_3y": 4, "permits_withdrawn": 3, "violations_1y": 4, "refused_visits_1y": 3, "drills_1y": 6,
    "self_reports_1y": 40, "subcontracting_depth": 4, "overdue_hazards": 6,
}  # fmt: skip
SHARES = ("training_coverage", "certificate_coverage")
CODES = ("standardisation", "credit")
# Not `supervised_open`, which is rectified, below: where the one hazard found is taken away, shares have nothing to be of.
BETTERED = (*COUNTS, *SHARES, *CODES, "blacklisted", "overdue_major_hazards")


def prospects() -> dict[str, list[Any]]:
    """Facts of made-up prospects, many of them not stated."""
    random = np.random.default_rng(7)

    def some(values: Any) -> list[Any]:
        return [None if random.random() < 0.3 else value for value in values.tolist()]

    found = {
        "industry": random.choice(sorted(HIGH_RISK), MANY).tolist(),
        "headcount": np.round(np.exp(random.normal(4.5, 1.0, MANY)) + 1.0).tolist(),
        **{name: some(random.integers(0, most, MANY).astype(float)) for name, most in COUNTS.items()},
        **{name: some(random.integers(0, 21, MANY) / 20.0) for name in SHARES},
        **{name: some(random.choice(VOCABULARY[name].codes, MANY)) for name in CODES},
        "blacklisted": some(random.random(MANY) < 0.3),
    }
    major = [None if most is None else float(random.integers(0, int(most) + 1)) for most in found["overdue_hazards"]]
    return found | {"overdue_major_hazards": major}


def bettered(facts: dict[str, list[Any]], name: str) -> dict[str, list[Any]]:
    """The same prospects, each a step better in one fact where it has stated it."""
    kind, found = VOCABULARY[name], []
    for row, value in enumerate(facts[name]):
        if value is None:
            found.append(None)
        elif kind.kind == "code":
            found.append(kind.codes[min(kind.codes.index(value) + 1, len(kind.codes) - 1)])
        elif kind.kind == "flag":
            found.append(False)
        elif name in SHARES:
            found.append(min(1.0, value + 0.25))
        else:
            least = facts["overdue_major_hazards"][row] or 0.0 if name == "overdue_hazards" else 0.0
            found.append(value + 1.0 if kind.better == "higher" else max(least, value - 1.0))
    return facts | {name: found}


def premiums(world: RiskWorld, facts: dict[str, list[Any]], weight: str) -> tuple[np.ndarray, list[Decimal]]:
    """Insured losses and premiums of the prospects by Zhongshan's example, the model weighing so much."""
    table, rulebook = pa.table(facts), load("zhongshan-example")
    x = features_of(table, np.full(MANY, micros(AS_OF)))
    said = priced(world.bundle, x, {"limit_per_person": np.full(MANY, 400_000.0)})
    terms = Terms(AS_OF.date(), year_from(AS_OF.date()), "CNY", limit_per_person=Decimal(400_000))
    one = Decimal(1)
    fitted = RelativityFacts(rulebook.digest, "champion", Decimal("0.9"), Decimal(weight), Decimal(0), one, "a test")
    charged = [
        charge(
            rulebook,
            facts_at(table, row, AS_OF.date(), "CNY"),
            terms,
            said.says(row, "champion", relativity=fitted),
            ends=False,
        )
        for row in range(MANY)
    ]
    return said.insured_loss, [found.premium for found in charged]


@pytest.mark.parametrize("weight", ["0.6", "1"])
def test_a_better_fact_costs_no_more(risk_world: RiskWorld, weight: str) -> None:
    """Self-reports among them: the more, the better."""
    facts = prospects()
    losses, before = premiums(risk_world, facts, weight)
    moved = 0
    for name in BETTERED:
        better, after = premiums(risk_world, bettered(facts, name), weight)
        assert (better <= losses * (1.0 + 1e-9)).all(), name
        assert all(one <= other for one, other in zip(after, before, strict=True)), name
        moved += sum(one < other for one, other in zip(after, before, strict=True))
    assert moved > MANY


def test_a_supervised_hazard_that_is_rectified_costs_no_more(risk_world: RiskWorld) -> None:
    """It stays as one that was found and put right: a hazard that nobody ever found would be another history."""
    as_of = np.full(MANY, micros(AS_OF))
    limits = {"limit_per_person": np.full(MANY, 400_000.0)}
    facts = prospects()
    open_ = features_of(pa.table(facts | {"supervised_open": [True] * MANY}), as_of)
    done = features_of(pa.table(facts | {"supervised_open": [False] * MANY, SUPERVISED_RECTIFIED: [True] * MANY}), as_of)
    before, after = (priced(risk_world.bundle, x, limits).insured_loss for x in (open_, done))
    assert (after <= before * (1.0 + 1e-9)).all()
    assert (after < before).any()
