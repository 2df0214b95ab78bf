"""One error hierarchy: what was wrong, where, and how to mend it.

A user's error ends a verb with exit code 2 and becomes HTTP 4xx problem details at the service's edge, with the same text.
Anything else is a defect of the program and may show a traceback.
"""

from typing import Any


class ForewarnError(Exception):
    """Base of every error that Forewarn raises on purpose."""


class UserError(ForewarnError):
    """Something the user can mend.

    what: what is wrong, without a full stop.  where: file, row, column, field or id.  mend: what to do about it.
    """

    exit_code = 2
    http_status = 400

    def __init__(self, what: str, *, where: str = "", mend: str = "") -> None:
        self.what, self.where, self.mend = what, where, mend
        super().__init__(what, where, mend)

    def __reduce__(self) -> tuple[Any, ...]:
        """Raised in another process, it comes back as it is, whatever the arguments of its kind are."""
        return _again, (type(self), self.args), self.__dict__

    def __str__(self) -> str:
        line = f"{self.where}: {self.what}" if self.where else self.what
        return f"{line}; {self.mend}" if self.mend else line


def _again(kind: type[UserError], args: tuple[Any, ...]) -> UserError:
    error = kind.__new__(kind)
    error.args = args
    return error


class BadInput(UserError):
    """Data or a setting that breaks its contract."""


class NotFound(UserError):
    """A named thing (machine, snapshot, bundle, score) that does not exist."""

    http_status = 404


class Conflict(UserError):
    """The request contradicts what is stored, or somebody else is writing."""

    http_status = 409
