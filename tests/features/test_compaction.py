"""Compaction: the same rows in fewer files, at every point of failure the old version whole; history; vacuum."""

import errno
import fcntl
import json
import os
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from typer.testing import CliRunner

from features import cli_lake, compaction, datafiles, delta
from features.build import build
from features.errors import BadInput, Conflict, NotFound
from features.kinds import Sensor
from features.lake import Lake
from features.observations import Grid
from features.schema import MACHINES, readings
from features.settings import settings
from features.sources.reader import Source
from tests.features.plant import KIND, NOW, READINGS, aged, machine, reading, source

NAMES = [f"m{number}" for number in range(12)]
DAY = timedelta(days=1)


def filled(root: Path, imports: int, buckets: int = 2) -> Lake:
    """A lake of so many imports: each an hour's readings of all machines, every third with a correction of the first hour."""
    lake = Lake.open(root, create=True, buckets=buckets)
    lake.ingest(source((MACHINES, [machine(name) for name in NAMES])), imported_at=NOW)
    for hour in range(imports):
        rows = [reading(name, hour, float(hour)) for name in NAMES]
        if hour % 3 == 2:
            rows.append(reading("m3", 0, 100.0 + hour))
        lake.ingest(source((READINGS, rows)), imported_at=NOW + hour * DAY)
    return lake


def files(lake: Lake, table: str = "readings_press") -> tuple[datafiles.DataFile, ...]:
    return delta.Frozen(lake.path(table)).files


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return filled(tmp_path / "lake", 5)


def test_the_same_rows_in_one_sorted_file_per_bucket(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "ROWS_AT_A_TIME", 7)  # a bucket in several stretches
    before, view, old = lake.read("readings_press"), lake.at(), files(lake)
    [done] = compaction.compact(lake, whole=True)
    assert (done.table, done.version, done.rows) == ("readings_press", 5, before.num_rows)
    assert (done.files_before, done.files_after) == (10, 2)
    assert (done.bytes_before, done.bytes_after) == (sum(f.size for f in old), sum(f.size for f in files(lake)))
    assert lake.read("readings_press").equals(before)
    for file in files(lake):
        rows = pq.read_table(lake.path("readings_press") / file.path, partitioning=None)
        keys = list(zip(rows["machine_id"].to_pylist(), rows["event_time"].to_pylist(), strict=True))
        assert keys == sorted(keys)
        assert file.ids == (keys[0][0], keys[-1][0])
        assert file.span == (
            min(at for _, at in keys).timestamp() * 1e6 - 1000,
            max(at for _, at in keys).timestamp() * 1e6 + 1000,
        )
    # Whoever reads an older version, or began before, reads what was there.
    assert view.read("readings_press").equals(before)
    assert lake.read("readings_press", version=1).num_rows == 24
    assert compaction.compact(lake, whole=True) == []
    # What was stored is still known: a rerun finds duplicates, a correction its row.
    again = lake.ingest(source((READINGS, [reading("m3", 0, 102.0), reading("m3", 1, 9.0)])), imported_at=NOW + 9 * DAY)
    assert (again.total.duplicate, again.total.corrected) == (1, 1)


def test_small_files_first_and_never_more_than_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "MOST_FILES", 8)
    lake = filled(tmp_path / "lake", 3)
    compaction.compact(lake, "readings_press", whole=True)
    large = {file.path for file in files(lake)}
    rewritten = 0
    for hour in range(3, 25):
        lake.ingest(source((READINGS, [reading(name, hour, 1.0) for name in NAMES])), imported_at=NOW + hour * DAY)
        assert compaction.needed(lake, "readings_press") == (len(files(lake)) > 8)
        rewritten += sum(done.rows for done in compaction.compact(lake))
        assert len(files(lake)) <= 8
        if hour < 6:
            assert large <= {file.path for file in files(lake)}
    rows = lake.read("readings_press").num_rows
    assert rows == 12 * 25 + 1
    assert rewritten < 3 * rows
    assert not compaction.needed(lake, "events")  # a table without rows


def test_readers_read_on_while_files_are_exchanged(lake: Lake) -> None:
    before, stop, seen = lake.read("readings_press"), threading.Event(), []

    def reads() -> None:
        while not stop.is_set():
            seen.append(lake.read("readings_press").equals(before) and lake.at().read("readings_press").equals(before))

    readers = [threading.Thread(target=reads) for _ in range(2)]
    for reader in readers:
        reader.start()
    compaction.compact(lake, whole=True)
    count = len(seen)
    while len(seen) < count + 4:
        time.sleep(0.01)
    stop.set()
    for reader in readers:
        reader.join()
    assert all(seen)


def test_a_column_that_came_later(lake: Lake) -> None:
    wider = KIND.model_copy(update={"sensors": (*KIND.sensors, Sensor(name="speed", unit="rpm", words_en="s", words_zh="速"))})
    rows = (readings(wider), [reading("m1", 70, 1.0, speed=900.0)])
    lake.ingest(Source("plant", (wider,), source(rows).batches), imported_at=NOW)
    before = lake.read(wider.readings_table)
    assert before.column("speed").null_count < before.num_rows
    compaction.compact(lake, whole=True)
    assert lake.read(wider.readings_table).equals(before)


def test_other_rows_than_before_are_never_committed(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    versions, before = lake.versions(), files(lake)
    whole = compaction.in_order
    faults = [
        lambda rows, contract: whole(rows, contract).slice(1),
        lambda rows, contract: whole(rows, contract).set_column(
            3, contract.arrow.field("oil"), pa.array(np.full(rows.num_rows, 1.0))
        ),
    ]
    for fault in faults:
        monkeypatch.setattr(compaction, "in_order", fault)
        with pytest.raises(RuntimeError, match="holds other rows after compaction than before; nothing was committed"):
            compaction.compact(lake, whole=True)
        assert (lake.versions(), files(lake)) == (versions, before)
        assert on_disk(lake) == {file.path for file in before}


def on_disk(lake: Lake, table: str = "readings_press") -> set[str]:
    return {str(path.relative_to(lake.path(table))) for path in lake.path(table).glob("bucket=*/*")}


@pytest.mark.parametrize("where", ["write", "commit"])
def test_a_full_disk_is_one_line_and_leaves_everything_as_it_was(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    before, versions = lake.read("readings_press"), lake.versions()
    full = OSError(errno.ENOSPC, "No space left on device")

    def fails(*_: Any, **__: Any) -> None:
        raise full

    with monkeypatch.context() as patched:
        calls = iter(range(10))
        sync = datafiles.sync
        if where == "write":  # the second bucket's file finds no room
            patched.setattr(datafiles, "sync", lambda path: sync(path) if next(calls) == 0 else fails())
        else:
            patched.setattr(delta, "_log", fails)
        with pytest.raises(Conflict, match="readings_press: no space left on the disk; free some space and run this again"):
            compaction.compact(lake, whole=True)
    assert lake.versions() == versions
    assert lake.read("readings_press").equals(before)
    assert on_disk(lake) == {file.path for file in files(lake)}
    assert compaction.compact(lake, whole=True)
    assert lake.read("readings_press").equals(before)


def test_two_writers_at_once(lake: Lake) -> None:
    with (lake.root / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(Conflict, match="another process is writing into this lake; wait"):
            compaction.compact(lake)


def test_drafts_of_a_killed_writer_are_removed(lake: Lake) -> None:
    draft = lake.path("readings_press") / "bucket=0" / ".draft-part-1.parquet"
    draft.write_bytes(b"half")
    compaction.compact(lake, whole=True)
    assert not draft.exists()


def test_history_tells_what_each_version_was(lake: Lake) -> None:
    compaction.compact(lake, "readings_press", whole=True)
    told = [(one.version, one.operation, one.source, one.rows) for one in lake.history("readings_press")["readings_press"]]
    assert told == [
        (0, "import", "plant", 12), (1, "import", "plant", 12), (2, "import", "plant", 13),
        (3, "import", "plant", 12), (4, "import", "plant", 12), (5, "compaction", "", 0),
    ]  # fmt: skip
    assert lake.history("readings_press")["readings_press"][2].counts["corrected"] == 1
    assert list(lake.history()) == ["machines", "readings_press"]
    with pytest.raises(NotFound, match="no table 'reading_press'"):
        lake.history("reading_press")


def test_a_vacuumed_version_says_so(lake: Lake) -> None:
    before = lake.read("readings_press")
    compaction.compact(lake, whole=True)
    assert compaction.vacuum(lake, None, 30) == {"machines": 0, "readings_press": 0}
    assert lake.read("readings_press", version=4).equals(before)
    aged(lake, days=40)
    with pytest.raises(BadInput, match="0 days"):
        compaction.vacuum(lake, None, 0)
    assert compaction.vacuum(lake, "readings_press", 30) == {"readings_press": 10}
    assert lake.read("readings_press").equals(before)
    with pytest.raises(
        NotFound, match=r"table readings_press: the rows of version 4 were vacuumed on 20\d\d-\d\d-\d\d; .*build"
    ):
        lake.at({"readings_press": 4}).read("readings_press")
    assert [one.operation for one in lake.history("readings_press")["readings_press"]][-2:] == ["vacuum begun", "vacuum"]
    # A file removed by hand is another thing, even after a vacuum.
    (lake.path("readings_press") / files(lake)[0].path).unlink()
    with pytest.raises(BadInput, match=r"part-.*parquet: a data file of the table is gone; restore it from a copy"):
        lake.read("readings_press")


def test_vacuum_ends_the_log_of_old_versions_too(
    tmp_path: Path, lake: Lake, typed: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOREWARN_HOME", str(tmp_path))
    settings.cache_clear()
    made = build(lake, "press", Grid(every_hours=1), home=tmp_path)
    log, before = lake.path("readings_press") / "_delta_log", lake.read("readings_press")

    def lost(days: int) -> list[str]:
        said = typed.invoke(
            cli_lake.lake, ["compact", "--table", "readings_press", "--vacuum-days", str(days), "--json"]
        ).stdout
        return list(json.loads(said)["snapshots_without_their_rows"])

    DeltaTable(log.parent).create_checkpoint()
    assert lost(30) == [] and (log / f"{5:020d}.json").exists()
    aged(lake, days=40)
    for path in log.iterdir():
        os.utime(path, (time.time() - 40 * 86_400,) * 2)
    assert lost(60) == [] and (log / f"{0:020d}.json").exists()
    assert lost(7) == [made.id]
    settings.cache_clear()
    assert not (log / f"{0:020d}.json").exists()
    with pytest.raises(NotFound, match="no version 1 of table readings_press"):
        lake.read("readings_press", version=1)
    assert lake.read("readings_press").equals(before)
    assert lake.at().vacuumed() == []


@pytest.fixture
def typed(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setattr(cli_lake, "open_lake", lambda: lake)
    return CliRunner()


def test_the_verbs_tell_people_and_programs(typed: CliRunner, lake: Lake) -> None:
    text = typed.invoke(cli_lake.lake, ["history", "readings_press"]).stdout.splitlines()
    assert text[0].split() == ["table", "version", "time", "(UTC)", "operation", "rows", "added", "source"]
    assert text[3].split()[0::2] == [
        "readings_press",
        str(files(lake) and lake.history()["readings_press"][2].at.date()),
        "import",
        "plant",
    ]
    done = json.loads(
        typed.invoke(cli_lake.lake, ["compact", "--table", "readings_press", "--vacuum-days", "7", "--json"]).stdout
    )
    assert done["compacted"][0]["files_after"] == 2
    assert done["removed"] == {"readings_press": 0}
    assert "Nothing to compact." in typed.invoke(cli_lake.lake, ["compact"]).stdout
    last = json.loads(typed.invoke(cli_lake.lake, ["history", "--json"]).stdout)[-1]
    assert (last["table"], last["operation"], last["rows"]) == ("readings_press", "compaction", 0)
    assert isinstance(typed.invoke(cli_lake.lake, ["compact", "--table", "nothing"]).exception, NotFound)
