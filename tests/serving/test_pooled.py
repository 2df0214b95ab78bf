"""One bundle for all kinds: trained on machines of every kind, promoted as `pooled`, lent to kinds without a champion."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from features.build_pooled import build_pooled
from features.catalog import pooled
from features.errors import BadInput, NotFound
from features.kinds import MachineKind, Sensor
from features.lake import Lake
from features.observations import Grid
from features.online import history_from_lake, vector
from features.pooled import EVERY
from features.schema import FIXED, readings
from features.settings import Settings, settings
from serving.batch import keep, score_machines
from serving.champion import Champions, kinds_served, load_champion
from serving.explain import explain
from serving.ready import score_snapshot
from serving.runtime import Runtime
from serving.store import opened
from training.bundle import Bundle
from training.config import GbmConfig, SplitConfig, TrainConfig
from training.pointer import advance, newest_bundle
from training.train import Training, train_machine

START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 60
END = START + timedelta(days=DAYS)
SMALL = TrainConfig(
    threads=1,
    gbm=GbmConfig(rounds=15, members=2, min_data_in_leaf=5, intervals="shares"),
    split=SplitConfig(reporting_lag_hours=0),
)


def kind(name: str, *sensors: str) -> MachineKind:
    shown = tuple(Sensor(name=sensor, unit="u", words_en=sensor, words_zh=sensor) for sensor in sensors)
    return MachineKind(name=name, words_en=name, words_zh=name, sensors=shown, period_hours=6.0)


KINDS = {"mill": (kind("mill", "heat"), 30), "kiln": (kind("kiln", "glow", "draught"), 30), "hoist": (kind("hoist", "sway"), 4)}


def tables(rng: np.random.Generator, declared: MachineKind, machines: int) -> dict[str, list[dict[str, Any]]]:
    """Readings every six hours; the first sensor runs away two days before each failure."""
    found: dict[str, list[dict[str, Any]]] = {"machines": [], "failures": [], "coverage": [], "readings": []}
    hours = np.arange(0, DAYS * 24, 6.0)
    for number in range(machines):
        own = {"machine_id": f"{declared.name}-{number:02d}"}
        fails = np.sort(rng.uniform(200, DAYS * 24, 3 if declared.name != "hoist" else 1))
        found["machines"].append(own | at(0) | {"kind": declared.name, "model": None})
        found["coverage"].append(own | at(DAYS * 24) | {"state": None})
        found["failures"] += [own | at(float(hour)) | {"component": "part"} for hour in fails]
        ahead = np.min([np.where(fail >= hours, fail - hours, np.inf) for fail in fails], axis=0)
        for place, hour in enumerate(hours):
            values = {sensor.name: float(rng.normal(10, 1)) for sensor in declared.sensors}
            values[declared.sensors[0].name] += 8.0 * (ahead[place] < 48)
            found["readings"].append(own | at(float(hour)) | values)
    return found


def at(hours: float) -> dict[str, datetime]:
    moment = START + timedelta(hours=hours)
    return {"event_time": moment, "recorded_at": moment}


def rows(contract: Any, found: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(
        [{name: row.get(name) for name in contract.arrow.names} for row in found], schema=contract.arrow
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("pooled")
    lake, rng = Lake.open(home / "lake", create=True, buckets=2), np.random.default_rng(5)
    for declared, machines in KINDS.values():
        lake.put_kind(declared)
        for name, found in tables(rng, declared, machines).items():
            contract = readings(declared) if name == "readings" else FIXED[name]
            lake.append_rows(contract, rows(contract, found), END, "works")
    return home


@pytest.fixture(scope="module")
def trained(home: Path) -> Training:
    lake = Lake.open(home / "lake")
    snapshot = build_pooled(lake, Grid(every_hours=24.0), home=home, threads=1)
    assert build_pooled(lake, Grid(every_hours=24.0), home=home, threads=1).id == snapshot.id
    training = train_machine(SMALL, snapshot, lake)
    training.bundle.save(home / "bundles" / training.bundle.manifest.bundle_id)
    advance(home, EVERY.name, newest_bundle(home, EVERY.name))
    return training


def test_it_learns_from_machines_of_every_kind_and_says_so(home: Path, trained: Training) -> None:
    manifest = trained.bundle.manifest
    assert manifest.kinds == ("hoist", "kiln", "mill")
    assert manifest.bundle_id.startswith("machine-pooled-")
    assert set(trained.predictions["kind"]) == {"hoist", "kiln", "mill"}
    assert manifest.feature_names == tuple(pooled(KINDS["kiln"][0]).names)
    again = Bundle.load(home / "bundles" / manifest.bundle_id)
    again.check_golden()
    for name in ("kiln", "mill"):
        own = trained.predictions[trained.predictions["kind"] == name].dropna(subset=["y72"])
        assert own.loc[own["y72"] == 1, "p72"].mean() > 2 * own.loc[own["y72"] == 0, "p72"].mean()


def test_a_kind_without_champion_is_scored_by_it_and_the_answer_says_so(home: Path, trained: Training, tmp_path: Path) -> None:
    assert kinds_served(home) == ["hoist", "kiln", "mill"]
    lake, champion = Lake.open(home / "lake"), load_champion(home, "hoist")
    assert champion.kind == KINDS["hoist"][0]
    scores = score_machines(lake, champion)
    alone = vector(pooled(champion.kind), history_from_lake(lake, "hoist-01"), scores.as_of)
    row = scores.machine_ids.to_pylist().index("hoist-01")
    assert scores.best[row].tobytes() == alone.tobytes()
    assert "hoist has no champion of its own: scored by the pooled bundle (hoist, kiln, mill)" in champion.notes[0]
    with opened(f"sqlite:///{tmp_path}/store.db") as store:
        keep(scores, store, lake)
        found = explain(home, store, f"{scores.batch_id}.{row}")
    assert found.reproduced, found.verdict
    assert found.stored.kind == "hoist"


@pytest.fixture(scope="module")
def runtime(home: Path, trained: Training) -> Iterator[Runtime]:
    runtime = Runtime.open(Settings(home=home))
    yield runtime
    runtime.close()


def test_the_service_lends_it_to_posted_and_known_machines(home: Path, runtime: Runtime) -> None:
    known = orjson.loads(asyncio.run(runtime.score_known("hoist-02", None, 2)))
    assert known["kind"] == "hoist"
    assert "no champion of its own" in known["notes"][0]
    body = {
        "machine": {"machine_id": "new", "kind": "hoist"},
        "as_of": END.isoformat(),
        "readings": [
            {"event_time": (END - timedelta(hours=h)).isoformat(), "sway": 10.0 + (h < 40)} for h in range(160, -1, -6)
        ],
    }
    answer = orjson.loads(asyncio.run(runtime.score_posted(orjson.dumps(body | {"reasons": 2}))))
    assert "no champion of its own" in answer["notes"][0]
    for score_id in (known["score_id"], answer["score_id"]):
        again = explain(home, runtime.store, score_id)
        assert again.reproduced, again.verdict
    for unknown in ("pooled", "lathe"):
        body["machine"] = {"machine_id": "new", "kind": unknown}
        with pytest.raises(NotFound, match=f"no champion for machine kind '{unknown}'.*hoist, kiln, mill"):
            asyncio.run(runtime.score_posted(orjson.dumps(body)))


def test_a_kind_gets_its_own_back_once_it_has_one(home: Path, trained: Training, tmp_path: Path) -> None:
    (tmp_path / "lake").symlink_to(home / "lake")
    (tmp_path / "bundles").symlink_to(home / "bundles")
    pointers = tmp_path / "champion" / "machine"
    pointers.mkdir(parents=True)
    pointer = (home / "champion" / "machine" / "pooled.json").read_text()
    (pointers / "pooled.json").write_text(pointer)
    champions = Champions(tmp_path)
    champions.refresh()
    assert champions.get("mill").pooled
    lent = champions.get("mill")
    champions.refresh()
    assert champions.get("mill") is lent
    (pointers / "mill.json").write_text(json.dumps(json.loads(pointer)))
    champions.refresh()
    assert champions.get("mill") is champions._current["mill"]
    (pointers / "pooled.json").unlink()
    champions.refresh()
    with pytest.raises(NotFound, match="no champion for machine kind 'kiln'"):
        champions.get("kiln")


def test_a_kind_with_too_few_failures_is_pointed_to_it(home: Path, trained: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    from features.build import build

    lake = Lake.open(home / "lake")
    snapshot = build(lake, "hoist", Grid(every_hours=24.0), home=home, threads=1)
    with pytest.raises(BadInput, match=r"only . failing machines? in the training period.*train machine --kind pooled"):
        train_machine(SMALL, snapshot, lake)
    ready = build_pooled(lake, Grid(every_hours=24.0), home=home, threads=1)
    with pytest.raises(BadInput, match="a pooled snapshot is there to train on"):
        score_snapshot(lake, load_champion(home, EVERY.name), ready)


def test_the_verbs_take_pooled_for_a_kind(home: Path, trained: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    from features import cli as features_cli
    from serving import cli as serving_cli

    monkeypatch.setenv("FOREWARN_HOME", str(home))
    settings.cache_clear()
    made = CliRunner().invoke(features_cli.features, ["build", "--kind", "pooled", "--json"])
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout)["id"] == trained.bundle.manifest.snapshot_id
    scored = CliRunner().invoke(serving_cli.score, ["machine", "--top", "1", "--json"])
    assert scored.exit_code == 0, scored.output
    found = {result["kind"]: result for result in json.loads(scored.stdout)}
    assert set(found) == {"hoist", "kiln", "mill"}
    assert all("no champion of its own" in result["notes"][0] for result in found.values())
    settings.cache_clear()


def test_an_empty_lake_has_nothing_to_pool(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no kind has readings"):
        build_pooled(Lake.open(tmp_path / "lake", create=True), Grid(), home=tmp_path)
