"""What a feature is: one row of the catalog, with the words that a reason is made of."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class FeatureSpec:
    """One feature: an operation of the kernel on one column of one table.

    column: a sensor, code or component; empty means all of them together.  window_hours: the lookback (as_of - w, as_of], or
    None where the operation looks at all that is known.  against_hours: the longer lookback that `deviation` compares with.
    unit, words_en, words_zh: what a reason shows beside the value.  categorical: an index into `levels`, whose words
    a reason shows.
    """

    name: str
    family: str
    table: str
    op: str
    column: str = ""
    window_hours: float | None = None
    against_hours: float | None = None
    unit: str = ""
    words_en: str = ""
    words_zh: str = ""
    categorical: bool = False
    levels_en: tuple[str, ...] = ()
    levels_zh: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """What the catalog's hash covers: everything that decides the value, not the words."""
        words = {"words_en", "words_zh", "levels_en", "levels_zh"}
        return {key: value for key, value in vars(self).items() if key not in words}


def tag(hours: float) -> str:
    """A window in a feature's name: `24h`, `1.5h`."""
    return f"{hours:g}h"


def span_en(hours: float) -> str:
    """A window in English words: hours up to three days, days beyond."""
    return f"{hours:g} h" if hours <= 72 or hours % 24 else f"{hours / 24:g} d"


def span_zh(hours: float) -> str:
    """A window in Chinese words; between a Chinese letter and its number the caller leaves a space."""
    return f"{hours:g} 小时" if hours <= 72 or hours % 24 else f"{hours / 24:g} 天"
