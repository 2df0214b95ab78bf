"""Public panels and cases into the lake: what each row becomes, when it was known, what is refused, Parquet and CSV alike."""

import importlib
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from features import cli
from features.errors import BadInput
from features.lake import Lake, RowAccount
from features.settings import settings
from features.sources import chicago, fremtpl2, lgpif, msha, osha, phmsa
from features.sources.frames import frame
from tests.features.plant import counts
from tests.features.sources import panels

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SETS = ["phmsa", "msha", "lgpif", "fremtpl2", "workers_comp", "osha", "ihm", "chicago"]


def at(year: int, month: int = 1, day: int = 1, hour: int = 0) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


def take(name: str, folder: Path, root: Path) -> tuple[Lake, RowAccount]:
    lake = Lake.open(root / "lake", create=True, buckets=2)
    return lake, lake.ingest(importlib.import_module(f"features.sources.{name}").read(folder), imported_at=NOW)


def made(name: str, folder: Path, write: panels.Write = panels.parquet) -> Path:
    folder.mkdir(exist_ok=True)
    build: Callable[..., Path] = getattr(panels, name)
    return build(folder, write)


def rows(lake: Lake, table: str, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in lake.read(table, columns=list(columns)).to_pylist()]


def refused(lake: Lake) -> list[tuple[str, int, str, str]]:
    return [(row["table"], row["row"], row["column"], row["reason"]) for row in lake.quarantined().to_pylist()]


@pytest.mark.parametrize("name", SETS)
def test_csv_reads_as_parquet_does_and_a_second_import_changes_nothing(name: str, tmp_path: Path) -> None:
    tables = []
    for write in (panels.parquet, panels.csv):
        root = tmp_path / write.__name__
        root.mkdir()
        lake, account = take(name, made(name, root / "files", write), root)
        found = {table: lake.read(table) for table in lake.tables()}
        tables.append({table: rows.to_pylist() for table, rows in found.items()})
        again = lake.ingest(importlib.import_module(f"features.sources.{name}").read(root / "files"), imported_at=NOW)
        assert again.total.accepted == again.total.corrected == 0
        assert again.total.rows_in == account.total.rows_in and again.total.quarantined == account.total.quarantined
        assert all(lake.read(table).equals(rows) for table, rows in found.items())
    assert tables[0] == tables[1] and any(tables[0].values())


def test_phmsa_sums_miles_and_knows_them_in_june(tmp_path: Path) -> None:
    lake, account = take("phmsa", made("phmsa", tmp_path / "files"), tmp_path)
    assert rows(lake, "enterprises", "enterprise_id", "event_time", "industry", "region", "currency") == [
        ("phmsa-1", at(1999), "pipelines", "TX", "USD"),
        ("phmsa-2", at(2005), "pipelines", None, "USD"),
        ("phmsa-3", at(2005), "pipelines", None, "USD"),
    ]
    assert rows(lake, "exposures", "enterprise_id", "starts", "event_time", "recorded_at", "amount") == [
        ("phmsa-1", at(2004), at(2005), at(2005, 6, 15), 19.0),
        ("phmsa-1", at(2005), at(2006), at(2006, 6, 15), 12.0),
        ("phmsa-2", at(2005), at(2006), at(2006, 6, 15), 0.0),
    ]
    assert rows(lake, "accidents", "accident_id", "event_time", "recorded_at", "cause", "deaths", "direct_loss") == [
        ("a", at(1999, 5, 1), at(1999, 5, 31), "corrosion", 0.0, 100.0),
        ("b", at(2004, 7, 1), at(2004, 7, 31), "all_other_causes", 1.0, None),
    ]
    assert rows(lake, "cases", "case_id", "recorded_at", "narrative_en", "enterprise_id") == [
        ("phmsa-a", at(1999, 6, 30), "Oil leaked.", "phmsa-1"),
        ("phmsa-c", at(2005, 4, 1), "A weld failed.", "phmsa-3"),
    ]
    assert refused(lake) == [
        ("accidents", 3, "deaths", "empty"),
        ("accidents", 4, "date", "an accident without date"),
        ("exposures", 7, "on_offshore", "neither onshore nor offshore nor total"),
    ]
    assert counts(account.tables["accidents"]) == (4, 2, 0, 0, 2)


def test_msha_rows_are_enterprises_of_their_own(tmp_path: Path) -> None:
    lake, account = take("msha", made("msha", tmp_path / "files"), tmp_path)
    assert rows(lake, "enterprises", "enterprise_id", "event_time", "process", "region") == [
        ("msha-2013-1", at(2013), "stone_surface", "AL"),
        ("msha-2014-2", at(2014), "coal_underground", None),
        ("msha-2014-3", at(2014), "sand_gravel_sand_gravel", "PA"),
    ]
    hours = [
        row for row in rows(lake, "exposures", "enterprise_id", "basis", "recorded_at", "amount") if row[1] == "hours_worked"
    ]
    assert hours == [
        ("msha-2013-1", "hours_worked", at(2014, 1, 15), 20_000.0),
        ("msha-2014-2", "hours_worked", at(2015, 1, 15), 0.0),
        ("msha-2014-3", "hours_worked", at(2015, 1, 15), 5_000.0),
    ]
    assert rows(lake, "accidents", "enterprise_id", "event_time", "accident_id", "injuries") == [
        ("msha-2013-1", at(2013, 12, 31), "1", 1.0),
        ("msha-2013-1", at(2013, 12, 31), "2", 1.0),
        ("msha-2014-3", at(2014, 12, 31), "1", 1.0),
    ]
    assert account.total.quarantined == 0


def test_the_status_of_a_mine_at_extraction_changes_nothing(tmp_path: Path) -> None:
    folder = made("msha", tmp_path / "files")
    before = [batch.table.to_pylist() for batch in msha.read(folder).batches()], msha.frame(folder)
    path = folder / "usMSHA1315.parquet"
    panels.parquet(pd.read_parquet(path).assign(MINE_STATUS="Abandoned"), path)
    after = [batch.table.to_pylist() for batch in msha.read(folder).batches()], msha.frame(folder)
    assert before[0] == after[0] and before[1].equals(after[1]) and "MINE_STATUS" not in before[1]


def test_lgpif_policies_cover_claims_and_their_valuation(tmp_path: Path) -> None:
    lake, account = take("lgpif", made("lgpif", tmp_path / "files"), tmp_path)
    assert rows(lake, "enterprises", "enterprise_id", "event_time", "process", "region") == [
        ("lgpif-7", at(2006), "county", "WI"),
        ("lgpif-8", at(2007), None, "WI"),
    ]
    policies = ("enterprise_id", "event_time", "ends", "recorded_at", "premium", "limit_per_accident", "deductible")
    assert rows(lake, "policies", *policies)[:2] == [
        ("lgpif-7", at(2006), at(2007), at(2006), 900.0, 1e6, 500.0),
        ("lgpif-7", at(2007), at(2008), at(2007), 950.0, 2e6, 500.0),
    ]
    assert rows(lake, "accidents", "event_time", "recorded_at", "accident_id", "cause", "direct_loss") == [
        (at(2006, 12, 31), at(2007, 1, 31), "2006-1", "VF", 50.0),
        (at(2007, 12, 31), at(2008, 1, 31), "2007-2", "VE", 100.0),
        (at(2007, 12, 31), at(2008, 1, 31), "2007-3", "VE", 50.0),
    ]
    assert rows(lake, "claims", "claim_id", "valued_at", "recorded_at", "paid", "status")[0] == (
        "2006-1", at(2008), at(2008), 50.0, "closed",
    )  # fmt: skip
    unknown = ("enterprise_id", "unknown enterprise")
    assert refused(lake) == [("accidents", 4, *unknown), ("claims", 4, *unknown)]
    assert account.tables["policies"].accepted == account.tables["exposures"].accepted == 3


def test_fremtpl2_policies_begin_on_a_declared_day(tmp_path: Path) -> None:
    lake, _ = take("fremtpl2", made("fremtpl2", tmp_path / "files"), tmp_path)
    ends = dict(rows(lake, "policies", "enterprise_id", "ends"))
    assert ends["fremtpl2-1"] == at(2009, 2, 6, 12).replace(minute=36) and len(ends) == 3
    assert rows(lake, "exposures", "enterprise_id", "event_time", "amount")[0] == ("fremtpl2-1", ends["fremtpl2-1"], 0.1)
    assert rows(lake, "accidents", "enterprise_id", "event_time", "accident_id") == [
        ("fremtpl2-1", ends["fremtpl2-1"], "1"),
        ("fremtpl2-5", ends["fremtpl2-5"], "1"),
        ("fremtpl2-5", ends["fremtpl2-5"], "2"),
    ]
    assert rows(lake, "claims", "enterprise_id", "event_time", "paid") == [
        ("fremtpl2-1", ends["fremtpl2-1"], 995.2),
        ("fremtpl2-5", ends["fremtpl2-5"], 1128.12),
    ]
    assert refused(lake) == [
        ("enterprises", 4, "Exposure", "not between 0 and 10 years"),
        ("enterprises", 5, "ClaimNb", "not a whole number"),
        ("claims", 3, "enterprise_id", "unknown enterprise"),
    ]


def test_fremtpl2_without_amounts_has_no_claims(tmp_path: Path) -> None:
    folder = made("fremtpl2", tmp_path / "files")
    (folder / "freMTPL2sev.parquet").unlink()
    lake, _ = take("fremtpl2", folder, tmp_path)
    assert lake.tables() == ["accidents", "enterprises", "exposures", "policies"]


def test_workers_comp_losses_are_one_claim_a_year(tmp_path: Path) -> None:
    lake, _ = take("workers_comp", made("workers_comp", tmp_path / "files"), tmp_path)
    assert rows(lake, "exposures", "enterprise_id", "starts", "amount") == [
        ("workers-comp-1", at(2001), 100.0),
        ("workers-comp-1", at(2002), 0.0),
        ("workers-comp-2", at(2001), 50.0),
    ]
    assert rows(lake, "claims", "enterprise_id", "valued_at", "paid", "status") == [
        ("workers-comp-1", at(2003), 5.0, "aggregate"),
        ("workers-comp-1", at(2004), 0.0, "aggregate"),
    ]
    assert refused(lake) == [
        ("claims", 3, "paid", "below 0 currency"),
        ("exposures", 4, "YR", "not a year of the file"),
    ]


def test_osha_cases_are_dated_by_their_text(tmp_path: Path) -> None:
    lake, account = take("osha", made("osha", tmp_path / "files"), tmp_path)
    assert rows(lake, "cases", "industry", "event_time", "recorded_at", "case_id", "process", "cause", "title") == [
        ("construction", at(1984, 6, 27), at(1985, 6, 27), "osha-12", "sic_1799", None, "Diver drowned"),
        ("construction", at(2013, 8, 27), at(2014, 8, 27), "osha-11", "sic_1761", "fall_from_height", "Roofer falls"),
    ]
    assert refused(lake) == [
        ("cases", 3, "SUMMARY", "a case without date"),
        ("cases", 4, "event_time", "in the future of the import"),
        ("cases", 5, "SUMMARY", "a case without date"),
    ]
    assert counts(account.total) == (5, 2, 0, 0, 3)


def test_ihm_days_come_first(tmp_path: Path) -> None:
    lake, _ = take("ihm", made("ihm", tmp_path / "files"), tmp_path)
    assert rows(lake, "cases", "industry", "event_time", "recorded_at", "case_id", "process", "cause") == [
        ("metal_smelting", at(2016, 2, 1), at(2016, 3, 2), "ihm-2", "local_02", "burn"),
        ("mining", at(2016, 1, 13), at(2016, 2, 12), "ihm-1", "local_01", "pressed"),
    ]
    assert [(row, column) for _, row, column, _ in refused(lake)] == [(3, "Data"), (4, "industry")]


NEEDED = [
    ("phmsa", "pipelines_ungrouped", "miles"),
    ("phmsa", "incidents", "fatalities"),
    ("msha", "usMSHA1315", "EMP_HRS_TOTAL"),
    ("lgpif", "policy_years_2006_2007", "BCcov"),
    ("lgpif", "claims_2006_2007", "Claim"),
    ("fremtpl2", "freMTPL2freq", "Exposure"),
    ("fremtpl2", "freMTPL2sev", "ClaimAmount"),
    ("workers_comp", "usworkcomp", "PR"),
    ("osha", "construction_4470_metadata", "SUMMARY"),
    ("osha", "tagged1000", "Tagged2"),
    ("ihm", "accidents_en", "Data"),
]


@pytest.mark.parametrize(("name", "stem", "column"), NEEDED)
def test_a_missing_column_is_one_clear_line_and_nothing_is_stored(name: str, stem: str, column: str, tmp_path: Path) -> None:
    folder = made(name, tmp_path / "files")
    path = folder / f"{stem}.parquet"
    panels.parquet(pd.read_parquet(path).drop(columns=column), path)
    with pytest.raises(BadInput, match=f"{stem}.parquet: no column '{column}'") as error:
        take(name, folder, tmp_path)
    assert "\n" not in str(error.value) and Lake.open(tmp_path / "lake").tables() == []


@pytest.mark.parametrize("name", SETS)
def test_a_folder_without_the_files_is_one_clear_line(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"or .*parquet; put the publisher's file there"):
        take(name, tmp_path, tmp_path)
    with pytest.raises(BadInput, match="no such folder"):
        take(name, tmp_path / "nowhere", tmp_path)


def test_the_verbs_import_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOREWARN_HOME", str(tmp_path / "home"))
    settings.cache_clear()
    assert {name.replace("-", "_") for name in cli.PANELS} == set(SETS)
    result = CliRunner().invoke(cli.import_, ["workers-comp", str(made("workers_comp", tmp_path / "files")), "--json"])
    document = json.loads(result.stdout)
    assert result.exit_code == 0 and document["total"]["rows_in"] == 9 and document["total"]["quarantined"] == 2
    assert "synthetic" in document["notes"][0]
    settings.cache_clear()


# As tables for benchmarks


def test_tables_for_benchmarks_keep_the_order_of_the_file_and_its_sorts(tmp_path: Path) -> None:
    folder = made("msha", tmp_path / "files", panels.csv)
    found = msha.frame(folder)
    assert found["EMP_HRS_TOTAL"].tolist() == [20_000.0, 0.0, 5_000.0] and found["YEAR"].dtype == np.int64
    assert found["US_STATE"].isna().tolist() == [False, True, False]
    whole = phmsa.pipelines(made("phmsa", tmp_path / "other", panels.csv))
    assert whole["ID"].tolist() == ["1"] * 5 + ["2"] * 2 and whole["incidents"].isna().sum() == 4
    assert len(lgpif.claims(made("lgpif", tmp_path / "third"))) == 4


def test_files_of_several_years_are_one_table_in_their_order(tmp_path: Path) -> None:
    for year in (2007, 2006):
        panels.csv(pd.DataFrame({"PolicyNum": [year - 2000], "Year": [year], "Claim": [1.0]}), tmp_path / f"claims_{year}")
    assert lgpif.claims(tmp_path)["Year"].tolist() == [2006, 2007]


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("NUM_INJURIES", "two", r"usMSHA1315.csv, row 2, column NUM_INJURIES: not a number; correct the value"),
        ("NUM_INJURIES", "1.5", r"row 2, column NUM_INJURIES: not a whole number"),
        ("YEAR", "201400", r"row 2, column YEAR: not a year"),
        ("YEAR", "2014.5", r"row 2, column YEAR: not a whole number"),
        ("EMP_HRS_TOTAL", "", r"row 2, column EMP_HRS_TOTAL: missing"),
        ("EMP_HRS_TOTAL", "inf", r"row 2, column EMP_HRS_TOTAL: not a finite number"),
        ("TYPE_OF_MINE", "", r"row 2, column TYPE_OF_MINE: missing"),
    ],
)
def test_a_value_of_another_sort_is_one_clear_line(column: str, value: str, words: str, tmp_path: Path) -> None:
    path = made("msha", tmp_path / "files", panels.csv) / "usMSHA1315.csv"
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table.loc[1, column] = value
    table.to_csv(path, index=False)
    with pytest.raises(BadInput, match=words) as error:
        msha.frame(path.parent)
    assert "\n" not in str(error.value)


def test_a_file_without_rows_or_with_a_broken_line_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "set.csv"
    path.write_text("a,b\n", "utf-8")
    with pytest.raises(BadInput, match="no rows"):
        frame(tmp_path, "set", {"a": "number"})
    path.write_text("a,b\n1,2\n1,2,3\n", "utf-8")
    with pytest.raises(BadInput, match=r"set.csv, row 2: broken line: 3 fields where the header has 2"):
        frame(tmp_path, "set", {"a": "number"})


# The publishers' own files


def shared(name: str) -> Path:
    folder = Path(os.environ.get("FOREWARN_DATA", "nowhere")) / name
    if not folder.is_dir():
        pytest.skip(f"FOREWARN_DATA has no {name}")
    return folder


def test_lgpif_as_published(tmp_path: Path) -> None:
    _, account = take("lgpif", shared("lgpif"), tmp_path)
    assert counts(account.tables["claims"]) == (4881, 4881, 0, 0, 0) and counts(account.tables["policies"]) == (
        4529,
        4529,
        0,
        0,
        0,
    )
    years = lgpif.policy_years(shared("lgpif"))
    assert abs(years["Freq"].sum() - len(lgpif.claims(shared("lgpif")))) <= 3


def test_chicago_as_published(tmp_path: Path) -> None:
    lake, account = take("chicago", shared("chicago-food-inspections"), tmp_path)
    assert counts(account.tables["enterprises"]) == (9710, 9710, 0, 0, 0)
    assert counts(account.tables["inspections"]) == (18712, 18712, 0, 0, 0)
    assert counts(account.tables["violations"]) == (10637, 10637, 0, 0, 0)
    frame = chicago.frame(shared("chicago-food-inspections"))
    assert sum(amount for (amount,) in rows(lake, "inspections", "findings")) == frame[list(chicago.FOUND)].sum().sum()
    assert (frame["Train"].sum(), frame["Test"].sum()) == (17075, 1637)


def test_phmsa_as_published(tmp_path: Path) -> None:
    lake, account = take("phmsa", shared("phmsa-hazardous-liquid"), tmp_path)
    assert counts(account.tables["exposures"]) == (4533, 4533, 0, 0, 0)
    assert counts(account.tables["accidents"]) == (8449, 8448, 0, 0, 1)
    assert sum(amount == 0 for (amount,) in rows(lake, "exposures", "amount")) == 55


def test_osha_as_published() -> None:
    labels = osha.tagged(shared("osha-construction-narratives"))
    assert len(labels) == 1000 and set(labels["Tagged2"]) == set(osha.CAUSE_OF)
    days = osha.first_date(osha.narratives(shared("osha-construction-narratives"))["SUMMARY"])
    assert 0.78 < days.notna().mean() < 0.81


def test_fremtpl2_as_published() -> None:
    assert fremtpl2.frame(shared("freMTPL2"))["IDpol"].is_unique


def test_chicago_visits_their_violations_and_the_licence_behind_them(tmp_path: Path) -> None:
    lake, account = take("chicago", made("chicago", tmp_path / "files"), tmp_path)
    assert rows(lake, "enterprises", "enterprise_id", "event_time", "founded", "industry", "process") == [
        ("chicago-11", at(2011, 10, 18), at(2010, 10, 18), "services", "restaurant"),
        ("chicago-12", at(2014, 9, 2), at(2014, 9, 2), "services", "other"),
    ]
    assert rows(lake, "inspections", "enterprise_id", "event_time", "recorded_at", "visit_id", "visitor", "findings") == [
        ("chicago-11", at(2011, 10, 18), at(2011, 10, 19), "507211", "authority", 7.0),
        ("chicago-11", at(2013, 1, 31), at(2013, 2, 1), "269961", "authority", 4.0),
        ("chicago-12", at(2014, 9, 2), at(2014, 9, 3), "507300", "authority", 0.0),
    ]
    assert rows(lake, "violations", "enterprise_id", "violation_id", "grade") == [
        ("chicago-11", "507211-critical-1", "critical"),
        ("chicago-11", "507211-critical-2", "critical"),
        ("chicago-11", "507211-serious-1", "serious"),
        ("chicago-11", "269961-critical-1", "critical"),
    ]
    assert refused(lake) == [
        ("inspections", 4, "Inspection_Date", "not a day"),
        ("inspections", 5, "criticalCount", "not a whole number"),
    ]
    assert counts(account.tables["inspections"]) == (5, 3, 0, 0, 2)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("Inspection_Date", "soon", "not a day: soon"),
        ("Inspection_ID", "507211.0", "an inspection is there twice: 507211"),
        ("Train", "perhaps", "neither true nor false: perhaps"),
        ("License", "", "missing"),
        ("criticalCount", "many", "not a number"),
    ],
)
def test_chicago_a_mistake_in_the_file_of_a_benchmark_is_named(column: str, value: str, said: str, tmp_path: Path) -> None:
    folder = made("chicago", tmp_path / "files", panels.csv)
    path = folder / "30_xgboost_data.csv"
    table = pd.read_csv(path, dtype="str").iloc[:3]
    table.loc[2, column] = value
    table.to_csv(path, index=False)
    with pytest.raises(BadInput, match=said) as failed:
        chicago.frame(folder)
    assert "30_xgboost_data" in str(failed.value) and f"row 3, column {column}" in str(failed.value)
