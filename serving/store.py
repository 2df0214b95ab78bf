"""The serving store: every score with the evidence to rebuild it. SQLite by default, PostgreSQL by URL, tables by Alembic."""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import SQLAlchemyError

from features.errors import BadInput, NotFound
from serving import batch_rows

metadata = sa.MetaData()
BUSY_SECONDS = 10


class Utc(sa.types.TypeDecorator[datetime]):
    """An aware UTC moment; SQLite knows no zones, so what comes back gets its zone again."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"time without zone: {value.isoformat()}")
        return value.astimezone(UTC) if dialect.name != "sqlite" else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# `result` holds what the entity's model says (machines: horizon_hours, p, low, high; enterprises: horizon_days, price, alarm,
# loss_per_accident); `risk` is its one number to rank by.
scores = sa.Table(
    "scores",
    metadata,
    sa.Column("score_id", sa.String(28), primary_key=True),
    sa.Column("entity", sa.String(20), nullable=False),
    sa.Column("entity_id", sa.String(200), nullable=False),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("as_of", Utc(), nullable=False),
    sa.Column("scored_at", Utc(), nullable=False),
    sa.Column("bundle_id", sa.String(200), nullable=False),
    sa.Column("snapshot_id", sa.String(200)),
    sa.Column("risk", sa.Float(53), nullable=False),
    sa.Column("result", sa.JSON(), nullable=False),
    sa.Column("features", sa.LargeBinary(), nullable=False),
    sa.Column("source", sa.String(20), nullable=False),
    sa.Column("evidence", sa.LargeBinary(), nullable=False),
    sa.Index("scores_by_entity", "entity", "entity_id", "as_of"),
    sa.Index("scores_by_time", "scored_at"),
)

# A batch keeps its evidence once; its scores lie in pieces of batch_rows.PART_ROWS.
batches = sa.Table(
    "batches",
    metadata,
    sa.Column("batch_id", sa.String(28), primary_key=True),
    sa.Column("entity", sa.String(20), nullable=False),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("as_of", Utc(), nullable=False),
    sa.Column("scored_at", Utc(), nullable=False),
    sa.Column("bundle_id", sa.String(200), nullable=False),
    sa.Column("snapshot_id", sa.String(200)),
    sa.Column("rows", sa.Integer(), nullable=False),
    sa.Column("evidence", sa.LargeBinary(), nullable=False),
    sa.Index("batches_by_time", "scored_at"),
)
batch_parts = sa.Table(
    "batch_parts",
    metadata,
    sa.Column("batch_id", sa.String(28), sa.ForeignKey("batches.batch_id"), primary_key=True),
    sa.Column("part", sa.Integer(), primary_key=True, autoincrement=False),
    sa.Column("rows", sa.LargeBinary(), nullable=False),
)


@dataclass(frozen=True)
class StoredScore:
    """One row of `scores`, or one score of a batch.

    features: the vector as little-endian float32 bytes, of a batch its digest.  source: `posted` (evidence: the body as it
    came, after a line that names its peers, if it has any), or `lake` and `batch` (evidence: JSON: the lake's table
    versions, and rows of the machine that were not in the tables yet). Evidence is deflated.
    """

    score_id: str
    entity: str
    entity_id: str
    kind: str
    as_of: datetime
    scored_at: datetime
    bundle_id: str
    snapshot_id: str | None
    risk: float
    result: dict[str, Any]
    features: bytes
    source: str
    evidence: bytes


@dataclass(frozen=True)
class StoredBatch:
    """One row of `batches`. as_of: the latest of its scores; a score's id is the batch's and the number of its row."""

    batch_id: str
    entity: str
    kind: str
    as_of: datetime
    scored_at: datetime
    bundle_id: str
    snapshot_id: str | None
    rows: int
    evidence: bytes

    def score(self, number: int, part: bytes) -> StoredScore:
        """One score of the batch, from the piece that holds it. Raises ValueError on a damaged piece."""
        row = batch_rows.row(part, number % batch_rows.PART_ROWS)
        return StoredScore(
            score_id=batch_score_id(self.batch_id, number),
            entity=self.entity,
            entity_id=row.entity_id,
            kind=self.kind,
            as_of=row.as_of,
            scored_at=self.scored_at,
            bundle_id=self.bundle_id,
            snapshot_id=self.snapshot_id,
            risk=row.risk,
            result=row.result,
            features=row.digest,
            source="batch",
            evidence=self.evidence,
        )


def batch_score_id(batch_id: str, number: int) -> str:
    return f"{batch_id}.{number}"


class Store:
    """Scores by SQLAlchemy. `open` brings the tables up to date first."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    @classmethod
    def open(cls, url: str) -> "Store":
        """Connect and migrate. Raises BadInput naming the URL (without its password) if that fails."""
        try:
            engine = _engine(url)
            try:
                migrate(engine)
            except BaseException:
                engine.dispose()
                raise
        except (SQLAlchemyError, OSError, ImportError) as error:
            raise _unusable(error, url) from None
        return cls(engine)

    def record(self, rows: Sequence[StoredScore]) -> None:
        """Write scores in one transaction: all of them or none."""
        if rows:
            with usable(self.engine), self.engine.begin() as connection:
                connection.execute(sa.insert(scores), [vars(row) for row in rows])

    def record_batch(self, batch: StoredBatch, parts: Iterable[bytes]) -> None:
        """Write a batch and its scores (pieces of `batch_rows.parts`) in one transaction: all of it or nothing."""
        with usable(self.engine), self.engine.begin() as connection:
            add_batch(connection, batch, parts)

    def get(self, score_id: str) -> StoredScore:
        """A score by its id, also one of a batch. Raises NotFound."""
        batch_id, of_batch, number = score_id.rpartition(".")
        if of_batch:
            plain = number.isascii() and number.isdigit() and len(number) < 10
            found = self._of_batch(batch_id, int(number)) if plain else None
        else:
            with usable(self.engine), self.engine.connect() as connection:
                row = connection.execute(sa.select(scores).where(scores.c.score_id == score_id)).mappings().first()
            found = None if row is None else StoredScore(**row)
        if found is None:
            raise NotFound(f"no score {score_id}", where="score id", mend="score ids are printed by `forewarn score`")
        return found

    def _of_batch(self, batch_id: str, number: int) -> StoredScore | None:
        part = number // batch_rows.PART_ROWS
        with usable(self.engine), self.engine.connect() as connection:
            row = connection.execute(sa.select(batches).where(batches.c.batch_id == batch_id)).mappings().first()
            if row is None or number >= row["rows"]:
                return None
            here = (batch_parts.c.batch_id == batch_id) & (batch_parts.c.part == part)
            data = connection.execute(sa.select(batch_parts.c.rows).where(here)).scalar_one()
        try:
            return StoredBatch(**row).score(number, data)
        except (ValueError, IndexError):
            mend = "restore the store from a copy"
            raise BadInput("its rows are damaged", where=f"batch {batch_id}", mend=mend) from None

    def count(self) -> int:
        """How many scores there are, those of batches included."""
        alone, together = sa.select(sa.func.count()).select_from(scores), sa.select(sa.func.sum(batches.c.rows))
        with self.engine.connect() as connection:
            return int(connection.execute(alone).scalar_one()) + int(connection.execute(together).scalar_one() or 0)

    def close(self) -> None:
        self.engine.dispose()


def add_batch(connection: sa.Connection, batch: StoredBatch, parts: Iterable[bytes]) -> None:
    connection.execute(sa.insert(batches), vars(batch))
    for number, part in enumerate(parts):
        connection.execute(sa.insert(batch_parts), {"batch_id": batch.batch_id, "part": number, "rows": part})


@contextmanager
def opened(url: str) -> Iterator[Store]:
    store = Store.open(url)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def usable(engine: sa.Engine) -> Iterator[None]:
    """What the database refuses, or gives back in pieces, is one line. Raises BadInput."""
    try:
        yield
    except (SQLAlchemyError, ValueError) as error:
        raise _unusable(error, engine.url.render_as_string()) from None


def migrate(engine: sa.Engine) -> None:
    """Run the migrations up to the newest; a process that comes second waits for the first."""
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        elif engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(727274)")
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError:
            mend = "update Forewarn, or name another store in FOREWARN_STORE_URL"
            raise BadInput("made by another version", where=_safe(str(engine.url)), mend=mend) from None
        connection.commit()


def _engine(url: str) -> sa.Engine:
    address = sa.make_url(url)
    if address.get_backend_name() == "sqlite" and address.database not in (None, "", ":memory:"):
        Path(str(address.database)).parent.mkdir(parents=True, exist_ok=True)
    if address.get_backend_name() == "postgresql" and address.drivername == "postgresql":
        address = address.set(drivername="postgresql+psycopg")
    engine = sa.create_engine(address)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _tune_sqlite)
    return engine


def _tune_sqlite(connection: Any, _record: Any) -> None:
    # WAL lets readers go on while a batch is written; NORMAL keeps commits through a killed process, not through a power cut.
    for pragma in (f"busy_timeout={BUSY_SECONDS * 1000}", "synchronous=NORMAL"):
        connection.execute(f"PRAGMA {pragma}")
    # The change of a new file to WAL does not heed the timeout: of several processes that make it at once, SQLite refuses some.
    give_up = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > give_up:
                raise
            time.sleep(0.01)


def _safe(url: str) -> str:
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError:
        return "FOREWARN_STORE_URL"


def _unusable(error: Exception, url: str) -> BadInput:
    return BadInput(f"store not usable: {_first_line(error)}", where=_safe(url), mend="check FOREWARN_STORE_URL")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
