"""Grids and cohorts: who is looked at, and when."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import BadInput
from features.observations import SCHEMA, Grid, at, entities, grid_of, observations
from features.schema import COVERAGE, MACHINE, MACHINES

DAY = datetime(2024, 5, 1, tzinfo=UTC)


def hour(hours: float) -> datetime:
    return DAY + timedelta(hours=hours)


def machines(*rows: tuple[str, float, float]) -> pa.Table:
    """(machine, event hour, recorded hour)."""
    full = [{MACHINE: name, "event_time": hour(event), "recorded_at": hour(recorded)} for name, event, recorded in rows]
    return _table(MACHINES.arrow, full, kind="k")


def coverage(*rows: tuple[str, float]) -> pa.Table:
    return _table(COVERAGE.arrow, [{MACHINE: name, "event_time": hour(end), "recorded_at": hour(end)} for name, end in rows])


def _table(schema: pa.Schema, rows: list[dict[str, Any]], **same: str) -> pa.Table:
    loose = pa.schema([(field.name, field.type) for field in schema])
    return pa.Table.from_pylist([{name: {**row, **same}.get(name) for name in loose.names} for row in rows], schema=loose)


def pairs(table: pa.Table) -> list[tuple[str, float]]:
    assert table.schema == SCHEMA
    return [(row[MACHINE], (row["as_of"] - DAY) / timedelta(hours=1)) for row in table.to_pylist()]


def test_a_machine_is_looked_at_from_when_it_is_known_until_it_is_no_longer_watched() -> None:
    made = observations(machines(("a", 0, 0), ("b", 5, 30)), coverage(("a", 48), ("b", 49)), Grid(every_hours=24))
    assert pairs(made) == [("a", 0), ("a", 24), ("b", 48)]


def test_the_grid_stands_on_the_calendar_or_on_the_machine() -> None:
    fleet, ends = machines(("a", 5, 5)), coverage(("a", 54))
    assert pairs(observations(fleet, ends, Grid(every_hours=24))) == [("a", 24), ("a", 48)]
    assert pairs(observations(fleet, ends, Grid(every_hours=24, anchor="machine"))) == [("a", 5), ("a", 29), ("a", 53)]


def test_bounds_are_included() -> None:
    grid = Grid(every_hours=12, start=hour(12), end=hour(36))
    assert pairs(observations(machines(("a", 0, 0)), coverage(("a", 99)), grid)) == [("a", 12), ("a", 24), ("a", 36)]


def test_a_corrected_start_does_not_take_the_machine_out_again() -> None:
    fleet = machines(("a", 0, 0), ("a", 0, 30))
    assert [when for _, when in pairs(observations(fleet, coverage(("a", 50)), Grid()))] == [0, 24, 48]


def test_the_latest_coverage_counts() -> None:
    assert len(pairs(observations(machines(("a", 0, 0)), coverage(("a", 20), ("a", 50)), Grid()))) == 3


def test_without_coverage_the_last_reading_ends_it() -> None:
    seen = coverage(("a", 24))
    made = observations(machines(("a", 0, 0), ("b", 0, 0)), coverage(), Grid(), last_seen=seen)
    assert pairs(made) == [("a", 0), ("a", 24)]


def test_without_any_end_nobody_is_watched_unless_the_grid_ends() -> None:
    assert pairs(observations(machines(("a", 0, 0)), coverage(), Grid())) == []
    assert len(pairs(observations(machines(("a", 0, 0)), coverage(), Grid(end=hour(24))))) == 2


@given(
    st.floats(-200, 200), st.floats(0, 300), st.sampled_from([1.0, 7.0, 24.0, 36.5]), st.sampled_from(["calendar", "machine"])
)  # fmt: skip
def test_the_arithmetic_is_that_of_a_plain_loop(start: float, length: float, every: float, anchor: str) -> None:
    first, end = round(start * 4) / 4, round((start + length) * 4) / 4
    grid = Grid.model_validate({"every_hours": every, "anchor": anchor})
    made = pairs(observations(machines(("a", first, first)), coverage(("a", end)), grid))
    since = DAY - datetime(1970, 1, 1, tzinfo=UTC)
    zero = first if anchor == "machine" else -(since / timedelta(hours=1))
    moments = zero + every * np.arange(np.ceil((first - zero) / every), np.ceil((end - zero) / every))
    assert [when for _, when in made] == pytest.approx(moments.tolist())


def test_a_naive_bound_is_refused() -> None:
    with pytest.raises(ValueError, match="timezone"):
        Grid(start=datetime(2024, 1, 1))  # noqa: DTZ001 - the point of the test


def test_a_grid_from_the_command_line() -> None:
    assert grid_of("7d", datetime(2024, 1, 1), None, "machine") == Grid(  # noqa: DTZ001 - as typed, without a zone
        every_hours=168, start=datetime(2024, 1, 1, tzinfo=UTC), anchor="machine"
    )
    assert grid_of("12", None, None, "calendar").every_hours == 12
    for every, anchor, culprit in (("x", "calendar", "--every"), ("-3h", "calendar", "--every"), ("3h", "moon", "--anchor")):
        with pytest.raises(BadInput) as raised:
            grid_of(every, None, None, anchor)
        assert raised.value.where == culprit


def test_observations_find_their_machines() -> None:
    table = at(["b", "a"], hour(1))
    assert pairs(table) == [("a", 1), ("b", 1)]
    entity, as_of = entities(table, ["b", "c"])
    assert entity.tolist() == [-1, 0]
    assert as_of.tolist() == [int(hour(1).timestamp() * 1e6)] * 2
    plain = pa.table({MACHINE: ["b", None, "b"], "as_of": pa.array([hour(0)] * 3, pa.timestamp("us", tz="UTC"))})
    assert entities(plain, ["b"])[0].tolist() == [0, -1, 0]
    assert entities(pa.concat_tables([table, at(["c"], hour(2))]), ["a", "b", "c"])[0].tolist() == [0, 1, 2]
    assert entities(table.slice(0, 0), ["a"])[0].tolist() == []
