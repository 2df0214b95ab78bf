"""A small bundle of a small kind, made in a blink, for tests that need something to promote, register or describe."""

from datetime import UTC, datetime

import numpy as np

from features.catalog import catalog
from features.kinds import MachineKind, Sensor, Term
from training.bundle import Bundle
from training.calibration import IDENTITY
from training.config import GbmConfig
from training.gbm import TrainingRows, fit
from training.manifest import Facts


def kind(name="mill"):
    return MachineKind(
        name=name, words_en="mill", words_zh="磨机", window_hours=(24, 72),
        sensors=(Sensor(name="heat", unit="°C", words_en="temperature", words_zh="温度"),),
        components=(Term(code="belt", words_en="belt", words_zh="皮带"),), models=("A", "B"),
    )  # fmt: skip


def bundle(seed=1, name="mill", day=1):
    declared = kind(name)
    names = tuple(catalog(declared).names)
    random = np.random.default_rng(seed)
    x = random.normal(size=(240, len(names))).astype(np.float32)
    fails = random.random(240) < np.where(x[:, 0] > 0.5, 0.8, 0.1)
    rows = TrainingRows(
        x=x, hours_to_failure=np.where(fails, random.uniform(1, 72, 240), np.nan), followed_hours=np.full(240, 72.0),
        weight=np.ones(240), machine=np.arange(240) % 12, names=names,
    )  # fmt: skip
    made = datetime(2026, 3, day, tzinfo=UTC)
    facts = Facts(
        kind=declared, snapshot_id=f"{name}-20260301-0123456789ab", lake_versions={"failures": 3}, train_from=made,
        train_until=made, calibrated_until=made, created_at=made, params={"seed": seed, "gbm": {"rounds": 3}},
    )  # fmt: skip
    model = fit(rows, GbmConfig(rounds=3, members=2, min_data_in_leaf=5), seed=seed)
    return Bundle.assemble(model, IDENTITY, facts, x[:2])


def saved(home, **how):
    """A bundle under home/bundles; returns its id."""
    made = bundle(**how)
    made.save(home / "bundles" / made.manifest.bundle_id)
    return made.manifest.bundle_id
