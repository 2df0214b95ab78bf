"""The one table of directions: which way a feature may move a price, and whether a price may look at it at all.

sign     +1: more of it never lowers the price score, -1: never raises it, 0: free
charged  whether the price score may use it. Who is visited was chosen by somebody and is a service, what is missing is no
         fact about safety, and the season is not the insured's doing: these inform the alarm alone.

A feature goes by its name without the window (`accident_count` for `accident_count_365d`).
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Direction:
    """How a feature may move a score."""

    sign: int
    charged: bool = True


_RAISES, _LOWERS, _FREE, _ALARM = Direction(1), Direction(-1), Direction(0), Direction(0, charged=False)

DIRECTIONS: dict[str, Direction] = {
    # Own accidents and claims
    "accident_count": _RAISES,
    "accident_deaths": _RAISES,
    "accident_injuries": _RAISES,
    "accident_loss": _RAISES,
    "accident_fatal": _RAISES,
    "accident_larger": _RAISES,
    "accident_mechanical": _RAISES,
    "accident_vehicle": _RAISES,
    "accident_falling": _RAISES,
    "accident_fire_explosion": _RAISES,
    "accident_exposure": _RAISES,
    "accident_free_days": _LOWERS,
    "accident_relativity": _RAISES,
    "accident_rate": _RAISES,
    "expected_1y": _FREE,
    "claim_count": _RAISES,
    "claim_incurred": _RAISES,
    # Hazards: found by others, overdue, repeated, supervised; self-reports alone never raise
    "hazard_external": _RAISES,
    "hazard_authority": _RAISES,
    "hazard_external_major": _RAISES,
    "hazard_external_repeated": _RAISES,
    "hazard_external_supervised": _RAISES,
    "hazard_external_open": _RAISES,
    "hazard_external_overdue": _RAISES,
    "hazard_external_overdue_days": _RAISES,
    "hazard_overdue": _RAISES,
    "hazard_overdue_major": _RAISES,
    "hazard_overdue_longest": _RAISES,
    "hazard_supervised_open": _RAISES,
    "hazard_rectified": _LOWERS,
    "hazard_late": _RAISES,
    "hazard_verified": _LOWERS,
    "hazard_days_open": _RAISES,
    "hazard_self": _LOWERS,
    "hazard_self_overdue": _RAISES,
    "hazard_self_repeated": _RAISES,
    "hazard_self_share": _LOWERS,
    "hazard_self_per_worker": _LOWERS,
    # Visits: a refusal may raise, being visited may not
    "visits_done": _ALARM,
    "visits_partial": _RAISES,
    "visits_refused": _RAISES,
    "visits_unannounced": _ALARM,
    "visits_remote": _ALARM,
    "visit_since": _ALARM,
    "visit_findings": _RAISES,
    "visit_findings_by_lot": _RAISES,
    "visit_findings_last": _RAISES,
    "services": _ALARM,
    "service_hours": _ALARM,
    # Violations, permits, credit
    "violations": _RAISES,
    "penalties": _RAISES,
    "violation_free_days": _LOWERS,
    "permits_withdrawn": _RAISES,
    "permits_expired": _RAISES,
    "credit_rating": _RAISES,
    "credit_blacklisted": _RAISES,
    "credit_repaired": _LOWERS,
    # People and organisation
    "training_coverage": _LOWERS,
    "training_per_worker": _LOWERS,
    "certificate_coverage": _LOWERS,
    "drills": _LOWERS,
    "drilled_per_worker": _LOWERS,
    "subcontracting_depth": _RAISES,
    "subcontracting_share": _RAISES,
    "standardisation_level": _LOWERS,
    # Spending
    "spending_per_worker": _LOWERS,
    "spending_change": _LOWERS,
    "spending_age_days": _ALARM,
    # Exposure
    "exposure_per_year": _FREE,
    "exposure_1y": _FREE,
    "exposure_3y": _FREE,
    "exposure_change": _FREE,
    "exposure_age_days": _ALARM,
    "exposure_told": _ALARM,
    "payroll_per_worker": _FREE,
    "revenue_per_worker": _FREE,
    "insured_value_per_worker": _FREE,
    "project_cost_per_worker": _FREE,
    "miles_per_worker": _FREE,
    "vehicle_years_per_worker": _FREE,
    # What the enterprise is
    "industry": _FREE,
    "high_risk": _FREE,
    "other_currency": _FREE,
    "age_days": _FREE,
    "observed_days": _FREE,
    "sites": _FREE,
    "major_hazard_sites": _RAISES,
    "policies_standing": _ALARM,
    "insured_days": _ALARM,
    "day_of_year": _ALARM,
    # Industry, process, region
    "industry_rate": _RAISES,
    "process_rate": _RAISES,
    "industry_recent": _RAISES,
    "industry_deaths": _FREE,
    "industry_loss": _FREE,
    "region_relativity": _RAISES,
    # The case library. A hazard of another kind makes an enterprise less like its industry's cases: no reason for a lower price
    "case_count": _FREE,
    "case_process_count": _FREE,
    "case_recent": _RAISES,
    "case_rate": _RAISES,
    "case_deadly": _FREE,
    "case_grade": _FREE,
    "case_likeness": _ALARM,
    "case_likeness_deadly": _ALARM,
    "case_like_days": _ALARM,
    # Machines
    "machines": _FREE,
    "machines_scored": _ALARM,
    "machine_risk_sum": _RAISES,
    "machine_risk_max": _RAISES,
    "machine_risk_mean": _RAISES,
    "machine_risk_usual_sum": _RAISES,
    "machine_risk_usual_mean": _RAISES,
    "machine_risk_above_05": _RAISES,
    "machine_risk_above_20": _RAISES,
    "machine_risk_per_worker": _RAISES,
    "machine_risk_age_days": _ALARM,
    "machine_risk_reconstructed": _ALARM,
}


def stem(name: str) -> str:
    """A feature's name without its window."""
    return re.sub(r"_\d+d$", "", name)


def direction(name: str) -> Direction:
    """The direction of a feature. Raises KeyError for one that does not stand in the table."""
    return DIRECTIONS[stem(name)]
