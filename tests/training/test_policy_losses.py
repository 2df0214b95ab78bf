"""Losses of policy-years: one claim beyond the limit moves the level alone, designs without a feature that is not there."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.training import panels
from training import policy_losses, policy_years
from training.policy_losses import LIMIT
from training.policy_years import Tables


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return policy_years.read(panels.policies(tmp_path_factory.mktemp("lgpif"), count=40))


def with_claim(tables: Tables, amount: float) -> Tables:
    """With a claim of policy 1003 in 2007 that cost so much."""
    claims = pd.DataFrame({"PolicyNum": [1003], "Year": [2007], "Claim": [amount], "Description": ["hail"]})
    years = tables.years.copy()
    here = (years["PolicyNum"] == 1003) & (years["Year"] == 2007)
    years.loc[here, ["Freq", "y"]] += [1, amount]
    return Tables(years, pd.concat([tables.claims, claims], ignore_index=True))


def test_every_claim_is_limited_by_itself(tables: Tables) -> None:
    many = with_claim(with_claim(tables, 0.9 * LIMIT), 0.9 * LIMIT)
    place = ((policy_years.ordered(many)["PolicyNum"] == 1003) & (policy_years.ordered(many)["Year"] == 2007)).to_numpy()
    gained = policy_years.limited(many, LIMIT) - policy_years.limited(tables, LIMIT)
    np.testing.assert_allclose(gained, np.where(place, 1.8 * LIMIT, 0.0))
    gained = policy_years.limited(with_claim(tables, 9 * LIMIT), LIMIT) - policy_years.limited(tables, LIMIT)
    np.testing.assert_allclose(gained, np.where(place, LIMIT, 0.0))


def test_what_lies_above_the_limit_is_shared_out_alike(tables: Tables) -> None:
    found = []
    for amount in (LIMIT, 100 * LIMIT):
        told = with_claim(tables, amount)
        periods = policy_years.panel(told)
        found.append(policy_losses.fit_losses(periods, policy_years.limited(told, LIMIT), np.ones(len(periods.rows), bool)))
        total = found[-1].direct.sum()
        assert total == pytest.approx(told.years["y"].sum(), rel=1e-3)
    share = found[1].direct / found[0].direct
    assert share.min() > 2 and np.ptp(share) < 1e-6 * share.min()


def test_half_is_number_times_cost_and_features_may_be_left_out(tables: Tables) -> None:
    periods = policy_years.panel(tables)
    every = np.ones(len(periods.rows), bool)
    rows = policy_losses.without(periods.rows, ("log_premium", "log_rate"))
    assert "log_premium" not in rows.names and rows.x.shape[1] == periods.rows.x.shape[1] - 2
    losses = policy_losses.fit_losses(replace(periods, rows=rows), policy_years.limited(tables, LIMIT), every)
    np.testing.assert_allclose(losses.expected(np.full(every.sum(), 2.0), every), losses.cost + losses.direct / 2)
