"""A machine that has become one of another kind: scored as what it is, explained as what it was."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest

from features.errors import NotFound
from features.schema import MACHINES, readings
from features.settings import Settings
from serving.batch import keep, score_machines
from serving.explain import explain
from serving.runtime import Runtime
from serving.store import opened
from tests.serving.world import END, PUMP, SMALL, START, made_bundle, made_world

FAN = PUMP.model_copy(update={"name": "fan"})
CHANGE = END - timedelta(days=2)


def scored(runtime: Runtime, machine_id: str, as_of: datetime | None = None) -> dict[str, Any]:
    return dict(orjson.loads(asyncio.run(runtime.score_known(machine_id, as_of, 0))))


def test_a_machine_that_changed_its_kind(tmp_path: Path) -> None:
    world = made_world(tmp_path)
    lake, now = world.lake, datetime.now(UTC)
    lake.put_kind(FAN)
    bundle = made_bundle({**world.tables, "readings_fan": world.tables["readings_pump"]}, 3, SMALL, FAN)
    bundle.save(tmp_path / "bundles" / bundle.manifest.bundle_id)
    pointer = {"bundle": bundle.manifest.bundle_id, "path": f"bundles/{bundle.manifest.bundle_id}", "previous": None}
    (tmp_path / "champion" / "machine" / "fan.json").write_text(json.dumps(pointer | {"promoted_at": END.isoformat()}))
    columns = {"machine_id": ["p03"], "event_time": [CHANGE], "recorded_at": [CHANGE]}
    lake.append_rows(MACHINES, pa.table(columns | {"kind": ["fan"], "model": ["A"]}), now, "fleet")
    own = world.tables["readings_pump"].filter(
        pa.array([name == "p03" for name in world.tables["readings_pump"]["machine_id"].to_pylist()])
    )
    since = own.filter(pa.array([moment > CHANGE for moment in own["event_time"].to_pylist()]))
    lake.append_rows(readings(FAN), since, now, "fleet")

    runtime = Runtime.open(Settings(home=tmp_path, compact_seconds=0))
    try:
        told = scored(runtime, "p03")
        assert (told["kind"], told["bundle"]) == ("fan", bundle.manifest.bundle_id)
        assert explain(tmp_path, runtime.store, told["score_id"]).reproduced
        with pytest.raises(NotFound, match=r"machine p03: was of kind pump at .*, and is of kind fan since"):
            scored(runtime, "p03", CHANGE - timedelta(hours=1))
        with pytest.raises(NotFound, match="machine p03: was not known at"):
            scored(runtime, "p03", START - timedelta(hours=1))
        champion = runtime.champions.get("pump")
    finally:
        runtime.close()
    # A batch of a moment before the change has it as what it was.
    with opened(Settings(home=tmp_path).store) as store:
        scores = score_machines(lake, champion, as_of=CHANGE - timedelta(hours=1))
        row = scores.machine_ids.to_pylist().index("p03")
        keep(scores, store, lake)
        found = explain(tmp_path, store, f"{scores.batch_id}.{row}")
        assert found.reproduced, found.verdict
        assert found.later is None or found.later.count == 0
        assert "p03" not in score_machines(lake, champion, as_of=END).machine_ids.to_pylist()
