"""What if: what follows from a wish, and what does not."""

from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from features.enterprise.catalog import catalog
from features.errors import BadInput
from serving.quotes import Basis
from serving.underwriting.facts import Fact, Facts
from serving.whatif import changed, made

AS_OF = date(2026, 3, 1)
NAMES = catalog().names


def facts(**values: Any) -> Facts:
    told = {
        name: Decimal(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
        for name, value in values.items()
    }
    return Facts(AS_OF, "CNY", {name: Fact(name, value, "a test") for name, value in told.items()})


def prospect(**values: Any) -> Basis:
    stated = facts(industry="construction", headcount=80, **values)
    return Basis(stated, made(stated, None)[0])


def test_hazards_rectified_are_overdue_no_more() -> None:
    before = prospect(overdue_hazards=3, overdue_major_hazards=1, rectification_rate=0.75)
    after = changed(before, facts(overdue_hazards=0), None)
    assert {name: after.facts.value(name) for name in ("overdue_hazards", "overdue_major_hazards", "rectification_rate")} == {
        "overdue_hazards": 0, "overdue_major_hazards": 0, "rectification_rate": 1,
    }  # fmt: skip
    assert after.facts["rectification_rate"].evidence == "follows from what is changed"
    other = changed(before, facts(rectification_rate=1), None)
    assert other.facts.value("overdue_hazards") == 0
    assert np.array_equal(other.x, after.x, equal_nan=True)  # type: ignore[arg-type]


def test_nothing_is_told_that_was_not_known() -> None:
    after = changed(prospect(overdue_hazards=3), facts(overdue_hazards=0), None)
    assert "rectification_rate" not in after.facts
    assert "overdue_major_hazards" not in after.facts


def test_wishes_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(BadInput, match="none is overdue"):
        changed(prospect(overdue_hazards=3), facts(overdue_hazards=0, rectification_rate=0.5), None)


def test_a_supervised_hazard_is_rectified_not_forgotten() -> None:
    before = prospect(supervised_open=True)
    after = changed(before, facts(supervised_open=False), None)
    found = NAMES.index("hazard_external_supervised_1095d")
    standing = NAMES.index("hazard_supervised_open")
    assert before.x is not None
    assert after.x is not None
    assert (before.x[found], after.x[found]) == (1.0, 1.0)
    assert (before.x[standing], after.x[standing]) == (1.0, 0.0)
