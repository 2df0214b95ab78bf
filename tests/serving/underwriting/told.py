"""Facts as a test tells them."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal


@dataclass(frozen=True)
class Told:
    value: Decimal | str | bool | date
    evidence: str = "told"


class Facts(dict[str, Told]):
    """Known facts by name; numbers may be given as int or text."""

    def __init__(self, **facts: Decimal | int | str | bool) -> None:
        super().__init__({name: Told(_value(value)) for name, value in facts.items()})

    def value(self, name: str) -> Decimal | str | bool | date | None:
        return self[name].value if name in self else None


def _value(value: Decimal | int | str | bool) -> Decimal | str | bool:
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value
