"""The case library's table: as the slow oracle has it, unmoved by what is published later, brought up to date in a lake."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from features.clock import micros, recorded_by, times
from features.enterprise import case_rates, publish
from features.enterprise.schema import CASES, ENTERPRISE_TABLES
from features.lake import Lake
from features.schema import EVENT_TIME, RECORDED_AT
from tests.features.enterprise.test_published import lake_of, portfolio
from tests.oracles import slow_published
from tests.properties.histories import START, Features, Tables, breaks_law, table
from tests.properties.libraries import COLUMNS, MONTHS, libraries
from tests.properties.portfolios import honest, looks, portfolios

GENERATED = (Phase.explicit, Phase.reuse, Phase.generate)
SEARCH = settings(max_examples=100, deadline=None, database=None, derandomize=True, phases=(Phase.generate,))


def made(rows: pa.Table, months: list[datetime]) -> pa.Table:
    return case_rates.made(rows, np.array([micros(month) for month in months], dtype=np.int64))


@given(libraries())
@settings(max_examples=40, deadline=None, phases=GENERATED)
def test_case_rates_are_those_of_the_oracle(rows: pa.Table) -> None:
    found, listed = made(rows, MONTHS).to_pylist(), rows.to_pylist()
    for month in MONTHS:
        expected = slow_published.cases(listed, month)
        mine = {row["industry_group"]: row for row in found if row["event_time"] == month}
        assert set(mine) == set(expected)
        for group, numbers in expected.items():
            latest = {name for name in numbers if name.startswith("latest_")}
            assert all(mine[group][name] == numbers[name] for name in latest), group
            rest = {name: value for name, value in numbers.items() if name not in latest}
            assert {name: mine[group][name] for name in rest} == pytest.approx(rest, rel=1e-9), group
            clocks = {"industry_group", "event_time", "recorded_at", "rows_known"}
            assert all(value is None for name, value in mine[group].items() if name not in clocks | set(numbers)), group
            assert mine[group]["recorded_at"] == month


@given(libraries(), st.integers(1, len(MONTHS)))
@settings(max_examples=40, deadline=None, phases=GENERATED)
def test_a_month_is_what_was_published_by_then(rows: pa.Table, count: int) -> None:
    last = MONTHS[count - 1]
    whole, early = made(rows, MONTHS), made(recorded_by(rows, last), MONTHS[:count])
    assert whole.filter(pa.array(times(whole, EVENT_TIME) <= micros(last))).equals(early)


def test_nothing_is_said_before_the_first_case_and_of_an_industry_without_one_that_it_has_none() -> None:
    case = ("food", 0.0, 24.0 * 40, "c1", "canning", "fire", 1.0, 0.0, None, None)
    early, late = (made(table(CASES, [case], COLUMNS), [START + timedelta(days=day)]) for day in (31, 59))
    assert early.num_rows == late.num_rows - 1 == 21
    assert set(early.column("count_3y").to_pylist()) == {None} and set(early.column("rows_known").to_pylist()) == {0}
    told = {row["industry_group"]: row for row in late.to_pylist()}
    assert told["mining"]["count_3y"] == 0.0 and told["food"]["count_3y"] == 1.0 and told["food/canning"]["count_3y"] == 1.0
    assert told["mining"]["deadly"] == 1.0 and told["mining"]["latest_fire_explosion"] is None
    assert told["food"]["latest_fire_explosion"] == START


# Features through the table


def through(library: pa.Table, publishing: Features) -> Features:
    """Features of a portfolio beside this library; what of both is known is cut together."""

    def features(tables: Tables, as_of: datetime) -> np.ndarray:
        return publishing(tables | {"cases": tables.get("cases", library)}, as_of)

    return features


def published(tables: Tables, as_of: datetime) -> np.ndarray:
    """The features, with the table made of the cases that the history holds."""
    months = [month for month in MONTHS if month <= as_of]
    return honest(
        {name: rows for name, rows in tables.items() if name != "cases"} | {"case_rates": made(tables["cases"], months)}, as_of
    )


def at_its_event(tables: Tables, as_of: datetime) -> np.ndarray:
    """A planted leak: a case counts from the accident on, months before it is published."""
    rows = tables["cases"]
    early = rows.set_column(rows.schema.get_field_index(RECORDED_AT), rows.schema.field(RECORDED_AT), rows.column(EVENT_TIME))
    return published(tables | {"cases": early}, as_of)


@given(data=st.data())
@settings(max_examples=12, deadline=None)
def test_features_see_no_case_before_it_is_published(data: st.DataObject) -> None:
    tables: Tables = data.draw(portfolios()) | {"cases": data.draw(libraries())}
    assert breaks_law(published, tables, data.draw(looks), seed=data.draw(st.integers(0, 99))).size == 0


def test_a_case_seen_at_its_event_breaks_the_law() -> None:
    look = START + timedelta(days=320)

    def caught(tables: Tables) -> bool:
        return bool(breaks_law(at_its_event, tables, look).size)

    found = find(st.builds(lambda tables, cases: tables | {"cases": cases}, portfolios(), libraries()), caught, settings=SEARCH)
    assert not breaks_law(published, found, look).size


# In a lake


def test_a_case_published_late_makes_the_later_months_anew(tmp_path: Path) -> None:
    day = START + timedelta(days=3)
    row = {"industry": "food", EVENT_TIME: day, RECORDED_AT: day, "case_id": "c1", "cause": "fire", "deaths": 1.0}

    def cases(*rows: dict[str, object]) -> pa.Table:
        return pa.Table.from_pylist([{name: one.get(name) for name in CASES.arrow.names} for one in rows], schema=CASES.arrow)

    lake = lake_of(tmp_path / "lake", portfolio() | {"cases": cases(row)})
    assert publish.publish(lake)["case_rates"] == lake.read("case_rates").num_rows > 0
    assert publish.publish(lake)["case_rates"] == 0
    before, march = lake.read("case_rates"), datetime(2025, 3, 7, tzinfo=UTC)
    late = row | {EVENT_TIME: START - timedelta(days=300), RECORDED_AT: march, "case_id": "c2"}
    lake.append_rows(CASES, cases(late), march, "test")
    assert publish.publish(lake)["case_rates"] == 22 - 1 + 3 * 21
    after = lake.read("case_rates")
    april = micros(datetime(2025, 4, 1, tzinfo=UTC))
    old, new = (one.filter(pa.array(times(one, EVENT_TIME) < april)) for one in (before, after))
    assert old.equals(new) and not before.equals(after)
    fresh = lake_of(tmp_path / "fresh", portfolio() | {"cases": cases(row, late)})
    publish.publish(fresh)
    assert fresh.read("case_rates").equals(after)


def test_a_library_without_enterprises_is_published_once_there_are_some(tmp_path: Path) -> None:
    case = table(CASES, [("food", 0.0, 72.0, "c1", None, "fire", 1.0, 0.0, None, None)], COLUMNS)
    lake = Lake.open(tmp_path / "lake", create=True, buckets=2)
    lake.replace(CASES, case.cast(CASES.arrow), "test")
    assert publish.publish(lake)["case_rates"] == 0
    for name, rows in portfolio().items():
        lake.replace(ENTERPRISE_TABLES[name], rows.cast(ENTERPRISE_TABLES[name].arrow), "test")
    assert publish.publish(lake)["case_rates"] > 0
