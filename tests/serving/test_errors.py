"""A user's error is the same after it crossed to another process."""

import copy

import pytest

from features.errors import BadInput, Conflict, NotFound, UserError
from serving.books.cells import FaultyBook

GIVEN = {"where": "there", "mend": "mend it"}
FAULTS = [BadInput("first", **GIVEN), BadInput("second", where="elsewhere")]


@pytest.mark.parametrize(
    "error", [BadInput("what", **GIVEN), NotFound("what"), Conflict("what", **GIVEN), FaultyBook(FAULTS, 7)], ids=type
)
def test_an_error_comes_back_as_it_was_raised(error: UserError) -> None:
    again = copy.copy(error)  # by `__reduce__`, as pickle does
    assert type(again) is type(error) and str(again) == str(error) and vars(again) == vars(error)
    assert again.args == error.args and again.http_status == error.http_status
