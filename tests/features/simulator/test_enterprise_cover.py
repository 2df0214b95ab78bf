"""What policies pay: each accident under its own policy, a year its aggregate limit at most, on average what the truth says."""

from dataclasses import replace

import numpy as np
import pytest

from features.simulator.enterprise_accidents import Accidents
from features.simulator.enterprise_cover import Insured, cover, due, persons_of
from features.simulator.enterprise_roll import Roll, roll_of
from features.simulator.enterprise_severity import class_shares
from features.simulator.enterprise_world import EnterpriseWorld, Money, load_enterprises

LAW = load_enterprises()


def world(**money: object) -> EnterpriseWorld:
    return LAW.model_copy(update={"money": Money.model_validate(LAW.money.model_dump() | money)})


def told(at: list[float], of: list[int], loss: list[float], deaths: list[int], injuries: list[int]) -> Accidents:
    empty = np.zeros(len(at), dtype=np.int64)
    return Accidents(
        at=np.array(at), known=np.array(at), of=np.array(of), machine=empty, cause_words=["machinery"], cause=empty,
        severity=empty, deaths=np.array(deaths), injuries=np.array(injuries), loss=np.array(loss), corrected=np.array(at),
    )  # fmt: skip


def test_an_accident_is_paid_under_its_own_policy() -> None:
    roll = roll_of(world(limit_per_person=[400_000.0, 800_000.0], persons_per_accident=3.0), 40, 0, 1)
    limits = cover(roll)
    assert set(limits.per_person) == {4e5, 8e5} and (limits.per_accident == 3 * limits.per_person).all()
    small, large = int(np.argmin(limits.per_person)), int(np.argmax(limits.per_person))
    day = roll.joins.max() + 1.0
    found = told([day] * 6, [small, large] * 3, [2e6, 2e6, 9e6, 9e6, 100.0, 5e4], [1, 1, 9, 9, 0, 0], [0, 1, 0, 0, 0, 0])
    assert due(roll, found).tolist() == [399_000.0, 1_199_000.0, 1_199_000.0, 2_399_000.0, 0.0, 29_000.0]
    before = told([-1.0], [small], [2e6], [1], [0])
    assert due(roll, before).tolist() == [0.0]


def test_a_policy_year_pays_its_aggregate_limit_at_most_and_the_next_year_anew() -> None:
    roll = roll_of(world(limit_per_person=[400_000.0], persons_per_accident=2.0, accidents_per_aggregate=1.5), 3, 0, 1)
    roll = replace(roll, joins=np.array([0.0, 10.0, 20.0]))
    at = [5.0, 100.0, 364.0, 365.0, 12.0, 374.0, 376.0]
    found = told(at, [0, 0, 0, 0, 1, 1, 1], [2e6] * 7, [2] * 7, [0] * 7)
    assert due(roll, found).tolist() == [799e3, 401e3, 0.0, 799e3, 799e3, 401e3, 799e3]


def test_at_least_one_person_is_harmed() -> None:
    for loss in LAW.losses:
        chances, draws = persons_of(loss), np.random.default_rng(1).random((2, 200_000)) ** 2.5
        number = sum(
            low + np.floor(draw * (high - low + 1))
            for draw, (low, high) in zip(draws, (loss.deaths, loss.injuries), strict=True)
        )
        seen = np.bincount(np.maximum(number, 1).astype(int), minlength=len(chances)) / 200_000
        assert chances.sum() == pytest.approx(1.0) and chances[0] == 0.0
        assert np.abs(seen - chances).max() < 0.006


def simulated(roll: Roll, at: int, accidents: float, years: int) -> np.ndarray:
    """Payments of years of one enterprise, by the law's own draws."""
    random, losses = np.random.default_rng(5), roll.world.losses
    number = random.poisson(accidents, years)
    kind = random.choice(len(losses), number.sum(), p=class_shares(roll)[at])
    of = np.repeat(np.arange(years), number)
    amount, persons = np.empty(len(kind)), np.empty(len(kind), dtype=np.int64)
    for nth, loss in enumerate(losses):
        own = kind == nth
        draws = random.random((3, own.sum())) ** 2.5
        amount[own] = np.minimum(
            loss.median * roll.severity[at] * np.exp(loss.spread * random.standard_normal(own.sum())), loss.cap
        )
        harmed = [
            low + np.floor(one * (high - low + 1))
            for one, (low, high) in zip(draws, (loss.deaths, loss.injuries), strict=False)
        ]
        persons[own] = np.maximum(sum(harmed), 1)
    limits, share = cover(roll), roll.world.money.insured_share
    most = np.minimum(persons * limits.per_person[at], limits.per_accident[at])
    paid = np.maximum(np.minimum(share * amount, most) - limits.deductible[at], 0.0)
    return np.minimum(np.bincount(of, paid, years), limits.aggregate[at])


@pytest.mark.parametrize(
    ("accidents", "money"),
    [
        (0.3, {}),
        (2.0, {"persons_per_accident": 1.0, "accidents_per_aggregate": 1.0, "deductible": 20_000.0}),
        (30.0, {"accidents_per_aggregate": 1.0, "persons_per_accident": 2.0}),
    ],
)
def test_what_is_expected_is_the_mean_of_simulated_years(accidents: float, money: dict[str, float]) -> None:
    roll = roll_of(world(**money), 5, 0, 1)
    told = Insured(roll, class_shares(roll)).expected(np.full(5, accidents))
    for at in (0, 3):
        paid = simulated(roll, at, accidents, 100_000)
        assert abs(paid.mean() - told[at]) < 4 * paid.std() / np.sqrt(len(paid))
