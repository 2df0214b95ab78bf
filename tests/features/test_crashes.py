"""Writers that die, and two writers at once: the lake is readable at every moment, and a rerun completes it."""

import dataclasses
import errno
import fcntl
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from features import compaction, datafiles, delta, ingest
from features.datafiles import DRAFT
from features.errors import Conflict
from features.lake import Lake
from features.sources.reader import Batch, Source
from tests.features.plant import FLEET, NOW, READINGS, big_plant, counts, source


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake", create=True, buckets=4)


def test_a_second_writer_is_turned_away_and_the_lake_stays_readable(lake: Lake) -> None:
    lake.ingest(source(FLEET), imported_at=NOW)
    with (lake.root / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(Conflict, match="another process is writing into this lake; wait"):
            lake.ingest(source(FLEET), imported_at=NOW)
        assert lake.machines().num_rows == 2
    lake.ingest(source(FLEET), imported_at=NOW)


# Where a process is killed: the function that dies (before or after its work) on its nth call, and what it was doing.
KILLS = [
    ("import_", "features.ingest", "_merge_bucket", 4, "after"),
    ("import_", "features.datafiles", "sync", 9, "before"),  # in the middle of writing Parquet files
    ("import_", "features.delta", "append", 2, "after"),  # machines and the first readings committed, the rest not
    ("import_", "features.delta", "add_rows", 1, "after"),
    ("import_in_parts", "features.ingest", "_store_part", 3, "after"),
    ("import_in_parts", "features.datafiles", "settle", 6, "after"),  # files of the third part in place, not committed
]
COMPACTION_KILLS = [
    ("compact", "features.datafiles", "write", 2, "after"),
    ("compact", "features.datafiles", "settle", 1, "after"),
    ("compact", "features.delta", "_log", 1, "after"),
]

CHILD = """
import functools, importlib, os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from features.lake import Lake
from tests.features import test_crashes as here
lake = Lake.open(Path(sys.argv[2]), create=True, buckets=4)
action, module, name, nth, moment = sys.argv[3], sys.argv[4], sys.argv[5], int(sys.argv[6]), sys.argv[7]
owner = importlib.import_module(module)
whole = getattr(owner, name)
calls = 0
@functools.wraps(whole)
def dying(*args, **kwargs):
    global calls
    calls += 1
    result = whole(*args, **kwargs) if calls < nth or moment == "after" else None
    if calls == nth:
        os.kill(os.getpid(), signal.SIGKILL)
    return result
setattr(owner, name, dying)
getattr(here, action)(lake)
"""
Kill = tuple[str, str, str, int, str]


def killed(root: Path, kill: Kill) -> Lake:
    """The lake at `root` after a process was killed over it."""
    arguments = [str(Path(__file__).parents[2]), str(root), *map(str, kill)]
    child = subprocess.run([sys.executable, "-c", CHILD, *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert child.returncode == -signal.SIGKILL, child.stderr
    return Lake.open(root)


def names_of(kills: list[Kill]) -> list[str]:
    return ["-".join(map(str, kill[:1] + kill[2:])) for kill in kills]


def import_(lake: Lake) -> None:
    lake.ingest(big_plant(), imported_at=NOW)


def import_in_parts(lake: Lake) -> None:
    with mock.patch.object(ingest, "PART_ROWS", 200):
        lake.ingest(plant_in_parts(), imported_at=NOW)


def compact(lake: Lake) -> None:
    compaction.compact(lake, whole=True)


def plant_in_parts() -> Source:
    """The plant of `big_plant`, ten machines after the other."""

    def batches() -> Iterator[Batch]:
        for one in big_plant().batches():
            ids = one.table.column("machine_id").to_pylist()
            parts.setdefault(one.contract.name, [[row for row, name in enumerate(ids) if name in group] for group in groups])
            held.append(one)
        for number in range(len(groups)):
            for one in held:
                rows = parts[one.contract.name][number]
                last = number < len(groups) - 1 and one is held[-1]
                yield dataclasses.replace(one, table=one.table.take(rows), rows=one.rows[rows], closes_part=last)

    groups = [{f"m{number}" for number in range(first, first + 10)} for first in range(0, 40, 10)]
    groups[-1].add("ghost")
    parts: dict[str, list[list[int]]] = {}
    held: list[Batch] = []
    return dataclasses.replace(big_plant(), batches=batches)


def test_an_import_in_parts_stores_what_one_at_once_does(tmp_path: Path) -> None:
    lakes = [Lake.open(tmp_path / name, create=True, buckets=4) for name in ("whole", "parts")]
    import_(lakes[0])
    import_in_parts(lakes[1])
    for name in lakes[0].tables():
        assert lakes[1].read(name).equals(lakes[0].read(name)), name
    assert lakes[0].accounts()[0]["tables"] == lakes[1].accounts()[0]["tables"]
    commits = lakes[1].history("readings_press")["readings_press"]
    assert [one.rows for one in commits] == [300] * 4
    assert all(one.counts["rows_in"] == one.counts["accepted"] == 300 for one in commits)


@pytest.mark.parametrize("kill", KILLS, ids=names_of(KILLS))
def test_kill_9_leaves_the_lake_readable_and_the_rerun_completes_it(tmp_path: Path, kill: Kill) -> None:
    lake = killed(tmp_path / "lake", kill)
    assert sorted(lake.versions()) == lake.tables()
    for name in lake.tables():
        lake.read(name)
    assert lake.accounts() == []
    account = lake.ingest(big_plant(), imported_at=NOW)
    assert counts(account.total)[0] == 40 + 41 + 1200
    whole = Lake.open(tmp_path / "whole", create=True, buckets=4)
    whole.ingest(big_plant(), imported_at=NOW)
    for name in whole.tables():
        assert lake.read(name).equals(whole.read(name)), name
    assert lake.quarantined().drop(["imported_at"]).equals(whole.quarantined().drop(["imported_at"]))
    assert asdict(lake.ingest(big_plant(), imported_at=NOW).total)["duplicate"] == 40 + 40 + 1200
    assert not (lake.root / ".spill").exists()
    assert not list(lake.root.glob(f"tables/*/*/{DRAFT}*"))


@pytest.mark.parametrize("kill", COMPACTION_KILLS, ids=names_of(COMPACTION_KILLS))
def test_kill_9_during_compaction_changes_no_row(tmp_path: Path, kill: Kill) -> None:
    lake = Lake.open(tmp_path / "lake", create=True, buckets=4)
    import_in_parts(lake)
    before, version = lake.read(READINGS.name), lake.versions()[READINGS.name]
    killed(lake.root, kill)
    assert lake.read(READINGS.name).equals(before)
    assert lake.read(READINGS.name, version=version).equals(before)
    compact(lake)
    assert lake.read(READINGS.name).equals(before)
    assert len(delta.Frozen(lake.path(READINGS.name)).files) == 4
    assert not list(lake.root.glob(f"tables/*/*/{DRAFT}*"))
    assert lake.ingest(big_plant(), imported_at=NOW).total.accepted == 0


@pytest.mark.parametrize("table", ["machines", "readings_press"])
def test_a_full_disk_during_an_import_is_one_line(tmp_path: Path, table: str) -> None:
    lake = Lake.open(tmp_path / "lake", create=True, buckets=4)
    lake.ingest(source(FLEET), imported_at=NOW)
    versions = lake.versions()
    write = datafiles.write

    def full(root: Path, *rest: Any) -> Any:
        if root.name.strip(".").startswith(table):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(root, *rest)

    with (
        mock.patch.object(datafiles, "write", full),
        pytest.raises(Conflict, match=f"{table}: no space left on the disk; free some space and run this again"),
    ):
        import_(lake)
    assert (len(lake.accounts()), lake.versions().get(table)) == (1, versions.get(table))
    import_(lake)
    assert lake.read(READINGS.name).num_rows == 1200
