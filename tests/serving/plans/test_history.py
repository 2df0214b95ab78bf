"""What stored plans tell a new one: who was at a site last, which visits nobody has told of."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest

from serving.inspection.outcomes import Outcome
from serving.plans.history import History, history
from serving.plans.store import PlannedVisit, PlanStore, opened

NEXT, LATER = date(2026, 11, 30), datetime(2126, 1, 1, tzinfo=UTC)
AT = datetime(2026, 11, 24, 2, tzinfo=UTC)


@pytest.fixture
def plans(url: str) -> Iterator[PlanStore]:
    with opened(url) as store:
        yield store


def keep(plans: PlanStore, week: date, *visits: tuple[str, str, str], parent: str | None = None) -> str:
    """A plan of visits (id, site, inspector)."""
    made = [PlannedVisit(name, "e", site, who, AT, 60, "on_site", "minimum", False) for name, site, who in visits]
    return plans.add_plan({}, week=week, as_of=AT, currency="CNY", visits=made, parent=parent)


def tell(plans: PlanStore, name: str, said: str, days: int = 0) -> None:
    at = AT + timedelta(days=days)
    plans.add_outcomes([Outcome(name, said, at, "Li Na", None if said == "refused" else 1.0)], at + timedelta(hours=8))


def test_a_site_knows_who_was_let_in_last(plans: PlanStore) -> None:
    week = date(2026, 11, 23)
    first = keep(plans, week, ("v1", "a", "ann"), ("v2", "b", "ann"), ("v3", "c", "ann"))
    keep(plans, week, ("v1", "a", "bob"), ("v2", "b", "ann"), ("v3", "c", "ann"), parent=first)
    keep(plans, week, ("v4", "b", "cem"))
    tell(plans, "v1", "done")
    tell(plans, "v2", "partial")
    tell(plans, "v3", "refused")
    tell(plans, "v4", "done", days=1)
    assert history(plans, NEXT, LATER).visited == {("e", "a"): "bob", ("e", "b"): "cem"}
    # Only what was recorded by then is known.
    assert history(plans, NEXT, AT + timedelta(hours=7)).visited == {}
    assert history(plans, NEXT, AT + timedelta(hours=9)).visited == {("e", "a"): "bob", ("e", "b"): "ann"}


def test_visits_that_nobody_has_told_of_are_counted_in_the_newest_plan_of_each_week(plans: PlanStore) -> None:
    week = date(2026, 11, 23)
    assert history(plans, NEXT, LATER) == History()
    first = keep(plans, week, ("v1", "a", "ann"), ("v2", "b", "ann"), ("v3", "c", "ann"))
    keep(plans, week, ("v1", "a", "ann"), ("v2", "b", "ann"), parent=first)
    keep(plans, NEXT, ("v9", "a", "ann"))
    assert history(plans, NEXT, LATER).untold == 2
    tell(plans, "v1", "refused")
    assert history(plans, NEXT, LATER).untold == 1
    assert history(plans, date(2027, 1, 4), LATER).untold == 0
