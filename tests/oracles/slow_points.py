"""The slow oracle: rows that carry a code, and the machine's own row."""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from features.spec import FeatureSpec
from tests.oracles.slow_look import DAY_HOURS, NAN, Look, Operation, Row, window

# The column with the code.
CODES = {
    "events": "code",
    "maintenance": "component",
    "failures": "component",
    "operations": "action",
    "replacements": "component",
}


def coded(look: Look, spec: FeatureSpec) -> list[float]:
    """Hours ago of the rows with the feature's code, or of all rows, oldest first."""
    every = look.rows.get(spec.table, [])
    return [look.ago(row) for row in every if spec.column in ("", row[CODES[spec.table]])]


def count(look: Look, spec: FeatureSpec) -> float:
    return float(sum(ago < window(spec) for ago in coded(look, spec)))


def since(look: Look, spec: FeatureSpec) -> float:
    return min(coded(look, spec), default=NAN)


def since_first(look: Look, spec: FeatureSpec) -> float:
    return max(coded(look, spec), default=NAN)


def _ages(look: Look, spec: FeatureSpec) -> list[float]:
    """Hours since the last row of each declared code that ever came."""
    terms = {"events": look.kind.error_codes, "operations": look.kind.actions}.get(spec.table, look.kind.components)
    every = look.rows.get(spec.table, [])
    found = [[look.ago(row) for row in every if row[CODES[spec.table]] == term.code] for term in terms]
    return [min(ago) for ago in found if ago]


def youngest(look: Look, spec: FeatureSpec) -> float:
    return min(_ages(look, spec), default=NAN)


def oldest(look: Look, spec: FeatureSpec) -> float:
    return max(_ages(look, spec), default=NAN)


def gap(look: Look, spec: FeatureSpec) -> float:
    """The commonest of the latest twelve gaps between visits, alike within 5 %; of equally common ones the shortest."""
    moments = sorted({look.ago(row) for row in look.rows.get(spec.table, [])})
    gaps = [earlier - later for later, earlier in pairwise(moments)][:12]
    likes = [sum(abs(other - one) <= 0.05 * one for other in gaps) for one in gaps]
    return min((one for one, like in zip(gaps, likes, strict=True) if like == max(likes)), default=NAN)


def to_next(look: Look, spec: FeatureSpec) -> float:
    """Hours to the next visit if the rhythm goes on."""
    ago = [look.ago(row) for row in look.rows.get(spec.table, [])]
    rhythm = gap(look, spec)
    return rhythm - math.fmod(min(ago), rhythm) if not math.isnan(rhythm) else NAN


def since_at_next(look: Look, spec: FeatureSpec) -> float:
    return since(look, spec) + to_next(look, spec)


# The machine itself


def of_machine(rule: Callable[[Look, Row], float | None]) -> Callable[[Look, FeatureSpec], float]:
    """An operation on the machine's own row; missing where it is not known."""

    def operation(look: Look, spec: FeatureSpec) -> float:
        if not look.rows.get("machines"):
            return NAN
        (row,) = look.rows["machines"]
        found = rule(look, row)
        return NAN if found is None else float(found)

    return operation


def age(look: Look, row: Row) -> float | None:
    return None if row["age_hours"] is None else row["age_hours"] + look.ago(row)


def observed(look: Look, row: Row) -> float | None:
    return look.ago(row)


def age_at_start(look: Look, row: Row) -> float | None:
    return row["age_hours"]  # type: ignore[no-any-return]


def capacity(look: Look, row: Row) -> float | None:
    return row["capacity"]  # type: ignore[no-any-return]


def model(look: Look, row: Row) -> float | None:
    return look.kind.models.index(row["model"]) if row["model"] in look.kind.models else None


def make(look: Look, row: Row) -> float | None:
    """The leading letters of the model, as their place among those of the kind's models."""
    if row["model"] not in look.kind.models:
        return None
    makes = [re.split(r"[\W\d_]", one)[0].upper() for one in look.kind.models]
    return sorted(set(makes)).index(makes[look.kind.models.index(row["model"])])


def _days(look: Look) -> float:
    return (look.as_of - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(days=1)


def season(look: Look, row: Row) -> float | None:
    return math.floor(_days(look)) % 365.25


def weekday(look: Look, row: Row) -> float | None:
    return look.as_of.astimezone(UTC).weekday()


def date(look: Look, row: Row) -> float | None:
    return math.floor(_days(look))


def made(look: Look, row: Row) -> float | None:
    """Date of manufacture, in days since 1970."""
    hours = age(look, row)
    return None if hours is None else _days(look) - hours / DAY_HOURS


POINTS: dict[str, Operation] = {
    one.__name__: one for one in (count, since, since_first, youngest, oldest, gap, to_next, since_at_next)
}
STATIC: dict[str, Operation] = {
    rule.__name__: of_machine(rule)
    for rule in (age, observed, age_at_start, model, make, capacity, season, weekday, date, made)
}
