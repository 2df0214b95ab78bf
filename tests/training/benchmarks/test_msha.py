"""MSHA on small mines: every row in the order of the file, its own injuries and its status never in its prediction."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.errors import BadInput
from tests.training.benchmarks.counted import mines, predicted, write
from training.benchmarks import msha
from training.intervals import Interval

STEM = "usMSHA1315"


@pytest.fixture(scope="module", autouse=True)
def light() -> Iterator[None]:
    """Fewer and smaller trees."""
    with pytest.MonkeyPatch.context() as patch:
        small = {"rounds": 40, "num_leaves": 8, "members": 1, "learning_rate": 0.1}
        for name in ("BOOSTED", "LIGHT", "QUICK"):
            patch.setattr(msha, name, getattr(msha, name).model_copy(update=small))
        patch.setattr(msha, "FOLDS", 2)
        yield


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("msha") / "train", mines((2013, 2014, 2015)), STEM)


def test_the_last_year_is_judged_with_paired_gains(train: Path) -> None:
    result = msha.run(train, None, None, lambda text: None)
    assert [row["forecast"] for row in result.table] == [
        msha.FLAT, msha.GLM, msha.AFTERNOON, msha.BOOSTERS, msha.CROSSED, msha.BLEND, msha.OWN
    ]  # fmt: skip
    assert result.facts["judged year"] == 2015
    assert result.facts["rows"] == 400
    deviance = {row["forecast"]: row["deviance"] for row in result.table}
    flat, blend, own = (deviance[name] for name in (msha.FLAT, msha.BLEND, msha.OWN))
    assert isinstance(flat, Interval) and isinstance(blend, Interval) and isinstance(own, Interval)
    assert own.value < blend.value < flat.value  # the mines have rates of their own, and are found again by their likes
    assert any("better than hours x rate" in note for note in result.notes)


def test_every_row_is_predicted_in_the_order_of_the_file(train: Path, tmp_path: Path) -> None:
    asked = mines((2016, 2015), seed=0)
    asked.loc[3, "US_STATE"] = "ZZ"  # a state that training did not have
    said = predicted(msha.run, train, write(tmp_path / "asked", asked, STEM), tmp_path / "out.parquet")
    assert list(said) == ["row", "expected", "p_any"]
    assert said["row"].tolist() == list(range(len(asked)))
    assert np.isfinite(said.to_numpy()).all() and (said["expected"] > 0).all()
    assert (said["p_any"] <= said["expected"]).all()
    assert np.corrcoef(np.log(said["expected"]), np.log(asked["EMP_HRS_TOTAL"]))[0, 1] > 0.7


def test_own_injuries_and_status_never_change_a_prediction(train: Path, tmp_path: Path) -> None:
    """Whole outcomes permuted, and the status: the same bytes. Hours changed: not the same."""
    asked = mines((2016,))
    random = np.random.default_rng(1)
    other = asked.assign(
        NUM_INJURIES=random.permutation(asked["NUM_INJURIES"]),
        MINE_STATUS=random.choice(["Closed by MSHA", "Active"], len(asked)),
    )
    more, none = asked.assign(EMP_HRS_TOTAL=asked["EMP_HRS_TOTAL"] * 2), asked.drop(columns="NUM_INJURIES")
    first, second, third, untold = (
        predicted(msha.run, train, write(tmp_path / name, table, STEM), tmp_path / f"{name}.parquet")
        for name, table in (("one", asked), ("two", other), ("three", more), ("none", none))
    )
    pd.testing.assert_frame_equal(first, second)
    pd.testing.assert_frame_equal(first, untold)
    assert (first["expected"] != third["expected"]).mean() > 0.9


def test_bad_files_are_one_clear_line(train: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="only 2 year"):
        msha.run(write(tmp_path / "short", mines((2013, 2014)), STEM), None, None, lambda text: None)
    table = mines((2013, 2014, 2015))
    table.loc[5, "EMP_HRS_TOTAL"] = 0
    with pytest.raises(BadInput, match="exposure"):
        msha.run(write(tmp_path / "zero", table, STEM), None, None, lambda text: None)
    with pytest.raises(BadInput, match="AVG_EMP_TOTAL"):
        bad = mines((2016,)).drop(columns="AVG_EMP_TOTAL")
        msha.run(train, write(tmp_path / "gone", bad, STEM), tmp_path / "out.parquet", lambda text: None)
    assert not (tmp_path / "out.parquet").exists()
