"""Reading NASA's engines: the publisher's text and named columns alike, and one clear line on what cannot be read."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.errors import BadInput
from features.sources import cmapss
from features.sources.cmapss import COLUMNS
from tests.training.engines import cut_off, lives, write


@pytest.fixture
def table() -> pd.DataFrame:
    return lives(4, seed=1)


def test_rows_come_by_unit_and_cycle_whatever_their_order(tmp_path: Path, table: pd.DataFrame) -> None:
    folder = write(tmp_path, {"train_FD001": table.sample(frac=1, random_state=0)})
    read = cmapss.engines(folder, "train", "FD001")
    assert read.unit.tolist() == table["unit"].tolist() and read.cycle.tolist() == table["cycle"].tolist()
    np.testing.assert_array_equal(read.sensors, table[list(cmapss.SENSORS)].to_numpy())
    np.testing.assert_array_equal(read.settings, table[list(cmapss.SETTINGS)].to_numpy())
    assert read.unit[read.starts].tolist() == [1, 2, 3, 4]


def test_the_publishers_text_and_csv_read_as_parquet_does(tmp_path: Path, table: pd.DataFrame) -> None:
    shown, left = cut_off(table, seed=2)
    named = write(tmp_path / "named", {"test_FD003": shown, "RUL_FD003": left})
    text, comma = tmp_path / "text", tmp_path / "comma"
    text.mkdir()
    comma.mkdir()
    shown.to_csv(text / "test_FD003.txt", sep=" ", header=False, index=False)
    left["RUL"].to_csv(text / "RUL_FD003.txt", header=False, index=False)
    shown.to_csv(comma / "test_FD003.csv", index=False)
    left.to_csv(comma / "RUL_FD003.csv", index=False)
    expected = cmapss.engines(named, "test", "FD003")
    for folder in (text, comma):
        read = cmapss.engines(folder, "test", "FD003")
        np.testing.assert_array_equal(read.sensors, expected.sensors)
        assert cmapss.cycles_left(folder, read).tolist() == left["RUL"].tolist()
        assert cmapss.sets_in(folder, "test") == ("FD003",)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda t: t.drop(columns="sensor_7"), "no column 'sensor_7'"),
        (lambda t: t[:0], "no engine has a cycle"),
        (lambda t: t.drop(index=5), "engine 1 has no cycle 6"),
        (lambda t: t[~((t["unit"] == 2) & (t["cycle"] == 1))], "engine 2 has no cycle 1"),
        (lambda t: pd.concat([t, t[3:4]]), "engine 1 has cycle 4 twice"),
        (lambda t: t.assign(sensor_3=t["sensor_3"].where(t.index != 7)), r"row 8, column sensor_3: missing or not a finite"),
        (lambda t: t.assign(sensor_3=t["sensor_3"].replace(t["sensor_3"][0], np.inf)), "row 1, column sensor_3"),
        (lambda t: t.assign(unit=t["unit"] - 0.5), "unit is not a positive whole number"),
        (lambda t: t.assign(sensor_3="x"), "not a number"),
    ],
)
def test_a_broken_file_is_one_clear_line(tmp_path: Path, table: pd.DataFrame, broken: object, words: str) -> None:
    assert callable(broken)
    folder = write(tmp_path, {"train_FD001": broken(table)})
    with pytest.raises(BadInput, match=words) as error:
        cmapss.engines(folder, "train", "FD001")
    assert "train_FD001" in str(error.value) and "\n" not in str(error.value)


def test_text_of_another_width_or_no_text_is_refused(tmp_path: Path, table: pd.DataFrame) -> None:
    table[list(COLUMNS)[:-1]].to_csv(tmp_path / "train_FD001.txt", sep=" ", header=False, index=False)
    with pytest.raises(BadInput, match="25 columns where 26"):
        cmapss.engines(tmp_path, "train", "FD001")
    (tmp_path / "train_FD001.txt").write_text("unit cycle\n1 1\n")
    with pytest.raises(BadInput, match="not readable as numbers"):
        cmapss.engines(tmp_path, "train", "FD001")


def test_a_folder_without_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no train_FD001 to train_FD004"):
        cmapss.sets_in(tmp_path, "train")
    with pytest.raises(BadInput, match="no train_FD002"):
        cmapss.engines(tmp_path, "train", "FD002")


def test_outcomes_must_be_those_of_the_engines(tmp_path: Path, table: pd.DataFrame) -> None:
    shown, left = cut_off(table, seed=2)
    read = cmapss.engines(write(tmp_path, {"test_FD001": shown}), "test", "FD001")
    more = pd.concat([left, pd.DataFrame({"unit": [9], "RUL": [3]})])
    for told, words in (
        (more, "engine 9 has no cycles"),
        (left[1:], "no outcome of engine 1"),
        (pd.concat([left, left[:1]]), "twice"),
    ):
        write(tmp_path, {"RUL_FD001": told})
        with pytest.raises(BadInput, match=words):
            cmapss.cycles_left(tmp_path, read)


@pytest.mark.data
def test_published_engines() -> None:
    folder = Path(os.environ.get("FOREWARN_DATA", "")) / "cmapss"
    if "FOREWARN_DATA" not in os.environ or not folder.is_dir():
        pytest.skip("FOREWARN_DATA with cmapss is absent")
    counts = [len(cmapss.engines(folder, "train", name).starts) for name in cmapss.sets_in(folder, "train")]
    assert counts == [100, 260, 100, 249]
    tested = cmapss.engines(folder, "test", "FD003")
    assert len(tested.starts) == len(cmapss.cycles_left(folder, tested)) == 100
