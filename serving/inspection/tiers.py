"""Minimum visits and follow-ups: how often a site must be visited, when the next visit is due, and how overdue it is.

What a policy costs is no input here, so no discount lowers a minimum.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from serving.inspection.rules import Colour, Frequency, Rules


@dataclass(frozen=True)
class Supervised:
    """A supervised major hazard that is not rectified. due: None where nobody set a date: it is due at once."""

    hazard_id: str
    found: datetime
    due: datetime | None


@dataclass(frozen=True)
class Standing:
    """What rules look at of a site. p_accident: chance of any accident within 365 days; None: no usable score.

    stated: the colour that somebody assessed, which goes before the score's. visits: moments of visits that count.
    since: from when on the site is to be visited.
    """

    industry: str
    major_hazard: bool
    since: datetime
    headcount: float | None = None
    p_accident: float | None = None
    stated: Colour | None = None
    visits: tuple[datetime, ...] = ()
    supervised: tuple[Supervised, ...] = ()


@dataclass(frozen=True)
class Due:
    """When a visit is due, by which rule. overdue_days: at the moment that was asked for; negative: so long to go."""

    at: datetime
    rule: str
    words_en: str
    words_zh: str
    overdue_days: float


def colour(rules: Rules, standing: Standing) -> Colour:
    """The risk colour: as stated, else by the score, else by rule."""
    if standing.stated is not None:
        return standing.stated
    bounds = rules.colours
    if standing.p_accident is None:
        if standing.major_hazard:
            return bounds.by_rule_major_hazard
        return bounds.by_rule_high_risk if high_risk(rules, standing) else bounds.by_rule_other
    for name, bound in (("red", bounds.red), ("orange", bounds.orange), ("yellow", bounds.yellow)):
        if standing.p_accident >= bound:
            return name  # type: ignore[return-value]
    return "blue"


def high_risk(rules: Rules, standing: Standing) -> bool:
    """Whether its industry counts as high-risk."""
    return standing.industry in rules.industries.high_risk


def frequency(rules: Rules, standing: Standing) -> Frequency:
    """The first frequency that fits; an unknown headcount is not a small one."""
    for rule in rules.frequency:
        if rule.high_risk is not None and rule.high_risk != high_risk(rules, standing):
            continue
        if rule.colours is not None and colour(rules, standing) not in rule.colours:
            continue
        if rule.headcount_below is not None and not (
            standing.headcount is not None and standing.headcount < rule.headcount_below
        ):
            continue
        return rule
    raise ValueError("rules without a last frequency that fits every site")


def minimum(rules: Rules, standing: Standing, moment: datetime) -> Due:
    """When the next visit of the minimum is due: so long after the last one, or after the site came in."""
    rule = frequency(rules, standing)
    last = max((one for one in standing.visits if one <= moment), default=standing.since)
    at = last + timedelta(days=rule.every_days)
    return Due(at, rule.name, rule.words_en, rule.words_zh, _days(moment - at))


def follow_up(rules: Rules, standing: Standing, moment: datetime) -> Due | None:
    """When the next follow-up of supervised hazards is due; None: there is nothing to follow up.

    A visit after the due date follows up all of them: the next one is due an interval later.
    """
    moments = [_follow_up_of(rules, one, standing.visits, moment) for one in standing.supervised if one.found <= moment]
    if not moments:
        return None
    at, hazard_id = min(moments)
    words_en, words_zh = f"follow-up of the supervised major hazard {hazard_id}", f"挂牌督办重大隐患 {hazard_id} 复查"
    return Due(at, "follow-up", words_en, words_zh, _days(moment - at))


def _follow_up_of(rules: Rules, one: Supervised, visits: Sequence[datetime], moment: datetime) -> tuple[datetime, str]:
    first = one.found if one.due is None else max(one.found, one.due - timedelta(days=rules.follow_up.before_due_days))
    later = [visit for visit in visits if first <= visit <= moment]
    return (max(later) + timedelta(days=rules.follow_up.every_days) if later else first), one.hazard_id


def _days(span: timedelta) -> float:
    return span / timedelta(days=1)
