"""Imported books in the store: policies and claims as they were, in compressed pieces."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
import sqlalchemy as sa

from features.errors import BadInput, NotFound
from serving.pricing import tables
from serving.scoring import new_score_id
from serving.store import usable

# Rows that are stored as one piece.
PART_ROWS = 65_536
_KINDS = ("policies", "claims")


@dataclass(frozen=True)
class BookHead:
    """A book without its rows. policies, claims: how many rows; digest: of the content."""

    book_id: str
    name: str
    digest: str
    currency: str
    policies: int
    claims: int
    imported_at: datetime


@dataclass(frozen=True)
class StoredBook:
    """A book with its rows."""

    head: BookHead
    policies: pa.Table
    claims: pa.Table


class BookStore:
    """Books over a store's engine, whose tables `Store.open` has made."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    def add_book(self, name: str, digest: str, currency: str, policies: pa.Table, claims: pa.Table) -> BookHead:
        """Keep a book, all of it or nothing."""
        head = BookHead(new_score_id("k_"), name, digest, currency, len(policies), len(claims), datetime.now(UTC))
        with usable(self.engine), self.engine.begin() as connection:
            connection.execute(sa.insert(tables.books), vars(head))
            for kind, table in zip(_KINDS, (policies, claims), strict=True):
                for part, rows in enumerate(_pieces(table)):
                    row = {"book_id": head.book_id, "kind": kind, "part": part, "rows": rows}
                    connection.execute(sa.insert(tables.book_parts), row)
        return head

    def book(self, name: str) -> StoredBook:
        """A book by its id, or the newest of a name. Raises NotFound, or BadInput where its rows are damaged."""
        here = (tables.books.c.book_id == name) | (tables.books.c.name == name)
        newest = sa.select(tables.books).where(here).order_by(tables.books.c.imported_at.desc(), tables.books.c.book_id.desc())
        with usable(self.engine), self.engine.connect() as connection:
            row = connection.execute(newest.limit(1)).mappings().first()
            if row is None:
                raise NotFound(f"no book {name}", where="book", mend="`forewarn book import` brings one")
            head = BookHead(**row)
            found = sa.select(tables.book_parts.c.rows).where(tables.book_parts.c.book_id == head.book_id)
            found = found.order_by(tables.book_parts.c.part)
            pieces = [connection.execute(found.where(tables.book_parts.c.kind == kind)).scalars().all() for kind in _KINDS]
        try:
            policies, claims = (pa.concat_tables([_table(piece) for piece in of]) for of in pieces)
            whole = (len(policies), len(claims)) == (head.policies, head.claims)
        except pa.ArrowInvalid:
            whole = False
        if not whole:
            raise BadInput("its rows are damaged", where=f"book {head.book_id}", mend="import it again")
        return StoredBook(head, policies, claims)

    def books(self, limit: int = 50) -> tuple[BookHead, ...]:
        """The newest books first."""
        found = sa.select(tables.books).order_by(tables.books.c.imported_at.desc(), tables.books.c.book_id.desc()).limit(limit)
        with usable(self.engine), self.engine.connect() as connection:
            return tuple(BookHead(**row) for row in connection.execute(found).mappings())


def _pieces(table: pa.Table) -> Iterator[bytes]:
    """A table as Arrow files of PART_ROWS rows, compressed; an empty one as one without rows."""
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    for start in range(0, max(len(table), 1), PART_ROWS):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, table.schema, options=options) as file:
            file.write_table(table.slice(start, PART_ROWS))
        yield sink.getvalue().to_pybytes()


def _table(piece: bytes) -> pa.Table:
    return pa.ipc.open_file(pa.BufferReader(piece)).read_all()
