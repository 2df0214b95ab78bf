"""Cohorts, snapshots and features at one moment of a few firms: by hand, reproducible, the same online."""

import json
import math
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from typer.testing import CliRunner

from features import cli
from features.differences import diff
from features.enterprise import build as module
from features.enterprise.build import at, build, publish
from features.enterprise.catalog import catalog
from features.enterprise.directions import DIRECTIONS, stem
from features.enterprise.schema import ACCIDENTS, CONSENTS, ENTERPRISES, EXPOSURES, HAZARDS, POLICIES
from features.errors import BadInput, NotFound
from features.lake import Lake
from features.observations import Grid
from features.schema import MACHINE_SCORES, MACHINES
from features.settings import settings
from features.snapshots import Snapshot, list_snapshots, open_snapshot
from tests.features.enterprise.firms import NOW, accident, day, firm, period, source
from tests.properties.histories import bits

GRID = Grid(every_hours=720, start=day(30), end=day(420))


def hazard(name: str, on: float, number: str = "1", **more: Any) -> dict[str, Any]:
    own = {"hazard_id": number, "found_by": "authority", "grade": "major", "supervised": False, **more}
    return {"enterprise_id": name, "event_time": day(on), "recorded_at": day(on), **own}


def months(name: str, first: int, last: int, hours: float = 5000.0) -> list[dict[str, Any]]:
    return [period(name, 30 * month, 30 * month + 30, hours, recorded_at=day(30 * month + 40)) for month in range(first, last)]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """a works on, b falls silent, c has no history, d came late, e withdraws its consent to training, f has nobody at work."""
    firms = [
        firm("a", process="pit", region="north"), firm("b"), firm("c"), firm("d", recorded_at=day(200)), firm("e"),
        firm("f", industry="food"),
    ]  # fmt: skip
    lake = Lake.open(tmp_path / "lake", create=True, buckets=3)
    second = {"accident_id": "2"}
    refusal = {"event_time": day(300), "recorded_at": day(300)}
    rows = [
        (ENTERPRISES, [{"recorded_at": day(0), **one} for one in firms]),
        (EXPOSURES, [*months("a", 0, 15), *months("b", 0, 2), *months("e", 0, 15), *months("f", 0, 15, 0.0)]),
        (ACCIDENTS, [accident("a", 50, recorded_at=day(70)), accident("a", 200, deaths=1, recorded_at=day(201), **second)]),
        (HAZARDS, [hazard("a", 100, due=day(130), rectified=None), hazard("a", 100, due=day(130), rectified=day(160))]),
        (CONSENTS, [{**refusal, "enterprise_id": "e", "purpose": "train", "granted": False}]),
        (MACHINES, [{"machine_id": "m", "event_time": day(0), "recorded_at": day(0), "kind": "press", "enterprise_id": "a"}]),
    ]  # fmt: skip
    rows[3][1][1]["recorded_at"] = day(165)
    for contract, table in rows:
        lake.replace(contract, filled(contract, table), "test")
    scores = [{"machine_id": "m", "event_time": day(100), "recorded_at": day(100), "score_id": "s", "bundle_id": "b"}]
    chances = {"p24": 0.1, "p48": 0.2, "p72": 0.3, "low72": 0.0, "high72": 1.0, "reconstructed": True}
    lake.replace(MACHINE_SCORES, filled(MACHINE_SCORES, [scores[0] | chances]), "test")
    publish(lake)
    return lake


def filled(contract: Any, rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([{name: row.get(name) for name in contract.arrow.names} for row in rows], schema=contract.arrow)


def of(lake: Lake, name: str, on: float) -> dict[str, float]:
    _, matrix = at(lake, [name], day(on))
    return dict(zip(catalog().names, matrix[0].tolist(), strict=True))


def test_every_feature_stands_in_the_table_of_directions_and_no_other() -> None:
    assert {stem(name) for name in catalog().names} == set(DIRECTIONS)
    assert set(catalog().directions.values()) <= {-1, 0, 1}
    assert all(spec.words_en and spec.words_zh for spec in catalog().specs)
    own = {name: sign for name, sign in catalog().directions.items() if name.startswith("hazard_self")}
    assert {name for name, sign in own.items() if sign > 0} == {"hazard_self_overdue_365d", "hazard_self_repeated_365d"}
    assert not {"visits_done_90d", "services_365d", "day_of_year"} & set(catalog().charged)
    assert catalog().categorical == ["industry"]


def test_the_cohort_is_known_watched_and_willing_as_of_the_time(lake: Lake, tmp_path: Path) -> None:
    made = build(lake, GRID, home=tmp_path)
    found = made.to_pandas(["observed_days"])
    spans = found.groupby("enterprise_id")["as_of"].agg(["min", "max", "count"])
    first, last = day(30).timestamp(), day(420).timestamp()
    inside = [moment for moment in np.arange(0, 2e9, 720 * 3600) if first <= moment <= last]
    assert spans.loc["a", "count"] == len(inside)
    assert spans.loc["c", "count"] == len(inside)  # without any history it is still scored and trained on
    assert spans.loc["d", "min"] >= day(200) and spans.loc["d", "count"] < len(inside)
    assert spans.loc["e", "max"] < day(300)
    assert spans.loc["b", "max"] == spans.loc["a", "max"]
    late = build(lake, Grid(every_hours=720, start=day(500), end=day(640)), home=tmp_path).to_pandas(["observed_days"])
    assert late[late["enterprise_id"] == "b"]["as_of"].max() < day(60 + 548) < late["as_of"].max()  # silent for 18 months
    table, _ = at(lake, None, day(400))
    assert table.column("enterprise_id").to_pylist() == list("abcdef")  # to being scored e still consents
    assert at(lake, None, day(100))[0].column("enterprise_id").to_pylist() == list("abcef")
    assert at(lake, None, day(-5))[0].num_rows == 0


def test_features_are_those_known_then(lake: Lake) -> None:
    before, after = of(lake, "a", 69), of(lake, "a", 71)
    assert (before["accident_count_90d"], after["accident_count_90d"]) == (0.0, 1.0)  # reported after 20 days
    assert before["accident_free_days"] == 69.0 and after["accident_free_days"] == 21.0
    assert (of(lake, "a", 201)["accident_deaths_365d"], of(lake, "a", 201)["accident_fatal_1095d"]) == (1.0, 1.0)
    open_, overdue, told, done = (of(lake, "a", on) for on in (120, 140, 163, 166))
    assert (open_["hazard_external_open"], open_["hazard_overdue"]) == (1.0, 0.0)
    assert (overdue["hazard_external_overdue"], overdue["hazard_overdue_longest"]) == (1.0, 10.0)
    assert told["hazard_external_overdue"] == 1.0  # rectified, which nobody had told yet
    assert (done["hazard_external_overdue"], done["hazard_rectified_365d"], done["hazard_late_365d"]) == (0.0, 1.0, 1.0)
    # 2.5 workers a month: 30 days of 5,000 h, told ten days later, carried on.
    assert of(lake, "a", 400)["exposure_per_year"] == pytest.approx(5000 / 2000 / 30 * 365.25)
    assert of(lake, "a", 400)["exposure_1y"] == pytest.approx(365 * 5000 / 2000 / 30, rel=0.01)


def test_without_history_the_industry_stands_in(lake: Lake) -> None:
    found, like = of(lake, "c", 400), of(lake, "a", 400)
    assert found["industry_rate"] == like["industry_rate"] > 0
    assert found["process_rate"] == found["industry_rate"]  # it names no process
    assert found["exposure_per_year"] > 1.0 and found["exposure_told"] == 0.0
    assert found["expected_1y"] == pytest.approx(found["exposure_per_year"] * found["industry_rate"], rel=1e-6)
    assert found["accident_count_1095d"] == 0.0 and found["accident_free_days"] == 400.0
    assert found["accident_relativity_1095d"] < 1.0
    missing = {name for name, value in found.items() if math.isnan(value)}
    assert {"training_coverage_365d", "hazard_verified_365d", "machine_risk_sum", "exposure_age_days"} <= missing
    early = of(lake, "c", 10)  # before the first month there are no rates, and of the size only the floor
    assert math.isnan(early["industry_rate"]) and early["exposure_per_year"] == 1.0


def test_where_nobody_works_exposure_is_at_its_floor(lake: Lake) -> None:
    found = of(lake, "f", 400)
    assert (found["exposure_per_year"], found["exposure_1y"], found["exposure_told"]) == (1.0, 0.0, 1.0)
    assert found["hazard_self_per_worker"] == 0.0 and found["accident_relativity_1095d"] == 1.0


def test_a_machine_score_counts_for_thirty_days(lake: Lake) -> None:
    fresh, old = of(lake, "a", 120), of(lake, "a", 140)
    assert fresh["machine_risk_sum"] == pytest.approx(0.3) and fresh["machines_scored"] == 1.0
    assert fresh["machine_risk_age_days"] == 20.0 and fresh["machine_risk_reconstructed"] == 1.0
    assert math.isnan(old["machine_risk_sum"]) and math.isnan(old["machine_risk_max"])
    assert old["machine_risk_age_days"] == 40.0 and old["machines"] == 1.0
    assert of(lake, "a", 90)["machines_scored"] == 0.0 or math.isnan(of(lake, "a", 90)["machines_scored"])
    assert math.isnan(of(lake, "c", 120)["machines"])


def test_a_policy_tells_the_size_where_nothing_else_does(lake: Lake) -> None:
    cover = {
        "enterprise_id": "c",
        "event_time": day(20),
        "recorded_at": day(20),
        "policy_id": "p",
        "ends": day(385),
        "headcount": 40.0,
    }
    lake.replace(POLICIES, filled(POLICIES, [cover]), "test")
    found = of(lake, "c", 120)
    assert (found["exposure_per_year"], found["exposure_told"], found["policies_standing"]) == (40.0, 1.0, 1.0)
    assert found["exposure_1y"] == pytest.approx(40 * 100 / 365.25)
    assert of(lake, "c", 400)["policies_standing"] == 0.0


def test_a_snapshot_is_found_again_and_the_same_online(lake: Lake, tmp_path: Path) -> None:
    made = build(lake, GRID, home=tmp_path, threads=2)
    assert build(lake, GRID, home=tmp_path).id == made.id
    assert open_snapshot(tmp_path, kind="enterprise").id == made.id
    made.check_current()
    made.check_lake(lake.id)
    assert made.entity == "enterprise_id" and made.features == catalog().names
    assert made.manifest["catalog_hash"] == catalog().hash
    table, matrix = made.observations(), made.matrix()
    for moment in pc.unique(table.column("as_of")).to_pylist():
        mine = pc.equal(table.column("as_of"), pa.scalar(moment, table.schema.field("as_of").type))
        ids = table.filter(mine).column("enterprise_id").to_pylist()
        _, alone = at(lake, ids, moment)
        order = np.argsort(ids)
        assert np.array_equal(bits(alone), bits(matrix[mine.to_numpy()][order]))
    everyone = at(lake, None, day(400), threads=2)
    assert np.array_equal(bits(at(lake, list("fedcba"), day(400))[1]), bits(everyone[1]))
    assert np.array_equal(bits(at(lake, ["c"], day(400), versions=lake.versions())[1][0]), bits(everyone[1][2]))


def test_groups_of_enterprises_change_nothing(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, everyone = build(lake, GRID, home=tmp_path / "whole"), at(lake, None, day(400))
    monkeypatch.setattr(module, "ENTERPRISES_AT_A_TIME", 1)
    parts, again = build(lake, GRID, home=tmp_path / "parts"), at(lake, None, day(400))
    assert len(parts.manifest["parts"]) > len(whole.manifest["parts"])
    assert parts.observations().to_pylist() == whole.observations().to_pylist()
    assert np.array_equal(bits(parts.matrix()), bits(whole.matrix()))
    assert again[0].to_pylist() == everyone[0].to_pylist() and np.array_equal(bits(again[1]), bits(everyone[1]))


def test_snapshots_of_machines_and_of_enterprises_are_not_compared(lake: Lake, tmp_path: Path) -> None:
    made = build(lake, GRID, home=tmp_path)
    copy = tmp_path / "machines"
    copy.mkdir()
    (copy / "manifest.json").write_text(json.dumps({**made.manifest, "entity": "machine_id"}))
    with pytest.raises(BadInput, match="by enterprise_id, machines by machine_id"):
        diff(made, Snapshot(copy))


def test_what_is_asked_wrongly_is_said(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no enterprise nobody"):
        at(lake, ["a", "nobody"], day(100))
    with pytest.raises(BadInput, match="no enterprise is in the cohort"):
        build(lake, Grid(every_hours=720, end=day(-100)), home=tmp_path)
    with pytest.raises(BadInput, match="no enterprise is in the cohort"):
        build(Lake.open(tmp_path / "empty", create=True), GRID, home=tmp_path)
    assert list_snapshots(tmp_path) == []


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("FOREWARN_HOME", str(tmp_path))
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


def test_the_verbs_know_enterprises(lake: Lake, home: Path) -> None:
    def run(*args: str) -> Any:
        return json.loads(CliRunner().invoke(cli.features, [*args, "--json"], catch_exceptions=False).stdout)

    old = run("build", "--enterprises", "--start", "2025-03-01", "--end", "2025-12-01")
    new = run("build", "--enterprises", "--every", "60d", "--start", "2025-03-01", "--end", "2025-12-01")
    assert old["features"] == len(catalog().names) and new["rows"] < old["rows"]
    assert [one["kind"]["name"] for one in run("list")] == ["enterprise", "enterprise"]
    found = run("diff", old["id"], new["id"])
    assert found["rows_removed"] > 0 and found["values_changed"] == {}
    assert diff(open_snapshot(home, old["id"]), open_snapshot(home, old["id"]))["rows_common"] == old["rows"]
    [told] = run("catalog", "enterprise")
    assert told["hash"] == catalog().hash
    assert {spec["name"]: spec["direction"] for spec in told["specs"]} == catalog().directions
    for wrong in (["build"], ["build", "--enterprises", "--kind", "press"]):
        with pytest.raises(BadInput, match="whose features"):
            CliRunner().invoke(cli.features, wrong, catch_exceptions=False)


def test_rows_come_in_through_the_checks(tmp_path: Path) -> None:
    """What the hand-made lake above leaves out: an import as it is, then a snapshot of it."""
    lake = Lake.open(tmp_path / "lake", create=True)
    rows = (EXPOSURES, [period("a", 30 * month, 30 * month + 30, 1000.0) for month in range(6)])
    account = lake.ingest(source((ENTERPRISES, [firm("a")]), rows), imported_at=NOW)
    assert account.total.quarantined == 0
    grid = Grid(every_hours=720, start=day(30), end=day(150) + timedelta(hours=1))
    assert build(lake, grid, home=tmp_path).rows >= 4
