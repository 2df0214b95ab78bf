"""What came of planned visits reaches the lake and the store once, whoever is killed in between."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from features.clock import micros
from features.enterprise.build import at as features_at
from features.enterprise.catalog import catalog
from features.errors import BadInput, Conflict, NotFound, UserError
from features.lake import Lake
from serving.inspection import rules as rulesets
from serving.inspection.model import Inspector, Window
from serving.inspection.outcomes import Finding, Outcome
from serving.plans.cli_visits import visits as verbs
from serving.plans.facts import Person
from serving.plans.known import Scored, known
from serving.plans.planning import drafted
from serving.plans.store import PlannedVisit, PlanStore, opened
from serving.plans.visits import open_hazards, record, rectification, rectify
from serving.pricing.enterprise_facts import facts_of
from tests.serving.risk_world import RiskWorld, copied

LOOKED_AT = (
    "visits_done_365d", "visits_unannounced_365d", "visits_refused_365d", "visit_since", "visit_findings_last",
    "hazard_external_open", "hazard_external_overdue",
)  # fmt: skip
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
AT = NOW - timedelta(hours=5)
FOUND = (Finding("major", "guard", date(2026, 11, 30)), Finding("general", "exit", date(2026, 12, 20), "blocked"))


@pytest.fixture
def home(risk_world: RiskWorld, tmp_path: Path) -> RiskWorld:
    return copied(risk_world, tmp_path / "home")


@pytest.fixture
def plans(url: str, home: RiskWorld) -> Iterator[PlanStore]:
    with opened(url) as store:
        kept(store, home)
        yield store


def kept(store: PlanStore, home: RiskWorld, parent: str | None = None) -> str:
    visits = [
        PlannedVisit(f"v_{number}", one, None, "i-1", NOW, 120, "unannounced", "random", number == 0)
        for number, one in enumerate(home.ids[:3])
    ]
    document = {"visits": [vars(one) | {"starts": one.starts.isoformat()} for one in visits]}
    return store.add_plan(document, week=date(2026, 11, 23), as_of=NOW, currency="CNY", visits=visits, parent=parent)


def outcome(visit_id: str = "v_0", said: str = "done", findings: tuple[Finding, ...] = FOUND) -> Outcome:
    return Outcome(visit_id, said, AT, "Li Na", None if said == "refused" else 2.0, "", findings if said != "refused" else ())


def rows(lake: Lake, table: str) -> list[dict[str, object]]:
    return [row for row in lake.read(table).to_pylist() if row["recorded_at"] >= NOW]


def test_a_plan_comes_back_as_it_was_and_damage_is_told(plans: PlanStore, home: RiskWorld) -> None:
    first = plans.plans()[0].plan_id
    second = kept(plans, home, parent=first)
    assert plans.plan(second).parent == first
    assert [one.visit_id for one in plans.visits(second)] == ["v_0", "v_1", "v_2"]
    assert plans.planned("v_0").by_lot is True
    with pytest.raises(NotFound, match="no plan p_none"):
        plans.plan("p_none")
    with pytest.raises(NotFound, match="no plan p_none"):
        kept(plans, home, parent="p_none")
    assert len(plans.plans()) == 2
    with plans.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE plans SET document = '{\"visits\": []}'")
    with pytest.raises(BadInput, match="not what was stored"):
        plans.plan(second)


def test_a_visit_and_what_it_found_reach_the_lake_and_the_store(plans: PlanStore, home: RiskWorld) -> None:
    done = record(home.lake, plans, [outcome(), outcome("v_1", "refused")], NOW)
    assert (done.visits, done.findings, done.before) == (2, 2, 0)
    by_id = {row["visit_id"]: row for row in rows(home.lake, "inspections")}
    assert by_id["v_0"] == {
        "enterprise_id": home.ids[0], "event_time": AT, "recorded_at": NOW, "visit_id": "v_0", "site_id": None,
        "visitor": "insurer", "mode": "unannounced", "outcome": "done", "findings": 2.0, "hours": 2.0, "by_lot": True,
    }  # fmt: skip
    assert (by_id["v_1"]["outcome"], by_id["v_1"]["findings"]) == ("refused", None)
    hazards = {row["hazard_id"]: row for row in rows(home.lake, "hazards")}
    assert set(hazards) == {"v_0/1", "v_0/2"}
    assert hazards["v_0/1"]["due"] == datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)
    assert [one.outcome for one in plans.outcomes("v_0")] == ["done"]
    assert plans.outcomes("v_0")[0].at == AT


def test_recorded_twice_is_recorded_once_and_otherwise_is_a_conflict(plans: PlanStore, home: RiskWorld) -> None:
    record(home.lake, plans, [outcome()], NOW)
    assert record(home.lake, plans, [outcome()], NOW + timedelta(hours=1)).before == 1
    assert len(rows(home.lake, "hazards")) == 2
    other = outcome("v_0", "partial")
    with pytest.raises(Conflict, match="recorded as done by Li Na"):
        record(home.lake, plans, [other], NOW + timedelta(hours=1))
    rectify(home.lake, home.ids[0], "v_0/1", NOW + timedelta(hours=1), rectified=NOW, verified=None)
    record(home.lake, plans, [other], NOW + timedelta(hours=2), correct=True)
    assert [one.outcome for one in plans.outcomes("v_0")] == ["done", "partial"]
    assert "v_0/1" not in {row["hazard_id"] for row in open_hazards(home.lake, NOW + timedelta(hours=3), home.ids[0])}
    with pytest.raises(Conflict, match="a finding that was recorded is gone"):
        record(home.lake, plans, [outcome(findings=FOUND[:1])], NOW + timedelta(hours=4), correct=True)


@pytest.mark.parametrize("wrong", [[outcome(), outcome("v_9")], [outcome(), outcome()]])
def test_what_was_not_planned_or_is_told_twice_leaves_nothing(plans: PlanStore, home: RiskWorld, wrong: list[Outcome]) -> None:
    with pytest.raises(UserError, match=r"no plan holds this visit|told twice"):
        record(home.lake, plans, wrong, NOW)
    assert rows(home.lake, "inspections") == rows(home.lake, "hazards") == []
    assert plans.outcomes("v_0") == ()


def test_a_visit_long_before_it_was_planned_for_is_a_slip_of_the_pen(plans: PlanStore, home: RiskWorld) -> None:
    with pytest.raises(BadInput, match="took place on 2025-11-25, planned for 2026-11-25; correct the moment"):
        record(home.lake, plans, [replace(outcome(), at=AT - timedelta(days=365))], NOW)
    assert rows(home.lake, "inspections") == []
    assert record(home.lake, plans, [replace(outcome(findings=()), at=AT - timedelta(days=6))], NOW).visits == 1


def test_features_and_the_next_plan_see_a_visit_from_its_recording_on_and_not_before(plans: PlanStore, home: RiskWorld) -> None:
    ids, later = home.ids[:2], NOW + timedelta(days=8)
    moments = (NOW - timedelta(seconds=1), NOW, later)

    def seen() -> list[dict[str, tuple[float, ...]]]:
        found = [features_at(home.lake, ids, moment, threads=1)[1] for moment in moments]
        names = catalog().names
        return [{name: tuple(matrix[:, names.index(name)].tolist()) for name in LOOKED_AT} for matrix in found]

    before = seen()
    record(home.lake, plans, [outcome(), outcome("v_1", "refused")], NOW)
    after = seen()
    assert after[0] == before[0]

    def more(moment: int, name: str) -> tuple[float, ...]:
        return tuple(new - old for new, old in zip(after[moment][name], before[moment][name], strict=True))

    for at in (1, 2):
        assert more(at, "visits_done_365d") == (1.0, 0.0)
        assert more(at, "visits_unannounced_365d") == (1.0, 1.0)
        assert more(at, "visits_refused_365d") == (0.0, 1.0)
        assert more(at, "hazard_external_open") == (2.0, 0.0)
    # The major one was to be rectified in five days.
    assert [more(at, "hazard_external_overdue")[0] for at in (1, 2)] == [0.0, 1.0]
    assert after[1]["visit_since"][0] == pytest.approx(5 / 24)
    assert after[1]["visit_findings_last"][0] == 2.0
    assert after[1]["visit_since"][1] == before[1]["visit_since"][1]  # nobody was let in
    facts = facts_of(home.lake.at(), ids, np.array([micros(NOW)] * 2))
    assert facts.column("refused_visits_1y").to_pylist()[1] >= 1.0
    for moment, count in ((moments[0], 0), (NOW, 2)):
        hazards = {one.hazard_id for site in known(home.lake, None, moment).sites for one in site.hazards}
        assert len(hazards & {"v_0/1", "v_0/2"}) == count


def test_a_visit_that_was_let_in_lowers_the_value_of_the_next_and_a_refused_one_does_not(
    plans: PlanStore, home: RiskWorld
) -> None:
    sites = {one["enterprise_id"]: one["site_id"] for one in home.lake.read("sites").to_pylist()}
    first, second = [one for one in home.ids if one in sites][:2]
    visits = [
        PlannedVisit(f"s_{number}", one, sites[one], "i-1", NOW, 60, "on_site", "minimum", False)
        for number, one in enumerate((first, second))
    ]
    plans.add_plan({}, week=date(2026, 11, 23), as_of=NOW, currency="CNY", visits=visits)
    record(home.lake, plans, [outcome("s_0", findings=()), outcome("s_1", "refused")], NOW)
    told = known(home.lake, None, NOW)
    scored = replace(told, scored={one: Scored(1e6, 0.1) for one in (first, second)})
    crew = [Person(Inspector("i-1", 0, (Window(480, 1_080),)), 31.2, 121.4)]
    made = drafted("2026-W49", scored, crew, {}, rulesets.load(), leave_out=True)
    value = {one.site_id: one.value for one in made.draft.problem.wanted}
    due = {why.site.key: why.overdue_days for why in made.draft.why.values()}
    parts = {name: sum(one.enterprise_id == name for one in told.sites) for name in (first, second)}
    seen, refused = f"{first}/{sites[first]}", f"{second}/{sites[second]}"
    assert value[seen] * parts[first] < 0.2 * value[refused] * parts[second]
    assert due[seen] < 0 < due[refused]


def test_killed_between_lake_and_store_it_is_recorded_once_more(
    plans: PlanStore, home: RiskWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_arguments: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(PlanStore, "add_outcomes", killed)
        with pytest.raises(SystemExit):
            record(home.lake, plans, [outcome()], NOW)
    assert record(home.lake, plans, [outcome()], NOW + timedelta(minutes=5)).visits == 1
    assert len(rows(home.lake, "inspections")) == 1
    assert len(rows(home.lake, "hazards")) == 2


def test_the_loop_closes(plans: PlanStore, home: RiskWorld) -> None:
    enterprise_id, later = home.ids[0], NOW + timedelta(days=10)
    before = rectification(home.lake, NOW, enterprise_id)
    record(home.lake, plans, [outcome()], NOW)
    found = rectification(home.lake, NOW, enterprise_id, found_by="insurer")
    assert rectification(home.lake, NOW, enterprise_id).found == before.found + 2
    overdue = rectification(home.lake, later, enterprise_id, found_by="insurer")
    assert overdue.overdue == found.overdue + 1
    with pytest.raises(BadInput, match="verified before it was rectified"):
        rectify(home.lake, enterprise_id, "v_0/1", later, rectified=None, verified=NOW + timedelta(days=1))
    with pytest.raises(BadInput, match="lies ahead"):
        rectify(home.lake, enterprise_id, "v_0/1", later, rectified=later + timedelta(days=1), verified=None)
    rectify(home.lake, enterprise_id, "v_0/1", later, rectified=NOW + timedelta(days=2), verified=NOW + timedelta(days=3))
    with pytest.raises(Conflict, match="already"):
        rectify(home.lake, enterprise_id, "v_0/1", later, rectified=NOW + timedelta(days=2), verified=None)
    with pytest.raises(NotFound, match="no such hazard"):
        rectify(home.lake, enterprise_id, "v_0/7", later, rectified=NOW, verified=None)
    closed = rectification(home.lake, later, enterprise_id, found_by="insurer")
    assert (closed.overdue, closed.verified) == (found.overdue, found.verified + 1)


def test_the_verbs(home: RiskWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    monkeypatch.setenv("FOREWARN_HOME", str(home.home))
    monkeypatch.setenv("FOREWARN_STORE_URL", url)
    with opened(url) as store:
        kept(store, home)
    moment = (datetime.now(UTC) - timedelta(hours=3)).isoformat()
    due = (datetime.now(UTC) + timedelta(days=7)).date().isoformat()
    table = tmp_path / "outcomes.csv"
    table.write_text(
        "visit_id,outcome,at,hours,by,grade,kind,due\n"
        f"v_0,done,{moment},2,Li Na,major,guard,{due}\n"
        f"v_0,done,{moment},2,Li Na,general,exit,{due}\n"
        f"v_1,refused,{moment},,Li Na,,,\n"
    )
    run = CliRunner().invoke(verbs, ["record", str(table), "--json"], catch_exceptions=False)
    assert json.loads(run.stdout) == {"visits": 2, "findings": 2, "before": 0}
    again = CliRunner().invoke(verbs, ["record", str(table)], catch_exceptions=False)
    assert again.stdout == "recorded 0 visits with 0 findings, 2 recorded before\n"
    done = CliRunner().invoke(verbs, ["rectify", home.ids[0], "v_0/2", "--rectified", datetime.now(UTC).isoformat()])
    assert "rectified" in done.stdout
    listed = CliRunner().invoke(verbs, ["loop", "--enterprise", home.ids[0], "--json"], catch_exceptions=False)
    assert "v_0/1" in {row["hazard_id"] for row in json.loads(listed.stdout)["open_hazards"]}
    table.write_text('visit_id,outcome\n"v_0,done\n')
    with pytest.raises(BadInput, match="no table: unexpected end of data; save it as CSV again"):
        CliRunner().invoke(verbs, ["record", str(table)], catch_exceptions=False)
    with pytest.raises(NotFound, match="no enterprise nobody"):
        CliRunner().invoke(verbs, ["loop", "--enterprise", "nobody"], catch_exceptions=False)
    table.write_text("visit_id,outcome,at,hours,by,colour\nv_0,done,,,,red\n")
    with pytest.raises(BadInput, match="unknown column"):
        CliRunner().invoke(verbs, ["record", str(table)], catch_exceptions=False)
