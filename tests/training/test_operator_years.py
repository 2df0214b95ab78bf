"""Operator-years of PHMSA: sums, floors, and features that know nothing of the year but its miles."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.errors import BadInput
from tests.training import panels
from training import operator_years
from training.operator_years import Tables


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return operator_years.read(panels.operators(tmp_path_factory.mktemp("phmsa")))


def column(tables: Tables, name: str) -> pd.Series:
    found, keys = operator_years.panel(tables), operator_years.keys(tables)
    values = found.rows.x[:, found.rows.names.index(name)].astype(float)
    return pd.Series(values, index=pd.MultiIndex.from_frame(keys[operator_years.KEYS]))


def with_year(tables: Tables, operator: str, year: int, **values: float) -> Tables:
    changed = tables.years.copy()
    changed.loc[(changed["ID"] == operator) & (changed["year"] == year), list(values)] = list(values.values())
    return Tables(changed, tables.incidents, tables.forms)


def test_parts_are_summed_and_totals_left_out(tables: Tables, tmp_path: Path) -> None:
    raw = pd.read_parquet(panels.operators(tmp_path) / "pipelines_ungrouped.parquet")
    raw = raw[raw["on_offshore"] != "total"]
    assert len(tables.years) == 30 * len(panels.YEARS)
    assert tables.years["miles"].sum() == pytest.approx(raw["miles"].sum())
    assert tables.years["incidents"].sum() == raw["incidents"].sum()
    assert not tables.years["incidents"].isna().any()


def test_of_the_year_itself_nothing_but_its_miles_enters(tables: Tables) -> None:
    plain = operator_years.panel(tables)
    keys = operator_years.keys(tables)
    own = ((keys["ID"] == "107") & (keys["year"] == 2007)).to_numpy()
    later = ((keys["ID"] == "107") & (keys["year"] > 2007)).to_numpy()
    changed = with_year(tables, "107", 2007, incidents=40.0, hca=1e5, volume_all=1.0, miles_crude=0.0, miles_offshore=9e5)
    news = pd.DataFrame([panels.incident("107", 2007, f"news {one}") for one in range(9)])
    changed = Tables(changed.years, pd.concat([tables.incidents, news], ignore_index=True), tables.forms)
    found = operator_years.panel(changed)
    np.testing.assert_array_equal(found.rows.x[~later], plain.rows.x[~later])
    assert (found.rows.x[later] != plain.rows.x[later]).any(axis=1).all()
    assert found.rows.count[own] == 40.0
    wider = operator_years.panel(with_year(tables, "107", 2007, miles=1e6)).rows
    assert wider.x[own, wider.names.index("log_miles")] == pytest.approx(np.log(1e6))


def test_history_and_reports_are_those_of_years_before(tables: Tables) -> None:
    tables = with_year(tables, "100", 2004, incidents=5.0, miles=50.0)
    tables = with_year(tables, "100", 2005, incidents=2.0, miles=100.0)
    assert column(tables, "came_1_ago")["100", 2006] == 2.0
    assert column(tables, "came_0.5")["100", 2006] == 2.0 + 0.5 * 5.0 + 0.25 * 1.0  # one of 2003 stands among the incidents
    assert column(tables, "miles_change")["100", 2005] == pytest.approx(np.log(2.0))
    assert column(tables, "years_reported")["100", 2006] == 2.0
    assert np.isnan(column(tables, "share_rpp")["102", 2004]) and column(tables, "share_rpp")["102", 2005] == 1.0
    assert np.isnan(column(tables, "tanks")["100", 2004]) and column(tables, "tanks")["100", 2009] == 3.0


def test_rows_without_miles_are_kept_and_floored(tables: Tables) -> None:
    bare = with_year(tables, "103", 2008, miles=0.0)
    assert column(bare, "log_miles")["103", 2008] == 0.0 and column(bare, "no_miles")["103", 2008] == 1.0
    assert len(operator_years.panel(bare).rows) == len(tables.years)


def test_years_before_the_reports_and_gaps_between_them_count_in_the_record(tables: Tables) -> None:
    gone = (tables.years["ID"] == "104") & tables.years["year"].isin([2006, 2007])
    late = (tables.years["ID"] == "105") & (tables.years["year"] < 2006)
    shorter = Tables(tables.years[~gone & ~late].reset_index(drop=True), tables.incidents, tables.forms)
    past = operator_years.panel(shorter).past
    keys = operator_years.keys(shorter)
    ids = np.unique(keys["ID"])

    def years(operator: str) -> list[float]:
        return [float(year) for year in past.period[past.entity == np.searchsorted(ids, operator)]]

    assert years("104") == [2002, 2003, 2006, 2007] and years("105") == [] and years("106") == [2002, 2003]
    gap = (past.entity == np.searchsorted(ids, "104")) & (past.period == 2007)
    assert keys.iloc[past.like[gap][0]][["ID", "year"]].tolist() == ["104", 2005]
    assert past.count[gap][0] == ((tables.incidents["ID"] == "104") & (tables.incidents["year"] == 2007)).sum()


def test_of_rows_that_both_folders_have_the_first_ones_stand(tables: Tables) -> None:
    other = with_year(tables, "101", 2008, incidents=77.0)
    both = tables.before(other)
    assert len(both.years) == len(tables.years) and len(both.incidents) == len(tables.incidents)
    assert both.years["incidents"].max() < 77


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("miles", -1.0, "miles below zero"),
        ("incidents", -1, "incidents below zero"),
        ("year", 2 * 10**8, "not a year"),
        ("on_offshore", "total", "no row is onshore"),
        ("miles", None, "missing"),
    ],
)
def test_files_that_cannot_be_meant_are_one_line(column: str, value: object, message: str, tmp_path: Path) -> None:
    folder = panels.operators(tmp_path, range(2004, 2006), 3)
    table = pd.read_parquet(folder / "pipelines_ungrouped.parquet").assign(**{column: value})
    table.to_parquet(folder / "pipelines_ungrouped.parquet")
    with pytest.raises(BadInput, match=message) as told:
        operator_years.read(folder)
    assert "\n" not in str(told.value)


def test_forms_may_be_missing_or_empty_and_the_incident_file_of_a_folder_asked_about(tmp_path: Path) -> None:
    folder = panels.operators(tmp_path, range(2004, 2006), 3)
    form = folder / "pipelines_2004.parquet"
    pd.read_parquet(form).iloc[:0].to_parquet(form)
    empty = operator_years.panel(operator_years.read(folder)).rows
    assert np.isnan(empty.x[:, empty.names.index("tanks")]).all()
    form.unlink()
    np.testing.assert_array_equal(operator_years.panel(operator_years.read(folder)).rows.x, empty.x)
    (folder / "incidents.parquet").unlink()
    with pytest.raises(BadInput, match="incidents"):
        operator_years.read(folder)
    bare = operator_years.panel(operator_years.read(folder, asked=True)).rows
    at = bare.names.index("came_1_ago")
    np.testing.assert_array_equal(bare.x[3:, at], empty.x[3:, at])  # the annual table has the incidents of its own years
