"""The tables of quotes: rulebooks, quotes, overrides, replays, ledger, adjustments, rebates; and of books.

Revision ID: 0003
Revises: 0002
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_MONEY = sa.String(60)
_TIME = sa.DateTime(timezone=True)
_OF_QUOTES: dict[str, tuple[tuple[str, sa.types.TypeEngine[Any], bool], ...]] = {
    "quote_overrides": (
        ("by", sa.Text(), False),
        ("reason", sa.Text(), False),
        ("before", _MONEY, False),
        ("after", _MONEY, False),
    ),
    "quote_replays": (
        ("reproduced", sa.Boolean(), False),
        ("premium", _MONEY, True),
        ("score", sa.String(20), False),
        ("differences", sa.JSON(), False),
    ),
    "prevention_ledger": (
        ("kind", sa.String(10), False),
        ("day", sa.Date(), False),
        ("amount", _MONEY, False),
        ("item", sa.Text(), True),
        ("provider", sa.Text(), True),
        ("evidence", sa.Text(), False),
        ("by", sa.Text(), False),
    ),
    "premium_adjustments": (
        ("day", sa.Date(), False),
        ("amount", _MONEY, False),
        ("by", sa.Text(), False),
        ("document", sa.JSON(), False),
    ),
    "premium_rebates": (("amount", _MONEY, False), ("by", sa.Text(), False), ("document", sa.JSON(), False)),
}


def upgrade() -> None:
    op.create_table(
        "rulebooks",
        sa.Column("text_digest", sa.String(64), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("id", sa.String(60), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
    )
    op.create_index("rulebooks_by_digest", "rulebooks", ["digest"])
    op.create_table(
        "quotes",
        sa.Column("quote_id", sa.String(28), primary_key=True),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("enterprise_id", sa.String(200)),
        sa.Column("name", sa.Text()),
        sa.Column("rulebook_id", sa.String(60), nullable=False),
        sa.Column("rulebook_digest", sa.String(64), nullable=False),
        sa.Column("text_digest", sa.String(64), sa.ForeignKey("rulebooks.text_digest"), nullable=False),
        sa.Column("as_of", _TIME, nullable=False),
        sa.Column("quoted_at", _TIME, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("premium", _MONEY, nullable=False),
        sa.Column("parent", sa.String(28), sa.ForeignKey("quotes.quote_id")),
        sa.Column("score_id", sa.String(40)),
        sa.Column("seal", sa.String(64), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
    )
    op.create_index("quotes_by_enterprise", "quotes", ["enterprise_id", "quoted_at"])
    op.create_index("quotes_by_time", "quotes", ["quoted_at"])
    for name, columns in _OF_QUOTES.items():
        op.create_table(
            name,
            sa.Column("quote_id", sa.String(28), sa.ForeignKey("quotes.quote_id"), primary_key=True),
            sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
            sa.Column("at", _TIME, nullable=False),
            *(sa.Column(column, kind, nullable=nullable) for column, kind, nullable in columns),
        )
    op.create_table(
        "books",
        sa.Column("book_id", sa.String(28), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("policies", sa.Integer(), nullable=False),
        sa.Column("claims", sa.Integer(), nullable=False),
        sa.Column("imported_at", _TIME, nullable=False),
    )
    op.create_index("books_by_time", "books", ["imported_at"])
    op.create_table(
        "book_parts",
        sa.Column("book_id", sa.String(28), sa.ForeignKey("books.book_id"), primary_key=True),
        sa.Column("kind", sa.String(10), primary_key=True),
        sa.Column("part", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("rows", sa.LargeBinary(), nullable=False),
    )


def downgrade() -> None:
    for name in ("book_parts", "books", *reversed(_OF_QUOTES), "quotes", "rulebooks"):
        op.drop_table(name)
