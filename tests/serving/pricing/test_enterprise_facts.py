"""Facts of enterprises by hand on small histories, at the edges of their windows; their evidence names the rows known."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from features.clock import micros
from features.enterprise.history import from_tables
from features.enterprise.schema import ACCIDENTS, ENTERPRISE_TABLES, ENTERPRISES, EXPOSURES
from features.lake import Lake
from serving.pricing.enterprise_facts import fact_columns, facts_at, facts_of
from serving.pricing.fact_evidence import with_evidence
from serving.underwriting.facts import VOCABULARY
from tests.serving.risk_world import RiskWorld

NOW = datetime(2025, 1, 1, tzinfo=UTC)
FIRM = {"industry": "food"}
COME, ALL = {"attended": 60.0, "required": 40.0}, {"attended": 40.0, "required": 40.0}
HURT = {"deaths": 0.0, "injuries": 1.0}
HAZARD = {"found_by": "authority", "grade": "general", "supervised": False}


def ago(number: float) -> datetime:
    return NOW - timedelta(days=number)


def row(days: float, late: float = 0.0, **more: Any) -> dict[str, Any]:
    """A row so many days ago, recorded so much later."""
    return {"enterprise_id": "e", "event_time": ago(days), "recorded_at": ago(days - late), **more}


def accidents(*days: float, **more: Any) -> list[dict[str, Any]]:
    return [row(one, accident_id=f"a{place}", **{**HURT, **more}) for place, one in enumerate(days)]


def period(basis: str, first: float, last: float, amount: float, **more: Any) -> dict[str, Any]:
    return row(last, basis=basis, starts=ago(first), amount=amount, **more)


def facts(at: datetime = NOW, observed: float = 2000.0, firm: dict[str, Any] | None = None, **tables: Any) -> dict[str, Any]:
    """All facts of one enterprise from rows of its tables; those not known are None."""
    made = {"enterprises": [row(observed, **(FIRM | (firm or {})))], **tables}
    held = {name: pa.Table.from_pylist(rows, schema=ENTERPRISE_TABLES[name].arrow) for name, rows in made.items()}
    (found,) = fact_columns(from_tables(held, ["e"]), np.zeros(1, dtype=np.int64), np.array([micros(at)])).to_pylist()
    assert list(found) == [name for name, kind in VOCABULARY.items() if kind.origin == "lake"]
    return dict(found)


def test_nothing_is_known_before_an_enterprise_is() -> None:
    found = facts(ago(2001), accidents=accidents(2100))
    assert {name for name, value in found.items() if value is not None} == set()


def test_of_an_enterprise_without_rows_what_is_counted_is_none() -> None:
    found = facts()
    known = {name: value for name, value in found.items() if value is not None}
    zero = {name for name, value in known.items() if value == 0}
    assert zero == {
        *(name for name in VOCABULARY if name.startswith("accidents_")), "claims_3y", "incurred_3y", "overdue_hazards",
        "overdue_major_hazards", "supervised_open", "permits_withdrawn", "violations_1y", "refused_visits_1y", "drills_1y",
        "services_1y", "self_reports_1y",
    }  # fmt: skip
    assert {name: known[name] for name in known.keys() - zero} == {
        "industry": "food", "clean_years": 5.0, "record_years": 2000 / 365, "rectification_rate": 1.0,
    }  # fmt: skip


def test_a_year_is_the_window_of_a_year() -> None:
    """What has left the window of accidents is a clean year, and before it has it is none."""
    for days, inside in ((364.999, 1.0), (365.0, 0.0), (730.0, 0.0), (1094.0, 0.0), (1095.0, 0.0)):
        found = facts(accidents=accidents(days))
        assert (found["accidents_1y"], found["clean_years"]) == (inside, days // 365), days
        assert found["accidents_3y"] == float(days < 1095), days


def test_who_was_not_on_record_was_not_seen_to_be_clean() -> None:
    assert facts(observed=400.0)["clean_years"] == 1.0
    assert facts(observed=364.0)["clean_years"] == 0.0
    assert facts(observed=400.0, accidents=accidents(1200))["clean_years"] == 1.0


def test_grades_are_those_of_the_rule_in_force_and_add_up() -> None:
    found = facts(
        accidents=[
            row(10, accident_id="o", **HURT),
            row(20, accident_id="l", deaths=3.0, injuries=0.0),
            row(30, accident_id="m", deaths=0.0, injuries=50.0),
            row(40, accident_id="v", deaths=30.0, injuries=0.0),
            row(400, accident_id="before", deaths=3.0, injuries=0.0),
        ]
    )
    graded = [found[f"accidents_{grade}_1y"] for grade in ("ordinary", "larger", "major")]
    assert graded == [1.0, 1.0, 2.0]
    assert (found["accidents_1y"], found["accidents_3y"]) == (4.0, 5.0)


def test_a_correction_counts_from_when_it_was_recorded() -> None:
    rows = [row(40, accident_id="a", **HURT), row(40, 35, accident_id="a", deaths=3.0, injuries=0.0)]
    before, after = facts(ago(6), accidents=rows), facts(ago(4), accidents=rows)
    assert (before["accidents_ordinary_1y"], before["accidents_larger_1y"]) == (1.0, 0.0)
    assert (after["accidents_ordinary_1y"], after["accidents_larger_1y"]) == (0.0, 1.0)
    late = [row(40, 35, accident_id="a", **HURT)]
    assert (facts(ago(6), accidents=late)["accidents_1y"], facts(ago(5), accidents=late)["accidents_1y"]) == (0.0, 1.0)


# How the accident rate changes

TWO_YEARS = accidents(10, 20, 400, 500, 600)  # 2 after 3
HEADS = [period("headcount", 365, 0, 200.0), period("headcount", 730, 365, 100.0)]


def change(observed: float = 2000.0, *, year: int = 1, **tables: Any) -> float | None:
    found: float | None = facts(observed=observed, **tables)[f"accident_rate_change_{year}y"]
    return found


def test_a_rate_is_accidents_by_workers() -> None:
    """2 accidents of 200 workers after 3 of 100: a third of the rate."""
    assert change(accidents=TWO_YEARS, exposures=HEADS) == pytest.approx(1 / 3 - 1)
    hours = [period("hours_worked", 365, 0, 4000.0), period("hours_worked", 730, 365, 4000.0)]
    assert change(accidents=TWO_YEARS, exposures=HEADS + hours) == pytest.approx(2 / 3 - 1), "hours come before heads"
    assert change(accidents=TWO_YEARS, exposures=HEADS + hours[:1]) == pytest.approx(1 / 3 - 1), "as far as they tell of both"


def test_years_that_are_told_in_part_are_compared_by_the_day() -> None:
    """The latest period is missing, of the year before half is told: per day it was still half as many workers."""
    told = [period("hours_worked", 365, 200, 2 * 1650.0), period("hours_worked", 730, 550, 1800.0)]
    assert change(accidents=TWO_YEARS, exposures=told) == pytest.approx(1 / 3 - 1)


def test_the_size_of_the_only_year_told_stands_for_the_other() -> None:
    assert change(accidents=TWO_YEARS, exposures=HEADS[:1]) == pytest.approx(2 / 3 - 1)
    policy = [row(900, policy_id="p", ends=ago(-100), headcount=50.0)]
    assert change(accidents=TWO_YEARS, policies=policy) == pytest.approx(2 / 3 - 1)


def test_a_rate_that_cannot_be_told_is_not_known() -> None:
    assert change(accidents=TWO_YEARS) is None, "nobody told how many workers"
    assert change(accidents=accidents(10, 20), exposures=HEADS) is None, "no accidents in the year before"
    assert change(729.0, accidents=TWO_YEARS, exposures=HEADS) is None, "a record of less than two years"
    nobody = [period("headcount", 365, 0, 0.0), period("headcount", 730, 365, 100.0)]
    assert change(accidents=TWO_YEARS, exposures=nobody) is None, "nobody was at work"
    assert change(accidents=accidents(400), exposures=HEADS) == -1.0, "none any more is the least there is"


def test_the_year_before_is_compared_by_its_own_size() -> None:
    """1, then 2 of twice as many workers, then 3: of the two years before the last one the rate halved... and so on."""
    three = [*HEADS, period("headcount", 1095, 730, 25.0)]
    hurt = accidents(10, 400, 500, 800, 900, 1000)
    assert change(accidents=hurt, exposures=three) == pytest.approx((1 / 200) / (2 / 100) - 1)
    assert change(year=2, accidents=hurt, exposures=three) == pytest.approx((2 / 100) / (3 / 25) - 1)
    assert change(1094.0, year=2, accidents=hurt, exposures=three) is None
    assert change(1094.0, accidents=hurt, exposures=three) is not None


# Hazards


def hazard(name: str, days: float, due: float, rectified: float | None = None, late: float = 0.0, **more: Any) -> Any:
    mended = None if rectified is None else ago(rectified)
    return row(days, late, **{**HAZARD, "hazard_id": name, "due": ago(due), "rectified": mended, **more})


def test_the_rate_of_rectification_is_of_hazards_of_others_that_are_due() -> None:
    hazards = [
        hazard("done", 100, 70, rectified=80),
        hazard("late", 100, 70, rectified=10),
        hazard("overdue", 100, 70, site_id="s1"),
        hazard("not due", 20, -10),
        hazard("own", 100, 70, site_id="s2", found_by="self"),
        hazard("long ago", 400, 380, rectified=390),
    ]
    found = facts(hazards=hazards)
    assert found["rectification_rate"] == pytest.approx(2 / 3)
    assert (found["overdue_hazards"], found["overdue_major_hazards"], found["self_reports_1y"]) == (2.0, 0.0, 1.0)
    assert facts(hazards=hazards[2:3])["rectification_rate"] == 0.0
    # Nothing is left to rectify, whoever found it.
    assert [facts(hazards=[one])["rectification_rate"] for one in hazards[3:]] == [1.0, 1.0, 1.0]


def test_a_hazard_is_overdue_until_its_rectification_is_recorded() -> None:
    hazards = [hazard("h", 100, 70, grade="major"), hazard("h", 100, 70, rectified=40, late=70, grade="major")]
    told = [facts(ago(days), hazards=hazards) for days in (75, 35, 30)]
    assert [one["overdue_major_hazards"] for one in told] == [0.0, 1.0, 0.0]
    assert [one["rectification_rate"] for one in told] == [1.0, 0.0, 1.0]


def test_a_supervised_hazard_stands_open() -> None:
    open_ = hazard("h", 10, -20, supervised=True)
    assert facts(hazards=[open_])["supervised_open"] is True
    assert facts(hazards=[{**open_, "rectified": ago(5)}])["supervised_open"] is False


# Size, codes, shares


def test_the_size_is_what_was_told_last() -> None:
    exposures = [
        *HEADS,
        period("hours_worked", 365, 0, 6000.0),
        period("payroll", 365, 182.5, 1e6),
        period("payroll", 365, 182.5, 2e6) | {"recorded_at": ago(90)},
    ]
    found = facts(exposures=exposures)
    assert found["headcount"] == 200.0
    assert found["hours_worked"] == pytest.approx(6000 * 365.25 / 365)
    assert found["payroll"] == pytest.approx(2e6 * 365.25 / 182.5)
    assert (found["project_cost"], found["revenue"], found["insured_value"]) == (None, None, None)
    policy = [row(900, policy_id="p", ends=ago(-100), headcount=50.0)]
    assert facts(policies=policy, exposures=exposures[2:])["headcount"] == 50.0
    assert facts(exposures=exposures[2:])["headcount"] == pytest.approx(3.0 * 365.25 / 365)


@pytest.mark.parametrize("level", ["none", "3", "2", "1"])
def test_a_standardisation_level_is_told_by_its_code(level: str) -> None:
    assert facts(standardisation=[row(900, level="3"), row(9, level=level)])["standardisation"] == level


@pytest.mark.parametrize("rating", ["AA", "A", "B", "C", "bad"])
def test_a_credit_rating_is_told_by_its_code(rating: str) -> None:
    found = facts(credit=[row(9, rating=rating, blacklisted=rating == "bad", repaired=False)])
    assert (found["credit"], found["blacklisted"]) == (rating, rating == "bad")


def test_no_share_of_what_is_required_is_above_all_of_it() -> None:
    found = facts(trainings=[row(9, training_id="t", **COME)], certificates=[row(9, kind="k", held=9.0, required=4.0)])
    assert (found["training_coverage"], found["certificate_coverage"]) == (1.0, 1.0)
    assert facts(trainings=[row(400, training_id="t", **COME)])["training_coverage"] is None


def test_who_it_is_comes_from_the_version_that_was_known() -> None:
    told = {"process": "dressing", "region": "north", "founded": datetime(2001, 5, 4, tzinfo=UTC)}
    later = [row(2000, **FIRM), row(2000, 1000, industry="mining", **told)]
    found = facts(enterprises=later)
    assert [found[name] for name in ("industry", "process", "region", "founded")] == [
        "mining", "dressing", "north", date(2001, 5, 4),
    ]  # fmt: skip
    found = facts(ago(1001), enterprises=later)
    assert [found[name] for name in ("industry", "process", "region", "founded")] == ["food", None, None, None]


def test_claims_are_taken_at_their_latest_valuation() -> None:
    def claim(name: str, days: float, valued: float, paid: float, reserved: float) -> dict[str, Any]:
        told = {"claim_id": name, "valued_at": ago(valued), "paid": paid, "reserved": reserved}
        return row(days, days - valued, **told)

    claims = [claim("c", 500, 400, 10.0, 90.0), claim("c", 500, 100, 70.0, 20.0), claim("old", 1100, 900, 5.0, 0.0)]
    found = facts(claims=claims)
    assert (found["claims_3y"], found["incurred_3y"]) == (1.0, 90.0)
    assert facts(ago(101), claims=claims)["incurred_3y"] == pytest.approx(105.0)


# One and many; evidence


def test_facts_of_one_are_its_facts_of_many(risk_world: RiskWorld) -> None:
    view, ids = risk_world.lake.at(), [*risk_world.ids, "nobody"]
    moments = [datetime(2024, month, 1, tzinfo=UTC) for month in (1, 4, 9)]
    pairs = [(one, moment) for moment in moments for one in ids]
    many = facts_of(view, [one for one, _ in pairs], np.array([micros(moment) for _, moment in pairs]))
    assert many.num_rows == len(pairs)
    assert sum(value is not None for value in many.column("headcount").to_pylist()) > 20
    for place in range(0, len(pairs), 5):
        one, moment = pairs[place]
        alone = facts_of(view, [one], np.array([micros(moment)]))
        assert alone.schema == many.schema
        assert alone.equals(many.slice(place, 1)), one
    nobody = many.slice(len(ids) - 1, 1).to_pylist()[0]
    assert set(nobody.values()) == {None}


def test_a_rulebook_is_given_decimals_and_no_blanks() -> None:
    columns = pa.table({"headcount": [12.0], "training_coverage": [1 / 3], "blacklisted": [False], "credit": [None]})
    found = facts_at(columns, 0, NOW, "CNY")
    assert {name: one.value for name, one in found.items()} == {
        "headcount": Decimal(12), "training_coverage": Decimal("0.3333333333"), "blacklisted": False,
    }  # fmt: skip
    assert found.value("credit") is None
    assert list(facts_at(columns, 0, NOW, "CNY", ["blacklisted", "award"])) == ["blacklisted"]


def test_evidence_names_the_rows_that_were_known(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake", create=True, buckets=1)
    hurt = [row(100 + day, 1, accident_id=f"a-{day:02d}", **HURT) for day in range(7)]
    hurt.append(row(50, 45, accident_id="late", **HURT))
    other = row(60, accident_id="theirs", **HURT) | {"enterprise_id": "other"}
    firms = [row(900, **FIRM), row(900, **FIRM) | {"enterprise_id": "other"}]
    heads = [period("headcount", 465, 100, 12.0), period("payroll", 465, 100, 1e6)]
    for contract, rows in ((ENTERPRISES, firms), (ACCIDENTS, [*hurt, other]), (EXPOSURES, heads)):
        lake.append_rows(contract, pa.Table.from_pylist(rows, schema=contract.arrow), NOW, "test")
    view, at = lake.at(), ago(10)
    found = facts_at(facts_of(view, ["e"], np.array([micros(at)])), 0, at, "CNY")
    told = with_evidence(found, view, "e", at)
    assert {name: one.value for name, one in told.items()} == {name: one.value for name, one in found.items()}
    said = told["accidents_1y"].evidence
    assert said.startswith("accidents: a-00 of 2024-09-23, recorded 2024-09-24; a-01 of ")
    assert said.endswith(" and 2 earlier")
    assert "late" not in said and "theirs" not in said
    assert "late of 2024-11-12, recorded 2024-12-27" in with_evidence(found, view, "e", NOW)["clean_years"].evidence
    assert told["headcount"].evidence == "exposures: headcount of 2024-09-23, recorded 2024-09-23"
    assert told["payroll"].evidence == "exposures: payroll of 2024-09-23, recorded 2024-09-23"
    assert told["claims_3y"].evidence == "claims: no rows known by 2024-12-22"
    assert told["industry"].evidence == "enterprises: 2022-07-16 of 2022-07-16, recorded 2022-07-16"


def test_evidence_names_the_rows_that_a_fact_counts(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake", create=True, buckets=1)
    rows: dict[str, list[dict[str, Any]]] = {
        "enterprises": [row(2000, **FIRM)],
        "accidents": [row(days, accident_id=f"{days} d", **HURT) for days in (10, 400, 800, 1200)],
        "policies": [row(900, policy_id="p-1", ends=ago(-100), headcount=50.0), row(800, policy_id="p-2", ends=ago(-50))],
        "exposures": [period("hours_worked", 365, 0, 4000.0)],
        "hazards": [
            hazard("overdue", 100, 70), hazard("major", 90, 70, grade="major"), hazard("done", 100, 70, rectified=80),
            hazard("own", 100, 90, rectified=95, found_by="self"), hazard("open", 10, -20, supervised=True),
        ],
        "inspections": [
            row(30, visit_id="let in", visitor="insurer", mode="on_site", outcome="done"),
            row(20, visit_id="refused", visitor="insurer", mode="on_site", outcome="refused"),
        ],
    }  # fmt: skip
    for name, some in rows.items():
        contract = ENTERPRISE_TABLES[name]
        lake.append_rows(contract, pa.Table.from_pylist(some, schema=contract.arrow), NOW, "test")
    view = lake.at()
    told = with_evidence(facts_at(facts_of(view, ["e"], np.array([micros(NOW)])), 0, NOW, "CNY"), view, "e", NOW)

    def named(fact: str) -> list[str]:
        _, _, said = told[fact].evidence.partition(": ")
        return [one.split(" of ")[0] for one in said.split("; ")]

    assert (named("accidents_1y"), named("accidents_ordinary_1y")) == (["10 d"], ["10 d"])
    assert named("accidents_3y") == ["10 d", "400 d", "800 d"]
    assert named("accident_rate_change_1y") == ["10 d", "400 d"]
    assert named("clean_years") == ["10 d", "400 d", "800 d", "1200 d"]
    assert told["headcount"].evidence.startswith("policies: p-1 of ") and told["headcount"].value == 50
    assert named("overdue_hazards") == ["major", "overdue"]
    assert (named("overdue_major_hazards"), named("supervised_open"), named("self_reports_1y")) == (
        ["major"],
        ["open"],
        ["own"],
    )
    assert named("rectification_rate") == ["open", "major", "overdue", "done"]
    assert named("refused_visits_1y") == ["refused"]
    early = with_evidence(told, view, "e", ago(30))
    assert early["refused_visits_1y"].evidence == "inspections: no such row among 1 known by 2024-12-02"
    # What is counted is as many as are named.
    for fact in ("accidents_1y", "accidents_3y", "overdue_hazards", "overdue_major_hazards", "self_reports_1y"):
        assert told[fact].value == len(named(fact)), fact
