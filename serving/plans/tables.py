"""The tables of plans of visits and of what came of the visits, beside those of scores and quotes in the serving store.

A plan is never changed: a replan is a plan of its own, which names the one it starts from and keeps the ids of the visits
that it keeps. Outcomes are numbered from 1 within their visit: a correction is a new row.
"""

import sqlalchemy as sa

from serving.store import Utc, metadata

# `document` is the whole plan with all it saw, `seal` its SHA-256.
plans = sa.Table(
    "plans",
    metadata,
    sa.Column("plan_id", sa.String(28), primary_key=True),
    sa.Column("week", sa.Date(), nullable=False),
    sa.Column("as_of", Utc(), nullable=False),
    sa.Column("made_at", Utc(), nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("parent", sa.String(28), sa.ForeignKey("plans.plan_id")),
    sa.Column("seal", sa.String(64), nullable=False),
    sa.Column("document", sa.JSON(), nullable=False),
    sa.Index("plans_by_week", "week", "made_at"),
)
planned_visits = sa.Table(
    "planned_visits",
    metadata,
    sa.Column("plan_id", sa.String(28), sa.ForeignKey("plans.plan_id"), primary_key=True),
    sa.Column("visit_id", sa.String(40), primary_key=True),
    sa.Column("enterprise_id", sa.String(200), nullable=False),
    sa.Column("site_id", sa.String(200)),
    sa.Column("inspector_id", sa.String(200), nullable=False),
    sa.Column("starts", Utc(), nullable=False),
    sa.Column("minutes", sa.Integer(), nullable=False),
    sa.Column("mode", sa.String(20), nullable=False),
    sa.Column("reason", sa.String(20), nullable=False),
    sa.Column("by_lot", sa.Boolean(), nullable=False),
    sa.Index("planned_visits_by_id", "visit_id"),
)
# `at`: when the visit took place; `findings`: what was found, as `serving.inspection.outcomes` has it.
outcomes = sa.Table(
    "visit_outcomes",
    metadata,
    sa.Column("visit_id", sa.String(40), primary_key=True),
    sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
    sa.Column("recorded_at", Utc(), nullable=False),
    sa.Column("at", Utc(), nullable=False),
    sa.Column("outcome", sa.String(10), nullable=False),
    sa.Column("hours", sa.Float(53)),
    sa.Column("by", sa.Text(), nullable=False),
    sa.Column("note", sa.Text(), nullable=False),
    sa.Column("findings", sa.JSON(), nullable=False),
)
