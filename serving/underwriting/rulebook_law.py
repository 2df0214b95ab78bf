"""What the law bounds in every rulebook of a market: a dated, cited file (law.toml)."""

import tomllib
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path

from serving.underwriting.rulebook import Rulebook
from serving.underwriting.rulebook_facts import Finding
from serving.underwriting.rulebook_parts import Number, Part, Text

LAW = Path(__file__).with_name("law.toml")


class Bound(Part):
    """What the law bounds in the rulebooks of a market from a day on."""

    market: str
    element: str
    effective_from: date
    citation: Text
    at_least: Number | None = None
    at_most: Number | None = None


class _Law(Part):
    bounds: tuple[Bound, ...]


@cache
def law(path: Path = LAW) -> tuple[Bound, ...]:
    """The bounds of the law, as the shipped file states them."""
    return _Law.model_validate(tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)).bounds


def lawful(rulebook: Rulebook) -> Iterator[Finding]:
    """What the law of the rulebook's market forbids, at the value at fault."""
    for bound in law():
        same = rulebook.market == bound.market or rulebook.market.startswith(f"{bound.market}-")
        if not same or rulebook.effective_to < bound.effective_from:
            continue
        part, key = bound.element.split(".")
        value = getattr(getattr(rulebook, part), key)
        if bound.at_least is not None and value < bound.at_least:
            yield Finding((part, key), f"{value:f} is less than the law asks, {bound.at_least:f}", bound.citation)
        if bound.at_most is not None and value > bound.at_most:
            yield Finding((part, key), f"{value:f} is more than the law allows, {bound.at_most:f}", bound.citation)
