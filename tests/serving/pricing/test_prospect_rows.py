"""Facts stated by a prospect, as rows: the facts computed from them are those that were stated."""

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.clock import micros
from features.enterprise.catalog import catalog
from features.errors import BadInput
from serving.pricing.enterprise_facts import fact_columns
from serving.pricing.prospect_rows import features_of, made_history
from serving.underwriting.facts import VOCABULARY

AS_OF = micros(datetime(2026, 1, 1, tzinfo=UTC))
TYPES = {"number": pa.float64(), "code": pa.string(), "flag": pa.bool_(), "date": pa.date32()}
ROWS = st.fixed_dictionaries(
    {"industry": st.sampled_from(["mining", "food", "construction"]), "record_years": st.integers(5, 9).map(float)},
    optional={
        "process": st.just("dressing"),
        "region": st.sampled_from(["north", "south"]),
        "founded": st.just(date(2001, 5, 4)),
        "headcount": st.integers(1, 5000).map(float),
        "payroll": st.integers(1, 10**9).map(float),
        "hours_worked": st.integers(1, 10**7).map(float),
        "standardisation": st.sampled_from(["none", "3", "2", "1"]),
        "credit": st.sampled_from(["AA", "A", "B", "C", "bad"]),
        "violations_1y": st.integers(0, 9).map(float),
        "refused_visits_1y": st.integers(0, 5).map(float),
        "drills_1y": st.integers(0, 9).map(float),
        "services_1y": st.integers(0, 9).map(float),
        "self_reports_1y": st.integers(0, 40).map(float),
        "permits_withdrawn": st.integers(0, 3).map(float),
        "training_coverage": st.sampled_from([0.0, 0.5, 0.9, 1.0]),
        "certificate_coverage": st.sampled_from([0.0, 0.25, 1.0]),
        "subcontracting_depth": st.integers(0, 4).map(float),
        "supervised_open": st.booleans(),
        "overdue_hazards": st.integers(3, 9).map(float),
        "overdue_major_hazards": st.integers(0, 3).map(float),
    },
)
RECORDS = st.one_of(
    st.fixed_dictionaries({"clean_years": st.integers(0, 4).map(float)}),
    st.fixed_dictionaries(
        {
            "accidents_ordinary_1y": st.integers(0, 4).map(float),
            "accidents_larger_1y": st.integers(0, 2).map(float),
            "accidents_major_1y": st.integers(0, 1).map(float),
        }
    ),
)


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.table({n: pa.array([row.get(n) for row in rows], TYPES[kind.kind]) for n, kind in VOCABULARY.items()})


@settings(deadline=None)
@given(st.lists(st.tuples(ROWS, RECORDS), min_size=1, max_size=4))
def test_facts_of_made_rows_are_the_facts_that_were_stated(drawn: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    rows = [{**one, **record} for one, record in drawn]
    as_of = np.full(len(rows), AS_OF, dtype=np.int64)
    found = fact_columns(made_history(table(rows), as_of), np.arange(len(rows)), as_of).to_pylist()
    for stated, told in zip(rows, found, strict=True):
        for name, value in stated.items():
            assert told[name] == (pytest.approx(value, rel=1e-9) if isinstance(value, float) else value), name


def test_a_rate_of_rectification_comes_back_with_the_hazards_overdue() -> None:
    row = {"industry": "food", "overdue_hazards": 2.0, "rectification_rate": 0.8}
    as_of = np.array([AS_OF])
    (told,) = fact_columns(made_history(table([row]), as_of), np.arange(1), as_of).to_pylist()
    assert (told["overdue_hazards"], told["rectification_rate"]) == (2.0, pytest.approx(0.8))


def test_hazards_overdue_beside_a_year_wholly_rectified_are_older_than_that_year() -> None:
    row = {"industry": "food", "overdue_hazards": 3.0, "overdue_major_hazards": 1.0, "rectification_rate": 1.0}
    as_of = np.array([AS_OF])
    (told,) = fact_columns(made_history(table([row]), as_of), np.arange(1), as_of).to_pylist()
    assert {name: told[name] for name in row} == row


def test_many_prospects_have_the_features_that_each_has_alone() -> None:
    rows = [{"industry": "mining", "headcount": 10.0 * n, "accidents_1y": float(n % 3)} for n in range(1, 40)]
    as_of = np.full(len(rows), AS_OF, dtype=np.int64)
    together = features_of(table(rows), as_of)
    assert together.shape == (39, len(catalog().names))
    alone = np.concatenate([features_of(table([row]), as_of[:1]) for row in rows])
    np.testing.assert_array_equal(together, alone)
    assert together[:, catalog().names.index("exposure_per_year")].tolist() == [10.0 * n for n in range(1, 40)]


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({"headcount": 5.0}, "industry is not stated"),
        ({"industry": "food", "accidents_1y": 1.0, "clean_years": 2.0}, "beside a clean year"),
        ({"industry": "food", "accidents_1y": 1.0, "accidents_larger_1y": 2.0}, "differ from the sum"),
        ({"industry": "food", "accidents_1y": 2.0, "accidents_3y": 1.0}, "fewer accidents in three years"),
        ({"industry": "food", "clean_years": 4.0, "record_years": 2.0}, "more clean years than years on record"),
        ({"industry": "food", "incurred_3y": 4.0}, "without a claim"),
        ({"industry": "food", "overdue_hazards": 0.0, "rectification_rate": 0.5}, "none is overdue"),
        ({"industry": "food", "overdue_hazards": 1.0, "overdue_major_hazards": 2.0}, "more major hazards"),
        ({"industry": "food", "accidents_1y": 10_001.0}, "more than 10000 accidents of the last year"),
        ({"industry": "food", "self_reports_1y": 3e12}, "more than 10000 hazards reported"),
        ({"industry": "food", "rectification_rate": 0.9999999}, "more than 10000 hazards beside those overdue"),
        ({"industry": "food", "record_years": 201.0}, "more than 200 years on record"),
        ({"industry": "food", "clean_years": 1e9}, "more than 200 whole years without an accident"),
        ({"industry": "food", "founded": date(1, 1, 1)}, "founded before 1700"),
        ({"industry": "food", "founded": date(2026, 1, 2)}, "after the day of the facts"),
    ],
)
def test_facts_that_cannot_all_be_true_are_refused_in_one_line(row: dict[str, Any], what: str) -> None:
    good = {"industry": "food"}
    with pytest.raises(BadInput, match=what) as error:
        made_history(table([good, row]), np.full(2, AS_OF))
    assert "row 2" in str(error.value)


@pytest.mark.parametrize("day", [date(1, 1, 1), date(1969, 12, 31), date(2201, 1, 1), date(9999, 12, 31)])
def test_facts_of_a_day_that_no_clock_shows_are_refused(day: date) -> None:
    as_of = np.array([micros(datetime(day.year, day.month, day.day, tzinfo=UTC))])
    with pytest.raises(BadInput, match="a day before 1970 or after 2200"):
        made_history(table([{"industry": "food"}]), as_of)
