"""What the lake tells of a policy's term as of a moment: accidents that became known, and hazards overdue for rectification."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pyarrow.compute as pc

from features.clock import known_at, micros
from features.enterprise.grades import rule_at
from features.enterprise.schema import ACCIDENTS
from features.lake import Lake
from features.schema import ENTERPRISE, EVENT_TIME, RECORDED_AT
from features.view import View
from serving.pricing.policy_term import Noticed, Seen
from serving.underwriting.term import Accident


def noticed(lake: Lake, enterprise_id: str, as_of: datetime, starts: date, ends: date, overdue: int, evidence: str) -> Noticed:
    """What was known by a moment. overdue: hazards overdue then, with their evidence; accidents are those of the term."""
    return Noticed(as_of.astimezone(UTC).date(), _accidents(lake.at(), enterprise_id, as_of, starts, ends), overdue, evidence)


def _accidents(view: View, enterprise_id: str, as_of: datetime, starts: date, ends: date) -> tuple[Seen, ...]:
    rows = view.read(ACCIDENTS.name, machine_ids=[enterprise_id])
    rows = rows.filter(pc.equal(rows.column(ENTERPRISE), enterprise_id))
    first = micros(datetime.combine(starts, time(), UTC))
    after = micros(datetime.combine(ends + timedelta(days=1), time(), UTC))
    known = known_at(rows, ACCIDENTS, as_of, ordered=True).to_pylist()
    versions = rows.to_pylist()
    return tuple(_seen(row, versions, ends) for row in known if first <= micros(row[EVENT_TIME]) < after)


def _seen(row: dict[str, Any], versions: list[dict[str, Any]], ends: date) -> Seen:
    happened = row[EVENT_TIME].astimezone(UTC)
    rule = rule_at(happened.date())
    numbers = [float("nan") if row[name] is None else row[name] for name in ("deaths", "injuries", "direct_loss")]
    grade = rule.codes[int(rule.of(*numbers)[0])]
    evidence = f"accidents: {row['accident_id']} of {happened.date()}, recorded {row[RECORDED_AT]:%Y-%m-%d}; {rule.citation}"
    # It counts from when it first became known, whatever was corrected of it since; after the term, for its last day.
    same = (one for one in versions if one["accident_id"] == row["accident_id"])
    known: datetime = min(max(one[RECORDED_AT], one[EVENT_TIME]) for one in same)
    return Seen(Accident(min(known.astimezone(UTC).date(), ends), grade), evidence, row["accident_id"])  # type: ignore[arg-type]
