"""What the lake knew of sites: hazards without a site are looked after, later rows are not seen."""

from datetime import UTC, datetime

from serving.inspection.checklist import OpenHazard
from serving.plans.known import _somewhere, known, until
from tests.serving.risk_world import RiskWorld

AS_OF = datetime(2024, 7, 4, tzinfo=UTC)


def hazard(name: str) -> OpenHazard:
    return OpenHazard(name, "major", "fire", AS_OF, None, "insurer", True)


def test_hazards_without_a_site_are_looked_after_at_the_first_one() -> None:
    told = {
        ("e", ""): [hazard("h-1")],
        ("e", "s-2"): [hazard("h-2")],
        ("e", "gone"): [hazard("h-3")],
        ("x", ""): [hazard("h-4")],
    }
    found = _somewhere(told, {("e", "s-1"), ("e", "s-2")}, {"e": "s-1"})
    names = {key: [one.hazard_id for one in some] for key, some in found.items()}
    assert names == {("e", "s-1"): ["h-1", "h-3"], ("e", "s-2"): ["h-2"]}


def test_sites_as_they_were_known(risk_world: RiskWorld) -> None:
    found = known(risk_world.lake, None, AS_OF)
    assert found.sites and not found.scored and found.drivers(["enterprise-000"], 3) == {}
    for site in found.sites:
        assert site.since <= AS_OF
        assert all(one.at <= AS_OF for one in site.visits) and all(one.found <= AS_OF for one in site.hazards)
        assert all(one.scored_at <= AS_OF for one in site.machines)
    later = known(risk_world.lake, None, until(risk_world.lake))
    assert sum(len(one.visits) for one in later.sites) > sum(len(one.visits) for one in found.sites)


def test_hazards_are_those_that_were_open_then(risk_world: RiskWorld) -> None:
    rows = risk_world.lake.at().read("hazards").to_pylist()
    told: dict[str, list[dict]] = {}  # type: ignore[type-arg]
    for row in rows:
        if row["recorded_at"] <= AS_OF and row["event_time"] <= AS_OF:
            told.setdefault(row["hazard_id"], []).append(row)
    newest = [max(some, key=lambda row: row["recorded_at"]) for some in told.values()]
    expected = {row["hazard_id"] for row in newest if row["rectified"] is None or row["rectified"] > AS_OF}
    found = {one.hazard_id for site in known(risk_world.lake, None, AS_OF).sites for one in site.hazards}
    assert found == expected and found


def test_scores_and_drivers(risk_world: RiskWorld) -> None:
    from serving.risk_champion import load_risk_champion

    found = known(risk_world.lake, load_risk_champion(risk_world.home), AS_OF)
    assert found.scored and all(one.loss >= 0.0 and 0.0 <= one.p_any <= 1.0 for one in found.scored.values())
    drivers = found.drivers(sorted(found.scored), 2)
    assert drivers and all(len(some) <= 2 for some in drivers.values())
    assert all("raises" in one.words_en for some in drivers.values() for one in some)


def test_nothing_was_known(risk_world: RiskWorld) -> None:
    assert known(risk_world.lake, None, datetime(1999, 1, 1, tzinfo=UTC)).sites == ()
