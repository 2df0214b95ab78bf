"""Wear, hazard and sensors follow the stated laws."""

import numpy as np
import pytest

from features.simulator import physics
from features.simulator.world import KindWorld, load_world

WORLD = load_world()
PUMP = WORLD.kinds[0]


def lives(kind: KindWorld, machines: int, days: int, load: float = 0.75, ambient: float = 20.0) -> physics.Lives:
    shape = (days * 24, machines)
    pace = physics.stress(kind, np.zeros(machines, np.int64), np.full(shape, load), np.full(shape, ambient))
    return physics.live(kind, [WORLD.habits[1]] * machines, list(range(machines)), 3, pace)


def test_hazard_is_a_gompertz_law_over_a_floor() -> None:
    part = PUMP.parts[0]
    new, worn = physics.hazard_per_hour(PUMP, np.array([[0.0] * 4, [1.0] * 4]))[:, 0]
    assert new == pytest.approx(part.sudden_per_year / 8766.0, rel=1e-3)
    assert worn == pytest.approx(part.sudden_per_year / 8766.0 + part.end_hazard_per_day / 24.0)


def test_load_and_heat_wear() -> None:
    makes = np.zeros(1, np.int64)
    one = np.ones((1, 1))
    base = physics.stress(PUMP, makes, 0.75 * one, 20.0 * one)
    assert (physics.stress(PUMP, makes, 1.0 * one, 20.0 * one) > base).all()
    heat = np.array([part.heat_per_10c for part in PUMP.parts]) > 0
    assert ((physics.stress(PUMP, makes, 0.75 * one, 35.0 * one) > base) == heat).all()
    assert (physics.stress(PUMP, makes, 0.75 * one, 5.0 * one) == base).all()


def test_failures_come_as_often_as_the_true_hazard_says() -> None:
    found = lives(PUMP, machines=60, days=250)
    chance = -np.expm1(-found.hazard.astype(np.float64))
    expected, spread = chance.sum(), np.sqrt((chance * (1 - chance)).sum())
    assert expected > 50
    assert abs(len(found.failed) - expected) < 4 * spread


def test_a_failed_machine_stands_then_runs_with_a_new_part() -> None:
    found = lives(PUMP, machines=40, days=200)
    hours = len(found.up)
    assert len(found.failed) > 10
    for (hour, machine, part), repair in zip(found.failed, found.repair_hours, strict=True):
        back = int(hour + 1 + repair)
        assert not found.up[hour + 1 : back, machine].any()
        assert (found.hazard[hour + 1 : back, machine] == 0).all()
        if back < hours and found.up[back, machine]:
            assert found.wear[back, machine, part] == 0.0


def test_planned_maintenance_renews_the_part() -> None:
    found = lives(PUMP, machines=20, days=200)
    hour, machine, part = found.planned.T
    assert len(hour) > 20
    assert (found.wear[hour, machine, part] == 0.0).all()
    assert found.up[hour, machine].all()


def test_wear_drives_the_sensors() -> None:
    hours = 2000
    load, ambient = np.full(hours, 0.75), np.full(hours, 20.0)
    new = physics.gauge_values(PUMP, 0, 3, load, ambient, np.zeros((hours, 4)))
    worn = physics.gauge_values(PUMP, 0, 3, load, ambient, np.tile([1.0, 0, 0, 0], (hours, 1)))
    vibration = PUMP.gauges[0]
    assert (worn - new).mean(axis=0)[0] == pytest.approx(vibration.drift["bearing"], abs=0.05)
    assert worn[:, 0].std() / new[:, 0].std() == pytest.approx(1 + vibration.unrest["bearing"], rel=0.05)


def test_errors_rise_with_wear() -> None:
    new, worn = physics.fault_rates(PUMP, np.array([[0.0] * 4, [1.0] * 4]))
    rising = np.array([bool(fault.rise) for fault in PUMP.faults])
    assert ((worn > new) == rising).all()
    assert rising.sum() == 4
