"""Channels and windows of engines: nothing of a later cycle, nothing of another engine, conditions told apart."""

import numpy as np
import pytest

from features.errors import BadInput
from features.sources import cmapss
from features.sources.cmapss import Engines
from tests.training.engines import lives, write
from training.cycles import OWN_CYCLES, Fleet, Reference, Windows, features


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> list[Engines]:
    folder = write(tmp_path_factory.mktemp("engines"), {"train_FD001": lives(5, 1), "train_FD002": lives(5, 2, conditions=2)})
    return [cmapss.engines(folder, "train", name) for name in ("FD001", "FD002")]


def test_sensors_are_standard_under_each_condition_and_those_that_stand_still_are_left_out(engines: list[Engines]) -> None:
    reference = Reference.of(engines)
    assert len(reference.centres) == 2 and reference.kept.tolist() == [1, 2]
    z = reference.standard(engines[1])
    for high in (False, True):
        assert np.abs(z[(engines[1].settings[:, 0] > 20) == high].mean(axis=0)).max() < 0.3


def test_a_row_is_made_of_its_engines_cycles_so_far(engines: list[Engines]) -> None:
    """Everything that follows, in this engine and in others, may be taken away: not a bit of the row changes."""
    reference = Reference.of(engines)
    whole = Fleet.of(reference, engines)
    x, names = features(whole)
    windows = Windows(whole, steps=6, stride=4)
    random = np.random.default_rng(0)
    for row in random.choice(len(whole), 25, replace=False):
        one = engines[whole.code[row]]
        engine = (one.unit == whole.unit[row]) & (one.cycle <= whole.cycle[row])
        alone = Fleet.of(reference, [one.of(engine)])
        np.testing.assert_array_equal(features(alone)[0][-1], x[row])
        steps, static = Windows(alone, steps=6, stride=4).take(np.array([len(alone) - 1]))
        expected = windows.take(np.array([row]))
        np.testing.assert_array_equal(steps, expected[0])
        np.testing.assert_array_equal(static, expected[1])
    assert len(names) == x.shape[1] and len(set(names)) == len(names)


def test_windows_step_back_and_end_with_the_engine(engines: list[Engines]) -> None:
    fleet = Fleet.of(Reference.of(engines), engines)
    windows = Windows(fleet, steps=6, stride=4)
    steps, static = windows.take(np.array([9, 0]))
    cycle = np.exp(steps[:, :, windows.layout.names.index("log_cycle")])
    np.testing.assert_allclose(cycle[0], [np.nan, np.nan, np.nan, 2, 6, 10], rtol=1e-6)
    np.testing.assert_allclose(cycle[1], [np.nan] * 5 + [1], rtol=1e-6)
    assert np.isnan(steps[0, :3]).all() and not np.isnan(steps[0, 3:]).any()
    assert static.shape[1] == len(windows.layout.static) and steps.shape[1:] == (6, len(windows.layout.names))


def test_own_baseline_is_the_mean_of_the_first_cycles(engines: list[Engines]) -> None:
    fleet = Fleet.of(Reference.of(engines), engines)
    x, names = features(fleet)
    place, sensor = names.index(f"{fleet.names[1]}_own"), fleet.z[:, 1]
    np.testing.assert_allclose(x[OWN_CYCLES : OWN_CYCLES + 20, place], sensor[:OWN_CYCLES].mean(), rtol=1e-5)
    np.testing.assert_allclose(x[2, place], sensor[:3].mean(), rtol=1e-5)


def test_remaining_life_counts_down_to_the_last_cycle(engines: list[Engines]) -> None:
    fleet = Fleet.of(Reference.of(engines), engines)
    assert (fleet.left[fleet.last] == 0).all() and len(fleet.last) == 10
    assert (np.diff(fleet.left)[np.diff(fleet.unit) == 0] == -1).all()
    assert fleet.ids[0] == "FD001/1" and fleet.ids[-1] == "FD002/5"


def test_a_condition_that_no_training_engine_flew_is_refused(engines: list[Engines]) -> None:
    reference = Reference.of(engines[:1])
    with pytest.raises(BadInput, match=r"flies at settings .* as no training engine does"):
        reference.standard(engines[1])


def test_engines_whose_sensors_stand_still_are_refused(engines: list[Engines]) -> None:
    one = engines[0]
    with pytest.raises(BadInput, match="no sensor moves"):
        Reference.of([Engines(one.name, one.unit, one.cycle, one.settings, np.ones_like(one.sensors))])
