"""The segments that a book is looked at by: what its policies and their facts say of them, each with its words."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from serving.underwriting.experience import bands
from serving.underwriting.facts import VOCABULARY
from serving.underwriting.level_words import code_words, level_words
from serving.underwriting.rated import StepColumn
from serving.underwriting.rulebook import Rulebook
from serving.underwriting.words import Words
from training.report_words import Text

_UNKNOWN = "?"
_BANDS: Mapping[str, tuple[Text, tuple[float, ...]]] = {
    "headcount": (Text("By headcount", "按人数"), (10, 50, 200, 1000)),
    "accidents_3y": (Text("By accidents of three years", "按三年事故数"), (1, 2, 3)),
}
_CODES = {
    "industry": Text("By industry", "按行业"),
    "standardisation": Text("By standardisation level", "按标准化等级"),
    "credit": Text("By credit", "按信用"),
    "region": Text("By region", "按地区"),
}
_MOST = 24


@dataclass(frozen=True)
class Cut:
    """One way of cutting the book, by a fact: its words, and the segment of each policy."""

    fact: str
    words: Text
    level: tuple[str, ...]
    order: tuple[str, ...] = ()

    def place(self, level: str) -> tuple[int, str]:
        """Where a segment stands: codes in their own order, bands and others by their words."""
        return (self.order.index(level) if level in self.order else len(self.order), level)

    def named(self, level: str) -> str:
        """A segment's name in both languages."""
        if level == _UNKNOWN:
            return "not known 未知"
        return _both(code_words(self.fact, level)) if self.fact in _CODES else _band(level)


def cuts(policies: pa.Table) -> list[Cut]:
    """The cuts that the facts of the policies allow: those known of anybody, with two segments or more."""
    found = []
    for name in ("industry", "headcount", "standardisation", "accidents_3y", "credit", "region"):
        if name not in policies.column_names:
            continue
        column = policies.column(name)
        if name in _CODES:
            level = tuple(_UNKNOWN if one is None else str(one) for one in column.to_pylist())
            words = _CODES[name]
        else:
            words, edges = _BANDS[name]
            level = tuple(bands(column.to_numpy().astype(np.float64), edges, _UNKNOWN))
        if 1 < len(set(level)) <= _MOST:
            found.append(Cut(name, words, level, VOCABULARY[name].codes if name != "industry" else ()))
    return found


def level_name(rulebook: Rulebook, step: StepColumn, level: str) -> str:
    """A level of a step in both languages."""
    if step.stage == "model":
        return _band(level)
    return _both(level_words(rulebook, step.stage, step.name, level))


def _both(words: Words) -> str:
    return f"{words.en} {words.zh}".strip()


def _band(level: str) -> str:
    """A band of numbers without the place that keeps it in order."""
    head, _, rest = level.partition(". ")
    return rest if head.isdigit() and rest else level
