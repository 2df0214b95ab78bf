"""The world keeps to the aggregates that it was fitted to, and the public sets still say what the world file says they say."""

import os
from pathlib import Path

import numpy as np
import pytest

from features.simulator import aggregates, public_aggregates
from features.simulator.world import load_world

WORLD = load_world()
MACHINES, DAYS, SEED = 250, 365, 5


@pytest.fixture(scope="module")
def lines() -> list[aggregates.Line]:
    return aggregates.compare(WORLD, {}, MACHINES, DAYS, SEED)


def test_the_world_keeps_to_what_it_was_fitted_to(lines: list[aggregates.Line]) -> None:
    assert len(lines) >= 10
    assert not [line.name for line in lines if line.strays], "\n" + aggregates.text(lines)


@pytest.mark.data
def test_the_public_sets_say_what_the_world_file_says(lines: list[aggregates.Line]) -> None:
    data = Path(os.environ.get("FOREWARN_DATA", ""))
    if "FOREWARN_DATA" not in os.environ or public_aggregates.missing(data):
        pytest.skip("FOREWARN_DATA with azure-pdm, backblaze-hds and cmapss is absent")
    found = public_aggregates.of(data)
    for line in lines:
        checked = aggregates.Line(line.name, line.source, line.promised, found[line.name], line.simulated, line.within)
        assert not checked.strays, "\n" + aggregates.text([checked])


def test_a_world_that_strays_is_noticed(lines: list[aggregates.Line]) -> None:
    line = lines[0]
    assert aggregates.Line(line.name, "", line.promised, np.nan, line.promised + 1.1 * line.within, line.within).strays
    assert aggregates.Line(line.name, "", line.promised, 1.05 * line.promised, line.promised, line.within).strays
    assert "STRAYS" in aggregates.text([aggregates.Line("x", "y", 1.0, 1.0, 3.0, 0.5)])


def test_the_slope_of_a_log_rate() -> None:
    x = np.linspace(0, 5, 400)
    count = np.random.default_rng(1).poisson(20 * np.exp(0.3 * x))
    assert aggregates.log_slope(x, np.full(400, 10.0), count) == pytest.approx(0.3, abs=0.02)


def test_autocorrelation_skips_holes() -> None:
    walk = np.sin(np.arange(400) / 3.0)
    holes = walk.copy()
    holes[::7] = np.nan
    assert aggregates.autocorrelation(holes, 1) == pytest.approx(aggregates.autocorrelation(walk, 1), abs=0.02)
