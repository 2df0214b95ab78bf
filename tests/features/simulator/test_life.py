"""Wear, hazard, failures and maintenance follow the stated laws."""

import numpy as np
import pytest

from features.simulator import laws
from features.simulator.life import CORRECTED, EARLY, INSPECTED, PLANNED, Life, hazards, live
from features.simulator.world import Habit, KindWorld, load_world

WORLD = load_world()
PUMP = WORLD.kinds[0]
CODES = [part.code for part in PUMP.parts]
USUAL = WORLD.habits[1]
NOBODY = USUAL.model_copy(update={"interval": 1e6, "heed": 0.0, "inspect_days": 1e6})


def lives(machines: int, days: int, *, kind: KindWorld = PUMP, habit: Habit = USUAL, load=0.75, ambient=20.0) -> list[Life]:
    made = []
    for machine in range(machines):
        law, draws = laws.law_of(kind, 0, 1.0, habit), laws.draws_of(kind, habit, 3, machine, days * 24)
        state, asked = laws.state_of(kind, law, 3, machine), np.full(days * 24, load)
        made.append(live(law, draws, state, asked, np.full(days * 24, ambient), 0))
    return made


@pytest.fixture(scope="module")
def fleet() -> list[Life]:
    return lives(60, 300)


def test_hazard_is_a_gompertz_law_over_a_floor() -> None:
    law, new, worn = laws.law_of(PUMP, 0, 1.0, USUAL), np.zeros(len(CODES)), np.zeros(len(CODES))
    hazards(law, np.zeros(len(CODES)), new)
    total = hazards(law, np.ones(len(CODES)), worn)
    for at, part in enumerate(PUMP.parts):
        assert new[at] == pytest.approx(part.sudden_per_year / 8766.0, abs=1e-9)
        assert worn[at] == pytest.approx(part.sudden_per_year / 8766.0 + part.end_hazard_per_day / 24.0)
    assert total == pytest.approx(worn.sum())


@pytest.mark.parametrize(("change", "faster"), [({"load": 1.0}, "load_power"), ({"ambient": 35.0}, "heat_per_10c")])
def test_load_and_heat_wear(change: dict[str, float], faster: str) -> None:
    """The same parts wear faster under load or in the heat if they are of the sort that minds; cold helps nothing."""
    base, more, cold = (lives(1, 5, habit=NOBODY, **how)[0].wear[-1] for how in ({}, change, {"ambient": 5.0}))
    minds = np.array([getattr(part, faster) > 0 for part in PUMP.parts]) & (base > 0)
    assert minds.sum() > 1
    assert ((more > base) == minds).all()
    assert (cold == base).all()


def test_failures_come_as_often_as_the_true_hazard_says(fleet: list[Life]) -> None:
    chance = np.concatenate([-np.expm1(-life.hazard.sum(axis=1)) for life in fleet])
    failed = np.concatenate([life.failed >= 0 for life in fleet])
    expected, spread = chance.sum(), np.sqrt((chance * (1 - chance)).sum())
    assert expected > 100
    assert abs(failed.sum() - expected) < 4 * spread


def test_whose_failure_it_is_goes_by_the_hazards(fleet: list[Life]) -> None:
    hazard = np.concatenate([life.hazard for life in fleet])
    total = hazard.sum(axis=1, keepdims=True)
    expected = (np.divide(hazard, total, out=np.zeros_like(hazard), where=total > 0) * -np.expm1(-total)).sum(axis=0)
    part = np.concatenate([life.failed for life in fleet])
    found = np.bincount(part[part >= 0], minlength=len(CODES))
    assert (np.abs(found - expected) < 4 * np.sqrt(expected) + 1).all()
    inside = np.concatenate([life.failed_at[life.failed >= 0] for life in fleet])
    assert 0 <= inside.min() <= inside.max() <= 1
    assert 0.4 < inside.mean() < 0.6


def test_a_failed_machine_stands_then_runs_with_a_new_part(fleet: list[Life]) -> None:
    seen = 0
    for life in fleet:
        for hour in np.flatnonzero(life.failed >= 0):
            back, part = hour + 1 + life.down[hour], life.failed[hour]
            assert not life.up[hour + 1 : back].any()
            assert (life.hazard[hour + 1 : back] == 0).all()
            if back < len(life.up):
                assert life.up[back]
                assert life.wear[back, part] == 0.0
                assert life.actions[back, part] == CORRECTED
                seen += 1
    assert seen > 50


def test_people_renew_replace_early_and_look(fleet: list[Life]) -> None:
    count = np.zeros(5, np.int64)
    for life in fleet:
        hour, part = np.nonzero(life.actions)
        done = life.actions[hour, part]
        count += np.bincount(done, minlength=5)
        assert life.up[hour].all()
        assert (life.wear[hour, part][(done == PLANNED) | (done == EARLY)] == 0).all()
        early, looked = done == EARLY, done == INSPECTED
        assert (life.wear[hour[early] - 1, part[early]] > USUAL.replace_at - 0.02).all()
        assert (life.wear[hour[looked], part[looked]] < USUAL.replace_at).all()
    assert (count[[PLANNED, EARLY, INSPECTED, CORRECTED]] > 30).all()


def test_a_sudden_mode_depends_on_nothing(fleet: list[Life]) -> None:
    """Its hazard is one number while the machine runs, whatever load, age, wear, errors and visits there were."""
    (part,) = [at for at, code in enumerate(CODES) if PUMP.signs()[code] == "none"]
    for life in fleet:
        rates = life.hazard[life.up, part]
        assert rates.min() == rates.max() == pytest.approx(PUMP.parts[part].sudden_per_year / 8766.0)
        assert (life.wear[:, part] == 0).all()


def test_heeding_alarms_prevents_failures() -> None:
    heeding = NOBODY.model_copy(update={"heed": 1.0, "response_hours": (1.0, 4.0), "replace_at": 0.6})
    signs = PUMP.signs()
    shows = [at for at, code in enumerate(CODES) if signs[code] == "windows"]
    failures = [sum(np.isin(life.failed, shows).sum() for life in lives(15, 300, habit=habit)) for habit in (NOBODY, heeding)]
    assert failures[1] < 0.7 * failures[0]


def test_strict_habits_fail_less_than_lax_ones() -> None:
    strict, lax = (sum((life.failed >= 0).sum() for life in lives(15, 300, habit=WORLD.habits[at])) for at in (0, 2))
    assert strict < lax


def test_without_a_failure_life_would_have_gone_on(fleet: list[Life]) -> None:
    """The ghost of a failure: hazards as if the part had held, planned work included; rising where wear was the cause."""
    seen = 0
    for life in fleet:
        for nth, hour in enumerate(np.flatnonzero(life.failed >= 0)):
            part, ghost = life.failed[hour], life.ghosts[nth]
            if PUMP.signs()[CODES[part]] != "windows" or hour + 80 > len(life.up):
                continue
            renewed = (ghost[:, part] < life.hazard[hour, part]).any()
            assert renewed or (np.diff(ghost[:, part]) >= 0).all()
            assert ghost[0].sum() > 0
            seen += 1
    assert seen > 20


def test_errors_rise_with_wear_and_stop_with_the_machine(fleet: list[Life]) -> None:
    part = CODES.index("seal")
    codes = [at for at, fault in enumerate(PUMP.faults) if "seal" in fault.rise]
    wear = np.concatenate([life.wear[:, part] for life in fleet])
    raised = np.concatenate([~np.isnan(life.faults[:, codes]).all(axis=1) for life in fleet])
    assert raised[wear > 0.9].mean() > 5 * raised[wear < 0.3].mean()
    for life in fleet:
        assert np.isnan(life.faults[~life.up]).all()
        broken = life.failed >= 0
        latest = np.nan_to_num(life.faults[broken]).max(axis=1, initial=0)
        assert (latest <= life.failed_at[broken]).all()
