"""Snapshots and streams: point in time, immutable, reproducible to the byte, and whole or not there at all."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from features import cli, drafts, groups, online
from features.build import build, stream
from features.catalog import catalog
from features.differences import diff, diff_text
from features.errors import BadInput, NotFound
from features.lake import Lake
from features.observations import Grid, at
from features.schema import COVERAGE, EVENTS, FAILURES, MACHINE, MACHINES, MAINTENANCE, TableContract, readings
from features.settings import settings
from features.snapshots import Snapshot, list_snapshots, open_snapshot
from tests.properties.histories import REGULAR, bits

START = datetime(2024, 1, 1, tzinfo=UTC)
IDS = [f"m{number}" for number in range(12)]
HOURS = 24 * 10
GRID = Grid(every_hours=24)


def rows(contract: TableContract, **columns: list[object]) -> pa.Table:
    columns = {"recorded_at": columns["event_time"], **columns}
    return pa.table({name: pa.array(values, contract.arrow.field(name).type) for name, values in columns.items()})


def filled(root: Path) -> Lake:
    """Twelve machines over ten days in four buckets."""
    lake = Lake.open(root, create=True, buckets=4)
    lake.put_kind(REGULAR)
    random = np.random.default_rng(3)
    moments = [START + timedelta(hours=hour) for hour in range(HOURS)]
    names = [name for name in IDS for _ in moments]
    values = {sensor.name: random.normal(50, 5, len(names)).tolist() for sensor in REGULAR.sensors}
    some = [(name, moments[random.integers(HOURS)]) for name in IDS for _ in range(6)]
    some = sorted(set(some))
    late = [moment + timedelta(hours=int(random.integers(0, 3)) * 20) for _, moment in some]
    keys = {MACHINE: [name for name, _ in some], "event_time": [moment for _, moment in some], "recorded_at": late}
    end = START + timedelta(hours=HOURS)
    for contract, table in (
        (MACHINES, rows(MACHINES, machine_id=IDS, event_time=[START] * 12, kind=["regular"] * 12, age_hours=[5.0] * 12)),
        (readings(REGULAR), rows(readings(REGULAR), machine_id=names, event_time=moments * 12, **values)),
        (EVENTS, rows(EVENTS, **keys, code=["e1"] * len(some))),
        (MAINTENANCE, rows(MAINTENANCE, **keys, component=["c2"] * len(some))),
        (FAILURES, rows(FAILURES, machine_id=["m1"], event_time=[moments[100]], component=["c1"])),
        (COVERAGE, rows(COVERAGE, machine_id=IDS, event_time=[end] * 12)),
    ):
        lake.append_rows(contract, table, end + timedelta(days=3), "test")
    return lake


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return filled(tmp_path_factory.mktemp("home") / "lake")


@pytest.fixture(scope="module")
def snapshot(lake: Lake) -> Snapshot:
    return build(lake, "regular", GRID, home=lake.root.parent, threads=1)


def test_three_lines_of_python(lake: Lake, snapshot: Snapshot) -> None:
    frame = open_snapshot(lake.root.parent).to_pandas()
    assert frame.shape == (12 * 10, 2 + len(catalog(REGULAR).names))
    assert list(frame.columns[:2]) == [MACHINE, "as_of"]
    assert sorted(set(frame[MACHINE])) == sorted(IDS)
    assert str(frame["as_of"].dt.tz) == "UTC"
    assert (frame.dtypes.iloc[2:] == np.float32).all()
    assert frame["heat_mean_12h"].between(40, 60).mean() > 0.8
    some = snapshot.to_pandas(["heat_last"], machine_ids=["m3"])
    assert some.shape == (10, 3)


def test_the_manifest_says_what_it_was_built_from(lake: Lake, snapshot: Snapshot) -> None:
    manifest = snapshot.manifest
    assert snapshot.id == f"regular-20240110-{snapshot.id[-12:]}"
    assert manifest["catalog_hash"] == catalog(REGULAR).hash
    assert manifest["lake_versions"] == {name: lake.versions()[name] for name in manifest["lake_versions"]}
    assert {"machines", "events", "readings_regular", "coverage"} <= set(manifest["lake_versions"])
    assert (manifest["rows"], manifest["features"]) == (120, catalog(REGULAR).names)
    assert snapshot.kind == REGULAR


def test_parts_agree_with_the_whole(snapshot: Snapshot) -> None:
    whole = snapshot.matrix()
    parts = np.concatenate([snapshot.matrix(bucket) for bucket in snapshot.buckets])
    assert np.array_equal(bits(whole), bits(parts))
    keys = pa.concat_tables([snapshot.observations(buckets=[bucket]) for bucket in snapshot.buckets])
    assert keys.to_pylist() == snapshot.observations().to_pylist()


def test_the_same_inputs_are_the_same_snapshot_to_the_byte(lake: Lake, snapshot: Snapshot, tmp_path: Path) -> None:
    assert build(lake, "regular", GRID, home=lake.root.parent).path == snapshot.path
    again = build(lake, "regular", GRID, home=tmp_path, threads=3)
    assert again.id == snapshot.id
    for part in snapshot.manifest["parts"]:
        assert (again.path / part["file"]).read_bytes() == (snapshot.path / part["file"]).read_bytes()


def test_online_from_the_lake_is_the_snapshot_to_the_bit(lake: Lake, snapshot: Snapshot) -> None:
    frame = snapshot.to_pandas(machine_ids=["m1"])
    history = online.history_from_lake(lake, "m1")
    for row in frame.itertuples(index=False):
        found = online.vector(catalog(REGULAR), history, row[1].to_pydatetime())
        assert np.array_equal(bits(found), bits(np.array(row[2:], dtype=np.float32)))
    with pytest.raises(NotFound, match="no machine nobody"):
        online.history_from_lake(lake, "nobody")


def test_a_stream_gives_any_observations_in_pieces(lake: Lake, snapshot: Snapshot) -> None:
    frame = snapshot.to_pandas().set_index([MACHINE, "as_of"])
    moment = START + timedelta(days=7)
    asked = at([*IDS, "nobody"], moment)
    pieces = list(stream(lake, catalog(REGULAR), lambda bucket: asked, threads=2, rows_at_a_time=5))
    assert [len(matrix) for _, matrix in pieces] == [5, 5, 3] * lake.buckets
    of_bucket = {bucket: set() for bucket in range(lake.buckets)}
    for place, (table, matrix) in enumerate(pieces):
        for key, row in zip(table.column(MACHINE).to_pylist(), matrix, strict=True):
            if np.isnan(row).all():
                continue
            of_bucket[place // 3].add(key)
            assert np.array_equal(bits(row), bits(frame.loc[(key, moment)].to_numpy()))
    buckets = dict(zip(IDS, lake.bucket_of(IDS).tolist(), strict=True))
    assert of_bucket == {bucket: {name for name in IDS if buckets[name] == bucket} for bucket in of_bucket}


def test_groups_of_machines_are_the_whole_bucket(
    lake: Lake, snapshot: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few readings are held at a time, the values, their order and the machines without readings are the same."""
    monkeypatch.setattr(groups, "READINGS_AT_A_TIME", 2 * HOURS)
    small = build(lake, "regular", GRID, home=tmp_path, threads=2)
    assert len(small.manifest["parts"]) > len(snapshot.manifest["parts"])
    assert small.observations().to_pylist() == snapshot.observations().to_pylist()
    assert np.array_equal(bits(small.matrix()), bits(snapshot.matrix()))
    view, wanted = lake.at(), catalog(REGULAR)
    for bucket in range(lake.buckets):
        asked = at([*IDS, "nobody"], START + timedelta(days=7))
        parts = [group.observations for group in groups.Grouping(view, wanted).groups(bucket, asked)]
        assert sorted(pa.concat_tables(parts).column(MACHINE).to_pylist()) == sorted([*IDS, "nobody"])
    whole = {key: row for table, x in stream(lake, wanted, lambda bucket: asked) for key, row in keyed(table, x)}
    monkeypatch.undo()
    again = {key: row for table, x in stream(lake, wanted, lambda bucket: asked) for key, row in keyed(table, x)}
    assert whole == again
    assert len(whole) == len(IDS)


def keyed(table: pa.Table, matrix: np.ndarray) -> Iterator[tuple[str, bytes]]:
    """The bits of each row that is not all missing, by machine."""
    for name, row in zip(table.column(MACHINE).to_pylist(), matrix, strict=True):
        if not np.isnan(row).all():
            yield name, bits(row).tobytes()


def test_a_later_correction_leaves_the_past_as_it_was_known(tmp_path: Path) -> None:
    lake = filled(tmp_path / "lake")
    before = build(lake, "regular", GRID, home=tmp_path)
    moment = START + timedelta(hours=50)
    known = [moment + timedelta(hours=40)]
    correction = rows(readings(REGULAR), machine_id=["m2"], event_time=[moment], heat=[90.0], shake=[1.0], recorded_at=known)
    lake.append_rows(readings(REGULAR), correction, START + timedelta(days=20), "correction")
    after = build(lake, "regular", GRID, home=tmp_path)
    assert after.id != before.id
    assert open_snapshot(tmp_path, kind="regular").id == after.id
    found = diff(before, after)
    assert found["rows_common"] == 120
    assert "readings_regular" in found["lake_versions"]
    assert set(found["lake_versions"]) <= {"readings_regular", "reference_regular"}
    # One look falls after the correction was known (hour 90) and still has hour 50 within its 48 hours.
    left, right = (one.to_pandas(["heat_last", "heat_max_48h"], machine_ids=["m2"]) for one in (before, after))
    changed = (left["heat_max_48h"] != right["heat_max_48h"]).to_numpy()
    assert [bool(change) for change in changed] == [hour in (96,) for hour in range(0, 240, 24)]
    assert 0 < found["values_changed"]["heat_max_48h"] <= 2
    assert "values    heat_max_48h: 1 differ" in diff_text(found)


def test_another_grid_is_another_snapshot(lake: Lake, snapshot: Snapshot) -> None:
    other = build(lake, "regular", Grid(every_hours=48, start=START + timedelta(days=2)), home=lake.root.parent)
    found = diff(snapshot, other)
    assert other.id != snapshot.id
    assert (found["rows_removed"], found["rows_common"], found["values_changed"]) == (120 - 48, 48, {})
    assert "grid" in diff_text(found)


def test_what_cannot_be_built_or_found(lake: Lake, snapshot: Snapshot, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no machine kind 'blender'"):
        build(lake, "blender", GRID, home=tmp_path)
    with pytest.raises(BadInput, match="no machine is under observation"):
        build(lake, "regular", Grid(start=START + timedelta(days=99)), home=tmp_path)
    assert list_snapshots(tmp_path) == []
    for asked in ("nothing", "../lake", ""):
        with pytest.raises(NotFound, match="no snapshot"):
            open_snapshot(lake.root.parent, asked)
    with pytest.raises(NotFound, match="no snapshot of kind blender yet"):
        open_snapshot(lake.root.parent, kind="blender")
    with pytest.raises(NotFound, match="no feature heat_mood"):
        snapshot.to_pandas(["heat_mood"])


KILLED = """
import os, signal, sys
from pathlib import Path
from features.build import build
from features.lake import Lake
from features.observations import Grid
from features.drafts import Work
Work.publish = lambda self, parts: os.kill(os.getpid(), signal.SIGKILL)
home = Path(sys.argv[1])
build(Lake.open(home / "lake"), "regular", Grid(every_hours=24), home=home)
"""


def test_a_killed_build_leaves_nothing_half_visible(tmp_path: Path) -> None:
    lake = filled(tmp_path / "lake")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False, env=os.environ)
    assert killed.returncode == -signal.SIGKILL
    left = list((tmp_path / "snapshots").iterdir())
    assert [path.name[0] for path in left] == ["."]
    assert any(left[0].iterdir())
    assert list_snapshots(tmp_path) == []
    made = build(lake, "regular", GRID, home=tmp_path)
    assert [path.name for path in (tmp_path / "snapshots").iterdir()] == [made.id]
    assert made.rows == 120


@pytest.fixture
def home(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("FOREWARN_HOME", str(lake.root.parent))
    settings.cache_clear()
    yield lake.root.parent
    settings.cache_clear()


def test_two_builds_of_the_same_leave_each_other_alone(snapshot: Snapshot, tmp_path: Path) -> None:
    draft = drafts.Draft.of(catalog(snapshot.kind), {}, Grid(), lake_root=tmp_path, lake_id="l")
    with draft.open(tmp_path) as first:
        with draft.open(tmp_path) as second:
            assert first.path.is_dir() and second.path.is_dir()
        assert first.path.is_dir()
    leftover = first.path.with_name(f".{draft.digest}-killed")
    leftover.mkdir()
    with draft.open(tmp_path) as third:
        assert list(third.path.parent.iterdir()) == [third.path]


def test_the_verbs(home: Path, snapshot: Snapshot) -> None:
    run = CliRunner()
    built = run.invoke(cli.features, ["build", "--kind", "regular", "--every", "24h", "--json"])
    assert json.loads(built.stdout)["id"] == snapshot.id
    weekly = run.invoke(cli.features, ["build", "--kind", "regular", "--every", "7d", "--start", "2024-01-02"])
    assert "12 observations" in weekly.stdout
    listed = json.loads(run.invoke(cli.features, ["list", "--json"]).stdout)
    assert snapshot.id in {one["id"] for one in listed}
    assert snapshot.id in run.invoke(cli.features, ["list"]).stdout
    assert json.loads(run.invoke(cli.features, ["diff", snapshot.id, snapshot.id, "--json"]).stdout)["rows_common"] == 120
    refused = run.invoke(cli.features, ["build", "--kind", "regular", "--every", "soon"])
    assert isinstance(refused.exception, BadInput)


def copied(snapshot: Snapshot, home: Path) -> Snapshot:
    """The snapshot and its lake in another home."""
    shutil.copytree(snapshot.path.parent.parent, home)
    return open_snapshot(home, snapshot.id)


def test_a_home_that_moved_is_read_where_it_stands_now(lake: Lake, snapshot: Snapshot, tmp_path: Path) -> None:
    moved = copied(snapshot, tmp_path / "moved")
    assert moved.lake == tmp_path / "moved" / "lake"
    moved.check_lake(Lake.open(moved.lake).id)


def test_a_lake_made_anew_at_the_same_place_is_another_lake(snapshot: Snapshot, tmp_path: Path) -> None:
    snapshot.check_lake(Lake.open(snapshot.lake).id)
    other = Lake.open(tmp_path / "lake", create=True)
    with pytest.raises(BadInput, match="built on another lake"):
        snapshot.check_lake(other.id)


def test_a_snapshot_of_another_kind_or_catalog_is_refused(snapshot: Snapshot, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=f"snapshot {snapshot.id}: of kind regular; name one of kind pump"):
        open_snapshot(snapshot.path.parent.parent, snapshot.id, "pump")
    snapshot.check_current()
    older = copied(snapshot, tmp_path / "older")
    manifest = older.path / "manifest.json"
    manifest.write_text(manifest.read_text().replace(snapshot.manifest["catalog_hash"], "0" * 12))
    with pytest.raises(BadInput, match="built on catalog 000000000000, this installation computes"):
        older.check_current()


def test_a_damaged_snapshot_is_one_line(snapshot: Snapshot, tmp_path: Path) -> None:
    damaged = copied(snapshot, tmp_path / "damaged")
    part = damaged.path / damaged.manifest["parts"][0]["file"]
    whole = part.read_bytes()
    for content in (whole[: len(whole) // 2], b"", None):
        part.write_bytes(content) if content is not None else part.unlink()
        with pytest.raises(BadInput, match=f"{part.name}: missing or damaged; remove the snapshot's folder"):
            damaged.matrix()
    (damaged.path / "manifest.json").write_text("{")
    with pytest.raises(BadInput, match=r"manifest\.json: missing or damaged"):
        list_snapshots(tmp_path / "damaged")[0].rows  # noqa: B018
