"""Remaining life: who is held out, where records are cut, what the blend weighs, and the same answer from the same seed."""

import numpy as np
import pytest
from pydantic import ValidationError

from features.errors import BadInput
from features.sources import cmapss
from features.sources.cmapss import Engines
from tests.training.engines import lives, write
from training import life
from training.cycles import Fleet, Reference
from training.life import BOOSTERS, Asked, CutConfig, LifeConfig, Task
from training.network_config import LoopConfig


def silent(text: str) -> None:
    """Progress that nobody reads."""


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> list[Engines]:
    folder = write(tmp_path_factory.mktemp("engines"), {"train_FD001": lives(14, 1), "train_FD002": lives(9, 2, conditions=2)})
    return [cmapss.engines(folder, "train", name) for name in ("FD001", "FD002")]


@pytest.fixture(scope="module")
def fleet(engines: list[Engines]) -> Fleet:
    return Fleet.of(Reference.of(engines), engines)


def small(**update: object) -> LifeConfig:
    """The shipped experiment with models for a dozen engines."""
    shipped = life.load_life("cmapss")
    loop = LoopConfig(epochs=2, patience=None, batch=64)
    of = {name: one.model_copy(update={"width": 4, "hidden": 4, "layers": 1}) for name, one in shipped.networks.of.items()}
    networks = shipped.networks.model_copy(update={"loop": loop, "of": of, "steps": 4, "share": 0.3})
    boosters = shipped.boosters.model_copy(update={"rounds": 30, "min_data_in_leaf": 10, "learning_rate": 0.1})
    return shipped.model_copy(update={"networks": networks, "boosters": boosters, "seeds": (1, 2), "processes": 1, **update})


def test_engines_are_held_out_whole_and_the_same_ones_whoever_else_is_there(engines: list[Engines]) -> None:
    kept, held = life.split(engines, 0.3, "x")
    for one, inside, out in zip(engines, kept, held, strict=True):
        assert set(inside.unit) | set(out.unit) == set(one.unit) and not set(inside.unit) & set(out.unit)
        assert len(inside) and len(out)
    fewer = engines[0].of(engines[0].unit <= 10)
    assert set(life.split([fewer], 0.3, "x")[1][0].unit) == {unit for unit in held[0].unit if unit <= 10}
    assert set(life.split(engines, 0.3, "y")[1][0].unit) != set(held[0].unit)


def test_cuts_leave_what_the_bounds_say_and_hang_on_the_engine_alone(engines: list[Engines], fleet: Fleet) -> None:
    config = CutConfig(least_left=5, most_left=50, least_seen=20, each=4)
    rows = life.cut(fleet, config, seed=0)
    assert len(rows) == 4 * len(fleet.last) == len(set(rows.tolist()))
    assert fleet.left[rows].min() >= 5 and fleet.left[rows].max() <= 50 and fleet.cycle[rows].min() >= 20
    alone = Fleet.of(fleet.reference, engines[1:])
    assert (life.cut(alone, config, seed=0) + len(engines[0])).tolist() == rows[14 * 4 :].tolist()
    assert life.cut(fleet, config, seed=1).tolist() != rows.tolist()


def test_an_engine_shorter_than_the_bounds_is_cut_where_it_can_be(fleet: Fleet) -> None:
    rows = life.cut(fleet, CutConfig(least_left=5, most_left=150, least_seen=500, each=3), seed=0)
    assert (fleet.left[rows] == 5).all() and len(rows) == len(fleet.last)


def test_weights_find_the_better_of_two_and_none_is_negative() -> None:
    random = np.random.default_rng(0)
    truth = random.uniform(0, 125, 500)
    noisy, noisier = truth + random.normal(0, 5, 500), truth + random.normal(0, 10, 500)
    weights = life.mixed({"a": noisy, "b": noisier, "c": 125 - truth}, truth)
    assert sum(weights.values()) == pytest.approx(1) and min(weights.values()) >= 0
    assert weights["a"] == pytest.approx(0.8, abs=0.05) and weights["c"] < 0.01  # 1/25 to 1/100


@pytest.mark.parametrize("model", [BOOSTERS, "gru", "tcn"])
def test_answers_are_lives_and_learn_from_engines(engines: list[Engines], fleet: Fleet, model: str) -> None:
    """On engines not fitted on, every model is nearer than the mean is, and says something between 0 and the cap."""
    kept, held = life.split(engines, 0.3, "x")
    loop = LoopConfig(epochs=8, patience=None, batch=32, learning_rate=0.01)
    config = small(cap=60.0)
    config = config.model_copy(update={"networks": config.networks.model_copy(update={"loop": loop, "share": 1.0})})
    learned, unseen = Fleet.of(fleet.reference, kept), Fleet.of(fleet.reference, held)
    rows = np.flatnonzero(unseen.cycle > 20)
    said = life.answer(config, model, 1, learned, Asked(unseen, rows))
    truth = np.minimum(unseen.left[rows], 60)
    assert said.min() >= 0 and said.max() <= 60
    assert np.mean((said - truth) ** 2) < 0.5 * np.var(truth)


def test_the_blend_is_the_same_on_any_number_of_processes(engines: list[Engines], fleet: Fleet) -> None:
    asked = Asked(fleet, fleet.last)
    said: list[str] = []
    task = [Task((BOOSTERS,), BOOSTERS, 1, fleet, asked), Task(("gru",), "gru", 1, fleet, asked)]
    one, two = (life.answers(small(processes=count), task, said.append) for count in (1, 2))
    for key in ((BOOSTERS,), ("gru",)):
        np.testing.assert_array_equal(one[key], two[key])
    assert len(said) == 2


def test_an_error_in_another_process_is_told_as_it_is(fleet: Fleet) -> None:
    config = small(processes=2)
    config = config.model_copy(update={"networks": config.networks.model_copy(update={"share": 1e-9})})
    with pytest.raises(BadInput, match="network training: 1 rows to train on; widen"):
        life.answers(config, [Task(("gru",), "gru", 1, fleet, Asked(fleet, fleet.last))], silent)


def test_every_seed_has_its_blend(engines: list[Engines], fleet: Fleet) -> None:
    found = life.blended(small(), engines, Asked(fleet, fleet.last), silent)
    assert set(found.by_model) == {BOOSTERS, "gru", "tcn"} and found.blend.shape == (2, len(fleet.last))
    expected = sum(found.weights[name] * found.by_model[name][1] for name in found.weights)
    np.testing.assert_allclose(found.blend[1], expected)
    assert (found.by_model["gru"][0] != found.by_model["gru"][1]).any()


def test_an_experiment_names_networks_of_remaining_life() -> None:
    document = life.load_life("cmapss").model_dump()
    document["networks"]["of"]["gru"]["head"] = "hazards"
    with pytest.raises(ValidationError, match="remaining life"):
        LifeConfig.model_validate(document)
