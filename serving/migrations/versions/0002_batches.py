"""The tables of batches: one row of evidence each, their scores in pieces.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "batches",
        sa.Column("batch_id", sa.String(28), primary_key=True),
        sa.Column("entity", sa.String(20), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("scored_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("bundle_id", sa.String(200), nullable=False),
        sa.Column("snapshot_id", sa.String(200)),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("evidence", sa.LargeBinary(), nullable=False),
    )
    op.create_index("batches_by_time", "batches", ["scored_at"])
    op.create_table(
        "batch_parts",
        sa.Column("batch_id", sa.String(28), sa.ForeignKey("batches.batch_id"), primary_key=True),
        sa.Column("part", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("rows", sa.LargeBinary(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("batch_parts")
    op.drop_table("batches")
