"""Rows into the log and scores from memory: what is taken is scored at once, and explained before and after compaction."""

import asyncio
import errno
import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.compactor import compact_log, compacted
from features.errors import BadInput, NotFound, UserError
from features.lake import Lake
from features.log import Tail
from features.receive import told
from features.settings import Settings
from serving.errors import Unavailable
from serving.explain import explain
from serving.rows import JSON
from serving.runtime import LARGE, LARGE_AT_ONCE, Room, Runtime
from serving.stream import checked
from tests.serving.world import END, SENSORS, World, made_world

TABLE = "readings_pump"


@pytest.fixture(scope="module")
def own_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return made_world(tmp_path_factory.mktemp("streamed"))


@pytest.fixture
def runtime(own_world: World) -> Iterator[Runtime]:
    runtime = Runtime.open(Settings(home=own_world.home, compact_seconds=0))
    yield runtime
    runtime.close()


def take(runtime: Runtime, table: str, rows: Any) -> dict[str, Any]:
    return dict(orjson.loads(asyncio.run(runtime.take(table, JSON, orjson.dumps(rows)))))


def scored(runtime: Runtime, machine_id: str, as_of: datetime | None = None) -> dict[str, Any]:
    return dict(orjson.loads(asyncio.run(runtime.score_known(machine_id, as_of, 0))))


def readings(machine_id: str, at: datetime, *, hours: int = 1, vibration: float = 44.0) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {"machine_id": [machine_id] * hours}
    columns["event_time"] = [(at + timedelta(hours=hour)).isoformat() for hour in range(hours)]
    columns["recorded_at"] = columns["event_time"]
    return columns | {name: [vibration if name == "vibration" else level] * hours for name, (level, _, _) in SENSORS.items()}


def test_a_taken_row_is_scored_at_once_and_explained_before_and_after_compaction(runtime: Runtime, own_world: World) -> None:
    before = scored(runtime, "p04")
    said = take(runtime, TABLE, readings("p04", END, hours=5, vibration=80.0))
    assert said == {"table": TABLE, "rows": 5, "taken": 5, "refused": 0, "reasons": []}
    take(runtime, "events", {"machine_id": ["p04"], "event_time": [(END + timedelta(hours=2)).isoformat()], "code": ["e2"]})
    after = scored(runtime, "p04")
    assert datetime.fromisoformat(after["as_of"]) == END + timedelta(hours=4) > datetime.fromisoformat(before["as_of"])
    correction = readings("p04", END + timedelta(hours=3), vibration=20.0)
    take(runtime, TABLE, correction)
    now = datetime.now(UTC)
    corrected = [scored(runtime, "p04", moment) for moment in (now, now)]
    answers = [before, after, *corrected]

    def all_explained() -> None:
        for answer in answers:
            found = explain(own_world.home, runtime.store, answer["score_id"])
            assert found.reproduced, found.verdict

    all_explained()
    assert compact_log(own_world.lake) is not None
    all_explained()
    runtime.stream.live().renew()
    answers.append(scored(runtime, "p04", now))
    all_explained()
    vectors = [runtime.store.get(answer["score_id"]).features for answer in answers]
    assert vectors[2] == vectors[3] == vectors[4]
    assert len(set(vectors)) == 3


def test_what_is_in_the_log_alone_is_explained_as_after_its_compaction(runtime: Runtime, own_world: World) -> None:
    born = {"machine_id": ["n1"], "event_time": [END.isoformat()], "recorded_at": [END.isoformat()], "kind": ["pump"]}
    assert take(runtime, "machines", born)["taken"] == 1
    take(runtime, TABLE, readings("n1", END, hours=5))
    answers = [scored(runtime, "n1"), scored(runtime, "p05", END)]
    late = readings("p05", END - timedelta(hours=1), vibration=20.0) | {"recorded_at": [datetime.now(UTC).isoformat()]}
    take(runtime, TABLE, late)

    def explained() -> list[dict[str, Any]]:
        return [explain(own_world.home, runtime.store, answer["score_id"]).document() for answer in answers]

    before = explained()
    assert [one["reproduced"] for one in before] == [True, True]
    assert before[0]["later"] is None
    assert before[1]["later"]["count"] == 1
    compact_log(own_world.lake)
    assert explained() == before


def test_a_moment_before_what_is_held_is_read_from_the_tables(runtime: Runtime, own_world: World) -> None:
    take(runtime, TABLE, readings("p06", END + timedelta(days=40), hours=2))
    early = scored(runtime, "p06", END - timedelta(days=8))
    found = explain(own_world.home, runtime.store, early["score_id"])
    assert found.reproduced, found.verdict
    assert not runtime.stream.live().machine("p06").covers(own_world.bundle.catalog, END - timedelta(days=8))


def test_refused_rows_are_counted_with_reasons_and_quarantined(runtime: Runtime, own_world: World) -> None:
    rows = [
        {"machine_id": name, "event_time": (END + timedelta(hours=50 + number)).isoformat()}
        | {sensor: level for sensor, (level, _, _) in SENSORS.items()}
        for number, name in enumerate(["p01", "p01", "nobody", "p02", "p03"])
    ]
    rows[1]["volt"] = 5000.0
    rows[3]["event_time"] = "soon"
    rows[4]["pressure"] = True
    said = take(runtime, TABLE, rows)
    assert (said["rows"], said["taken"], said["refused"]) == (5, 1, 4)
    assert {(one["column"], one["reason"], one["first_row"], one["value"]) for one in said["reasons"]} == {
        ("volt", "above 2000 V", 2, "5000"),
        ("machine_id", "unknown machine", 3, "nobody"),
        ("event_time", "not a time (ISO 8601 is due)", 4, "soon"),
        ("pressure", "not a number", 5, "true"),
    }
    compact_log(own_world.lake)
    kept = own_world.lake.quarantined(table=TABLE).to_pylist()
    assert sorted((row["row"], row["reason"]) for row in kept) == sorted(
        (one["first_row"], one["reason"]) for one in said["reasons"]
    )
    count = compacted(own_world.lake.root).tables[TABLE]
    assert count.rows_in == count.accepted + count.corrected + count.duplicate + count.quarantined


GOOD = readings("p01", END + timedelta(hours=90))
MISTAKES: list[tuple[str, str, Any, type[Exception], str]] = [
    ("an unknown table", "reading_pump", GOOD, NotFound, "no table 'reading_pump'.*there are:.*readings_pump"),
    ("a table of ours", "machine_scores", GOOD, BadInput, "is written by Forewarn alone"),
    ("an unknown column", TABLE, GOOD | {"volts": [1.0]}, BadInput, "unknown column 'volts'.*did you mean 'volt'"),
    (
        "a missing column",
        "events",
        {"machine_id": ["p01"], "event_time": GOOD["event_time"]},
        BadInput,
        "column 'code'.*is missing",
    ),
    ("a naive time", TABLE, GOOD | {"event_time": ["2026-01-05T00:00:00"]}, BadInput, "row 1, event_time: time without zone"),
    ("columns of two lengths", TABLE, GOOD | {"volt": [1.0, 2.0]}, BadInput, "columns of different length"),
    ("a column that is none", TABLE, GOOD | {"volt": 1.0}, BadInput, "columns of different length"),
    ("no rows", TABLE, [], BadInput, "no rows"),
    ("no rows in columns", TABLE, {"machine_id": []}, BadInput, "no rows"),
    ("a number", TABLE, 5, BadInput, "neither rows nor columns"),
    ("a row that is none", TABLE, [{"machine_id": "p01"}, 3], BadInput, "row 2: a row that is not an object"),
    ("nothing but numbers as times", TABLE, {"machine_id": ["p01"] * 10, "event_time": [1] * 10}, BadInput, "no usable value"),
]


@pytest.mark.parametrize(("table", "rows", "error", "line"), [one[1:] for one in MISTAKES], ids=[one[0] for one in MISTAKES])
def test_mistakes_take_nothing(runtime: Runtime, table: str, rows: Any, error: type[Exception], line: str) -> None:
    log = Tail(runtime.home / "lake")
    before = log.waiting_bytes()
    with pytest.raises(error, match=line):
        take(runtime, table, rows)
    assert log.waiting_bytes() == before


def test_without_recorded_at_a_row_is_known_from_its_receipt(runtime: Runtime) -> None:
    rows = readings("p10", END + timedelta(hours=1), vibration=90.0)
    del rows["recorded_at"]
    before = datetime.now(UTC)
    take(runtime, TABLE, rows)
    assert before <= datetime.fromisoformat(scored(runtime, "p10")["as_of"]) <= datetime.now(UTC)
    vectors = [runtime.store.get(scored(runtime, "p10", moment)["score_id"]).features for moment in (END, before)]
    take(runtime, TABLE, readings("p10", END - timedelta(hours=2), vibration=10.0))  # a correction, known from its receipt too
    assert vectors == [runtime.store.get(scored(runtime, "p10", moment)["score_id"]).features for moment in (END, before)]


CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=12),
    st.sampled_from(["p01", "p02", "2026-01-01T02:00:00Z", "2026-01-01T02:00:00", "9999-12-31T23:59:59Z", "1e400"]),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip
NAMES = st.sampled_from(
    ["machine_id", "event_time", "recorded_at", *SENSORS, "code", "severity", "component", "action", "x", ""]
)
ANY_ROWS = st.one_of(
    CELLS,
    st.lists(st.dictionaries(NAMES, CELLS, max_size=9), max_size=12),
    st.integers(0, 12).flatmap(lambda rows: st.dictionaries(NAMES, st.lists(CELLS, min_size=rows, max_size=rows), max_size=9)),
    st.lists(st.fixed_dictionaries(dict.fromkeys(("machine_id", "event_time", *SENSORS), CELLS)), min_size=1, max_size=12),
)


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=st.sampled_from([TABLE, "events", "maintenance", "failures", "machines"]), rows=ANY_ROWS)
def test_whatever_is_sent_is_taken_refused_row_by_row_or_refused_in_one_line(runtime: Runtime, table: str, rows: Any) -> None:
    live = runtime.stream.live()
    try:
        said = told(checked(live, table, JSON, orjson.dumps(rows, option=orjson.OPT_NON_STR_KEYS)))
    except UserError as error:
        assert "\n" not in str(error) and error.mend
        return
    except TypeError:
        return  # integers that JSON's writer does not take
    assert (
        said["rows"]
        == said["taken"] + said["refused"]
        == (len(rows) if isinstance(rows, list) else len(next(iter(rows.values()))))
    )


def test_a_full_disk_takes_nothing_and_says_so(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    take(runtime, TABLE, readings("p08", END + timedelta(hours=1)))

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(Unavailable, match="the log does not take rows now: No space left on device"):
        take(runtime, TABLE, readings("p08", END + timedelta(hours=2)))
    monkeypatch.undo()
    take(runtime, TABLE, readings("p08", END + timedelta(hours=3)))
    assert scored(runtime, "p08")["as_of"].startswith((END + timedelta(hours=3)).isoformat()[:19])


def test_rows_that_nobody_moves_into_the_tables_are_taken_up_to_a_bound(
    own_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.stream.log_bytes", lambda _: 50_000)
    runtime = Runtime.open(Settings(home=own_world.home, compact_seconds=0))
    compact_log(own_world.lake)
    taken = 0
    with pytest.raises(Unavailable, match=r"MB of rows wait in the log.*FOREWARN_COMPACT_SECONDS, or run `forewarn ingest`"):
        for hour in range(100):
            take(runtime, TABLE, readings("p03", END + timedelta(hours=200 + 20 * hour), hours=20))
            taken += 1
    assert 5 < taken < 60
    runtime.stream.live().renew()
    compact_log(own_world.lake)
    runtime.stream.live().renew()
    assert runtime.stream.live().waiting_bytes == 0
    take(runtime, TABLE, readings("p03", END + timedelta(hours=5000)))
    runtime.close()


def test_bodies_under_way_take_so_much_memory() -> None:
    room = Room(100)
    with room.taken(60):
        with pytest.raises(Unavailable, match="as many rows are being taken as this worker has room for"), room.taken(50):
            pass
        with room.taken(40):
            pass
    with room.taken(100):
        pass


def test_a_few_large_bodies_are_worked_on_at_once(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    now, most = 0, 0
    lock = threading.Lock()

    def slow(*_: Any) -> dict[str, Any]:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.02)
        with lock:
            now -= 1
        return {}

    async def together(body: bytes) -> None:
        await asyncio.gather(*(runtime.take(TABLE, JSON, body) for _ in range(12)))

    monkeypatch.setattr(runtime.stream, "take", slow)
    asyncio.run(together(b" " * (LARGE + 1)))
    assert most == LARGE_AT_ONCE
    asyncio.run(together(b" "))
    assert most > LARGE_AT_ONCE


def test_without_a_lake_nothing_is_taken(tmp_path: Path) -> None:
    runtime = Runtime.open(Settings(home=tmp_path))
    with pytest.raises(NotFound, match="no lake here"):
        take(runtime, TABLE, GOOD)
    runtime.close()
    assert not (tmp_path / "lake").exists()


def test_a_lake_that_was_replaced_is_read_anew(tmp_path: Path, own_world: World) -> None:
    runtime = Runtime.open(Settings(home=tmp_path, compact_seconds=0))
    for name in ("q1", "q2"):
        lake = Lake.open(tmp_path / "lake", create=True, buckets=1)
        lake.put_kind(own_world.bundle.catalog.kind)
        row = {"machine_id": [name], "event_time": ["2026-01-01T00:00:00Z"], "kind": ["pump"]}
        assert take(runtime, "machines", row)["taken"] == 1
        live = runtime.stream.live()
        assert live.kinds_of(["q1", "q2"]) == {name: "pump"}
        (tmp_path / "lake").rename(tmp_path / f"old-{name}")
    runtime.close()
