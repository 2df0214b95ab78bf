"""The LGPIF benchmark: every policy-year once, a row's own claims change nothing of it, figures by the protocol."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.errors import BadInput
from tests.training import panels
from training.benchmarks import lgpif
from training.experience import ExperienceConfig
from training.frequency import CountBoosterConfig
from training.intervals import Interval

LATER = range(2010, 2012)
FEW = CountBoosterConfig(rounds=10, members=1, num_leaves=4)


def silent(text: str) -> None:
    """Progress that nobody reads."""


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lgpif, "CONFIG", ExperienceConfig(penalties=(10.0,), free=FEW, based=FEW))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return panels.policies(tmp_path_factory.mktemp("train"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return panels.policies(tmp_path_factory.mktemp("other"), LATER, 85)


def predicted(folder: Path, other: Path, out: Path) -> pd.DataFrame:
    result = lgpif.run(folder, other, out, silent)
    assert result.predictions == out and not result.table
    return pd.read_parquet(out).set_index(["PolicyNum", "Year"])


def with_claims(other: Path, to: Path, chosen: dict[tuple[int, int], int]) -> Path:
    """A copy of the folder in which these policy-years have so many claims, in both files."""
    shutil.copytree(other, to)
    years, claims = (next(to.glob(f"{name}*.parquet")) for name in ("policy_years", "claims"))
    rows, told = pd.read_parquet(years), pd.read_parquet(claims)
    for (policy, year), count in chosen.items():
        here = (rows["PolicyNum"] == policy) & (rows["Year"] == year)
        rows.loc[here, ["Freq", "y"]] = [count, 5000.0 * count]
        told = told[(told["PolicyNum"] != policy) | (told["Year"] != year)]
        new = {"PolicyNum": [policy] * count, "Year": year, "Claim": 5000.0, "Description": "haildamage"}
        told = pd.concat([told, pd.DataFrame(new)], ignore_index=True) if count else told
    rows.to_parquet(years)
    told.to_parquet(claims)
    return to


def test_every_policy_year_is_predicted_once(folder: Path, other: Path, tmp_path: Path) -> None:
    found = predicted(folder, other, tmp_path / "said.parquet")
    assert len(found) == 85 * len(LATER) and found.index.is_unique
    assert found.columns.tolist() == ["expected", "p_any", "expected_loss"]
    assert (found > 0).all(axis=None) and (found["p_any"] <= found["expected"]).all() and (found["p_any"] < 1).all()


def test_a_rows_own_claims_never_change_its_prediction(folder: Path, other: Path, tmp_path: Path) -> None:
    plain = predicted(folder, other, tmp_path / "plain.parquet")
    for number, policy in enumerate([1000, 1007, 1083]):
        copy = with_claims(other, tmp_path / f"{number}", {(policy, 2010): 30})
        same = (predicted(folder, copy, tmp_path / "changed.parquet") == plain).all(axis=1)
        assert same.drop((policy, 2011)).all() and not same[policy, 2011]  # the next year's record tells that it was read


def test_claims_of_the_last_year_shuffled_change_nothing(folder: Path, other: Path, tmp_path: Path) -> None:
    rows = pd.read_parquet(next(other.glob("policy_years*")))
    last = rows[rows["Year"] == LATER[-1]]
    dealt = np.random.default_rng(0).permutation(last["Freq"].to_numpy())
    chosen = {(int(policy), LATER[-1]): int(count) for policy, count in zip(last["PolicyNum"], dealt, strict=True)}
    changed = predicted(folder, with_claims(other, tmp_path / "copy", chosen), tmp_path / "changed.parquet")
    pd.testing.assert_frame_equal(changed, predicted(folder, other, tmp_path / "plain.parquet"))


def test_outcomes_of_the_last_year_may_be_left_out_and_no_others(folder: Path, other: Path, tmp_path: Path) -> None:
    told = pd.read_parquet(other / "policy_years_2006_2009.parquet")
    last = told["Year"] == told["Year"].max()
    for name, table in (("none", told.assign(Freq=told["Freq"].mask(last), y=told["y"].mask(last))), ("all", told)):
        (tmp_path / name).mkdir()
        table.to_parquet(tmp_path / name / "policy_years_2006_2009.parquet")
    pd.testing.assert_frame_equal(
        *(predicted(folder, tmp_path / name, tmp_path / f"{name}.parquet") for name in ("none", "all"))
    )
    for name, table in (("gone", told.drop(columns="y")), ("some", told.assign(Freq=told["Freq"].mask(~last)))):
        (tmp_path / name).mkdir()
        table.to_parquet(tmp_path / name / "policy_years_2006_2009.parquet")
        with pytest.raises(BadInput, match="missing in a year that later ones are told by"):
            predicted(folder, tmp_path / name, tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_claims_that_cost_nothing_are_one_line(tmp_path: Path) -> None:
    free = panels.policies(tmp_path / "free", range(2006, 2010), 20)
    years = free / "policy_years_2006_2009.parquet"
    pd.read_parquet(years).assign(y=0.0).to_parquet(years)
    with pytest.raises(BadInput, match="no claim cost anything"):
        lgpif.run(free, None, None, silent)


def test_the_table_pairs_the_blend_with_every_rival(folder: Path) -> None:
    result = lgpif.run(folder, None, None, silent)
    rows = {str(row["forecast"]): row for row in result.table}
    assert next(iter(rows)) == "blend"
    assert {"exposure x rate", "GLM", "GLM, Buhlmann-Straub", "LightGBM, afternoon"} < set(rows)
    assert all(isinstance(rows[name]["gain in AUC"], Interval) for name in rows if name != "blend")
    assert result.notes[0].startswith("Judged on 2009: 80 policy-years")
    assert "deviance without it: blend" in result.notes[1]
    assert set(result.facts["loss, Gini over premium"]) >= {"blend", "GLM"}


def test_too_few_years_are_a_note_and_bad_files_one_line(tmp_path: Path) -> None:
    short = panels.policies(tmp_path / "short", range(2006, 2008), 20)
    result = lgpif.run(short, None, None, silent)
    assert not result.table and "too few years" in result.notes[0]
    next(short.glob("claims*")).unlink()
    with pytest.raises(BadInput, match=r"no claims") as told:
        lgpif.run(short, None, None, silent)
    assert "\n" not in str(told.value)
