"""The tables of quotes and of what happens to them, and of imported books, beside those of scores in the serving store.

A quote is never changed: overrides, replays, the ledger of prevention services, adjustments and rebates are rows of their own,
numbered from 1 within their quote.
"""

from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from serving.store import Utc, metadata


class Money(sa.types.TypeDecorator[Decimal]):
    """A decimal as text: no database rounds it."""

    impl = sa.String(60)
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:
        return None if value is None else format(value, "f")

    def process_result_value(self, value: str | None, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)


# The texts of rulebooks, each once however many quotes rest on it, by the SHA-256 of the text; `digest` is that of the content.
rulebooks = sa.Table(
    "rulebooks",
    metadata,
    sa.Column("text_digest", sa.String(64), primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("id", sa.String(60), nullable=False),
    sa.Column("version", sa.Text(), nullable=False),
    sa.Column("source", sa.Text(), nullable=False),
    sa.Index("rulebooks_by_digest", "digest"),
)

# `document` is the worksheet without the rulebook's text, `seal` the SHA-256 of the worksheet with it.
quotes = sa.Table(
    "quotes",
    metadata,
    sa.Column("quote_id", sa.String(28), primary_key=True),
    sa.Column("kind", sa.String(10), nullable=False),
    sa.Column("enterprise_id", sa.String(200)),
    sa.Column("name", sa.Text()),
    sa.Column("rulebook_id", sa.String(60), nullable=False),
    sa.Column("rulebook_digest", sa.String(64), nullable=False),
    sa.Column("text_digest", sa.String(64), sa.ForeignKey("rulebooks.text_digest"), nullable=False),
    sa.Column("as_of", Utc(), nullable=False),
    sa.Column("quoted_at", Utc(), nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("premium", Money(), nullable=False),
    sa.Column("parent", sa.String(28), sa.ForeignKey("quotes.quote_id")),
    sa.Column("score_id", sa.String(40)),
    sa.Column("seal", sa.String(64), nullable=False),
    sa.Column("document", sa.JSON(), nullable=False),
    sa.Index("quotes_by_enterprise", "enterprise_id", "quoted_at"),
    sa.Index("quotes_by_time", "quoted_at"),
)


def _of_quote(name: str, *columns: sa.Column[object]) -> sa.Table:
    """A table of things that happened to quotes."""
    return sa.Table(
        name,
        metadata,
        sa.Column("quote_id", sa.String(28), sa.ForeignKey("quotes.quote_id"), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("at", Utc(), nullable=False),
        *columns,
    )


overrides = _of_quote(
    "quote_overrides",
    sa.Column("by", sa.Text(), nullable=False),
    sa.Column("reason", sa.Text(), nullable=False),
    sa.Column("before", Money(), nullable=False),
    sa.Column("after", Money(), nullable=False),
)
# `score`: whether the score was made again too ("equal", "differs", "not made again"); `differences`: lines.
replays = _of_quote(
    "quote_replays",
    sa.Column("reproduced", sa.Boolean(), nullable=False),
    sa.Column("premium", Money()),
    sa.Column("score", sa.String(20), nullable=False),
    sa.Column("differences", sa.JSON(), nullable=False),
)
# Premium received (below zero: returned), or what a prevention service cost: `serving.underwriting.term.Entry`.
ledger = _of_quote(
    "prevention_ledger",
    sa.Column("kind", sa.String(10), nullable=False),
    sa.Column("day", sa.Date(), nullable=False),
    sa.Column("amount", Money(), nullable=False),
    sa.Column("item", sa.Text()),
    sa.Column("provider", sa.Text()),
    sa.Column("evidence", sa.Text(), nullable=False),
    sa.Column("by", sa.Text(), nullable=False),
)
# `amount`: added to the premium; `document`: the event, the clause, and all that the rule saw.
adjustments = _of_quote(
    "premium_adjustments",
    sa.Column("day", sa.Date(), nullable=False),
    sa.Column("amount", Money(), nullable=False),
    sa.Column("by", sa.Text(), nullable=False),
    sa.Column("document", sa.JSON(), nullable=False),
)
rebates = _of_quote(
    "premium_rebates",
    sa.Column("amount", Money(), nullable=False),
    sa.Column("by", sa.Text(), nullable=False),
    sa.Column("document", sa.JSON(), nullable=False),
)

# The policies and claims of a book (`kind`) lie in pieces.
books = sa.Table(
    "books",
    metadata,
    sa.Column("book_id", sa.String(28), primary_key=True),
    sa.Column("name", sa.Text(), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("policies", sa.Integer(), nullable=False),
    sa.Column("claims", sa.Integer(), nullable=False),
    sa.Column("imported_at", Utc(), nullable=False),
    sa.Index("books_by_time", "imported_at"),
)
book_parts = sa.Table(
    "book_parts",
    metadata,
    sa.Column("book_id", sa.String(28), sa.ForeignKey("books.book_id"), primary_key=True),
    sa.Column("kind", sa.String(10), primary_key=True),
    sa.Column("part", sa.Integer(), primary_key=True, autoincrement=False),
    sa.Column("rows", sa.LargeBinary(), nullable=False),
)
