"""The C-MAPSS benchmark: every test engine once, outcomes of the predicted folder never read, figures by the protocol."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from features.errors import BadInput
from features.sources import cmapss as source
from tests.training.engines import cut_off, lives, write
from tests.training.test_life import small
from training import life
from training.benchmarks import cmapss
from training.cycles import Fleet, Reference
from training.intervals import Interval


def silent(text: str) -> None:
    """Progress that nobody reads."""


SMALL = small()


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(life, "load_life", lambda name: SMALL)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sets to learn from; of the first it is known what the test engines had left."""
    shown, left = cut_off(lives(6, 3), seed=4)
    tables = {"train_FD001": lives(12, 1), "train_FD002": lives(12, 2, conditions=2), "test_FD001": shown, "RUL_FD001": left}
    return write(tmp_path_factory.mktemp("train"), tables)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shown, left = cut_off(lives(5, 5, conditions=2), seed=6)
    return write(tmp_path_factory.mktemp("other"), {"test_FD002": shown, "RUL_FD002": left})


def predicted(folder: Path, other: Path, out: Path) -> pd.DataFrame:
    result = cmapss.run(folder, other, out, silent)
    assert result.predictions == out
    return pq.read_table(out).to_pandas()


def test_every_engine_is_predicted_once_and_outcomes_are_not_read(folder: Path, other: Path, tmp_path: Path) -> None:
    plain = predicted(folder, other, tmp_path / "plain.parquet")
    assert plain.columns.tolist() == ["set", "unit", "rul"]
    assert plain["set"].tolist() == ["FD002"] * 5 and plain["unit"].tolist() == [1, 2, 3, 4, 5]
    assert plain["rul"].between(0, 125).all()
    seeds = pq.read_table(tmp_path / "plain.seeds.parquet").to_pandas()
    blends = seeds[seeds["forecast"] == "blend"].groupby("unit")["rul"].mean()
    np.testing.assert_allclose(blends.to_numpy(), plain["rul"].to_numpy())
    assert set(seeds["forecast"]) == {"own", "lightgbm", "gru", "tcn", "blend"} and set(seeds["seed"]) == {1, 2}
    # Permuted outcomes, then none that could be read at all.
    shuffled = shutil.copytree(other, tmp_path / "shuffled")
    told = pd.read_parquet(shuffled / "RUL_FD002.parquet")
    told.assign(RUL=told["RUL"].to_numpy()[::-1]).to_parquet(shuffled / "RUL_FD002.parquet")
    pd.testing.assert_frame_equal(predicted(folder, shuffled, tmp_path / "shuffled.parquet"), plain)
    (shuffled / "RUL_FD002.parquet").write_text("no Parquet")
    pd.testing.assert_frame_equal(predicted(folder, shuffled, tmp_path / "unreadable.parquet"), plain)


def test_the_table_has_the_held_out_and_the_official_figures(folder: Path) -> None:
    result = cmapss.run(folder, None, None, silent)
    rows = {str(row["forecast"]): row for row in result.table}
    for name in ("LightGBM of one set", "LightGBM", "GRU", "TCN", "blend"):
        for set_ in ("FD001", "FD002"):
            figure = rows[f"{set_} {name}"]["held-out RMSE"]
            assert isinstance(figure, Interval) and 0 < figure.low <= figure.value <= figure.high < 60
        official = rows[f"FD001 {name}, official"]
        assert isinstance(official["RMSE"], Interval) and isinstance(official["PHM08"], float)
        assert f"FD002 {name}, official" not in rows
    gain = rows["FD001 GRU"]["blend gains"]
    assert isinstance(gain, Interval) and gain.low <= gain.value <= gain.high
    assert rows["FD001 blend"]["blend gains"] is None
    assert set(result.facts["weights"]) == {"FD001", "FD002"}


def test_sets_may_be_learned_apart(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(life, "load_life", lambda name: SMALL.model_copy(update={"pooled": False, "seeds": (1,)}))
    rows = {str(row["forecast"]): row for row in cmapss.run(folder, None, None, silent).table}
    assert rows["FD001 LightGBM, official"]["RMSE"] == rows["FD001 LightGBM of one set, official"]["RMSE"]


@pytest.mark.parametrize(
    ("name", "words"), [("train_FD001", "no train_FD001 to train_FD004"), ("test_FD001", "no test_FD001 to test_FD004")]
)
def test_a_folder_without_the_files_is_one_clear_line(folder: Path, tmp_path: Path, name: str, words: str) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(BadInput, match=words):
        cmapss.run(empty if name.startswith("train") else folder, empty, tmp_path / "x.parquet", silent)
    assert not (tmp_path / "x.parquet").exists()


def test_a_set_that_was_not_learned_is_refused(folder: Path, tmp_path: Path) -> None:
    shown, _ = cut_off(lives(3, 5), seed=6)
    with pytest.raises(BadInput, match="test_FD004 is there, but no train_FD004 was"):
        cmapss.run(folder, write(tmp_path / "other", {"test_FD004": shown}), tmp_path / "x.parquet", silent)


def test_rmse_and_the_challenges_score() -> None:
    error = np.array([[3.0, -4.0], [0.0, 0.0]])
    np.testing.assert_allclose(cmapss.rmse(error), [np.sqrt(12.5), 0])
    np.testing.assert_allclose(cmapss.phm08(error), [np.exp(0.3) + np.exp(4 / 13) - 2, 0])


def test_lives_are_capped_for_the_protocol_and_uncapped_beside_it() -> None:
    said = cmapss.Said("FD001", np.array([1, 2]), np.array([0.0, 0.0]), {"blend": np.array([[125.0, 10.0], [125.0, 12.0]])}, {})
    row = cmapss.official_rows(said, np.array([145.0, 10.0]), cap=125.0)[0]
    assert row["RMSE"] == Interval(pytest.approx(np.sqrt(2) / 2), 0, pytest.approx(np.sqrt(2)))
    assert row["RMSE, life uncapped"] == pytest.approx((np.sqrt(200) + np.sqrt(202)) / 2)


def test_gains_resample_engines() -> None:
    """Ten cuts of one engine are one witness: copying them must not narrow the interval."""
    random = np.random.default_rng(0)
    unit, left = np.arange(1, 31), random.uniform(0, 125, 30)
    by = {"gru": (left + random.normal(0, 12, 30))[None], "blend": (left + random.normal(0, 10, 30))[None]}
    once = cmapss.held_out_rows(cmapss.Said("FD001", unit, left, by, {}), 125.0)[0]["blend gains"]
    copies = {name: np.tile(one, 10) for name, one in by.items()}
    often = cmapss.held_out_rows(cmapss.Said("FD001", np.tile(unit, 10), np.tile(left, 10), copies, {}), 125.0)[0]
    for bound in ("value", "low", "high"):
        assert getattr(once, bound) == pytest.approx(getattr(often["blend gains"], bound))


@pytest.mark.data
def test_published_engines_by_boosters_alone() -> None:
    """A hundred rounds on the engines of two sets, under the flight conditions of all four, are near an afternoon's work."""
    folder = Path(os.environ.get("FOREWARN_DATA", "")) / "cmapss"
    if "FOREWARN_DATA" not in os.environ or not folder.is_dir():
        pytest.skip("FOREWARN_DATA with cmapss is absent")
    config = SMALL.model_copy(update={"boosters": SMALL.boosters.model_copy(update={"rounds": 100, "share": 0.5})})
    engines = [source.engines(folder, "train", name) for name in source.SETS]
    tested = source.engines(folder, "test", "FD003")
    reference = Reference.of(engines)
    assert len(reference.centres) == 6
    asked = Fleet.of(reference, [tested])
    said = life.answer(config, life.BOOSTERS, 1, Fleet.of(reference, engines[::2]), life.Asked(asked, asked.last))
    truth = np.minimum(source.cycles_left(folder, tested), config.cap)
    assert cmapss.rmse((said - truth)[None])[0] < 11.5
