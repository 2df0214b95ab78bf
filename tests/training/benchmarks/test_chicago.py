"""Inspections in another order on a small made city, and on the city's own file."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from features.errors import BadInput
from features.settings import settings
from features.sources.chicago import DATED, DAY, FOUND
from tests.training.inspected import city, written
from training import visit_model
from training.benchmarks import chicago
from training.intervals import Interval
from training.visit_words import CITY, CITY_BLIND, OWN, OWN_BLIND, PERFECT, REAL, STORED


@pytest.fixture(autouse=True)
def _small(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if "data" not in request.keywords:
        monkeypatch.setattr(visit_model, "TREES", ((4, 12),))
        monkeypatch.setattr(visit_model, "PENALTIES", (0.01,))
        monkeypatch.setattr(visit_model, "MEMBERS", 1)
        monkeypatch.setattr(chicago, "REPLICATES", 60)
    monkeypatch.setenv("FOREWARN_HOME", str(tmp_path / "home"))
    settings.cache_clear()
    yield
    settings.cache_clear()


def silent(text: str) -> None:
    pass


def days(folder: Path) -> dict[str, float]:
    table = chicago.run(folder, None, None, silent).table
    return {str(row["forecast"]): row["days earlier"].value for row in table if isinstance(row["days earlier"], Interval)}


def predicted(train: Path, table: pd.DataFrame, folder: Path) -> pd.DataFrame:
    chicago.run(train, written(table, folder), folder / "said.parquet", silent)
    return pq.read_table(folder / "said.parquet").to_pandas()


def test_the_table_the_page_and_what_stands_between_order_and_oracle(tmp_path: Path) -> None:
    folder = written(city(), tmp_path / "set")
    result = chicago.run(folder, None, None, silent)
    rows = {str(row["forecast"]): row for row in result.table}
    assert list(rows) == [OWN, STORED, CITY, OWN_BLIND, CITY_BLIND, REAL, PERFECT]
    value = {name: row["days earlier"].value for name, row in rows.items() if isinstance(row["days earlier"], Interval)}
    assert value[REAL] == 0.0 and 0 < value[OWN] < value[PERFECT] and value[OWN] > value[OWN_BLIND]
    gain = rows[STORED]["gain of ours"]
    assert isinstance(gain, Interval) and gain.value == pytest.approx(value[OWN] - value[STORED])
    assert rows[OWN]["gain of ours"] is None and gain.low < gain.high
    assert len(result.facts["each rolling origin"][OWN]) >= 2
    assert result.report is not None
    page = result.report.read_text(encoding="utf-8")
    assert page.count("<svg") == 2 and "已知检查员" in page and "whoever knows what will be found" in page
    assert chicago.run(folder, None, None, silent).table == result.table


def test_scores_and_columns_of_the_day_of_a_visit_are_no_features(tmp_path: Path) -> None:
    table = city()
    plain = days(written(table, tmp_path / "set"))
    dealt = table.assign(**{name: table[name].to_numpy()[::-1] for name in ("score", *DATED)})
    other = days(written(dealt, tmp_path / "dealt"))
    assert (other[OWN], other[OWN_BLIND]) == (plain[OWN], plain[OWN_BLIND]) and other[STORED] != plain[STORED]
    without = days(written(table.drop(columns=["score", *DATED]), tmp_path / "without"))
    assert list(without) == [OWN, OWN_BLIND, REAL, PERFECT] and without[OWN] == plain[OWN]


def test_outcomes_of_the_rows_asked_never_change_their_forecast(tmp_path: Path) -> None:
    table = city()
    train, asked = written(table, tmp_path / "train"), table[table["Test"]]
    plain = predicted(train, asked, tmp_path / "plain")
    assert plain["Inspection_ID"].tolist() == asked["Inspection_ID"].astype(int).tolist()
    assert plain[["p_any", "p_any_inspector_unknown"]].stack().between(0, 1).all()
    outcomes = [*FOUND, "fail_flag"]
    dealt = asked.assign(**{name: asked[name].to_numpy()[::-1] for name in outcomes})
    pd.testing.assert_frame_equal(predicted(train, dealt, tmp_path / "dealt"), plain)
    pd.testing.assert_frame_equal(predicted(train, asked.drop(columns=outcomes), tmp_path / "untold"), plain)


def test_a_row_of_the_train_folder_marked_test_teaches_nothing(tmp_path: Path) -> None:
    table = city()
    plain = predicted(written(table, tmp_path / "train"), table[table["Test"]], tmp_path / "plain")
    dealt = table.assign(criticalCount=table["criticalCount"].where(table["Train"], 1 - table["criticalCount"]))
    pd.testing.assert_frame_equal(
        predicted(written(dealt, tmp_path / "dealt"), table[table["Test"]], tmp_path / "other"), plain
    )


def test_an_earlier_two_months_of_the_folder_asked_feed_later_ones(tmp_path: Path) -> None:
    table = city()
    train = written(table, tmp_path / "train")
    later = table[table["Test"]].assign(**{DAY: table[DAY] + pd.Timedelta(days=61)})
    later = later.assign(Inspection_ID=later["Inspection_ID"] + 10_000)
    both = pd.concat([table[table["Test"]], later])
    plain = predicted(train, both, tmp_path / "plain").set_index("Inspection_ID")
    worse = both.assign(criticalCount=both["criticalCount"].where(both["Inspection_ID"] > 10_000, 3.0))
    other = predicted(train, worse, tmp_path / "worse").set_index("Inspection_ID")
    same = (plain["p_any"] == other["p_any"]).to_numpy()
    assert same[: len(later)].all() and not same[len(later) :].all()


def test_an_unknown_inspector_is_forecast_without(tmp_path: Path) -> None:
    table = city()
    asked = table[table["Test"]].assign(Inspector_Assigned="white")
    said = predicted(written(table, tmp_path / "train"), asked, tmp_path / "asked")
    assert np.array_equal(said["p_any"], said["p_any_inspector_unknown"])


@pytest.mark.parametrize("mend", [lambda table: table[table["Train"]], lambda table: table.assign(criticalCount=0.0)])
def test_too_little_to_learn_from_or_to_judge_by_is_one_clear_line(mend: object, tmp_path: Path) -> None:
    assert callable(mend)
    folder = written(mend(city()), tmp_path / "set")
    with pytest.raises(BadInput, match="too few") as failed:
        chicago.run(folder, None, None, silent)
    assert "\n" not in str(failed.value) and str(folder) in str(failed.value)


def test_without_marks_the_last_two_months_are_judged_on(tmp_path: Path) -> None:
    table = city()
    result = chicago.run(written(table.drop(columns=["Train", "Test"]), tmp_path / "set"), None, None, silent)
    assert result.facts["test rows"] == int(table["Test"].sum())


@pytest.mark.data
def test_the_published_days_and_ours_on_the_citys_own_file(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(os.environ.get("FOREWARN_DATA", "")) / "chicago-food-inspections"
    if "FOREWARN_DATA" not in os.environ or not folder.is_dir():
        pytest.skip("FOREWARN_DATA with chicago-food-inspections is absent")
    monkeypatch.setattr(chicago, "REPLICATES", 40)
    monkeypatch.setattr(chicago, "_over_origins", lambda *given: chicago.Origins({}, {}, {}))  # the figures of the test alone
    found = days(folder)
    assert found[STORED] == pytest.approx(7.79, abs=0.005) and found[CITY] == pytest.approx(7.5, abs=0.1)
    assert found[OWN] >= 7.9 and found[OWN_BLIND] >= 3.5
