"""`forewarn plan` on a small world: the plan and its files, stored, of what was known then; one clear line for a mistake."""

import csv as csvs
import json
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pyarrow as pa
import pytest
from icalendar import Calendar
from typer.testing import CliRunner

from features.enterprise.schema import INSPECTIONS
from features.errors import BadInput, NotFound, UserError
from features.lake import Lake
from features.settings import settings
from serving.inspection.check import broken
from serving.inspection.model import Plan, Problem
from serving.plans import page as plan_page
from serving.plans import store
from serving.plans.cli_plan import plan
from serving.plans.text import text
from tests.serving.inspection import greedy
from tests.serving.risk_world import RiskWorld

RUN = CliRunner()
WEEK, AS_OF = "2024-W28", "2024-07-04T00:00:00Z"
MONDAY = date(2024, 7, 8)


def checked(problem: Problem, **_: Any) -> Plan:
    """A greedy plan that the independent checker finds nothing to say of."""
    made = greedy.solve(problem)
    assert broken(problem, made) == []
    return made


@pytest.fixture
def home(risk_world: RiskWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    monkeypatch.setenv("FOREWARN_HOME", str(risk_world.home))
    monkeypatch.setenv("FOREWARN_STORE_URL", f"sqlite:///{tmp_path}/store.db")
    module = ModuleType("serving.inspection.solver")
    vars(module)["solve"] = checked
    monkeypatch.setitem(sys.modules, module.__name__, module)
    settings.cache_clear()
    yield risk_world.home
    settings.cache_clear()


@pytest.fixture
def people(risk_world: RiskWorld, tmp_path: Path) -> Path:
    """Two inspectors who live at the first and the last site."""
    sites = risk_world.lake.at().read("sites").to_pylist()
    path = tmp_path / "inspectors.csv"
    rows = [f"i-{place},{one['latitude']},{one['longitude']}" for place, one in enumerate((sites[0], sites[-1]))]
    path.write_text("\n".join(["inspector_id,latitude,longitude", *rows, ""]), "utf-8")
    return path


def planned(people: Path, *more: str) -> dict[str, Any]:
    arguments = [WEEK, "--as-of", AS_OF, "--inspectors", str(people), "--json", *more]
    result = RUN.invoke(plan, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_every_site_is_in_the_plan_or_left_out_with_its_reason(home: Path, people: Path, risk_world: RiskWorld) -> None:
    told = planned(people)
    rows = risk_world.lake.at().read("sites").to_pylist()
    sites = {(row["enterprise_id"], row["site_id"]) for row in rows if row["recorded_at"] <= datetime.fromisoformat(AS_OF)}
    both = [*told["visits"], *told["left_out"]]
    assert {(one["enterprise_id"], one["site_id"]) for one in both} == sites and len(both) == len(sites)
    assert told["visits"] and all(one["reason"] and one["why_zh"] and one["checklist"] for one in told["visits"])
    assert told["bundle"] == risk_world.bundle.manifest.bundle_id
    assert told["averted"] == pytest.approx(sum(one["value"] for one in told["visits"]))
    # The bound is one, and says more than that all sites together are worth so much.
    assert told["averted"] <= told["bound"] + 1e-6 and told["bound"] < sum(one["value"] for one in both)
    assert len(told["lot"]["seed"]) == 32
    for one in told["visits"]:
        start = datetime.fromisoformat(one["starts"])
        assert MONDAY <= start.date() < MONDAY + timedelta(days=5) and 8 <= start.hour < 18
    missed = [one for one in told["left_out"] if one["reason"] in ("minimum", "follow-up", "random")]
    assert len(told["shortage"]["missed"]) == len(missed)


def test_the_plan_is_stored_with_its_visits(home: Path, people: Path) -> None:
    told = planned(people)
    with store.opened(settings().store) as plans:
        kept = plans.plan(told["plan_id"])
        visits = plans.visits(told["plan_id"])
    assert kept.week == MONDAY and kept.as_of == datetime(2024, 7, 4, tzinfo=UTC)
    assert kept.document == {name: value for name, value in told.items() if name != "plan_id"}
    assert {one.visit_id for one in visits} == {one["visit_id"] for one in told["visits"]}
    assert {one.visit_id for one in visits if one.by_lot} == _drawn(told)


def _drawn(told: dict[str, Any]) -> set[str]:
    return {one["visit_id"] for one in told["visits"] if f"{one['enterprise_id']}/{one['site_id']}" in told["lot"]["drawn"]}


def test_same_seed_same_lot(home: Path, people: Path) -> None:
    one = planned(people, "--no-keep")
    again = planned(people, "--no-keep", "--seed", one["lot"]["seed"])
    assert one["plan_id"] is None and again["lot"] == one["lot"]
    assert [{**visit, "visit_id": "", "after": ""} for visit in again["visits"]] == [
        {**visit, "visit_id": "", "after": ""} for visit in one["visits"]
    ]


def test_nothing_recorded_later_moves_a_plan(
    home: Path, people: Path, risk_world: RiskWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seed = "0" * 32
    before = planned(people, "--no-keep", "--seed", seed)
    copy = tmp_path / "copy"
    shutil.copytree(risk_world.home, copy)
    monkeypatch.setenv("FOREWARN_HOME", str(copy))
    settings.cache_clear()
    lake = Lake.open(copy / "lake")
    after = datetime(2024, 7, 5, tzinfo=UTC)
    rows = [
        {
            "enterprise_id": one["enterprise_id"], "event_time": after, "recorded_at": after, "visit_id": f"later-{place}",
            "site_id": one["site_id"], "visitor": "insurer", "mode": "on_site", "outcome": "done", "findings": 0.0,
            "hours": 2.0, "by_lot": False,
        }
        for place, one in enumerate(lake.at().read("sites").to_pylist())
    ]  # fmt: skip
    lake.append_rows(INSPECTIONS, pa.Table.from_pylist(rows, INSPECTIONS.arrow), after, "test")
    again = planned(people, "--no-keep", "--seed", seed)
    assert again["averted"] == before["averted"] and again["counts"] == before["counts"]
    # The plan can move: a day later, these visits are known, and nothing is due.
    arguments = [WEEK, "--as-of", "2024-07-06T00:00:00Z", "--inspectors", str(people), "--json", "--no-keep"]
    later = json.loads(RUN.invoke(plan, arguments, catch_exceptions=False).stdout)
    assert later["counts"]["minimum"] < before["counts"]["minimum"] and later["averted"] < before["averted"] * 0.2


def test_files(home: Path, people: Path, tmp_path: Path) -> None:
    files = {"--out": "p.json", "--csv": "p.csv", "--ics": "calendars", "--html": "p.html"}
    told = planned(people, *(part for name, file in files.items() for part in (name, str(tmp_path / file))))
    assert json.loads((tmp_path / "p.json").read_text("utf-8")) == told
    with (tmp_path / "p.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csvs.DictReader(file))
    assert [row["visit_id"] for row in rows] == [one["visit_id"] for one in told["visits"]]
    assert sum(int(row["way_minutes"]) for row in rows) <= told["travel_minutes"] and any(
        int(row["way_minutes"]) for row in rows
    )
    events = [
        event
        for path in (tmp_path / "calendars").glob("*.ics")
        for event in Calendar.from_ical(path.read_text("utf-8")).walk("VEVENT")
    ]
    assert {str(event["uid"]) for event in events} == {f"{one['visit_id']}@forewarn" for one in told["visits"]}
    starts = {str(event["uid"]).partition("@")[0]: event["dtstart"].dt for event in events}
    assert all(starts[one["visit_id"]] == datetime.fromisoformat(one["starts"]) for one in told["visits"])
    places = {one["visit_id"]: told["problem"]["places"][one["place"]] for one in told["problem"]["wanted"]}
    for event in events:
        assert [event["geo"].latitude, event["geo"].longitude] == places[str(event["uid"]).partition("@")[0]]
    page = (tmp_path / "p.html").read_text("utf-8")
    assert "路程" in page and "检查计划" in page and "http" not in page.replace("http-equiv", "")
    assert all(one["site_id"] in page for one in told["visits"])
    picture = ElementTree.fromstring(plan_page.context(told)["map"])
    on_site = sum(one["mode"] != "remote" for one in told["visits"])
    assert len(picture.findall("circle")) == on_site + len(told["left_out"]) and len(picture.findall("rect")) == 2


def test_text(home: Path, people: Path) -> None:
    said = RUN.invoke(plan, [WEEK, "--as-of", AS_OF, "--inspectors", str(people), "--no-keep"], catch_exceptions=False).stdout
    assert said.startswith(f"{WEEK}, as known at 2024-07-04") and "visits by 2 inspectors" in said
    assert "TOO FEW PEOPLE" in said or "every follow-up and minimum" in said


def test_without_a_champion_sites_are_planned_by_rule(home: Path, people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.pricing.quotes.champion_of", lambda home: None)
    told = planned(people, "--no-keep")
    assert told["bundle"] is None and told["visits"] and all(one["by_rule"] for one in told["visits"])
    assert any("no usable score" in note for note in told["notes"])


def sheet(tmp_path: Path, risk_world: RiskWorld, column: str, *cells: str) -> str:
    sites = risk_world.lake.at().read("sites").to_pylist()
    path = tmp_path / "sites.csv"
    rows = [f"{one['enterprise_id']},{one['site_id']},{cell}" for one, cell in zip(sites, cells, strict=False)]
    path.write_text("\n".join([f"enterprise_id,site_id,{column}", *rows, ""]), "utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("column", "cells", "said"),
    [
        ("windows", ("closed",), "its window never opens in this week"),
        ("skills", ("diving",), "nobody has the skill diving"),
    ],
)
def test_conflicts_are_refused_and_can_be_left_out(
    home: Path, people: Path, risk_world: RiskWorld, tmp_path: Path, column: str, cells: tuple[str, ...], said: str
) -> None:
    sites = sheet(tmp_path, risk_world, column, *cells)
    with pytest.raises(BadInput, match=said):
        RUN.invoke(
            plan, [WEEK, "--as-of", AS_OF, "--inspectors", str(people), "--sites", sites, "--listed"], catch_exceptions=False
        )
    told = planned(people, "--sites", sites, "--leave-out", "--no-keep")
    assert any(said in one for one in told["conflicts"])
    nothing_missed = {**told, "shortage": {**told["shortage"], "missed": []}}
    assert any(said in line for line in text(nothing_missed, 0).splitlines() if "cannot be" in line)


def test_pinned_visits_stay_and_listed_sites_alone_are_planned(
    home: Path, people: Path, risk_world: RiskWorld, tmp_path: Path
) -> None:
    sites = sheet(tmp_path, risk_world, "pinned_inspector,pinned_start", "i-0,2024-07-09 10:00")
    told = planned(people, "--sites", sites, "--listed", "--no-keep")
    (one,) = told["visits"]
    assert (one["inspector_id"], one["starts"], one["pinned"]) == ("i-0", "2024-07-09T10:00:00+08:00", True)
    assert told["left_out"] == []


def test_ways_of_a_file_stand_in_for_distances(home: Path, people: Path, risk_world: RiskWorld, tmp_path: Path) -> None:
    sites = sheet(tmp_path, risk_world, "pinned_inspector,pinned_start", "i-0,2024-07-09 10:00")
    row = risk_world.lake.at().read("sites").to_pylist()[0]
    name = f"{row['enterprise_id']}/{row['site_id']}"
    ways = tmp_path / "ways.csv"
    ways.write_text(f"from,to,minutes\ni-0,{name},17\n{name},i-0,19\ni-0,elsewhere,5\n", "utf-8")
    told = planned(people, "--sites", sites, "--listed", "--travel", str(ways), "--no-keep")
    assert told["travel_minutes"] == 36
    assert any("1 of 3 ways" in note for note in told["notes"])


def test_a_listed_site_has_its_part_of_what_is_expected_of_the_enterprise(
    home: Path, people: Path, risk_world: RiskWorld, tmp_path: Path
) -> None:
    whole = planned(people, "--no-keep", "--seed", "0" * 32)
    alone = planned(people, "--no-keep", "--sites", sheet(tmp_path, risk_world, "minutes", "60"), "--listed")
    (one,) = [*alone["visits"], *alone["left_out"]]
    both = {(each["enterprise_id"], each["site_id"]): each["value"] for each in [*whole["visits"], *whole["left_out"]]}
    assert one["value"] == pytest.approx(both[one["enterprise_id"], one["site_id"]])


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (["2024-28"], BadInput, "is no week"),
        (["2024-W54"], BadInput, "is no week"),
        (["2024-W28"], BadInput, "2024-W28 is in the past"),
        (["2024-W28", "--as-of", "2024-07-15T00:00:00Z"], BadInput, "has ended by"),
        (["2024-W28", "--as-of", AS_OF, "--zone", "Mars/Base"], BadInput, "no time zone"),
        (["2024-W28", "--as-of", AS_OF, "--seed", "7"], BadInput, "no seed of 32"),
        (["2024-W28", "--as-of", AS_OF, "--holiday", "new year"], BadInput, "is no day"),
        (["2024-W28", "--as-of", AS_OF, "--rules", "none.toml"], NotFound, "no such file"),
        (["2024-W28", "--as-of", AS_OF, "--sites", "none.csv"], BadInput, "no such file"),
        (["1999-W28", "--as-of", "1999-07-04T00:00:00Z"], NotFound, "known"),
    ],
)
def test_mistakes(home: Path, people: Path, arguments: list[str], error: type[UserError], said: str) -> None:
    with pytest.raises(error, match=said):
        RUN.invoke(plan, [*arguments, "--inspectors", str(people)], catch_exceptions=False)
