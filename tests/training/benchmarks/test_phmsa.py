"""The PHMSA benchmark: every operator-year once, a row's own outcome changes nothing of it, figures by the protocol."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.errors import BadInput
from tests.training import panels
from training.benchmarks import phmsa
from training.experience import ExperienceConfig
from training.frequency import CountBoosterConfig
from training.intervals import Interval

LATER = range(2011, 2014)
FEW = CountBoosterConfig(rounds=10, members=1, num_leaves=4)


def silent(text: str) -> None:
    """Progress that nobody reads."""


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(phmsa, "CONFIG", ExperienceConfig(penalties=(10.0,), free=FEW, based=FEW))
        patch.setattr(phmsa, "QUICK", FEW)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return panels.operators(tmp_path_factory.mktemp("train"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three later years of the same operators and of some new ones."""
    return panels.operators(tmp_path_factory.mktemp("other"), LATER, 33)


def predicted(folder: Path, other: Path, out: Path) -> pd.DataFrame:
    result = phmsa.run(folder, other, out, silent)
    assert result.predictions == out and not result.table
    return pd.read_parquet(out).set_index(["ID", "year"])


def with_incidents(other: Path, to: Path, chosen: dict[tuple[str, int], int]) -> Path:
    """A copy of the folder in which these operator-years have so many incidents, in both files."""
    shutil.copytree(other, to)
    rows, incidents = (pd.read_parquet(to / f"{name}.parquet") for name in ("pipelines_ungrouped", "incidents"))
    for (operator, year), count in chosen.items():
        here = (rows["ID"] == operator) & (rows["year"] == year) & (rows["on_offshore"] != "offshore")
        rows.loc[here, "incidents"] = count
        incidents = incidents[(incidents["ID"] != operator) | (incidents["year"] != year)]
        new = [panels.incident(operator, year, f"new {operator} {year} {one}") for one in range(count)]
        incidents = pd.concat([incidents, pd.DataFrame(new)], ignore_index=True) if new else incidents
    rows.to_parquet(to / "pipelines_ungrouped.parquet")
    incidents.to_parquet(to / "incidents.parquet")
    return to


def test_every_operator_year_is_predicted_once(folder: Path, other: Path, tmp_path: Path) -> None:
    found = predicted(folder, other, tmp_path / "said.parquet")
    raw = pd.read_parquet(other / "pipelines_ungrouped.parquet")
    assert set(found.index) == set(zip(raw["ID"], raw["year"].astype(int), strict=True)) and found.index.is_unique
    assert found.columns.tolist() == ["expected", "p_any"]
    assert (found["expected"] > 0).all() and found["p_any"].between(0, 1).all()
    assert (found["p_any"] <= found["expected"]).all()


def test_a_rows_own_outcome_never_changes_its_prediction(folder: Path, other: Path, tmp_path: Path) -> None:
    plain = predicted(folder, other, tmp_path / "plain.parquet")
    for number, key in enumerate([("100", 2011), ("107", 2012), ("132", 2011)]):
        changed = predicted(folder, with_incidents(other, tmp_path / f"{number}", {key: 25}), tmp_path / "changed.parquet")
        same = (changed == plain).all(axis=1)
        assert same[same.index.get_level_values("year") <= key[1]].all()
        later = [(key[0], year) for year in LATER if year > key[1]]
        assert not same[later].any()  # so the outcome was read, and the test could fail


def test_outcomes_of_the_last_year_shuffled_change_nothing(folder: Path, other: Path, tmp_path: Path) -> None:
    raw = pd.read_parquet(other / "pipelines_ungrouped.parquet")
    last = raw[(raw["year"] == LATER[-1]) & (raw["on_offshore"] == "onshore")]
    dealt = np.random.default_rng(0).permutation(last["incidents"].fillna(0).to_numpy(np.int64))
    chosen = {(name, LATER[-1]): int(count) for name, count in zip(last["ID"], dealt, strict=True)}
    changed = predicted(folder, with_incidents(other, tmp_path / "copy", chosen), tmp_path / "changed.parquet")
    pd.testing.assert_frame_equal(changed, predicted(folder, other, tmp_path / "plain.parquet"))


def test_the_table_pairs_the_blend_with_every_rival(folder: Path) -> None:
    result = phmsa.run(folder, None, None, silent)
    rows = {str(row["forecast"]): row for row in result.table}
    assert next(iter(rows)) == "blend"
    assert {"exposure x rate", "GLM", "GLM, Buhlmann-Straub", "LightGBM, afternoon"} < set(rows)
    for row in rows.values():
        assert isinstance(row["deviance"], Interval) and isinstance(row["in riskiest 10 %"], Interval)
    gain, own, rival = (rows[name] for name in ("GLM", "blend", "GLM"))
    assert gain["gain in deviance"].value == pytest.approx(rival["deviance"].value - own["deviance"].value)  # type: ignore[union-attr]
    assert result.notes[0].startswith("Judged on 2007-2010: 120 operator-years")
    assert any("is not told apart from" in note or "better than" in note or "worse than" in note for note in result.notes)


def test_too_few_years_are_a_note_and_bad_files_one_line(tmp_path: Path) -> None:
    short = panels.operators(tmp_path / "short", range(2004, 2010), 5)
    result = phmsa.run(short, None, None, silent)
    assert not result.table and "too few years" in result.notes[0]
    (short / "pipelines_ungrouped.parquet").unlink()
    with pytest.raises(BadInput, match="no pipelines_ungrouped") as told:
        phmsa.run(short, None, None, silent)
    assert "\n" not in str(told.value)


def test_the_publishers_files_are_read_whole() -> None:
    home = os.environ.get("FOREWARN_DATA")
    if not home or not (Path(home) / "phmsa-hazardous-liquid").is_dir():
        pytest.skip("FOREWARN_DATA does not name a folder with phmsa-hazardous-liquid")
    from training import operator_years

    tables = operator_years.read(Path(home) / "phmsa-hazardous-liquid")
    assert (tables.years["miles"] <= 0).sum() == 55
    assert len(operator_years.panel(tables).rows) == len(tables.years) == 4533
