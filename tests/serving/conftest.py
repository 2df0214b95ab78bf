"""Fixtures of the serving tests."""

import pytest

from tests.serving.world import World, made_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A small world that tests may add scores to, but whose champion they leave as it is."""
    return made_world(tmp_path_factory.mktemp("home"))
