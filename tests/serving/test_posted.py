"""What a posted history may be, and the one line that each mistake gets."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
import pytest

from features.errors import BadInput, NotFound, UserError
from features.kinds import Term
from serving import posted
from serving.champion import unknown_kind
from serving.errors import TooLarge
from serving.posted import parse
from tests.serving.world import PUMP

NOW = datetime(2026, 2, 1, tzinfo=UTC)
ROWS = [
    {"event_time": f"2026-01-01T{hour:02d}:00:00Z", "volt": 170.0 + hour, "rotate": 450, "pressure": None, "vibration": 40.5}
    for hour in range(4)
]


def body(**changes: Any) -> dict[str, Any]:
    document = {
        "machine": {"machine_id": "p1", "kind": "pump", "model": "A", "age_hours": 10.0},
        "as_of": "2026-01-01T03:00:00Z",
        "readings": ROWS,
        "events": [{"event_time": "2026-01-01T01:30:00+00:00", "code": "e1"}],
    }
    return document | changes


def read(document: Any, **options: Any) -> posted.Posted:
    def kind_of(name: str) -> Any:
        if name != "pump":
            raise unknown_kind(name, ["pump"])
        return PUMP

    raw = document if isinstance(document, bytes) else orjson.dumps(document)
    return parse(raw, kind_of, now=NOW, **options)


def row(place: int, **changes: Any) -> list[dict[str, Any]]:
    return [r | changes if i == place else r for i, r in enumerate(ROWS)]


def without(place: int, column: str) -> list[dict[str, Any]]:
    return [{k: v for k, v in r.items() if k != column or i != place} for i, r in enumerate(ROWS)]


def test_rows_and_columns_say_the_same() -> None:
    rows = read(body()).payload["tables"]["readings_pump"]
    columns = read(body(readings={name: [r[name] for r in ROWS] for name in ROWS[0]})).payload["tables"]["readings_pump"]
    assert rows.keys() == columns.keys()
    for name in rows:
        np.testing.assert_array_equal(rows[name], columns[name])
    assert rows["volt"].tolist() == [170.0, 171.0, 172.0, 173.0]
    assert np.isnan(rows["pressure"]).all()
    assert rows["event_time"][1] - rows["event_time"][0] == 3_600_000_000


def test_rows_come_out_in_order_and_offsets_are_understood() -> None:
    shuffled = [ROWS[2], ROWS[0], ROWS[3] | {"event_time": "2026-01-01T11:00:00+08:00"}, ROWS[1]]
    arrays = read(body(readings=shuffled)).payload["tables"]["readings_pump"]
    assert arrays["volt"].tolist() == [170.0, 171.0, 172.0, 173.0]


def test_a_correction_is_two_rows_that_became_known_at_different_times() -> None:
    twice = [*ROWS, ROWS[0] | {"volt": 200.0, "recorded_at": "2026-01-01T02:00:00Z"}]
    arrays = read(body(readings=twice)).payload["tables"]["readings_pump"]
    assert arrays["volt"].tolist()[:2] == [170.0, 200.0]
    assert arrays["recorded_at"][1] - arrays["recorded_at"][0] == 2 * 3_600_000_000


def test_age_is_counted_back_to_the_first_row_where_no_start_is_given() -> None:
    machine = read(body()).payload["machine"]
    assert machine["age_hours"] == 7.0
    assert machine["event_time"] == 1_767_225_600_000_000
    given = body(machine={"machine_id": "p1", "kind": "pump", "age_hours": 10.0, "event_time": "2025-12-31T00:00:00Z"})
    assert read(given).payload["machine"]["age_hours"] == 10.0


def test_rows_shortly_after_as_of_are_said_not_to_be_used() -> None:
    early = read(body(as_of="2026-01-01T02:57:00Z"))
    assert early.notes == ("1 row(s) of readings happened after as_of and were not used",)


def test_as_of_defaults_to_now_and_a_stored_body_is_read_at_its_own_moment() -> None:
    document = body()
    del document["as_of"]
    assert read(document).as_of == NOW
    then = datetime(2026, 1, 20, tzinfo=UTC)
    assert read(document, as_of=then).as_of == then


MISTAKES: list[tuple[str, Any, type[UserError], str]] = [
    ("not JSON", b'{"machine": ', BadInput, "body: not readable as JSON"),
    ("a NaN", b'{"machine": NaN}', BadInput, "body: not readable as JSON"),
    ("a list", [1], BadInput, "body: the body is not a JSON object"),
    ("no machine", {"readings": ROWS}, BadInput, "machine: missing field; send it"),
    ("a misnamed field", body(reading=[]), BadInput, "reading: unknown field"),
    ("an unknown kind", body(machine={"machine_id": "p", "kind": "moon"}), NotFound, "no champion for machine kind 'moon'"),
    ("an empty id", body(machine={"machine_id": "", "kind": "pump"}), BadInput, "machine.machine_id"),
    ("a negative age", body(machine={"machine_id": "p", "kind": "pump", "age_hours": -1}), BadInput, "machine.age_hours"),
    ("an age as text", body(machine={"machine_id": "p", "kind": "pump", "age_hours": "old"}), BadInput, "machine.age_hours"),
    ("as_of without zone", body(as_of="2026-01-01T03:00:00"), BadInput, "as_of: time without zone; write the zone"),
    ("as_of as a number", body(as_of=1767225600), BadInput, "as_of: not an ISO 8601 text"),
    ("as_of in the future", body(as_of="2026-03-01T00:00:00Z"), BadInput, "as_of: lies in the future"),
    ("as_of as a number in text", body(as_of="1767225600"), BadInput, "as_of: not an ISO 8601 text"),
    ("as_of at the beginning of time", body(as_of="0001-01-01T00:00:00+14:00"), BadInput, "as_of: beyond the years"),
    ("as_of at the end of time", body(as_of="9999-12-31T23:59:59-14:00"), BadInput, "as_of: beyond the years"),
    ("as_of before computers", body(as_of="1969-12-31T23:59:59Z"), BadInput, "as_of: before 1970"),
    ("a time before computers", body(readings=row(1, event_time="1600-01-01T00:00:00Z")), BadInput,
     "readings[1].event_time: before 1970; check the clock"),
    ("a control character", body(machine={"machine_id": "p\0", "kind": "pump"}), BadInput, "holds a control character"),
    ("a machine that is a list", body(machine=[]), BadInput, "machine: not an object"),
    ("reasons as text", body(reasons="yes"), BadInput, "reasons: neither true, false nor a number to 100"),
    ("no readings", body(readings=[]), BadInput, "readings: empty history"),
    ("no readings in columns", body(readings={name: [] for name in ROWS[0]}), BadInput, "readings: empty history"),
    ("readings as text", body(readings="many"), BadInput, "readings: neither rows nor columns"),
    ("a row that is a number", body(readings=[*ROWS, 5]), BadInput, "readings[4]: a row that is not an object"),
    ("a missing column", body(readings=[{k: v for k, v in r.items() if k != "volt"} for r in ROWS]), BadInput,
     "readings.volt: missing column"),
    ("a column missing in the first row", body(readings=without(0, "volt")), BadInput, "readings[0].volt: missing column"),
    ("a column missing in one row", body(readings=without(2, "volt")), BadInput, "readings[2].volt: missing column"),
    ("a misnamed column", body(readings=row(1, vlt=3)), BadInput, "readings[1].vlt: unknown column"),
    ("no event time", body(readings=without(1, "event_time")), BadInput, "readings[1].event_time: missing column"),
    ("columns of two lengths", body(readings={k: [r[k] for r in ROWS][: 3 + (k == "volt")] for k in ROWS[0]}), BadInput,
     "readings: columns of different length"),
    ("a time without zone", body(readings=row(1, event_time="2026-01-01T01:00:00")), BadInput,
     "readings[1].event_time: time without zone; write it as"),
    ("a time that is none", body(readings=row(1, event_time="noon")), BadInput, "readings[1].event_time: 'noon' is not a time"),
    ("a time as a number", body(readings=row(1, event_time=5)), BadInput, "readings[1].event_time: 5 is not a time"),
    ("a reading from the future", body(readings=row(3, event_time="2026-01-01T04:00:00Z")), BadInput,
     "readings[3].event_time: reading from the future"),
    ("recorded in the future", body(readings=row(3, recorded_at="2027-01-01T04:00:00Z")), BadInput,
     "readings[3].recorded_at: recorded in the future"),
    ("a number as text", body(readings=row(1, volt="170")), BadInput, "readings[1].volt: '170' is not a number"),
    ("a number as bool", body(readings=row(1, volt=True)), BadInput, "readings[1].volt: True is not a number"),
    ("infinity", orjson.dumps(body(readings=row(1, volt=987654321))).replace(b"987654321", b"1e999"), BadInput,
     "body: not readable as JSON: number is infinity"),
    ("a value outside its range", body(readings=row(1, volt=-5.0)), BadInput, "readings[1].volt: -5 V is outside 0 to 2000 V"),
    ("a duplicate", body(readings=[*ROWS, ROWS[1]]), BadInput, "readings[4]: duplicate of row 1; send each row once"),
    ("a duplicate event", body(events=[{"event_time": "2026-01-01T01:00:00Z", "code": "e1"}] * 2), BadInput,
     "events[1]: duplicate of row 0"),
    ("an event without code", body(events=[{"event_time": "2026-01-01T01:00:00Z"}]), BadInput, "events.code: missing column"),
    ("a code that is a number", body(events=[{"event_time": "2026-01-01T01:00:00Z", "code": 7}]), BadInput,
     "events[0].code: 7 is not a text"),
    ("an undeclared code", body(events=[{"event_time": "2026-01-01T01:00:00Z", "code": "e7"}]), BadInput,
     "events[0].code: 'e7' is not declared; there are: e1, e2"),
    ("too many reasons", body(reasons=1000), BadInput, "reasons"),
    ("too many rows", body(readings={k: [ROWS[0][k]] * (posted.MAX_ROWS + 1) for k in ROWS[0]}), TooLarge,
     "readings: more than"),
    ("a body too large", b" " * (posted.MAX_BODY_BYTES + 1), TooLarge, "body: body above 16 MiB"),
]  # fmt: skip


@pytest.mark.parametrize(("document", "kind", "line"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES])
def test_every_mistake_is_one_clear_line(document: Any, kind: type[UserError], line: str) -> None:
    with pytest.raises(kind) as caught:
        read(document)
    text = str(caught.value)
    assert line in text
    assert "\n" not in text
    assert caught.value.mend


def test_an_undeclared_mode_is_refused_where_the_kind_declares_any() -> None:
    declared = PUMP.model_copy(update={"modes": (Term(code="idle", words_en="idle", words_zh="空转"),)})
    document = body(operations=[{"event_time": "2026-01-01T01:00:00Z", "action": "start", "mode": "moon"}])
    assert read(document).payload["tables"]["operations"]["mode"] == ["moon"]
    with pytest.raises(BadInput, match=r"operations\[0\].mode: 'moon' is not declared; there are: idle"):
        parse(orjson.dumps(document), lambda _: declared, now=NOW)


def test_two_codes_at_one_moment_are_no_duplicate() -> None:
    events = [{"event_time": "2026-01-01T01:00:00Z", "code": code} for code in ("e2", "e1")]
    assert read(body(events=events)).payload["tables"]["events"]["code"] == ["e1", "e2"]
