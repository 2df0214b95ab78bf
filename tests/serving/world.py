"""A small world for serving: one kind, a lake of two dozen machines, two bundles, and a pointer to the first."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from features import build, schema
from features.catalog import catalog
from features.history import from_tables
from features.kinds import MachineKind, Sensor, Term
from features.lake import Lake
from training.bundle import Bundle, Facts
from training.calibration import IDENTITY
from training.config import GbmConfig
from training.gbm import TrainingRows, fit

START = datetime(2026, 1, 1, tzinfo=UTC)
HOURS = 24 * 12
END = START + timedelta(hours=HOURS)
MACHINES = 24
SMALL = GbmConfig(rounds=20, members=3, min_data_in_leaf=5)
SENSORS = {"volt": (170.0, "V", "电压"), "rotate": (450.0, "rpm", "转速"), "pressure": (100.0, "kPa", "压力"),
           "vibration": (40.0, "mm/s", "振动")}  # fmt: skip

PUMP = MachineKind(
    name="pump",
    words_en="pump",
    words_zh="泵",
    sensors=tuple(
        Sensor(name=name, unit=unit, low=0.0, high=2000.0, words_en=name, words_zh=zh)
        for name, (_, unit, zh) in SENSORS.items()
    ),
    error_codes=(Term(code="e1", words_en="overload", words_zh="过载"), Term(code="e2", words_en="leak", words_zh="泄漏")),
    components=(Term(code="seal", words_en="seal", words_zh="密封"),),
    models=("A", "B"),
)


@dataclass(frozen=True)
class World:
    home: Path
    lake: Lake
    bundle: Bundle
    challenger: Bundle
    tables: dict[str, pa.Table]


def hour(number: float) -> datetime:
    return START + timedelta(hours=number)


def tables_of_fleet() -> dict[str, pa.Table]:
    """Two dozen pumps; in the second half the vibration of the first six rises. Every fiftieth reading became known late."""
    rng = np.random.default_rng(7)
    parts: dict[str, list[dict[str, Any]]] = {"machines": [], "readings": [], "events": [], "maintenance": [], "coverage": []}
    for number in range(MACHINES):
        own = {"machine_id": f"p{number:02d}"}
        parts["machines"].append(
            own | _at(0) | {"kind": "pump", "model": "AB"[number % 2], "age_hours": 1000.0 * number, "capacity": None,
                            "site_id": None, "enterprise_id": None}
        )  # fmt: skip
        values = {name: level * (1 + 0.02 * rng.standard_normal(HOURS)) for name, (level, _, _) in SENSORS.items()}
        if number < 6:
            values["vibration"][HOURS // 2 :] *= np.linspace(1.0, 2.0, HOURS - HOURS // 2)
        for i in range(HOURS):
            late = 5.0 if i % 50 == 49 else 0.0
            parts["readings"].append(own | _at(i, late) | {name: float(column[i]) for name, column in values.items()})
        parts["events"].append(own | _at(30 + number, 1.0) | {"code": "e1", "severity": None})
        parts["maintenance"].append(own | _at(60 + number) | {"component": "seal", "action": "replace"})
        parts["coverage"].append(own | _at(HOURS) | {"state": None})
    contracts = {**schema.FIXED, "readings": schema.readings(PUMP)}
    return {contracts[name].name: pa.Table.from_pylist(rows, schema=contracts[name].arrow) for name, rows in parts.items()}


def _at(number: float, late: float = 0.0) -> dict[str, datetime]:
    return {"event_time": hour(number), "recorded_at": hour(number + late)}


def made_bundle(tables: dict[str, pa.Table], seed: int, config: GbmConfig = SMALL, kind: MachineKind = PUMP) -> Bundle:
    """A bundle fitted on invented outcomes that follow the vibration, so that reasons have something to say."""
    features = catalog(kind)
    ids = sorted({str(machine) for machine in tables["machines"].column("machine_id").to_pylist()})
    history = from_tables(kind, tables, ids)
    at = np.array([int(hour(h).timestamp() * 1e6) for h in range(48, HOURS, 6)], dtype=np.int64)
    entity = np.repeat(np.arange(len(ids), dtype=np.int64), len(at))
    x = np.ascontiguousarray(build.compute(features, history, entity, np.tile(at, len(ids))))
    level = "vibration_mean" if kind.sampling == "regular" else "vibration_last"
    shaking = next(i for i, name in enumerate(features.names) if name.startswith(level))
    rng = np.random.default_rng(seed)
    risk = np.nan_to_num(x[:, shaking]) > 44
    to_failure = np.where(rng.random(len(x)) < np.where(risk, 0.8, 0.05), rng.uniform(1, 72, len(x)), np.nan)
    rows = TrainingRows(
        x=x,
        hours_to_failure=to_failure,
        followed_hours=np.full(len(x), 72.0),
        weight=np.ones(len(x)),
        machine=entity,
        names=tuple(features.names),
    )
    facts = Facts(
        kind=kind,
        snapshot_id="pump-20260112-000000000000",
        lake_versions={},
        train_from=START,
        train_until=END,
        calibrated_until=END,
        created_at=END,
        params={"seed": seed},
    )
    return Bundle.assemble(fit(rows, config, seed=seed), IDENTITY, facts, x[:3])


def point_at(home: Path, bundle: Bundle) -> None:
    """What `promote` does: save the bundle, then rename the pointer into place."""
    folder = home / "champion" / "machine"
    folder.mkdir(parents=True, exist_ok=True)
    bundle_id = bundle.manifest.bundle_id
    if not (home / "bundles" / bundle_id).exists():
        bundle.save(home / "bundles" / bundle_id)
    document = {"bundle": bundle_id, "path": f"bundles/{bundle_id}", "promoted_at": END.isoformat(), "previous": None}
    draft = folder / ".draft"
    draft.write_text(json.dumps(document))
    draft.replace(folder / "pump.json")


def made_world(home: Path, config: GbmConfig = SMALL, kind: MachineKind = PUMP) -> World:
    """A home with the lake, and the first bundle as champion."""
    tables = tables_of_fleet()
    lake = Lake.open(home / "lake", create=True, buckets=2)
    lake.put_kind(kind)
    for name, table in tables.items():
        lake.append_rows(lake.contract(name), table, datetime.now(UTC), "fleet")
    bundle = made_bundle(tables, 1, config, kind)
    point_at(home, bundle)
    return World(home, lake, bundle, made_bundle(tables, 2, config, kind), tables)


def posted(world: World, machine_id: str, as_of: datetime, *, hours: int = 168) -> dict[str, Any]:
    """A request with what the lake knows of a machine in the last `hours`, recorded_at included."""

    def rows(name: str, columns: list[str]) -> list[dict[str, Any]]:
        return [
            {"event_time": row["event_time"].isoformat(), "recorded_at": row["recorded_at"].isoformat()}
            | {column: row[column] for column in columns}
            for row in world.tables[name].to_pylist()
            if row["machine_id"] == machine_id and as_of - timedelta(hours=hours) <= row["event_time"] <= as_of
        ]

    machine = next(row for row in world.tables["machines"].to_pylist() if row["machine_id"] == machine_id)
    return {
        "machine": {"machine_id": machine_id, "kind": "pump", "model": machine["model"], "age_hours": machine["age_hours"],
                    "event_time": machine["event_time"].isoformat()},
        "as_of": as_of.isoformat(),
        "readings": rows("readings_pump", list(SENSORS)),
        "events": rows("events", ["code"]),
        "maintenance": rows("maintenance", ["component", "action"]),
    }  # fmt: skip
