"""A world's own law of losses put into the insured loss: what a perfect observer of the simulated world expects to be paid."""

from typing import Any

import numpy as np
import pytest

from features.simulator import enterprise_cover
from features.simulator.enterprise_cover import Insured, cover, persons_of
from features.simulator.enterprise_records import Money
from features.simulator.enterprise_roll import Roll, roll_of
from features.simulator.enterprise_severity import class_losses, class_shares
from features.simulator.enterprise_world import load_enterprises
from serving.underwriting.insured import FAMILIES, LossLaw, insured_losses, reckoned_losses

SIZE = 60
NARROW = {"persons_per_accident": 1.5, "accidents_per_aggregate": 1.0, "deductible": 20_000.0}


def law_of(roll: Roll) -> LossLaw:
    """The law of losses from which a world draws, a row for each enterprise."""
    losses, persons = roll.world.losses, [persons_of(loss) for loss in roll.world.losses]
    table = np.zeros((len(losses), max(map(len, persons))))
    for row, own in zip(table, persons, strict=True):
        row[: len(own)] = own
    spread = np.array([loss.spread for loss in losses])
    mean = np.array([loss.median for loss in losses]) * np.exp(spread**2 / 2) * roll.severity[:, None]
    family = np.full(len(losses), FAMILIES.index("lognormal"))
    cap = np.array([loss.cap for loss in losses])
    return LossLaw(class_shares(roll), mean, family, spread, table, roll.world.money.insured_share, cap=cap)


def limits_of(roll: Roll) -> dict[str, Any]:
    terms = cover(roll)
    return {
        "limit_per_person": terms.per_person,
        "limit_per_accident": terms.per_accident,
        "limit_aggregate": terms.aggregate,
        "deductible": terms.deductible,
    }


@pytest.mark.parametrize(
    ("money", "exact"), [({}, 2e-5), ({"deductible": 0.0}, 2e-5), (NARROW, 2e-4)], ids=["as it is", "no deductible", "narrow"]
)
def test_with_the_true_parameters_the_insured_loss_is_the_true_one(
    money: dict[str, float], exact: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two implementations: closed forms and Panjer's recursion here, partial means and Fourier's transform there, which is
    rougher where the aggregate limit takes much off, and has eight times its cells for it."""
    monkeypatch.setattr(enterprise_cover, "_CELLS", 32_768)
    law = load_enterprises()
    law = law.model_copy(update={"money": Money.model_validate(law.money.model_dump() | money)})
    roll = roll_of(law, SIZE, 0, 1)
    accidents = np.exp(np.random.default_rng(2).normal(-1.0, 1.5, SIZE))
    told, reckoned = reckoned_losses(accidents, np.inf, law_of(roll), **limits_of(roll))
    truth = Insured(roll, class_shares(roll)).expected(accidents)
    np.testing.assert_allclose(told, truth, rtol=exact)
    if money is NARROW:
        unlimited = insured_losses(accidents, np.inf, law_of(roll), **limits_of(roll) | {"limit_aggregate": np.inf})
        assert reckoned.any() and (unlimited > truth * 1.01).any()


def test_without_limits_it_is_the_mean_loss() -> None:
    roll = roll_of(load_enterprises(), SIZE, 0, 1)
    told = insured_losses(np.ones(SIZE), np.inf, law_of(roll))
    expected = roll.world.money.insured_share * (class_shares(roll) * class_losses(roll)).sum(axis=1)
    np.testing.assert_allclose(told, expected, rtol=1e-9)
