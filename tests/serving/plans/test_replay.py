"""The replay over a small simulated home: what planners know, what is true, what the figures say."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial

import pyarrow as pa
import pytest

from features.errors import BadInput
from features.simulator.enterprise_world import load_enterprises
from serving.inspection import rules as rulesets
from serving.inspection.model import DAY, Plan, Problem, Window
from serving.inspection.replayed import Planner, WeekMade, by_enterprise, ratio, told
from serving.inspection.solver import solve
from serving.plans import replay as replays
from serving.plans.replay import Setting, Week, as_simulated, crew, first_monday, names, past, replay, site_losses
from serving.plans.replay_document import document, text
from serving.plans.replay_page import context
from serving.risk_champion import RiskChampion, load_risk_champion
from tests.serving.risk_world import RiskWorld

WEEKS, WARM_UP = 4, 1
RULES = rulesets.load()
JUDGE = as_simulated(RULES, load_enterprises().visits)
LEARNT = datetime(2024, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def champion(risk_world: RiskWorld) -> RiskChampion:
    found = load_risk_champion(risk_world.home)
    found.bundle.manifest = found.bundle.manifest.model_copy(update={"train_until": LEARNT})
    return found


@pytest.fixture(scope="module")
def truth(risk_world: RiskWorld) -> pa.Table:
    """One enterprise is as bad as all others together."""
    days = [datetime(2024, 6, 3, tzinfo=UTC) + timedelta(days=7 * number) for number in range(16)]
    rows = [(name, day, 19.0 if not at else 1.0) for day in days for at, name in enumerate(risk_world.ids)]
    columns = dict(zip(("enterprise_id", "as_of", "expected_loss_90"), map(list, zip(*rows, strict=True)), strict=True))
    columns["as_of"] = pa.array(columns["as_of"], pa.timestamp("us", "UTC"))
    return pa.table(columns)


@pytest.fixture(scope="module")
def weeks(risk_world: RiskWorld, champion: RiskChampion, truth: pa.Table) -> tuple[Week, ...]:
    return past(risk_world.lake, champion, truth, names(first_monday(champion), WEEKS))


@pytest.fixture(scope="module")
def setting(weeks: tuple[Week, ...]) -> Setting:
    return Setting(crew(weeks[0].known.sites, 1, 8), RULES, JUDGE, "lot", WARM_UP)


@pytest.fixture(scope="module")
def made(weeks: tuple[Week, ...], setting: Setting) -> dict[Planner, tuple[WeekMade, ...]]:
    return {one: replay(one, weeks, setting, partial(solve, seconds=0.3, seed=1)) for one in Planner}


def test_no_plan_breaks_a_rule(made: dict[Planner, tuple[WeekMade, ...]]) -> None:
    for planner, found in made.items():
        assert len(found) == WEEKS - WARM_UP
        assert [fault for week in found for fault in week.faults] == [], planner
        assert sum(len(week.visits) for week in found) > 0


def test_the_truth_is_weighed_whoever_plans(made: dict[Planner, tuple[WeekMade, ...]], weeks: tuple[Week, ...]) -> None:
    """A visit is worth what the true loss of its site says, less what the planner's own visits did there."""
    law = load_enterprises().visits
    most = {site: loss * law.relief_days / 365 * law.relief * law.gain_done for site, loss in site_losses(weeks[0]).items()}
    for visit in (visit for found in made.values() for week in found for visit in week.visits):
        assert 0.0 < visit.averted <= most[visit.site] * (1 + 1e-9)
    again = [one for week in made[Planner.RISK] for one in week.visits]
    twice = [one for one in again if sum(other.site == one.site for other in again) > 1]
    assert twice, "risk order goes to the same sites every week"
    last = max(twice, key=lambda one: one.at)
    assert last.averted < 0.8 * most[last.site]


def test_business_as_usual_goes_where_a_visit_is_owed_and_no_further(made: dict[Planner, tuple[WeekMade, ...]]) -> None:
    assert all(visit.owed for week in made[Planner.ROTATION] for visit in week.visits)
    assert told(made[Planner.ROTATION], [{}] * 3).averted_spare == 0.0
    assert sum(len(week.visits) for week in made[Planner.ROUND]) > sum(len(week.visits) for week in made[Planner.ROTATION])


def test_a_crew_lives_where_the_sites_are(weeks: tuple[Week, ...]) -> None:
    """Four sites in five are in one town: so are four inspectors in five."""
    site = weeks[0].known.sites[0]
    town = [replace(site, site_id=f"t{number}", latitude=31.0 + number / 1_000, longitude=121.0) for number in range(80)]
    away = [replace(site, site_id=f"a{number}", latitude=36.0, longitude=113.0 + number / 1_000) for number in range(20)]
    homes = [one.latitude for one in crew([*town, *away], 1, 10)]
    assert sum(one < 32.0 for one in homes) == 8 and sum(one > 35.0 for one in homes) == 2


def test_what_nobody_can_get_to_is_told_and_counts_against_no_planner(weeks: tuple[Week, ...], setting: Setting) -> None:
    """One inspector with a day of two hours: what is near is kept, what is far is out of reach."""
    brief = tuple(Window(day * DAY + 510, day * DAY + 630) for day in range(5))
    alone = crew(weeks[0].known.sites, 1, 1)[0]
    alone = replace(alone, inspector=replace(alone.inspector, shifts=brief))
    short = replace(setting, people=(alone,), warm_up=0)
    found = {
        one: replay(one, weeks[:1], short, partial(solve, seconds=0.3, seed=1))[0] for one in (Planner.MODEL, Planner.ROTATION)
    }
    assert found[Planner.MODEL].out_of_reach == found[Planner.ROTATION].out_of_reach > 0
    sites = len(weeks[0].known.sites)
    for one in found.values():
        assert one.kept <= one.owed <= sites - one.out_of_reach < sites
    everybody = replay(Planner.MODEL, weeks[:1], replace(setting, warm_up=0), partial(solve, seconds=0.3, seed=1))[0]
    assert everybody.out_of_reach < found[Planner.MODEL].out_of_reach and everybody.owed > found[Planner.MODEL].owed


def test_a_planner_knows_its_own_visits_and_none_that_the_insurer_made_since(
    weeks: tuple[Week, ...], setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def drafted(name: str, known: replays.Known, *args: object, **told: object) -> object:
        seen.append({site.key: site.visits for site in known.sites})
        return real(name, known, *args, **told)  # type: ignore[arg-type]

    real: Callable[..., object] = replays.drafted
    monkeypatch.setattr(replays, "drafted", drafted)
    found = replay(Planner.ROUND, weeks, replace(setting, warm_up=0), partial(solve, seconds=0.1, seed=1))
    begins = found[0].monday
    for number, visits in enumerate(seen):
        own = {(*one.site.split("/"), one.at) for week in found[:number] for one in week.visits}
        since = {
            (*key, one.at) for key, some in visits.items() for one in some if one.visitor == "insurer" and one.at >= begins
        }
        assert since == own


def test_only_the_planner_that_knows_the_truth_sees_it(
    weeks: tuple[Week, ...], setting: Setting, risk_world: RiskWorld
) -> None:
    """Its first visits of value go to the enterprise that is as bad as all others; no other planner is told."""
    everywhere = crew(weeks[0].known.sites, 1, 40)
    told_to: dict[Planner, list[dict[str, float]]] = {}
    for planner in (Planner.TRUTH, Planner.MODEL):

        def noted(problem: Problem, planner: Planner = planner) -> Plan:
            told_to.setdefault(planner, []).append({one.site_id: one.value for one in problem.wanted})
            return solve(problem, seconds=0.1, seed=1)

        replay(planner, weeks[:1], replace(setting, warm_up=0, people=everywhere), noted)
    grave = risk_world.ids[0]
    own, others = (
        [value for site, value in told_to[Planner.TRUTH][0].items() if (site.split("/")[0] == grave) == mine]
        for mine in (True, False)
    )
    assert sum(own) > 5 * sum(others) / len(others)
    assert told_to[Planner.TRUTH] != told_to[Planner.MODEL]


def test_weeks_that_the_champion_has_learnt_from_are_refused(
    risk_world: RiskWorld, champion: RiskChampion, truth: pa.Table
) -> None:
    with pytest.raises(BadInput, match="has learnt from 2024-W26"):
        past(risk_world.lake, champion, truth, ["2024-W26"])
    with pytest.raises(BadInput, match="no truth is told of 2025-W20"):
        past(risk_world.lake, champion, truth, ["2025-W20"])


def test_names_of_weeks_over_the_turn_of_the_year() -> None:
    assert names(date(2025, 12, 22), 3) == ("2025-W52", "2026-W01", "2026-W02")


def test_ratio_by_hand() -> None:
    found = ratio({"a": 3.0, "b": 3.0}, {"a": 1.0, "b": 2.0})
    assert found.value == pytest.approx(2.0)
    assert (found.low, found.high) == pytest.approx((1.5, 3.0))


def test_document_lines_and_page(made: dict[Planner, tuple[WeekMade, ...]], weeks: tuple[Week, ...]) -> None:
    losses = [site_losses(week) for week in weeks[WARM_UP:]]
    found = document(
        made, losses, names=[week.name for week in weeks], warm_up=WARM_UP, inspectors=8, currency="CNY", champion="c"
    )
    own = {one["planner"]: one for one in found["planners"]}
    assert own["rotation"]["of_rotation"]["value"] == 1.0
    assert own["model"]["averted"] == pytest.approx(sum(found["weekly"]["model"]), abs=0.1)
    assert own["model"]["of_truth"]["value"] == pytest.approx(own["model"]["averted"] / own["truth"]["averted"])
    assert own["rotation"]["days_earlier"] == 0.0
    assert sum(by_enterprise(made[Planner.MODEL]).values()) == pytest.approx(own["model"]["averted"])
    assert "business as usual" in text(found)
    shown = context(found)
    assert len(shown["rows"]) == len(Planner)
    assert all(one["zh"] for one in shown["verdict"])
