"""The truth: exact where it can be checked by hand, calibrated against what happens, apart from everything that learns."""

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from features.errors import NotFound
from features.simulator import chance, fleet, truth
from features.simulator.life import Life
from features.simulator.world import load_world

WORLD = load_world()
ROOT = Path(__file__).parents[3]


def life_of(hazard: npt.NDArray[np.float64], failed: dict[int, int], ghosts: npt.NDArray[np.float64]) -> Life:
    hours, parts = hazard.shape
    empty = np.zeros((hours, parts), np.float32)
    part = np.full(hours, -1, np.int8)
    part[list(failed)] = list(failed.values())
    none = np.zeros(hours, np.int64)
    return Life(empty, hazard, np.ones(hours, bool), part, np.zeros(hours), none, empty, empty.astype(np.int8), ghosts)


def test_constant_hazards_give_the_exponential_law() -> None:
    hazard = np.tile([0.001, 0.003], (200, 1))
    p = truth.chances(life_of(hazard, {}, np.empty((0, 72, 2))), np.array([0, 5, 100]))
    for column, hours in enumerate(truth.HORIZONS):
        assert p[:, column, 0] == pytest.approx(1 - np.exp(-0.004 * hours))
        assert p[:, column, 2] == pytest.approx(0.75 * p[:, column, 0])
    assert p[..., 0] == pytest.approx(p[..., 1:].sum(axis=-1))


def test_a_failure_ahead_does_not_end_the_path_but_one_before_is_past() -> None:
    """Failure of part 1 in hour 50: until then the path goes on without it, from then on the repair is what is."""
    hazard = np.full((200, 2), 0.001)
    hazard[51:60] = 0.0  # the machine stands
    ghosts = np.full((1, 72, 2), 0.02)
    p = truth.chances(life_of(hazard, {50: 1}, ghosts), np.array([30, 50, 51, 70]))[:, 0, 0]
    assert p[0] == pytest.approx(1 - np.exp(-(20 * 0.002 + 4 * 0.04)))
    assert p[1] == pytest.approx(1 - np.exp(-(24 * 0.04)))
    assert p[2] == pytest.approx(1 - np.exp(-(15 * 0.002)))
    assert p[3] == pytest.approx(1 - np.exp(-(24 * 0.002)))


@pytest.fixture(scope="module")
def outcomes() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], list[str]]:
    """(p, y), both [machine-day, horizon, 1 + part], of the pumps of a fleet: the truth and the first failure that came."""
    plan = fleet.Fleet(WORLD, 260, 300, 24, 21)
    weather = fleet.weather_of(plan)
    at = np.arange(0, plan.hours - 72, 24)
    told, came = [], []
    for index in range(plan.machines):
        passport = chance.passport(WORLD, plan.seed, index)
        if passport.kind == 0:
            life = fleet.machine_of(plan, passport, weather).life
            told.append(truth.chances(life, at))
            failed = np.flatnonzero(life.failed >= 0)
            following = np.searchsorted(failed, at)
            known = np.append(failed, 10**9)[following]
            part = np.append(life.failed[failed], -1)[following]
            within = (known - at)[:, None] < np.array(truth.HORIZONS)
            parts = within[:, :, None] & (part[:, None, None] == np.arange(len(WORLD.kinds[0].parts)))
            came.append(np.concatenate([within[:, :, None], parts], axis=2))
    return np.concatenate(told), np.concatenate(came).astype(np.float64), [part.code for part in WORLD.kinds[0].parts]


def slope(p: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Slope of outcomes on logits of the truth by logistic regression, and its standard error (days overlap: a third count)."""
    logit = np.log(np.clip(p, 1e-6, 1 - 1e-6) / (1 - np.clip(p, 1e-6, 1 - 1e-6)))
    x, beta = np.column_stack([np.ones(len(p)), logit]), np.array([0.0, 1.0])
    for _ in range(20):
        q = 1 / (1 + np.exp(-x @ beta))
        information = (x * (q * (1 - q))[:, None]).T @ x
        beta = beta + np.linalg.solve(information, x.T @ (y - q))
    return float(beta[1]), float(np.sqrt(3 * np.linalg.inv(information)[1, 1]))


@pytest.mark.parametrize("horizon", [0, 1, 2])
def test_what_happens_agrees_with_the_truth(outcomes, horizon: int) -> None:
    p, y = outcomes[0][:, horizon], outcomes[1][:, horizon]
    found, error = slope(p[:, 0], y[:, 0])
    assert error < 0.06
    assert abs(found - 1) < 3.5 * error
    edges = np.quantile(p[:, 0], [0.5, 0.9, 0.97, 0.99])
    for group in range(5):
        chosen = np.digitize(p[:, 0], edges) == group
        spread = np.sqrt(3 * (p[chosen, 0] * (1 - p[chosen, 0])).sum())
        assert abs(y[chosen, 0].sum() - p[chosen, 0].sum()) < 4 * spread + 1


def test_the_truth_of_each_component_agrees(outcomes) -> None:
    p, y, codes = outcomes
    for at in range(len(codes)):
        expected = p[:, 2, 1 + at].sum()
        assert expected > 30
        assert abs(y[:, 2, 1 + at].sum() - expected) < 4 * np.sqrt(9 * expected)


def test_ranking_by_the_truth_finds_what_wears_and_not_what_is_sudden(outcomes) -> None:
    p, y, codes = outcomes
    alarms = p[:, 2, 0] > np.quantile(p[:, 2, 0], 0.95)
    signs = WORLD.kinds[0].signs()
    for at, code in enumerate(codes):
        found = alarms[y[:, 0, 1 + at] > 0].mean()
        assert found > 0.8 if signs[code] != "none" else found < 0.2, code


def test_the_file_has_a_row_for_every_machine_and_day(tmp_path: Path) -> None:
    with truth.writing(tmp_path) as writer:
        for _ in fleet.source(fleet.Fleet(WORLD, 6, 40, 6, 3), writer=writer).batches():
            pass
    with_six = truth.read(tmp_path, "pump")
    assert set(with_six.group_by("machine_id").aggregate([("as_of", "count")])["as_of_count"].to_pylist()) == {41}
    assert with_six.column_names == ["machine_id", "as_of", "up", *truth.columns_of(WORLD.kinds[0])]
    assert truth.signs(tmp_path, "pump") == WORLD.kinds[0].signs()
    one = with_six["machine_id"][0].as_py()
    only = truth.read(tmp_path, "pump", columns=["as_of", "p72"], machine_ids=[one])
    assert only.num_rows == 41 and only.column_names == ["as_of", "p72"]
    assert not list((tmp_path / "truth").glob(".*"))
    with pytest.raises(NotFound, match="no truth of kind 'crane'"):
        truth.read(tmp_path, "crane")


def test_a_simulation_that_fails_leaves_the_old_truth(tmp_path: Path) -> None:
    with truth.writing(tmp_path) as writer:
        writer.add(WORLD.kinds[0], pa.table({"p72": [0.5]}))
    with pytest.raises(RuntimeError), truth.writing(tmp_path) as writer:
        writer.add(WORLD.kinds[0], pa.table({"p72": [0.9]}))
        raise RuntimeError
    assert truth.read(tmp_path, "pump")["p72"].to_pylist() == [0.5]
    assert [path.name for path in (tmp_path / "truth").iterdir()] == ["pump.parquet"]


def test_drafts_of_killed_simulations_go(tmp_path: Path) -> None:
    (tmp_path / "truth").mkdir()
    (tmp_path / "truth" / ".pump.999999999.draft").write_bytes(b"half")
    with truth.writing(tmp_path):
        pass
    assert not list((tmp_path / "truth").iterdir())


def test_features_and_serving_never_read_the_truth() -> None:
    """The truth's reader is for those who judge, training's report and the replay of plans; `simulate` only writes it."""
    known = re.compile(r"simulator[. ]+(import .*)?truth|truth\.\w+")
    found = {}
    for package in ("features", "serving"):
        for path in (ROOT / package).rglob("*.py"):
            if "simulator" not in path.parts:
                found[path.relative_to(ROOT).as_posix()] = [
                    match[0] for match in known.finditer(path.read_text(encoding="utf-8"))
                ]
    names = found.pop("features/cli.py")
    assert [name for name in names if name.startswith("truth.")] == ["truth.writing"]
    judging = found.pop("serving/plans/replay_run.py")
    assert set(judging) == {"simulator import enterprise_truth", "truth.read", "truth.column"}
    assert not {path: names for path, names in found.items() if names}
    tables = (ROOT / "features" / "simulator" / "tables.py").read_text(encoding="utf-8")
    assert not re.search(r"hazard|\.wear|ghost|truth\.", tables)
