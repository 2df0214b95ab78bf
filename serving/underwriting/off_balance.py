"""Off-balance: premiums brought to a given total, exact to the cent, none of them below its floor.

Every premium above its floor is multiplied by one factor; what rounding down leaves over goes, a step each, to those whose
remainders are the largest (Hamilton's method of apportionment). Whole numbers throughout: the order in which the policies stand
never matters, and nothing is lost however many they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from features.errors import BadInput, Conflict

CENT = Decimal("0.01")
_FACTOR = Decimal("0.0000000001")


@dataclass(frozen=True)
class Balanced:
    """Premiums whose sum is the total asked for, in the order given.

    factor: what every premium above its floor was multiplied by, to ten places; at_floor: how many are held at their floor.
    """

    amounts: tuple[Decimal, ...]
    total: Decimal
    factor: Decimal
    at_floor: int


def balance(
    amounts: Sequence[Decimal],
    keys: Sequence[str],
    total: Decimal,
    *,
    least: Sequence[Decimal] | None = None,
    step: Decimal = CENT,
) -> Balanced:
    """Premiums [n] in proportion to `amounts` [n], whole steps, that add up to `total`.

    keys: one of its own for each policy; they settle who gets a step where remainders are alike. least: the floor of each [n].
    Raises BadInput on a total that is no whole number of steps, or on premiums that are all zero; Conflict where the floors
    alone add up to more than the total.
    """
    if len(amounts) != len(keys) or (least is not None and len(least) != len(amounts)):
        raise ValueError("one key and one floor for each amount")
    wanted = _whole(total, step)
    floors = [0] * len(amounts) if least is None else [-(-one // step) for one in least]  # rounded up
    held = [int(one) for one in floors]
    size = _integers(amounts)
    if sum(held) > wanted:
        what = f"the floors of {len(amounts)} policies add up to {sum(held) * step}, more than the total of {total}"
        raise Conflict(what, where="off-balance", mend="lower the minimum premium or raise the total")
    free, rest, whole = _above_floor(size, held, wanted)
    if not whole:
        if wanted != sum(held):
            raise BadInput("every premium is zero", where="off-balance", mend="rate the book with a rulebook that charges")
        return Balanced(tuple(one * step for one in held), total, Decimal(0), len(held))
    shares = [divmod(size[place] * rest, whole) for place in free]
    left = rest - sum(share for share, _ in shares)
    order = sorted(range(len(free)), key=lambda one: (-shares[one][1], keys[free[one]]))
    found = list(held)
    for place, (share, _) in zip(free, shares, strict=True):
        found[place] = share
    for one in order[:left]:
        found[free[one]] += 1
    before = sum((amounts[place] for place in free), Decimal(0))
    factor = (rest * step / before).quantize(_FACTOR)
    return Balanced(tuple(one * step for one in found), total, factor, len(amounts) - len(free))


def _above_floor(size: list[int], held: list[int], wanted: int) -> tuple[list[int], int, int]:
    """Who is not held at the floor, the steps left for them, and the sum of their sizes.

    Holding one at its floor leaves less for the others, who may fall to theirs: until nobody does.
    """
    free, rest = [place for place, one in enumerate(size) if one], wanted
    rest -= sum(held[place] for place, one in enumerate(size) if not one)
    while True:
        whole = sum(size[place] for place in free)
        below = {place for place in free if size[place] * rest < held[place] * whole}
        if not below:
            return free, rest, whole
        rest -= sum(held[place] for place in below)
        free = [place for place in free if place not in below]


def _whole(total: Decimal, step: Decimal) -> int:
    if total < 0 or total % step:
        raise BadInput(f"a total of {total} is no whole number of steps of {step}", where="off-balance", mend="round it")
    return int(total // step)


def _integers(amounts: Sequence[Decimal]) -> list[int]:
    """Amounts in units of their finest decimal place."""
    if any(one < 0 for one in amounts):
        raise BadInput("a premium below zero", where="off-balance", mend="rate the book again")
    places = max((-int(one.as_tuple().exponent) for one in amounts), default=0)
    return [int(one.scaleb(max(places, 0))) for one in amounts]
