"""Fixtures of the serving tests."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.serving.postgres import Postgres, running
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


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server for the whole session."""
    with running() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """URLs of stores that are not there yet: files, and then databases of a server."""
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        return server.new
    numbers = count()
    return lambda: f"sqlite:///{tmp_path}/{next(numbers)}/store.db"


@pytest.fixture
def url(new_url: Callable[[], str]) -> str:
    """URL of one store that is not there yet."""
    return new_url()
