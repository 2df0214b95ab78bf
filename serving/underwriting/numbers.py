"""Where a model's binary fraction becomes a decimal: once, at the border, so that a premium is the same cent for ever."""

import math
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal

from features.errors import BadInput

# Every sum and product of money. Amounts and factors are never binary fractions.
MONEY = Context(prec=28, rounding=ROUND_HALF_UP)
_OF_MODEL = Context(prec=10, rounding=ROUND_HALF_EVEN)
CENT = Decimal("0.01")


def of_model(number: float) -> Decimal:
    """A model's number at ten significant digits. Raises BadInput where it is not finite.

    Ten digits are more than any model is good for, and fewer than the digits in which two machines may differ.
    """
    if not math.isfinite(number):
        raise BadInput(f"the model's number is {number}", where="model", mend="score the enterprise again")
    return _OF_MODEL.create_decimal_from_float(float(number))


def plain(number: Decimal) -> str:
    """A decimal as text without an exponent; reading it back gives the number again."""
    return format(number, "f")
