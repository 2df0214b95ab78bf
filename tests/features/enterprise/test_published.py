"""The published tables of enterprises: as the slow oracle has them, the same without what came later, brought up to date."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from features.clock import micros, times
from features.enterprise import machine_risk, publish
from features.enterprise.history import from_tables
from features.enterprise.industry_rates import TABLES, Rates
from features.enterprise.published import CASE_RATES, INDUSTRY_RATES, MACHINE_RISK
from features.enterprise.schema import ACCIDENTS, ENTERPRISE_TABLES
from features.lake import Lake
from features.schema import EVENT_TIME, MACHINE_SCORES, MACHINES
from tests.oracles import slow_published
from tests.properties.histories import START, Tables, table
from tests.properties.portfolios import ENTERPRISES, portfolios

MONTHS = [START + timedelta(days=day) for day in (0, 31, 300, 700, 1200, 1400)]
GENERATED = (Phase.explicit, Phase.reuse, Phase.generate)


def rates_of(tables: Tables, months: list[datetime]) -> pa.Table:
    """The table from enterprises that came in two buckets."""
    made = Rates(np.array([micros(month) for month in months]))
    for name in ENTERPRISES:
        made.add(from_tables(tables, [name]))
    return made.table()


def recorded_by(tables: Tables, moment: datetime) -> Tables:
    known = {name: np.maximum(times(one, EVENT_TIME), times(one, "recorded_at")) for name, one in tables.items()}
    return {name: one.filter(pa.array(known[name] <= micros(moment))) for name, one in tables.items()}


@given(portfolios(dense=2.0))
@settings(max_examples=30, deadline=None, phases=GENERATED)
def test_industry_rates_are_those_of_the_oracle(tables: Tables) -> None:
    rows = {name: tables[name].to_pylist() for name in TABLES}
    found = rates_of(tables, MONTHS).to_pylist()
    for month in MONTHS:
        expected = slow_published.rates(rows, month)
        mine = {row["industry_group"]: row for row in found if row["event_time"] == month}
        assert set(mine) == set(expected)
        for group, numbers in expected.items():
            told = {name: mine[group][name] for name in numbers}
            assert told == pytest.approx(numbers, rel=1e-9), group
            assert mine[group]["recorded_at"] == month
            missing = {name for name, value in mine[group].items() if value is None}
            assert missing == set() if "rate" in numbers else "rate" in missing


@given(portfolios(), st.integers(1, len(MONTHS)))
@settings(max_examples=30, deadline=None, phases=GENERATED)
def test_a_month_is_what_was_known_by_then(tables: Tables, count: int) -> None:
    whole = rates_of(tables, MONTHS)
    early = rates_of(recorded_by(tables, MONTHS[count - 1]), MONTHS[:count])
    same = whole.filter(pa.array(times(whole, EVENT_TIME) <= micros(MONTHS[count - 1])))
    assert same.drop(["rows_known"]).equals(early.drop(["rows_known"]))
    assert same.equals(early)


@st.composite
def fleets(draw: st.DrawFn) -> Tables:
    """Machines that come, go from one enterprise to another, and are scored now and then, some scores late."""
    random = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    machines = [
        (f"m{number}", 0.0, 24.0 * delay, "k", [None, *ENTERPRISES][random.integers(3)])
        for number in range(5)
        for delay in [0.0, 40.0][: random.integers(0, 3)]
    ]
    scores = [
        (
            f"m{random.integers(5)}",
            12.0 * random.integers(0, 200),
            12.0 * random.choice([0, 0, 1, 90]),
            f"s{number}",
            "b",
            *chances,
        )
        for number in range(random.integers(0, 40))
        for chances in [(*np.sort(random.choice([0.0, 0.01, 0.06, 0.3], 3)).tolist(), 0.0, 1.0, bool(random.random() < 0.3))]
    ]
    columns = [column.name for column in MACHINE_SCORES.own]
    return {
        "machines": table(MACHINES, machines, ["kind", "enterprise_id"]),
        "machine_scores": table(MACHINE_SCORES, scores, columns),
    }


def risk_of(tables: Tables) -> pa.Table:
    """The table from machines that came in two buckets."""
    late = [pc.greater(tables[name].column("machine_id"), "m2") for name in ("machines", "machine_scores")]
    both = [tables["machines"], tables["machine_scores"]]
    cuts = [[pc.invert(one) for one in late], late]
    return machine_risk.made(tuple(table.filter(one) for table, one in zip(both, cut, strict=True)) for cut in cuts)


@given(fleets())
@settings(max_examples=60, deadline=None, phases=GENERATED)
def test_machine_risk_is_that_of_the_oracle(tables: Tables) -> None:
    rows = {name: one.to_pylist() for name, one in tables.items()}
    found = risk_of(tables)
    for row in found.to_pylist():
        expected = slow_published.risk(rows, row["enterprise_id"], row["event_time"])
        assert {name: row[name] for name in expected} == pytest.approx(expected, rel=1e-9)
        assert all(row[name] is None for name in machine_risk.NUMBERS if name not in expected)
    # Where no row was made nothing but the passing of time has changed anything.
    for name in ENTERPRISES:
        told = {row["event_time"]: row for row in found.to_pylist() if row["enterprise_id"] == name}
        before: dict[str, float] = {"machines": 0.0, "scored": 0.0}
        for day in range(150):
            moment = START + timedelta(days=day)
            now = slow_published.risk(rows, name, moment)
            if moment not in told:
                assert now["machines"] == before["machines"] and now["scored"] <= before["scored"]
            before = now


@given(fleets(), st.integers(0, 140))
@settings(max_examples=40, deadline=None, phases=GENERATED)
def test_a_day_of_machine_risk_is_what_was_known_by_then(tables: Tables, day: int) -> None:
    moment = START + timedelta(days=day)
    whole = risk_of(tables)
    early = recorded_by(tables, moment)
    made = risk_of(early)
    assert whole.filter(pa.array(times(whole, EVENT_TIME) <= micros(moment))).equals(
        made.filter(pa.array(times(made, EVENT_TIME) <= micros(moment)))
    )


def test_whose_scores_count_is_told() -> None:
    rows = [
        ("m1", 0.0, 0.0, "s1", "old"),
        ("m1", 24.0, 0.0, "s2", "new"),
        ("m2", 0.0, 0.0, "s3", "old"),
        ("m2", 24.0, 99.0, "s4", "new"),
    ]
    whole = [(*row, 0.1, 0.1, 0.1, 0.0, 1.0, False) for row in rows]
    scores = table(MACHINE_SCORES, whole, [column.name for column in MACHINE_SCORES.own])
    assert machine_risk.upstream(scores, START + timedelta(days=2)) == {"new": 0.5, "old": 0.5}
    assert machine_risk.upstream(scores, START + timedelta(days=2), ["m1"]) == {"new": 1.0}
    assert machine_risk.upstream(scores, START - timedelta(days=2)) == {}


# Published into a lake


def accident(name: str, happened: datetime, recorded: datetime, number: str) -> pa.Table:
    row = {
        "enterprise_id": name,
        EVENT_TIME: happened,
        "recorded_at": recorded,
        "accident_id": number,
        "deaths": 0.0,
        "injuries": 1.0,
    }
    return pa.Table.from_pylist([{column: row.get(column) for column in ACCIDENTS.arrow.names}], schema=ACCIDENTS.arrow)


def lake_of(path: Path, tables: Tables) -> Lake:
    lake = Lake.open(path, create=True, buckets=2)
    for name, rows in tables.items():
        if name in ENTERPRISE_TABLES or name in ("machines", "machine_scores"):
            contract = ENTERPRISE_TABLES.get(name) or {"machines": MACHINES, "machine_scores": MACHINE_SCORES}[name]
            lake.replace(contract, rows.cast(contract.arrow), "test")
    return lake


def portfolio() -> Tables:
    enterprises = [(name, 0.0, 0.0, "food", None, None) for name in ENTERPRISES]
    periods = [
        (name, 24.0 * 30 * month, 0.0, "hours_worked", START + timedelta(days=30 * (month - 1)), 5000.0)
        for name in ENTERPRISES
        for month in range(1, 20)
    ]
    tables = {
        "enterprises": table(ENTERPRISE_TABLES["enterprises"], enterprises, ["industry", "process", "region"]),
        "exposures": table(ENTERPRISE_TABLES["exposures"], periods, ["basis", "starts", "amount"]),
    }
    day = START + timedelta(days=40)
    return tables | {"accidents": accident("e1", day, day, "a1")}


def test_a_late_row_makes_later_months_anew_and_leaves_the_others(tmp_path: Path) -> None:
    tables = portfolio()
    lake = lake_of(tmp_path / "lake", tables)
    made = publish.publish(lake)
    before = lake.read("industry_rates")
    assert made == {"industry_rates": before.num_rows, "case_rates": 0, "machine_risk": 0}
    assert publish.publish(lake) == {"industry_rates": 0, "case_rates": 0, "machine_risk": 0}
    late = accident("e2", START + timedelta(days=100), datetime(2025, 3, 7, tzinfo=UTC), "a2")
    lake.append_rows(ACCIDENTS, late, datetime(2025, 3, 7, tzinfo=UTC), "test")
    assert publish.publish(lake)["industry_rates"] == 2 * 4  # April to July, all and the industry
    after = lake.read("industry_rates")
    assert after.num_rows == before.num_rows
    april = micros(datetime(2025, 4, 1, tzinfo=UTC))
    old, new = (one.filter(pa.array(times(one, EVENT_TIME) < april)) for one in (before, after))
    assert old.equals(new) and not before.equals(after)
    fresh = lake_of(tmp_path / "fresh", tables | {"accidents": pa.concat_tables([tables["accidents"], late])})
    publish.publish(fresh)
    assert fresh.read("industry_rates").equals(after)


def test_a_lake_without_enterprises_publishes_nothing(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake", create=True)
    assert publish.publish(lake) == {INDUSTRY_RATES.name: 0, CASE_RATES.name: 0, MACHINE_RISK.name: 0}
    assert lake.tables() == []
