"""What stored plans and their outcomes tell a new plan: who was at a site last, and which visits nobody has told of yet."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import sqlalchemy as sa

from serving.inspection.outcomes import LET_IN
from serving.plans import tables
from serving.plans.store import PlanStore
from serving.store import usable

Key = tuple[str, str]  # enterprise, site
_LOOK_BACK = timedelta(days=21)


@dataclass(frozen=True)
class History:
    """visited: inspector by site, of the last visit that was let in; untold: visits planned before the week without outcome."""

    visited: Mapping[Key, str] = field(default_factory=dict)
    untold: int = 0


def history(plans: PlanStore, week: date, moment: datetime) -> History:
    """As it was known at a moment, for the week of a Monday."""
    with usable(plans.engine), plans.engine.connect() as connection:
        return History(_visited(connection, moment), _untold(connection, week, moment))


def _visited(connection: sa.Connection, moment: datetime) -> dict[Key, str]:
    told, planned, plans = tables.outcomes.c, tables.planned_visits.c, tables.plans.c
    found = (
        sa.select(planned.enterprise_id, planned.site_id, planned.inspector_id)
        .select_from(tables.outcomes)
        .join(tables.planned_visits, planned.visit_id == told.visit_id)
        .join(tables.plans, plans.plan_id == planned.plan_id)
        .where(told.recorded_at <= moment, told.at <= moment, told.outcome.in_(LET_IN), planned.site_id.is_not(None))
        .order_by(told.at, told.visit_id, told.number, plans.made_at)
    )
    return {(row.enterprise_id, row.site_id): row.inspector_id for row in connection.execute(found)}


def _untold(connection: sa.Connection, week: date, moment: datetime) -> int:
    """Of the newest plan of each of the last weeks."""
    plans, planned = tables.plans.c, tables.planned_visits.c
    rows = connection.execute(
        sa.select(plans.plan_id, plans.week)
        .where(plans.week < week, plans.week >= week - _LOOK_BACK, plans.made_at <= moment)
        .order_by(plans.made_at, plans.plan_id)
    )
    newest = {row.week: row.plan_id for row in rows}
    told = sa.select(tables.outcomes.c.visit_id).where(tables.outcomes.c.recorded_at <= moment)
    count = sa.select(sa.func.count()).where(planned.plan_id.in_(newest.values()), planned.visit_id.not_in(told))
    return int(connection.execute(count).scalar_one())
