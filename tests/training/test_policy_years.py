"""Policy-years of LGPIF: rating data of the year, claims of the years before it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.errors import BadInput
from tests.training import panels
from training import policy_years
from training.policy_years import Tables


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return policy_years.read(panels.policies(tmp_path_factory.mktemp("lgpif"), count=20))


def column(tables: Tables, name: str) -> pd.Series:
    found, years = policy_years.panel(tables), policy_years.ordered(tables)
    values = found.rows.x[:, found.rows.names.index(name)].astype(float)
    return pd.Series(values, index=pd.MultiIndex.from_frame(years[policy_years.KEYS]))


def with_year(tables: Tables, policy: int, year: int, **values: float) -> Tables:
    years = tables.years.copy()
    years.loc[(years["PolicyNum"] == policy) & (years["Year"] == year), list(values)] = list(values.values())
    return Tables(years, tables.claims)


def test_the_years_own_claims_enter_later_years_alone(tables: Tables) -> None:
    years = policy_years.ordered(tables)
    later = ((years["PolicyNum"] == 1003) & (years["Year"] > 2007)).to_numpy()
    changed = with_year(tables, 1003, 2007, Freq=9, y=1e6, lny=13.8, yAvg=1e5, NoClaimCredit=1)
    claims = pd.DataFrame({"PolicyNum": [1003], "Year": [2007], "Claim": [1e6], "Description": ["haildamage"]})
    changed = Tables(changed.years, pd.concat([tables.claims, claims], ignore_index=True))
    plain, found = policy_years.panel(tables), policy_years.panel(changed)
    np.testing.assert_array_equal(found.rows.x[~later], plain.rows.x[~later])
    assert (found.rows.x[later] != plain.rows.x[later]).any(axis=1).all()


def test_the_record_is_that_of_years_seen(tables: Tables) -> None:
    tables = with_year(with_year(tables, 1001, 2006, Freq=4), 1001, 2008, Freq=1)
    gone = (tables.years["PolicyNum"] == 1001) & (tables.years["Year"] == 2007)
    tables = Tables(tables.years[~gone].reset_index(drop=True), tables.claims)
    at = (1001, 2009)
    assert column(tables, "came_1_ago")[at] == 1 and column(tables, "came_3_ago")[at] == 4
    assert np.isnan(column(tables, "came_2_ago")[at])
    assert column(tables, "years_seen")[at] == 2
    assert column(tables, "mean_0.5")[at] == pytest.approx((1 + 0.25 * 4) / 1.25)
    assert column(tables, "any_0.8")[at] == 1.0
    assert np.isnan(column(tables, "mean_0.5")[1001, 2006])


def test_perils_are_told_by_parts_of_words(tables: Tables) -> None:
    assert column(tables, "glass").max() > 0 and column(tables, "weather").max() == 0


def test_what_stands_with_claims_alone_or_repeats_the_record_is_no_feature(tables: Tables) -> None:
    assert not {"county", "NoClaimCredit", "Freq", "y", "yAvg", "PolicyNum"} & set(policy_years.panel(tables).rows.names)


def test_policy_years_of_both_folders_are_the_first_ones_with_their_claims(tables: Tables) -> None:
    both = tables.before(with_year(tables, 1002, 2009, Freq=50))
    assert len(both.years) == len(tables.years) and len(both.claims) == len(tables.claims) and both.years["Freq"].max() < 50


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"BCcov": 0.0}, "row 1, column BCcov: cover is zero"),
        ({"Deduct": -5.0}, "row 1, column Deduct: a deductible is below zero"),
        ({"TypeCity": 0}, "row 1, columns TypeCity to TypeVillage: a policy has one type"),
        ({"TypeCounty": 1}, "row 1, columns TypeCity to TypeVillage: a policy has one type"),
        ({"Freq": -1}, "below zero"),
        ({"PolicyNum": 1}, "twice"),
    ],
)
def test_files_that_cannot_be_meant_are_one_line(values: dict[str, float], message: str, tmp_path: Path) -> None:
    folder = panels.policies(tmp_path, count=5)
    path = folder / "policy_years_2006_2009.parquet"
    pd.read_parquet(path).assign(**values).to_parquet(path)
    with pytest.raises(BadInput, match=message) as told:
        policy_years.read(folder)
    assert "\n" not in str(told.value)


def test_the_claims_of_a_folder_asked_about_may_be_missing(tables: Tables, tmp_path: Path) -> None:
    folder = panels.policies(tmp_path, count=20)
    claims = folder / "claims_2006_2009.parquet"
    claims.unlink()
    with pytest.raises(BadInput, match="claims"):
        policy_years.read(folder)
    bare = policy_years.read(folder, asked=True)
    assert column(bare, "came_1_ago").equals(column(tables, "came_1_ago")) and column(bare, "log_paid").max() == 0


def test_a_folder_asked_about_needs_neither_outcomes_nor_what_is_not_read(tmp_path: Path) -> None:
    folder = panels.policies(tmp_path, count=5)
    path = folder / "policy_years_2006_2009.parquet"
    rows = pd.read_parquet(path)
    rows[rows["Year"] == 2009].drop(columns=["Freq", "y", "NoClaimCredit"]).to_parquet(path)
    (folder / "claims_2006_2009.parquet").unlink()
    found = policy_years.read(folder, asked=True)
    assert len(found.years) == 5 and not found.years[["Freq", "y"]].any(axis=None) and found.claims.empty
