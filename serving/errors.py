"""Errors at the service's edge: a UserError becomes RFC 9457 problem details with the text that the command line prints."""

from typing import Any

from features.errors import BadInput, Conflict, ForewarnError, NotFound, UserError

PROBLEM = "application/problem+json"


class TooLarge(BadInput):
    """A body or a table beyond the service's bounds."""

    http_status = 413


class WrongMediaType(BadInput):
    """A body that is not declared as what its route reads."""

    http_status = 415


class Withheld(UserError):
    """What is asked for may not be given: its subject has not consented to it. HTTP 403."""

    http_status = 403


class Unavailable(ForewarnError):
    """The service cannot answer now: no champion, a full queue, a store that does not take the evidence. HTTP 503.

    retry_after: in how many seconds to ask again.
    """

    def __init__(self, what: str, *, retry_after: int = 1) -> None:
        self.retry_after = retry_after
        super().__init__(what)


TITLES = {BadInput: "Bad input", NotFound: "Not found", Conflict: "Conflict", Withheld: "Not consented to"}


def problem(error: UserError) -> dict[str, Any]:
    """The problem details of `error`; `detail` is the line that the command line prints for the same mistake."""
    title = next((TITLES[parent] for parent in type(error).__mro__ if parent in TITLES), "Bad request")
    return {
        "type": "about:blank",
        "title": title,
        "status": error.http_status,
        "detail": str(error),
        "what": error.what,
        "where": error.where,
        "mend": error.mend,
    }


def plain_problem(status: int, title: str, detail: str = "") -> dict[str, Any]:
    """Problem details of an answer that no UserError stands behind (unknown path, wrong method, overload, defect)."""
    return {"type": "about:blank", "title": title, "status": status, "detail": detail or title}
