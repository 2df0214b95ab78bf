"""A champion with networks: posted, known, in a batch, explained to the bit; without them LightGBM answers and says so."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from features.history import from_tables
from features.observations import Grid
from features.sequences import over
from features.settings import Settings
from serving.batch import keep, score_machines
from serving.champion import load_champion
from serving.cli import _explanation_text
from serving.explain import explain
from serving.ready import score_snapshot
from serving.runtime import Runtime
from serving.scoring import OF_REASONS
from serving.store import batch_score_id
from tests.serving.world import END, HOURS, MACHINES, PUMP, START, World, hour, made_world, point_at, posted
from tests.training.networks import fresh
from training.bundle import Bundle
from training.manifest import Facts

NAMES = ("p24", "p48", "p72", "ranges")


def blended(world: World) -> Bundle:
    """The world's bundle with networks of fresh weights beside its boosters."""
    ids = sorted(set(world.tables["machines"].column("machine_id").to_pylist()))
    history = from_tables(PUMP, world.tables, ids)
    at = np.array([int(hour(h).timestamp() * 1e6) for h in range(72, HOURS, 24)], dtype=np.int64)
    entity = np.repeat(np.arange(len(ids), dtype=np.int64), len(at))
    windows = over(PUMP, history, entity, np.tile(at, len(ids)))
    networks = fresh(PUMP, windows.take(np.arange(len(windows))), families=("gru", "tcn"))
    facts = Facts(PUMP, "pump-20260112-000000000000", {}, START, END, END, END, {"blended": True})
    golden = np.array([[np.nan if one is None else one for one in row] for row in world.bundle.manifest.golden.x], np.float32)
    return Bundle.assemble(world.bundle.model, world.bundle.calibration, facts, golden, networks)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    found = made_world(tmp_path_factory.mktemp("blended"))
    bundle = blended(found)
    point_at(found.home, bundle)
    return World(found.home, found.lake, bundle, found.challenger, found.tables)


@pytest.fixture(scope="module")
def runtime(world: World) -> Iterator[Runtime]:
    runtime = Runtime.open(Settings(home=world.home))
    yield runtime
    runtime.close()


def scored(runtime: Runtime, document: dict[str, Any]) -> dict[str, Any]:
    return dict(orjson.loads(asyncio.run(runtime.score_posted(orjson.dumps(document)))))


def known(runtime: Runtime, machine_id: str, n_reasons: int = 0) -> dict[str, Any]:
    return dict(orjson.loads(asyncio.run(runtime.score_known(machine_id, None, n_reasons))))


def no_say(answer: dict[str, Any]) -> list[str]:
    return [note for note in answer["notes"] if note.startswith("the networks had no say")]


def test_posted_known_and_batch_say_the_same_to_the_bit(world: World, runtime: Runtime) -> None:
    champion = load_champion(world.home, "pump")
    assert champion.reads_windows
    batch = score_machines(world.lake, champion)
    rows = dict(zip(batch.machine_ids.to_pylist(), batch.said.p.tolist(), strict=True))
    assert batch.said.blended.all()
    for machine in ("p01", "p09"):
        whole, lake = scored(runtime, posted(world, machine, END, hours=10_000)), known(runtime, machine)
        assert [whole[name] for name in NAMES] == [lake[name] for name in NAMES]
        assert [whole[name] for name in NAMES[:3]] == rows[machine]
        assert not no_say(whole)
        assert whole["p24"] <= whole["p48"] <= whole["p72"]


def test_the_networks_do_have_a_say(world: World, runtime: Runtime) -> None:
    x = runtime.champions.get("pump")
    batch = score_machines(world.lake, x)
    alone = x.bundle.predict(np.stack([batch.best[row] for row in range(MACHINES)])).p
    assert (np.abs(np.log(batch.said.p / alone)) > 1e-6).all()


def test_it_is_explained_to_the_bit_from_the_posted_body_and_from_the_lake(world: World, runtime: Runtime) -> None:
    for answer in (scored(runtime, posted(world, "p03", END) | {"reasons": 3}), known(runtime, "p03", 3)):
        found = explain(world.home, runtime.store, str(answer["score_id"]), 3)
        assert found.reproduced, found.verdict
        assert list(found.result.p) == [answer[name] for name in NAMES[:3]]
        assert OF_REASONS in answer["notes"]
        assert found.document()["notes"] == [OF_REASONS] and f"  {OF_REASONS}" in _explanation_text(found.document())


def test_what_rows_add_is_measured_on_the_blended_score(world: World, runtime: Runtime) -> None:
    found = explain(world.home, runtime.store, known(runtime, "p03", 2)["score_id"], 2)
    stretches = [one for reason in found.document()["reasons"] for one in reason["rows"]]
    assert stretches
    score = np.log(-np.log1p(-found.result.p[-1]))
    for one in stretches:
        without = np.log(-np.log1p(-one["p72_without"]))
        assert score - without == pytest.approx(one["change"], abs=1e-9)


def test_a_row_of_a_batch_is_explained_to_the_bit(world: World, runtime: Runtime) -> None:
    scores = score_machines(world.lake, load_champion(world.home, "pump"))
    keep(scores, runtime.store, world.lake)
    row = int(scores.order[0])
    found = explain(world.home, runtime.store, batch_score_id(scores.batch_id, row))
    assert found.reproduced, found.verdict
    assert list(found.result.p) == scores.said.p[row].tolist()


def test_a_snapshot_that_is_ready_gives_the_same_scores(world: World) -> None:
    from features.build import build

    champion = load_champion(world.home, "pump")
    at = END - timedelta(hours=24)
    snapshot = build(world.lake, "pump", Grid(every_hours=24, start=at, end=at), home=world.home, threads=1)
    ready, fresh_ = score_snapshot(world.lake, champion, snapshot), score_machines(world.lake, champion, as_of=at)
    places = {name: row for row, name in enumerate(fresh_.machine_ids.to_pylist())}
    order = [places[name] for name in ready.machine_ids.to_pylist()]
    np.testing.assert_array_equal(ready.said.p, fresh_.said.p[order])
    assert ready.said.blended.all() and ready.notes == (OF_REASONS,)


def test_a_batch_says_how_many_the_networks_had_no_say_in(world: World, tmp_path: Path) -> None:
    champion = load_champion(world.home, "pump")
    early = score_machines(world.lake, champion, as_of=START + timedelta(hours=12))
    how = "scored by LightGBM alone, by its own calibration"
    assert not early.said.blended.any()
    assert early.notes == (f"the networks had no say in {MACHINES} of {MACHINES} (their windows are too short): {how}",)
    point_at(tmp_path, world.bundle)
    (tmp_path / "bundles" / world.bundle.manifest.bundle_id / "network-gru-0.onnx").unlink()
    lacking = score_machines(world.lake, load_champion(tmp_path, "pump"))
    why = "its file network-gru-0.onnx is missing"
    assert lacking.notes == (f"the networks had no say in {MACHINES} of {MACHINES} ({why}): {how}",)


def test_a_short_history_is_left_to_lightgbm_and_said_so(world: World, runtime: Runtime) -> None:
    answer = scored(runtime, posted(world, "p03", END, hours=10))
    why = "10 of at least 24 readings in the last 168 h"
    assert no_say(answer) == [f"the networks had no say ({why}): scored by LightGBM alone, by its own calibration"]
    found = explain(world.home, runtime.store, str(answer["score_id"]))
    assert found.reproduced, found.verdict
    x = found.result.x.reshape(1, -1)
    assert runtime.champions.get("pump").bundle.predict(x).p[0].tolist() == [answer[name] for name in NAMES[:3]]


def test_readings_that_are_all_missing_are_too_short_as_well(world: World, runtime: Runtime) -> None:
    document = posted(world, "p03", END)
    nothing = dict.fromkeys(("volt", "rotate", "pressure", "vibration"))
    document["readings"] = [row | nothing for row in document["readings"]]
    assert "(0 of at least 24 readings" in no_say(scored(runtime, document))[0]


def test_without_the_network_file_scores_go_on(world: World, tmp_path: Path) -> None:
    point_at(tmp_path, world.bundle)
    bundle = tmp_path / "bundles" / world.bundle.manifest.bundle_id
    (bundle / "network-gru-0.onnx").unlink()
    runtime = Runtime.open(Settings(home=tmp_path))
    try:
        assert runtime.ready()
        answer = scored(runtime, posted(world, "p03", END))
        assert no_say(answer) == [
            "the networks had no say (its file network-gru-0.onnx is missing): scored by LightGBM alone, by its own calibration"
        ]
        x = explain(tmp_path, runtime.store, answer["score_id"]).result.x
        assert world.bundle.predict(x.reshape(1, -1)).p[0].tolist() == [answer[name] for name in NAMES[:3]]
        # The file comes back: the score is no longer what would be said, and that is told.
        world.bundle.save(bundle)
        assert not explain(tmp_path, runtime.store, answer["score_id"]).reproduced
    finally:
        runtime.close()


def test_live_keeps_all_readings_of_a_kind_with_windows(world: World, runtime: Runtime) -> None:
    known(runtime, "p05")
    assert runtime.stream.live().whole_kinds == {"pump"}
    assert runtime.stream.live().machine("p05").whole_since is None
