"""Scores from a ready snapshot: those of the lake to the bit, each explained from the lake; a foreign snapshot is refused."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from features.build import build
from features.errors import BadInput, NotFound
from features.lake import Lake
from features.observations import Grid
from features.snapshots import Snapshot
from serving.batch import keep, score_machines
from serving.champion import Champion, load_champion
from serving.explain import explain
from serving.ready import score_snapshot
from serving.store import opened
from tests.serving.world import END, MACHINES, START, World


@pytest.fixture(scope="module")
def champion(world: World) -> Champion:
    return load_champion(world.home, "pump")


@pytest.fixture(scope="module")
def snapshot(world: World, champion: Champion, tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return build(world.lake, "pump", Grid(every_hours=24.0), home=tmp_path_factory.mktemp("ready"), threads=1)


def test_each_machine_is_scored_at_its_latest_observation_as_from_the_lake(
    world: World, champion: Champion, snapshot: Snapshot
) -> None:
    at = END - timedelta(hours=24)
    seen: list[tuple[int, int]] = []
    ready = score_snapshot(world.lake, champion, snapshot, threads=2, progress=lambda done, of: seen.append((done, of)))
    fresh = score_machines(world.lake, champion, as_of=at)
    assert ready.as_of == at
    assert seen[-1] == (MACHINES, MACHINES)
    assert ready.machine_ids.to_pylist() == fresh.machine_ids.to_pylist()
    assert ready.digests == fresh.digests
    for name in ("p", "low", "high"):
        np.testing.assert_array_equal(getattr(ready.said, name), getattr(fresh.said, name))


def test_a_bucket_in_several_files_is_read_whole(
    world: World, champion: Champion, snapshot: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("features.groups.READINGS_AT_A_TIME", 1000)
    cut = build(world.lake, "pump", Grid(every_hours=24.0), home=tmp_path, threads=1)
    assert len(cut.manifest["parts"]) > len(snapshot.manifest["parts"])
    parts, whole = score_snapshot(world.lake, champion, cut), score_snapshot(world.lake, champion, snapshot)
    assert parts.machine_ids.to_pylist() == whole.machine_ids.to_pylist()
    assert parts.digests.to_pylist() == whole.digests.to_pylist()
    fresh = score_machines(world.lake, champion, as_of=parts.as_of, threads=2)
    assert fresh.digests.to_pylist() == whole.digests.to_pylist()


def test_an_earlier_moment_takes_earlier_observations(world: World, champion: Champion, snapshot: Snapshot) -> None:
    scores = score_snapshot(world.lake, champion, snapshot, as_of=START + timedelta(hours=60))
    assert scores.as_of == START + timedelta(hours=48)
    assert len(scores) == MACHINES
    with pytest.raises(NotFound, match="no observation by then"):
        score_snapshot(world.lake, champion, snapshot, as_of=START - timedelta(hours=1))


def test_a_score_of_the_batch_is_explained_and_a_changed_one_is_seen(
    world: World, champion: Champion, snapshot: Snapshot, tmp_path: Path
) -> None:
    scores = score_snapshot(world.lake, champion, snapshot)
    with opened(f"sqlite:///{tmp_path}/store.db") as store:
        keep(scores, store, world.lake)
        assert store.count() == MACHINES
        for row in (0, MACHINES - 1):
            found = explain(world.home, store, f"{scores.batch_id}.{row}")
            assert found.reproduced, found.verdict
            assert found.stored.entity_id == scores.machine_ids[row].as_py()
            assert found.document()["source"] == "batch"
            assert found.stored.snapshot_id == snapshot.id
        for wrong in (f"{scores.batch_id}.{MACHINES}", f"{scores.batch_id}.-1", f"{scores.batch_id}.x", "b_none.0"):
            with pytest.raises(NotFound, match="no score"):
                store.get(wrong)
        with store.engine.begin() as connection:
            connection.exec_driver_sql("update batch_parts set rows = substr(rows, 1, 400)")
        with pytest.raises(BadInput, match="its rows are damaged"):
            store.get(f"{scores.batch_id}.0")


def test_features_other_than_those_seen_are_told(
    world: World, champion: Champion, snapshot: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = score_snapshot(world.lake, champion, snapshot)
    with opened(f"sqlite:///{tmp_path}/store.db") as store:
        keep(scores, store, world.lake)
        monkeypatch.setattr("serving.batch_rows.digest", lambda x: bytes(8))
        found = explain(world.home, store, f"{scores.batch_id}.0")
    assert not found.reproduced
    assert "not those that were seen" in found.verdict


def test_a_snapshot_of_other_features_or_another_lake_is_refused(
    world: World, champion: Champion, snapshot: Snapshot, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="built on another lake"):
        score_snapshot(Lake.open(tmp_path / "lake", create=True), champion, snapshot)
    snapshot.manifest["catalog_hash"] = "0" * 12
    with pytest.raises(BadInput, match="its features are not those of the champion"):
        score_snapshot(world.lake, champion, snapshot)
    snapshot.manifest["catalog_hash"] = champion.catalog.hash


def test_a_damaged_file_is_one_line(world: World, champion: Champion, snapshot: Snapshot) -> None:
    file = snapshot.path / snapshot.manifest["parts"][0]["file"]
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput, match="missing or damaged"):
        score_snapshot(world.lake, champion, snapshot)
    file.write_bytes(whole)
