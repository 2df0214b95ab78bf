"""A worker without its framework: readiness, warming, one champion per request."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from features.errors import BadInput, NotFound
from features.history import from_tables
from features.settings import Settings
from serving.runtime import Runtime, warm
from serving.scoring import history_notes
from tests.serving.world import END, PUMP, World, point_at, posted


@pytest.fixture
def runtime(world: World, tmp_path: Path) -> Iterator[Runtime]:
    point_at(tmp_path, world.bundle)
    runtime = Runtime.open(Settings(home=tmp_path))
    yield runtime
    runtime.close()


def test_it_is_ready_while_every_golden_row_is_answered(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    assert runtime.ready()

    def broken() -> None:
        raise BadInput("golden rows are answered differently")

    monkeypatch.setattr(runtime.champions.get("pump").bundle, "check_golden", broken)
    assert not runtime.ready()


def test_a_champion_that_does_not_load_keeps_it_from_being_ready(world: World, tmp_path: Path) -> None:
    point_at(tmp_path, world.bundle)
    (tmp_path / "champion" / "machine" / "press.json").write_text("{")
    runtime = Runtime.open(Settings(home=tmp_path))
    assert not runtime.ready()
    assert runtime.champions.missing() == ["press"]
    (tmp_path / "champion" / "machine" / "press.json").unlink()
    runtime.champions.refresh()
    assert runtime.ready()
    runtime.close()


def test_without_a_champion_it_is_not_ready_and_says_so(tmp_path: Path, world: World) -> None:
    runtime = Runtime.open(Settings(home=tmp_path))
    assert not runtime.ready()
    with pytest.raises(NotFound, match="no kind has one yet; train and promote"):
        asyncio.run(runtime.score_posted(orjson.dumps(posted(world, "p03", END))))
    runtime.close()


def test_warming_leaves_no_score_behind(runtime: Runtime) -> None:
    assert warm(runtime.champions.get("pump")) < 60
    assert runtime.store.count() == 0


def test_a_swap_between_check_and_score_does_not_mix_champions(
    runtime: Runtime, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = runtime.champions.get

    def swapped(kind: str) -> object:
        before = asked(kind)
        point_at(runtime.home, world.challenger)
        runtime.champions.refresh()
        return before

    monkeypatch.setattr(runtime.champions, "get", swapped)
    answer = orjson.loads(asyncio.run(runtime.score_posted(orjson.dumps(posted(world, "p03", END)))))
    assert answer["bundle"] == world.bundle.manifest.bundle_id
    assert runtime.store.get(answer["score_id"]).bundle_id == world.bundle.manifest.bundle_id


def test_a_lake_without_home_is_one_line(runtime: Runtime) -> None:
    with pytest.raises(NotFound, match="no lake here"):
        asyncio.run(runtime.score_known("p03", None, 0))


def test_a_short_history_is_scored_and_said_to_be_short(runtime: Runtime, world: World) -> None:
    answer = orjson.loads(asyncio.run(runtime.score_posted(orjson.dumps(posted(world, "p03", END, hours=24)))))
    assert answer["notes"] == ["short history: 24 of 168 h; features of longer windows rest on less"]
    full = orjson.loads(asyncio.run(runtime.score_posted(orjson.dumps(posted(world, "p03", END)))))
    assert full["notes"] == []
    month = PUMP.model_copy(update={"equal_load_hours": (720.0,)})
    notes = history_notes(month, from_tables(month, world.tables, ["p03"]), END)
    assert any(" of 720 h; features of longer windows rest on less" in note for note in notes)
