"""Maintenance, component age and visits, drawn as small tables: hour and what happened, then what is told at hour 100."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from features.catalog import catalog
from features.history import from_tables
from features.online import vector
from features.schema import FIXED
from tests.properties.histories import REGULAR, START, table

Repair = tuple[float, float, str, str | None]


def told(repairs: list[Repair], failures: list[tuple[float, float, str]] | None = None) -> dict[str, float]:
    """Features at hour 100 from rows of (hour, delay, component, action) and (hour, delay, component)."""
    tables: dict[str, pa.Table] = {
        "machines": table(FIXED["machines"], [("m1", 0.0, 0.0, "regular")], ["kind"]),
        "maintenance": table(FIXED["maintenance"], [("m1", *row) for row in repairs], ["component", "action"]),
        "failures": table(FIXED["failures"], [("m1", *row) for row in failures or []], ["component"]),
    }
    found = vector(catalog(REGULAR), from_tables(REGULAR, tables, ["m1"]), START + timedelta(hours=100))
    return dict(zip(catalog(REGULAR).names, found.tolist(), strict=True))


@pytest.mark.parametrize(
    ("action", "age"),
    [(None, 20.0), ("planned", 20.0), ("corrective", 20.0), ("Replace", 20.0), ("inspect", 60.0), ("Lubricate", 60.0)],
)
def test_maintenance_renews_a_component_unless_the_part_stayed(action: str | None, age: float) -> None:
    features = told([(40, 0, "c1", None), (80, 0, "c1", action)])
    assert features["c1_age"] == age
    assert features["c1_maintenance_since"] == 20.0
    assert np.isnan(features["c2_age"])


def test_a_failure_renews_what_failed_once_it_is_known() -> None:
    features = told([(10, 0, "c1", None)], [(70, 0, "c1"), (90, 30, "c1")])
    assert (features["c1_age"], features["c1_failure_count"], features["c1_failure_since"]) == (30.0, 1.0, 30.0)
    assert (features["failure_count"], features["c2_failure_count"]) == (1.0, 0.0)


def test_youngest_and_oldest_component() -> None:
    features = told([(10, 0, "c1", None), (60, 0, "c2", None), (70, 0, "c2", "inspect")])
    assert (features["component_age_youngest"], features["component_age_oldest"]) == (40.0, 90.0)


def test_the_rhythm_of_visits_is_the_commonest_gap() -> None:
    # Every 20 hours; the visit at 70 was skipped, that at 50 served two components, one at 95 is not known yet.
    visits = [(10, 0, "c1", None), (30, 0, "c2", None), (50, 0, "c1", None), (50, 0, "c2", None), (90, 0, "c1", None)]
    features = told([*visits, (95, 30, "c2", None)])
    assert (features["visit_gap"], features["visit_next"]) == (20.0, 10.0)
    assert (features["c1_age_at_next"], features["c2_age_at_next"]) == (20.0, 60.0)


def test_nothing_known_is_nothing_told() -> None:
    features = told([(50, 60, "c1", None)])
    assert features["maintenance_count_720h"] == 0.0
    assert all(
        np.isnan(features[name]) for name in ("maintenance_since", "c1_age", "visit_gap", "visit_next", "c1_age_at_next")
    )
