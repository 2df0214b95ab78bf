"""A score is rebuilt to the bit from its evidence, and what differs is named."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import orjson
import pytest

from features.errors import BadInput, NotFound
from features.settings import Settings
from serving.evidence import deflated, lake_evidence
from serving.explain import explain
from serving.runtime import Runtime
from serving.scoring import new_score_id
from tests.serving.world import END, PUMP, World, posted


@pytest.fixture(scope="module")
def runtime(world: World) -> Iterator[Runtime]:
    runtime = Runtime.open(Settings(home=world.home))
    yield runtime
    runtime.close()


def scored(runtime: Runtime, document: object) -> dict[str, object]:
    return dict(orjson.loads(asyncio.run(runtime.score_posted(orjson.dumps(document)))))


def test_a_posted_score_is_reproduced(runtime: Runtime, world: World) -> None:
    answer = scored(runtime, posted(world, "p03", END) | {"reasons": 3})
    found = explain(world.home, runtime.store, str(answer["score_id"]), 3)
    assert found.reproduced, found.verdict
    assert found.document()["p"][2] == answer["p72"]
    assert list(found.result.reasons) == answer["reasons"]


def test_a_posted_score_without_as_of_is_reproduced_at_its_own_moment(runtime: Runtime, world: World) -> None:
    document = posted(world, "p03", END)
    del document["as_of"]
    answer = scored(runtime, document)
    found = explain(world.home, runtime.store, str(answer["score_id"]))
    assert found.reproduced, found.verdict
    assert any("the last reading is" in note for note in answer["notes"])  # type: ignore[attr-defined]


def test_the_whole_history_posted_scores_as_the_lake_does(runtime: Runtime, world: World) -> None:
    """Online equals offline to the last bit, late rows included."""
    whole = scored(runtime, posted(world, "p01", END, hours=10_000))
    known = orjson.loads(asyncio.run(runtime.score_known("p01", None, 0)))
    assert [whole[name] for name in ("p24", "p48", "p72", "ranges")] == [known[n] for n in ("p24", "p48", "p72", "ranges")]
    vectors = [runtime.store.get(str(answer["score_id"])).features for answer in (whole, known)]
    assert vectors[0] == vectors[1]


def test_a_lake_score_is_reproduced_after_a_correction(runtime: Runtime, world: World) -> None:
    at = END - timedelta(hours=1)
    answer = orjson.loads(asyncio.run(runtime.score_known("p02", at, 0)))
    own = world.lake.read(PUMP.readings_table, machine_ids=["p02"]).slice(200, 1).to_pylist()[0]
    corrected = own | {"volt": own["volt"] + 50.0, "recorded_at": own["recorded_at"] + timedelta(minutes=1)}
    contract = world.lake.contract(PUMP.readings_table)
    table = world.lake.read(PUMP.readings_table).schema.empty_table().from_pylist([corrected], schema=contract.arrow)
    world.lake.append_rows(contract, table, END + timedelta(days=30), "correction")
    again = orjson.loads(asyncio.run(runtime.score_known("p02", at, 0)))
    stored = [runtime.store.get(one["score_id"]) for one in (answer, again)]
    assert stored[0].features != stored[1].features
    assert explain(world.home, runtime.store, answer["score_id"]).reproduced
    assert explain(world.home, runtime.store, again["score_id"]).reproduced


def test_what_differs_is_named(runtime: Runtime, world: World) -> None:
    stored = runtime.store.get(str(scored(runtime, posted(world, "p03", END))["score_id"]))
    features = bytearray(stored.features)
    features[0] ^= 1
    tampered = replace(stored, score_id=new_score_id(), features=bytes(features), result=stored.result | {"p": [0.1, 0.2, 0.3]})
    runtime.store.record([tampered])
    found = explain(world.home, runtime.store, tampered.score_id)
    assert not found.reproduced
    assert found.verdict.startswith(f"not reproduced: {world.bundle.catalog.names[0]} was ")
    assert "p was [0.1, 0.2, 0.3]" in found.verdict


def test_evidence_that_is_gone_is_one_clear_line(runtime: Runtime, world: World) -> None:
    with pytest.raises(NotFound, match="no score s_none"):
        explain(world.home, runtime.store, "s_none")
    stored = runtime.store.get(str(scored(runtime, posted(world, "p03", END))["score_id"]))
    lost = replace(stored, score_id=new_score_id(), bundle_id="machine-pump-lost")
    runtime.store.record([lost])
    with pytest.raises(NotFound, match="no bundle machine-pump-lost"):
        explain(world.home, runtime.store, lost.score_id)
    cut = replace(stored, score_id=new_score_id(), evidence=stored.evidence[:20])
    runtime.store.record([cut])
    with pytest.raises(BadInput, match="its evidence is damaged"):
        explain(world.home, runtime.store, cut.score_id)
    elsewhere = deflated(lake_evidence("another", world.lake.versions()))
    strange = replace(stored, score_id=new_score_id(), source="lake", evidence=elsewhere)
    runtime.store.record([strange])
    with pytest.raises(NotFound, match="read from another lake"):
        explain(world.home, runtime.store, strange.score_id)
