"""freMTPL2 on a few policies: neither number nor order is a feature, claims and exposure are capped, vectors recur."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.errors import BadInput
from tests.training.benchmarks.counted import policies, predicted, write
from training.benchmarks import fremtpl2
from training.intervals import Interval

STEM = "freMTPL2freq"


@pytest.fixture(scope="module", autouse=True)
def light() -> Iterator[None]:
    """Fewer and smaller trees."""
    with pytest.MonkeyPatch.context() as patch:
        small = {"rounds": 40, "num_leaves": 8, "members": 1, "learning_rate": 0.1}
        for name in ("BOOSTED", "QUICK"):
            patch.setattr(fremtpl2, name, getattr(fremtpl2, name).model_copy(update=small))
        yield


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("fremtpl2") / "train", policies(), STEM)


def test_a_fifth_is_judged_with_paired_gains(train: Path) -> None:
    result = fremtpl2.run(train, None, None, lambda text: None)
    assert [row["forecast"] for row in result.table] == [
        fremtpl2.FLAT, fremtpl2.GLM, fremtpl2.AFTERNOON, fremtpl2.BOOSTERS, fremtpl2.BLEND, fremtpl2.OWN
    ]  # fmt: skip
    assert 300 < result.facts["rows"] < 500
    deviance = {row["forecast"]: row["deviance x 100"] for row in result.table}
    blend, own = deviance[fremtpl2.BLEND], deviance[fremtpl2.OWN]
    assert isinstance(blend, Interval) and isinstance(own, Interval)
    assert own.value < blend.value  # claims of a vector go together
    recurs, new = (result.facts[f"deviance x 100 where the vector {where}"] for where in ("recurs", "is new"))
    assert recurs[fremtpl2.OWN] < recurs[fremtpl2.BLEND]
    assert new[fremtpl2.OWN] == pytest.approx(new[fremtpl2.BLEND], rel=0.05)  # nothing to tell there but a level


def test_own_claims_number_and_order_never_change_a_prediction(train: Path, tmp_path: Path) -> None:
    asked = policies(400, seed=3)
    random = np.random.default_rng(1)
    other = asked.assign(ClaimNb=random.permutation(asked["ClaimNb"]), IDpol=asked["IDpol"] + 10_000).sample(
        frac=1, random_state=2
    )
    first, second, untold = (
        predicted(fremtpl2.run, train, write(tmp_path / name, table, STEM), tmp_path / f"{name}.parquet")
        for name, table in (("one", asked), ("two", other), ("none", asked.drop(columns="ClaimNb")))
    )
    pd.testing.assert_frame_equal(first, untold)
    assert list(first) == ["IDpol", "expected", "p_any"]
    assert first["IDpol"].tolist() == asked["IDpol"].tolist()
    again = second.assign(IDpol=second["IDpol"] - 10_000).sort_values("IDpol").reset_index(drop=True)
    pd.testing.assert_frame_equal(first, again)


def test_training_in_another_order_with_other_numbers_is_the_same_model_but_for_ties(train: Path, tmp_path: Path) -> None:
    """IDpol is no feature: new numbers, the same order, the same predictions to the bit."""
    asked = write(tmp_path / "asked", policies(200, seed=4), STEM)
    renamed = write(tmp_path / "renamed", policies().assign(IDpol=lambda table: 7 * table["IDpol"] + 3), STEM)
    first, second = (predicted(fremtpl2.run, one, asked, tmp_path / f"{one.name}.parquet") for one in (train, renamed))
    pd.testing.assert_frame_equal(first, second)


def test_claims_and_exposure_are_capped(train: Path) -> None:
    table = policies(50).assign(ClaimNb=11, Exposure=1.9)
    rows = fremtpl2.Coding.of(table).rows(table)
    assert rows.count.max() == 4.0
    assert rows.exposure.max() == 1.0
    assert fremtpl2.Coding.of(table).rows(table, outcomes=False).count.max() == 0.0


def test_bad_files_are_one_clear_line(train: Path, tmp_path: Path) -> None:
    table = policies(50)
    table.loc[3, "Exposure"] = 0.0
    with pytest.raises(BadInput, match="exposure"):
        fremtpl2.run(write(tmp_path / "zero", table, STEM), None, None, lambda text: None)
    with pytest.raises(BadInput, match="no rows"):
        fremtpl2.run(write(tmp_path / "empty", policies(50).head(0), STEM), None, None, lambda text: None)
