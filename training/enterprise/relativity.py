"""How far the price score counts beside a rulebook's factors: level and credibility weight of the model's relativity.

A premium is the rulebook's amount R times (P / (level x R)) ** Z, P being the insured loss of a year by the price score. Z
is learnt on rows that the champion was not fitted on, the rulebook's amount entering as offset, so that no evidence is charged
twice: what the factors have charged already leaves the model nothing to add. With s the insured loss of an accident and
p = P / s the number expected, accidents over the part of a year followed are Poisson with

    log mean = a + log(R / s) + Z (log P - log R) = a + log p + (1 - Z) (log R - log P)

an offset in the actuary's sense (Yan, Guszcza, Flynn & Wu 2009, Applications of the Offset in Property-Casualty Predictive
Modeling); a is free, as a tariff's level is nobody's forecast. Numbers are fitted, since losses are too few and too uneven to
weigh evidence by; both amounts speak of loss.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.clock import micros
from features.enterprise.catalog import EVERY
from features.errors import BadInput, NotFound
from features.lake import Lake
from features.settings import Settings
from features.snapshots import open_snapshot
from features.view import View
from training import pointer
from training.count_metrics import Counted
from training.enterprise.bundle import RiskBundle
from training.enterprise.evaluation import over_followed
from training.enterprise.model import Risk
from training.enterprise.parts import DAYS, Floats, Matrix
from training.enterprise.relativity_document import Rated, Relativity, keep
from training.enterprise.rows import SHORTEST, Past, moment
from training.intervals import Interval, percentile, resample

_FEWEST = 100  # accidents: with fewer the interval of the weight is most of [0, 1]
_LAG_DAYS = 30.0  # how long an accident may take to become known
_REPLICATES = 300
_STEPS = 25
_LEAST_SPREAD = 1e-3  # of log(R / P): two amounts that always agree leave nothing to weigh


class Rater(Protocol):
    """A rulebook as training is given it; what it is made of is nothing that training knows.

    floor, cap: between which the relativity is held. rate: amounts of observations (enterprise_id, as_of) of a lake as of
    `view`, whose features are x [n, f] and of which the bundle's price score says `risk`.
    """

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def floor(self) -> float: ...
    @property
    def cap(self) -> float: ...
    def rate(self, observations: pa.Table, view: View, bundle: RiskBundle, x: Matrix, risk: Risk) -> Rated: ...


class Fit(NamedTuple):
    """Level and weight with their 95 % intervals."""

    level: Interval
    weight: Interval


def run_relativity(
    settings: Settings, rater: Rater, *, snapshot_id: str = "latest", progress: Callable[[str], None] | None = None
) -> tuple[Relativity, Path]:
    """Fit the champion's relativity for a rulebook and keep it under home.

    Raises NotFound without a champion, snapshot or lake, BadInput with too few accidents that the champion has not seen.
    """
    say = progress or (lambda text: None)
    bundle = _champion(settings.home)
    made = bundle.manifest
    snapshot = open_snapshot(settings.home, snapshot_id, EVERY.name)
    snapshot.check_current()
    say("read features and accidents")
    lake = Lake.open(snapshot.lake)
    past = Past.of(snapshot, lake)
    where = f"snapshot {snapshot.id}"
    labels = past.labels(lag_days=_LAG_DAYS)
    followed = labels[f"followed{DAYS:g}"].to_numpy(np.float64)
    # The last row that it was fitted on is followed to the next one.
    since = micros(made.train_until + timedelta(days=past.step_days))
    rows = np.flatnonzero((past.as_of >= since) & (followed >= SHORTEST))
    if not len(rows):
        what = f"no row later than what the champion was fitted on (until {made.train_until:%Y-%m-%d})"
        raise BadInput(what, where=where, mend="build a snapshot that goes on for longer")
    say("what the champion and the rulebook say of the later rows")
    x = past.x[rows]
    risk = bundle.risk("price", x, ranges=False)
    rated = rater.rate(past.observations.take(pa.array(rows)), lake.at(snapshot.manifest["lake_versions"]), bundle, x, risk)
    kept = np.flatnonzero((rated.amount > 0) & (rated.insured > 0))
    at = rows[kept]
    seen = Seen(
        came=np.nan_to_num(labels[f"accidents{DAYS:g}"].to_numpy(np.float64))[at],
        expected=over_followed(risk.expected[kept], followed[at]),
        amount=rated.amount[kept],
        insured=rated.insured[kept],
        # Rows of an enterprise look at overlapping years: they share the weight of what they see, which sums to accidents.
        weight=np.minimum(1.0, past.step_days / followed[at]),
        enterprise=past.enterprise[at],
    )
    say("level and weight, with intervals over enterprises")
    fit = fit_relativity(seen, floor=rater.floor, cap=rater.cap, where=where)
    found = Relativity(
        rulebook=rater.name,
        version=rater.version,
        digest=rater.digest,
        bundle_id=made.bundle_id,
        snapshot_id=snapshot.id,
        made_at=datetime.now(UTC),
        first=moment(int(past.as_of[at].min())),
        last=moment(int(past.as_of[at].max())),
        rows=len(at),
        left_out=len(rows) - len(at),
        enterprises=len(np.unique(seen.enterprise)),
        accidents=seen.accidents,
        level=fit.level.value,
        level_low=fit.level.low,
        level_high=fit.level.high,
        weight=fit.weight.value,
        weight_low=fit.weight.low,
        weight_high=fit.weight.high,
    ).sealed()
    return found, keep(settings.home, found)


@dataclass(frozen=True)
class Seen:
    """Rows that the champion was not fitted on [n]: accidents that came, the number that the price score expected over the same
    part of a year, the rulebook's amount and the insured loss a year, weight, and code of the enterprise."""

    came: Floats
    expected: Floats
    amount: Floats
    insured: Floats
    weight: Floats
    enterprise: npt.NDArray[np.int64]

    @property
    def accidents(self) -> float:
        return float(self.weight @ self.came)


def fit_relativity(seen: Seen, *, floor: float, cap: float, where: str = "rows", seed: int = 23) -> Fit:
    """Level and weight of the relativity, intervals over resampled enterprises.

    Raises BadInput with fewer than a hundred accidents, or where the rulebook's amounts only repeat the model's.
    """
    if seen.accidents < _FEWEST:
        what = f"{seen.accidents:.0f} accidents that the champion has not seen, of enterprises that the rulebook rates"
        raise BadInput(what, where=where, mend=f"a weight takes {_FEWEST} of them: wait, or bring in more enterprises")
    log_ratio = np.log(seen.amount) - np.log(seen.insured)
    mean = np.average(log_ratio, weights=seen.weight)
    if np.sqrt(np.average((log_ratio - mean) ** 2, weights=seen.weight)) < _LEAST_SPREAD:
        what = "the rulebook's amounts are everywhere the same multiple of the model's insured loss"
        raise BadInput(what, where=where, mend="take a rulebook with factors of its own")
    counted = Counted.of(seen.came, seen.expected, seen.enterprise, seen.weight)
    start = 1.0 - _weight(seen, log_ratio - mean, seen.weight, 0.5)
    value = 1.0 - start
    levels, weights = [], []
    for drawn in resample(counted.groups, _REPLICATES, seed):
        full = seen.weight * drawn[counted.group]
        weights.append(_weight(seen, log_ratio - mean, full, start))
        levels.append(_level(seen, full, weights[-1], floor, cap))
    level = _level(seen, seen.weight, value, floor, cap)
    return Fit(percentile(level, np.array(levels)), percentile(value, np.array(weights)))


def _weight(seen: Seen, log_ratio: Floats, weight: Floats, start: float) -> float:
    """Z within [0, 1]: Newton on the slope 1 - Z of log(R / P), the level following it at every step.

    The likelihood is concave in the slope, so that its best value within [0, 1] is the nearest end where the best is outside.
    """
    slope = start
    came, mean_ratio = float(weight @ seen.came), float((weight * seen.came) @ log_ratio)
    if not came:
        return 1.0 - start
    for _ in range(_STEPS):
        told = weight * seen.expected * np.exp(slope * log_ratio)
        share = told / told.sum()
        centre = float(share @ log_ratio)
        spread = float(share @ (log_ratio - centre) ** 2)
        step = (mean_ratio - came * centre) / (came * max(spread, 1e-12))
        slope, before = float(np.clip(slope + np.clip(step, -0.5, 0.5), 0.0, 1.0)), slope
        if abs(slope - before) < 1e-9:
            break
    return 1.0 - slope


def _level(seen: Seen, weight: Floats, z: float, floor: float, cap: float) -> float:
    """The level at which the amounts after the relativity sum to what they were."""
    loss_ratio = seen.insured / seen.amount
    if z == 0.0:
        return float(weight @ seen.insured / (weight @ seen.amount))
    total = float(weight @ seen.amount)
    low, high = np.log(loss_ratio.min()) - 1.0, np.log(loss_ratio.max()) + 1.0
    for _ in range(60):
        middle = (low + high) / 2.0
        held = np.clip((loss_ratio / np.exp(middle)) ** z, floor, cap)
        low, high = (middle, high) if float(weight @ (seen.amount * held)) > total else (low, middle)
    return float(np.exp((low + high) / 2.0))


def _champion(home: Path) -> RiskBundle:
    now = pointer.read_pointer(home, EVERY.name)
    if now is None:
        mend = "run `forewarn train enterprise`, then `forewarn promote enterprise`"
        raise NotFound("no champion for enterprises", where="champion", mend=mend)
    return RiskBundle.load(home / now.path)
