"""Values of visits, by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.inspection import rules as rulesets
from serving.inspection.model import Mode
from serving.inspection.value import of_visit, still_there

RULES = rulesets.load()
MEMORY = RULES.value.memory.model_copy(update={"strength": 0.5})
DAYS = st.lists(st.floats(0.0, 2_000.0), max_size=6)


def test_by_hand() -> None:
    assert of_visit(RULES, 36_500.0, Mode.ON_SITE) == pytest.approx(36_500 * 90 / 365 * 0.094)
    assert of_visit(RULES, 36_500.0, Mode.REMOTE) == pytest.approx(36_500 * 90 / 365 * 0.047)
    assert of_visit(RULES, 36_500.0, Mode.ON_SITE, [60.0]) == pytest.approx(36_500 * 90 / 365 * 0.094 / 2)
    assert still_there(RULES, [60.0, 120.0, 7.0]) == pytest.approx(0.5 ** (7 / 60))  # as good as new whatever was before
    half = RULES.model_copy(update={"value": RULES.value.model_copy(update={"memory": MEMORY})})
    assert still_there(half, [60.0, 120.0]) == pytest.approx((0.25 + 0.5 * 0.75) / 2)
    assert of_visit(RULES, 36_500.0, Mode.ON_SITE, [0.0]) == 0.0


@given(DAYS, st.floats(0.0, 2_000.0))
def test_another_visit_never_raises_what_the_next_is_worth(days: list[float], one: float) -> None:
    assert of_visit(RULES, 1e6, Mode.ON_SITE, [*days, one]) <= of_visit(RULES, 1e6, Mode.ON_SITE, days) * (1 + 1e-12)


@given(DAYS)
def test_value_recovers_as_visits_lie_back(days: list[float]) -> None:
    later = [one + 30.0 for one in days]
    assert of_visit(RULES, 1e6, Mode.ON_SITE, later) >= of_visit(RULES, 1e6, Mode.ON_SITE, days) * (1 - 1e-12)


@given(DAYS, st.floats(0.0, 2_000.0), st.floats(0.01, 1.0))
def test_half_a_life_on_half_of_it_is_left(days: list[float], more: float, strength: float) -> None:
    memory = RULES.value.memory.model_copy(update={"strength": strength})
    rules = RULES.model_copy(update={"value": RULES.value.model_copy(update={"memory": memory})})
    faded = 0.5 ** (more / memory.half_life_days)
    assert still_there(rules, [one + more for one in days]) == pytest.approx(still_there(rules, days) * faded, abs=1e-12)


@pytest.mark.parametrize("loss", [-1.0, float("nan"), float("inf")])
def test_a_loss_that_is_none(loss: float) -> None:
    with pytest.raises(ValueError, match="no expected loss"):
        of_visit(RULES, loss, Mode.ON_SITE)


def test_a_visit_ahead() -> None:
    with pytest.raises(ValueError, match="ahead"):
        still_there(RULES, [-1.0])
