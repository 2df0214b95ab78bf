"""Fixtures of the serving tests."""

import pytest

from tests.serving.risk_world import RiskWorld
from tests.serving.risk_world import made_world as made_risk_world
from tests.serving.world import World, made_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A small world that tests may add scores to, but whose champion they leave as it is."""
    return made_world(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def risk_world(tmp_path_factory: pytest.TempPathFactory) -> RiskWorld:
    """A small world of enterprises; tests may add scores to it, and leave its lake and its champion as they are."""
    return made_risk_world(tmp_path_factory.mktemp("enterprises"))
