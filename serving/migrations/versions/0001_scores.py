"""The table of scores.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "scores",
        sa.Column("score_id", sa.String(28), primary_key=True),
        sa.Column("entity", sa.String(20), nullable=False),
        sa.Column("entity_id", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("scored_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("bundle_id", sa.String(200), nullable=False),
        sa.Column("snapshot_id", sa.String(200)),
        sa.Column("risk", sa.Float(53), nullable=False),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.Column("features", sa.LargeBinary(), nullable=False),
        sa.Column("source", sa.String(20), nullable=False),
        sa.Column("evidence", sa.LargeBinary(), nullable=False),
    )
    op.create_index("scores_by_entity", "scores", ["entity", "entity_id", "as_of"])
    op.create_index("scores_by_time", "scores", ["scored_at"])


def downgrade() -> None:
    op.drop_table("scores")
