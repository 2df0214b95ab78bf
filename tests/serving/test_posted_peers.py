"""A posted machine is compared with its peers in the lake; its evidence names the version that it was compared with."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pytest

from features import reference, schema
from features.settings import Settings
from serving.evidence import inflated, posted_evidence, posted_of
from serving.explain import explain
from serving.runtime import Runtime
from tests.serving.world import END, PUMP, World, made_world, posted

PEERED = PUMP.model_copy(update={"reference": True})


@pytest.fixture(scope="module")
def peered(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = made_world(tmp_path_factory.mktemp("peered"), kind=PEERED)
    reference.publish(world.lake, PEERED)
    return world


@pytest.fixture
def runtime(peered: World) -> Iterator[Runtime]:
    runtime = Runtime.open(Settings(home=peered.home))
    yield runtime
    runtime.close()


def test_a_posted_machine_is_compared_with_the_peers_of_the_lake(runtime: Runtime, peered: World) -> None:
    whole = orjson.loads(asyncio.run(runtime.score_posted(orjson.dumps(posted(peered, "p03", END, hours=10_000)))))
    known = orjson.loads(asyncio.run(runtime.score_known("p03", END, 0)))
    vectors = [runtime.store.get(answer["score_id"]).features for answer in (whole, known)]
    assert vectors[0] == vectors[1]
    names = peered.bundle.catalog.names
    found = dict(zip(names, np.frombuffer(vectors[0], dtype="<f4"), strict=True))
    assert found["vibration_peers_z"] > 1.0


@pytest.mark.parametrize(
    ("days", "words"), [(0, ""), (1, ""), (5, "compared with peers of 5 days ago"), (8, "no peers of the last 7 days")]
)
def test_peers_of_long_ago_are_said(runtime: Runtime, peered: World, days: int, words: str) -> None:
    last = max(peered.lake.read("reference_pump").column("event_time").to_pylist())
    answer = orjson.loads(asyncio.run(runtime.score_known("p03", last + timedelta(days=days), 0)))
    said = [note.partition(":")[0].partition(";")[0] for note in answer["notes"] if "peers" in note]
    assert said == ([words] if words else [])


def test_it_is_rebuilt_with_the_peers_of_its_own_day(runtime: Runtime, peered: World) -> None:
    answer = orjson.loads(asyncio.run(runtime.score_posted(orjson.dumps(posted(peered, "p04", END)))))
    body, compared = posted_of(inflated(runtime.store.get(answer["score_id"]).evidence))
    assert orjson.loads(body)["machine"]["machine_id"] == "p04"
    assert compared is not None
    assert compared["lake_versions"] == {"reference_pump": peered.lake.versions()["reference_pump"]}
    late = dict.fromkeys(schema.readings(PEERED).arrow.names) | {
        "machine_id": "p05", "event_time": END, "recorded_at": END, "vibration": 1900.0,
    }  # fmt: skip
    rows = pa.Table.from_pylist([late], schema=schema.readings(PEERED).arrow)
    peered.lake.append_rows(schema.readings(PEERED), rows, datetime.now(UTC), "more")
    reference.publish(peered.lake, PEERED)
    assert explain(peered.home, runtime.store, answer["score_id"]).reproduced


def test_a_home_without_a_lake_compares_with_nobody(tmp_path: Path, peered: World) -> None:
    (tmp_path / "bundles").symlink_to(peered.home / "bundles")
    (tmp_path / "champion").symlink_to(peered.home / "champion")
    runtime = Runtime.open(Settings(home=tmp_path))
    answer = orjson.loads(asyncio.run(runtime.score_posted(orjson.dumps(posted(peered, "p03", END)))))
    found = np.frombuffer(runtime.store.get(answer["score_id"]).features, dtype="<f4")
    assert np.isnan(found[peered.bundle.catalog.names.index("vibration_peers_z")])
    assert explain(tmp_path, runtime.store, answer["score_id"]).reproduced
    runtime.close()


def test_a_body_is_told_from_the_line_before_it() -> None:
    body = b'{"machine":\n1}'
    assert posted_of(posted_evidence(body)) == (body, None)
    told = posted_evidence(body, "abc", {"reference_pump": 3})
    assert posted_of(told) == (body, {"lake": "abc", "lake_versions": {"reference_pump": 3}})
