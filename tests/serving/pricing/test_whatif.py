"""What if: what follows from a wish, and what does not."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from features.enterprise.catalog import catalog
from features.errors import BadInput
from serving.pricing.quotes import Basis
from serving.pricing.whatif import changed, made
from serving.underwriting.facts import Fact, Facts

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


def of_lake(**values: Any) -> Basis:
    """As an enterprise of the lake: its rows stay, and what is wished moves them."""
    return replace(prospect(**values), enterprise_id="e-1")


def test_no_major_hazard_is_overdue_where_none_is() -> None:
    after = changed(of_lake(overdue_hazards=3, overdue_major_hazards=1), facts(overdue_hazards=0), None)
    assert after.facts.value("overdue_major_hazards") == 0
    assert after.x is not None
    assert after.x[NAMES.index("hazard_overdue_major")] == 0


def test_what_the_lake_knows_stays_known_and_within_its_bounds() -> None:
    """Its own overdue hazard was found by itself; made rows have one found by others, and nothing else to take shares of."""
    before = of_lake(self_reports_1y=4, rectification_rate=1)
    assert before.x is not None
    told = before.x.copy()
    told[NAMES.index("hazard_overdue")] = 1.0
    told[NAMES.index("hazard_verified_365d")] = 0.75
    own = replace(before, x=told, facts=replace(before.facts, known={**before.facts.known, **facts(overdue_hazards=1).known}))
    after = changed(own, facts(overdue_hazards=0), None)
    assert after.x is not None
    assert after.x[NAMES.index("hazard_overdue")] == 0
    assert after.x[NAMES.index("hazard_verified_365d")] == 0.75
    shares = [place for place, spec in enumerate(catalog().specs) if spec.unit == "share"]
    assert np.nanmax(after.x[shares]) <= 1
    for name in ("hazard_external_open", "hazard_external_overdue", "hazard_external_overdue_days", "hazard_overdue_longest"):
        assert after.x[NAMES.index(name)] >= 0, name


def test_grades_and_amounts_change_beside_what_they_are_of() -> None:
    before = of_lake(accidents_1y=2, accidents_ordinary_1y=1, accidents_larger_1y=1, claims_3y=2, incurred_3y=90_000)
    fewer = changed(before, facts(accidents_larger_1y=0), None)
    assert fewer.facts.value("accidents_1y") == 1
    assert changed(before, facts(incurred_3y=10_000), None).facts.value("incurred_3y") == 10_000
    with pytest.raises(BadInput, match="fewer accidents in three years than in the last one"):
        changed(of_lake(accidents_1y=2, accidents_3y=2), facts(accidents_3y=1), None)
