"""The one cut through history, against a row-by-row reading of its rule; order against Arrow's own sort."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.clock import in_order, known_at, micros, recorded_by
from features.schema import EVENTS

START = datetime(2023, 1, 1, tzinfo=UTC)


def hours(count: int) -> datetime:
    return START + timedelta(hours=count)


@st.composite
def histories(draw: st.DrawFn) -> pa.Table:
    """Event rows with up to a few versions per key, each recorded at its own time, shuffled."""
    texts = st.sampled_from(["m1", "m10", "m2", "M1", "机1", "é"])
    keys = draw(st.lists(st.tuples(texts, st.integers(0, 5), texts), max_size=8, unique=True))
    rows: list[dict[str, Any]] = []
    for machine, event, code in keys:
        for recorded in draw(st.sets(st.integers(0, 9), min_size=1, max_size=3)):
            row = {"machine_id": machine, "event_time": hours(event), "recorded_at": hours(recorded), "code": code}
            rows.append({**row, "severity": float(recorded)})
    return pa.Table.from_pylist(draw(st.permutations(rows)), schema=EVENTS.arrow)


@settings(deadline=None)
@given(histories())
def test_order_is_that_of_the_values(table: pa.Table) -> None:
    keys = [(name, "ascending") for name in ("machine_id", "event_time", "code", "recorded_at")]
    ordered = in_order(table, EVENTS)
    assert ordered.equals(table.take(pc.sort_indices(table, sort_keys=keys)))
    assert in_order(ordered, EVENTS) is ordered


@settings(deadline=None)
@given(histories(), st.integers(-1, 10))
def test_known_at_follows_the_rule_row_by_row(table: pa.Table, as_of_hour: int) -> None:
    as_of = hours(as_of_hour)
    newest: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in sorted(table.to_pylist(), key=lambda row: row["recorded_at"]):
        if row["recorded_at"] <= as_of and row["event_time"] <= as_of:
            newest[row["machine_id"], row["event_time"], row["code"]] = row
    known = known_at(table, EVENTS, as_of).to_pylist()
    in_key_order = sorted(newest, key=lambda key: (key[0].encode(), key[1], key[2].encode()))
    assert known == [newest[key] for key in in_key_order]
    # Rows recorded later change nothing.
    assert known_at(recorded_by(table, as_of), EVENTS, as_of).to_pylist() == known


def test_microseconds_of_a_moment() -> None:
    assert micros(datetime(1970, 1, 1, 8, tzinfo=timezone(timedelta(hours=8)))) == 0
    with pytest.raises(ValueError, match="time without zone"):
        micros(datetime(2023, 1, 1))  # noqa: DTZ001
