"""A batch on receipt: what is refused and why, and from when its rows are known."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from features.errors import BadInput
from features.log_records import Entry
from features.receive import receive, told
from features.schema import MACHINES
from tests.features.streams import KIND, MACHINE_IDS, NOW, READINGS, hours, machines

KNOWN = dict.fromkeys(MACHINE_IDS, KIND.name)


def received(**columns: Any) -> Entry:
    count = len(next(iter(columns.values())))
    whole = {
        "machine_id": ["m1"] * count,
        "event_time": [hours(n) for n in range(count)],
        "oil": [1.0] * count,
        "force": [1.0] * count,
    }
    table = pa.table({**whole, **columns})
    return receive(READINGS, table, NOW, lambda ids: {name: KNOWN[name] for name in ids if name in KNOWN}, {KIND.name: KIND})


def recorded(entry: Entry) -> list[datetime]:
    return list(entry.rows.column("recorded_at").to_pylist())


def test_rows_without_their_own_moment_are_known_from_their_receipt() -> None:
    entry = received(oil=[1.0, 2.0])
    assert recorded(entry) == [NOW, NOW] and not entry.own_recorded
    assert entry.rows.schema == READINGS.arrow


@pytest.mark.parametrize(
    "column",
    [
        pytest.param(pa.array([hours(5), None], pa.timestamp("us", "UTC")), id="moments"),
        pytest.param(
            pa.array([hours(5).replace(tzinfo=None), None], pa.timestamp("ms")).cast(pa.timestamp("ms", "UTC")), id="coarse"
        ),
        pytest.param(pa.array([hours(5).isoformat(), None]), id="texts"),
    ],
)
def test_an_empty_recorded_at_is_the_receipt(column: pa.Array) -> None:
    entry = received(recorded_at=column)
    assert recorded(entry) == [hours(5), NOW] and entry.own_recorded


def test_an_empty_column_of_recorded_at_is_the_receipt() -> None:
    assert recorded(received(recorded_at=pa.nulls(2))) == [NOW, NOW]


def test_refused_rows_keep_their_numbers_and_reasons_come_by_how_many_they_meet() -> None:
    entry = received(
        machine_id=["m1", "ghost", "m2", "", "ghost"],
        oil=[999.0, 1.0, 2.0, 3.0, 4.0],
        event_time=[hours(1), hours(2), hours(3), hours(4), NOW + timedelta(days=1)],
    )
    assert entry.numbers().tolist() == [3]
    assert entry.refused.column("row").to_pylist() == [1, 2, 4, 5]
    said = told(entry)
    assert (said["rows"], said["taken"], said["refused"]) == (5, 1, 4)
    assert [(one["reason"], one["rows"], one["first_row"]) for one in said["reasons"]] == [
        ("above 150 °C", 1, 1),
        ("unknown machine", 1, 2),
        ("empty id", 1, 4),
        ("in the future of the import", 1, 5),
    ]


@pytest.mark.parametrize("coded", [False, True])
def test_texts_as_polars_writes_them(coded: bool) -> None:
    def view(*texts: str | None) -> pa.Array:
        found = pa.array(texts, pa.string_view())
        return pa.DictionaryArray.from_arrays(pa.array([0, 1, 2]), found) if coded else found

    entry = received(
        machine_id=view("m1", "m2", None), oil=view("1", "x", "2"), event_time=view("2026-01-02T00:00:00Z", "soon", "")
    )
    assert entry.rows.column("oil").to_pylist() == [1.0]
    assert entry.refused.column("row").to_pylist() == [2, 3]


def test_one_time_without_zone_refuses_the_batch() -> None:
    with pytest.raises(BadInput, match="row 2, event_time: time without zone; write it as"):
        received(event_time=[hours(1).isoformat(), "2026-01-01T02:00:00"])
    with pytest.raises(BadInput, match="row 1, recorded_at: time without zone"):
        received(recorded_at=["2026-01-01T02:00:00", None])


def test_a_machine_of_an_undeclared_kind_is_refused() -> None:
    table = machines(["m9", "m8"]).set_column(2, "kind", [["press", "moon"]])
    entry = receive(MACHINES, table, datetime.now(UTC), lambda _: {}, {KIND.name: KIND})
    assert (entry.rows.num_rows, entry.refused.to_pylist()[0]["reason"]) == (1, "kind is not declared")
