"""Enterprises whose accidents follow from a few features by a known law: the past that models are fitted on, without a lake."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from features.clock import micros
from features.enterprise.catalog import catalog
from features.enterprise.columns import HOURS_PER_WORKER_YEAR
from features.enterprise.schema import ACCIDENTS, EXPOSURES
from features.observations import AS_OF
from features.schema import ENTERPRISE, TIME, TableContract
from training.enterprise.config import EnterpriseConfig, LinearConfig, PeriodsConfig, ScoreConfig
from training.enterprise.parts import EXPOSURE, RECORD
from training.enterprise.rows import Past
from training.frequency import CountBoosterConfig

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS, STEP = 720, 30
# Features that move the true rate, with their effects on its log; the last one is not for prices.
LAW = {"hazard_external_overdue": 0.25, "training_coverage_365d": -1.0, "accident_count_365d": 0.3, "visits_refused_365d": 0.8}


BOOSTERS = CountBoosterConfig(rounds=25, learning_rate=0.1, num_leaves=6, min_data_in_leaf=50, members=2, resample=True)
SMALL = ScoreConfig(boosters=BOOSTERS)
CONFIG = EnterpriseConfig(
    name="small", threads=1, price=SMALL, alarm=SMALL, linear=LinearConfig(penalties=(3.0,)), periods=PeriodsConfig()
)


@dataclass(frozen=True)
class Named:
    """What `Past` asks of a snapshot."""

    id: str
    features: list[str]
    manifest: dict[str, object]


def filled(contract: TableContract, rows: dict[str, list[object]]) -> pa.Table:
    """Columns of a contract; those that are not given are empty, 0 or false where something must be."""
    count = len(next(iter(rows.values())))
    columns = {}
    for field in contract.arrow:
        empty = (
            None
            if field.nullable
            else ""
            if pa.types.is_string(field.type)
            else False
            if pa.types.is_boolean(field.type)
            else 0
        )
        columns[field.name] = pa.array(rows.get(field.name, [empty] * count), field.type)
    return pa.table(columns, schema=contract.arrow)


def rate(x: np.ndarray, names: list[str]) -> np.ndarray:
    """True accidents per worker-year [n]."""
    return 0.01 * np.exp(sum(effect * np.nan_to_num(x[:, names.index(name)]) for name, effect in LAW.items()))


def past(enterprises: int, seed: int = 3) -> Past:
    """A past of enterprises seen every 30 days over two years; their features stay what they are."""
    random = np.random.default_rng(seed)
    names = catalog().names
    own = random.gamma(1.0, 1.0, (enterprises, len(names))).astype(np.float32)
    own[:, names.index("industry")] = random.integers(0, 5, enterprises)
    own[:, names.index("training_coverage_365d")] = random.random(enterprises)
    own[:, names.index("visits_refused_365d")] = random.random(enterprises) < 0.2
    own[:, names.index(EXPOSURE)] = np.exp(random.normal(4.0, 1.0, enterprises))
    own[:, names.index(RECORD)] = 3 * own[:, names.index(EXPOSURE)]
    own[random.random(own.shape) < 0.02] = np.nan
    own[:, names.index(EXPOSURE)] = np.nan_to_num(own[:, names.index(EXPOSURE)], nan=50.0)
    moments = [START + timedelta(days=day) for day in range(0, DAYS, STEP)]
    ids = [f"e{number:04d}" for number in range(enterprises)]
    entity = np.repeat(np.arange(enterprises), len(moments))
    coded = pa.DictionaryArray.from_arrays(pa.array(entity, pa.int32()), pa.array(ids, pa.string()))
    observations = pa.table({ENTERPRISE: coded, AS_OF: pa.array(moments * enterprises, TIME)})
    size = own[:, names.index(EXPOSURE)].astype(float)
    came = random.poisson(rate(own, names) * size * DAYS / 365)
    when = [START + timedelta(days=float(day)) for day in random.random(came.sum()) * DAYS]
    who = np.repeat(np.arange(enterprises), came)
    accidents = filled(
        ACCIDENTS,
        {
            ENTERPRISE: [ids[one] for one in who],
            "event_time": when,
            "recorded_at": [one + timedelta(days=3) for one in when],
            "accident_id": [f"a{number}" for number in range(len(when))],
            "direct_loss": np.exp(random.normal(11.0, 1.0, len(when))).tolist(),
        },
    )
    months = [(START + timedelta(days=30 * month), START + timedelta(days=30 * (month + 1))) for month in range(DAYS // 30)]
    hours = np.repeat(size * HOURS_PER_WORKER_YEAR * 30 / 365, len(months))
    exposures = filled(
        EXPOSURES,
        {
            ENTERPRISE: [one for one in ids for _ in months],
            "starts": [a for _ in ids for a, _ in months],
            "event_time": [b for _ in ids for _, b in months],
            "recorded_at": [b for _ in ids for _, b in months],
            "basis": ["hours_worked"] * len(hours),
            "amount": hours.tolist(),
        },
    )
    x = np.ascontiguousarray(own[entity])
    snapshot = Named("planted", names, {"grid": {"every_hours": 24.0 * STEP}, "lake_versions": {}})
    return Past(snapshot, observations, x, accidents, exposures, micros(START + timedelta(days=DAYS + 5)))  # type: ignore[arg-type]
