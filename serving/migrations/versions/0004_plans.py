"""The tables of plans of visits: plans, their visits, and what came of the visits.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "plans",
        sa.Column("plan_id", sa.String(28), primary_key=True),
        sa.Column("week", sa.Date(), nullable=False),
        sa.Column("as_of", _TIME, nullable=False),
        sa.Column("made_at", _TIME, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("parent", sa.String(28), sa.ForeignKey("plans.plan_id")),
        sa.Column("seal", sa.String(64), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
    )
    op.create_index("plans_by_week", "plans", ["week", "made_at"])
    op.create_table(
        "planned_visits",
        sa.Column("plan_id", sa.String(28), sa.ForeignKey("plans.plan_id"), primary_key=True),
        sa.Column("visit_id", sa.String(40), primary_key=True),
        sa.Column("enterprise_id", sa.String(200), nullable=False),
        sa.Column("site_id", sa.String(200)),
        sa.Column("inspector_id", sa.String(200), nullable=False),
        sa.Column("starts", _TIME, nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("mode", sa.String(20), nullable=False),
        sa.Column("reason", sa.String(20), nullable=False),
        sa.Column("by_lot", sa.Boolean(), nullable=False),
    )
    op.create_index("planned_visits_by_id", "planned_visits", ["visit_id"])
    op.create_table(
        "visit_outcomes",
        sa.Column("visit_id", sa.String(40), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("recorded_at", _TIME, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("outcome", sa.String(10), nullable=False),
        sa.Column("hours", sa.Float(53)),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("findings", sa.JSON(), nullable=False),
    )


def downgrade() -> None:
    for name in ("visit_outcomes", "planned_visits", "plans"):
        op.drop_table(name)
