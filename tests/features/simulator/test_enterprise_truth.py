"""The truth of enterprises: what a perfect observer expects agrees with what comes, and knows nothing of the path to come."""

import dataclasses
from functools import cache
from math import isclose
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from features.errors import NotFound
from features.simulator import enterprise_accidents, enterprise_life, enterprise_machines, enterprise_truth, fleet
from features.simulator.enterprise_roll import Roll, roll_of
from features.simulator.enterprise_severity import class_losses, class_shares
from features.simulator.enterprise_world import load_enterprises
from features.simulator.world import load_world

LAW, WORLD = load_enterprises(), load_world()
DAYS, SEED = 400, 8
Floats = npt.NDArray[np.float64]


def nobody() -> enterprise_machines.Watch:
    none = np.empty(0, dtype=np.int64)
    return enterprise_machines.Watch(fleet.Fleet(WORLD, 0, DAYS, 24, SEED), none, none)


@cache
def lived(enterprises: int = 1500) -> tuple[Roll, enterprise_life.Life, enterprise_machines.Machinery]:
    roll = roll_of(LAW, enterprises, 0, SEED)
    life = enterprise_life.live(roll, DAYS, 0)
    return roll, life, enterprise_machines.machinery(roll, nobody(), DAYS + enterprise_life.AFTER_DAYS, 9)


def along(rate: Floats, day: int, days: int) -> Floats:
    return np.asarray(rate[day : day + days].sum(axis=0))


@pytest.mark.parametrize("part", ["base", "left"])
@pytest.mark.parametrize("days", [30, 90, 365])
def test_what_is_expected_is_the_mean_of_the_paths(part: str, days: int) -> None:
    """Over all, and in each fifth of what is expected: errors from 1,500 paths of culture, hazards and visits."""
    roll, life, made = lived()
    path = dict(zip(("base", "left"), enterprise_truth.daily(roll, life, made), strict=False))[part]
    day = 250
    (ahead,) = enterprise_truth.expected(roll, life, made, np.array([day]), 0)
    told, came = getattr(ahead, part)[:days].sum(axis=0), along(path, day, days)
    for group in np.array_split(np.argsort(told), 5):
        error = (came[group] - told[group]).std() * np.sqrt(len(group))
        assert abs(came[group].sum() - told[group].sum()) <= 4 * error
    assert came.sum() == pytest.approx(told.sum(), rel=0.03 if part == "base" else 0.08)
    assert np.corrcoef(np.log(told + 1e-9), np.log(came + 1e-9))[0, 1] > 0.5


def test_accidents_come_at_their_rates() -> None:
    roll, life, made = lived()
    found = enterprise_accidents.accidents(roll, life, made, DAYS)
    path = sum(part[:DAYS].sum(axis=0) for part in enterprise_truth.daily(roll, life, made))
    count = np.bincount(found.of, minlength=roll.size)
    assert abs(count.sum() - path.sum()) < 4 * np.sqrt(path.sum())
    spread = ((count - path) ** 2 / path)[path > 0.5]
    assert spread.mean() == pytest.approx(1.0, abs=0.15)  # Poisson, given the path


def test_nothing_of_the_future_is_in_what_is_expected() -> None:
    """The state of the day decides: other culture, size, effect and finds afterwards change nothing."""
    roll, life, made = lived(60)
    day = np.array([200])
    (here,) = enterprise_truth.expected(roll, life, made, day, 0)
    later = np.arange(len(life.base)) > 200
    wander, workers, effect, overdue = (values.copy() for values in (life.wander, life.workers, life.effect, life.overdue))
    wander[later] += 1.0
    workers[later] *= 3.0
    effect[later] = 0.0
    overdue[later] = 50.0
    late = life.found.late | (life.found.day > 200)
    other = dataclasses.replace(
        life, wander=wander, workers=workers, effect=effect, overdue=overdue, found=dataclasses.replace(life.found, late=late)
    )
    (there,) = enterprise_truth.expected(roll, other, made, day, 0)
    assert np.array_equal(here.base, there.base) and np.array_equal(here.left, there.left)
    changed = dataclasses.replace(life, wander=life.wander + (np.arange(len(life.base)) == 200)[:, None])
    (elsewhere,) = enterprise_truth.expected(roll, changed, made, day, 0)
    assert (elsewhere.base < here.base).all()


def test_machines_that_are_worse_kept_or_worn_are_expected_to_fail_more() -> None:
    roll = roll_of(LAW, 30, 150, SEED)
    plan = enterprise_machines.fleet_of(roll, WORLD, 150, 24, SEED)
    days = np.arange(0, 151, 5)
    watch = enterprise_machines.Watch(plan, days, days[:0])
    fleet.live(plan, watch)
    made = enterprise_machines.machinery(roll, watch, 150 + enterprise_life.AFTER_DAYS, len(days))
    ahead, path = made.ahead, np.concatenate([np.zeros((1, roll.size)), np.cumsum(made.hazard, axis=0)])
    for span, (low, high) in enumerate(enterprise_machines.SPANS):
        came = np.stack([path[day + high] - path[day + low] for day in days]) / (high - low)
        assert ahead[:, :, span].sum() == pytest.approx(came.sum(), rel=0.06)
        each = roll.machines > 0
        assert np.corrcoef(ahead[:, each, span].ravel(), came[:, each].ravel())[0, 1] > 0.8
    failed = np.bincount(made.failed_of, minlength=roll.size) / np.maximum(roll.machines, 1)
    lean = enterprise_machines.lean_of(roll)
    assert np.average(failed[lean < -0.5], weights=roll.machines[lean < -0.5]) > 1.2 * np.average(
        failed[lean > 0.5], weights=roll.machines[lean > 0.5]
    )
    assert made.hazard[:150].sum() == pytest.approx((made.failed_at < 150).sum(), rel=0.15)


def test_programmes_multiply_reports_and_spare_accidents() -> None:
    _, life, _ = lived()
    starts = life.programme
    own = life.found.visit < 0
    reports = np.zeros(life.base.shape)
    np.add.at(reports, (life.found.day[own], life.found.enterprise[own]), 1.0)
    of = np.flatnonzero((starts > 60) & (starts < DAYS))
    before, after = (
        [sum(values[int(starts[at]) + low : int(starts[at]) + high, at].sum() for at in of) for values in (reports, life.base)]
        for low, high in ((-60, 0), (0, 60))
    )
    assert after[0] / before[0] == pytest.approx(LAW.culture.programme_reports, rel=0.15)
    assert after[1] / before[1] == pytest.approx(1.0 - LAW.culture.programme_relief, abs=0.06)


def test_losses_and_classes_are_those_of_the_law() -> None:
    roll, life, made = lived()
    found = enterprise_accidents.accidents(roll, life, made, DAYS)
    shares, losses = class_shares(roll), class_losses(roll)
    assert shares.sum(axis=1) == pytest.approx(1.0)
    path = sum(part[:DAYS].sum(axis=0) for part in enterprise_truth.daily(roll, life, made))
    for at in (0, 1):
        of = found.severity == at
        assert abs(of.sum() - (path * shares[:, at]).sum()) < 4 * np.sqrt((path * shares[:, at]).sum())
        error = found.loss[of].std() / np.sqrt(of.sum())
        assert abs(found.loss[of].mean() - losses[found.of[of], at].mean()) < 4 * error
    graver = found.severity > 1
    assert (found.deaths[found.severity == 2] >= 3).all() and (found.deaths[~graver] < 3).all()
    assert (found.loss[~graver] < 10_000_000).all()
    law, normal = LAW.losses[0], np.random.default_rng(1).standard_normal(400_000)
    draws = np.minimum(law.cap, law.median * np.exp(law.spread * normal))
    middle = int(np.argmin(abs(roll.severity - 1.0)))
    assert isclose(losses[middle, 0] / roll.severity[middle], draws.mean(), rel_tol=0.02)


def test_moments_are_days_since_1970_that_the_step_divides() -> None:
    days = enterprise_truth.moments(19723, 100, 5)
    assert ((19723 + days) % 5 == 0).all() and days[0] < 5 and days[-1] <= 100


def test_no_truth_where_none_was_simulated(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no truth of enterprises"):
        enterprise_truth.read(tmp_path)


def test_no_table_is_made_from_the_truth() -> None:
    """What enters the lake is made by modules that do not know what is expected."""
    package = Path(enterprise_truth.__file__).parent
    tables = {"tables", "returns", "standing", "money", "cases", "accidents", "rows"}
    for name in tables:
        assert "enterprise_truth" not in (package / f"enterprise_{name}.py").read_text(encoding="utf-8"), name
