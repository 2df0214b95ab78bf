"""LGPIF as a book: every policy-year has a premium, its own claims never change it, the rulebook written has no fault."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from features.settings import settings
from serving.underwriting import fitted
from serving.underwriting.rulebook_check import check
from tests.training import panels
from tests.training.benchmarks.test_lgpif import FEW, silent, with_claims
from training import policy_tariff
from training.benchmarks import lgpif, lgpif_book
from training.experience import ExperienceConfig
from training.intervals import Interval

LATER = range(2010, 2012)


@pytest.fixture(scope="module", autouse=True)
def _small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lgpif, "CONFIG", ExperienceConfig(penalties=(10.0,), free=FEW, based=FEW))
        plain = policy_tariff.fit
        patch.setattr(policy_tariff, "fit", lambda *given, intervals: plain(*given, intervals=min(intervals, 5)))
        patch.setenv("FOREWARN_HOME", str(tmp_path_factory.mktemp("home")))
        settings.cache_clear()
        yield
    settings.cache_clear()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return panels.policies(tmp_path_factory.mktemp("train"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return panels.policies(tmp_path_factory.mktemp("other"), LATER, 85)


def predicted(folder: Path, other: Path, out: Path) -> pd.DataFrame:
    result = lgpif_book.run(folder, other, out, silent, fitted_book=fitted.book)
    assert result.predictions == out and not result.table
    return pd.read_parquet(out).set_index(["PolicyNum", "Year"])


@pytest.fixture(scope="module")
def plain(folder: Path, other: Path, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return predicted(folder, other, tmp_path_factory.mktemp("plain") / "said.parquet")


def test_every_policy_year_has_its_premium(plain: pd.DataFrame) -> None:
    assert len(plain) == 85 * len(LATER) and plain.index.is_unique
    assert plain.columns.tolist() == ["premium", "expected_loss", "expected", "p_any"]
    assert (plain > 0).all(axis=None) and (plain["premium"] >= 10).all()
    text = (settings().reports / "lgpif-book.toml").read_text(encoding="utf-8")
    assert check(text, today=date(2011, 6, 1)) == [] and "fitted to 2006-2009" in text


def test_a_rows_own_claims_never_change_its_premium(folder: Path, other: Path, plain: pd.DataFrame, tmp_path: Path) -> None:
    copy = with_claims(other, tmp_path / "copy", {(1003, 2010): 30})
    same = (predicted(folder, copy, tmp_path / "changed.parquet") == plain).all(axis=1)
    assert same.drop((1003, 2011)).all() and not same[1003, 2011]  # the next year's record tells that it was read


def test_outcomes_of_the_last_year_dealt_anew_change_nothing(
    folder: Path, other: Path, plain: pd.DataFrame, tmp_path: Path
) -> None:
    rows = pd.read_parquet(next(other.glob("policy_years*")))
    last = rows[rows["Year"] == LATER[-1]]
    dealt = np.random.default_rng(0).permutation(last["Freq"].to_numpy())
    chosen = {(int(policy), LATER[-1]): int(count) for policy, count in zip(last["PolicyNum"], dealt, strict=True)}
    changed = predicted(folder, with_claims(other, tmp_path / "copy", chosen), tmp_path / "changed.parquet")
    pd.testing.assert_frame_equal(changed, plain)


def test_what_was_really_charged_changes_no_premium(folder: Path, other: Path, plain: pd.DataFrame, tmp_path: Path) -> None:
    copies = []
    for number, one in enumerate((folder, other)):
        copies.append(with_claims(one, tmp_path / str(number), {}))
        years = next(copies[-1].glob("policy_years*"))
        rows = pd.read_parquet(years)
        rows.assign(Premium=rows["Premium"].to_numpy()[::-1]).to_parquet(years)
    pd.testing.assert_frame_equal(predicted(copies[0], copies[1], tmp_path / "changed.parquet"), plain)


def test_the_judged_year_has_paired_gains_and_a_page(folder: Path) -> None:
    result = lgpif_book.run(folder, None, None, silent, fitted_book=fitted.book)
    rows = {str(row["forecast"]): row for row in result.table}
    assert next(iter(rows)) == "fitted rulebook with model" and {"really charged", "cover x rate"} < set(rows)
    assert all(isinstance(row["gain of ours"], Interval) for row in result.table[1:])
    assert result.notes[0].startswith("Judged on 2009: 80 policy-years")
    assert "Mean of 2008, 2009, each by models of the years before it" in result.notes[3]
    assert result.report is not None
    page = result.report.read_text(encoding="utf-8")
    assert "Double lift" in page and "双重提升图" in page and page.count("<svg") == 8
    assert len(result.facts["double lift"]) == 5


def test_a_year_without_losses_has_nothing_to_judge_by(folder: Path, tmp_path: Path) -> None:
    rows = pd.read_parquet(folder / "policy_years_2006_2009.parquet")
    none = with_claims(folder, tmp_path / "copy", {(int(policy), 2009): 0 for policy in rows["PolicyNum"].unique()})
    result = lgpif_book.run(none, None, None, silent, fitted_book=fitted.book)
    assert not result.table and "nothing to judge by" in result.notes[0]


def test_the_command_line_hands_in_the_engine(folder: Path, tmp_path: Path) -> None:
    import forewarn

    short = panels.policies(tmp_path / "short", range(2006, 2008), 20)
    found = CliRunner().invoke(forewarn.app, ["benchmark", "lgpif-book", "--train", str(short), "--json"])
    assert found.exit_code == 0, found.output
    assert "too few years" in json.loads(found.stdout)["notes"][0]
    found = CliRunner().invoke(forewarn.app, ["benchmark", "lgpif-book", "--train", str(folder), "--json"])
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["facts"]["rulebook digest"]
