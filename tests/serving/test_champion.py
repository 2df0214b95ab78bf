"""Champions: the pointer is watched, a swap is whole, and a bad bundle never takes the place of a good one."""

import json
import threading
import time
from pathlib import Path

import pytest

from features.errors import BadInput, NotFound
from serving.champion import Champions, load_bundle, load_champion
from tests.serving.world import World, point_at


@pytest.fixture
def home(world: World, tmp_path: Path) -> Path:
    point_at(tmp_path, world.bundle)
    return tmp_path


def test_the_champion_is_what_the_pointer_names(home: Path, world: World) -> None:
    assert load_champion(home, "pump").bundle_id == world.bundle.manifest.bundle_id


def test_an_unknown_kind_is_named_with_those_there_are(home: Path) -> None:
    with pytest.raises(NotFound, match=r"no champion for machine kind 'moon'.*pump"):
        load_champion(home, "moon")
    champions = Champions(home)
    champions.refresh()
    with pytest.raises(NotFound, match="kinds with a champion: pump"):
        champions.get("moon")


def test_a_missing_bundle_is_said_to_be_missing(home: Path) -> None:
    with pytest.raises(NotFound, match="no bundle gone"):
        load_bundle(home, "gone")


def test_a_promotion_is_seen(home: Path, world: World) -> None:
    champions = Champions(home)
    assert champions.refresh()
    assert not champions.refresh()
    point_at(home, world.challenger)
    assert champions.refresh()
    assert champions.get("pump").bundle_id == world.challenger.manifest.bundle_id


def test_a_withdrawn_champion_is_gone(home: Path) -> None:
    champions = Champions(home)
    champions.refresh()
    (home / "champion" / "machine" / "pump.json").unlink()
    assert champions.refresh()
    assert champions.all() == []


@pytest.mark.parametrize("damage", ["booster", "pointer", "path"])
def test_a_damaged_challenger_leaves_the_champion_in_service(home: Path, world: World, damage: str) -> None:
    champions = Champions(home)
    champions.refresh()
    point_at(home, world.challenger)
    pointer = home / "champion" / "machine" / "pump.json"
    if damage == "booster":
        (home / "bundles" / world.challenger.manifest.bundle_id / "members.txt").write_text("tree\n")
    else:
        pointer.write_text("{" if damage == "pointer" else json.dumps({"path": "bundles/nowhere"}))
    with pytest.raises((BadInput, NotFound)):
        load_champion(home, "pump")
    assert not champions.refresh()
    assert champions.get("pump").bundle_id == world.bundle.manifest.bundle_id
    assert "pump" in champions.failures


def test_a_bundle_that_was_mended_is_served_without_another_promotion(home: Path, world: World) -> None:
    members = home / "bundles" / world.bundle.manifest.bundle_id / "members.txt"
    whole = members.read_bytes()
    members.write_text("tree\n")
    champions = Champions(home, retry_seconds=0.0)
    assert not champions.refresh()
    assert champions.missing() == ["pump"]
    members.write_bytes(whole)
    assert champions.refresh()
    assert champions.missing() == []


def test_the_watch_swaps_by_itself(home: Path, world: World) -> None:
    champions = Champions(home)
    champions.refresh()
    stop = threading.Event()
    thread = champions.watch(stop, every_seconds=0.02)
    point_at(home, world.challenger)
    deadline = time.monotonic() + 20
    while champions.get("pump").bundle_id == world.bundle.manifest.bundle_id and time.monotonic() < deadline:
        time.sleep(0.02)
    stop.set()
    thread.join(5)
    assert champions.get("pump").bundle_id == world.challenger.manifest.bundle_id
