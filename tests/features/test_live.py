"""The online state is the tables and the log at once: whatever came in, however it is compacted, to the last bit."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from features import live as lives
from features.build import compute
from features.catalog import catalog
from features.clock import in_order, micros
from features.compaction import compact
from features.compactor import compact_log
from features.delta import vacuum
from features.errors import NotFound
from features.history import from_tables
from features.known import OF_MACHINE, KnownMachine, known_machine, rows_document, rows_of_document
from features.lake import Lake
from features.live import Live
from features.log import Writer
from features.online import vector
from features.receive import receive
from features.reference import publish
from features.schema import MACHINES, readings
from tests.features.streams import KIND, MACHINE_IDS, NOW, READINGS, Post, entry_of, hours, machines, made_lake, posts, send

WANTED = catalog(KIND)
NAMES = [*OF_MACHINE, READINGS.name, KIND.reference_table]


def offline(lake: Lake, moment: datetime) -> np.ndarray:
    """float32[machines, features] of the whole tables, as a snapshot has them."""
    tables = {name: lake.read(name) for name in NAMES}
    as_of = np.full(len(MACHINE_IDS), micros(moment))
    return compute(WANTED, from_tables(KIND, tables, MACHINE_IDS), np.arange(len(MACHINE_IDS)), as_of)


def online(live: Live, moment: datetime) -> np.ndarray:
    return np.stack([vector(WANTED, known(live, name, moment).history(KIND), moment) for name in MACHINE_IDS])


def known(live: Live, machine_id: str, moment: datetime) -> KnownMachine:
    """What serving does: from memory where that holds enough, else from the tables."""
    found = live.machine(machine_id)
    return found if found.covers(WANTED, moment) else known_machine(live.lake.at(found.versions), machine_id, found.added)


def same(first: np.ndarray, second: np.ndarray) -> bool:
    return np.array_equal(np.ascontiguousarray(first).view(np.uint32), np.ascontiguousarray(second).view(np.uint32))


def rebuilt(lake: Lake, found: KnownMachine) -> KnownMachine:
    """From its evidence alone."""
    view = lake.at(found.versions)
    return known_machine(view, found.machine_id, rows_of_document(rows_document(found.added), view))


STEPS = ["send", "send", "send", "compact", "look", "renew", "import", "publish"]
steps = st.lists(st.sampled_from(STEPS), min_size=4, max_size=14)
moments = st.lists(st.floats(-5, 200).map(hours), min_size=1, max_size=3)


@settings(deadline=None, max_examples=6, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(seed=st.integers(0, 1000), walk=steps, looks=moments, slack=st.sampled_from([0, 10, 10_000]))
def test_online_is_offline_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, seed: int, walk: list[str], looks: list[datetime], slack: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lives, "SLACK", slack * 3_600_000_000)
        patch.setattr(lives, "MOST_ADDED", 15)
        patch.setattr(lives, "MOST_SECONDS", slack % 100)
        lake = made_lake(tmp_path_factory.mktemp("lake"))
        waiting = posts(seed, len(walk) + 1)
        live, writers, moved = Live(lake), [Writer.open(lake.root), Writer.open(lake.root)], 0
        for step in walk:
            if step == "send":
                send(lake, writers[len(waiting) % 2], [waiting.pop()])
            elif step == "compact":
                moved += compact_log(lake) is not None
            elif step == "look":
                online(live, looks[0])
            elif step == "renew":
                live.renew()
            elif step == "publish":
                publish(lake, KIND)
            else:
                contract, table, moment = waiting.pop()
                lake.append_rows(contract, table, moment, "import")
        at = [*looks, NOW + timedelta(days=2)]
        before = [online(live, moment) for moment in at]
        machines_before = [live.machine(name) for name in MACHINE_IDS]
        fresh = [online(Live(lake), moment) for moment in at]
        compact_log(lake)
        after = [online(live, moment) for moment in at]
        for moment, *vectors in zip(at, before, fresh, after, strict=True):
            stored = offline(lake, moment)
            assert all(same(one, stored) for one in vectors)
        for found in machines_before:
            again = rebuilt(lake, found)
            assert same(vector(WANTED, again.history(KIND), at[-1]), vector(WANTED, found.history(KIND), at[-1]))
        for writer in writers:
            writer.close()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return made_lake(tmp_path)


@pytest.fixture
def writer(lake: Lake) -> Iterator[Writer]:
    writer = Writer.open(lake.root)
    yield writer
    writer.close()


def reading(machine_id: str, hour: float, oil: float, **more: object) -> Post:
    columns = {"machine_id": [machine_id], "event_time": [hours(hour)], "oil": [oil], "force": [1.0]}
    return READINGS, pa.table(columns | {name: [value] for name, value in more.items()}), NOW


def oils(found: KnownMachine) -> list[float | None]:
    return list(found.tables[READINGS.name].column("oil").to_pylist())


def test_streamed_and_imported_rows_give_the_same_vector(
    lake: Lake, writer: Writer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    imported = made_lake(tmp_path_factory.mktemp("imported"))
    live = Live(lake)
    for post in posts(5, 12):
        entry = entry_of(lake, post)
        writer.append(entry)
        contract, table, moment = post
        if "recorded_at" not in table.column_names:  # an import would take the moment of the event, a stream that of receipt
            table = table.append_column("recorded_at", [[moment] * table.num_rows])
        imported.append_rows(contract, table, moment, "import")
    for moment in (hours(30), NOW + timedelta(days=1)):
        assert same(online(live, moment), offline(imported, moment))


def test_an_acknowledged_row_is_seen_at_once_also_by_another_process(lake: Lake, writer: Writer) -> None:
    lives = [Live(lake), Live(lake)]
    for hour in range(3):
        send(lake, writer, [reading("m1", hour, 10.0 + hour)])
        for one in lives:
            assert oils(one.machine("m1")) == [10.0 + step for step in range(hour + 1)]


def test_duplicates_corrections_and_retries_follow_the_rules_of_an_import(lake: Lake, writer: Writer) -> None:
    live = Live(lake)
    for oil in (10.0, 10.0, 20.0, 10.0):  # a duplicate, a correction, and the first one sent again
        send(lake, writer, [reading("m1", 1, oil)])
        live.machine("m1")
    assert oils(live.machine("m1")) == [10.0, 20.0]
    send(lake, writer, [reading("m1", 1, 10.0, recorded_at=NOW + timedelta(seconds=90))])
    assert oils(live.machine("m1")) == [10.0, 20.0, 10.0]
    compact_log(lake)
    assert lake.read(READINGS.name).column("oil").to_pylist() == [10.0, 20.0, 10.0]


def test_rows_of_the_log_are_let_go_once_the_tables_hold_them(lake: Lake, writer: Writer) -> None:
    live = Live(lake)
    send(lake, writer, posts(2, 10))
    before = oils(live.machine("m1"))
    compact_log(lake)
    send(lake, writer, [reading("m1", 500, 1.0)])
    live.pull()
    assert len(live._batches) == 11
    live.renew()
    assert len(live._batches) == 1
    assert oils(live.machine("m1")) == [*before, 1.0]
    assert oils(live.machine("m2")) == oils(Live(lake).machine("m2"))


def test_a_row_that_was_logged_and_compacted_between_two_looks_is_seen(lake: Lake, writer: Writer) -> None:
    live = Live(lake)
    send(lake, writer, [reading("m1", 1, 10.0)])
    assert oils(live.machine("m1")) == [10.0]
    send(lake, writer, [reading("m1", 2, 20.0)])
    live.pull()
    compact_log(lake)
    live.renew()
    assert oils(live.machine("m1")) == [10.0, 20.0]


def test_an_import_is_noticed_and_a_compaction_forgets_nothing(lake: Lake, writer: Writer) -> None:
    live = Live(lake)
    send(lake, writer, [reading("m1", 1, 10.0)])
    slot = live.machine("m1")
    compact_log(lake)
    live.renew()
    assert live.machine("m1").tables is slot.tables
    contract, table, _ = reading("m1", 2, 20.0)
    lake.append_rows(contract, table, NOW, "import")
    assert oils(live.machine("m1")) == [10.0, 20.0]


def test_a_new_machine_of_the_log_is_known_with_its_rows(lake: Lake, writer: Writer) -> None:
    live = Live(lake)
    with pytest.raises(NotFound, match="no machine 'm9' in the lake"):
        live.machine("m9")
    assert live.kinds_of(["m1", "m9"]) == {"m1": "press"}
    send(lake, writer, [(MACHINES, machines(["m9"]), NOW)])
    assert live.kinds_of(["m9"]) == {"m9": "press"}
    writer.append(entry_of_known(live, reading("m9", 3, 7.0)))
    assert oils(live.machine("m9")) == [7.0]
    assert {name: table.num_rows for name, table in live.machine("m9").added.items()} == {"machines": 1, READINGS.name: 1}
    compact_log(lake)
    assert oils(Live(lake).machine("m9")) == [7.0]


def entry_of_known(live: Live, post: Post) -> object:
    contract, table, moment = post
    return receive(contract, table, moment, live.kinds_of, live.lake.kinds())


def test_a_machine_that_changes_its_kind_in_the_log_is_followed(lake: Lake, writer: Writer) -> None:
    other = KIND.model_copy(update={"name": "other"})
    lake.put_kind(other)
    live = Live(lake)
    send(lake, writer, [reading("m1", 1, 10.0)])
    assert live.machine("m1").kind_name == "press"
    columns = {"machine_id": ["m1"], "event_time": [hours(5)], "recorded_at": [hours(5)]}
    send(lake, writer, [(MACHINES, pa.table(columns | {"kind": ["other"], "model": ["A"]}), NOW)])
    assert live.kinds_of(["m1"]) == {"m1": "other"}
    later = pa.table({"machine_id": ["m1"], "event_time": [hours(6)], "oil": [70.0], "force": [1.0]})
    writer.append(receive(readings(other), later, NOW, live.kinds_of, lake.kinds()))
    for _ in range(2):
        for found in (live.machine("m1"), Live(lake).machine("m1"), live.whole("m1")):
            assert (found.kind_name, found.tables["readings_other"]["oil"].to_pylist()) == ("other", [70.0])
            found.check_known_at(hours(5))
            with pytest.raises(NotFound, match=r"machine m1: was of kind press at 2026-01-01T04:00:00.*is of kind other since"):
                found.check_known_at(hours(4))
        compact_log(lake)
        live.renew()


def test_memory_is_bounded(lake: Lake, writer: Writer) -> None:
    send(lake, writer, posts(3, 10))
    live = Live(lake, most_bytes=1)
    found = [oils(live.machine(name)) for name in MACHINE_IDS]
    assert len(live._slots) == 1
    assert found == [oils(live.machine(name)) for name in MACHINE_IDS]


def test_old_readings_are_left_out_and_read_when_they_are_asked_for(
    lake: Lake, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lives, "SLACK", 24 * 3_600_000_000)
    count = 400
    table = pa.table({"machine_id": ["m1"] * count, "event_time": [hours(n) for n in range(count)], "oil": [1.0] * count,
                      "force": [float(n % 7) for n in range(count)]})  # fmt: skip
    send(lake, writer, [(READINGS, table, NOW)])
    compact_log(lake)
    live = Live(lake)
    found = live.machine("m1")
    assert found.tables[READINGS.name].num_rows == 49  # 24 h of windows, 24 h of slack, both ends
    assert found.covers(WANTED, hours(399)) and found.covers(WANTED, hours(376)) and not found.covers(WANTED, hours(374))
    # A correction of what was left out: the machine is read whole.
    send(lake, writer, [reading("m1", 5, 99.0)])
    assert oils(live.machine("m1")).count(99.0) == 1
    assert in_order(live.machine("m1").tables[READINGS.name], READINGS).num_rows > 390


def test_files_that_a_compaction_replaced_may_be_vacuumed(lake: Lake) -> None:
    for hour in range(3):
        contract, table, _ = reading("m1", hour, 10.0 + hour)
        lake.append_rows(contract, table, NOW, "import")
    live = Live(lake)
    held = live.machine("m2")
    compact(lake, whole=True)
    live.pull()
    live.renew()
    for name in lake.tables():
        vacuum(lake.path(name), 0)
    assert oils(live.machine("m1")) == [10.0, 11.0, 12.0]
    assert live.machine("m2").tables is held.tables


def test_the_whole_history_is_that_of_the_tables_and_the_log(
    lake: Lake, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lives, "SLACK", 0)
    send(lake, writer, [reading("m1", 0, 10.0), reading("m1", 500, 20.0)])
    compact_log(lake)
    send(lake, writer, [reading("m1", 600, 30.0)])
    live = Live(lake)
    assert oils(live.machine("m1")) == [30.0]
    assert oils(live.whole("m1")) == [10.0, 20.0, 30.0]
    compact_log(lake)
    assert oils(Live(lake).whole("m1")) == [10.0, 20.0, 30.0]
