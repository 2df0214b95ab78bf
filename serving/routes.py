"""The service's paths."""

INDEX = "/"
SCORE_ROUTE, KNOWN_ROUTE, TABLE_ROUTE = "/v1/machines/score", "/v1/machines/{machine_id}/score", "/v1/tables/{table}"
RISK_ROUTE = "/v1/enterprises/{enterprise_id}/risk"
VISITS_ROUTE = "/v1/visits/outcomes"
QUOTES_ROUTE, QUOTE_ROUTE = "/v1/quotes", "/v1/quotes/{quote_id}"
PLANS_ROUTE, PLAN_ROUTE, REPLAN_ROUTE = "/v1/plans", "/v1/plans/{plan_id}", "/v1/plans/{plan_id}/replan"
CALENDAR_ROUTE = "/v1/plans/{plan_id}.ics"
# Described at /docs.json, with the errors that they answer.
DESCRIBED = (
    SCORE_ROUTE, KNOWN_ROUTE, RISK_ROUTE, QUOTES_ROUTE, QUOTE_ROUTE, PLANS_ROUTE, PLAN_ROUTE, REPLAN_ROUTE, CALENDAR_ROUTE,
    VISITS_ROUTE, TABLE_ROUTE,
)  # fmt: skip
_ALONE = frozenset((SCORE_ROUTE, QUOTES_ROUTE, PLANS_ROUTE, VISITS_ROUTE, "/readyz", "/livez", "/metrics", "/docs.json"))
# By how a path begins and ends, with the id between.
_WITH_ID = (
    ("/v1/tables/", "", TABLE_ROUTE), ("/v1/quotes/", "", QUOTE_ROUTE), ("/v1/plans/", "/replan", REPLAN_ROUTE),
    ("/v1/plans/", ".ics", CALENDAR_ROUTE), ("/v1/plans/", "", PLAN_ROUTE), ("/v1/enterprises/", "/risk", RISK_ROUTE),
    ("/v1/machines/", "/score", KNOWN_ROUTE),
)  # fmt: skip


def route_of(path: str) -> str:
    """The route of a path, with the id taken out; anything unknown is one label."""
    if path in _ALONE:
        return path
    return next((route for begin, end, route in _WITH_ID if path.startswith(begin) and path.endswith(end)), "other")
