"""A small world of enterprises for serving: a simulated lake of twenty, and the planted bundle as champion."""

import json
import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from features.enterprise.publish import publish
from features.enterprise.schema import CONSENTS
from features.lake import Lake
from features.simulator.enterprise import portfolio, source
from features.simulator.enterprise_world import load_enterprises
from features.simulator.world import DEFAULT, load_world
from tests.training.enterprise import planted
from training.enterprise.bundle import RiskBundle, RiskFacts
from training.enterprise.fit import learn, periods
from training.enterprise.model import Models
from training.enterprise.parts import Matrix
from training.enterprise.severity import Severity

ENTERPRISES, MACHINES, DAYS = 20, 40, 300
MADE = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class RiskWorld:
    home: Path
    lake: Lake
    bundle: RiskBundle
    ids: list[str]


def made_bundle() -> RiskBundle:
    """A bundle fitted on invented enterprises, on today's catalog."""
    past = planted.past(150)
    learned = learn(planted.CONFIG, past, periods(past.as_of, planted.CONFIG.periods))
    return assembled(learned.models, Severity.fit(past, learned.cuts.test_from), past.x[:900:113], "champion")


def challenger_of(bundle: RiskBundle) -> RiskBundle:
    """A bundle with another name that says the same."""
    golden = np.array(bundle.manifest.golden.x, dtype=np.float32)
    return assembled(bundle.models, bundle.severity, golden, "challenger")


def assembled(models: Models, severity: Severity, golden: Matrix, name: str) -> RiskBundle:
    facts = RiskFacts("planted", {}, ("simulated-stand-in",), MADE, MADE, MADE, {"name": name})
    return RiskBundle.assemble(models, severity, facts, golden)


def point_at(home: Path, bundle: RiskBundle) -> None:
    """What `promote` does: save the bundle, then rename the pointer into place."""
    folder, bundle_id = home / "champion" / "enterprise", bundle.manifest.bundle_id
    folder.mkdir(parents=True, exist_ok=True)
    bundle.save(home / "bundles" / bundle_id)
    draft = folder / ".draft"
    draft.write_text(json.dumps({"bundle": bundle_id, "path": f"bundles/{bundle_id}", "promoted_at": MADE.isoformat()}))
    draft.replace(folder / "enterprise.json")


def made_world(home: Path) -> RiskWorld:
    """A home with a lake of enterprises whose machines have scores, and a champion."""
    wanted = portfolio(load_enterprises(), load_world(DEFAULT), ENTERPRISES, MACHINES, DAYS, 24, 5, readings=False, scores=True)
    lake = Lake.open(home / "lake", create=True, buckets=2)
    lake.ingest(source(wanted), imported_at=datetime.now(UTC))
    publish(lake)
    bundle = made_bundle()
    point_at(home, bundle)
    return RiskWorld(home, lake, bundle, sorted(lake.read("enterprises").column("enterprise_id").unique().to_pylist()))


def copied(world: RiskWorld, home: Path) -> RiskWorld:
    """The same world in a home of its own, to be changed."""
    shutil.copytree(world.home, home)
    return replace(world, home=home, lake=Lake.open(home / "lake"))


def withdraw(lake: Lake, enterprise_id: str, when: datetime) -> None:
    """An enterprise no longer consents to being scored."""
    row = {"enterprise_id": enterprise_id, "event_time": when, "recorded_at": when, "purpose": "score", "granted": False}
    lake.append_rows(CONSENTS, pa.Table.from_pylist([row], schema=CONSENTS.arrow), when, "withdrawn")
