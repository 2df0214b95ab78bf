"""Sensors follow load, weather and wear, fail as sensors do; and one mode shows in the order of readings alone."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from scipy.stats import ks_2samp

from features.build import compute
from features.catalog import catalog
from features.history import READINGS, from_tables
from features.schema import TIME
from features.simulator import gauges
from features.simulator.gauges import panel_of, values_of
from features.simulator.world import KindWorld, Reporting, load_world

WORLD = load_world()
PUMP = WORLD.kinds[0]
CODES = [part.code for part in PUMP.parts]
HOUR = 3_600_000_000
Floats = npt.NDArray[np.float64]
PERFECT = WORLD.reporting.model_copy(update={"missing_share": 0.0, "stuck_per_year": 0.0})
NEVER = np.empty(0, np.int64)


def values(machine: int, hours: int, wear: dict[str, float], reporting: Reporting = PERFECT, kind: KindWorld = PUMP, **given):
    """Readings [hour, gauge] at a steady load and mild weather, parts worn as `wear` says all the time."""
    worn = np.tile(np.array([wear.get(code, 0.0) for code in CODES], np.float32), (hours, 1))
    load, mild = given.get("load", np.full(hours, 0.75)), np.full(hours, 20.0)
    return values_of(panel_of(kind), reporting, given.get("seed", 3), machine, given.get("served", NEVER), load, mild, worn)


def quiet() -> KindWorld:
    """The pump without knocks and without creep."""
    still = {"waveform": None, "creep": 0.0}
    return PUMP.model_copy(update={"gauges": tuple(gauge.model_copy(update=still) for gauge in PUMP.gauges)})


def test_wear_drives_the_sensors() -> None:
    new, worn = values(0, 4000, {}, kind=quiet()), values(0, 4000, {"bearing": 1.0}, kind=quiet())
    vibration = PUMP.gauges[0]
    assert (worn - new).mean(axis=0)[0] == pytest.approx(vibration.drift["bearing"], rel=0.03)
    assert worn[:, 0].std() / new[:, 0].std() == pytest.approx(1 + vibration.unrest["bearing"], rel=0.05)
    half = values(0, 4000, {"bearing": 0.5}, kind=quiet())
    assert (half - new).mean(axis=0)[0] == pytest.approx(vibration.drift["bearing"] * 0.5**PUMP.bend, rel=0.1)


def test_values_are_lost_and_rounded() -> None:
    found = values(0, 20_000, {}, PERFECT.model_copy(update={"missing_share": 0.01}))
    assert np.isnan(found).mean() == pytest.approx(0.01, rel=0.1)
    kept = found[~np.isnan(found)]
    assert np.abs(kept * 1000 - np.round(kept * 1000)).max() < 1e-6


def test_a_sensor_shows_nothing_beyond_its_ends() -> None:
    narrow = {"low": 2.0, "high": 2.6}
    kind = PUMP.model_copy(update={"gauges": (PUMP.gauges[0].model_copy(update=narrow), *PUMP.gauges[1:])})
    found = values(0, 2000, {}, kind=kind)[:, 0]
    assert found.min() == 2.0
    assert found.max() == 2.6


def test_sensors_stick_one_at_a_time_and_for_hours() -> None:
    sticky = PERFECT.model_copy(update={"stuck_per_year": 20.0, "stuck_hours": (6.0, 24.0)})
    free, stuck = values(0, 40_000, {}), values(0, 40_000, {}, sticky)
    held = (np.diff(stuck, axis=0) == 0) & (np.diff(free, axis=0) != 0)
    per_year = held.sum() / 15.0 / (40_000 / 8766) / 4  # the mean hold is 15 hours
    assert per_year == pytest.approx(20.0, rel=0.25)
    assert (held.sum(axis=0) > 0).all()
    moves = stuck[1:][~held] == free[1:][~held]
    assert moves.mean() > 0.999


def test_calibration_creeps_until_it_is_serviced() -> None:
    hours, served = 9600, np.array([4800])
    slopes = np.array([
        [np.polyfit(np.arange(4800), found[part, 0], 1)[0] * 2400 for part in (slice(0, 4800), slice(4800, None))]
        for found in (values(machine, hours, {}, served=served) for machine in range(60))
    ])  # fmt: skip
    noise = PUMP.gauges[0].noise
    assert slopes.std() == pytest.approx(PUMP.gauges[0].creep * noise, rel=0.3)
    assert abs(np.corrcoef(slopes.T)[0, 1]) < 0.4
    before, after = (np.array([values(m, hours, {}, served=served)[at, 0].mean() for m in range(60)])
                     for at in (slice(4600, 4800), slice(4800, 5000)))  # fmt: skip
    assert before.std() > after.std()


# The mode that shows in the order of readings alone.


def knocking(machines: int, wear: float, seed: int) -> tuple[list[Floats], int]:
    """Ten days of the pump under changing load, the knocking part worn or not; and the gauge that knocks."""
    (gauge,) = [at for at, one in enumerate(PUMP.gauges) if one.waveform]
    knocks = PUMP.gauges[gauge].waveform
    assert knocks is not None
    random = np.random.default_rng(seed)
    made = []
    for machine in range(machines):
        load = 0.75 * (1 + 0.05 * np.repeat(random.standard_normal(60), 4))
        made.append(values(machine, 240, {knocks.part: wear}, WORLD.reporting, seed=seed, load=load))
    return made, gauge


def features_of(histories: list[Floats], gauge: int) -> dict[str, Floats]:
    """All window features of one sensor from the real catalog, an observation per machine at a random time of day."""
    kind = PUMP.kind().model_copy(update={"reference": False})
    wanted, machines, hours = catalog(kind), len(histories), len(histories[0])
    ids = [f"m{at:05d}" for at in range(machines)]
    event = np.tile((20_000 * 24 + np.arange(hours, dtype=np.int64)) * HOUR, machines)
    when, rows = pa.array(event).cast(TIME), np.concatenate(histories)
    sensors = {one.name: rows[:, at] for at, one in enumerate(kind.sensors)}
    table = pa.table({"machine_id": np.repeat(ids, hours), "event_time": when, "recorded_at": when, **sensors})
    history = from_tables(kind, {kind.readings_table: table}, ids)
    as_of = event.reshape(machines, hours)[np.arange(machines), 200 + np.arange(machines) % 40]
    matrix = compute(wanted, history, np.arange(machines), as_of)
    name = PUMP.gauges[gauge].name
    chosen = [at for at, spec in enumerate(wanted.specs) if spec.table == READINGS and spec.column == name]
    return {wanted.names[at]: matrix[:, at].astype(np.float64) for at in chosen}


def test_no_window_feature_sees_the_knocks() -> None:
    """Two-sample Kolmogorov-Smirnov over every window feature of the sensor, worn against sound, Bonferroni at 1 %.

    Power: with 8,000 machines each, a largest difference of 0.045 between two distributions (a shift by 0.11 standard
    deviations) is found in nine of ten trials; the test plants a shift of 0.12 in each feature and nearly all must be found.
    """
    sound, gauge = knocking(8000, 0.0, 1)
    worn, _ = knocking(8000, 1.0, 2)
    first, second = features_of(sound, gauge), features_of(worn, gauge)
    moving = [name for name, values in first.items() if np.isfinite([*values, *second[name]]).all() and values.std() > 0]
    assert len(moving) > 30
    level = 0.01 / len(moving)
    p = {name: ks_2samp(first[name], second[name], method="asymp").pvalue for name in moving}
    assert min(p.values()) > level, sorted(p.items(), key=lambda pair: pair[1])[:5]
    planted = {name: second[name] + 0.12 * first[name].std() for name in moving}
    shifted = [ks_2samp(first[name], planted[name], method="asymp").pvalue < level for name in moving]
    assert np.mean(shifted) > 0.9


def test_a_matched_filter_sees_the_knocks() -> None:
    sound, gauge = knocking(300, 0.0, 1)
    worn, _ = knocking(300, 1.0, 2)
    knocks = PUMP.gauges[gauge].waveform
    assert knocks is not None

    def agreement(history: Floats) -> float:
        """Mean product of the filter's answers one turn of the claws apart, large answers (steps of the load) clipped."""
        answer = np.correlate(
            np.nan_to_num(history[:, gauge], nan=np.nanmean(history[:, gauge])), [1.0, -3.0, 3.0, -1.0], "valid"
        ) / (20 * knocks.size)
        answer = np.clip(answer, -1.2, 1.2)
        turn = knocks.gap_hours * knocks.claws
        return float((answer[:-turn] * answer[turn:]).mean())

    low, high = np.array([agreement(one) for one in sound]), np.array([agreement(one) for one in worn])
    assert (high[:, None] > low).mean() > 0.85


def test_a_worn_claw_repeats_its_last_knock() -> None:
    knock, shape = np.array([4.0, 1.0, 5.0, 2.0]), np.array([1.0, -3.0, 3.0, -1.0])
    draws = np.full(60, 0.99)
    draws[0], draws[8] = 0.7, 0.1  # the first knock at hour 3; of its first two claws one stands upside down at first
    for wear, change in ((0.0, -1.0), (1.0, 1.0)):
        flat = np.zeros(60)
        gauges._knock(flat, draws, knock, np.full(60, np.float32(wear)))
        for nth, hour in enumerate(range(3, 53, 5)):
            first = (-1.0, 1.0)[nth % 2]
            np.testing.assert_allclose(flat[hour : hour + 4], first * change ** (nth // 2) * shape)
            assert not flat[hour + 4]
        assert flat[:57].sum() == pytest.approx(0.0)
