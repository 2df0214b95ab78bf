"""Whatever the boosters and the map say: p24 <= p48 <= p72, and low <= p <= high, on every row."""

from datetime import UTC, datetime

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from features.catalog import catalog
from features.kinds import MachineKind, Sensor
from training import gbm
from training.bundle import Bundle
from training.calibration import Calibration
from training.config import GbmConfig
from training.hazard import cumulative, from_cloglog
from training.manifest import Facts
from training.model import Structure

KIND = MachineKind(
    name="press", words_en="press", words_zh="压力机", window_hours=(24.0,),
    sensors=(Sensor(name="force", unit="N", words_en="force", words_zh="力"),),
)  # fmt: skip
NAMES = tuple(catalog(KIND).names)
DAY = datetime(2024, 1, 1, tzinfo=UTC)


def bundles() -> list[Bundle]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, len(NAMES))).astype(np.float32)
    fails = rng.random((400, 3)) < 1 / (1 + np.exp(2 - 3 * x[:, :1]))
    hours = np.where(fails.any(axis=1), 24.0 * fails.argmax(axis=1) + 6, np.nan)
    rows = gbm.TrainingRows(x, hours, np.full(400, 72.0), np.ones(400), np.arange(400) % 30, NAMES)
    made = []
    for update in ({}, {"point": "full"}, {"intervals": "shares"}):
        config = GbmConfig(rounds=6, members=3, num_leaves=4, learning_rate=0.5, min_data_in_leaf=5).model_copy(update=update)
        model = gbm.fit(rows, config, Structure(intervals=config.intervals), seed=1)
        made.append(Bundle.assemble(model, Calibration(knots=(0.0,), level=0.0, slopes=(1.0, 1.0)), _facts(), x[:2]))
    return made


def _facts() -> Facts:
    return Facts(KIND, "none", {}, DAY, DAY, DAY, DAY, {})


MADE = bundles()
maps = st.builds(
    lambda knots, level, slopes, spread, on: Calibration(
        on=on,
        knots=tuple(sorted(knots)),
        level=level,
        slopes=tuple(slopes[: len(knots) + 1]),
        covariance=tuple(tuple(row) for row in (spread * np.eye(len(knots) + 2)).tolist()),
    ),
    st.lists(st.floats(-10, 2), min_size=1, max_size=4),
    st.floats(-15, 3),
    st.lists(st.floats(0.13, 7.5), min_size=5, max_size=5),
    st.floats(0, 4),
    st.sampled_from(["hazards", "cumulative", "total"]),
)
cells = st.floats(-1e6, 1e6, width=32) | st.sampled_from([np.nan, np.inf, -np.inf])


@settings(max_examples=150, deadline=None)
@given(arrays.arrays(np.float32, st.tuples(st.integers(1, 5), st.just(len(NAMES))), elements=cells), maps, st.integers(0, 2))
def test_order_of_horizons_and_ranges(x: np.ndarray, monotone: Calibration, which: int) -> None:
    said = Bundle(MADE[which].manifest, MADE[which].model, monotone).predict(x)
    for values in (said.p, said.low, said.high):
        assert ((values >= 0) & (values <= 1)).all()
        assert (np.diff(values, axis=1) >= 0).all()
    assert (said.low <= said.p).all()
    assert (said.p <= said.high).all()


@settings(max_examples=300, deadline=None)
@given(maps, st.floats(-22, 3), st.floats(-22, 3))
def test_the_map_is_strictly_monotone_where_it_is_not_at_its_end(monotone: Calibration, a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    first, second = monotone.apply(np.array([[low, low + 1, low + 1], [high, high + 1, high + 1]]))[:, 0]
    assert first <= second
    if high - low > 1e-9 and first > -22.9 and second < 3.4:
        assert first < second


@settings(max_examples=200, deadline=None)
@given(arrays.arrays(np.float64, (3, 3), elements=st.floats(0, 1)))
def test_cumulative_probabilities_never_fall(hazards: np.ndarray) -> None:
    p = cumulative(hazards)
    assert (np.diff(p, axis=1) >= 0).all()
    assert ((p >= 0) & (p <= 1)).all()


@given(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3))
def test_from_cloglog_keeps_order(a: float, b: float) -> None:
    first, second = from_cloglog(np.array([min(a, b), max(a, b)]))
    assert 0 <= first <= second <= 1
