"""The store of plans: each as it was made with all it saw, its visits, and what came of them."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa

from features.errors import BadInput, Conflict, NotFound
from serving.inspection.outcomes import Outcome
from serving.plans import tables
from serving.scoring import new_score_id
from serving.store import Store, StoredBatch, add_batch, usable


@dataclass(frozen=True)
class PlannedVisit:
    """A visit of a plan, as an outcome refers to it."""

    visit_id: str
    enterprise_id: str
    site_id: str | None
    inspector_id: str
    starts: datetime
    minutes: int
    mode: str
    reason: str
    by_lot: bool


@dataclass(frozen=True)
class PlanHead:
    """A plan without its document. week: its Monday; parent: the plan that a replan starts from."""

    plan_id: str
    week: date
    as_of: datetime
    made_at: datetime
    currency: str
    parent: str | None


@dataclass(frozen=True)
class StoredPlan(PlanHead):
    """A plan. document: as `add_plan` was given it."""

    document: dict[str, Any]


@dataclass(frozen=True)
class StoredOutcome:
    """One row of `visit_outcomes`; of a visit the last one counts."""

    visit_id: str
    number: int
    recorded_at: datetime
    at: datetime
    outcome: str
    hours: float | None
    by: str
    note: str
    findings: list[dict[str, Any]]


_HEAD = [column for column in tables.plans.c if column.name not in ("seal", "document")]


class PlanStore:
    """Plans over a store's engine, whose tables `Store.open` has made."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    def add_plan(
        self, document: Mapping[str, Any], *, week: date, as_of: datetime, currency: str, visits: Sequence[PlannedVisit],
        parent: str | None = None, scores: tuple[StoredBatch, Iterable[bytes]] | None = None,
    ) -> str:  # fmt: skip
        """Keep a plan, all of it or nothing, and name it: "p_" and 26 characters. scores: that it rests on, kept with it.

        Raises NotFound for an unknown parent.
        """
        if week.weekday() != 0:
            raise ValueError(f"{week} is no Monday")
        plan_id = new_score_id("p_")
        row = {
            "plan_id": plan_id, "week": week, "as_of": as_of, "made_at": datetime.now(UTC), "currency": currency,
            "parent": parent, "seal": _seal(document), "document": dict(document),
        }  # fmt: skip
        with usable(self.engine), self.engine.begin() as connection:
            if parent is not None:
                _known(connection, parent)
            if scores is not None:
                add_batch(connection, *scores)
            connection.execute(sa.insert(tables.plans), row)
            if visits:
                connection.execute(sa.insert(tables.planned_visits), [{"plan_id": plan_id, **vars(one)} for one in visits])
        return plan_id

    def plan(self, plan_id: str) -> StoredPlan:
        """A plan by its id. Raises NotFound, or BadInput where it is not what was written."""
        with usable(self.engine), self.engine.connect() as connection:
            row = dict(_known(connection, plan_id))
        if _seal(row["document"]) != row.pop("seal"):
            raise BadInput("not what was stored", where=f"plan {plan_id}", mend="restore the store from a copy")
        return StoredPlan(**row)

    def plans(self, limit: int = 20) -> tuple[PlanHead, ...]:
        """The newest plans first."""
        found = sa.select(*_HEAD).order_by(tables.plans.c.made_at.desc(), tables.plans.c.plan_id.desc()).limit(limit)
        with usable(self.engine), self.engine.connect() as connection:
            return tuple(PlanHead(**row) for row in connection.execute(found).mappings())

    def visits(self, plan_id: str) -> tuple[PlannedVisit, ...]:
        """The visits of a plan in order of their start. Raises NotFound."""
        own = tables.planned_visits.c
        found = sa.select(tables.planned_visits).where(own.plan_id == plan_id).order_by(own.starts, own.inspector_id)
        with usable(self.engine), self.engine.connect() as connection:
            _known(connection, plan_id)
            return tuple(_visit(row) for row in connection.execute(found).mappings())

    def planned(self, visit_id: str) -> PlannedVisit:
        """A visit as the newest plan that holds it has it. Raises NotFound."""
        own = tables.planned_visits.c
        found = sa.select(tables.planned_visits).join(tables.plans).where(own.visit_id == visit_id)
        found = found.order_by(tables.plans.c.made_at.desc()).limit(1)
        with usable(self.engine), self.engine.connect() as connection:
            row = connection.execute(found).mappings().first()
        if row is None:
            mend = "name a visit of a stored plan: `forewarn plans show PLAN_ID` lists them"
            raise NotFound("no plan holds this visit", where=f"visit {visit_id}", mend=mend)
        return _visit(row)

    def outcomes(self, visit_id: str) -> tuple[StoredOutcome, ...]:
        """What was recorded of a visit, the last one counting."""
        own = tables.outcomes.c
        found = sa.select(tables.outcomes).where(own.visit_id == visit_id).order_by(own.number)
        with usable(self.engine), self.engine.connect() as connection:
            return tuple(StoredOutcome(**row) for row in connection.execute(found).mappings())

    def add_outcomes(self, given: Sequence[Outcome], recorded_at: datetime) -> None:
        """Keep what came of visits, all of it or nothing. Raises Conflict where somebody else recorded one at the same time."""
        last = sa.select(sa.func.max(tables.outcomes.c.number))
        rows = []
        with usable(self.engine):
            try:
                with self.engine.begin() as connection:
                    for one in given:
                        number = connection.execute(last.where(tables.outcomes.c.visit_id == one.visit_id)).scalar_one() or 0
                        findings = [finding.document() for finding in one.findings]
                        rows.append({**vars(one), "findings": findings, "number": number + 1, "recorded_at": recorded_at})
                    if rows:
                        connection.execute(sa.insert(tables.outcomes), rows)
            except sa.exc.IntegrityError:
                mend = "look at them, then try again"
                raise Conflict("recorded by somebody else just now", where="visits", mend=mend) from None


@contextmanager
def opened(url: str) -> Iterator[PlanStore]:
    """The plans of a store, whose tables are brought up to date first. Raises BadInput as `Store.open` does."""
    store = Store.open(url)
    try:
        yield PlanStore(store.engine)
    finally:
        store.close()


def _visit(row: Any) -> PlannedVisit:
    return PlannedVisit(**{name: row[name] for name in PlannedVisit.__dataclass_fields__})


def _known(connection: sa.Connection, plan_id: str) -> Mapping[str, Any]:
    row = connection.execute(sa.select(tables.plans).where(tables.plans.c.plan_id == plan_id)).mappings().first()
    if row is None:
        raise NotFound(f"no plan {plan_id}", where="plan id", mend="`forewarn plans list` shows them")
    return dict(row)


def _seal(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True, allow_nan=False).encode()).hexdigest()
