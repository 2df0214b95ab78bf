"""What a visit is worth: the loss of the coming period, times what a visit averts of it, less what visits did already."""

from collections.abc import Iterable

from serving.inspection.model import Mode
from serving.inspection.rules import Rules


def still_there(rules: Rules, days_since: Iterable[float]) -> float:
    """The share of a visit's effect that completed visits, so many days ago, still have: in [0, 1].

    Each visit adds `strength` of what is missing to 1 when it takes place, and all of it halves every half-life: visits
    that lie close together do not make what they did last longer.
    """
    memory, left, before = rules.value.memory, 0.0, 0.0
    for days in sorted(days_since, reverse=True):
        if days < 0.0:
            raise ValueError(f"a visit {-days} days ahead has not been")
        left *= 0.5 ** ((before - days) / memory.half_life_days) if left else 1.0
        left += memory.strength * (1.0 - left)
        before = days
    return float(left * 0.5 ** (before / memory.half_life_days))


def of_visit(rules: Rules, loss_a_year: float, mode: Mode, days_since: Iterable[float] = ()) -> float:
    """The loss that a visit averts, in the currency of `loss_a_year` (expected loss of the site within 365 days).

    days_since: of completed visits. Raises ValueError for a loss that is none.
    """
    if not 0.0 <= loss_a_year < float("inf"):
        raise ValueError(f"{loss_a_year} is no expected loss")
    coming = loss_a_year * rules.value.horizon_days / 365.0
    return coming * rules.value.effectiveness.of(mode) * (1.0 - still_there(rules, days_since))
